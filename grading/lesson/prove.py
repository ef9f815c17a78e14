"""Prove a lesson: answer and alternatives earn full marks, a blank none, every mistake fails with its own hint."""

import contextlib
import hashlib
import json
import os
import sys
from pathlib import Path

from grading.checks.hints import recognised
from grading.checks.values import decode
from grading.environment import foundation
from grading.lesson import budgets
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
    found = budgets.exceeded(lesson)
    for exercise, got in zip(lesson.exercises.values(), result["exercises"], strict=True):
        found += _of_exercise(lesson, exercise, got)
    return found


def alike(mark, other):
    """Whether two marks are of values that a learner's kernel could not tell apart."""
    if "sha1" in (*(mark if isinstance(mark, dict) else ()), *(other if isinstance(other, dict) else ())):
        return mark == other
    return recognised(mark, decode(other))


def _of_exercise(lesson, exercise, result):
    def fault(cell, what):
        return LessonError(lesson.path, cell.line, what)

    found, marks = [], []
    visible = {sentence for sentence, _ in src.facts(src.visible(exercise.check.source))}
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
        twin = next((o for o in marks if o[0] == v["fact"] and alike(o[1], v["mark"])), None)
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
        elif v["fact"] not in visible:
            found.append(fault(cell, f"only a hidden fact sees this mistake {came}; learners need a visible one"))
        elif twin and twin[2].hint != cell.hint:
            found.append(
                fault(
                    cell,
                    f"this mistake and the one in line {twin[2].line} look the same {came}; give both the thought that "
                    "they have in common, leave one out, or tell them apart in a fact before this one",
                )
            )
        else:
            marks.append((v["fact"], v["mark"], cell))
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
        + (f", its proof in {result['took']:.1f}" if result["took"] else "")
    )


def details(lesson, result):
    """What the answers gave at every fact, and what is said to each mistake: an author looks at both twice."""
    for exercise, got in zip(lesson.exercises.values(), result["exercises"], strict=True):
        yield f"  {exercise.name}"
        for fact, value, expected in got["values"]:
            yield f"    {fact}: {value}" + ("" if value == expected else f"   (expected {expected})")
        said = src.thoughts(exercise.check.source)
        for v in (v for v in got["verdicts"] if v["kind"] == "mistake"):
            cell = exercise.mistakes[v["index"]]
            yield f"    line {cell.line}: {cell.hint}\n      breaks {v['fact']!r}, came {v['got']}"
            yield f"      whose own hint is: {said.get(v['fact'])}"
