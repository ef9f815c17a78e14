"""What a lesson may not do: exercises stand alone, and nothing that is kept from students is given away."""

from grading.lesson import names
from grading.lesson import source as src
from grading.lesson.format import LessonError

MISTAKES, ALTERNATIVES = 3, 1  # every exercise has at least so many


def sound(path, exercise):
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
    hinted, seen = src.thoughts(check.source), dict(src.facts(src.visible(check.source)))
    for sentence, line in src.facts(check.source):
        if sentence in seen and sentence not in hinted:
            raise LessonError(
                path,
                check.line + line - 1,
                "a visible fact has its hint in the comment right above it: the next thought of whoever fails it",
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


def independent(path, lesson):
    """Exercises stand alone: no cell but an exercise's own names what its answer defines; no expectation does."""
    owner = {n: e.name for e in lesson.exercises.values() for n in names.defined(e.answer.source)}
    for cell in lesson.cells:
        if cell.kind in ("prose", "say"):
            continue
        own = set(names.defined(cell.source)) if cell.kind != "code" else set()
        for name, line in names.used(cell.source):
            if owner.get(name, cell.name) != cell.name and name not in own:
                what = "a common cell" if cell.kind == "code" else f"{cell.kind} {cell.name!r}"
                raise LessonError(
                    path,
                    cell.line + line - 1,
                    f"{what} uses {name!r} of the exercise {owner[name]!r}; hand it a ready-made value, "
                    "so that one blank breaks nothing else",
                )
        if cell.kind == "check":
            for name, line in names.used_in_expectations(cell.source):
                if owner.get(name) == cell.name:
                    raise LessonError(
                        path,
                        cell.line + line - 1,
                        f"an expectation names the answer {name!r}; write the value, or compute it in another way "
                        "between ### BEGIN EXPECTED and ### END EXPECTED",
                    )


def secret(path, lesson):
    """What is drawn for a class and what hidden facts expect is nowhere but where it is kept from students."""
    for cell in lesson.cells:
        if cell.kind not in ("code", "check"):
            continue
        shown = src.region("HIDDEN TESTS").sub(_lines, cell.source)
        for line in names.seeded(shown):
            raise LessonError(
                path,
                cell.line + line - 1,
                "class_seed is known to hidden facts only: draw this between ### BEGIN HIDDEN TESTS and "
                "### END HIDDEN TESTS; elsewhere every answer would fail under a class's own seed",
            )
        for name, line in names.given_away(cell.source) if cell.kind == "check" else ():
            raise LessonError(
                path,
                cell.line + line - 1,
                f"{name!r} says what a hidden fact expects, and is computed where a student's code runs; "
                "put what only expectations need between ### BEGIN EXPECTED and ### END EXPECTED",
            )


def shown_whole(path, lesson):
    """What a learner's check reads is not in the part that is cut out of it."""
    common = {name for cell in lesson.cells if cell.kind in ("code", "answer") for name in names.bound(cell.source)}
    for exercise in lesson.exercises.values():
        check, shown = exercise.check, src.region("HIDDEN TESTS").sub(_lines, exercise.check.source)
        cut = names.bound(src.hidden(check.source)) - names.bound(shown) - common
        for name, line in names.used(shown):
            if name in cut:
                raise LessonError(
                    path,
                    check.line + line - 1,
                    f"{name!r} is read here, where learners see it, and defined in the hidden part only; "
                    "define it above ### BEGIN HIDDEN TESTS",
                )


def _lines(found):
    return "\n" * found[0].count("\n")


def facts_once(path, lesson):
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
