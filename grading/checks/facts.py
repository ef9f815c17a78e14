"""Check one fact about an answer, and say something useful when it is not so.

In a notebook, importing `check` makes check cells kind (see `cells`). The cell still leaves an `error` output, because
plain nbgrader reads a cell without one as right.
"""

import hashlib
import os

from grading.checks.compare import TOLERANCE, agrees
from grading.checks.hints import hint_for
from grading.checks.values import plain, raised_by
from grading.checks.words import Wrong, is_blank, short, told

secret = os.environ.get("GRADING_SEED", "day two")  # a class's own; whoever learns alone has the public one
report = None  # the build and the grader put a function here: facts are then told to it and not compared


def check(fact, got, expected=None, tolerance=TOLERANCE):
    """Print `fact` if `got` meets `expected` (a value, an exception or a judge); otherwise raise `Wrong`."""
    if report is not None:
        return report(fact, got, expected, tolerance)
    got = plain(got)
    if not agrees(got, expected, tolerance):
        wrong = Wrong(fact, *told(got, expected, tolerance), hint_for(fact, got))
        wrong.value = got
        raise wrong
    print(f"✓ {fact}")


def raised(call):
    """The exception that `call()` raises, as a value; what it returned instead, said in words, when it does not."""
    try:
        value = call()
    except Exception as error:
        if is_blank(error):
            raise
        return raised_by(error)
    return f"no error, but {short(plain(value))}"


def class_seed(name):
    """A seed for hidden data that differs from class to class, so that answers copied from elsewhere do not fit."""
    return int(hashlib.sha256(f"{secret}/{name}".encode()).hexdigest()[:12], 16)
