"""What one answer reported, and the one judgement on it, that proofs and grading share."""

from dataclasses import dataclass

from grading.checks.compare import agrees
from grading.checks.hints import mark
from grading.checks.values import decode


@dataclass
class Report:
    """What one answer said: (fact, value) pairs in order, and how it ended."""

    facts: list
    error: object = None  # the Raised that ended it early
    line: int = 0  # of the lesson file, where it was raised
    blank: bool = False
    died: str = ""  # why, when the process did not live to tell
    seconds: float = 0  # of CPU
    megabytes: float = 0


def report_from(wire):
    """A `Report` that came through a pipe."""
    if len(wire) == 1:  # only {"died": why}
        return Report([], died=wire["died"])
    facts = [(fact, decode(value)) for fact, value in wire["facts"]]
    return Report(
        facts,
        wire["error"] and decode(wire["error"]),
        *(wire[k] for k in ("line", "blank", "died", "seconds", "megabytes")),
    )


def judge(report, expected):
    """The verdict on a report: {"state": "right" | "wrong" | "blank" | "died"}, and of the first fact that is broken:
    its sentence, the value that came, its mark, the expectation and the tolerance."""
    got = dict(report.facts)
    for at, (fact, _, expectation, tolerance) in enumerate(expected):
        broken = {"fact": fact, "expected": expectation, "tolerance": tolerance, "got": report.error, "mark": None}
        if at < len(report.facts) and report.facts[at][0] == fact:
            if agrees(got[fact], expectation, tolerance):
                continue
            return broken | {"state": "wrong", "got": got[fact], "mark": mark(got[fact])}
        if report.died:
            return broken | {"state": "died", "got": report.died}
        if report.blank:
            return broken | {"state": "blank", "got": None}
        return broken | {"state": "wrong", "mark": mark(report.error)}
    return {"state": "right"}
