"""The year 2013 as parquet files; `daytwo` reads them, `CARD.md` describes them."""
