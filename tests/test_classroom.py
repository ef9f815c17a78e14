"""Three students through the real nbgrader, as a teacher would take them, in a copy of the course."""

import csv
import html
import os
import shutil
import subprocess
import sys

import nbformat
import pytest
from nbgrader.api import Gradebook

from grading.environment import COURSE, ROOT, SOLUTIONS
from grading.lesson.read import read

SECTION = "04_monitoring"
NAME = "02_detect_drift"
LESSON = read(SOLUTIONS / SECTION / f"{NAME}.py")
STUDENTS = {  # one who knows, one who knows it differently, one who tried, and one who did not
    "ada": lambda e: e.answer.source,
    "bob": lambda e: e.mistakes[0].source[len(e.mistakes[0].opening) :],
    "eve": lambda e: e.blank,
}


@pytest.fixture(scope="module")
def classroom(tmp_path_factory):
    """A copy of the course in which a class was released, collected, graded, told and exported; its folder."""
    here = tmp_path_factory.mktemp("school")
    shutil.copytree(SOLUTIONS, here / "solutions")
    shutil.copytree(COURSE, here / "course", ignore=shutil.ignore_patterns(SECTION))
    shutil.copy(ROOT / "nbgrader_config.py", here)
    shutil.copytree(ROOT / "grading", here / "grading")

    def nbgrader(*words):
        command = [sys.executable, "-m", "nbgrader", *words]
        run = subprocess.run(
            command, cwd=here, capture_output=True, text=True, env=os.environ | {"PATH": "/usr/bin:/bin"}
        )
        assert run.returncode == 0, run.stderr[-3000:]

    nbgrader("generate_assignment", SECTION, "--create", "--force")
    for path in (here / "solutions" / SECTION).iterdir():  # the class is given one lesson of the section: it is quicker
        if path.stem not in (NAME, "hints"):
            path.unlink()
    (here / "classroom/gradebook.db").unlink()
    for student, choose in STUDENTS.items():
        folder = here / "classroom/submitted" / student / SECTION
        folder.mkdir(parents=True)
        notebook = nbformat.read(here / "course" / SECTION / f"{NAME}.ipynb", as_version=4)
        for cell in notebook.cells:
            name = cell.metadata.get("nbgrader", {}).get("grade_id")
            if name in LESSON.exercises:
                cell.source = choose(LESSON.exercises[name])
        nbformat.write(notebook, folder / f"{NAME}.ipynb")
    nbgrader("autograde", SECTION)
    nbgrader("generate_feedback", SECTION)
    nbgrader("export")
    return here


def test_the_release_is_byte_for_byte_what_nbgrader_releases(classroom):
    ours, theirs = COURSE / SECTION, classroom / "course" / SECTION
    assert sorted(p.name for p in ours.iterdir()) == sorted(p.name for p in theirs.iterdir())
    for path in ours.iterdir():
        assert path.read_bytes() == (theirs / path.name).read_bytes(), path.name


def test_releasing_disturbs_nothing_beside_the_section(classroom):
    assert (classroom / "course/daytwo/__init__.py").exists() and (classroom / "course/00_start_here.ipynb").exists()


@pytest.mark.parametrize("student, share", [("ada", 1), ("bob", 0), ("eve", 0)])
def test_every_mark_is_the_one_it_deserves(classroom, student, share):
    with Gradebook(f"sqlite:///{classroom}/classroom/gradebook.db") as book:
        notebook = book.find_submission_notebook(NAME, SECTION, student)
        marks = {grade.name: grade.score for grade in notebook.grades}
        for exercise in LESSON.exercises.values():
            assert marks[f"{exercise.name}-check"] == share * exercise.check.points, exercise.name


def test_feedback_tells_the_hint_and_the_blank(classroom):
    page = {s: (classroom / "classroom/feedback" / s / SECTION / f"{NAME}.html").read_text() for s in STUDENTS}
    for exercise in LESSON.exercises.values():
        assert html.escape(exercise.mistakes[0].hint) in page["bob"]
    assert page["eve"].count("Not attempted yet") >= len(LESSON.exercises)
    assert "Traceback (most recent" not in "".join(page.values())


def test_the_export_has_a_row_per_student(classroom):
    with open(classroom / "classroom/grades.csv") as file:
        rows = {row["student_id"]: float(row["score"]) for row in csv.DictReader(file)}
    assert set(rows) == set(STUDENTS) and rows["ada"] > rows["bob"] == rows["eve"] == 0
