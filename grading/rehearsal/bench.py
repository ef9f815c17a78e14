"""Plain nbgrader and this engine on the same imaginary class, in one run; prints a table and writes `benchmark.md`.

What cells need is counted in CPU seconds, as if every student's process ran all of them (the leading cells run once for
all workers). What a submission costs beyond its cells is the wall time less those seconds, and, stricter, the time of
all workers less those seconds. The physical limit is those seconds over the cores. All times include the start.
"""

import contextlib
import io
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import psutil

from grading.environment import KEPT, ROOT, SOLUTIONS
from grading.kernels.measure import measure
from grading.kernels.provisioner import install
from grading.lesson.read import lessons
from grading.lesson.scaffold import TEMPLATE
from grading.rehearsal import hosts

SMALL = "06_scaffold"  # what `python -m grading new` writes, and a cell that makes it one CPU second in all
LONG = "04_monitoring/02_detect_drift"  # where hosts count: one writer's share of a submission is small
BUSY = """# %%
import time

end = time.process_time() + 0.55
while time.process_time() < end:
    pass

"""


class School:
    """A copy of the course in a temporary folder, with one lesson; commands run in it, watched."""

    def __init__(self, folder, lesson):
        section, _, name = lesson.partition("/")
        self.root, self.section, self.classroom = folder, section, folder / "classroom"
        shutil.copytree(ROOT / "grading", folder / "grading", ignore=shutil.ignore_patterns("__pycache__"))
        for file in ("nbgrader_config.py", "requirements.txt"):
            shutil.copy(ROOT / file, folder)
        if section == SMALL:
            (folder / "solutions" / section).mkdir(parents=True)
            text = TEMPLATE.format(title="Scaffold").replace("# %% [markdown] say=", BUSY + "# %% [markdown] say=")
            (folder / "solutions" / section / "01_scaffold.py").write_text(text, encoding="utf-8")
            self.run("grading", "build", section)
        else:
            for top, ending in (("solutions", "py"), ("solutions", "ipynb"), ("course", "ipynb")):
                (folder / top / section).mkdir(parents=True, exist_ok=True)
                shutil.copy(ROOT / top / section / f"{name}.{ending}", folder / top / section)

    def run(self, *words, before=(), **more):
        """(wall seconds, peak memory in MB of all its processes) of a command that has to succeed."""
        env = os.environ | {"PYTHONPATH": str(self.root), "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"} | more
        started = time.monotonic()
        with open(self.root / "log", "w") as log:
            command = [*before, sys.executable, "-m", *words]
            process = subprocess.Popen(command, cwd=self.root, env=env, stdout=log, stderr=log)
        peak = [0.0]
        watch = threading.Thread(target=memory, args=(process, peak))
        watch.start()
        code = process.wait()
        seconds = time.monotonic() - started
        watch.join()
        if code:
            sys.exit(f"{' '.join(words)} failed:\n{(self.root / 'log').read_text()[-3000:]}")
        return seconds, peak[0]

    def enrol(self, students):
        shutil.rmtree(self.classroom, ignore_errors=True)
        self.classroom.mkdir()
        self.run("grading", "simulate", self.section, "--students", str(students), "--seed", "1")
        self.run("nbgrader", "generate_assignment", self.section, "--create", "--force", DAYTWO_ENGINE="off")

    def graded(self):
        """How many students have been graded."""
        return len(list(self.classroom.glob("autograded/*")))

    def needed(self):
        """The CPU seconds of all submissions' cells, from the engine's own record."""
        found = [json.loads(p.read_text(encoding="utf-8")) for p in self.classroom.glob("cache/results/*/*.json")]
        return sum(r["seconds"] for r in found) / max(1, len(found))

    def marks(self):
        """Marks that are not the deserved ones."""
        code = """if True:
            import json, sys
            from nbgrader.api import Gradebook
            section = sys.argv[1]
            with Gradebook("sqlite:///classroom/gradebook.db") as book:
                for student, lessons in json.load(open(f"classroom/deserved-{section}.json")).items():
                    for lesson, marks in lessons.items():
                        graded = book.find_submission_notebook(lesson, section, student)
                        got = {g.name: g.score for g in graded.grades}
                        for name, mark in marks.items():
                            print(int(got[name] != mark), end="")"""
        command = [sys.executable, "-c", code, self.section]
        return subprocess.run(command, cwd=self.root, capture_output=True, text=True, check=True).stdout.count("1")


def memory(process, peak):
    """Keep the largest sum of proportional set sizes of a process and its descendants, in MB."""
    while process.poll() is None:
        total = 0
        try:
            mother = psutil.Process(process.pid)
            for one in (mother, *mother.children(recursive=True)):
                total += one.memory_full_info().pss
        except (psutil.Error, OSError, AttributeError):
            pass
        peak[0] = max(peak[0], total / 2**20)
        time.sleep(1)


def compare(lesson, few, sizes, cores):
    """Rows of one lesson: plain nbgrader on a few students, ours on each of `sizes`, once more unchanged."""
    with tempfile.TemporaryDirectory(prefix="daytwo-bench-") as folder:
        school = School(Path(folder), lesson)
        section = school.section
        school.enrol(few)
        plain, _ = school.run("nbgrader", "autograde", section, DAYTWO_ENGINE="off")
        wrong = school.marks()
        rows = [{"who": "plain nbgrader", "students": few, "workers": 1, "seconds": plain, "wrong": wrong}]
        school.enrol(1)
        school.run("grading", "grade", section)  # the proof of the lesson, once per engine and seed, is not a class's
        proof = {p.name: p.read_bytes() for p in school.classroom.glob("cache/proved/*.json")}
        for size in sizes:
            for workers in (1, 2) if size == 100 else (cores,):
                school.enrol(size)
                (school.classroom / "cache" / "proved").mkdir(parents=True)
                for name, data in proof.items():
                    (school.classroom / "cache" / "proved" / name).write_bytes(data)
                seconds, peak = school.run("grading", "grade", section, "--jobs", str(workers))
                again, _ = school.run("grading", "grade", section, "--jobs", str(workers))
                row = {"who": "this engine", "students": size, "workers": workers, "seconds": seconds, "peak": peak}
                rows.append(row | {"again": again, "cells": school.needed(), "wrong": school.marks()})
                print(f"  {lesson}: {size} students, {workers} workers: {seconds:.0f} s", flush=True)
        rows[0]["cells"] = rows[1]["cells"]
    return rows


def bare(section, root):
    """What a second core of this machine is worth: the lesson's answers run by Python alone, on one core and on two."""
    code = "import sys; from grading import lesson, trusted; trusted.learn(lesson.read(*lesson.lessons(sys.argv[1])))"
    env = {name: os.environ[name] for name in KEPT if name in os.environ} | {"PYTHONPATH": str(root)}
    seconds = {1: [], 2: []}
    for cores in (2, 1, 2, 1):  # the first time reads files for all: the best of each counts
        started = time.monotonic()
        commands = [[*hosts.pinned(core), sys.executable, "-c", code, section] for core in range(cores)]
        processes = [subprocess.Popen(command, env=env, cwd=root, stdout=subprocess.DEVNULL) for command in commands]
        if any(process.wait() for process in processes):
            sys.exit(f"{section} does not run by itself")
        seconds[cores].append(time.monotonic() - started)
    return 2 * min(seconds[1]) / min(seconds[2])


def spread(lesson, students):
    """Markdown lines: the same class on one host and on two, each a network namespace with one core of its own.

    The teacher's own process and the scheduler are on the first host's core: one host is one core, and two are two.
    """
    if why := hosts.why_not():
        return [f"Not measured here: {why}.", ""]
    seconds = {}
    with tempfile.TemporaryDirectory(prefix="daytwo-bench-") as folder:
        school = School(Path(folder), lesson)
        alone = bare(school.section, school.root)
        for count in (1, 2):
            school.enrol(students)
            with hosts.hosts(count, school.root) as address:
                grade = ("grading", "grade", school.section, "--cluster", address)
                school.run(*grade, "--students", "*1", before=hosts.pinned(0))
                first = school.graded()  # a tenth: the lesson is proved, and templates are there
                seconds[count], _ = school.run(*grade, before=hosts.pinned(0))
                print(f"  {lesson}: {students - first} students on {count} hosts: {seconds[count]:.0f} s", flush=True)
            if wrong := school.marks():
                sys.exit(f"{wrong} marks are wrong on {count} hosts")
    one, two = seconds[1], seconds[2]
    return [
        f"{students - first} students of `{lesson}`, after a tenth more to warm up, each host a network namespace "
        f"with one worker on one core, the first one's also that of the scheduler and of the teacher's own process: "
        f"one host {one:.1f} s, two hosts {two:.1f} s, × {one / two:.2f}. "
        f"The same cells in bare processes, two cores against one: × {alone:.2f}.",
        "",
    ]


COLUMNS = ("", "students", "workers", "s a submission", "submissions a second", "against plain")
COLUMNS += ("wall beyond its cells, s", "of plain's", "workers beyond its cells, s", "of plain's", "× physical limit")
COLUMNS += ("regrade unchanged", "peak MB", "wrong marks")


def table(lesson, rows):
    """Markdown lines of one lesson's rows, and what follows from them."""
    plain = rows[0]["seconds"] / rows[0]["students"]
    beyond = plain - rows[0]["cells"]
    yield f"## {lesson}: cells need {rows[0]['cells']:.2f} CPU s a submission"
    yield ""
    yield f"| {' | '.join(COLUMNS)} |"
    yield "| --- " * len(COLUMNS) + "|"
    for row in rows:
        each, workers = row["seconds"] / row["students"], row["workers"]
        wall, own = each - row["cells"], each * workers - row["cells"]
        limit = each / (row["cells"] / workers)
        again = f"{row['again']:.1f} s = {row['again'] / row['seconds']:.1%}" if "again" in row else ""
        peak = f"{row['peak']:.0f}" if "peak" in row else ""
        yield (
            f"| {row['who']} | {row['students']} | {workers} | {each:.2f} | {1 / each:.2f} | × {plain / each:.1f} "
            f"| {wall:.2f} | {wall / beyond:.0%} | {own:.2f} | {own / beyond:.0%} | {limit:.2f} | {again} | {peak} "
            f"| {row['wrong']} |"
        )
    yield ""


def machine():
    """One line on what this ran on."""
    cpu = ""
    if Path("/proc/cpuinfo").exists():
        cpu = (re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text()) or ["", ""])[1]
    memory_gb = psutil.virtual_memory().total / 2**30
    system = f"{platform.system()}, Python {platform.python_version()}"
    return f"{os.cpu_count()} cores ({cpu or platform.machine()}), {memory_gb:.0f} GB, {system}"


def bench(names, sizes):
    """Measure, print and write `grading/benchmark.md` part by part; what is measured stays if the rest stops."""
    lines = ["# Benchmark", "", f"Made by `make bench` on {machine()}, {time.strftime('%d %B %Y')}, sandbox on.", ""]
    lines += [__doc__.split("\n\n")[1].replace("\n", " "), ""]
    for part in measured(names, sizes, os.cpu_count() or 1):
        print("\n".join(part), flush=True)
        lines += part
        (ROOT / "grading" / "benchmark.md").write_text("\n".join(lines).rstrip() + "\n", encoding="utf-8")


def measured(names, sizes, cores):
    """The parts of the report as they come."""
    yield [*table(SMALL, compare(SMALL, 10, sizes, cores))]
    yield ["## Two hosts", "", *spread(SMALL, 100), *spread(LONG, 60)]
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        install()
        measure(*(str(p.with_suffix(".ipynb")) for p in lessons(*names)))
    yield ["## nbval with warm kernels", "", "```", said.getvalue().rstrip(), "```", ""]
    for path in lessons(*names):
        if path.parent != SOLUTIONS:
            lesson = f"{path.parent.name}/{path.stem}"
            yield [*table(lesson, compare(lesson, 3, [30], cores))]
