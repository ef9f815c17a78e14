"""What is said of tests: where they were written, and why one did not pass, in a line."""

import ast
import contextlib
import inspect
import linecache

LETTERS = 2_000  # of one explanation
NONE = "there is no test in it: the name of a test begins with test_"
ENDED = "it ended the process that runs it"
SLOW = "it took longer than {:g} s (one call with many rows is faster than many calls)"


def functions(tests):
    """Every function among tests: those that are given, and the methods of classes."""
    members = [m for t in tests.values() for m in (vars(t).values() if isinstance(t, type) else [t])]
    return [f for f in map(inspect.unwrap, members) if inspect.isfunction(f)]


def file_of(function):
    """The file, or the cell, that a function was written in."""
    return getattr(getattr(inspect.unwrap(function), "__code__", None), "co_filename", "")


def told(item, excinfo) -> tuple:
    """(state, why) of a test that did not pass."""
    error = excinfo.value
    if type(error) is NotImplementedError and not error.args:
        return "blank", ""
    if isinstance(error, SystemExit):
        return "broke", f"{item.name} called sys.exit"
    if isinstance(error, MemoryError):
        return "broke", f"{item.name} used too much memory"
    if hasattr(error, "argname"):
        return "caught", f"{item.name}: there is no argument or fixture {error.argname!r}"
    said = str(error).strip().splitlines()[:1]
    said = ": ".join([type(error).__name__, *said]) if type(error) is not AssertionError else "".join(said)
    ours = [entry for entry in excinfo.traceback if entry.frame.code.raw.co_filename == file_of(item.obj)]
    text = ""
    with contextlib.suppress(Exception):  # where there is no source to show
        code, at = ours[-1].frame.code.raw, ours[-1]._rawentry.tb_lasti // 2
        first, last, *_ = list(code.co_positions())[at]
        text = " ".join("".join(linecache.getlines(file_of(item.obj))[first - 1 : last]).split())
    values = _values(text, ours[-1].frame) if ours and isinstance(error, AssertionError) else ""
    parts = [": ".join(part for part in (item.name, text) if part), values, said]
    return "caught", "; ".join(part for part in parts if part)


def _values(text, frame) -> str:
    """What stood on the two sides of an assert that failed, as far as that can be told."""
    with contextlib.suppress(Exception):
        test = ast.parse(text).body[0].test
        sides = [test.left, *test.comparators]
        said = [(ast.unparse(s), repr(eval(ast.unparse(s), frame.f_globals, frame.f_locals))) for s in sides]
        return ", ".join(f"{name} is {' '.join(value.split())[:200]}" for name, value in said if name != value)
    return ""
