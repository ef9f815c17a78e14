"""Prove a lesson: answer and alternatives earn full marks, a blank none, every mistake fails with its own hint."""

import contextlib
import hashlib
import json
import os
import sys
from pathlib import Path

from grading.environment import foundation
from grading.lesson import source as src
from grading.lesson.format import LessonError
from grading.lesson.run import start

KEPT = Path(sys.prefix) / "proofs"  # goes with the environment: `make clean` removes it, and CI starts without


def keys(lesson):
    """{exercise, or "common": a hash of all that its result depends on}: the cells before it, and all its own."""
    base = f"{foundation('checks', 'lesson')} {os.environ.get('GRADING_SEED')} {lesson.path.parent}"
    found, before = {}, hashlib.sha256(base.encode())
    for cell in lesson.cells:
        if cell.kind == "code":
            before.update(f"{cell.source}\0".encode())
        elif cell.kind == "check":
            exercise, own = lesson.exercises[cell.name], before.copy()
            for part in (exercise.answer, cell, *exercise.mistakes, *exercise.alternatives):
                own.update(f"{part.kind}\0{part.source}\0".encode())
            found[cell.name] = own.hexdigest()
    return found | {"common": before.hexdigest()}


def begun(lesson, at_once=2, afresh=False):
    """Start to run what is not known yet of a lesson; a function that gives its result as `proofs` does."""
    known = {}
    for name, key in {} if afresh else keys(lesson).items():
        with contextlib.suppress(OSError, ValueError):
            known[name] = json.loads((KEPT / key).read_text(encoding="utf-8"))
    wait = start(lesson, known, at_once)
    return lambda: _sound(lesson, wait(), known)


def _keep(lesson, result, known):
    """Keep what was found out, where there is room for it."""
    there = dict(zip(lesson.exercises, result["exercises"], strict=True)) | {"common": result["common"]}
    with contextlib.suppress(OSError):
        KEPT.mkdir(exist_ok=True)
        for name, key in keys(lesson).items():
            if name not in known:
                half = KEPT / f"{key}.{os.getpid()}"
                half.write_text(json.dumps(there[name]), encoding="utf-8")
                half.replace(KEPT / key)


def proofs(lesson):
    """The result of running a lesson; `LessonError` when it cannot be run at all."""
    return begun(lesson)()


def _sound(lesson, result, known):
    if "broken" in result:
        raise LessonError(lesson.path, result["broken"], f"a common cell raised {result['error']}; mend it")
    if "died" in result:
        raise LessonError(lesson.path, 1, f"the lesson could not be run: {result['died']}")
    for exercise, found in zip(lesson.exercises.values(), result["exercises"], strict=True):
        if "broken" in found:
            what = f"the answer or the check of {exercise.name!r} raised {found['error']}"
            raise LessonError(lesson.path, found["broken"], f"{what}; what it needs stands in them or in common cells")
        if "died" in found:
            line = exercise.check.line
            raise LessonError(lesson.path, line, f"the check {exercise.name!r} could not be run: {found['died']}")
    _keep(lesson, result, known)
    return result


def faults(lesson, result):
    """[LessonError] for everything that is not as promised, in the order of the file."""
    found = []
    for exercise, got in zip(lesson.exercises.values(), result["exercises"], strict=True):
        found += _of_exercise(lesson, exercise, got)
    return found


def _of_exercise(lesson, exercise, result):
    def fault(cell, what):
        return LessonError(lesson.path, cell.line, what)

    found, by_trace = [], {}
    if result["differ"]:
        line = next(ln for f, ln in src.facts(exercise.check.source) if f == result["differ"])
        found.append(
            LessonError(
                lesson.path,
                exercise.check.line + line - 1,
                f"the value reported for {result['differ']!r} changes when expectations are left out; "
                "let expectations draw from a generator of their own",
            )
        )
    found += _unfair(lesson, exercise, result)
    for v in result["verdicts"]:
        kind, state = v["kind"], v["state"]
        came = said(v)
        if kind == "blank" and state != "blank":
            why = f"is {state} and not “not attempted” {came}" if v["fact"] else "earns full marks"
            found.append(
                fault(
                    exercise.answer,
                    f"a blank {exercise.name!r} {why}; let nothing that a fact needs stand outside "
                    "### BEGIN SOLUTION … ### END SOLUTION",
                )
            )
        if kind != "mistake":
            continue
        cell = exercise.mistakes[v["index"]]
        if state == "right":
            found.append(fault(cell, "this mistake passes; add a fact that tells it from a right answer"))
        elif state != "wrong":
            found.append(fault(cell, f"this mistake ends as “{state}” {came}; write one that gives a wrong value"))
        elif "NameError: name" in str(v["got"]):
            found.append(
                fault(
                    cell,
                    f"this mistake lacks a name {came}; it stands in the place of the answer's cell: let it "
                    "define or import what it needs, or let a common cell do so",
                )
            )
        elif not v["telling"]:
            found.append(
                fault(
                    cell,
                    f"this mistake gives what anyone might {came}, so its hint would be told to others; put a "
                    "fact before this one at which it gives something of its own",
                )
            )
        elif (v["fact"], v["trace"]) in by_trace:
            other = by_trace[v["fact"], v["trace"]]
            found.append(
                fault(
                    cell,
                    f"this mistake and the one in line {other} look the same {came}; "
                    "before this fact, put one that tells them apart",
                )
            )
        else:
            by_trace[v["fact"], v["trace"]] = cell.line
    return found


def unfair(lesson, result):
    """[LessonError] for right answers that fail: with one of them nobody can be graded."""
    pairs = zip(lesson.exercises.values(), result["exercises"], strict=True)
    return [fault for exercise, got in pairs for fault in _unfair(lesson, exercise, got)]


def _unfair(lesson, exercise, result):
    for v in result["verdicts"]:
        if v["kind"] in ("answer", "alternative") and v["state"] != "right":
            cell = exercise.answer if v["kind"] == "answer" else exercise.alternatives[v["index"]]
            yield LessonError(
                lesson.path, cell.line, f"this {v['kind']} of {exercise.name!r} fails {said(v)}" + at_line(v)
            )


def said(verdict):
    return f"at {verdict['fact']!r}: expected {verdict['expected']}, came {verdict['got']}"


def at_line(verdict):
    return f" (line {verdict['line']})" if verdict["line"] else ""


def summary(lesson, result):
    """One line on a lesson: what was proved, the CPU seconds and megabytes a learner's run of it takes."""
    verdicts = [v for e in result["exercises"] for v in e["verdicts"]]
    count = {k: sum(v["kind"] == k for v in verdicts) for k in ("answer", "blank", "mistake", "alternative")}
    seconds = result["common"] + sum(v["seconds"] for v in verdicts if v["kind"] == "answer")
    memory = max((v["megabytes"] for v in verdicts), default=0)
    return (
        f"{lesson.id}: {count['answer']} exercises, {count['blank']} blanks, {count['mistake']} mistakes, "
        f"{count['alternative']} alternatives; runs in {seconds:.1f} CPU s and {memory:.0f} MB"
    )


def details(result):
    """What the answers gave at every fact: the numbers an author writes down, and looks at twice."""
    for exercise in result["exercises"]:
        yield f"  {exercise['name']}"
        for fact, value, expected in exercise["values"]:
            yield f"    {fact}: {value}" + ("" if value == expected else f"   (expected {expected})")
