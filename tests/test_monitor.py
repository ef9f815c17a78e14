"""The fixtures of the lesson on monitoring, and the course's answers held to those of the lesson."""

import numpy as np
import pandas as pd
import pytest
from daytwo import monitor
from prometheus_client import CollectorRegistry, Counter

from grading.environment import SOLUTIONS
from grading.lesson.read import read


@pytest.fixture(scope="module")
def answers():
    """The lesson's answers, by name."""
    lesson = read(SOLUTIONS / "04_monitoring" / "03_monitor_a_system.py")
    space = {"np": np, "pd": pd} | {
        name: getattr(monitor, name) for name in ("WARN", "RULES", "QUIET", "SIGNS", "OWNERS")
    }
    for exercise in lesson.exercises.values():
        exec(exercise.answer.source, space)
    return {name: space[name] for name in lesson.exercises}


def test_course_and_lesson_judge_alike(answers):
    log = monitor.september().requests
    pd.testing.assert_frame_equal(answers["signs"](log).astype(float), monitor.signs(log))
    assert monitor.tally(answers["signs"](log)) == monitor.tally(monitor.signs(log))


def test_course_and_lesson_fire_alike(answers):
    dice = np.random.default_rng(7)
    total = dice.integers(0, 60, 2000) * (dice.random(2000) < 0.8)
    bad = dice.binomial(total, np.repeat(dice.choice([0, 0.005, 0.02, 0.2], 40), 50))
    for least in (1, 3):
        course = monitor.fires(bad, total, 0.98, least=least)
        assert course == answers["fires"](bad, total, 0.98, least=least)
        assert {True, False} == set(course)


def test_course_and_lesson_fold_alike(answers):
    for quiet in ("30min", "6h"):
        quiet = pd.Timedelta(quiet)
        assert monitor.incidents(monitor.alerts(), quiet) == answers["incidents"](monitor.alerts(), quiet)


def test_course_and_lesson_estimate_alike(answers):
    p = np.where(np.arange(900) % 7 == 0, np.nan, np.random.default_rng(3).random(900))
    assert monitor.estimated_performance(p) == answers["estimated_performance"](p)


def test_every_fault_of_september_is_one_incident_of_its_owner():
    found = monitor.incidents(monitor.alerts())
    days = [incident["start"].tz_convert(monitor.NEW_YORK).day for incident in found]
    assert days == [*monitor.BROKEN, 12]  # and a real storm
    layers = ["platform", "data", "model", "data", "data", "data", "data", "data"]
    assert [incident["owner"] for incident in found] == [*(f"{layer} team" for layer in layers), "airline desk"]
    assert [days[i] for i, incident in enumerate(found) if incident["severity"] == "page"] == [3, 12]


def test_september_is_handed_out_afresh():
    log = monitor.september().requests
    log["p_late"] = 0.0
    assert monitor.september().requests.p_late.nunique() > 1000
    monitor.alerts().clear()
    assert monitor.alerts()


def test_the_year_has_a_row_per_flight_and_one_slow_week():
    year = monitor.year()
    assert len(year) == 336_776
    slow = (year.latency > 0.05).groupby(year.day).mean()
    assert slow[monitor.SLOW_WEEK[0] : monitor.SLOW_WEEK[1]].min() > 0.25
    assert slow.drop(slow[monitor.SLOW_WEEK[0] : monitor.SLOW_WEEK[1]].index).max() < 0.05
    assert year.p_late.isna().equals(year.latency == monitor.PATIENCE)
    assert not (year.cancelled & year.late.notna()).any()


def test_steps_count_each_event_once_and_leave_out_what_nobody_judged():
    time = pd.Series(
        pd.to_datetime(["2013-01-01 00:00", "2013-01-01 00:04", "2013-01-01 00:05", "2013-01-01 00:14", None], utc=True)
    )
    steps = monitor.per_step(time, pd.Series([1, 0, None, 1, 1], dtype=object))
    assert steps.index.strftime("%H:%M").tolist() == ["00:05", "00:10", "00:15"]
    assert (steps.bad.tolist(), steps.total.tolist()) == ([1, 0, 1], [2, 0, 1])


def test_silence_is_what_is_older_than_patience():
    steps = pd.date_range("2013-01-01 00:00", periods=8, freq="h", tz="UTC")
    assert monitor.absent(steps[[0, 1, 6]], steps, "2h").hour.tolist() == [4, 5]
    assert not len(monitor.absent(steps, steps, "2h"))


def test_a_log_of_good_requests_is_good():
    assert set(monitor.tally(monitor.signs(monitor.some())).values()) == {"0 of 3"}
    assert len(monitor.some(late=[0, 1], humid=[1, 2, 3, 4])) == 4


def test_any_way_to_say_missing_is_tallied():
    table = pd.DataFrame(
        {"a": [True, None, False], "b": pd.array([True, pd.NA, True], dtype="boolean"), "c": [1, np.nan, 0]}
    )
    assert monitor.tally(table) == {"a": "1 of 2", "b": "2 of 2", "c": "1 of 2"}


def test_a_scrape_reads_what_was_counted():
    registry = CollectorRegistry()
    Counter("bad", "Counted here", ["sign"], registry=registry).labels("slow").inc(3)
    assert monitor.scrape(registry) == {"bad_total slow": 3.0}


def test_stories_are_told_briefly():
    assert monitor.steady((2, 0), (1, 7)) == ([0, 0, 7], [1000] * 3)
    assert monitor.streaks([True, None, float("nan"), 1, np.True_, False]) == [(0, 0), (3, 4)]
    assert monitor.streaks([False]) == []
    alerts = monitor.told("03:00 stale", "04:00 cancelled", "30:00 slow")
    assert monitor.brief(monitor.incidents(alerts), "severity", "start") == [("page", "03:00"), ("page", "06:00")]
    assert monitor.brief(monitor.incidents(alerts))[0] == (
        "03:00",
        2,
        "page",
        "data team",
        "find the delay in the feed",
    )


def test_every_fault_is_told_in_words():
    assert list(monitor.STORY) == list(monitor.BROKEN)
