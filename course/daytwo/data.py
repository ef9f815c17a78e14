"""The year 2013 as typed frames: flights that were to leave New York, weather, aircraft, airports and airlines.

Units, sources and known dirt are in `CARD.md` beside the parquet files. All times are UTC unless a column is HHMM.
"""

from functools import cache
from importlib.resources import files

import pandas as pd


def flights() -> pd.DataFrame:
    """336,776 scheduled flights with their label `late`: 1.0 if more than 15 minutes late, NaN if it never arrived."""
    return _load("flights").copy()


def weather() -> pd.DataFrame:
    """26,115 hourly observations at EWR, JFK and LGA; `time_hour` is the hour observed, in UTC."""
    return _load("weather").copy()


def planes() -> pd.DataFrame:
    """3,322 aircraft by `tailnum`; one flight in seven has an aircraft that is not here."""
    return _load("planes").copy()


def airports() -> pd.DataFrame:
    """1,458 airports by `faa` code with position (degrees), altitude (feet) and time zone."""
    return _load("airports").copy()


def airlines() -> pd.DataFrame:
    """16 carriers by two-letter code."""
    return _load("airlines").copy()


@cache
def _load(name: str) -> pd.DataFrame:
    """One table; callers get copies, so that what a learner changes in a cell stays in that cell."""
    path = files("daytwo_data") / f"{name}.parquet"
    try:
        frame = pd.read_parquet(path, page_checksum_verification=True)
    except (OSError, ValueError) as error:  # pyarrow's ArrowInvalid is a ValueError
        state = "damaged" if path.is_file() else "missing"
        raise RuntimeError(
            f"The data file {path} is {state}: run `git checkout -- data/{name}.parquet`, or `python data/make.py`."
        ) from error
    if name == "flights":
        late = frame.arr_delay.gt(15).astype(float)
        frame["late"] = late.where(frame.arr_delay.notna())
    return frame
