"""Whether a value meets an expectation. The one comparison: `check` uses it locally, the grader uses it for marks."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from grading.checks.values import Opaque, Raised, plain

TOLERANCE = 1e-3  # relative, for floats; whole numbers, texts and times must be equal
NEAR_ZERO = 1e-9


@dataclass(frozen=True)
class Judge:
    """What is true in a band: a description and a function from the value to whether it holds."""

    text: str
    holds: Any


def between(low, high):
    """A number from `low` to `high`, both included."""
    return Judge(f"a number from {low:.6g} to {high:.6g}", lambda x: is_number(x) and low <= x <= high)


def at_most(high):
    """A number no larger than `high`."""
    return Judge(f"at most {high:.6g}", lambda x: is_number(x) and x <= high)


def at_least(low):
    """A number no smaller than `low`."""
    return Judge(f"at least {low:.6g}", lambda x: is_number(x) and x >= low)


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
    return isinstance(x, int | float | np.number | np.bool_)


def missing(x):
    """None, NaN and NaT: the ways a table says that something is not there."""
    return x is None or x is pd.NaT or (isinstance(x, float) and math.isnan(x))


def same(a, b, tolerance):
    """Whether value `a` equals value `b`, floats up to a relative tolerance; both came through `plain`."""
    if isinstance(a, Opaque) or isinstance(b, Opaque):
        return False
    if missing(a) or missing(b):
        return missing(a) and missing(b)
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
        return math.isclose(a, b, rel_tol=tolerance, abs_tol=NEAR_ZERO)
    return math.isclose(a, b, rel_tol=0, abs_tol=NEAR_ZERO)  # a count: 42 or 42.0, never 41.97


def members(a, b, tolerance):
    """Whether two sequences agree member by member."""
    return len(a) == len(b) and all(same(x, y, tolerance) for x, y in zip(a, b, strict=True))
