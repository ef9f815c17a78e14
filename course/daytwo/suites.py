"""Grade tests by what they catch: run them, by real pytest, against right and faulty versions of the code under test.

A good suite passes on every right version and fails on every faulty one (mutation testing: DeMillo, Lipton & Sayward,
*Hints on Test Data Selection*, 1978). The tests run in a process of their own (`suites_child`) that is given one
version at a time; whatever they do to it (hang, exit, patch, print) costs them that one verdict.
"""

import inspect
import random
from typing import NamedTuple

from daytwo.suites_child import FORK, Child
from daytwo.suites_words import SLOW

PATIENCE = 3  # so many versions may take too long before the others are not run


class Verdict(NamedTuple):
    """`state` is "passed", "caught" (a test failed) or "broke" (no verdict); `why` says in words what happened."""

    state: str
    why: str = ""


class _Three(NamedTuple):
    given: list
    refactored: list
    survived: list


class Findings(_Three):
    """What a suite is worth: why it fails on the code as given; the refactorings that it fails on; the mutants that
    survived it. `words` says all of it, and the mutation score."""

    words = ""


_sources = {}


def source(*functions) -> str:
    """The source of functions as it was when they were first seen here: who edits the cell changes no grade."""
    return "\n\n".join(_sources.setdefault(f.__name__, inspect.getsource(f)) for f in functions)


def patched(code: str, *edits: tuple) -> str:
    """`code` with each (old, new) replaced; ValueError unless `old` is there exactly once."""
    for old, new in edits:
        if code.count(old) != 1:
            raise ValueError(f"the code under test no longer holds {old!r}: put its cell back as it was")
        code = code.replace(old, new)
    return code


def collect(namespace: dict, name: str) -> dict:
    """A notebook's test function or test class of this name, and all its pytest fixtures."""
    if not inspect.isroutine(namespace.get(name)) and not isinstance(namespace.get(name), type):
        raise NotImplementedError  # a blank: nothing has been written yet
    fixtures = {n: f for n, f in namespace.items() if type(f).__name__ == "FixtureFunctionDefinition"}
    return {name: namespace[name]} | fixtures


def findings(tests, code: str, mutants, refactorings, gives: str, context: dict, **limits) -> Findings:
    """Run `tests` on `code`, on `refactorings` of it (edits that keep it right) and on `mutants` (name, old, new).

    `gives` is the name of the fixture, and of what a version defines; `context` holds the other names it uses.
    `refactorings` are lists of (old, new), or a dict of such lists by name.
    """
    if not isinstance(refactorings, dict):
        refactorings = {f"refactoring {n}": edits for n, edits in enumerate(refactorings, 1)}
    right = [code, *(patched(code, *edits) for edits in refactorings.values())]
    broken = [patched(code, (old, new)) for _, old, new in mutants]
    given, *verdicts = run(tests, [*right, *broken], gives, context, vital=len(right), **limits)
    refactored, caught = verdicts[: len(refactorings)], verdicts[len(refactorings) :]
    wrong = {name: v.why for name, v in zip(refactorings, refactored, strict=True) if v.state != "passed"}
    if given.state != "passed" or wrong:  # what such tests catch says nothing
        found = Findings([given.why] if given.state != "passed" else [], list(wrong), [name for name, *_ in mutants])
        failed = {"the code as it is": given.why} if found.given else wrong
        found.words = "\n".join(f"Your tests fail on {name}:\n  {why}" for name, why in failed.items())
        return found
    why = [f" (no verdict: {v.why})" if v.state == "broke" else "" for v in caught]
    found = Findings([], [], [m[0] + w for m, w, v in zip(mutants, why, caught, strict=True) if v.state != "caught"])
    killed = len(mutants) - len(found.survived)
    found.words = f"Mutation score: {killed} of {len(mutants)} mutants killed."
    found.words += "".join(f"\n  survived: {name}" for name in found.survived)
    return found


def run(tests: dict, sources: list, gives: str, context: dict, vital=0, seconds=10, fork=None) -> list:
    """A `Verdict` for each source, which may take `seconds` of CPU (where there is no fork, three times as much by the
    clock); after three that took longer the others are not run.

    The first `vital` sources have to pass: when one of them did not, sources after them may be left out, as None.
    They run in no order that a test could know, and one that is not vital is first: tests that remember what they saw
    first, and compare the others with it, compare them with a faulty version.
    NotImplementedError without a word when a test still holds its blank.
    """
    verdicts, slow, child, order = [None] * len(sources), 0, None, _order(len(sources), vital)
    try:
        for n, at in enumerate(order):
            if n >= vital + 3 and any(v is not None and v.state != "passed" for v in verdicts[:vital]):
                break
            if slow >= PATIENCE:
                verdicts[at] = Verdict("broke", f"not run: three other versions took longer than {seconds:g} s each")
                continue
            child = child or Child(tests, gives, context, seconds, FORK if fork is None else fork)
            said = child.ask(sources[at])
            if said["state"] == "blank":
                raise NotImplementedError
            if said["spoilt"]:
                child.end()
                child = None
            slow += said["state"] == "broke" and said["why"] == SLOW.format(seconds)
            verdicts[at] = Verdict(said["state"], said["why"])
    finally:
        if child:
            child.end()
    return verdicts


def _order(count, vital):
    """Places by chance: one that is not vital, then all that are, with two others among them, then the rest."""
    dice, others = random.SystemRandom(), list(range(vital, count))
    dice.shuffle(others)
    early = [*range(vital), *others[1:3]]
    dice.shuffle(early)
    return [*others[:1], *early, *others[3:]]
