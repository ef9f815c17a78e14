"""What a lesson is: its cells and its exercises, and the error that says where one has to be mended."""

import re
from dataclasses import dataclass, field
from pathlib import Path

from grading import environment
from grading.lesson import source as src


class LessonError(Exception):
    """Something in a lesson file that has to be mended: where, what, and how."""

    def __init__(self, path, line, what):
        place = path.relative_to(environment.ROOT) if path.is_relative_to(environment.ROOT) else path
        super().__init__(f"{place}:{line}: {what}")


@dataclass
class Cell:
    kind: str  # "answer", "check", "mistake", "alternative", "say", "prose" or "code"
    name: str | None
    source: str
    line: int  # of the first line of the source, in the lesson file
    points: int = 0
    changed: int = 0  # lines of the answer that a mistake changes, where it says only those
    fold: bool = False  # JupyterLab shows its output, and its code on a click

    @property
    def opening(self):
        """The comment a cell opens with."""
        return re.match(r"(?:#.*\n?)*", self.source).group()

    @property
    def hint(self):
        """What the opening comment of a mistake says."""
        lines = self.opening.splitlines()
        return " ".join(line.lstrip("# ").rstrip() for line in lines).strip()


@dataclass
class Exercise:
    answer: Cell
    check: Cell = None
    mistakes: list = field(default_factory=list)
    alternatives: list = field(default_factory=list)

    @property
    def name(self):
        return self.answer.name

    @property
    def blank(self):
        """The answer cell as a learner first finds it."""
        return src.blanked(self.answer.source)


@dataclass
class Lesson:
    path: Path
    cells: list
    exercises: dict

    @property
    def id(self):
        """ "section/lesson", or the file's name alone for the start page."""
        return self.path.relative_to(environment.SOLUTIONS).with_suffix("").as_posix()

    @property
    def notebook(self):
        return self.path.with_suffix(".ipynb")

    @property
    def release(self):
        return environment.COURSE / self.notebook.relative_to(environment.SOLUTIONS)
