"""What an author gets back: refusals that say where and what to do, fresh files, and nothing given away."""

import json
import re
import shutil
import subprocess
import sys

import nbformat
import pytest

from grading import environment
from grading.checks import hints
from grading.engine import trusted
from grading.lesson import budgets, build, names, prove, rules, scaffold, source
from grading.lesson.format import LessonError
from grading.lesson.read import lessons, read

ALL = [pytest.param(path, id=path.stem) for path in lessons()]
GOOD = scaffold.TEMPLATE.format(title="Try")
GOOD = re.sub(
    r"# %%\nimport matplotlib.*?(?=# %% \[markdown\]\n# ## Exercise)",
    "# %%\nfrom grading import check\n\n",
    GOOD,
    flags=re.S,
)


HOME = environment.ROOT


@pytest.fixture
def house(tmp_path, monkeypatch):
    """An empty course of one section; a function that writes its lesson and gives the path."""
    monkeypatch.setattr(environment, "SOLUTIONS", tmp_path / "solutions")
    monkeypatch.setattr(environment, "COURSE", tmp_path / "course")
    monkeypatch.setattr(environment, "ROOT", tmp_path)
    shutil.copy(HOME / "nbgrader_config.py", tmp_path)
    folder = tmp_path / "solutions" / "01_try"
    folder.mkdir(parents=True)

    def write(text):
        path = folder / "01_it.py"
        path.write_text(text, encoding="utf-8")
        return path

    return write


def complaint(path):
    """Everything that reading and proving a lesson complains about."""
    try:
        lesson = read(path)
        return "\n".join(map(str, prove.faults(lesson, prove.proofs(lesson))))
    except LessonError as error:
        return str(error)


def test_the_scaffold_is_sound(house):
    assert complaint(house(GOOD)) == ""


PAGE = (environment.SOLUTIONS / "README.md").read_text(encoding="utf-8")  # an example of each kind of exercise
OPENING, *EXAMPLES = re.findall(r"^```python\n(.*?)^```", PAGE, re.S | re.M)


@pytest.mark.parametrize("example", [pytest.param(e, id=re.search(r'="(\w+)"', e)[1]) for e in EXAMPLES])
def test_every_example_of_the_authors_page_holds(house, monkeypatch, example):
    monkeypatch.setattr(rules, "MISTAKES", 0)
    monkeypatch.setattr(rules, "ALTERNATIVES", 0)
    assert complaint(house(OPENING + "\n" + example)) == ""


CHECK = '# %% check="share_late" points=1\n'
REFUSED = {
    "unknown marker": (lambda s: s.replace('# %% mistake="share_late"', '# %% mistaken="share_late"', 1), "unknown marker mistaken"),
    "two answers of one name": (lambda s: s + '\n# %% answer="share_late"\n### BEGIN SOLUTION\nx = 1\n### END SOLUTION\n', "already an answer"),
    "a check for nothing": (lambda s: s + '\n# %% check="nothing" points=1\ncheck("A", 1, 1)\n', "no answer of that name"),
    "no points": (lambda s: s.replace(" points=1", ""), "points=N"),
    "no solution": (lambda s: s.replace("    ### BEGIN SOLUTION\n", "", 1).replace("    ### END SOLUTION\n", "", 1), "BEGIN SOLUTION"),
    "a check without facts": (lambda s: re.sub(r'check\("(Half|A flight|One).*\n', "pass\n", s), "states no fact"),
    "a fact in a loop": (lambda s: s.replace(CHECK, CHECK + 'for x in [1]:\n    check("Again", x, 1)\n'), "outside loops"),
    "a fact twice": (lambda s: s.replace("A flight 15 minutes late still counts as on time", "One flight in five"), "stated twice"),
    "a mistake without a hint": (lambda s: s.replace("# Divide by the number of flights: a share lies between 0 and 1.\n", ""), "opens with its hint"),
    "a mistake that passes": (lambda s: s.replace("# -  / len(delays)\n# +\n", "# - delay > 15\n# + not delay <= 15\n"), "this mistake passes"),
    "mistakes that look the same": (lambda s: s.replace("+ delay >= 15", "+ delay >= 0").replace("+ delay > 0", "+ delay >= 0"), "look the same"),
    "a mistake that only a hidden fact sees": (lambda s: s.replace("# -  / len(delays)\n# +\n", "# - len(delays)\n# + min(4, len(delays))\n"), "only a hidden fact sees this mistake"),
    "a visible fact without its hint": (lambda s: s.replace("# Count only delays above 15 minutes, not 15 itself.\n", ""), "has its hint in the comment right above it"),
    "too many mistakes": (lambda s: s + "".join(f'\n# %% mistake="share_late"\n# Never mind {n}.\n# - delay > 15\n# + delay > {n}\n' for n in (20, 21, 22, 41)), "7 mistakes, at most 6"),
    "a long text": (lambda s: s.replace("# - a case that matters", "# - " + "and so on " * 50), "words of one exercise's text, at most 120"),
    "a common cell that calls an answer": (lambda s: s.replace("# %% [markdown]\n# ## The answer", "# %%\nshare_late([1])\n\n# %% [markdown]\n# ## The answer"), "a common cell uses 'share_late'"),
    "an expectation that names the answer": (lambda s: s.replace("40]), 0.5)", "40]), share_late([1, 20]))"), "an expectation names the answer"),
    "an expectation that changes what is reported": (
        lambda s: s.replace(CHECK, CHECK + "import random\nrandom.seed(1)\n").replace("share_late([0, 10, 20, 40]), 0.5)", 'share_late([0, 10, 20, 40]), 0.5 + 0 * random.random())\n# Draw.\ncheck("Drawn", share_late([random.choice([0, 30]), 30]) + random.random() / 1e3, 1, tolerance=1)'),
        "changes when expectations are left out",
    ),
    "a wrong answer": (lambda s: s.replace("20, 40]), 0.5)", "20, 40]), 0.75)"), "this answer of 'share_late' fails"),
    "not Python": (lambda s: s.replace("    late = [delay", "    late = = [delay"), "not Python"),
    "a broken common cell": (lambda s: s.replace("from grading import check", "from grading import check\n1 / 0"), "a common cell raised ZeroDivisionError"),
    "a class's data in a common cell": (lambda s: s.replace("from grading import check", "from grading import check, class_seed\nflights = class_seed('a')"), "class_seed is known to hidden facts only"),
    "a class's data in a visible fact": (lambda s: s.replace(CHECK, CHECK + 'from grading import class_seed as drawn\n# Draw.\ncheck("Drawn", share_late([drawn("a"), 0]), 0.5)\n'), "class_seed is known to hidden facts only"),
    "an expectation computed where answers run": (lambda s: s.replace("### BEGIN HIDDEN TESTS\n", '### BEGIN HIDDEN TESTS\nwanted = 2 / 4\ncheck("Two", share_late([0, 0, 20, 20]), wanted + 0)\n'), "'wanted' says what a hidden fact expects"),
    "an expectation made of what an answer is given": (lambda s: s.replace("### BEGIN HIDDEN TESTS\n", '### BEGIN HIDDEN TESTS\nlate = [20]\ncheck("Late", [x for x in late + [1] if share_late([x])], late)\n'), "'late' says what a hidden fact expects"),
    "a marker misspelt": (lambda s: s.replace("HIDDEN TESTS", "HIDDEN TEST"), "'### BEGIN HIDDEN TEST' is no marker"),
    "a marker with one #": (lambda s: s.replace("### BEGIN HIDDEN", "# BEGIN HIDDEN"), "is no marker"),
    "a part without its beginning": (lambda s: s.replace("### BEGIN HIDDEN TESTS\n", ""), "END HIDDEN TESTS has no partner"),
    "a part without its end": (lambda s: s.replace("### END HIDDEN TESTS\n", ""), "BEGIN HIDDEN TESTS has no ### END HIDDEN TESTS"),
    "a part in itself": (lambda s: s.replace("### BEGIN HIDDEN TESTS\n", "### BEGIN HIDDEN TESTS\n### BEGIN HIDDEN TESTS\n"), "has no partner"),
    "a question without its marker": (lambda s: s.replace("# ### BEGIN SOLUTION\n", "").replace("# ### END SOLUTION\n", "#\n"), "say q0 needs its solution"),
    "a visible fact that needs the hidden part": (
        lambda s: s.replace("### BEGIN HIDDEN TESTS\n", "### BEGIN HIDDEN TESTS\nimport math\n").replace("### END HIDDEN TESTS\n", '### END HIDDEN TESTS\n# More.\ncheck("More", share_late([math.inf, 0]), 0.5)\n'),
        "'math' is read here, where learners see it",
    ),
    "a mistake without an import": (lambda s: s.replace("# -  / len(delays)\n# +\n", "# - sum(\n# + math.fsum(\n"), "lacks a name"),
    "a check that breaks by itself": (lambda s: s.replace(CHECK, CHECK + "limit = nowhere + 1\n"), "raised NameError"),
    "too few mistakes": (lambda s: re.sub(r'# %% mistake.*?(?=# %% mis)', "", s, count=1, flags=re.S), "write at least 3"),
}  # fmt: skip


WHOLE = "# - delay > 15\n# + delay >= 15\n"
CHANGES = {
    "a part of a line": ("# - delay > 15\n# + delay >= 15", "delay >= 15 for"),
    "a whole line": ("# - return sum(delay > 15 for delay in delays) / len(delays)\n# + return sum(delay >= 15 for delay in delays) / len(delays)", "delay >= 15 for"),
    "a line more": ("# - return sum(delay > 15 for delay in delays) / len(delays)\n# + late = [delay >= 15 for delay in delays]\n# + return sum(late) / len(delays)", "    late = [delay >= 15"),
    "a part less": ("# -  / len(delays)\n# +", "for delay in delays)\n"),
}  # fmt: skip


@pytest.mark.parametrize("lines, words", CHANGES.values(), ids=CHANGES)
def test_a_mistake_may_say_only_what_differs_from_the_answer(house, lines, words):
    exercise = read(house(GOOD.replace(WHOLE, lines + "\n", 1))).exercises["share_late"]
    hints = [mistake.hint for mistake in exercise.mistakes]
    at = hints.index("Count only delays above 15 minutes, not 15 itself: that is how the label is defined.")
    assert words in exercise.mistakes[at].source and "SOLUTION" not in exercise.mistakes[at].source


UNFIT = {
    "what is not there": ("# - delay > 16\n# + delay >= 15", "'delay > 16' is not there in the answer"),
    "what is there twice": ("# - delays\n# + flights", "there 4 times"),
    "nothing taken away": ("# + delay >= 15", "below the hint stand only the changes"),
    "something beside": ("# - delay > 15\n# + delay >= 15\n# as it were", "below the hint stand only the changes"),
    "no Python": ("# - return sum\n# + return return sum", "cannot be made of the answer"),
}


@pytest.mark.parametrize("lines, words", UNFIT.values(), ids=UNFIT)
def test_changes_that_do_not_fit_the_answer_are_refused(house, lines, words):
    said = complaint(house(GOOD.replace(WHOLE, lines + "\n", 1)))
    assert words in said and re.search(r"solutions/01_try/01_it\.py:\d+: ", said)


@pytest.mark.parametrize("mend, words", REFUSED.values(), ids=REFUSED)
def test_an_unsound_lesson_is_refused_with_file_line_and_what_to_do(house, mend, words):
    changed = mend(GOOD)
    assert changed != GOOD
    said = complaint(house(changed))
    assert words in said and re.search(r"solutions/01_try/01_it\.py:\d+: ", said)


def test_what_hidden_facts_need_may_stand_where_nobody_reads_it(house):
    hidden = """### BEGIN HIDDEN TESTS
drawn = [class_seed("a") % 50, 0]
### BEGIN EXPECTED
wanted = sum(x > 15 for x in drawn) / 2
### END EXPECTED
check("Drawn", share_late(drawn), wanted)
"""
    text = GOOD.replace("### BEGIN HIDDEN TESTS\n", hidden).replace("import check", "import check, class_seed")
    assert complaint(house(text)) == ""


TWO = """
# %% answer="{name}"
def {name}():
    ### BEGIN SOLUTION
    return {value}
    ### END SOLUTION

# %% check="{name}" points=1
limit = {value}
# Return the limit.
check("It is {value}", {name}(), satisfies("is the limit", lambda x: x == limit))
"""


def test_a_judge_finds_the_names_of_its_own_check_whatever_later_checks_call_so(house, monkeypatch):
    monkeypatch.setattr(rules, "MISTAKES", 0)
    monkeypatch.setattr(rules, "ALTERNATIVES", 0)
    opening = "# %%\nfrom grading import check, satisfies\n"
    lesson = read(house(opening + TWO.format(name="one", value=1) + TWO.format(name="two", value=2)))
    expected = trusted.learn(lesson)
    assert expected["one"][0][2].holds(1) and expected["two"][0][2].holds(2) and not expected["one"][0][2].holds(2)


CALLS = """@contextmanager
def room():
    yield 1
numbers = [1, 2]
def twice(x):
    return 2 * double(x)
def half(x):
    return x / 2
found = twice(1)
later = [3]
check("It doubles", double(1), 2)
"""


def test_what_a_check_shares_among_answers_depends_on_none_of_them():
    shared, own = names.parted(CALLS, ["def double(x):\n    return x + x"])
    assert "@contextmanager\ndef room" in shared and "numbers" in shared and "def half" in shared
    assert "def twice" in own and "found" in own and "later" in own and "def room" not in own
    assert names.parted("numbers = [1]\n" + CALLS, ["def double(x):\n    return numbers"])[0].strip() == ""
    assert names.parted("f = globals()['double']\n", ["def double(x): pass"])[0].strip() == ""


def test_a_mistake_is_heard_until_its_first_broken_fact(house):
    slow = """# - return sum(delay > 15 for delay in delays) / len(delays)
# + if len(delays) == 5:
# +     raise SystemExit("heard for too long")
# + return sum(delay >= 15 for delay in delays) / len(delays)
"""
    slow = GOOD.replace(WHOLE, slow)
    assert slow != GOOD
    assert complaint(house(slow)) == ""


def test_what_has_not_changed_is_not_proved_again(house, monkeypatch, tmp_path):
    monkeypatch.setattr(prove, "KEPT", tmp_path / "proofs")
    lesson = read(house(GOOD))
    first = prove.proofs(lesson)
    monkeypatch.setattr(source, "stripped", lambda check: 1 / 0)  # nothing runs without it
    assert prove.proofs(lesson) == first | {"took": None}
    with pytest.raises(LessonError):
        prove.proofs(read(house(GOOD.replace("[0, 10, 20, 40]", "[0, 10, 30, 40]"))))


def test_one_changed_number_names_exactly_what_is_stale_and_build_mends_it(house):
    lesson = read(house(GOOD))
    result = prove.proofs(lesson)
    build.build(lesson, result)
    assert build.stale(lesson, result) == []
    lesson = read(house(GOOD.replace("share_late([-5, 0, 3, 14, 90]), 0.2", "share_late([-5, 0, 90]), 1 / 3")))
    result = prove.proofs(lesson)
    assert build.stale(lesson, result) == [
        (lesson.notebook, "cells check-share-late")
    ]  # a hidden fact: the release stays
    lesson = read(house(GOOD.replace("[0, 10, 20, 40]", "[0, 10, 30, 40]").replace("+ delay > 0", "+ delay > 9")))
    result = prove.proofs(lesson)
    names = {path.name for path, _ in build.stale(lesson, result)}
    assert names == {"01_it.ipynb"} and len(build.stale(lesson, result)) == 2
    build.build(lesson, result)
    assert build.stale(lesson, result) == []


def test_building_twice_gives_the_same_bytes(house):
    lesson = read(house(GOOD))
    build.build(lesson)
    files = [lesson.notebook, lesson.release, build.shelf(lesson)]
    first = [f.read_bytes() for f in files]
    build.build(lesson)
    assert [f.read_bytes() for f in files] == first


@pytest.mark.parametrize("path", ALL)
def test_the_course_gives_nothing_away(path):
    lesson = read(path)
    text = lesson.release.read_text(encoding="utf-8")
    assert not re.search("BEGIN (SOLUTION|HIDDEN TESTS)|END (SOLUTION|HIDDEN TESTS)", text)
    released = {c.id: c for c in nbformat.reads(text, as_version=4).cells}
    assert not any(c.get("outputs") for c in released.values())
    known = json.loads(build.shelf(lesson).read_text(encoding="utf-8"))["exercises"]
    for exercise in lesson.exercises.values():
        blank = released[f"answer-{exercise.name}".replace("_", "-")].source
        assert "raise NotImplementedError()" in blank and len(blank) < len(exercise.answer.source)
        hidden = {f for f, _ in source.facts(exercise.check.source)} - set(known[exercise.name]["facts"])
        assert hidden and not any(
            f"{fact}" in c.source for fact in hidden for c in released.values() if c.cell_type == "code"
        )
        assert not hidden & {h["fact"] for h in known[exercise.name]["hints"]} and not hidden & {
            *known[exercise.name]["next"]
        }
        seen = released[f"check-{exercise.name}".replace("_", "-")].source
        assert not any(thought in seen for thought in source.thoughts(exercise.check.source).values())


@pytest.mark.parametrize("path", ALL)
def test_no_solved_notebook_has_lost_its_outputs(path):
    cells = nbformat.read(read(path).notebook, as_version=4).cells
    assert all(c.execution_count for c in cells if c.cell_type == "code")
    assert any(c.outputs for c in cells if c.cell_type == "code")


def test_a_blank_course_fails_under_nbval(tmp_path):
    folder = shutil.copytree(
        environment.COURSE, tmp_path / "course", ignore=shutil.ignore_patterns("daytwo", "0[1-5]_*")
    )
    command = [sys.executable, "-m", "pytest", "--nbval", "--nbval-cell-timeout=120", "-q", "-p", "no:cacheprovider"]
    run = subprocess.run([*command, "00_start_here.ipynb"], cwd=folder, capture_output=True, text=True)
    assert run.returncode == 1 and "1 failed" in run.stdout


def test_a_section_copied_alone_still_runs_and_checks(tmp_path):
    lesson = read(environment.SOLUTIONS / "04_monitoring" / "02_detect_drift.py")
    folder = shutil.copytree(lesson.release.parent, tmp_path / "somewhere" / "else")
    notebook = nbformat.read(folder / lesson.release.name, as_version=4)
    for cell in notebook.cells:
        if cell.id == "answer-psi":
            cell.source = lesson.exercises["psi"].mistakes[2].source
    notebook.cells = notebook.cells[: [c.id for c in notebook.cells].index("check-psi") + 1]
    build.NotebookClient(notebook, resources={"metadata": {"path": str(folder)}}).execute()
    assert lesson.exercises["psi"].mistakes[2].hint in str(notebook.cells[-1].outputs)


def test_a_mistake_that_gives_what_anyone_might_is_told_the_facts_own_thought(house):
    lesson = read(house(GOOD.replace("# -  / len(delays)\n# +\n", "# - return sum(\n# + sum(\n")))
    result = prove.proofs(lesson)
    assert prove.faults(lesson, result) == []
    page = build.page(lesson, result)["exercises"]["share_late"]
    said = "Return the share of delays above 15 minutes, a number from 0 to 1."
    assert hints.find_hint(page["hints"], page["next"], page["facts"][0], None) == said
    assert hints.find_hint(page["hints"], page["next"], page["facts"][1], 1).startswith("Count only delays above 15")


def test_budgets_name_file_and_line():
    lesson = read(environment.SOLUTIONS / "00_start_here.py")
    assert budgets.exceeded(lesson) == []
    assert all(budget in budgets.AT_MOST for budget, *_ in budgets.measures(lesson))
    assert all(
        budget in budgets.AT_MOST and most > budgets.AT_MOST[budget] and why
        for (_, budget), (most, why) in budgets.BEYOND.items()
    )
