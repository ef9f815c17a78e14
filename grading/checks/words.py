"""What a learner reads: values short enough to look at, reduced to what differs, and the card a check shows."""

import html

import numpy as np
import pandas as pd

from grading.checks.compare import Judge, is_number, missing, same
from grading.checks.values import plain

SHOWN = 2_000  # letters of a value that a learner reads
FEW = 4  # members that differ are shown at most; the others are counted


class Wrong(AssertionError):
    """An answer contradicts a fact, or cannot be asked about it."""

    def __init__(self, fact, expected=None, got=None, hint=None, where=None, asked=None, warned=None):
        self.fact, self.expected, self.got, self.hint = fact, expected, got, hint
        self.where, self.asked, self.warned = where, asked, warned
        super().__init__(fact)

    def __str__(self):
        return "\n".join([f"✗ {self.fact}", *(f"  {name}: {text}" for name, text in self.lines())])

    def lines(self):
        """(name, text) of each line below the fact."""
        rows = ("Asked", self.asked), ("Expected", self.expected), ("Came", self.got), ("At", self.where)
        yield from ((name, text) for name, text in (*rows, ("Python warned", self.warned), ("Hint", self.hint)) if text)


class NotAttempted(Exception):
    """There is nothing to check yet: the answer cell holds its blank, or has not run."""

    def __init__(self, words="Not attempted yet. Write your answer in its cell, run that cell, then run the check."):
        super().__init__(f"○ {words}")


def is_blank(error):
    """Whether an exception is the stub of a release: nobody else raises NotImplementedError without a word."""
    return type(error) is NotImplementedError and not error.args


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


def told(got, expected, tolerance):
    """(what was expected, what came) in words; of long things that are alike in shape, only what differs."""
    if isinstance(expected, Judge | type | BaseException):
        return short(expected), short(got)
    expected = plain(expected)
    few = differing(got, expected, tolerance)
    if few is None:
        few = short(expected), short(got)
    wanted, came = few
    return (f"{wanted} (floats ± {100 * tolerance:.3g} %)" if has_floats(expected) else wanted), came


def has_floats(value):
    """Whether a tolerance has a say in how a value is compared."""
    if isinstance(value, pd.DataFrame):
        return any(has_floats(value[name]) for name in value.columns)
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list | tuple | np.ndarray | pd.Series):
        return any(has_floats(x) for x in list(value)[:1000])
    return isinstance(value, float) and not missing(value)


def differing(got, expected, tolerance):
    """The same parts of both, where there are more than a few of them and only some differ; else None."""
    if isinstance(expected, pd.DataFrame):
        alike = isinstance(got, pd.DataFrame) and len(got) == len(expected) and set(got) == set(expected)
        if not alike or len(expected) <= FEW or list(got.index) != list(expected.index) or not got.columns.is_unique:
            return None
        got = got[list(expected.columns)]
        bad = [i for i in range(len(got)) if not same(list(got.iloc[i]), list(expected.iloc[i]), tolerance)]
        columns = [c for c in expected if not same(list(got[c]), list(expected[c]), tolerance)]
        rest = f"\n({len(bad)} of {len(expected)} rows differ)"
        return tuple(short(t.iloc[bad[:FEW]][columns]) + rest for t in (expected, got)) if bad else None
    if isinstance(expected, pd.Series):
        if not isinstance(got, pd.Series) or list(got.index) != list(expected.index):
            return None
        names, pairs, kind = list(expected.index), list(zip(got, expected, strict=True)), "rows"
    elif isinstance(expected, dict):
        if not isinstance(got, dict) or got.keys() != expected.keys():
            return None
        names, pairs, kind = list(expected), [(got[k], expected[k]) for k in expected], "entries"
    elif isinstance(expected, list | tuple | np.ndarray):
        if not isinstance(got, list | tuple | np.ndarray | pd.Series) or len(got) != len(expected):
            return None
        names, kind = [f"[{i}]" for i in range(len(expected))], "values"
        pairs = list(zip(list(got), list(expected), strict=True))
    else:
        return None
    bad = [i for i, (a, b) in enumerate(pairs) if not same(a, b, tolerance)]
    if len(pairs) <= FEW or not bad or (len(bad) > FEW and len(pairs) <= 12):
        return None
    names = [name if kind == "values" else short(name, 40) for name in names]
    rest = f" ({len(bad)} of {len(pairs)} {kind} differ)"
    return tuple("; ".join(f"{names[i]} {short(pairs[i][side])}" for i in bad[:FEW]) + rest for side in (1, 0))


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
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, bool):
        return str(value)
    if isinstance(value, float):
        text = f"{value:.6g}"
        return "0" if text == "-0" else text
    if isinstance(value, pd.DataFrame | pd.Series):
        text = table(value.head(8))
        return text if len(value) <= 8 else f"{text}\n… {len(value)} rows in all"
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if isinstance(value, set | frozenset):
        value = sorted(value) if all(map(is_number, value)) else sorted(value, key=repr)
        return "{" + short(value)[1:-1] + "}" if value else "an empty set"
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
