"""Check one fact about an answer, and say something useful when it is not so.

In a notebook, importing this module makes check cells kind: a wrong answer, one that raises and one not yet attempted
are each told in a few plain lines, and *Run All* goes on. The cell still leaves an `error` output, because plain
nbgrader reads a cell without one as right.
"""

import ast
import contextlib
import functools
import hashlib
import html
import json
import linecache
import os
import signal
import sys
import threading
from pathlib import Path

from grading.checks import progress
from grading.checks.compare import TOLERANCE, Judge, agrees, short, telling, trace
from grading.checks.values import Raised, plain, raised_by

secret = os.environ.get("GRADING_SEED", "day two")  # a class's own; whoever learns alone has the public one
HINTS = "hints.json"  # lies beside the notebooks
report = None  # the build and the grader put a function here: facts are then told to it and not compared


class Wrong(AssertionError):
    """An answer contradicts a fact, or cannot be asked about it."""

    def __init__(self, fact, expected=None, got=None, hint=None, where=None):
        self.fact, self.expected, self.got, self.hint, self.where = fact, expected, got, hint, where
        super().__init__("\n".join([f"✗ {fact}", *(f"  {name}: {text}" for name, text in self.lines())]))

    def lines(self):
        """(name, text) of each line below the fact."""
        if self.expected is not None:
            yield "Expected", self.expected
        if self.got is not None:
            yield "Came", self.got
        if self.where:
            yield "At", self.where
        if self.hint:
            yield "Hint", self.hint


class NotAttempted(Exception):
    """The answer cell still holds its blank."""

    def __init__(self):
        super().__init__("○ Not attempted yet. Write your answer in its cell, run that cell, then run the check.")


def check(fact, got, expected=None, tolerance=TOLERANCE):
    """Print `fact` if `got` meets `expected` (a value, an exception or a judge); otherwise raise `Wrong`."""
    if report is not None:
        return report(fact, got, expected, tolerance)
    got = plain(got)
    if not agrees(got, expected, tolerance):
        raise Wrong(fact, short(expected), short(got), hint_for(fact, got, expected))
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


def is_blank(error):
    """Whether an exception is the stub of a release: nobody else raises NotImplementedError without a word."""
    return type(error) is NotImplementedError and not error.args


def book():
    """The released hints and facts of this folder's lessons: {lesson: {exercise: {"facts", "hints"}}}; {} without."""
    try:
        return json.loads(Path(HINTS).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}


def hint_for(fact, got, expected=None):
    """The hint that this folder's lessons have for a wrong value at a fact, or None."""
    known = [h for lesson in book().values() for exercise in lesson.values() for h in exercise["hints"]]
    return find_hint(known, fact, got, expected)


def find_hint(known, fact, got, expected=None):
    """The hint of the known mistake that gives this value at this fact, or None.

    Where a fact is judged by a band, values are rarely met twice; if only one known mistake falls outside that band, it
    is offered as a common cause.
    """
    here = [h for h in known if h["fact"] == fact]
    seen = trace(got)
    exact = next((h["hint"] for h in here if h["got"] == seen), None)
    if exact is None and isinstance(expected, Judge) and len(here) == 1 and telling(got):
        return f"A common cause. {here[0]['hint']}"
    return exact


OWN = {}  # {exercise: the learner's answer, whose check has passed in this kernel}


def yours(name, course):
    """The learner's own answer to an exercise where its check has passed here, else `course`; a line says which.

    Never needed by a check: a learner's function that raises, or takes longer than a minute, is replaced as it runs.
    """
    own = OWN.get(name) if report is None else None
    print(f"{name}: yours, its check has passed." if own else f"{name}: the course's, until the check of yours passes.")
    if own is None or isinstance(own, type):
        return own or course

    @functools.wraps(course)
    def either(*args, **kwargs):
        try:
            with patience(60):
                return own(*args, **kwargs)
        except Exception as error:
            print(f"Your {name} raised {raised_by(error)!r} here, so the course's goes on.")
            return course(*args, **kwargs)

    return either


@contextlib.contextmanager
def patience(seconds):
    """TimeoutError in what takes longer; only where a signal can interrupt it."""
    if threading.current_thread() is not threading.main_thread() or not hasattr(signal, "setitimer"):
        yield
        return

    def stop(*_):
        raise TimeoutError(f"it took longer than {seconds} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


class CheckCell:
    """Surrounds a check cell: turns what goes wrong in it into something to read, and remembers what went right."""

    def __init__(self, facts):
        self.facts = facts  # (last line, sentence) of each fact, in order

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trail):
        if error is None:
            passed = {sentence for _, sentence in self.facts}
            for lesson, exercises in book().items():
                for name, exercise in exercises.items():
                    if exercise["facts"] and passed >= set(exercise["facts"]):
                        progress.remember(lesson, name)
                        OWN[name] = vars(sys.modules["__main__"]).get(name)
            return False
        if not isinstance(error, Exception) or not (self.facts or is_blank(error)):
            return False  # an interrupt, an exit, or an ordinary error in an ordinary cell
        show(self.explain(error, trail), self.held(trail), len(self.facts))
        return True

    def held(self, trail):
        """How many facts stand before the line that failed."""
        return sum(last < trail.tb_lineno for last, _ in self.facts)

    def explain(self, error, trail):
        """What to show for `error`."""
        if isinstance(error, Wrong):
            return error
        if is_blank(error):
            return NotAttempted()
        at = min(self.held(trail), len(self.facts) - 1)
        fact, got = self.facts[at][1], raised_by(error)
        return Wrong(fact, None, f"your code raised {got!r}", hint_for(fact, got), place(trail))


def place(trail):
    """The last line of the notebook's own code on the way to an error, as "line 4 of a cell: `…`", or None."""
    found = None
    while trail.tb_next:  # the first frame is the check cell itself
        trail = trail.tb_next
        name = trail.tb_frame.f_code.co_filename
        if "ipykernel_" in name or name.startswith("<"):
            found = name, trail.tb_lineno
    line = found and linecache.getline(*found).strip()
    return f"line {found[1]} of the cell: {line}" if line else None


def show(problem, held, total):
    """Tell a learner what is wrong: a card where there is a notebook, text elsewhere, and an `error` output."""
    shell = sys.modules["IPython"].get_ipython()
    if hasattr(shell, "kernel"):
        from IPython.display import publish_display_data

        publish_display_data({"text/plain": str(problem), "text/html": card(problem)})
        last = "○ not attempted" if isinstance(problem, NotAttempted) else f"✗ stopped at fact {held + 1} of {total}"
    else:
        last = str(problem)
    problem._render_traceback_ = last.splitlines
    shell.showtraceback((type(problem), problem, None))


def card(problem):
    """`problem` as HTML: in the page's own text colour, to read in a light and a dark theme; words, not colour."""
    if isinstance(problem, NotAttempted):
        colour, head, rows = "var(--jp-warn-color1, #b26a00)", str(problem), ""
    else:
        colour, head = "var(--jp-error-color1, #c62828)", f"✗ {problem.fact}"
        rows = "".join(
            f'<div style="margin-top:.35em"><strong>{name}:</strong> '
            f'<span style="white-space:pre-wrap{"" if name == "Hint" else ";font-family:monospace"}">'
            f"{html.escape(text)}</span></div>"
            for name, text in problem.lines()
        )
    return (
        f'<div role="note" aria-label="Result of the check" style="border-left:.3em solid {colour};'
        f'padding:.3em 0 .3em .8em;max-width:48em"><strong>{html.escape(head)}</strong>{rows}</div>'
    )


def facts_in(tree):
    """(last line, sentence) of each `check("sentence", …)` statement at the top of a cell."""
    return [
        (node.end_lineno, node.value.args[0].value)
        for node in tree.body
        if isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Call)
        and getattr(node.value.func, "id", None) == "check"
        and node.value.args
        and isinstance(node.value.args[0], ast.Constant)
        and isinstance(node.value.args[0].value, str)
    ]


class Kind(ast.NodeTransformer):
    """Puts the body of a check cell, or of a blank answer that is not a function, inside a `CheckCell`."""

    def visit_Module(self, tree):
        facts = facts_in(tree)
        blank = any(isinstance(node, ast.Raise) and "NotImplementedError()" in ast.unparse(node) for node in tree.body)
        if facts or blank:
            opening = ast.parse(
                f"with __import__('grading.checks.facts').checks.facts.CheckCell({facts!r}): pass"
            ).body[0]
            opening.body = tree.body
            tree.body = [ast.fix_missing_locations(opening)]
        return tree


def install(shell=None):
    """Make the check cells of this notebook (or shell) kind; once is enough."""
    if shell is None and "IPython" in sys.modules:
        shell = sys.modules["IPython"].get_ipython()
    if shell is not None and not any(isinstance(t, Kind) for t in shell.ast_transformers):
        shell.ast_transformers.append(Kind())


install()

__all__ = ["Raised", "Wrong", "check", "raised"]
