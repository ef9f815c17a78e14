"""What a class is measured against, and one student's section on its way."""

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path

import nbformat

from grading.engine import files
from grading.engine.rebuild import assign
from grading.engine.workers import questions
from grading.environment import foundation
from grading.lesson.read import read

EXTRA, EXTRAS = 1_000_000, 5_000_000  # bytes of one file handed in beside the notebooks, and of all of them


@dataclass
class Course:
    """What every submission of a section is measured against."""

    lesson: object
    release: nbformat.NotebookNode
    leading: list
    questions: dict
    key: str  # of everything but the submission that a result depends on


@dataclass
class Hand:
    """One student's section on its way."""

    student: str
    folder: Path
    raw: str  # hash of all that was handed in
    found: dict  # notebook name -> Rebuilt or Unreadable
    notes: list
    beside: dict  # name -> bytes of the other files that it runs with
    there: dict = field(default_factory=dict)  # name -> path of every plain file
    results: dict = field(default_factory=dict)  # notebook name -> {"outputs", "verdicts"}
    open: set = field(default_factory=set)  # notebooks that still run
    trouble: list = field(default_factory=list)  # what the engine itself could not do
    told: list = field(default_factory=list)  # sentences that the teacher reads as well


def digest(*parts):
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:32]


def code_cells(notebook):
    """[(index in the notebook, what the box wants to know of the cell)] of a rebuilt or released notebook."""
    found = []
    for at, cell in enumerate(notebook.cells):
        if cell.cell_type != "code":
            continue
        own = cell.metadata.get("nbgrader", {})
        if own.get("grade"):
            found.append((at, {"kind": "check", "name": own["grade_id"].removesuffix("-check")}))
        else:
            kind = "answer" if own.get("solution") else "extra" if cell.id.startswith("extra-") else "common"
            found.append((at, {"kind": kind, "source": cell.source}))
    return found


def course(path, seed, limits, box):
    """The `Course` of a lesson file."""
    lesson = read(path)
    release = nbformat.read(lesson.release, as_version=4)
    cells = [c for _, c in code_cells(release)]
    first = next((i for i, c in enumerate(cells) if c["kind"] != "common"), len(cells))
    leading = [c["source"] for c in cells[:first]]
    key = digest(
        foundation("checks", "lesson", "engine", "box"),
        path.read_text(encoding="utf-8"),
        nbformat.writes(release),
        seed,
        limits,
        box,
    )
    return Course(lesson, release, leading, questions(lesson, seed), key)


def hand(student, folder, courses, raw):
    """What a student handed in, rebuilt; unreadable files are an entry, never an error."""
    there, said = files.listed(folder)
    pages, more = files.notebooks(there, {f"{name}.ipynb" for name in courses})
    found, notes = assign({n: c.release for n, c in courses.items()}, pages)
    beside, room = {}, EXTRAS
    for name, path in there.items():
        size = path.stat().st_size
        if name not in pages and name not in (files.STAMP, files.SECRET) and size <= min(EXTRA, room):
            beside[name], room = files.plain(path, EXTRA), room - size
    return Hand(student, folder, raw, found, [*said, *more, *notes], beside, there, told=[*said, *more])


def needed(outputs, result):
    """The CPU seconds that a submission's own cells and checks took, wherever they ran."""
    reports = [report for parts in result["checks"].values() for report in parts.values()]
    told = [said.get("seconds") for said in (*outputs.values(), *reports)]
    return float(sum(min(t, 10_000) for t in told if isinstance(t, int | float)))  # a submission may say what it likes


def number(folder):
    """A number for a submission, to tell its sandbox's user from others running at the same time."""
    return int(hashlib.sha256(str(folder).encode()).hexdigest()[:6], 16)
