"""The desk that the lesson on testing stands on: its tables, its mutants, and the course's answers held to the lesson's."""

import ast

import numpy as np
import pandas as pd
import pytest
from daytwo import desk, planted, suites

from grading.environment import SOLUTIONS
from grading.lesson.read import read

LESSON = read(SOLUTIONS / "01_pipelines" / "07_test_a_pipeline.py")


def code(*names):
    """The source of functions under test, as the lesson shows it."""
    text = "\n\n".join(cell.source for cell in LESSON.cells if cell.kind == "code")
    found = {getattr(node, "name", ""): ast.get_source_segment(text, node) for node in ast.parse(text).body}
    return "\n\n".join(found[name] for name in names)


def test_course_and_lesson_report_a_shadow_alike(built):
    dice = np.random.default_rng(5)
    log = pd.DataFrame({"day": dice.integers(0, 30, 900), "live": dice.random(900), "shadow": dice.random(900)})
    log["late"] = dice.integers(0, 2, 900).astype(float)
    for hole in (7, 11, 1000):
        log.loc[hole::hole, "late"] = log.loc[hole::hole, "shadow"] = np.nan
        for planned in (28, 31):
            assert built["shadow_report"](log, planned) == desk.shadow_report(log, planned)


@pytest.mark.parametrize("whose", ["course", "lesson"])
def test_good_tests_kill_every_mutant_of_the_features_and_pass_on_refactorings(built, whose):
    tests = {"TestFeatures": desk.TestFeatures if whose == "course" else built["TestFeatures"]}
    context = {"np": np, "pd": pd, "utc": desk.utc}
    found = suites.findings(
        tests, code("newest_reading", "features"), planted.FEATURES, planted.RIGHT_FEATURES, "features", context
    )
    assert found == ([], [], []) and found.words == "Mutation score: 15 of 15 mutants killed."


def test_good_tests_kill_every_mutant_of_the_pipeline_and_pass_on_refactorings(built):
    built["CUT"] = pd.Timestamp("2013-01-02", tz="UTC")
    tests = {"TestPipeline": built["TestPipeline"]}
    found = suites.findings(
        tests, code("pipeline"), planted.PIPELINE, planted.RIGHT_PIPELINE, "pipeline", {"np": np, "pd": pd}
    )
    assert found == ([], [], [])


def test_every_mutant_and_refactoring_of_the_model_fits_its_code():
    given = code("p_late")
    versions = [suites.patched(given, (old, new)) for _, old, new in planted.BEHAVIOUR]
    versions += [suites.patched(given, *edits) for edits in planted.RIGHT_BEHAVIOUR.values()]
    for version in versions:
        compile(version, "p_late", "exec")
    assert len({given, *versions}) == len(versions) + 1


def test_lines_that_run_are_counted():
    def half(x):
        if x:
            return 1
        return 2

    assert desk.lines_run(lambda: half(True), half) == (2, 3)
    assert desk.lines_run(lambda: (half(True), half(False)), half) == (3, 3)


def test_looking_every_night_misleads_more_often_than_looking_once():
    last, any_night = desk.false_alarms([0.1, -0.2, 0.3, 0.05] * 5)
    assert 0.03 < last < 0.09 and any_night > 3 * last


def test_a_table_for_a_test_has_the_types_of_the_years():
    messages = desk.inbox((1, 8, "2013-01-01 13:00", None, None))
    assert str(messages.arr.dtype) == str(desk.board(("JFK", "2013-01-01 13:00")).sched_dep.dtype)
    assert str(desk.sky(("JFK", "2013-01-01", 70, None)).precip.dtype) == "float64"
    assert desk.log_loss([1, 0], [1.0, 1.0]) == pytest.approx(-np.log(1e-4) / 2, rel=1e-3)
