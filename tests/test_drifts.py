"""The course's measures of drift say what the lesson's answers say, and its made-up flights are what they are called."""

import numpy as np
import pandas as pd
import pytest
from daytwo import drifts
from sklearn.calibration import calibration_curve

from grading.environment import SOLUTIONS
from grading.lesson.read import read

LESSON = read(SOLUTIONS / "04_monitoring" / "01_tell_drifts_apart.py")


def some_flights(dice, n=3_000):
    p = dice.beta(1.5, 4, n)
    late = np.where(dice.random(n) < 0.1, np.nan, dice.random(n) < 0.1 + 0.5 * p)
    return late, p


def test_the_lesson_and_the_course_measure_alike(built):
    dice = np.random.default_rng(1)
    for _ in range(5):
        late, p = some_flights(dice)
        assert built["calibration"](late, p, 7) == drifts.calibration(late, p, 7)
        slices, days = pd.Series(dice.integers(0, 5, len(p))), pd.Series(dice.integers(0, 30, len(p)))
        tables = [
            f(slices, pd.Series(p - late), days) for f in (built["performance_by_slice"], drifts.performance_by_slice)
        ]
        pd.testing.assert_frame_equal(*tables)
        found = [f(p, 0.4) for f in (built["prior_shift"], drifts.prior_shift)]
        assert found[0][0] == found[1][0] and (found[0][1] == found[1][1]).all()
    for signals in drifts.weeks(dice, 3)[drifts.SIGNALS].to_numpy().tolist():
        assert built["diagnose"](*signals) == drifts.diagnose(*signals)


def test_calibration_is_scikit_learns_in_equally_full_bins():
    late, p = some_flights(np.random.default_rng(2))
    known = ~np.isnan(late)
    came, said = calibration_curve(late[known], p[known], n_bins=10, strategy="quantile")
    assert drifts.calibration(late, p)[0] == pytest.approx(np.abs(said - came).mean(), rel=0.02)
    told, share = drifts.reliability(late[known], p[known])
    assert (told, share) == (pytest.approx(said, abs=0.01), pytest.approx(came, abs=0.01))


def test_the_error_by_days_is_what_drawing_whole_days_gives():
    dice = np.random.default_rng(3)
    days = pd.Series(dice.integers(0, 60, 2_000))
    errors = pd.Series(dice.normal(size=2_000)) + days.map(dict(enumerate(dice.normal(size=60))))
    se = drifts.performance_by_slice(pd.Series(["all"] * 2_000), errors, days).se["all"]
    sums, sizes = errors.groupby(days).sum().to_numpy(), days.value_counts().sort_index().to_numpy()
    drawn = dice.multinomial(60, np.full(60, 1 / 60), 2_000)
    assert se == pytest.approx((drawn @ sums / (drawn @ sizes)).std(), rel=0.1)
    assert se > 3 * errors.sem()


def test_a_prior_shift_is_found_and_leaves_no_misfit():
    dice = np.random.default_rng(4)
    calm, shifted = (drifts.week(kind, dice, 20_000) for kind in ("nothing", "prior shift"))
    share, adjusted = drifts.prior_shift(shifted.p_late.to_numpy(), calm.late.mean())
    assert share == pytest.approx(shifted.late.mean(), abs=0.02) and adjusted.mean() == pytest.approx(share)
    assert drifts.misfit(shifted.p_late, share, calm) < 0.015
    assert drifts.misfit(shifted.p_late, share / 2, calm) > 0.05


def test_one_factor_puts_the_mean_right():
    p = np.array([0.1, 0.2, 0.6, 0.99])
    factor, right = drifts.levelled(p, 0.3)
    assert right.mean() == pytest.approx(0.3)
    assert right / (1 - right) == pytest.approx(factor * p / (1 - p), rel=1e-4)


def test_told_flights_are_as_many_and_as_late_as_told():
    late, p = drifts.told((10, 3, 0.1), (20, None, 0.5))
    low = p < 0.2
    assert (low.sum(), late[low].sum(), p[low].mean()) == (10, 3, pytest.approx(0.1))
    assert np.isnan(late[~low]).all() and (~low).sum() == 20 and len(set(p)) == 30
    assert p.tolist() != sorted(p)


def test_few_flights_have_unknown_errors_and_a_day_without_any():
    few = drifts.few_flights()
    assert len(few) == 14 and few.error.isna().sum() == 3
    assert few.groupby(["carrier", "day"]).error.count().eq(0).sum() == 2


@pytest.mark.parametrize("seed", range(3))
def test_every_kind_of_week_shows_in_its_own_signal(seed):
    cases = drifts.weeks(np.random.default_rng(seed), 6)
    assert cases.kind.value_counts().to_dict() == dict.fromkeys(drifts.KINDS, 6)
    assert drifts.named_right(drifts.diagnose, cases) == 1
    assert drifts.named_right(lambda *signals: "nothing", cases) == 0
    assert (cases.broken > 0).eq(cases.kind == "pipeline bug").all()


def test_signals_tell_missing_and_impossible_values():
    week = drifts.week("nothing", np.random.default_rng(5))
    broken = week.assign(a=week.a.mask(week.index < 200, np.nan), b=week.b.mask(week.index < 500, 99.0))
    assert drifts.signals(week, week, drifts.LIMITS)["broken"] == 0
    assert drifts.signals(week, broken, drifts.LIMITS)["broken"] == pytest.approx(0.25)
