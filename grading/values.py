"""Values on the wire: what an answer gave, as JSON in a closed, tagged format, and back as exact builtin types.

An answer's value passes through `encode` and `decode` before anything looks at it, on a learner's machine and in the
grader alike. What comes back is built here from the tags alone: no pickle, no class of the answer's own making.
"""

import base64
import datetime as dt
import decimal
import enum
import json
import math
import numbers
import re
from dataclasses import dataclass

import numpy as np
import pandas as pd

ELEMENTS = 200_000  # one value may hold this many parts,
LETTERS = 2_000_000  # this much text
DEPTH = 20  # and this many levels


@dataclass(frozen=True)
class Raised:
    """An exception as a value: the names of its type and the type's ancestors, and its message."""

    types: tuple
    message: str

    def __repr__(self):
        return f"{self.types[0]}: {self.message}" if self.message else self.types[0]


@dataclass(frozen=True)
class Opaque:
    """A value that cannot travel: a function, a fitted model, something too large. It equals nothing."""

    kind: str
    text: str

    def __repr__(self):
        return f"{self.kind} ({self.text})" if self.text else self.kind


class TooLarge(Exception):
    """The value does not fit the limits."""


def raised_by(error):
    """The `Raised` of an exception."""
    names = tuple(c.__name__ for c in type(error).__mro__ if c is not object)
    return Raised(names, tidy(str(error))[:2000])


def tidy(text):
    """Text without memory addresses, which differ from run to run."""
    return re.sub(r"0x[0-9a-fA-F]{6,}", "0x…", text)


def encode(value):
    """`value` as something `json.dumps` takes; never raises."""
    left = [ELEMENTS, LETTERS]
    try:
        return _encode(value, left, 0)
    except TooLarge:
        return {"opaque": [f"a {type(value).__name__} too large to compare", ""]}
    except Exception as error:  # a value whose own methods fail is still only a value
        return {"opaque": [f"a {type(value).__name__} that cannot be read", str(error)[:200]]}


def _encode(value, left, depth):
    left[0] -= 1
    if left[0] < 0 or depth > DEPTH:
        raise TooLarge

    def down(part):
        return _encode(part, left, depth + 1)

    if isinstance(value, np.ndarray | pd.Series | pd.Index | pd.DataFrame) and value.size > left[0]:
        raise TooLarge
    if isinstance(value, enum.Enum):
        return down(value.value)
    if value is None or isinstance(value, bool):
        return value
    if value is pd.NA or value is pd.NaT or (isinstance(value, np.datetime64 | np.timedelta64) and np.isnat(value)):
        return {"missing": True}
    if isinstance(value, np.datetime64):
        value = pd.Timestamp(value)
    if isinstance(value, np.timedelta64 | dt.timedelta):
        return {"duration": pd.Timedelta(value).total_seconds()}
    if isinstance(value, pd.Period):
        value = value.start_time
    if isinstance(value, dt.date):  # a datetime and a Timestamp are dates too; a day is its midnight
        return {"time": pd.Timestamp(value).isoformat()}
    if isinstance(value, np.ndarray) and value.ndim == 0:  # what np.where gives for numbers
        return down(value[()])
    if isinstance(value, np.longdouble):
        value = float(value)
    if isinstance(value, np.generic):
        return down(value.item())
    if isinstance(value, numbers.Rational | decimal.Decimal) and not isinstance(value, int):
        value = float(value)
    if isinstance(value, int):
        return int(value) if abs(value) < 10**300 else {"opaque": ["an integer too large to compare", ""]}
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else {"float": repr(float(value))}
    if isinstance(value, str):
        left[1] -= len(value)
        if left[1] < 0:
            raise TooLarge
        return str(value)
    if isinstance(value, bytes | bytearray):
        left[1] -= len(value)
        if left[1] < 0:
            raise TooLarge
        return {"bytes": base64.b64encode(bytes(value)).decode()}
    if isinstance(value, list):
        return [down(x) for x in value]
    if isinstance(value, tuple):
        return {"tuple": [down(x) for x in value]}
    if isinstance(value, set | frozenset):
        return {"set": sorted((down(x) for x in value), key=json.dumps)}
    if isinstance(value, dict):
        return {"dict": [[down(k), down(v)] for k, v in value.items()]}
    if isinstance(value, np.ndarray):
        return {"array": down(value.tolist() if value.dtype.kind not in "mM" else list(value))}
    if isinstance(value, pd.Index):
        return {"array": [down(x) for x in value]}
    if isinstance(value, pd.Series):
        return {"series": [down(x) for x in value], "index": [down(x) for x in value.index], "name": down(value.name)}
    if isinstance(value, pd.DataFrame):
        columns = [[down(x) for x in value.iloc[:, i]] for i in range(value.shape[1])]
        return {"frame": columns, "columns": [down(c) for c in value.columns], "index": [down(x) for x in value.index]}
    if isinstance(value, Raised):
        return {"raised": list(value.types), "message": value.message}
    if isinstance(value, Opaque):
        return {"opaque": [value.kind, value.text]}
    return {"opaque": [f"a {type(value).__name__}", tidy(repr(value))[:200]]}


def decode(wire):
    """The value of a wire form, in exact builtin, numpy and pandas types; ValueError for anything malformed."""
    if wire is None or type(wire) in (bool, int, float, str):
        return wire
    if type(wire) is list:
        return [decode(x) for x in wire]
    if type(wire) is not dict or not wire:
        raise ValueError("not a value of the wire format")
    try:
        return _DECODERS[next(iter(wire))](wire)
    except (KeyError, TypeError, AttributeError, IndexError, OverflowError) as error:
        raise ValueError("not a value of the wire format") from error


def _array(wire):
    parts = decode(list(wire["array"]))
    try:
        return np.array(parts)
    except ValueError:  # ragged
        return np.array(parts, dtype=object)


def _hashable(value):
    """Keys and members of a set: a list inside becomes a tuple, so that it can stand there."""
    return tuple(map(_hashable, value)) if isinstance(value, list | tuple) else value


def _spread(keys):
    """The same keys; ValueError when they were chosen to have one hash, which would take hours to put into a set."""
    if len(keys) > 1_000 and len(set(map(hash, keys))) < len(keys) / 2:
        raise ValueError("keys of equal hashes")
    return keys


def _frame(wire):
    index = pd.Index([_hashable(x) for x in decode(wire["index"])], tupleize_cols=False)
    columns = [_hashable(c) for c in decode(wire["columns"])]
    series = [pd.Series(decode(values), index=index, dtype=object) for values in wire["frame"]]
    frame = pd.concat(series, axis=1).infer_objects() if series else pd.DataFrame(index=index)
    frame.columns = pd.Index(columns, tupleize_cols=False, dtype=None if columns else object)
    return frame


def _series(wire):
    index = pd.Index([_hashable(x) for x in decode(wire["index"])], tupleize_cols=False)
    name = _hashable(decode(wire["name"]))
    return pd.Series(decode(wire["series"]), index=index, name=name, dtype=object).infer_objects()


_DECODERS = {
    "missing": lambda w: None,
    "float": lambda w: {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}[w["float"]],
    "time": lambda w: pd.Timestamp(w["time"]),
    "duration": lambda w: pd.Timedelta(seconds=float(w["duration"])),
    "bytes": lambda w: base64.b64decode(w["bytes"], validate=True),
    "tuple": lambda w: tuple(decode(x) for x in list(w["tuple"])),
    "set": lambda w: set(_spread([_hashable(decode(x)) for x in list(w["set"])])),
    "dict": lambda w: dict(
        zip(_spread([_hashable(decode(k)) for k, _ in w["dict"]]), [decode(v) for _, v in w["dict"]], strict=True)
    ),
    "array": _array,
    "series": _series,
    "frame": _frame,
    "raised": lambda w: Raised(tuple(map(str, w["raised"])) or ("Exception",), str(w["message"])),
    "opaque": lambda w: Opaque(*map(str, w["opaque"])),
}


def plain(value):
    """`value` as it looks after a journey: the same on a learner's machine and in the grader; never raises."""
    try:
        return decode(encode(value))
    except ValueError:
        return Opaque(f"a {type(value).__name__}", "of a kind that cannot be compared")
