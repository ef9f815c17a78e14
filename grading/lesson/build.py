"""Build what people open: a lesson's hints, solved and executed notebook, and release; always the same bytes."""

import hashlib
import json
import os
import shutil

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

from grading.environment import COURSE, ROOT, SOLUTIONS, plain_environment
from grading.lesson import source as src
from grading.lesson.format import LessonError
from grading.lesson.prove import proofs

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
        graded = cell.kind in ("answer", "check", "say")
        key = f"{cell.kind}-{cell.name}" if graded else hashlib.sha1(cell.source.encode()).hexdigest()[:8]
        while key in seen:  # the same words twice
            key += "-2"
        seen.add(key)
        new = make(cell.source, id=key.replace("_", "-"))
        folded = {"jupyter": {"source_hidden": True}} if cell.fold else {}
        new.metadata = nbformat.from_dict((metadata(cell) if graded else {}) | folded)
        notebook.cells.append(new)
    return notebook


def released(notebook, hidden=False):
    """A solved notebook as nbgrader releases it: blanked, without outputs; with hidden facts only if asked for."""
    from nbgrader import preprocessors as pp
    from traitlets.config import PyFileConfigLoader

    config = PyFileConfigLoader("nbgrader_config.py", path=str(ROOT)).load_config()
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


def hints(lesson, result):
    """{exercise: {"facts": visible sentences, "hints": what visible facts say of each mistake}}."""
    known = {}
    for exercise, found in zip(lesson.exercises.values(), result["exercises"], strict=True):
        seen = [fact for fact, _ in src.facts(src.visible(exercise.check.source))]
        known[exercise.name] = {
            "facts": seen,
            "hints": [
                {"fact": v["fact"], "got": v["trace"], "hint": exercise.mistakes[v["index"]].hint}
                for v in found["verdicts"]
                if v["kind"] == "mistake" and v["fact"] in seen
            ],
        }
    return known


def written(notebook):
    return nbformat.writes(notebook) + "\n"


def book(folder):
    """The hints.json of a folder of solutions."""
    path = folder / "hints.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def bound(lesson, known):
    """The text of a section's hints.json with this lesson's hints in it, and none of lessons that are gone."""
    there = {f"{p.relative_to(SOLUTIONS).with_suffix('').as_posix()}" for p in lesson.path.parent.glob("*.py")}
    pages = {k: v for k, v in book(lesson.path.parent).items() if k in there} | {lesson.id: known}
    return json.dumps(dict(sorted(pages.items())), indent=1, ensure_ascii=False) + "\n"


def stale(lesson, result):
    """[(path, what)] of the built files that are not what the lesson would build (outputs are nbval's to judge)."""
    folder, found = lesson.path.parent, []
    known = bound(lesson, hints(lesson, result))
    for path in (folder / "hints.json", COURSE / folder.relative_to(SOLUTIONS) / "hints.json"):
        if not path.exists() or path.read_text(encoding="utf-8") != known:
            found.append((path, "the hints of this lesson"))
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
    folder, target = lesson.path.parent, lesson.release.parent
    target.mkdir(parents=True, exist_ok=True)
    text = bound(lesson, hints(lesson, result))
    (folder / "hints.json").write_text(text, encoding="utf-8", newline="\n")
    shutil.copyfile(folder / "hints.json", target / "hints.json")
    notebook = executed(lesson)
    lesson.notebook.write_text(written(notebook), encoding="utf-8", newline="\n")
    lesson.release.write_text(written(released(notebook)), encoding="utf-8", newline="\n")
