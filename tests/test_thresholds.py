"""The course's alarms say what the lesson's answers say, and its tapes and comparisons are what they say."""

import numpy as np
import pandas as pd
import pytest
from daytwo import flights, thresholds

from grading.environment import SOLUTIONS
from grading.lesson.read import read

LESSON = read(SOLUTIONS / "04_monitoring" / "04_set_alert_thresholds.py")


@pytest.fixture(scope="module")
def tape():
    return thresholds.evenings()


@pytest.fixture(scope="module")
def hourly():
    return thresholds.hours()


def test_the_lesson_and_the_course_choose_and_confirm_alike(built):
    dice = np.random.default_rng(1)
    for _ in range(40):
        values, bad = dice.integers(0, 12, 40).astype(float), dice.random(40) < 0.3
        values[dice.random(40) < 0.1] = np.nan
        prices = dice.integers(1, 9, 2).tolist()
        assert built["best_threshold"](values, bad, *prices) == thresholds.best_threshold(values, bad, *prices)
        looks, n = dice.choice([1, 0, np.nan], 30), int(dice.integers(1, 8))
        k = int(dice.integers(1, n + 1))
        assert built["k_of_n"](looks, k, n).tolist() == thresholds.k_of_n(looks, k, n).tolist()


def test_the_lesson_and_the_course_know_the_same_hours_and_shares(built, hourly):
    pd.testing.assert_series_equal(built["seasonal_baseline"](hourly, 0.3), thresholds.seasonal_baseline(hourly, 0.3))
    for share in ((0.02, 0.9, 0.95), (0.25, 0.6, 0.9, 3)):
        assert built["ppv"](*share) == thresholds.ppv(*share)


def test_the_examples_in_the_text_hold():
    assert thresholds.best_threshold([2, 4, 9, 15], [False, True, False, True]) == 4
    assert thresholds.k_of_n([0, 1, 1, 0, 0], 2, 3).tolist() == [False, False, True, True, False]
    levels = thresholds.seasonal_baseline(thresholds.weekly([10, 20, 40, 0]), 0.5)
    assert np.isnan(levels.iloc[0]) and levels.iloc[1:].tolist() == [10, 15, 27.5]
    assert thresholds.ppv(0.5, 0.8, 0.8) == pytest.approx(0.8)
    assert thresholds.ppv(0.02, 0.9, 0.95) == pytest.approx(0.27, abs=0.005)


def test_an_evening_is_what_the_flights_say(tape):
    day, year = tape.loc["2013-12-14"], flights()
    scheduled = year.sched_dep.dt.tz_convert("America/New_York").dt.tz_localize(None)
    left = year.dep.dt.tz_convert("America/New_York").dt.tz_localize(None)
    clock = {h: pd.Timestamp("2013-12-14") + pd.Timedelta(hours=h) for h in (14, 16, 17, 24)}
    took_off = year[(left >= clock[14]) & (left < clock[16])]
    due = (scheduled >= clock[14]) & (scheduled < clock[16])
    evening = (scheduled >= clock[17]) & (scheduled < clock[24])
    assert day.delay == pytest.approx(took_off.dep_delay.mean())
    assert day.waiting == pytest.approx(1 - (left[due] < clock[16]).mean())
    assert day.cancelled == pytest.approx(year.dep[evening].isna().mean()) and day.bad
    assert len(tape) == 365 and not tape.isna().any().any()


def test_an_hour_with_few_flights_is_missing(hourly):
    assert hourly.index.is_monotonic_increasing and str(hourly.index.tz) == "UTC"
    sizes = flights().dep.dt.floor("h").value_counts()
    assert hourly.isna().equals((sizes.reindex(hourly.index) < 10).rename("delay"))


def test_prices_count_and_an_interval_contains_the_mean():
    bad = np.arange(20) < 4
    table = thresholds.prices({"never": np.zeros(20, bool), "always": np.ones(20, bool), "right": bad}, bad)
    assert table[["false", "missed", "cost"]].to_numpy().tolist() == [[0, 4, 1.6], [16, 0, 0.8], [0, 0, 0]]
    assert (table.low <= table.cost).all() and (table.cost <= table.high).all()
    assert table.loc["right", ["low", "high"]].tolist() == [0, 0]


def test_shuffling_keeps_each_hours_values_and_moves_only_the_rows_asked_for():
    table = pd.DataFrame(np.arange(40.0).reshape(20, 2), columns=[5, 6])
    rows = np.arange(20) < 15
    found = thresholds.shuffled(table, rows, np.random.default_rng(1))
    assert found[~rows].equals(table[~rows]) and not found.equals(table)
    assert all(sorted(found[c]) == sorted(table[c]) for c in table)
    assert table.equals(pd.DataFrame(np.arange(40.0).reshape(20, 2), columns=[5, 6]))  # the original is untouched


def test_no_page_reaches_into_the_next_day():
    table = pd.DataFrame([[0, 0, 9], [9, 0, 0], [9, np.nan, 9]], index=[1, 2, 3], columns=[5, 6, 7])
    assert thresholds.days_paged(table, 9, 2, 3, thresholds.k_of_n).tolist() == [False, False, True]
    assert thresholds.days_paged(table, 9, 1, 1, lambda looks, k, n: (looks == 1).astype(int).tolist()).all()


def test_limits_are_the_lowest_that_keep_false_days_at_what_was_asked():
    values, bad = np.array([1.0, 2, 3, 4, 5, 6]), np.array([False, True, False, True, False, False])
    for false, limit in ((1, 6), (2, 4), (3, 2), (4, 1)):
        found, paged = thresholds.at_equal_false(lambda t: values >= t, [*values, np.nan], bad, false)
        assert (found, paged.tolist()) == (limit, (values >= limit).tolist())


def test_the_first_ring_is_the_first_hour_at_or_above_the_limit(tape, hourly):
    limit, first = thresholds.first_rings(hourly, tape, 24, until=16)
    assert ((first >= 5) & (first < 16) | first.isna()).all()
    assert (first.notna() & ~tape.bad).sum() <= 24
    local = hourly.tz_convert("America/New_York")
    day = first.dropna().index[0]
    hours = local[day : day + pd.Timedelta("15h")]
    assert hours[(hours.index.hour >= 5) & (hours >= limit)].index[0].hour == first[day]


def test_marks_on_alarms_alone_never_lower_a_threshold_that_is_too_high(tape):
    used = {marks: thresholds.retuned(tape, 46.3, thresholds.best_threshold, marks) for marks in (True, False)}
    assert used[True].iloc[-1] == pytest.approx(13.7, abs=0.1)
    assert (used[False] == 46.3).all()


def test_winters_choice_is_uncertain(tape):
    winter = tape[tape.index.month <= 3]
    low, high = thresholds.choice_interval(thresholds.best_threshold, winter, np.random.default_rng(2), draws=100)
    assert low <= thresholds.best_threshold(winter.delay, winter.bad) <= high
    assert high - low > 3
