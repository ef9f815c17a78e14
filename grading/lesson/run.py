"""Run a lesson once and ask many answers about it: common cells run in one process, each answer in a fork of it.

A fork costs milliseconds, so thousands of proofs stay cheap. Where there is no fork (Windows) lessons are learned, but
neither built nor graded.
"""

import contextlib
import gc
import io
import json
import os
import resource
import select
import signal
import socket
import threading
import time
import traceback

from grading.checks import facts
from grading.checks.compare import agrees
from grading.checks.values import decode, encode, plain, raised_by
from grading.checks.words import is_blank, short
from grading.environment import spent
from grading.lesson import names
from grading.lesson import source as src
from grading.lesson.verdict import Report, judge, report_from

SECONDS = 180  # one answer with its check may take so long by the clock, however busy the machine is


def execute(source, namespace, path, line):
    """Run a cell as Python; errors then point into the lesson file."""
    tree = compile("\n" * (line - 1) + source, str(path), "exec", dont_inherit=True)
    exec(tree, namespace)


class Enough(BaseException):
    """What is known of an answer decides already."""


def listen(cells, namespace, path, goes_on):
    """Run an answer and its stripped check; the `Report` of what it gave, until it goes no further."""
    said, started = [], spent()

    def report(fact, got, *_):
        said.append((fact, encode(got)))
        if not goes_on(*said[-1]):
            raise Enough

    facts.report, out = report, Report(said)
    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            for source, line in cells:
                execute(source, namespace, path, line)
    except Enough:
        pass
    except Exception as error:
        out.blank = is_blank(error)
        out.error = raised_by(error)
        frames = [f for f in traceback.extract_tb(error.__traceback__) if f.filename == str(path)]
        out.line = frames[-1].lineno if frames else 0
    finally:
        facts.report = None
    out.seconds = spent() - started
    out.megabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return out


def expectations(source, namespace, path, line):
    """Run a whole check: [(fact, value on the wire, expectation, tolerance)]."""
    found = []
    facts.report = lambda fact, got, *expected: found.append((fact, encode(got), *expected))
    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            execute(source, namespace, path, line)
    finally:
        facts.report = None
    return found


def forked(work, seconds=SECONDS):
    """Start `work()` in a fork; a function that waits for its JSON and gives it, or {"died": why}."""
    reading, writing = os.pipe()
    gc.freeze()  # a collection in the fork would touch, and so copy, all that is there
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            os.close(reading)
            os.setpgid(0, 0)
            with os.fdopen(writing, "w", encoding="utf-8") as pipe:
                json.dump(work(), pipe)
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)
    os.close(writing)
    end = time.monotonic() + seconds

    def wait():
        parts = []
        while True:
            ready, _, _ = select.select([reading], [], [], max(0, end - time.monotonic()))
            part = os.read(reading, 1 << 16) if ready else None
            if not part:
                break
            parts.append(part)
        os.close(reading)
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, signal.SIGKILL) if part is None else None
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL) if part is None else None
        _, status = os.waitpid(pid, 0)
        if part is None:
            return {"died": f"it took longer than {seconds} s"}
        try:
            return json.loads(b"".join(parts))
        except ValueError:
            return {"died": f"its process ended with status {os.waitstatus_to_exitcode(status)}"}

    return wait


def ask(cells, namespace, path, goes_on=lambda fact, got: True):
    """Start an answer in a fork; a function that waits for its `Report` as it travels."""

    def work():
        out = listen(cells, namespace, path, goes_on)
        return vars(out) | {"error": out.error and encode(out.error)}

    return forked(work)


class Judge:
    """A process beside those of the answers that has run the right one with its whole check, and knows the facts."""

    def __init__(self, work):
        self.socket, theirs = socket.socketpair()

        def live():
            self.socket.close()  # so that it notices when nobody asks any more
            return work(theirs)

        self.wait = forked(live, seconds=20 * SECONDS)
        theirs.close()

    def line(self):
        """A line to it for one answer: a function of a fact and its value that says whether to go on."""
        ours, theirs = socket.socketpair()
        with ours, theirs, contextlib.suppress(OSError):  # it may have ended, when the right answer does not run
            file = ours.makefile("rw", encoding="utf-8")
            socket.send_fds(self.socket, [b"?"], [theirs.fileno()])

        def holds(fact, got):
            try:
                file.write(json.dumps([fact, got]) + "\n")
                file.flush()
                return file.readline() == "yes\n"
            except OSError:
                return False

        return holds

    def result(self, reports):
        """What it says when it is told all reports, as they travelled; what was wrong with the right answer, if so."""
        with contextlib.suppress(OSError):
            self.socket.sendall(b"!" + json.dumps(reports).encode())
            self.socket.shutdown(socket.SHUT_WR)
        return self.wait()


def preside(exercise, rest, namespace, path, channel):
    """A `Judge`'s life: learn what is expected, say of facts whether they hold, and judge all reports at the end."""
    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            execute(exercise.answer.source, namespace, path, exercise.answer.line)
        expected = expectations(rest, namespace, path, exercise.check.line)
    except Exception as error:
        return broken(error, exercise, path)
    known = {fact: (expectation, tolerance) for fact, _, expectation, tolerance in expected}
    turn = threading.Lock()  # a lesson's own judges may think that they are alone

    def serve(line):
        with line.makefile("rw", encoding="utf-8") as file:
            for fact, got in map(json.loads, file):
                with turn:
                    holds = fact in known and agrees(decode(got), *known[fact])
                file.write("yes\n" if holds else "no\n")
                file.flush()

    while True:
        said, fds, *_ = socket.recv_fds(channel, 1, 1)
        if said != b"?":
            break
        threading.Thread(target=serve, args=[socket.socket(fileno=fds[0])], daemon=True).start()
    reports = {tuple(key): report_from(wire) for key, wire in json.load(channel.makefile("rb"))}
    return result_of(exercise, expected, reports)


def broken(error, exercise, path):
    """What there is to say when an exercise's own answer or check does not run."""
    frames = [f for f in traceback.extract_tb(error.__traceback__) if f.filename == str(path)]
    return {"broken": frames[-1].lineno if frames else exercise.check.line, "error": repr(raised_by(error))}


def variants(exercise):
    """{(kind, index): cell source, line} of everything that answers an exercise."""
    yield ("answer", 0), exercise.answer.source, exercise.answer.line
    yield ("blank", 0), exercise.blank, exercise.answer.line
    for kind, cells in (("mistake", exercise.mistakes), ("alternative", exercise.alternatives)):
        for i, cell in enumerate(cells):
            yield (kind, i), cell.source, cell.line


def examine(exercise, namespace, path):
    """Every answer to an exercise, asked and judged, in the present process; a JSON-ready dict.

    What is meant to be right is heard to the end; a blank and a mistake until the first fact that does not hold.
    """
    answers = list(variants(exercise))
    shared, rest = names.parted(exercise.check.source, [source for _, source, _ in answers])
    started = spent()
    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            execute(shared, namespace, path, exercise.check.line)
    except Exception as error:
        return broken(error, exercise, path)
    seconds = spent() - started
    judge = Judge(lambda channel: preside(exercise, rest, namespace, path, channel))
    bare = src.stripped(rest), exercise.check.line
    waiting, done = {}, {}
    for key, source, line in sorted(answers, key=lambda answer: answer[0][0] in ("blank", "mistake")):
        goes_on = judge.line() if key[0] in ("blank", "mistake") else lambda fact, got: True
        waiting[key] = ask([(source, line), bare], namespace, path, goes_on)
        if len(waiting) == 2:  # as many at once as a small machine has cores
            first = next(iter(waiting))
            done[first] = waiting.pop(first)()
    done |= {key: wait() for key, wait in waiting.items()}
    if "seconds" in done["answer", 0]:
        done["answer", 0]["seconds"] += seconds
    return judge.result([(key, done[key]) for key, *_ in answers])


def result_of(exercise, expected, done):
    """What becomes of the reports of all answers; a JSON-ready dict."""
    whole = [(fact, plain(decode(value))) for fact, value, *_ in expected]
    differ = next(
        (f for (f, a), (_, b) in zip(whole, done["answer", 0].facts, strict=False) if encode(a) != encode(b)), ""
    )
    result = {"name": exercise.name, "differ": differ, "verdicts": []}
    result["values"] = [(f, short(decode(v)), short(e)) for f, v, e, _ in expected]
    for (kind, i), report in done.items():
        v = judge(report, expected)
        result["verdicts"].append(
            {
                "kind": kind,
                "index": i,
                "state": v["state"],
                "fact": v.get("fact"),
                "got": short(v.get("got")),
                "expected": short(v.get("expected")),
                "mark": v.get("mark"),
                "line": report.line,
                "seconds": report.seconds,
                "megabytes": report.megabytes,
            }
        )
    return result


def start(lesson, known=None, at_once=2):
    """Start to examine a lesson in a process of its own; a function that waits for {"common", "exercises"}.

    `known` holds the results of exercises that need not be examined again, by name; `at_once` exercises run together.
    """
    known = known or {}
    last = max((n for n, c in enumerate(lesson.cells) if c.kind == "check" and c.name not in known), default=-1)

    def work():
        os.chdir(lesson.path.parent)
        namespace, began = {"__name__": "__main__"}, spent()
        common, waiting = 0.0, []
        for cell in lesson.cells[: last + 1 if "common" in known else None]:
            if cell.kind == "code":
                started = spent()
                try:
                    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
                        execute(cell.source, namespace, lesson.path, cell.line)
                except Exception as error:
                    frames = [f for f in traceback.extract_tb(error.__traceback__) if f.filename == str(lesson.path)]
                    return {"broken": frames[-1].lineno if frames else cell.line, "error": repr(raised_by(error))}
                common += spent() - started
            elif cell.kind == "check" and cell.name not in known:
                exercise = lesson.exercises[cell.name]
                waiting.append(forked(lambda e=exercise: examine(e, namespace, lesson.path), seconds=20 * SECONDS))
                for early in range(len(waiting) - at_once + 1):
                    waiting[early] = waiting[early]() if callable(waiting[early]) else waiting[early]
        found = iter([w() if callable(w) else w for w in waiting])
        exercises = [known[name] if name in known else next(found) for name in lesson.exercises]
        took = None if known else spent() - began
        return {"common": known.get("common", common), "exercises": exercises, "took": took}

    if last < 0 and "common" in known:
        exercises = [known[name] for name in lesson.exercises]
        return lambda: {"common": known["common"], "exercises": exercises, "took": None}
    return forked(work, seconds=40 * SECONDS)
