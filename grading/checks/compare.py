"""Whether a value meets an expectation. The one comparison: `check` uses it locally, the grader uses it for marks."""

import hashlib
import json
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from grading.checks.values import Opaque, Raised, encode, plain

TOLERANCE = 1e-3  # relative, for floats; whole numbers, texts and times must be equal
NEAR_ZERO = 1e-9
SHOWN = 2_000  # letters of a value that a learner reads


@dataclass(frozen=True)
class Judge:
    """What is true in a band: a description and a function from the value to whether it holds."""

    text: str
    holds: Any


def between(low, high):
    """A number from `low` to `high`, both included."""
    return Judge(f"a number from {short(low)} to {short(high)}", lambda x: is_number(x) and low <= x <= high)


def at_most(high):
    """A number no larger than `high`."""
    return Judge(f"at most {short(high)}", lambda x: is_number(x) and x <= high)


def at_least(low):
    """A number no smaller than `low`."""
    return Judge(f"at least {short(low)}", lambda x: is_number(x) and x >= low)


def satisfies(text, holds):
    """Any value for which `holds(value)` is true; `text` completes the sentence "expected a value that …"."""
    return Judge(f"a value that {text}", holds)


def agrees(got, expected, tolerance=TOLERANCE):
    """Whether `got` meets `expected`: a judge, an exception (type, or instance for its message too), or a value."""
    if isinstance(expected, Judge):
        try:
            return bool(expected.holds(got))
        except Exception:  # a judge that cannot even look at the value has not been satisfied
            return False
    if isinstance(expected, type) and issubclass(expected, BaseException):
        return isinstance(got, Raised) and expected.__name__ in got.types
    if isinstance(expected, BaseException):
        return (
            isinstance(got, Raised)
            and type(expected).__name__ in got.types
            and str(expected).casefold() in got.message.casefold()
        )
    try:
        return same(got, plain(expected), tolerance)
    except (TypeError, ValueError, OverflowError):
        return False


def is_number(x):
    return isinstance(x, int | float | np.number)


def missing(x):
    """None, NaN and NaT: the ways a table says that something is not there."""
    return x is None or x is pd.NaT or (isinstance(x, float) and math.isnan(x))


def same(a, b, tolerance):
    """Whether value `a` equals value `b`, floats up to a relative tolerance; both came through `plain`."""
    if isinstance(a, Opaque) or isinstance(b, Opaque):
        return False
    if isinstance(b, pd.DataFrame):
        return (
            isinstance(a, pd.DataFrame)
            and len(a) == len(b)
            and set(a.columns) == set(b.columns)
            and a.shape == b.shape
            and members(list(a.index), list(b.index), tolerance)
            and all(members(list(a[c]), list(b[c]), tolerance) for c in b.columns)
        )
    if isinstance(b, pd.Series):
        if not isinstance(a, pd.Series):
            return False
        return members(list(a.index), list(b.index), tolerance) and members(list(a), list(b), tolerance)
    if is_number(b):
        return is_number(a) and same_number(a, b, tolerance)
    if isinstance(b, np.ndarray | list | tuple):
        return isinstance(a, np.ndarray | list | tuple | pd.Series) and members(list(a), list(b), tolerance)
    if isinstance(b, dict):
        return isinstance(a, dict) and a.keys() == b.keys() and all(same(a[k], b[k], tolerance) for k in b)
    if isinstance(b, pd.Timestamp) and isinstance(a, pd.Timestamp):
        return same_time(a, b)
    return type(a) is type(b) and bool(a == b)


def same_time(a, b):
    """Whether two times are one instant; a time without a zone is read as UTC, as everywhere in the course."""
    a, b = (t.tz_localize("UTC") if t.tzinfo is None else t for t in (a, b))
    return a == b


def same_number(a, b, tolerance):
    if isinstance(b, float | np.floating):
        return math.isclose(a, b, rel_tol=tolerance, abs_tol=NEAR_ZERO) or (math.isnan(a) and math.isnan(b))
    return math.isclose(a, b, rel_tol=0, abs_tol=NEAR_ZERO)  # a count: 42 or 42.0, never 41.97


def members(a, b, tolerance):
    """Whether two sequences agree member by member; inside them every way to say "missing" is the same."""
    if len(a) != len(b):
        return False
    return all((missing(x) and missing(y)) or same(x, y, tolerance) for x, y in zip(a, b, strict=True))


def short(value, width=300):
    """A value as a learner reads it: numbers to six digits, long things cut, and the whole never longer than a page."""
    return cut(_short(value, width), SHOWN)


def cut(text, width):
    return text if len(text) <= width else text[: width - 1] + "…"


def _short(value, width=300):
    if isinstance(value, Judge):
        return value.text
    if isinstance(value, type):
        return f"a {value.__name__}"
    if isinstance(value, BaseException):
        return f"a {type(value).__name__} that says “{value}”"
    if isinstance(value, bool | np.bool_):
        return str(value)
    if isinstance(value, float | np.floating):
        return f"{value:.6g}"
    if isinstance(value, pd.DataFrame | pd.Series):
        text = table(value.head(8))
        return text if len(value) <= 8 else f"{text}\n… {len(value)} rows in all"
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if isinstance(value, list | tuple) and len(value) > 12:
        return f"{short(list(value[:8]))[:-1]}, … {len(value)} in all]"
    if isinstance(value, list):
        return "[" + ", ".join(map(short, value)) + "]"
    if isinstance(value, tuple):
        return "(" + ", ".join(map(short, value)) + ("," if len(value) == 1 else "") + ")"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{short(k)}: {short(v)}" for k, v in list(value.items())[:12]) + "}"
    return cut(str(value) if isinstance(value, pd.Timestamp | pd.Timedelta) else repr(value), width)


def table(value):
    """A small table or series as text; what it holds is cut before it is laid out, since one long text widens all."""
    if isinstance(value, pd.DataFrame):
        return value.iloc[:, :20].map(_cell).to_string(max_colwidth=60)
    return value.map(_cell).to_string()


def _cell(value):
    """A member of a table: long texts cut, and what is nested cut short."""
    plain = value is None or isinstance(value, bool | int | float | np.generic | pd.Timestamp | pd.Timedelta)
    return value if plain or missing(value) else cut(value, 60) if isinstance(value, str) else cut(_short(value), 60)


def trace(value):
    """A short text by which a wrong value is recognised again: floats to six digits, long values hashed."""
    text = json.dumps(_rounded(encode(value)), sort_keys=True, ensure_ascii=False)
    return text if len(text) <= 120 else "sha1:" + hashlib.sha1(text.encode()).hexdigest()


def _rounded(wire):
    """A wire form in which 2, 2.0 and 2.0000000001, a list, a tuple and an array look alike."""
    if isinstance(wire, bool):
        return wire
    if isinstance(wire, int | float):
        return f"{wire + 0.0:.6g}" if abs(wire) > NEAR_ZERO else "0"
    if isinstance(wire, list):
        return [_rounded(x) for x in wire]
    if isinstance(wire, dict):
        if len(wire) == 1 and (only := next(iter(wire))) in ("tuple", "array"):
            return _rounded(wire[only])
        return {k: _rounded(v) for k, v in wire.items()}
    return wire


def telling(value):
    """Whether a wrong value says which mistake was made; None, 0, an empty list or a TypeError might be anyone's."""
    if isinstance(value, Raised):
        common = {"TypeError", "NameError", "AttributeError", "SyntaxError", "NotImplementedError"}
        return bool(value.message) and not common & set(value.types)
    if isinstance(value, Opaque) or missing(value):
        return False
    if isinstance(value, str | bytes | list | tuple | dict | set | np.ndarray | pd.Series | pd.DataFrame):
        return len(value) > 0
    return not (is_number(value) and not isinstance(value, bool) and value == 0)
