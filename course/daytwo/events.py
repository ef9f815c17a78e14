"""The year as a tape of events, in the order in which they became available."""

from typing import NamedTuple

import numpy as np
import pandas as pd

from .data import flights, weather
from .model import PUBLISHED

ANNOUNCED = pd.Timedelta("24h")  # a flight's schedule is known this long before its scheduled departure
# tailnum comes with the departure: beforehand it would be a leak, for in this data only cancelled flights lack it.
COLUMNS = {
    "weather": (
        "origin",
        "time_hour",
        "temp",
        "dewp",
        "humid",
        "wind_dir",
        "wind_speed",
        "wind_gust",
        "precip",
        "pressure",
        "visib",
    ),
    "schedule": ("flight_id", "carrier", "flight", "origin", "dest", "distance", "sched_dep", "sched_arr"),
    "departure": ("flight_id", "carrier", "origin", "dest", "tailnum", "dep_delay"),
    "arrival": ("flight_id", "carrier", "origin", "dest", "air_time", "arr_delay", "late"),
}
KINDS = tuple(COLUMNS)


class Event(NamedTuple):
    """One message. `key` is a flight_id, or the origin for weather; `data` is what it says; times are UTC."""

    available_time: pd.Timestamp
    event_time: pd.Timestamp
    kind: str
    key: int | str
    data: dict

    @property
    def event_id(self) -> tuple:
        """The same for every delivery of the same event."""
        return self.kind, self.key, self.event_time


class Tape(NamedTuple):
    """A year of events takes 1.2 GB as objects and 0.1 GB as tables, so they become objects only when they are read.

    `times` has a row per delivery, by available_time: kind, row (in messages[kind]), event_time, available_time and
    edits (bit n is set if fault n changes the message).
    """

    times: pd.DataFrame
    messages: dict[str, pd.DataFrame]


def record(start: pd.Timestamp, end: pd.Timestamp) -> Tape:
    """Every event of the flights scheduled to depart in [start, end), and the weather from a day before to `end`.

    - weather: of the hour `event_time`, available an hour later.
    - schedule: published, and available, 24 hours before scheduled departure; cancelled flights too.
    - departure: available at departure (minutes late in `dep_delay`); none for cancelled flights.
    - arrival: available when the flight lands, with its label `late` (0 or 1); none for cancelled or diverted flights.

    Values are plain Python ones, None where missing. Equal times keep this order of kinds, then that of the tables.
    """
    table, hours = flights(), weather()
    table = table[(start <= table.sched_dep) & (table.sched_dep < end)]
    published = hours.time_hour + PUBLISHED
    hours = hours[(start - ANNOUNCED <= published) & (published < end)]
    departed = table[table.dep.notna()].astype({"dep_delay": int})
    arrived = table[table.late.notna()].astype({"arr_delay": int, "air_time": int, "late": int})
    rows = {"weather": hours, "schedule": table, "departure": departed, "arrival": arrived}
    when = [hours.time_hour, table.sched_dep - ANNOUNCED, departed.dep, arrived.arr]
    parts = [
        pd.DataFrame({"kind": kind, "row": range(len(time)), "event_time": time, "available_time": time, "edits": 0})
        for kind, time in zip(KINDS, when, strict=True)
    ]
    parts[0]["available_time"] += PUBLISHED
    times = pd.concat(parts).astype({"kind": pd.CategoricalDtype(KINDS)})
    return in_order(Tape(times, {kind: rows[kind][list(COLUMNS[kind])] for kind in KINDS}))


def in_order(tape: Tape) -> Tape:
    """The tape by available_time; equal times stay as they stood."""
    return tape._replace(times=tape.times.sort_values("available_time", kind="stable", ignore_index=True))


def keys(tape: Tape, at) -> np.ndarray:
    """The keys of the events at these positions."""
    times, found = tape.times.iloc[at], np.empty(len(tape.times.iloc[at]), dtype=object)
    for kind in KINDS:
        here = (times.kind == kind).to_numpy()
        column = "origin" if kind == "weather" else "flight_id"
        found[here] = tape.messages[kind][column].iloc[times.row[here]].tolist()
    return found


def ids(tape: Tape, at) -> tuple:
    """The event_ids of the events at these positions."""
    times = tape.times.iloc[at]
    return tuple(zip(times.kind.tolist(), keys(tape, at).tolist(), times.event_time.tolist(), strict=True))


def read(tape: Tape, at) -> list[Event]:
    """The events at these positions as objects, as they were before any fault."""
    times = tape.times.iloc[at]
    data = np.empty(len(times), dtype=object)
    for kind in KINDS:
        here = (times.kind == kind).to_numpy()
        rows = tape.messages[kind].iloc[times.row[here]]
        values = zip(*(_plain(rows[name]) for name in COLUMNS[kind]), strict=True)
        data[here] = [dict(zip(COLUMNS[kind], row, strict=True)) for row in values]
    fields = (times.available_time.tolist(), times.event_time.tolist(), times.kind.tolist(), keys(tape, at).tolist())
    return list(map(Event, *fields, data.tolist()))


def _plain(column: pd.Series) -> list:
    """A column as Python values, None where missing: None equals None, which NaN does not."""
    if isinstance(column.dtype, pd.StringDtype) or column.hasnans:
        column = column.astype(object).where(column.notna(), None)
    return column.tolist()
