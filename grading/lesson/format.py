"""Read a lesson: the one text file that its notebooks, hints and proofs come from. What is not sound is refused."""

import ast
import re
from dataclasses import dataclass, field
from pathlib import Path

import jupytext

from grading.environment import COURSE, ROOT, SOLUTIONS
from grading.lesson import source as src

MARKERS = ("answer", "check", "mistake", "alternative", "say")
MISTAKES, ALTERNATIVES = 3, 1  # every exercise has at least so many


class LessonError(Exception):
    """Something in a lesson file that has to be mended: where, what, and how."""

    def __init__(self, path, line, what):
        place = path.relative_to(ROOT) if path.is_relative_to(ROOT) else path
        super().__init__(f"{place}:{line}: {what}")


@dataclass
class Cell:
    kind: str  # one of MARKERS, "prose" or "code"
    name: str | None
    source: str
    line: int  # of the first line of the source, in the lesson file
    points: int = 0
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
        return self.path.relative_to(SOLUTIONS).with_suffix("").as_posix()

    @property
    def notebook(self):
        return self.path.with_suffix(".ipynb")

    @property
    def release(self):
        return COURSE / self.notebook.relative_to(SOLUTIONS)


def lessons(*names):
    """The lessons of these names ("section", "section/lesson" or a path), or all."""
    paths = sorted(SOLUTIONS.glob("*/*.py")) + sorted(SOLUTIONS.glob("*.py"))
    wanted = [re.sub(r"^(\./)?solutions/|\.(py|ipynb)$|/$", "", str(n)) for n in names]
    ids = {p.relative_to(SOLUTIONS).with_suffix("").as_posix(): p for p in paths}
    for name in wanted:
        if not any(i == name or i.startswith(name + "/") for i in ids):
            raise SystemExit(f"There is no lesson or section {name!r} in solutions/. There are: {', '.join(ids)}.")
    return [p for i, p in ids.items() if not wanted or any(i == n or i.startswith(n + "/") for n in wanted)]


def read(path):
    """The `Lesson` of a file; `LessonError` for the first thing in it that is not sound."""
    path = Path(path)
    text = path.read_text(encoding="utf-8")
    lines = [i for i, line in enumerate(text.splitlines(), 1) if re.match(r"# %%", line)]
    notebook = jupytext.reads(text, fmt="py:percent")
    if not lines or len(notebook.cells) != len(lines):
        raise LessonError(path, 1, 'every cell starts with a line "# %%"; put one before the first text or code')
    cells = [_cell(path, raw, line) for raw, line in zip(notebook.cells, lines, strict=True)]
    lesson = Lesson(path, cells, _exercises(path, cells))
    for exercise in lesson.exercises.values():
        _sound(path, exercise)
    _independent(path, lesson)
    _secret(path, lesson)
    _shown_whole(path, lesson)
    _facts_once(path, lesson)
    return lesson


def _cell(path, raw, line):
    known = [m for m in MARKERS if m in raw.metadata]
    fold = raw.metadata.pop("title", None) == "fold" and raw.cell_type == "code" and not known
    extra = set(raw.metadata) - set(MARKERS) - {"points", "lines_to_next_cell"}
    if extra or len(known) > 1:
        raise LessonError(
            path, line, f"unknown marker {', '.join(sorted(extra or known))}; use one of {', '.join(MARKERS)}"
        )
    kind = known[0] if known else {"markdown": "prose", "code": "code"}[raw.cell_type]
    name = str(raw.metadata[kind]) if known else None
    if known and not re.fullmatch(r"[A-Za-z0-9_]{1,40}", name):
        raise LessonError(path, line, f"{kind}={name!r} is not a name; use letters, digits and _, and no commas")
    if (kind == "say") != (raw.cell_type == "markdown") and known:
        raise LessonError(path, line, f"{kind} belongs in a {'markdown' if kind == 'say' else 'code'} cell")
    points = raw.metadata.get("points", 0)
    if (kind in ("check", "say")) != (isinstance(points, int) and points > 0):
        raise LessonError(path, line, "check and say cells have points=N, a whole number from 1, and no other cell has")
    cell = Cell(kind, name, raw.source, line + 1, points, fold or kind == "check")
    if kind not in ("prose", "say"):
        try:
            ast.parse(cell.source)
        except SyntaxError as error:
            raise LessonError(path, cell.line + (error.lineno or 1) - 1, f"not Python: {error.msg}") from None
    wrong = next(src.unpaired(cell.source), None)
    if wrong:
        raise LessonError(path, cell.line + wrong[1] - 1, wrong[0])
    if kind in ("answer", "say") and not src.region("SOLUTION").search(cell.source):
        raise LessonError(
            path, line, f"{kind} {name} needs its solution between ### BEGIN SOLUTION and ### END SOLUTION"
        )
    return cell


def _exercises(path, cells):
    found, last = {}, None
    for cell in cells:
        if cell.kind == "answer":
            if cell.name in found:
                raise LessonError(
                    path, cell.line, f"there is already an answer {cell.name!r}; give this one its own name"
                )
            found[cell.name] = Exercise(cell)
        elif cell.kind in ("check", "mistake", "alternative"):
            if cell.name not in found:
                there = ", ".join(found) or "none"
                raise LessonError(
                    path, cell.line, f"{cell.kind} {cell.name!r} has no answer of that name above it; there is: {there}"
                )
            exercise = found[cell.name]
            if cell.kind == "check":
                if exercise.check:
                    raise LessonError(path, cell.line, f"{cell.name!r} has two checks; make them one")
                if last is not exercise.answer:
                    raise LessonError(
                        path, cell.line, f"put the check right after the answer {cell.name!r}; code goes before it"
                    )
                exercise.check = cell
            else:
                cell.source = _whole(path, cell, exercise.answer)
                {"mistake": exercise.mistakes, "alternative": exercise.alternatives}[cell.kind].append(cell)
        if cell.kind not in ("prose", "say"):
            last = cell
    return found


def _whole(path, cell, answer):
    """The source of a mistake that may say only what differs from the answer."""
    try:
        source = src.changed(answer.source, cell.source)
        ast.parse(source)
    except (ValueError, SyntaxError) as error:
        raise LessonError(path, cell.line, f"this {cell.kind} cannot be made of the answer: {error}") from None
    return source


def _sound(path, exercise):
    name, check = exercise.name, exercise.check
    if check is None:
        raise LessonError(path, exercise.answer.line, f"answer {name!r} has no check; add one below it")
    if not src.facts(check.source):
        raise LessonError(path, check.line, f'check {name!r} states no fact; add check("A sentence", value, expected)')
    for line in src.misplaced(check.source):
        raise LessonError(
            path,
            check.line + line - 1,
            'a fact is a statement check("A sentence", value, expected) outside loops and ifs; '
            "a tolerance is given by name: tolerance=0.001",
        )
    for mistake in exercise.mistakes:
        if not mistake.hint:
            raise LessonError(path, mistake.line, "a mistake opens with its hint, as a comment: what to do, then why")
    for what, got, least in (
        ("mistakes", exercise.mistakes, MISTAKES),
        ("alternatives", exercise.alternatives, ALTERNATIVES),
    ):
        if len(got) < least:
            raise LessonError(path, exercise.answer.line, f"{name!r} has {len(got)} {what}; write at least {least}")


def _independent(path, lesson):
    """Exercises stand alone: no cell but an exercise's own names what its answer defines; no expectation does."""
    owner = {n: e.name for e in lesson.exercises.values() for n in src.defined(e.answer.source)}
    for cell in lesson.cells:
        if cell.kind in ("prose", "say"):
            continue
        own = set(src.defined(cell.source)) if cell.kind != "code" else set()
        for name, line in src.used(cell.source):
            if owner.get(name, cell.name) != cell.name and name not in own:
                what = "a common cell" if cell.kind == "code" else f"{cell.kind} {cell.name!r}"
                raise LessonError(
                    path,
                    cell.line + line - 1,
                    f"{what} uses {name!r} of the exercise {owner[name]!r}; hand it a ready-made value, "
                    "so that one blank breaks nothing else",
                )
        if cell.kind == "check":
            for name, line in src.used_in_expectations(cell.source):
                if owner.get(name) == cell.name:
                    raise LessonError(
                        path,
                        cell.line + line - 1,
                        f"an expectation names the answer {name!r}; write the value, or compute it in another way "
                        "between ### BEGIN EXPECTED and ### END EXPECTED",
                    )


def _secret(path, lesson):
    """What is drawn for a class and what hidden facts expect is nowhere but where it is kept from students."""
    for cell in lesson.cells:
        if cell.kind not in ("code", "check"):
            continue
        shown = src.region("HIDDEN TESTS").sub(_lines, cell.source)
        for line in src.seeded(shown):
            raise LessonError(
                path,
                cell.line + line - 1,
                "class_seed is known to hidden facts only: draw this between ### BEGIN HIDDEN TESTS and "
                "### END HIDDEN TESTS; elsewhere every answer would fail under a class's own seed",
            )
        for name, line in src.given_away(cell.source) if cell.kind == "check" else ():
            raise LessonError(
                path,
                cell.line + line - 1,
                f"{name!r} says what a hidden fact expects, and is computed where a student's code runs; "
                "put what only expectations need between ### BEGIN EXPECTED and ### END EXPECTED",
            )


def _shown_whole(path, lesson):
    """What a learner's check reads is not in the part that is cut out of it."""
    common = {name for cell in lesson.cells if cell.kind in ("code", "answer") for name in src.bound(cell.source)}
    for exercise in lesson.exercises.values():
        check, shown = exercise.check, src.region("HIDDEN TESTS").sub(_lines, exercise.check.source)
        cut = src.bound(src.hidden(check.source)) - src.bound(shown) - common
        for name, line in src.used(shown):
            if name in cut:
                raise LessonError(
                    path,
                    check.line + line - 1,
                    f"{name!r} is read here, where learners see it, and defined in the hidden part only; "
                    "define it above ### BEGIN HIDDEN TESTS",
                )


def _lines(found):
    return "\n" * found[0].count("\n")


def _facts_once(path, lesson):
    seen = {}
    for exercise in lesson.exercises.values():
        for sentence, line in src.facts(exercise.check.source):
            if sentence in seen:
                raise LessonError(
                    path,
                    exercise.check.line + line - 1,
                    f"the fact {sentence!r} is stated twice; hints need them apart",
                )
            seen[sentence] = line
