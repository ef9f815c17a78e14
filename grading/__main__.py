"""python -m grading build|prove|new|simulate|grade: the author's and the teacher's commands."""

import argparse
import os
import sys
import time
from collections import deque

from grading.environment import QUIET

os.environ.update(QUIET)  # before numpy starts its threads

from grading.environment import ROOT
from grading.lesson import build as builder
from grading.lesson import prove as prover
from grading.lesson import scaffold
from grading.lesson.format import LessonError
from grading.lesson.read import lessons, read
from grading.rehearsal import simulate as simulator


def each(names, afresh=False):
    """Every named lesson with its proofs, as many at once as there are cores; what is not sound is told with it."""
    waiting, left, jobs = deque(), deque(lessons(*names)), os.cpu_count() or 1
    at_once = 2 if len(left) < jobs else 1
    while left or waiting:
        while left and len(waiting) < jobs:
            lesson, wait, started = None, None, time.perf_counter()
            try:
                lesson = read(left.popleft())
                wait = prover.begun(lesson, at_once, afresh)
            except LessonError as error:
                wait = error
            waiting.append((lesson, wait, started))
        lesson, wait, started = waiting.popleft()
        try:
            if isinstance(wait, LessonError):
                raise wait
            result = wait()
            faults = prover.faults(lesson, result)
        except LessonError as error:
            lesson, result, faults = None, None, [error]
        yield lesson, result, faults, time.perf_counter() - started


def prove(names, values, afresh=False):
    bad, old = 0, []
    for lesson, result, faults, seconds in each(names, afresh):
        if result:
            print(f"{prover.summary(lesson, result)}; proved in {seconds:.1f} s", flush=True)
            if values:
                print(*prover.details(lesson, result), sep="\n")
        for fault in faults:
            print(f"✗ {fault}", flush=True)
        bad += len(faults)
        if result and not faults:
            stale = builder.stale(lesson, result)
            old += [lesson.id] if stale else []
            for path, what in stale:
                print(f"! {path.relative_to(ROOT)}: stale: {what}", flush=True)
    print("✓ every promise holds" if not bad else f"✗ {bad} to mend")
    if old:
        print(f"! What was built is not what the lessons say: python -m grading build {' '.join(old)}")
    return bad or len(old)


def build(names):
    bad = 0
    for lesson, result, faults, _ in each(names):
        if not faults:
            try:
                before = builder.stale(lesson, result)
                builder.build(lesson, result)
                print(
                    f"{lesson.id}: built" + "".join(f"\n  {p.relative_to(ROOT)}: {what}" for p, what in before),
                    flush=True,
                )
            except LessonError as error:
                faults = [error]
        for fault in faults:
            print(f"✗ {fault}", flush=True)
        bad += len(faults)
    for path in builder.refresh():
        print(f"{path.relative_to(ROOT)}: its links, or the map, are new", flush=True)
    return bad


def grade(args):
    from nbgrader.apps import NbGraderAPI
    from traitlets.config import PyFileConfigLoader

    from grading.engine.command import TrustedAutograde
    from grading.engine.trusted import Refused

    api = NbGraderAPI(config=PyFileConfigLoader("nbgrader_config.py", path=str(ROOT)).load_config())
    try:
        engine = TrustedAutograde(api.coursedir, parent=api).engine(args.section, box=not args.no_sandbox)
        engine.grade(args.students, args.jobs, args.cluster, args.force)
    except Refused as error:
        print(f"Nobody was graded: {error}")
        return 1
    except KeyboardInterrupt:
        print("\nStopped. What is done is kept; the same command goes on from here.")
        return 1


def main():
    parser = argparse.ArgumentParser(prog="python -m grading", description="Build and prove the lessons of Day Two.")
    commands = parser.add_subparsers(dest="command", required=True)
    for name, text in (
        ("build", "write hints and notebooks"),
        ("prove", "run every answer, blank, mistake and alternative"),
    ):
        command = commands.add_parser(name, help=text)
        command.add_argument(
            "lessons", nargs="*", metavar="LESSON", help="section, section/lesson or file; all without one"
        )
        command.add_argument("-v", "--values", action="store_true", help="show what the answers give at every fact")
        command.add_argument("--afresh", action="store_true", help="run also what is known from an earlier run")
    commands.add_parser("new", help="start a lesson").add_argument("lesson", metavar="SECTION/LESSON")
    command = commands.add_parser("simulate", help="hand in for an imaginary class whose deserved marks are known")
    command.add_argument("section", metavar="SECTION")
    command.add_argument("--students", type=int, default=10)
    command.add_argument("--seed", type=int, default=1)
    command.add_argument("--accidents", action="store_true", help="two in five do something a grader must survive")
    command = commands.add_parser("grade", help="grade a section's submissions, as nbgrader autograde does")
    command.add_argument("section", metavar="SECTION")
    command.add_argument("--students", default="*", help="a name or a pattern; all without one")
    command.add_argument("--jobs", type=int, help="how many at once; as many as there are cores without it")
    command.add_argument("--cluster", metavar="tcp://…", help="a Dask scheduler that spreads the work")
    command.add_argument("--force", action="store_true", help="write everything again, from the cache where it knows")
    command.add_argument("--no-sandbox", action="store_true", help="run submissions unprotected")
    command = commands.add_parser("bench", help="measure plain nbgrader and this engine side by side")
    command.add_argument("lessons", nargs="*", metavar="LESSON", help="section or section/lesson; all without one")
    command.add_argument("--students", type=int, nargs="*", default=[10, 100, 1000])
    args = parser.parse_args()
    if args.command == "bench":
        from grading.rehearsal import bench

        return bench.bench(args.lessons, args.students)
    if args.command == "grade":
        return grade(args)
    if args.command == "new":
        return scaffold.new(args.lesson)
    if args.command == "simulate":
        simulator.simulate(args.section, args.students, args.seed, accidents=args.accidents)
        return print(f"{args.students} students handed in {args.section}: classroom/submitted/")
    return (
        1 if (prove(args.lessons, args.values, args.afresh) if args.command == "prove" else build(args.lessons)) else 0
    )


if __name__ == "__main__":
    sys.exit(main())
