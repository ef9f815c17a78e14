"""Where verdicts are made: the solved lesson runs here once, keeps its expectations, and compares what students report.

Started as `python -m grading.trusted LESSON`, one process per lesson and class seed. No student's code comes near it:
it reads reports in the closed wire format and says how they compare, with the very code of a learner's `check`.
"""

import contextlib
import io
import json
import os
import subprocess
import sys

from grading.runner import QUIET


class Trusted:
    """The engine's side: starts at once, and is asked when somebody's reports are there."""

    def __init__(self, lesson_id, proved=None, seed=None):
        env = os.environ | QUIET | ({"GRADING_SEED": seed} if seed else {})
        self.process = subprocess.Popen(
            [sys.executable, "-m", "grading.trusted", lesson_id],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=env,
            text=True,
            encoding="utf-8",
        )
        self._tell(proved)
        self.proved = None

    def _tell(self, value):
        self.process.stdin.write(json.dumps(value) + "\n")
        self.process.stdin.flush()

    def _hear(self):
        line = self.process.stdout.readline()
        return json.loads(line) if line else {"refused": "the process that compares answers ended; see above"}

    def ask(self, exercise, reports):
        """The verdict on an exercise's reports; `Refused` when the lesson itself does not hold under this seed."""
        if self.proved is None:
            said = self._hear()
            if "refused" in said:
                raise Refused(said["refused"])
            self.proved = said["proved"]
        self._tell({"exercise": exercise, "reports": reports})
        said = self._hear()
        if "refused" in said:
            raise Refused(said["refused"])
        return said

    def close(self):
        for pipe in (self.process.stdin, self.process.stdout):
            with contextlib.suppress(OSError):
                pipe.close()
        self.process.kill()
        self.process.wait()


class Refused(Exception):
    """The lesson's own answer, or an alternative, fails under this seed: nobody can be graded fairly."""


def learn(lesson):
    """{exercise: [(fact, value, expectation, tolerance)]} of a lesson, run whole with its own answers."""
    from grading import runner

    namespace, expected = {"__name__": "__main__"}, {}
    quiet = io.StringIO()
    with contextlib.redirect_stdout(quiet), contextlib.redirect_stderr(quiet):
        for cell in lesson.cells:
            if cell.kind in ("code", "answer"):
                runner.execute(cell.source, namespace, lesson.path, cell.line)
            elif cell.kind == "check":
                expected[cell.name] = runner.expectations(cell.source, namespace, lesson.path, cell.line)
    return expected


def prove(lesson):
    """{exercise: hints for visible and hidden facts}; `Refused` when the lesson does not hold under this seed."""
    from grading import prove as prover
    from grading.lesson import LessonError

    try:
        result = prover.proofs(lesson)
        faults = prover.unfair(lesson, result)
    except LessonError as error:
        faults = [error]
    if faults:
        raise Refused("\n".join(map(str, faults)))
    found = {}
    for exercise, got in zip(lesson.exercises.values(), result["exercises"], strict=True):
        mistakes = [v for v in got["verdicts"] if v["kind"] == "mistake"]
        found[exercise.name] = [
            {"fact": v["fact"], "got": v["trace"], "hint": exercise.mistakes[v["index"]].hint} for v in mistakes
        ]
    return found


def verdict(reports, expected, visible, hints):
    """How an answer's two reports compare with the expectations; ready for JSON, silent on hidden values."""
    from grading.checks import find_hint
    from grading.compare import short
    from grading.runner import Report, judge
    from grading.values import Opaque, Raised, decode

    def value(wire):
        try:
            return decode(wire)
        except (ValueError, RecursionError):
            return Opaque("a value", "of a kind that cannot be compared")

    report = Report([])
    for part in ("visible", "hidden"):
        said = reports.get(part)
        if not isinstance(said, dict):
            break
        report.facts += [(str(f), value(w)) for f, w in said.get("facts") or []]
        report.died, report.blank = str(said.get("died") or ""), bool(said.get("blank"))
        error = value(said["error"]) if said.get("error") else None
        report.error = error if isinstance(error, Raised) else None
        if report.died or report.error:
            break
    found = judge(report, expected)
    out = {"state": found["state"], "held": [], "hidden": 0, "where": (said or {}).get("where")}
    for fact, *_ in expected:
        if fact == found.get("fact"):
            break
        out["held"] += [fact] if fact in visible else []
        out["hidden"] += fact not in visible
    if found["state"] == "right":
        return out
    if (
        found["state"] == "wrong"
        and found["got"] is None
        and report.error is None
        and len(report.facts) < len(expected)
    ):
        seen = dict(report.facts)
        if found["fact"] not in seen:
            out["state"] = "review"
    out |= {"fact": found["fact"], "secret": found["fact"] not in visible, "hint": None}
    if out["state"] == "wrong":
        out["hint"] = find_hint(hints, found["fact"], found["got"], found["expected"])
    if not out["secret"]:
        out |= {
            "expected": short(found["expected"]),
            "got": short(found["got"]) if found["got"] is not None else "None",
        }
        if report.error is not None:
            out |= {"expected": None, "got": f"your code raised {report.error!r}"}
    if out["state"] == "died":
        out["got"] = report.died
    return out


def main(lesson_id):
    from grading import source as src
    from grading.lesson import SOLUTIONS, read

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
    visible = {n: {f for f, _ in src.facts(src.visible(e.check.source))} for n, e in lesson.exercises.items()}
    print(json.dumps({"proved": known}), file=talk, flush=True)
    for line in sys.stdin:
        asked = json.loads(line)
        name = asked["exercise"]
        print(json.dumps(verdict(asked["reports"], expected[name], visible[name], known[name])), file=talk, flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
