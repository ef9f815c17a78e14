"""The course's detectors are the lesson's, and the worlds in which they are tried are what they say they are."""

import datetime

import numpy as np
import pandas as pd
import pytest
from daytwo import detect
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from grading.environment import SOLUTIONS
from grading.lesson.read import read

LESSON = read(SOLUTIONS / "04_monitoring" / "02_detect_drift.py")
dice = np.random.default_rng


def answers(name):
    """The lesson's answer to an exercise, and its alternatives."""
    exercise = LESSON.exercises[name]
    for cell in (exercise.answer, *exercise.alternatives):
        there = {"np": np, "pd": pd, "clone": clone, "roc_auc_score": roc_auc_score}
        exec(cell.source, there)
        yield there[name]


def test_psi_is_the_lessons():
    normal, wet = dice(0).normal(size=2_000), (dice(1).random(2_000) < 0.1).astype(float)
    holes = np.where(normal > 1, np.nan, normal)
    for pair in ((normal, normal + 0.3), (normal, 2 * normal), (holes, normal), (normal, holes), (wet, 1 - wet)):
        got = detect.psi(*pair)
        assert [f(*pair) for f in answers("psi")] == pytest.approx([got, got])
        assert got == pytest.approx(detect.psi(*(list(x) for x in pair)))


def test_psi_sees_more_wet_hours():
    dry, wet = (np.arange(1_000) < n for n in (80, 400))
    assert detect.psi(dry, wet) == pytest.approx(0.32 * np.log(0.4 / 0.08) - 0.32 * np.log(0.6 / 0.92))


def test_two_sample_is_the_lessons():
    pair = detect.two_worlds(30, 20, 1.0)
    got = detect.two_sample(*pair, LogisticRegression(), dice(5))
    assert next(answers("two_sample"))(*pair, LogisticRegression(), dice(5)) == pytest.approx(got)


def test_day_block_p_is_the_lessons():
    day, heat = detect.winter_heat()
    for current in (np.array([44]), np.arange(60, 90), np.arange(85)):
        ps = [f(day, heat, current, dice(1), 1_000) for f in (*answers("day_block_p"), detect.day_block_p)]
        assert np.ptp(ps) < 0.1
    assert detect.day_block_p(day, np.zeros(len(day)), np.arange(7), dice(0), 9) == 1
    assert detect.day_block_p(day, heat + 90 * (day > 59), np.arange(60, 90), dice(0), 9) == 0.1


def test_cusum_is_the_lessons():
    for seed in range(20):
        flights = detect.tape(np.repeat(dice(seed).normal(0, 0.2, 6), 10), 3)
        got = {detect.as_day(f(flights, 0.0)) for f in (*answers("cusum"), detect.cusum)}
        assert len(got) == 1


def test_heights_are_sums_that_never_fall_below_zero():
    rises, height, expected = dice(3).normal(0, 0.1, 200), 0.0, []
    for rise in rises:
        height = max(0.0, height + rise - 0.02)
        expected.append(height)
    np.testing.assert_allclose(detect.heights(rises), expected, atol=1e-12)
    np.testing.assert_allclose(detect.heights(np.vstack([-rises, rises]))[1], expected, atol=1e-12)


def test_day_means_draw_days_and_not_rows():
    days, values = np.repeat([1, 2], [1, 9]), np.repeat([0.0, 1.0], [1, 9])
    assert set(np.round(detect.day_means(values, days, dice(0), 200), 6)) == {0.0, 0.9, 1.0}
    assert detect.day_means(np.r_[values, np.nan], np.r_[days, 3], dice(0), 200).max() == 1  # no label, no day


def test_quiet_years_are_made_of_weeks():
    years = detect.quiet_years(np.arange(90), dice(0), weeks=5, years=50)
    assert years.shape == (50, 35) and years.min() >= 0 and years.max() <= 89
    assert (np.diff(years.reshape(50, 5, 7), axis=2) == 1).all()


def test_choices_of_days():
    days = np.arange(90)
    assert len(detect.one_day(days, dice(0))) == 1
    assert len(set(detect.scattered(days, dice(0)))) == 7
    weeks = [detect.neighbours(days, dice(i)) for i in range(500)]
    assert all((np.diff(week) == 1).all() for week in weeks)
    assert {int(week[0]) for week in weeks} >= {0, 83}


def test_false_alarms_of_whole_days_are_few_and_of_rows_many():
    def by_rows(days, values, current, *rest):
        return detect.day_block_p(np.arange(len(days)), values, np.flatnonzero(np.isin(days, current)), *rest)

    day, heat = detect.winter_heat()
    shares = [detect.false_alarms(test, day, heat, detect.one_day, dice(0)) for test in (detect.day_block_p, by_rows)]
    assert shares[0] < 0.12 < 0.25 < shares[1]


def test_winter_has_ninety_days_of_eight_hours():
    day, heat = detect.winter_heat()
    assert day.min() == 0 and day.max() == 89 and np.bincount(day).min() >= 6
    assert 10 < heat.min() < heat.max() < 75
    assert detect.jfk_hours().index.is_monotonic_increasing and detect.jfk_hours().notna().all(axis=None)


def test_worlds_differ_in_one_column_and_share_no_day():
    one, other = detect.two_worlds(300, 200, moved=2.0)
    assert len(one) == 7_200 and len(other) == 4_800 and list(one) == list(other)
    assert not set(one.index.floor("D")) & set(other.index.floor("D"))
    assert np.abs(other.mean() - one.mean() - [0, 0, 2]).max() < 0.4
    assert one.groupby(one.index.floor("D")).std().max(axis=None) < 0.25 < 0.8 < one.std().min()
    assert detect.two_worlds(3, 3, seed=1)[0].equals(detect.two_worlds(3, 3, seed=1)[0])


def test_a_tape_holds_what_it_is_told():
    flights = detect.tape([0.1, np.nan, 0.3], [2, 1, 3], late_by=10)
    days = flights.groupby(flights.sched_dep.dt.floor("D")).excess
    assert days.mean().tolist() == pytest.approx([0.1, np.nan, 0.3], nan_ok=True)
    assert days.size().tolist() == [2, 1, 3] and days.median().iloc[2] == pytest.approx(0.25)
    assert flights.known_at.isna().equals(flights.excess.isna())
    assert flights.sched_dep.nunique() == 6  # an hour apart
    wait = (flights.known_at - flights.sched_dep).dropna()
    assert (wait == pd.Timedelta(days=10, hours=3)).all() and not flights.sched_dep.is_monotonic_increasing


def test_a_day_is_read_however_it_is_said():
    for said in ("2013-06-13", datetime.date(2013, 6, 13), pd.Timestamp("2013-06-13"), np.datetime64("2013-06-13")):
        assert detect.as_day(said) == "2013-06-13"
    assert detect.as_day(pd.Timestamp("2013-06-12 20:00", tz="America/New_York")) == "2013-06-13"
    assert detect.as_day(None) is None and detect.as_day(pd.NaT) is None
