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
from collections import Counter
from dataclasses import dataclass

import numpy as np
import pandas as pd

ELEMENTS = 200_000  # one value may hold this many parts,
LETTERS = 2_000_000  # this much text
DEPTH = 20  # and this many levels;
COLUMNS = 2_000  # a table so many columns: each costs more than a number
ALIKE = 100  # so many keys may have one hash; all powers of two have 34 hashes alike, and honest keys hardly more


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
    if isinstance(value, pd.DataFrame) and value.shape[1] > COLUMNS:
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
    """The value of a wire form, in exact builtin, numpy and pandas types; ValueError when it is malformed or large.

    The wire may come from a student's process, which need not have used `encode`: its limits hold here too.
    """
    try:
        return _decode(wire, [ELEMENTS, LETTERS], 0)
    except TooLarge as error:
        raise ValueError("too large to compare") from error
    except (KeyError, TypeError, AttributeError, IndexError, OverflowError) as error:
        raise ValueError("not a value of the wire format") from error


def _decode(wire, left, depth):
    left[0] -= 1
    if left[0] < 0 or depth > DEPTH:
        raise TooLarge
    if type(wire) is str:
        return _text(wire, left)
    if wire is None or type(wire) in (bool, int, float):
        return wire
    if type(wire) is list:
        return _parts(wire, left, depth)
    if type(wire) is not dict or not wire:
        raise ValueError("not a value of the wire format")
    return _DECODERS[next(iter(wire))](wire, left, depth)


def _parts(wires, left, depth):
    """The values in a list of wire forms."""
    if type(wires) is not list:
        raise ValueError("not a list")
    return [_decode(x, left, depth + 1) for x in wires]


def _text(text, left):
    """A text, counted; ValueError for anything else."""
    if type(text) is not str:
        raise ValueError("not a text")
    left[1] -= len(text)
    if left[1] < 0:
        raise TooLarge
    return text


def _time(wire):
    if len(_text(wire, [0, 64])) < 4:  # an instant in ISO form; a long text takes the parser long
        raise ValueError("not a time")
    return pd.Timestamp(wire)


def _bytes(wire, left):
    data = base64.b64decode(wire, validate=True)
    left[1] -= len(data)
    if left[1] < 0:
        raise TooLarge
    return data


def _array(wire, left, depth):
    """An array; of objects unless all are numbers: numpy would give every text the room of the longest."""
    parts = _parts(wire["array"], left, depth)
    try:
        return np.array(parts, dtype=None if _numeric(parts) else object)
    except ValueError:  # ragged
        return np.array(parts, dtype=object)


def _numeric(part):
    """Whether there are only numbers in nested lists."""
    if isinstance(part, list):
        return all(map(_numeric, part))
    return type(part) in (bool, int, float) or (isinstance(part, np.ndarray) and part.dtype != object)


def _hashable(value):
    """Keys and members of a set: a list inside becomes a tuple, so that it can stand there."""
    return tuple(map(_hashable, value)) if isinstance(value, list | tuple) else value


def _spread(keys):
    """The same keys; ValueError when many were chosen to have one hash, which would take hours to put into a set."""
    if len(keys) > ALIKE and max(Counter(map(hash, keys)).values()) > ALIKE:
        raise ValueError("keys of equal hashes")
    return keys


def _set(wire, left, depth):
    return set(_spread([_hashable(x) for x in _parts(wire["set"], left, depth)]))


def _dict(wire, left, depth):
    keys = _spread([_hashable(k) for k in _parts([k for k, _ in wire["dict"]], left, depth)])
    return dict(zip(keys, _parts([v for _, v in wire["dict"]], left, depth), strict=True))


def _index(wire, left, depth):
    return pd.Index([_hashable(x) for x in _parts(wire["index"], left, depth)], tupleize_cols=False)


def _column(wire, rows, left, depth):
    """The values of a column of just so many rows: pandas would repeat a single value as often as it likes."""
    values = _parts(wire, left, depth)
    if len(values) != rows:
        raise ValueError("a column of another length than its index")
    column = np.empty(rows, dtype=object)
    for at, value in enumerate(values):  # one by one: numpy would take lists inside for more dimensions
        column[at] = value
    return column


def _frame(wire, left, depth):
    index = _index(wire, left, depth)
    columns = [_hashable(c) for c in _parts(wire["columns"], left, depth)]
    if type(wire["frame"]) is not list or len(wire["frame"]) != len(columns) or len(columns) > COLUMNS:
        raise ValueError("as many columns as names of columns")
    values = {at: _column(values, len(index), left, depth) for at, values in enumerate(wire["frame"])}
    frame = pd.DataFrame(values, index=index, dtype=object).infer_objects() if values else pd.DataFrame(index=index)
    frame.columns = pd.Index(columns, tupleize_cols=False, dtype=None if columns else object)
    return frame


def _series(wire, left, depth):
    index = _index(wire, left, depth)
    name = _hashable(_decode(wire["name"], left, depth + 1))
    values = _column(wire["series"], len(index), left, depth)
    return pd.Series(values, index=index, name=name, dtype=object).infer_objects()


def _raised(wire, left):
    types = tuple(_text(name, left) for name in wire["raised"][:DEPTH])
    return Raised(types or ("Exception",), _text(wire["message"], left))


def _opaque(wire, left):
    kind, text = wire["opaque"]
    return Opaque(_text(kind, left), _text(text, left))


_DECODERS = {
    "missing": lambda w, left, depth: None,
    "float": lambda w, left, depth: {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}[w["float"]],
    "time": lambda w, left, depth: _time(w["time"]),
    "duration": lambda w, left, depth: pd.Timedelta(seconds=float(w["duration"])),
    "bytes": lambda w, left, depth: _bytes(w["bytes"], left),
    "tuple": lambda w, left, depth: tuple(_parts(w["tuple"], left, depth)),
    "set": _set,
    "dict": _dict,
    "array": _array,
    "series": _series,
    "frame": _frame,
    "raised": lambda w, left, depth: _raised(w, left),
    "opaque": lambda w, left, depth: _opaque(w, left),
}


def plain(value):
    """`value` as it looks after a journey: the same on a learner's machine and in the grader; never raises."""
    try:
        return decode(encode(value))
    except ValueError:
        return Opaque(f"a {type(value).__name__}", "of a kind that cannot be compared")
