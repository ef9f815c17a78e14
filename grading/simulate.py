"""A class to practise on: students drawn from a section's own answers, alternatives, mistakes and blanks.

What every student deserves is known, so that a grader can be proved, timed and shown without anyone's real work.
"""

import json
import random
import shutil

import nbformat

from grading.lesson import COURSE, ROOT, lessons, read

CLASSROOM = ROOT / "classroom"
CHANCES = {"answer": 3, "alternative": 3, "mistake": 5, "blank": 1}


def draw(exercise, dice):
    """(kind, source, deserved share of the points) of one student's attempt at an exercise."""
    pool = {
        "answer": [exercise.answer.source],
        "alternative": [c.source for c in exercise.alternatives],
        "mistake": [c.source[len(c.opening) :] for c in exercise.mistakes],  # nobody hands in the hint
        "blank": [None],
    }
    kind = dice.choices(list(CHANCES), CHANCES.values())[0]
    return kind, dice.choice(pool[kind]), int(kind in ("answer", "alternative"))


def attempt(lesson, dice):
    """A submitted notebook and {grade id of a check: deserved points}."""
    notebook, deserved = nbformat.read(lesson.release, as_version=4), {}
    cells = {c.metadata["nbgrader"]["grade_id"]: c for c in notebook.cells if "nbgrader" in c.metadata}
    for exercise in lesson.exercises.values():
        _, source, share = draw(exercise, dice)
        if source is not None:
            cells[exercise.name].source = source
        deserved[f"{exercise.name}-check"] = share * exercise.check.points
    return notebook, deserved


def simulate(section, students, seed, classroom=CLASSROOM):
    """Hand in for a class; writes `submitted/` and `deserved-SECTION.json` in the classroom and returns the latter."""
    dice, deserved = random.Random(seed), {}
    found = [read(path) for path in lessons(section)]
    width = len(str(students))
    for number in range(1, students + 1):
        student = f"student{number:0{width}}"
        folder = classroom / "submitted" / student / section
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        shutil.copyfile(COURSE / section / "hints.json", folder / "hints.json")
        deserved[student] = {}
        for lesson in found:
            notebook, marks = attempt(lesson, dice)
            nbformat.write(notebook, folder / lesson.notebook.name)
            deserved[student][lesson.path.stem] = marks
    (classroom / f"deserved-{section}.json").write_text(json.dumps(deserved, indent=1) + "\n", encoding="utf-8")
    return deserved
