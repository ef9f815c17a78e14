"""A class to practise on: students drawn from a section's own answers, alternatives, mistakes and blanks.

What every student deserves is known, so that a grader can be proved, timed and shown without anyone's real work.
"""

import json
import random
import shutil

from grading.box import sandbox
from grading.environment import ROOT
from grading.lesson.read import lessons, read
from grading.rehearsal.submissions import ROWS, Paper

CLASSROOM = ROOT / "classroom"
ODD = 0.4  # of the students, when accidents are asked for
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


def attempt(lesson, dice, row=None, hand=""):
    """The `Paper` of one student: every exercise as it was drawn, and a row of the catalogue done to it.

    `hand` is a comment at the end of every answer: no two people write the same, and nothing comes from the cache.
    """

    def choose(exercise):
        _, source, share = draw(exercise, dice)
        return (f"{source.rstrip()}\n{hand}\n" if source and hand else source), share

    paper = Paper(lesson, dice, choose, victim=dice.choice(list(lesson.exercises)))
    if row:
        ROWS[row](paper)
    return paper


def simulate(section, students, seed, classroom=CLASSROOM, accidents=False):
    """Hand in for a class; writes `submitted/` and `deserved-SECTION.json` in the classroom and returns the latter.

    With `accidents`, two students in five do something of the catalogue: `accidents-SECTION.json` says who and what.
    """
    dice, deserved, odd = random.Random(seed), {}, {}
    found = [read(path) for path in lessons(section)]
    boxed = not sandbox.possible()  # without one, some would do their harm
    rows = [name for name, make in ROWS.items() if not make.slow and (boxed or not make.box)]
    width = len(str(students))
    for number in range(1, students + 1):
        student = f"student{number:0{width}}"
        folder = classroom / "submitted" / student / section
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        deserved[student] = {}
        row = dice.choice(rows) if accidents and dice.random() < ODD else None
        odd |= {student: row} if row else {}
        for lesson in found:
            paper = attempt(lesson, dice, row, f"# {student}")
            for name, data in paper.files.items():
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                (folder / name).write_bytes(data)
            deserved[student][lesson.path.stem] = paper.deserved
    texts = {"deserved": deserved, "accidents": odd} if accidents else {"deserved": deserved}
    for name, value in texts.items():
        (classroom / f"{name}-{section}.json").write_text(json.dumps(value, indent=1) + "\n", encoding="utf-8")
    return deserved
