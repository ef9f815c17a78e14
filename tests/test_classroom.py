"""Three students through the real nbgrader, as a teacher would take them, in a copy of the course."""

import csv
import html
import os
import shutil
import sqlite3

import nbformat
import pytest
from nbgrader.api import Gradebook
from nbgrader.utils import notebook_hash
from schools import Nurse

from grading.environment import COURSE, ROOT, SOLUTIONS
from grading.lesson.read import read
from grading.lesson.source import thoughts

SECTION = "04_monitoring"
NAME = "04_set_alert_thresholds"  # the lightest of its section
LESSON = read(SOLUTIONS / SECTION / f"{NAME}.py")
STUDENTS = {  # one who knows, one who tried, and one who did not
    "ada": lambda e: e.answer.source,
    "bob": lambda e: e.mistakes[0].source[len(e.mistakes[0].opening) :],
    "eve": lambda e: e.blank,
}
DUE, LATE = "2026-11-30 23:00:00.000000", b"2026-12-01 00:04:25.000000 UTC"
PENALTY = """
from nbgrader.plugins import LateSubmissionPlugin


class Half(LateSubmissionPlugin):
    def late_submission_penalty(self, student_id, score, total_seconds_late):
        assert total_seconds_late == 3865
        return score / 2
"""


@pytest.fixture(scope="module")
def classroom(tmp_path_factory):
    """A folder of a course in which a class was released, collected, graded, told and exported."""
    here = tmp_path_factory.mktemp("school")
    shutil.copytree(SOLUTIONS / SECTION, here / "solutions" / SECTION)
    shutil.copytree(COURSE, here / "course", ignore=shutil.ignore_patterns(SECTION))
    shutil.copy(ROOT / "nbgrader_config.py", here)
    (here / "penalty.py").write_text(PENALTY)

    nurse = Nurse(here)

    def nbgrader(*words):
        return nurse.run("nbgrader", *words, PATH="/usr/bin:/bin")

    try:
        graded(here, nbgrader)
    finally:
        nurse.end()
    return here


def graded(here, nbgrader):
    """What a teacher does in a term."""
    nbgrader("generate_assignment", SECTION, "--create", "--force")
    with sqlite3.connect(here / "classroom/gradebook.db") as book:
        book.execute("update assignment set duedate = ?", [DUE])
    for student, choose in STUDENTS.items():
        folder = here / "classroom/submitted" / student / SECTION
        folder.mkdir(parents=True)
        notebook = nbformat.read(here / "course" / SECTION / f"{NAME}.ipynb", as_version=4)
        for cell in notebook.cells:
            name = cell.metadata.get("nbgrader", {}).get("grade_id")
            if name in LESSON.exercises:
                cell.source = choose(LESSON.exercises[name])
        nbformat.write(notebook, folder / f"{NAME}.ipynb")
    handed = {student: here / "classroom/submitted" / student / SECTION for student in STUDENTS}
    (handed["ada"] / "timestamp.txt").write_bytes(LATE)
    (handed["ada"] / "submission_secret.txt").write_text("ada's own")
    (handed["ada"] / "own.csv").write_text("1,2")
    (handed["bob"] / "timestamp.txt").write_text("30. November 2026, 23 Uhr 59")  # and no secret: sent by mail
    os.mkfifo(handed["eve"] / "timestamp.txt")
    (handed["eve"] / "submission_secret.txt").write_text("eve's own")
    said = nbgrader("autograde", SECTION, "--AssignLatePenalties.plugin_class=penalty.Half")
    (here / "said").write_text(said)
    nbgrader("generate_feedback", SECTION)
    (here / "exchange").mkdir(mode=0o777)
    (here / "exchange").chmod(0o777)
    (here / "told").write_text(nbgrader("release_feedback", SECTION, f"--Exchange.root={here}/exchange"))
    nbgrader("export")


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
    page = {student: html.unescape(text) for student, text in page.items()}
    for exercise in LESSON.exercises.values():
        said = [exercise.mistakes[0].hint, *thoughts(exercise.check.source).values()]  # its own, or its first fact's
        assert any(words in page["bob"] for words in said)
    assert page["eve"].count("Not attempted yet") >= len(LESSON.exercises)
    assert "Traceback (most recent" not in "".join(page.values())


def test_feedback_is_released_to_whoever_handed_in_through_the_exchange_and_costs_nobody_else_theirs(classroom):
    for student in ("ada", "eve"):
        (secret,) = (classroom / "classroom/feedback" / student / SECTION).glob("submission_secret.txt")
        assert secret.read_text() == f"{student}'s own"
        name = notebook_hash(secret=secret.read_text(), notebook_id=NAME)
        assert (classroom / "exchange/daytwo/feedback" / f"{name}.html").exists()
    assert "bob did not hand in through nbgrader's exchange" in (classroom / "told").read_text()
    assert (classroom / "classroom/feedback/ada" / SECTION / "own.csv").read_text() == "1,2"


def test_the_export_has_a_row_per_student_and_a_penalty_for_who_was_late(classroom):
    with open(classroom / "classroom/grades.csv") as file:
        rows = {row["student_id"]: row for row in csv.DictReader(file)}
    score = {student: float(row["score"]) for student, row in rows.items()}
    assert set(rows) == set(STUDENTS) and score["ada"] > score["bob"] == score["eve"] == 0
    lost = {student: float(row["late_submission_penalty"]) for student, row in rows.items()}
    assert lost == {"ada": float(rows["ada"]["raw_score"]) / 2, "bob": 0, "eve": 0} and lost["ada"] > 0


def test_who_handed_in_an_odd_time_is_graded_and_named(classroom):
    said = (classroom / "said").read_text()
    assert "bob: timestamp.txt says “30. November 2026, 23 Uhr 59”" in said and "Traceback" not in said
    assert "eve: timestamp.txt is a pipe" in said and "ada: timestamp.txt" not in said
