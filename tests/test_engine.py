"""The grading engine as a teacher runs it: resumed after any kill, shared by two teachers, quick the second time."""

import json
import os
import random
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from types import SimpleNamespace

import nbformat
import psutil
import pytest
from nbgrader.coursedir import CourseDirectory
from schools import Nurse, unchanged, within
from traitlets.config import Config

from grading.engine import section, trusted
from grading.engine.submission import Hand
from grading.environment import ROOT, SOLUTIONS
from grading.lesson.read import lessons
from grading.lesson.scaffold import TEMPLATE
from grading.rehearsal import bench

SECTION, STUDENTS = "01_try", 8
KILLS = int(os.environ.get("DAYTWO_KILLS", "3"))  # 50 when somebody wants to be sure
LESSON = TEMPLATE.format(title="Try")
LESSON = re.sub(
    r"# %%\nimport matplotlib.*?(?=# %% \[markdown\]\n# ## Exercise)",
    "# %%\nfrom grading import check\n\n",
    LESSON,
    flags=re.S,
)
MARKS = """
select student.id, grade_cell_base.name, grade.auto_score, grade.manual_score, grade.needs_manual_grade
from grade join submitted_notebook on grade.notebook_id = submitted_notebook.id
join submitted_assignment on submitted_notebook.assignment_id = submitted_assignment.id
join student on submitted_assignment.student_id = student.id
join base_cell grade_cell_base on grade.cell_id = grade_cell_base.id order by 1, 2
"""


class School:
    """A course of one small lesson with a class that has handed in, and the commands that a teacher types."""

    def __init__(self, root):
        self.root, self.classroom = root, root / "classroom"
        self.lesson = root / "solutions" / SECTION / "01_it.py"

    def open(self):
        self.nurse = Nurse(self.root)
        self.start, self.run, self.env = self.nurse.start, self.nurse.run, self.nurse.env

    def grade(self, *words, **more):
        return self.run("grading", "grade", SECTION, *words, **more)

    def marks(self):
        with sqlite3.connect(self.classroom / "gradebook.db") as book:
            return book.execute(MARKS).fetchall()

    def pages(self):
        return {p.parent.parent.name: p.read_bytes() for p in self.classroom.glob("autograded/*/*/*.ipynb")}

    def results(self):
        """{file of an executed submission: when it was written}; a second execution would write it again."""
        return {p: p.stat().st_mtime_ns for p in self.classroom.glob("cache/results/*/*.json")}

    def deserved(self):
        known = json.loads((self.classroom / f"deserved-{SECTION}.json").read_text())
        return {(s, name): mark for s, found in known.items() for name, mark in found["01_it"].items()}

    def all_deserved(self):
        marks = {(s, name): auto for s, name, auto, *_ in self.marks()}
        return all(marks[key] == mark for key, mark in self.deserved().items())

    def lose(self, *names):
        for name in names:
            for path in self.classroom.glob(f"{name}*"):
                shutil.rmtree(path) if path.is_dir() else path.unlink()

    def forget(self, *more):
        """Begin anew, with a gradebook that is there and empty: to make one takes nbgrader seconds."""
        self.lose("autograded", "gradebook.db", *more)
        shutil.copy(self.empty, self.classroom / "gradebook.db")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The school, handed in and graded once by nbgrader's own command; what that said."""
    root = tmp_path_factory.mktemp("school")
    shutil.copytree(ROOT / "grading", root / "grading", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("nbgrader_config.py", "requirements.txt"):
        shutil.copy(ROOT / name, root)
    school = School(root)
    school.lesson.parent.mkdir(parents=True)
    school.lesson.write_text(LESSON, encoding="utf-8")
    school.open()
    try:
        school.run("grading", "build")
        school.run("grading", "simulate", SECTION, "--students", str(STUDENTS), "--seed", "3")
        school.empty = root / "empty.db"
        (root / "gradebook.py").write_text(
            f"from nbgrader.api import Gradebook\nGradebook('sqlite:///{school.empty}').close()"
        )
        school.run("gradebook")
        school.forget()
        started = time.monotonic()
        school.said = school.run("nbgrader", "autograde", SECTION)
        school.seconds = time.monotonic() - started
        school.left = within(5, lambda: not ours(school)) and not ours(school)
        yield school
    finally:
        school.nurse.end()


@pytest.fixture
def school(made):
    """A graded class, whose results are kept; what a test does to the lesson is undone."""
    with unchanged(made.root / "solutions", made.root / "course"):
        yield made


@pytest.fixture
def fresh(school):
    """A class of whom nothing is known yet."""
    school.forget("cache")
    return school


def ours(school):
    """Processes that belong to the school's runs."""
    found = []
    for process in psutil.process_iter(["cmdline", "cwd", "environ"]):
        environ = process.info["environ"] or {}
        if environ.get("PYTHONPATH") == school.env["PYTHONPATH"] and process.pid != school.nurse.process.pid:
            found.append(process)
    return found


def test_nbgraders_own_command_gives_every_mark_that_is_deserved_and_leaves_nothing_running(school):
    assert f"{STUDENTS} graded" in school.said and school.all_deserved()
    assert school.left


def test_feedback_is_there_for_everybody(school):
    school.run("nbgrader", "generate_feedback", SECTION)
    assert len(list(school.classroom.glob("feedback/*/*/*.html"))) == STUDENTS


def test_spoken_answers_wait_for_a_teacher_only_if_there_is_something_to_read(school):
    page = school.classroom / "submitted" / "student1" / SECTION / "01_it.ipynb"
    before = page.read_bytes()
    notebook = nbformat.reads(before, as_version=4)
    spoken = [c for c in notebook.cells if c.metadata.get("nbgrader", {}).get("grade_id", "").startswith("say")]
    spoken[0].source += "\nI would count days."
    nbformat.write(notebook, page)
    try:
        school.grade()
    finally:
        page.write_bytes(before)
    rows = {s: (auto, review) for s, name, auto, _, review in school.marks() if name.startswith("say")}
    assert rows["student1"] == (None, 1) and rows["student2"] == (0, 0)


def test_a_second_run_changes_nothing_and_executes_nothing(school):
    school.grade()
    before = school.marks(), school.pages()
    said = school.grade()
    assert f"0 graded, {STUDENTS} unchanged" in said
    school.lose("gradebook.db")  # marks that were lost are written again
    said = school.grade()
    assert f"{STUDENTS} graded" in said and f"{STUDENTS} notebooks from the cache" in said
    assert (school.marks(), school.pages()) == before


def test_killed_at_any_moment_it_goes_on_and_ends_the_same(school):
    fresh, expected = school, (school.marks(), school.pages())
    fresh.forget("cache")
    dice, before, whole = random.Random(7), {}, fresh.seconds
    for left in reversed(range(KILLS)):
        process = fresh.start("grading", "grade", SECTION)
        time.sleep(dice.uniform(0.1, 0.9 * whole))
        within(60, lambda: left or fresh.results() or process.poll() is not None)  # noqa: B023
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
        process.communicate()
        before = fresh.results() | before  # as it was first
    fresh.grade()
    assert (fresh.marks(), fresh.pages()) == expected
    assert before and before.items() <= fresh.results().items(), "a finished submission was executed again"


def test_a_manual_mark_outlives_a_regrade(school):
    with sqlite3.connect(school.classroom / "gradebook.db") as book:
        book.execute("update grade set manual_score = 0.5 where id in (select id from grade limit 1)")
    school.grade("--force")
    assert [row[3] for row in school.marks()].count(0.5) == 1


def test_two_teachers_grade_while_a_third_looks(fresh):
    first, second = (fresh.start("grading", "grade", SECTION, "--force") for _ in range(2))
    code = f"""
import time
from nbgrader.apps import NbGraderAPI
from traitlets.config import PyFileConfigLoader
api = NbGraderAPI(config=PyFileConfigLoader("nbgrader_config.py", path=".").load_config())
while True:
    api.get_submissions({SECTION!r}), api.get_students()
    print("looked", flush=True)
    time.sleep(0.2)
"""
    third = subprocess.Popen([sys.executable, "-c", code], cwd=fresh.root, env=fresh.env, text=True,
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT)  # fmt: skip
    for process in (first, second):
        said, _ = process.communicate()
        assert process.returncode == 0 and "locked" not in said, said
    assert third.poll() is None
    third.kill()
    looks, _ = third.communicate()
    assert looks.count("looked") and "rror" not in looks
    assert fresh.all_deserved()


def test_teachers_who_start_together_make_one_gradebook(school):
    code = """
from pathlib import Path
from nbgrader.apps import NbGraderAPI
from traitlets.config import PyFileConfigLoader
from grading.engine.section import Engine
from grading.engine.gradebook import Book
coursedir = NbGraderAPI(config=PyFileConfigLoader("nbgrader_config.py", path=".").load_config()).coursedir
courses = Engine(coursedir, "01_try", box=False, log=lambda _: None).courses
with Book(coursedir) as book:
    book.prepare("01_try", courses)
    book.prepare("01_try", courses)
"""
    school.forget()
    school.lose("gradebook.db")
    (school.root / "together.py").write_text(code)
    for process in [school.start("together") for _ in range(3)]:
        said, _ = process.communicate()
        assert process.returncode == 0 and "database error" not in said, said
    with sqlite3.connect(school.classroom / "gradebook.db") as book:
        book.execute("delete from grade_cells")  # as a kill between two cells would leave it
        book.execute("delete from base_cell where id not in (select id from solution_cells)")
    school.grade()
    assert school.all_deserved()


def test_a_lesson_that_changed_under_graded_work_is_refused_and_one_that_came_later_is_graded(school):
    text = LESSON.replace("share_late", "share_late_now")
    school.lesson.with_name("02_more.py").write_text(text, encoding="utf-8")
    school.run("grading", "build", f"{SECTION}/02_more")
    said = school.grade()
    assert f"{STUDENTS} graded" in said and "0 need a look" in said
    assert school.all_deserved()
    marks = {(s, name): auto for s, name, auto, *_ in school.marks()}
    assert {marks[s, "share_late_now-check"] for s, _ in school.deserved()} == {0}  # nobody has handed it in
    school.lesson.write_text(text, encoding="utf-8")
    school.run("grading", "build", f"{SECTION}/01_it")
    before = school.marks()
    said = school.grade(code=1)
    assert "gained or lost cells (share_late" in said and "Traceback" not in said and school.marks() == before
    school.forget()


def test_points_that_changed_are_the_new_maximum_and_what_was_graded_is_graded_again(school):
    school.grade()
    school.lesson.write_text(LESSON.replace("points=1", "points=9", 1), encoding="utf-8")
    school.run("grading", "build")
    school.run("nbgrader", "generate_assignment", SECTION, "--force")
    assert f"{STUDENTS} graded" in school.grade()
    marks = {(s, name): auto for s, name, auto, *_ in school.marks()}
    assert all(marks[key] == (mark and 9) for key, mark in school.deserved().items() if "share_late" in key[1])
    with sqlite3.connect(school.classroom / "gradebook.db") as book:  # as an older release would leave it
        assert (9.0,) in book.execute("select max_score from grade_cells").fetchall()
        book.execute("update grade_cells set max_score = 3 where max_score = 9")
    assert f"{STUDENTS} graded" in school.grade()
    assert {(s, name): auto for s, name, auto, *_ in school.marks()} == marks
    school.forget()


def test_nobody_is_graded_when_an_answer_of_the_lesson_fails(fresh):
    fresh.lesson.write_text(LESSON.replace("14, 90]), 0.2)", "14, 90]), 0.3)"), encoding="utf-8")
    said = fresh.grade(code=1)
    assert "Nobody was graded" in said and "this answer of 'share_late' fails" in said and fresh.pages() == {}


def test_the_class_seed_reaches_hidden_facts_and_the_same_seed_gives_the_same_marks(school):
    hidden = '### BEGIN HIDDEN TESTS\nfrom grading import class_seed\n\ncheck("Drawn", share_late([class_seed("a") % 50, 0]), class_seed("a") % 50 > 15 and 0.5)\n'
    school.lesson.write_text(LESSON.replace("### BEGIN HIDDEN TESTS\n", hidden), encoding="utf-8")
    found = []
    for seed in ("red", "blue", "red"):
        school.forget()
        said = school.grade(GRADING_SEED=seed)
        assert ("0 notebooks from the cache" in said) == (len(found) < 2)
        found.append((school.marks(), school.pages()))
        assert school.all_deserved()
    assert found[0] == found[2]


def test_the_work_spreads_over_a_cluster(fresh):
    pytest.importorskip("distributed")
    where, quiet = "tcp://127.0.0.1:8791", {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    both = ["scheduler --host 127.0.0.1 --port 8791", f"worker {where} --nthreads 2 --no-nanny"]
    both = [[sys.executable, "-m", *f"distributed.cli.dask_{one} --no-dashboard".split()] for one in both]
    both = [subprocess.Popen(command, cwd=fresh.root, env=fresh.env, **quiet) for command in both]
    try:
        assert f"{STUDENTS} graded" in fresh.grade("--cluster", where)
    finally:
        for process in both:
            process.kill()
            process.wait()
    assert fresh.all_deserved()


def test_limits_are_set_where_nbgrader_is_and_a_misspelt_one_is_named(school):
    path = school.root / "nbgrader_config.py"
    before = path.read_text(encoding="utf-8")
    path.write_text(before + '\nc.TrustedAutograde.limits = {"memroy": 500}\n', encoding="utf-8")
    try:
        assert "Nobody was graded: no limit is called memroy; there are cell, " in school.grade(code=1)
    finally:
        path.write_text(before, encoding="utf-8")


def test_the_benchmark_finds_every_lesson(tmp_path):
    for path in lessons():
        if path.parent != SOLUTIONS:
            section = path.parent.name
            bench.School(tmp_path / path.stem, f"{section}/{path.stem}")
            there = {p.relative_to(tmp_path / path.stem).as_posix() for p in (tmp_path / path.stem).glob("*o*/*/*.*")}
            assert {f"solutions/{section}/{path.stem}.py", f"course/{section}/{path.stem}.ipynb"} <= there


def test_what_the_engine_could_not_do_is_said_to_be_tried_again(tmp_path, monkeypatch):
    monkeypatch.setattr(section, "lessons", lambda *_: [])
    config = Config()
    config.CourseDirectory.root, config.CourseDirectory.course_id = str(tmp_path), "daytwo"
    config.CourseDirectory.db_url = f"sqlite:///{tmp_path / 'gradebook.db'}"
    said = []
    run = section.Engine(CourseDirectory(config=config), "no_such_section", log=said.append)
    with run.minding("ann"):
        raise RuntimeError("odd")
    one = Hand("ben", tmp_path, "", {}, [], {}, trouble=["01_it: the sandbox ended early"])
    run.book = SimpleNamespace(write=lambda *_: None)
    run.write(one)
    run.table(2, 1)
    lines = [line for line in said if "needs a look" in line]
    assert len(lines) == 2 and all("the next run tries it again" in line for line in lines)
    assert not run.note("ben").exists()


SLOW = """
### BEGIN HIDDEN TESTS
import os
import time

check("Slow", share_late([0, 20]), satisfies("is quick", lambda x: x == 0.5 or (os._exit(1) if x == 7 else time.sleep(9))))
"""


def reports(first=0.5, drawn=0.5):
    visible = [["Half of these four flights are late", first]]
    visible += [["A flight 15 minutes late still counts as on time", 1 / 3]]
    return {"visible": {"facts": visible}, "hidden": {"facts": [["Slow", drawn], ["One flight in five", 0.2]]}}


def test_a_value_that_kills_or_holds_up_the_judge_costs_its_own_exercise_alone(school, monkeypatch):
    text = LESSON.replace("### BEGIN HIDDEN TESTS\n", SLOW.lstrip(), 1).replace(
        "import check", "import check, satisfies"
    )
    school.lesson.write_text(text, encoding="utf-8")
    monkeypatch.chdir(school.root)
    monkeypatch.setenv("PYTHONPATH", str(school.root))
    judge = trusted.Trusted(f"{SECTION}/01_it", {"share_late": [[], {}]}, seconds=3)
    try:
        first = judge.process.pid
        assert judge.ask("share_late", reports(drawn=8))["state"] == "review"  # too long
        assert judge.ask("share_late", reports(drawn=7))["state"] == "review"  # the process dies
        assert judge.ask("share_late", reports(first="x" * 21_000_000))["state"] == "review"  # too much said
        assert judge.ask("share_late", reports())["state"] == "right"
        assert judge.process.pid != first
    finally:
        judge.close()
