"""How heavy a lesson may be: the budgets in one table, and the lessons that may exceed one, each with its reason."""

import ast
import re

from grading.lesson import source as src
from grading.lesson.format import LessonError

AT_MOST = {
    "exercises": 5,
    "minutes": 60,
    "words of prose": 1600,
    "words of one exercise's text": 120,
    "bullets of one exercise's text": 5,
    "lines of an open code cell": 12,
    "visible facts": 8,
    "visible lines of a check": 25,
    "hidden facts": 4,
    "helper functions in a check": 1,
    "mistakes": 6,
    "changed lines of a mistake": 6,
    "lines of the lesson file": 900,
}
PROOF, RUN = 12, 15  # CPU seconds on an idle machine: told by `prove`, not refused, since a busy machine takes longer
BEYOND = {  # (lesson, budget): (at most, why)
    ("05_delivery/03_design_aloud", "words of prose"): (3000, "a design answered aloud is a text"),
    ("05_delivery/04_run_a_year", "words of prose"): (3000, "the final looks back on the whole course"),
    ("05_delivery/04_run_a_year", "lines of the lesson file"): (1500, "the final looks back on the whole course"),
    ("05_delivery/04_run_a_year", "minutes"): (180, "the final takes an afternoon"),
}


def words(prose):
    """How many words a learner reads; a formula or a sign is none."""
    return len(re.sub(r"\$\$.*?\$\$|\$[^$]*\$|[#*`\\|-]", " ", prose, flags=re.S).split())


def code_lines(source):
    """How many lines of a cell are code."""
    return sum(bool(line.strip()) and not line.strip().startswith("#") for line in source.splitlines())


def minutes(lesson):
    """The minutes that a lesson's first page promises, or None."""
    first = " ".join(c.source for c in lesson.cells[:3] if c.kind == "prose")
    found = re.search(r"about\s+(\d+)\s+minutes", first)
    return int(found[1]) if found else None


def measures(lesson):
    """(budget, how much, line) of everything that has a budget, in the order of the file."""
    prose, text, bullets, at = 0, 0, 0, 0
    yield "minutes", minutes(lesson) or 0, 1
    yield "exercises", len(lesson.exercises), 1
    for cell in lesson.cells:
        if cell.kind == "prose":
            prose += words(cell.source)
            if re.search(r"^## Exercise", cell.source, re.M):
                text, bullets, at = 0, 0, cell.line
            text += words(cell.source)
            bullets += len(re.findall(r"^[-*] ", cell.source, re.M))
        elif cell.kind == "answer" and at:
            yield "words of one exercise's text", text, at
            yield "bullets of one exercise's text", bullets, at
        elif cell.kind == "check":
            at, seen = 0, src.visible(cell.source)
            yield "visible facts", len(src.facts(seen)), cell.line
            yield "visible lines of a check", code_lines(seen), cell.line
            yield "hidden facts", len(src.facts(cell.source)) - len(src.facts(seen)), cell.line
            helpers = [n for n in ast.parse(cell.source).body if isinstance(n, ast.FunctionDef | ast.ClassDef)]
            yield "helper functions in a check", len(helpers), cell.line
            yield "mistakes", len(lesson.exercises[cell.name].mistakes), cell.line
        elif cell.kind == "mistake":
            yield "changed lines of a mistake", cell.changed, cell.line
        elif cell.kind == "code" and not cell.fold:
            yield "lines of an open code cell", code_lines(cell.source), cell.line
    yield "words of prose", prose, 1
    yield "lines of the lesson file", len(lesson.path.read_text(encoding="utf-8").splitlines()), 1


def exceeded(lesson):
    """[LessonError] for each budget that a lesson exceeds, with its place."""
    found = []
    for budget, much, line in measures(lesson):
        most, _ = BEYOND.get((lesson.id, budget), (AT_MOST[budget], ""))
        if much > most:
            found.append(LessonError(lesson.path, line, f"{much} {budget}, at most {most}: leave something out"))
    return found
