"""The one writer of a class's marks: nbgrader's gradebook and the autograded notebooks, a student at a time."""

import contextlib
import fcntl
import os
import tempfile
import time
import warnings
from pathlib import Path

import nbformat
from nbgrader import utils
from nbgrader.api import Comment, Grade, Gradebook, MissingEntry, SubmittedNotebook
from sqlalchemy import create_engine, text
from sqlalchemy.exc import DatabaseError, OperationalError, SAWarning

from grading.engine import files
from grading.engine.trusted import Refused
from grading.lesson.build import released, solved

warnings.filterwarnings("ignore", category=SAWarning, module="nbgrader")  # of its own queries; nothing to act on
CHANGED = (
    "{section}/{name} has gained or lost cells ({cells}) since somebody's work was graded, which nbgrader's gradebook "
    "cannot hold. Keep its marks (`nbgrader export`), then run `nbgrader db assignment remove --force {section}` and "
    "grade again: all but marks given by hand is written anew."
)


def whole(path, data):
    """Write a file so that it is there whole or not at all; read-only, as nbgrader leaves them."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".writing-")
    with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
        file.write(data)
    os.chmod(name, 0o644)
    os.replace(name, path)


DUE = "select duedate from assignment where name = :section"
STUDENTS = """
select student_id, extension from submitted_assignment
join assignment on submitted_assignment.assignment_id = assignment.id where assignment.name = :section
"""
POINTS = """
select notebook.name, base_cell.name, max_score from grade_cells join base_cell on grade_cells.id = base_cell.id
join notebook on base_cell.notebook_id = notebook.id join assignment on notebook.assignment_id = assignment.id
where assignment.name = :section
"""


def booked(coursedir, section):
    """(when a section is due, {student: extension}, {(notebook, cell): points}) of a gradebook.

    Read without opening it as nbgrader does, which takes long.
    """
    engine, section = create_engine(coursedir.db_url), {"section": section}
    try:
        with engine.connect() as book:
            due, students = book.execute(text(DUE), section).scalar(), dict(book.execute(text(STUDENTS), section).all())
            return due, students, {(name, cell): most for name, cell, most in book.execute(text(POINTS), section)}
    except DatabaseError:  # it is not there yet
        return None, {}, {}
    finally:
        engine.dispose()


def points(release):
    """{cell: points} of a released notebook."""
    own = [c.metadata.nbgrader for c in release.cells if "nbgrader" in c.metadata]
    return {c.grade_id: float(c.points) for c in own if c.grade}


class Book:
    """An open gradebook; a context manager."""

    def __init__(self, coursedir):
        self.coursedir = coursedir
        with self.alone():
            self.gradebook = Gradebook(coursedir.db_url, coursedir.course_id)
            if coursedir.db_url.startswith("sqlite"):  # readers (formgrader) wait instead of failing
                self.gradebook.db.execute(text("PRAGMA journal_mode=WAL"))
                self.gradebook.db.execute(text("PRAGMA busy_timeout=60000"))
                self.gradebook.db.commit()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.gradebook.close()

    @contextlib.contextmanager
    def alone(self):
        """One writer at a time: nbgrader looks first and writes then. The lock dies with its process."""
        classroom = Path(self.coursedir.format_path(self.coursedir.submitted_directory, "x", "x")).parents[2]
        with open(classroom / ".gradebook.lock", "a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def prepare(self, section, courses):
        """See to it that the section's cells are in the gradebook, as `nbgrader generate_assignment` would."""
        with self.alone():
            self.gradebook.db.expire_all()
            try:
                known = {n.name: n for n in self.gradebook.find_assignment(section).notebooks}
            except MissingEntry:
                self.gradebook.add_assignment(section)
                known = {}
            for name, course in courses.items():
                own = [c.metadata.nbgrader for c in course.release.cells if "nbgrader" in c.metadata]
                cells = {(kind, c.grade_id) for c in own for kind in ("grade", "solution", "locked") if c[kind]}
                there = held(known[name]) if name in known else set()
                if there and known[name].submissions and there != cells:
                    changed = ", ".join(sorted({name for _, name in there ^ cells}))
                    raise Refused(CHANGED.format(section=section, name=name, cells=changed))
                # a run that was killed may have left some; points may have changed under graded work
                if there != cells or {c.name: c.max_score for c in known[name].grade_cells} != points(course.release):
                    self.save(section, course)
            self.gradebook.db.expire_all()

    def save(self, section, course):
        """Put a lesson's cells into the gradebook, with the points of its release."""
        from nbgrader.preprocessors import SaveCells

        most, notebook = points(course.release), released(solved(course.lesson), hidden=True)
        for cell in notebook.cells:
            if (own := cell.metadata.get("nbgrader", {})).get("grade_id") in most:
                own["points"] = most[own["grade_id"]]
        names = {"assignment": section, "notebook": course.lesson.path.stem, "db_url": self.coursedir.db_url}
        SaveCells().preprocess(notebook, {"nbgrader": names})

    def write(self, section, student, notebooks, timestamp=None, carried=None, late=None):
        """Keep a student's graded notebooks, {name: (notebook, verdicts)}, and marks; missing ones earn nothing.

        `carried`, {name: path}, is copied beside them; `late` sets what is lost for a late hand-in. What else lay there
        is of an earlier hand-in, and goes.
        """
        folder = Path(self.coursedir.format_path(self.coursedir.autograded_directory, student, section))
        for name, (notebook, _) in notebooks.items():
            whole(folder / f"{name}.ipynb", nbformat.writes(notebook) + "\n")
        for name, path in (carried or {}).items():
            files.copy(path, folder / name)
        whole(folder / files.STAMP, f"{timestamp}\n" if timestamp else "")
        kept = {f"{name}.ipynb" for name in notebooks} | {files.STAMP, *(carried or {})}
        for name, path in files.listed(folder)[0].items():
            if name not in kept and not path.name.startswith(".writing-"):  # of another teacher, at this moment
                path.unlink(missing_ok=True)
        for attempt in range(5):
            try:
                with self.alone():
                    return self._marks(section, student, notebooks, timestamp, late)
            except OperationalError:  # somebody else is writing for longer than sqlite waits
                self.gradebook.db.rollback()
                if attempt == 4:
                    raise
                time.sleep(2**attempt)
            except BaseException:  # a penalty's plug-in is anybody's code
                self.gradebook.db.rollback()
                raise

    def _marks(self, section, student, notebooks, timestamp, late):
        book = self.gradebook
        book.update_or_create_student(student)
        handed = book.update_or_create_submission(section, student, timestamp=timestamp)
        for known in book.find_assignment(section).notebooks:
            if known.name not in {n.name for n in handed.notebooks}:  # a lesson that the section has since gained
                gain(book.db, handed, known)
            notebook, verdicts = notebooks.get(known.name, (None, {}))
            cells = (
                {c.metadata.nbgrader.grade_id: c for c in notebook.cells if "nbgrader" in c.metadata}
                if notebook
                else {}
            )
            submitted = book.find_submission_notebook(known.name, section, student)
            for grade in submitted.grades:
                mark(grade, cells.get(grade.name), verdicts)
            for comment in submitted.comments:
                cell = cells.get(comment.name)
                untouched = cell is None or utils.compute_checksum(cell) == cell.metadata.nbgrader.get("checksum")
                comment.auto_comment = "No response." if untouched else None
            if late:
                book.db.flush()
                book.db.expire(submitted, ["score"])
                late.penalise(student, submitted, handed.total_seconds_late if notebook else 0)
        book.db.commit()


def held(lesson):
    """{(what for, name)} of the cells that a gradebook holds of a lesson, as nbgrader's metadata call it."""
    return (
        {("grade", cell.name) for cell in lesson.grade_cells}
        | {("solution", cell.name) for cell in lesson.solution_cells}
        | {("locked", cell.name) for cell in lesson.source_cells if cell.locked}
    )


def gain(db, handed, lesson):
    """Give a submission the rows of a lesson that was added to its section later."""
    own = SubmittedNotebook(notebook=lesson, assignment=handed)
    db.add(own)
    db.add_all(Grade(cell_id=cell.id, notebook=own) for cell in lesson.grade_cells)
    db.add_all(Comment(cell_id=cell.id, notebook=own) for cell in lesson.solution_cells)
    db.commit()


def mark(grade, cell, verdicts):
    """Set the automatic score of one cell: all or nothing for a check; a text is for a teacher to read."""
    points, review = 0, False
    if cell is not None and cell.metadata.nbgrader.solution:  # a spoken answer: nothing if it is still the blank
        blank = utils.compute_checksum(cell) == cell.metadata.nbgrader.get("checksum")
        points, review = (0, False) if blank else (None, True)
    elif cell is not None:
        state = verdicts[grade.name.removesuffix("-check")]["state"]
        points, review = (grade.max_score if state == "right" else 0), state == "review"
    grade.auto_score = points
    grade.needs_manual_grade = review or grade.manual_score is not None
