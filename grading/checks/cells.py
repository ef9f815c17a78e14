"""Check cells of a notebook: what goes wrong in one becomes a few plain lines, and what went right is remembered.

Imports nothing heavy: where JupyterLab is ours, every kernel loads this as an extension, before a lesson imports
anything, so that a check that is run too early is answered with a sentence.
"""

import ast
import builtins
import contextlib
import functools
import linecache
import os
import sys
import warnings

OWN = {}  # {exercise: the learner's answer, whose check has passed in this kernel}


def yours(name, course):
    """The learner's own answer to an exercise where its check has passed here, else `course`; a line says which.

    No check depends on it. A learner's function that raises, or takes longer than a minute, is replaced as it runs.
    """
    from grading.checks import facts
    from grading.checks.values import raised_by

    own = OWN.get(name) if facts.report is None else None
    graded = "as always when it is graded" if os.environ.get("DAYTWO_GRADED") else "until the check of yours passes"
    print(f"{name}: yours, its check has passed." if own else f"{name}: the course's, {graded}.")
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
    import signal
    import threading

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
        self.facts = facts  # (last line, sentence, what is asked) of each fact, in order
        self.sentences = [sentence for _, sentence, _ in facts]
        self.quiet = warnings.catch_warnings(record=True)

    def __enter__(self):
        self.warned = self.quiet.__enter__()
        warnings.simplefilter("default")
        return self

    def __exit__(self, kind, error, trail):
        from grading.checks.words import is_blank

        self.quiet.__exit__(kind, error, trail)
        if error is None:
            if self.facts:
                self.praise()
            return False
        if not isinstance(error, Exception) or not (self.facts or is_blank(error)):
            return False  # an interrupt, an exit, or an ordinary error in an ordinary cell
        show(self.explain(error, trail), self.held(trail), len(self.facts))
        return True

    def praise(self):
        """Every fact holds: say so, and remember it."""
        from grading.checks import hints, progress

        found, place = hints.exercise_of(self.sentences), ""
        if found:
            lesson, name = found
            names = list(hints.book()[lesson]["exercises"])
            place = f" Exercise {names.index(name) + 1} of {len(names)} is done."
            progress.remember(lesson, name)
            OWN[name] = vars(sys.modules["__main__"]).get(name)
        count = len(self.facts)
        print((f"All {count} facts hold." if count > 1 else "The fact holds.") + place)

    def held(self, trail):
        """How many facts stand before the line that failed."""
        return sum(last < trail.tb_lineno for last, *_ in self.facts)

    def explain(self, error, trail):
        """What to show for `error`."""
        from grading.checks.hints import hint_for
        from grading.checks.values import raised_by
        from grading.checks.words import NotAttempted, Wrong, is_blank

        if is_blank(error):
            return NotAttempted(*left_over(trail))
        if isinstance(error, NameError) and trail.tb_next is None and not hasattr(builtins, error.name or ""):
            return NotAttempted(f"Run the cells above first: `{error.name}` is not there yet.")
        _, fact, asked = self.facts[min(self.held(trail), len(self.facts) - 1)]
        if isinstance(error, Wrong):
            error.hint = hint_for(error.fact, error.value, self.sentences)
            wrong = error
        else:
            got = raised_by(error)
            hint = hint_for(fact, got, self.sentences)
            if isinstance(error, NameError):
                hint = "Run the cells above first; if you have, look at how the name is spelt."
            wrong = Wrong(fact, None, f"your code raised {got!r}", hint, place(trail))
        wrong.asked = asked
        said = dict.fromkeys(f"{w.category.__name__}: {w.message}".splitlines()[0] for w in self.warned)
        wrong.warned = "\n".join(list(said)[:2])
        return wrong


def left_over(trail):
    """What to say when there is code above the blank's `raise`, which was left to stand; nothing otherwise."""
    while trail.tb_next:
        trail = trail.tb_next
    lines = linecache.getlines(trail.tb_frame.f_code.co_filename)
    with contextlib.suppress(SyntaxError):
        for node in ast.walk(ast.parse("".join(lines))):
            body = getattr(node, "body", None)
            for at, statement in enumerate(body if isinstance(body, list) else ()):
                if isinstance(statement, ast.Raise) and statement.lineno == trail.tb_lineno:
                    own = [n for n in body[:at] if not (isinstance(n, ast.Expr) and isinstance(n.value, ast.Constant))]
                    if own and isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                        yield (
                            "Your code stands above the line `raise NotImplementedError()`, which still ends it: "
                            "remove the raise, run the cell, then run the check."
                        )
                    return


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
    from grading.checks.words import NotAttempted, card

    shell = sys.modules["IPython"].get_ipython()
    if hasattr(shell, "kernel"):
        from IPython.display import publish_display_data

        publish_display_data({"text/plain": str(problem), "text/html": card(problem)})
        last = "○ not attempted" if isinstance(problem, NotAttempted) else f"✗ stopped at fact {held + 1} of {total}"
    else:
        last = str(problem)
    problem._render_traceback_ = last.splitlines
    shell.showtraceback((type(problem), problem, None))


def facts_in(tree):
    """(last line, sentence, what is asked) of each `check("sentence", …)` statement at the top of a cell."""
    return [
        (node.end_lineno, node.value.args[0].value, asked(node.value))
        for node in tree.body
        if isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Call)
        and getattr(node.value.func, "id", None) == "check"
        and node.value.args
        and isinstance(node.value.args[0], ast.Constant)
        and isinstance(node.value.args[0].value, str)
    ]


def asked(fact):
    """The call whose value a fact is about, as a learner would write it; None where it is no call, or a long one."""
    value = fact.args[1] if len(fact.args) > 1 else None
    if isinstance(value, ast.Call) and getattr(value.func, "id", None) == "raised" and value.args:
        value = getattr(value.args[0], "body", value)
    text = ast.unparse(value) if value is not None and any(isinstance(n, ast.Call) for n in ast.walk(value)) else ""
    return text if 0 < len(text) <= 200 else None


class Kind(ast.NodeTransformer):
    """Puts the body of a check cell, or of a blank answer that is not a function, inside a `CheckCell`."""

    def visit_Module(self, tree):
        facts = facts_in(tree)
        blank = any(isinstance(node, ast.Raise) and "NotImplementedError()" in ast.unparse(node) for node in tree.body)
        if facts or blank:
            opening = ast.parse(f"with __import__('grading.checks.cells').checks.cells.CheckCell({facts!r}): pass")
            opening = opening.body[0]
            opening.body = tree.body
            tree.body = [ast.fix_missing_locations(opening)]
        return tree


def install(shell=None):
    """Make the check cells of this notebook (or shell) kind; once is enough."""
    if shell is None and "IPython" in sys.modules:
        shell = sys.modules["IPython"].get_ipython()
    if shell is not None and not any(isinstance(t, Kind) for t in shell.ast_transformers):
        shell.ast_transformers.append(Kind())


load_ipython_extension = install  # what IPython calls where the kernel's settings name this module
