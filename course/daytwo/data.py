"""The year 2013 as typed frames: flights that were to leave New York, weather, aircraft, airports and airlines.

Beside them the desk's runbooks, and what a small language model answered from them.

Units, sources and known dirt are in `CARD.md` beside the parquet files. All times are UTC unless a column is HHMM.
"""

import json
from functools import cache
from importlib.resources import files

import pandas as pd

LABELS = ("grounded", "unsupported")  # what the labeller says of an answer


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


def runbooks() -> pd.DataFrame:
    """60 short documents of the airline desk: id, title, text."""
    return _load("runbooks").copy()


def answers() -> pd.DataFrame:
    """77 recorded answers of a small language model to questions about a runbook, each labelled.

    How they were made (prompt, model, versions) is in the frame's `attrs`; the columns are in `CARD.md`.
    """
    return _load("answers").copy()


@cache
def _load(name: str) -> pd.DataFrame:
    """One table; callers get copies, so that what a learner changes in a cell stays in that cell."""
    file, maker = {"answers": ("answers.json", "ask"), "runbooks": ("runbooks.json", "make_runbooks")}.get(
        name, (f"{name}.parquet", "make")
    )
    path = files("daytwo_data") / file
    try:
        if file.endswith(".json"):
            return _table(json.loads(path.read_text(encoding="utf-8")))
        frame = pd.read_parquet(path, page_checksum_verification=True)
    except (OSError, ValueError, KeyError) as error:  # pyarrow's ArrowInvalid is a ValueError
        state = "damaged" if path.is_file() else "missing"
        raise RuntimeError(
            f"The data file {path} is {state}: run `git checkout -- data/{file}`, or `python data/{maker}.py`."
        ) from error
    if name == "flights":
        late = frame.arr_delay.gt(15).astype(float)
        frame["late"] = late.where(frame.arr_delay.notna())
    return frame


def _table(found) -> pd.DataFrame:
    """A list of records as a frame; recorded answers beside their labels."""
    if isinstance(found, list):
        return pd.DataFrame(found)
    rows = [row | {name: found["labels"][row["id"]][name] for name in LABELS} for row in found["answers"]]
    frame = pd.DataFrame(rows)
    frame.attrs = found["made"]
    return frame
