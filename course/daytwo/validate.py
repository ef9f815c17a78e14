"""Checks of what a `World` is asked for: every refusal says what to do."""

import pandas as pd

from .events import COLUMNS
from .faults import KNOWN, Fault

REPLICAS = 3


def moment(value, name: str) -> pd.Timestamp:
    """A UTC timestamp; a time without a zone is taken as UTC."""
    try:
        time = pd.Timestamp(value)
    except (ValueError, TypeError) as error:
        raise ValueError(
            f"{name} is not a time: {value!r}; write it like '2013-07-01' or '2013-07-01 06:00'."
        ) from error
    if time is pd.NaT:
        raise ValueError(f"{name} is missing: write it like '2013-07-01' or '2013-07-01 06:00'.")
    return time.tz_localize("UTC") if time.tz is None else time.tz_convert("UTC")


def checked(fault: Fault, earlier: list[Fault], start: pd.Timestamp, end: pd.Timestamp) -> Fault:
    """The fault with its times filled in, or a ValueError that says what to do."""
    if not isinstance(fault, Fault) or fault.name not in KNOWN:
        raise ValueError(f"{fault!r} is no fault we know: make one with {', '.join(KNOWN)} of daytwo.faults.")
    begins = start if fault.start is None else moment(fault.start, f"start of {fault.name}")
    ends = end if fault.end is None else moment(fault.end, f"end of {fault.name}")
    if not start <= begins < ends <= end:
        raise ValueError(f"{fault.name} from {begins} to {ends}: choose start < end between {start} and {end}.")
    if not 0 < fault.share <= 1:
        raise ValueError(f"{fault.name} has share {fault.share}: choose one above 0 and at most 1.")
    column, kinds = fault.options.get("column"), tuple(COLUMNS) if "column" in fault.options else (None, *COLUMNS)
    if fault.kind not in kinds:
        raise ValueError(f"{fault.name} is for events of kind {fault.kind!r}: choose from {', '.join(COLUMNS)}.")
    if column is not None and column not in COLUMNS[fault.kind]:
        raise ValueError(f"{fault.kind} events have no {column!r}: choose from {', '.join(COLUMNS[fault.kind])}.")
    if fault.options.get("new") in COLUMNS.get(fault.kind, ()):
        raise ValueError(f"{fault.kind} events have a {fault.options['new']!r} already: choose another new name.")
    same = [f for f in earlier if f.name == fault.name == "renamed_column" and f.kind == fault.kind]
    if any(column == f.options["column"] and f.start < ends and begins < f.end for f in same):
        raise ValueError(f"{column!r} is renamed twice at one time: let one renamed_column end where the other starts.")
    for name in {"delay", "within"} & set(fault.options):
        if not pd.Timedelta(fault.options[name]) > pd.Timedelta(0):
            raise ValueError(f"{fault.name} has {name} {fault.options[name]!r}: choose a time above 0, like '10min'.")
    if fault.options.get("replica") not in (None, *range(REPLICAS)):
        raise ValueError(
            f"{fault.name} has no replica {fault.options['replica']!r}: choose 0 to {REPLICAS - 1}, or None."
        )
    return fault._replace(start=begins, end=ends)
