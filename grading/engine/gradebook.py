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


def submitted(coursedir, section):
    """The students of whom a gradebook has this section; read without opening it as nbgrader does, which takes long."""
    engine = create_engine(coursedir.db_url)
    found = text(
        "select student_id from submitted_assignment join assignment "
        "on submitted_assignment.assignment_id = assignment.id where assignment.name = :section"
    )
    try:
        with engine.connect() as book:
            return set(book.execute(found, {"section": section}).scalars())
    except DatabaseError:  # it is not there yet
        return set()
    finally:
        engine.dispose()


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
                if there != cells:  # a run that was killed may have left some
                    self.save(section, course.lesson)
            self.gradebook.db.expire_all()

    def save(self, section, lesson):
        """Put a lesson's cells into the gradebook."""
        from nbgrader.preprocessors import SaveCells

        names = {"assignment": section, "notebook": lesson.path.stem, "db_url": self.coursedir.db_url}
        SaveCells().preprocess(released(solved(lesson), hidden=True), {"nbgrader": names})

    def write(self, section, student, notebooks, timestamp=None):
        """Keep a student's graded notebooks, {name: (notebook, verdicts)}, and marks; missing ones earn nothing."""
        folder = Path(self.coursedir.format_path(self.coursedir.autograded_directory, student, section))
        for name, (notebook, _) in notebooks.items():
            whole(folder / f"{name}.ipynb", nbformat.writes(notebook) + "\n")
        if timestamp:
            whole(folder / "timestamp.txt", f"{timestamp}\n")
        for attempt in range(5):
            try:
                with self.alone():
                    return self._marks(section, student, notebooks, timestamp)
            except OperationalError:  # somebody else is writing for longer than sqlite waits
                self.gradebook.db.rollback()
                if attempt == 4:
                    raise
                time.sleep(2**attempt)

    def _marks(self, section, student, notebooks, timestamp):
        book = self.gradebook
        book.update_or_create_student(student)
        handed = book.update_or_create_submission(section, student, **({"timestamp": timestamp} if timestamp else {}))
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
