"""Where verdicts are made: the solved lesson runs here once, keeps its expectations, and compares what students report.

Started as `python -m grading.engine.trusted LESSON`, one per lesson and class seed. No student's code comes near it:
it reads reports in the closed wire format and says how they compare, with the very code of a learner's `check`.
"""

import ast
import contextlib
import io
import json
import os
import resource
import subprocess
import sys
import threading

from grading.environment import QUIET

SECONDS = 60  # one exercise's comparison may take so long; it takes milliseconds
LONGEST = 20_000_000  # letters of one exercise's reports
ROOM = 4 * 2**30  # bytes that comparing may take, on top of what the lesson takes


class Trusted:
    """The engine's side: starts at once, and is asked when somebody's reports are there."""

    def __init__(self, lesson_id, proved=None, seed=None, seconds=SECONDS):
        self.lesson_id, self.seed, self.seconds = lesson_id, seed, seconds
        self._start(proved)

    def _start(self, proved):
        env = os.environ | QUIET | ({"GRADING_SEED": self.seed} if self.seed else {})
        self.process = subprocess.Popen(
            [sys.executable, "-m", "grading.engine.trusted", self.lesson_id],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=env,
            text=True,
            encoding="utf-8",
        )
        self._tell(json.dumps(proved))
        self.known, self.proved = proved, None

    def _tell(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def _prove(self):
        """Wait until the lesson is known to hold; `Refused` when it does not under this seed."""
        line = self.process.stdout.readline()
        said = json.loads(line) if line else {"refused": "the process that compares answers ended; see above"}
        if "refused" in said:
            raise Refused(said["refused"])
        self.proved = said["proved"]

    def _answer(self, question):
        """What it says to a question; nothing when it dies of it or thinks for too long."""
        late = threading.Timer(self.seconds, self.process.kill)
        late.start()
        try:
            self._tell(question)
            return json.loads(self.process.stdout.readline())
        except (OSError, ValueError):
            return None
        finally:
            late.cancel()
            late.join()  # it must not hit a later question

    def ask(self, exercise, reports):
        """The verdict on an exercise's reports; `Refused` when the lesson itself does not hold under this seed.

        Reports that kill the process that compares, or keep it too long, are for a teacher to look at: the others are
        compared by a new one.
        """
        if self.proved is None:
            self._prove()
        try:
            question = json.dumps({"exercise": exercise, "reports": reports})
        except (RecursionError, ValueError):
            return unheard(exercise)
        if len(question) > LONGEST:
            return unheard(exercise)
        said = self._answer(question)
        if said is None:
            proved = self.proved
            self.close()
            self._start(proved)
        return said or unheard(exercise)

    def close(self):
        for pipe in (self.process.stdin, self.process.stdout):
            with contextlib.suppress(OSError):
                pipe.close()
        self.process.kill()
        self.process.wait()


class Refused(Exception):
    """The lesson's own answer, or an alternative, fails under this seed: nobody can be graded fairly."""


def unheard(exercise):
    """The verdict on reports that could not be compared: a teacher looks at them."""
    return {"state": "review", "fact": exercise, "held": [], "hidden": 0, "secret": True, "hint": None}


def learn(lesson):
    """{exercise: [(fact, value, expectation, tolerance)]} of a lesson, run whole with its own answers.

    Each exercise has a copy of the common cells' names: a judge that is asked later finds those of its own check.
    """
    from grading.lesson import run

    namespace, expected = {"__name__": "__main__"}, {}
    quiet = io.StringIO()
    with contextlib.redirect_stdout(quiet), contextlib.redirect_stderr(quiet):
        for cell in lesson.cells:
            if cell.kind == "code":
                run.execute(cell.source, namespace, lesson.path, cell.line)
            elif cell.kind == "answer":
                own = dict(namespace)
                run.execute(cell.source, own, lesson.path, cell.line)
            elif cell.kind == "check":  # stands right after its answer
                expected[cell.name] = run.expectations(cell.source, own, lesson.path, cell.line)
    return expected


def prove(lesson):
    """{exercise: what is said to wrong answers, at hidden facts too}; `Refused` when the lesson does not hold here."""
    from grading.lesson.build import hints
    from grading.lesson.format import LessonError
    from grading.lesson.prove import proofs, unfair
    from grading.lesson.source import thoughts

    try:
        result = proofs(lesson)
        faults = unfair(lesson, result)
    except LessonError as error:
        faults = [error]
    if faults:
        raise Refused("\n".join(map(str, faults)))
    found = {}
    for exercise, got in zip(lesson.exercises.values(), result["exercises"], strict=True):
        found[exercise.name] = hints(exercise, got), thoughts(exercise.check.source)
    return found


def verdict(reports, expected, visible, said):
    """How an answer's two reports compare with the expectations; ready for JSON, silent on hidden values.

    `visible` holds the facts that a learner sees, each with what it asks; `said` is what `prove` found.
    The visible part is judged first and by itself: nothing that was said after the hidden part came in is ever shown.
    """
    from grading.checks.hints import find_hint
    from grading.checks.words import told
    from grading.lesson.verdict import judge

    shown = [e for e in expected if e[0] in visible]
    secrets = [e for e in expected if e[0] not in visible]
    report = report_of(reports.get("visible"), len(shown))
    found, secret = judge(report, shown), False
    if found["state"] == "right" and secrets:
        report, secret = report_of(reports.get("hidden"), len(secrets)), True
        found = judge(report, secrets)
    facts = [fact for fact, *_ in (secrets if secret else shown)]
    before = facts[: facts.index(found["fact"])] if "fact" in found else facts
    out = {"state": found["state"], "held": [f for f, *_ in shown] if secret else before}
    out["hidden"] = len(before) if secret else 0
    if found["state"] == "right":
        return out
    silent = found["state"] == "wrong" and report.error is None and found["fact"] not in dict(report.facts)
    out |= {"state": "review" if silent else found["state"], "fact": found["fact"], "secret": secret, "hint": None}
    if out["state"] == "wrong":
        out["hint"] = find_hint(*said, found["fact"], found["got"])
    if out["state"] == "died":
        out["got"] = report.died
    if not secret:
        wanted, came = told(found["got"], found["expected"], found["tolerance"])
        out |= {"where": report.where, "expected": wanted, "asked": visible[found["fact"]]}
        if out["state"] == "wrong":
            out["got"] = came
        if report.error is not None:
            out |= {"expected": None, "got": f"your code raised {report.error!r}"}
    return out


def report_of(said, most):
    """The `Report` of a part of a check with `most` facts, from what came out of a sandbox, whatever it is."""
    from grading.checks.values import Opaque, Raised, decode
    from grading.lesson.verdict import Report

    def value(wire):
        try:
            return decode(wire)
        except (ValueError, RecursionError, OverflowError):
            return Opaque("a value", "of a kind that cannot be compared")

    said = said if isinstance(said, dict) else {}
    facts = said["facts"][:most] if isinstance(said.get("facts"), list) else []
    report = Report([(f[0], value(f[1])) for f in facts if isinstance(f, list) and len(f) == 2 and type(f[0]) is str])
    error = value(said.get("error")) if isinstance(said.get("error"), dict) else None
    report.error = error if isinstance(error, Raised) else None
    report.died, report.blank = str(said.get("died") or ""), said.get("blank") is True
    report.where = said["where"] if isinstance(said.get("where"), str) else None
    return report


def confine():
    """Let this process grow only so much further: a value that wants more raises MemoryError here, for one student."""
    with contextlib.suppress(OSError, ValueError):  # where /proc is not, the deadline alone stands
        with open("/proc/self/statm", encoding="ascii") as file:
            own = int(file.read().split()[0]) * resource.getpagesize()
        hard = resource.getrlimit(resource.RLIMIT_AS)[1]
        most = own + ROOM
        resource.setrlimit(resource.RLIMIT_AS, (most if hard == resource.RLIM_INFINITY else min(most, hard), hard))


def main(lesson_id):
    from grading.checks.cells import facts_in
    from grading.environment import SOLUTIONS
    from grading.lesson import source
    from grading.lesson.read import read

    talk, sys.stdout = sys.stdout, sys.stderr  # whatever the lesson prints must not get between the answers
    known = json.loads(sys.stdin.readline())
    try:
        lesson = read(SOLUTIONS / f"{lesson_id}.py")
        known = known or prove(lesson)
        os.chdir(lesson.path.parent)
        expected = learn(lesson)
    except Exception as error:
        print(json.dumps({"refused": str(error) or repr(error)}), file=talk, flush=True)
        return
    seen = {n: facts_in(ast.parse(source.visible(e.check.source))) for n, e in lesson.exercises.items()}
    visible = {n: {fact: asked for _, fact, asked in facts} for n, facts in seen.items()}
    confine()
    print(json.dumps({"proved": known}), file=talk, flush=True)
    for line in sys.stdin:
        name = "?"
        try:
            asked = json.loads(line)
            name = asked["exercise"]
            said = json.dumps(verdict(asked["reports"], expected[name], visible[name], known[name]))
        except Exception as error:  # one report that cannot be compared must not stop the class
            print(f"{lesson_id}: {name}: {error!r}", file=sys.stderr)
            said = json.dumps(unheard(name))
        print(said, file=talk, flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
