"""Build what people open: a lesson's hints, solved and executed notebook, and release; always the same bytes."""

import hashlib
import json
import os

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

from grading import environment
from grading.environment import plain_environment
from grading.lesson import budgets
from grading.lesson import map as way
from grading.lesson import source as src
from grading.lesson.format import LessonError
from grading.lesson.prove import proofs
from grading.lesson.read import lessons, read

KERNEL = {
    "kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}


def metadata(cell):
    """The cell metadata that nbgrader reads."""
    spoken = cell.kind == "say"
    grade = cell.kind in ("check", "say")
    return {
        "nbgrader": {
            "grade": grade,
            "grade_id": {"answer": cell.name, "check": f"{cell.name}-check", "say": f"say-{cell.name}"}[cell.kind],
            "locked": cell.kind == "check",
            "schema_version": 3,
            "solution": cell.kind == "answer" or spoken,
            "task": False,
        }
        | ({"points": cell.points} if grade else {})
    }


def solved(lesson):
    """The lesson as an nbgrader source notebook, not yet executed."""
    notebook, seen = nbformat.v4.new_notebook(metadata=nbformat.from_dict(KERNEL)), set()
    for cell in lesson.cells:
        if cell.kind in ("mistake", "alternative"):
            continue
        make = nbformat.v4.new_markdown_cell if cell.kind in ("prose", "say") else nbformat.v4.new_code_cell
        source = cell.source
        if cell.kind == "check":  # folded: its first line is what is seen of it
            source = f"# Check {cell.name}: run this cell, {some(cell.points)}.\n{src.without_thoughts(source)}"
        if cell.kind == "prose" and way.MAP in source:
            known = {found.id: found for found in map(read, lessons())}
            source = source.replace(way.MAP, "\n".join(way.rows(known)))
        graded = cell.kind in ("answer", "check", "say")
        key = f"{cell.kind}-{cell.name}" if graded else hashlib.sha1(cell.source.encode()).hexdigest()[:8]
        while key in seen:  # the same words twice
            key += "-2"
        seen.add(key)
        new = make(source, id=key.replace("_", "-"))
        folded = {"jupyter": {"source_hidden": True}} if cell.fold else {}
        new.metadata = nbformat.from_dict((metadata(cell) if graded else {}) | folded)
        notebook.cells.append(new)
    if end := way.onward(lesson):
        notebook.cells.append(nbformat.v4.new_markdown_cell(end, id="onward"))
    return notebook


def some(points):
    return f"{points} points" if points > 1 else "1 point"


def released(notebook, hidden=False):
    """A solved notebook as nbgrader releases it: blanked, without outputs; with hidden facts only if asked for."""
    from nbgrader import preprocessors as pp
    from traitlets.config import PyFileConfigLoader

    config = PyFileConfigLoader("nbgrader_config.py", path=str(environment.ROOT)).load_config()
    notebook, resources = nbformat.from_dict(notebook), {}
    steps = (
        pp.LockCells,
        pp.ClearSolutions,
        pp.ClearOutput,
        pp.CheckCellMetadata,
        pp.ComputeChecksums,
        pp.ClearHiddenTests,
        pp.ComputeChecksums,
    )
    for step in steps[:5] if hidden else steps:
        notebook, resources = step(config=config).preprocess(notebook, resources)
    return notebook


def executed(lesson):
    """The solved notebook with its outputs, from a kernel of its own."""
    notebook = solved(lesson)
    os.environ.update(plain_environment())
    os.environ.pop("MPLBACKEND", None)  # a notebook draws inline
    where = {"metadata": {"path": str(lesson.path.parent)}}
    try:
        quiet = ["--log-level=ERROR"]  # it would warn of tcp on loopback, at every build
        NotebookClient(notebook, timeout=120, record_timing=False, resources=where, extra_arguments=quiet).execute()
    except CellExecutionError as error:
        raise LessonError(lesson.path, 1, f"the solved notebook does not run through:\n{error}") from None
    notebook.metadata = nbformat.from_dict(KERNEL)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = joined(cell.outputs)
    return notebook


def joined(outputs):
    """Outputs with neighbouring prints made one: how a kernel cuts them up is a matter of chance."""
    kept = []
    for output in outputs:
        if kept and output.output_type == "stream" == kept[-1].output_type and output.name == kept[-1].name:
            kept[-1].text += output.text
        else:
            kept.append(output)
    return kept


def page(lesson, result):
    """What a learner's kernel may know of a lesson: its name, its visible facts, and what is said to who fails one."""
    exercises = {}
    for exercise, found in zip(lesson.exercises.values(), result["exercises"], strict=True):
        seen = [fact for fact, _ in src.facts(src.visible(exercise.check.source))]
        thoughts = src.thoughts(exercise.check.source)
        exercises[exercise.name] = {
            "facts": seen,
            "next": {fact: thoughts[fact] for fact in seen if fact in thoughts},
            "hints": [hint for hint in hints(exercise, found) if hint["fact"] in seen],
        }
    return {"title": way.title(lesson), "minutes": budgets.minutes(lesson), "exercises": exercises}


def hints(exercise, found):
    """[{"fact", "got", "hint"}] of an exercise's mistakes: the first fact that each breaks, and its value's mark."""
    mistakes = [v for v in found["verdicts"] if v["kind"] == "mistake"]
    return [{"fact": v["fact"], "got": v["mark"], "hint": exercise.mistakes[v["index"]].hint} for v in mistakes]


def shelf(lesson):
    """Where a lesson's page lies: in the package that lessons import, since a folder of notebooks may go anywhere."""
    return environment.COURSE / "daytwo" / "lessons" / f"{lesson.id}.json"


def json_of(value):
    return json.dumps(value, indent=1, ensure_ascii=False) + "\n"


def written(notebook):
    return nbformat.writes(notebook) + "\n"


def stale(lesson, result):
    """[(path, what)] of the built files that are not what the lesson would build (outputs are nbval's to judge)."""
    found, text = [], json_of(page(lesson, result))
    if not shelf(lesson).exists() or shelf(lesson).read_text(encoding="utf-8") != text:
        found.append((shelf(lesson), "the hints of this lesson"))
    fresh = solved(lesson)
    for path, want in ((lesson.notebook, fresh), (lesson.release, released(fresh))):
        cells = nbformat.read(path, as_version=4).cells if path.exists() else []
        have = {c.id: (c.source, c.metadata) for c in cells}
        new = {c.id: (c.source, c.metadata) for c in want.cells}
        changed = [k for k in new if have.get(k) != new[k]] + [k for k in have if k not in new]
        if changed or list(have) != list(new):
            found.append((path, "cells " + ", ".join(changed) if changed else "the order of its cells"))
    return found


def build(lesson, result=None):
    """Write a lesson's hints and notebooks; the proofs' `result`, when there is one, is not computed again."""
    result = result or proofs(lesson)
    shelf(lesson).parent.mkdir(parents=True, exist_ok=True)
    lesson.release.parent.mkdir(parents=True, exist_ok=True)
    shelf(lesson).write_text(json_of(page(lesson, result)), encoding="utf-8", newline="\n")
    write(lesson.notebook, executed(lesson))
    write(lesson.release, released(nbformat.read(lesson.notebook, as_version=4)))


def write(path, notebook):
    path.write_text(written(notebook), encoding="utf-8", newline="\n")


def refresh():
    """Rewrite what notebooks say of other lessons, the links at their ends and the map; the paths that changed."""
    changed = []
    for lesson in map(read, lessons()):
        cells = [c for c in solved(lesson).cells if c.cell_type == "markdown" and "nbgrader" not in c.metadata]
        fresh = {c.id: c.source for c in cells}
        for path in (lesson.notebook, lesson.release):
            if not path.exists():
                continue
            notebook = nbformat.read(path, as_version=4)
            old = [c for c in notebook.cells if c.cell_type == "markdown" and fresh.get(c.id, c.source) != c.source]
            last = notebook.cells[-1].id == "onward"
            for cell in old:
                cell.source = fresh[cell.id]
            if not last and "onward" in fresh:
                notebook.cells.append(nbformat.v4.new_markdown_cell(fresh["onward"], id="onward"))
            if old or (not last and "onward" in fresh):
                write(path, notebook)
                changed.append(path)
    return changed
