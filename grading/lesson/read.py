"""Read a lesson: the one text file that its notebooks, hints and proofs come from. What is not sound is refused."""

import ast
import re
from pathlib import Path

import jupytext

from grading import environment
from grading.lesson import rules
from grading.lesson import source as src
from grading.lesson.format import Cell, Exercise, Lesson, LessonError

MARKERS = ("answer", "check", "mistake", "alternative", "say")


def lessons(*names):
    """The lessons of these names ("section", "section/lesson" or a path), or all."""
    paths = sorted(environment.SOLUTIONS.glob("*/*.py")) + sorted(environment.SOLUTIONS.glob("*.py"))
    wanted = [re.sub(r"^(\./)?solutions/|\.(py|ipynb)$|/$", "", str(n)) for n in names]
    ids = {p.relative_to(environment.SOLUTIONS).with_suffix("").as_posix(): p for p in paths}
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
        rules.sound(path, exercise)
    for rule in (rules.independent, rules.secret, rules.shown_whole, rules.facts_once):
        rule(path, lesson)
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
    cell = Cell(kind, name, raw.source, line + 1, points, fold=fold or kind == "check")
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
        cell.changed = len(re.findall(r"^# [-+](?: |$)", cell.source, re.M)) if source != cell.source else 0
        ast.parse(source)
    except (ValueError, SyntaxError) as error:
        raise LessonError(path, cell.line, f"this {cell.kind} cannot be made of the answer: {error}") from None
    return source
