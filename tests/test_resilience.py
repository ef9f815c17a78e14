"""What breaks and what survives: the course's versions and the lesson's answers do the same in every scene."""

import json
import os

import numpy as np
import pandas as pd
import pytest
from daytwo import crash, flights, registry, resilience
from daytwo.crash import climb, drive, rung

from grading.environment import SOLUTIONS
from grading.lesson.read import read

LESSON = SOLUTIONS / "01_pipelines" / "06_survive_failures.py"
ONE = {"model": "1", "features": "miles", "threshold": "0.3"}
TWO = {"model": "2", "features": "km", "threshold": "0.2"}
TUNED = TWO | {"threshold": "0.25"}
MADE = "model 2, km, 0.2; replaces 1"
ALONE = "model 1, miles, 0.3; replaces nothing"


def the_lesson_s(name):
    """The lesson's answer of this name."""
    space = {"json": json, "os": os, "np": np, "registry": registry, "Refused": resilience.Refused}
    exec(read(LESSON).exercises[name].answer.source, space)
    return space[name]


def both(name):
    """The course's version and the lesson's."""
    return pytest.mark.parametrize(
        name,
        [
            pytest.param(lambda: getattr(resilience, name), id="course"),
            pytest.param(lambda: the_lesson_s(name), id="lesson"),
        ],
    )


@both("CircuitBreaker")
def test_a_breaker_opens_tries_again_and_closes(CircuitBreaker):
    make = CircuitBreaker()
    assert drive(make(), down=range(7)) == "5 failed, 2 refused"
    assert drive(make(), down=range(5), ok=[100, 303.9, 304, 305]) == "5 failed, 2 refused, 2 ok"
    assert drive(make(), slow=[0, 1, 2, 3, 4, 304], ok=[600, 604]) == "6 failed, 1 refused, 1 ok"
    assert drive(make(), bad=range(9), stop=[9], ok=[10]) == "9 bad, 1 stopped, 1 ok"
    assert drive(make(60, 2, 0.75, 30), down=[0, 1], ok=[20, 40]) == "2 failed, 1 refused, 1 ok"


def test_breakers_agree_on_a_year_of_calls():
    dice = np.random.default_rng(5)
    seconds = np.cumsum(dice.choice([1, 20, 60, 100, 200, 300], 2_000))
    moods = dice.choice(["ok", "down", "slow", "bad"], 2_000, p=[0.55, 0.2, 0.15, 0.1])
    calls = {str(mood): seconds[moods == mood] for mood in np.unique(moods)}
    told = drive(resilience.CircuitBreaker(), **calls)
    assert told == drive(the_lesson_s("CircuitBreaker")(), **calls) and "refused" in told


def test_what_is_odd_about_a_breaker_is_told():
    class Eager:
        def call(self, now, ask):
            for _ in range(2):
                try:
                    ask()
                except ConnectionError as error:
                    kept = error
            raise kept

    class Mute:
        def call(self, now, ask):
            return None

    assert drive(Eager(), down=[0]) == "1 failed, asked 2 times"
    assert drive(Mute(), ok=[0]) == "1 got None, asked 0 times"


@both("answer")
def test_the_first_rung_that_fits_and_gives_a_probability_answers(answer):
    slow = rung("model", TimeoutError, 150, 150), rung("previous", 0.5, 150, 150), rung("rates", 0.4, 1, 10)
    assert climb(answer(), *slow) == (("rates", 0.4, True), "model 150 ms, rates 1 ms")
    for strange in (None, float("nan"), 1.7, -0.1, "n/a", KeyError):
        assert climb(answer(), rung("model", strange), rung("previous", 0.25))[0] == ("previous", 0.25, False)
    assert climb(answer(), rung("model", OSError)) == (("constant", 0.25, False), "model 20 ms")
    assert climb(answer(), rung("model", KeyboardInterrupt), rung("previous", 0.25)) == ("stopped", "model 20 ms")


@both("Releases")
def test_a_release_is_promoted_whole_and_goes_back_one_step(Releases):
    told = crash.story(Releases(), ONE, TWO, TWO, TUNED, 3, 3, 2, 1, {"model": "2"}, TUNED, 4)
    assert told[:4] == [ALONE, MADE, MADE, "model 2, km, 0.25; replaces 2"]
    assert told[4:7] == [MADE, MADE, ALONE]
    assert told[7:9] == [f"LookupError; {ALONE}", f"ValueError; {ALONE}"]
    assert told[9:] == ["model 2, km, 0.25; replaces 1", ALONE]
    assert crash.busy(Releases(), ONE, TWO) == MADE
    assert crash.killed_scene(Releases(), ONE, TWO) == ([ALONE], [MADE])
    assert crash.killed_scene(Releases(), ONE, TWO, 2) == ([MADE], [ALONE])


def test_a_locked_database_fails_once_and_says_so_as_mlflow_does():
    with registry.new() as client:
        locked = crash.Busy(client)
        with pytest.raises(registry.mlflow.MlflowException, match="locked") as error:
            registry.champion(locked)
        assert error.value.error_code == "TEMPORARILY_UNAVAILABLE"
        assert registry.champion(locked) is None


@both("resume")
def test_a_job_goes_on_where_it_was(resume):
    assert crash.nights(resume(), "abc", "abc", "axc") == [
        ({"all": "abc"}, "abc"),
        ({"all": "abc"}, ""),
        ({"all": "axc"}, "axc"),
    ]
    assert crash.nights(resume(), "ab?d", "ab?d") == [("ZeroDivisionError", "ab?"), ("ZeroDivisionError", "?")]
    assert crash.kill_job(resume(), "aba") == ([{"all": "aba"}], "one step repeated at most")
    assert crash.spoil_job(resume(), "ab") == [{"all": "ab"}]


def test_a_job_that_saves_in_place_is_found_out():
    def in_place(items, step, path):
        done, state = json.loads(path.read_text()) if path.exists() and path.read_text() else (0, {})
        for item in items[done:]:
            state, done = step(state, item), done + 1
            path.write_text(json.dumps([done, state]))
        return state

    assert crash.kill_job(in_place, "aba")[1] == "3 steps repeated"
    assert crash.spoil_job(in_place, "ab") == [{"all": "ab"}, "JSONDecodeError"]


def test_a_blank_says_so_in_every_scene():
    class Blank:
        def __init__(self, *_):
            pass

        def call(self, *_):
            raise NotImplementedError()

        promote = roll_back = call

    def blank(*_):
        raise NotImplementedError()

    for scene in (
        lambda: drive(Blank(), ok=[0]),
        lambda: climb(blank, rung("model", 0.5)),
        lambda: crash.story(Blank, ONE),
        lambda: crash.nights(blank, "a"),
    ):
        with pytest.raises(NotImplementedError):
            scene()


def test_the_year_knows_what_the_lesson_tells():
    year = flights()
    day = year[(year.month == 12) & (year.day == 17)]
    asked = day.sched_dep.dt.tz_convert("America/New_York") - pd.Timedelta("2h")
    hurts = (day.dep.isna() | (day.late == 1))[asked.dt.hour.between(12, 15)]
    assert (len(hurts), int(hurts.sum())) == (255, 212)
