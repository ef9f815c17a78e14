"""The course's checks of answers say what the lesson's answers say, and its labels are about what was recorded."""

import hashlib

import numpy as np
import pandas as pd
import pytest
from daytwo import answers, grounding, runbooks
from scipy.spatial.distance import jensenshannon
from sklearn.metrics import cohen_kappa_score

from grading.environment import SOLUTIONS
from grading.lesson.read import read

LESSON = read(SOLUTIONS / "04_monitoring" / "05_watch_a_language_model.py")
READ, TEXTS = answers(), runbooks().set_index("id").text.to_dict()
PAIRS = [(row.question, row.answer, TEXTS[row.document]) for row in READ.itertuples()]


def test_the_lesson_and_the_course_say_the_same_of_every_recorded_answer(built):
    for question, answer, document in PAIRS:
        assert built["unsupported"](answer, document) == grounding.unsupported(answer, document)
        assert built["relevant"](question, answer) is grounding.relevant(question, answer)


def test_the_lesson_and_the_course_measure_judges_and_choose_alike(built):
    dice = np.random.default_rng(1)
    for _ in range(20):
        judge, labels = dice.random(60) < 0.6, dice.random(60) < 0.5
        assert built["kappa"](judge, labels) == grounding.kappa(judge.tolist(), labels.tolist())
        assert built["kappa"](judge, labels) == pytest.approx(cohen_kappa_score(judge, labels))
        p, seed = dice.random(30).tolist(), int(dice.integers(1_000))
        chosen = [
            f(p, 12, 5, np.random.default_rng(seed)) for f in (built["sample_for_review"], grounding.sample_for_review)
        ]
        assert chosen[0] == chosen[1]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Hawaiian (HA) flew 1,342 flights.", {("HA", "name"), ("1342", "flights")}),
        ("12.6%, or 12.6 %, or 12.6 percent.", {("12.6", "%")}),
        ("B6 and 9E, but not N725MQ.", {("B6", "name"), ("9E", "name")}),
        ("Ask us as we HAVE 2 nights.", {("2", "nights")}),
        ("Flights 7, miles 8.", {("7", ""), ("8", "")}),  # a unit stands behind its number, never before it
        ("Gate 8,9 at 06:05, in 8-9 nights.", {("8", ""), ("9", ""), ("06", ""), ("05", ""), ("9", "nights")}),
        (grounding.SILENT, set()),
    ],
)
def test_claims_are_numbers_with_units_and_names(text, found):
    assert grounding.claims(text) == found


def test_the_labels_of_relevance_are_about_the_answers_that_were_read():
    said = "".join(f"{row.id}{row.question}{row.answer}" for row in READ.itertuples())
    assert hashlib.sha256(said.encode()).hexdigest()[:12] == "be3808070e33"  # other answers? read them again
    assert set(grounding.UNANSWERED) <= set(READ.id)
    idle = READ.id.isin(grounding.UNANSWERED)
    assert (idle & READ.grounded).sum() == 9
    assert not READ.answer[idle].eq(grounding.SILENT).any()


def test_a_group_of_judged_answers_is_what_it_says():
    judge, labels = grounding.judged((True, 1, 2), (False, 0, 1))
    assert (judge, labels) == ([True, False, False], [True, True, False])


def test_weeks_are_told_in_plain_numbers_and_count_each_draw():
    drawn, unsure = grounding.weeks(grounding.sample_for_review, 1)[0]
    assert len(drawn) == 5 and len(unsure) == 4 and {type(i) for i in drawn + unsure} == {int}

    def the_first(p, budget, at_random, rng):
        return range(at_random), []

    assert grounding.drawn_least_and_most(the_first, 10) == [0, 10]


def test_equal_draws_tells_who_decides():
    def by_chance(seed):
        own = np.random.default_rng(seed)
        return lambda p, budget, at_random, rng: (own.permutation(len(p))[:at_random], [])

    assert grounding.equal_draws(grounding.sample_for_review) == [True, False]
    assert grounding.equal_draws(by_chance(1)) == [False, False]
    assert grounding.equal_draws(lambda p, budget, at_random, rng: (range(at_random), [])) == [True, True]


def test_drift_is_scipys_distance_and_shuffles_whole_documents():
    table = {"document": [*"abbc"], "month": [1, 1, 1, 2], "question": ["Fog?", "late fog", "fog", "Late gate"]}
    seen, shuffled = grounding.drift(pd.DataFrame(table), np.random.default_rng(1), 99)
    fog_late_gate = [([3, 1, 0], [0, 1, 1]), ([1, 1, 1], [2, 1, 0]), ([2, 2, 1], [1, 0, 0])]  # c, b or a is alone
    by_hand = [jensenshannon(p, q, base=2) for p, q in fog_late_gate]
    assert seen == pytest.approx(by_hand[0])
    assert {round(d, 9) for d in shuffled} == {round(d, 9) for d in by_hand}


def test_an_interval_draws_whole_documents():
    """Two documents, one all grounded and one not at all: nothing between the halves is ever drawn."""
    rows = READ.iloc[:8].assign(document=["a"] * 4 + ["b"] * 4, grounded=[True] * 4 + [False] * 4)
    shares = set()
    low, high = grounding.interval(
        rows, lambda some: shares.add(s := some.grounded.mean()) or s, np.random.default_rng(1)
    )
    assert shares == {0, 0.5, 1} and (low, high) == (0, 1)


def test_a_table_of_judges_has_a_row_for_each():
    table = grounding.compare({"no": [False] * 77, "people": READ.grounded}, READ, grounding.kappa)
    assert table.loc["no"].tolist() == ["0.56", "0.00 [0.00, 0.00]"]
    assert table.loc["people", "kappa"].startswith("1.00")
