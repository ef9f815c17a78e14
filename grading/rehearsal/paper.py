# ruff: noqa: E501, a table of cases reads best one to a line
"""What people hand in: attempts to gain marks, crashes, accidents and odd files, each with the marks it deserves.

`ROWS` maps a name to a function that changes a `Paper`, a notebook with every exercise attempted. It works for any
lesson: a row does its harm in one exercise, the paper's `victim`, and the others keep what their answers deserve.
"""

import copy
import json
import random
import textwrap

import nbformat

ROWS = {}
PORT = 47_613  # of the host, where a test listens


class Paper:
    """A submission in the making: its notebook, the files beside it, and what it deserves."""

    def __init__(self, lesson, dice=None, choose=None, release=None, victim=None):
        """`choose(exercise)` gives (source or None for the blank, share of the points); the answer without it."""
        self.lesson, self.dice = lesson, dice or random.Random(0)
        self.file = lesson.release.name
        self.notebook = copy.deepcopy(release or nbformat.read(lesson.release, as_version=4))
        self.beside, self.raw = {}, None  # other files; the notebook's bytes where they are not simply the notebook
        self.deserved, self.victim = {}, victim or next(iter(lesson.exercises))
        for name, exercise in lesson.exercises.items():
            source, share = choose(exercise) if choose else (exercise.answer.source, 1)
            if source is not None:
                self.cell(name).source = source
            self.deserved[f"{name}-check"] = share * exercise.check.points

    def cell(self, grade_id):
        return next(c for c in self.notebook.cells if c.metadata.get("nbgrader", {}).get("grade_id") == grade_id)

    def at(self, grade_id):
        return self.notebook.cells.index(self.cell(grade_id))

    @property
    def answer(self):
        """The victim's right answer."""
        return self.lesson.exercises[self.victim].answer.source

    def write(self, source, share=0):
        """Hand `source` in for the victim, which deserves that share of its points."""
        self.cell(self.victim).source = textwrap.dedent(source).strip("\n")
        self.deserved[f"{self.victim}-check"] = share * self.lesson.exercises[self.victim].check.points

    def beside_right(self, before="", after=""):
        """The victim's right answer with something before and after it: full marks."""
        before, after = (textwrap.dedent(part).replace("{victim}", self.victim) for part in (before, after))
        self.write(f"{before}\n{self.answer}\n{after}", 1)

    def instead(self, body, before=""):
        """A function that does `body` when the check calls the victim; no marks."""
        self.write(
            f"{textwrap.dedent(before)}\ndef {self.victim}(*args, **kwargs):\n{textwrap.indent(textwrap.dedent(body), '    ')}"
        )

    def insert(self, at, source):
        self.notebook.cells.insert(at, nbformat.v4.new_code_cell(textwrap.dedent(source).strip("\n")))

    def nothing(self):
        self.deserved = dict.fromkeys(self.deserved, 0)

    def raw_json(self):
        return json.loads(nbformat.writes(self.notebook))

    @property
    def files(self):
        """{file name: bytes} of what is handed in."""
        files = dict(self.beside)
        if self.file:
            files[self.file] = nbformat.writes(self.notebook).encode() if self.raw is None else self.raw
        return files


def row(kind, **marks):
    """Put a maker into the catalogue: `box` when only the sandbox stops it, `slow` when only the clock does."""

    def keep(make):
        make.kind, make.box, make.slow = kind, marks.get("box", False), marks.get("slow", False)
        ROWS[make.__name__] = make
        return make

    return keep


def attack(name, source, kind="gain", **marks):
    """A row whose harm is the victim's answer cell as it stands."""

    def make(paper):
        paper.write(source)

    make.__name__ = name
    row(kind, **marks)(make)


def called(name, body, kind="gain", before="", **marks):
    """A row whose harm is done when the check calls the victim."""

    def make(paper):
        paper.instead(body, before)

    make.__name__ = name
    row(kind, **marks)(make)


def beside(name, before="", after="", **marks):
    """An honest row: a right answer with something around it."""

    def make(paper):
        paper.beside_right(before, after)

    make.__name__ = name
    row("accident", **marks)(make)
