"""Faults for a `World`: what goes wrong in production, on request, with the truth kept for scoring.

`start` and `end` are UTC; an event is hit if it becomes available in [start, end). Left out, they are the world's.
`share` is the part of those events that is hit, drawn by the world's seed. Several faults may hit one event: a frozen
sensor comes first, then wrong values in the order given, then nulls, then wrong types, then wrong names.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from .events import Event, Tape, ids, in_order, keys, read


class Fault(NamedTuple):
    """A request, made by the functions below. `kind` None means events of every kind."""

    name: str
    start: Any = None
    end: Any = None
    share: float = 1.0
    kind: str | None = None
    options: dict = {}  # noqa: RUF012 (nobody changes it)


class Truth(NamedTuple):
    """What really went wrong: `events` holds the event_id of each event that was hit, in order."""

    name: str
    kind: str | None
    start: pd.Timestamp
    end: pd.Timestamp
    options: dict
    events: tuple


def renamed_column(kind: str, column: str, new: str, start=None, end=None) -> Fault:
    """`column` of events of this kind is called `new`."""
    return Fault("renamed_column", start, end, 1.0, kind, {"column": column, "new": new})


def retyped_column(kind: str, column: str, to: Callable = str, start=None, end=None) -> Fault:
    """Values of `column` pass through `to`; missing ones stay missing."""
    return Fault("retyped_column", start, end, 1.0, kind, {"column": column, "to": to})


def celsius(start=None, end=None) -> Fault:
    """Weather's `temp` comes in °C instead of °F, under the same name."""
    return Fault("celsius", start, end, 1.0, "weather", {"column": "temp"})


def frozen_feed(origin: str | None = None, start=None, end=None) -> Fault:
    """Weather repeats the last reading before `start` under new hours, at one origin or at all."""
    return Fault("frozen_feed", start, end, 1.0, "weather", {"origin": origin})


def null_burst(kind: str, column: str, share: float = 1.0, start=None, end=None) -> Fault:
    """`column` is None."""
    return Fault("null_burst", start, end, share, kind, {"column": column})


def duplicates(share: float = 0.05, within="10min", kind: str | None = None, start=None, end=None) -> Fault:
    """Events are delivered again, up to `within` later."""
    return Fault("duplicates", start, end, share, kind, {"within": within})


def late_events(share: float = 0.1, delay="6h", kind: str | None = None, start=None, end=None) -> Fault:
    """Events become available `delay` later than they should."""
    return Fault("late_events", start, end, share, kind, {"delay": delay})


def out_of_order(share: float = 0.5, within="30min", kind: str | None = None, start=None, end=None) -> Fault:
    """Events become available up to `within` later, each by its own amount: they overtake one another."""
    return Fault("out_of_order", start, end, share, kind, {"within": within})


def flipped_labels(share: float = 0.2, start=None, end=None) -> Fault:
    """`late` of arrivals is turned round; `arr_delay` stays what it was."""
    return Fault("flipped_labels", start, end, share, "arrival", {"column": "late"})


def slow_replica(factor: float = 10.0, replica: int | None = None, start=None, end=None) -> Fault:
    """One replica answers `factor` times slower (see `World.respond`); the seed picks it unless named (0, 1 or 2)."""
    return Fault("slow_replica", start, end, options={"factor": factor, "replica": replica})


def bad_artefact(start=None, end=None) -> Fault:
    """What serves is not the model that was shipped: its coefficients are shuffled (see `World.artefact`)."""
    return Fault("bad_artefact", start, end)


def inject(tape: Tape, fault: Fault, number: int, rng: np.random.Generator) -> tuple[Tape, tuple]:
    """The tape with fault `number` in it, and the ids of the events that were hit."""
    times, options = tape.times, fault.options
    here = times.available_time.between(fault.start, fault.end, inclusive="left")
    if fault.kind is not None:
        here &= times.kind == fault.kind
    at = np.flatnonzero(here)
    if options.get("origin") is not None:
        at = at[keys(tape, at) == options["origin"]]
    at = np.sort(rng.choice(at, round(fault.share * len(at)), replace=False))
    if not len(at):
        raise ValueError(f"{fault.name} hits no event: widen its [start, end) or raise its share.")
    hit, times = ids(tape, at), times.copy()
    if fault.name in EDITS:
        times.loc[at, "edits"] |= 1 << number
    else:
        span = pd.Timedelta(options["delay" if fault.name == "late_events" else "within"])
        delay = np.full(len(at), span) if fault.name == "late_events" else rng.random(len(at)) * span
        moved = times.loc[at]
        # Rounded up, so that no event is said to be hit and comes at its usual time.
        moved["available_time"] += pd.to_timedelta(delay).ceil("s")
        if fault.name != "duplicates":
            times = times.drop(index=at)
        times = pd.concat([times, moved])
    return in_order(tape._replace(times=times)), hit


def damaged(tape: Tape, faults: tuple, at: slice) -> list[Event]:
    """The events at these positions as the world delivers them; `faults` are all of the world's."""
    events, edits = read(tape, at), tape.times.edits.iloc[at].to_numpy()
    order = {"frozen_feed": 0, "null_burst": 2, "retyped_column": 3, "renamed_column": 4}
    for number in sorted(range(len(faults)), key=lambda n: order.get(faults[n].name, 1)):
        for i in np.flatnonzero(edits & (1 << number)):
            data = EDITS[faults[number].name](events[i].data, faults[number].options)
            events[i] = events[i]._replace(data=data)
    return events


def last_readings(tape: Tape, start: pd.Timestamp) -> dict:
    """By origin, the data of the weather event last available before `start`, or else of the first one."""
    readings = {}
    for event in read(tape, np.flatnonzero(tape.times.kind == "weather")):
        if event.available_time < start or event.key not in readings:
            readings[event.key] = event.data
    return readings


def _rename(data: dict, options: dict) -> dict:
    return {options["new"] if name == options["column"] else name: value for name, value in data.items()}


def _retype(data: dict, options: dict) -> dict:
    value = data[options["column"]]
    return data | {options["column"]: None if value is None else options["to"](value)}


def _celsius(data: dict, options: dict) -> dict:
    return data | {"temp": None if data["temp"] is None else round((data["temp"] - 32) * 5 / 9, 2)}


EDITS = {
    "renamed_column": _rename,
    "retyped_column": _retype,
    "celsius": _celsius,
    "frozen_feed": lambda data, options: options["readings"][data["origin"]] | {"time_hour": data["time_hour"]},
    "null_burst": lambda data, options: data | {options["column"]: None},
    "flipped_labels": lambda data, options: data | {"late": 1 - data["late"]},
}
DELIVERIES = ("duplicates", "late_events", "out_of_order")  # these move messages and leave them whole
SERVING = ("slow_replica", "bad_artefact")  # these touch answers, not messages
KNOWN = (*EDITS, *DELIVERIES, *SERVING)
