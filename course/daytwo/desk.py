"""The desk of the lesson on testing: small tables for tests, and the course's versions of what its learner builds."""

import sys

import numpy as np
import pandas as pd

WARN = 0.3  # the desk warns passengers from this probability on


def utc(times):
    """Times in one unit and zone; a time without a zone is UTC."""
    return pd.to_datetime(times, utc=True).astype("datetime64[us, UTC]")


def board(*rows):
    """Flights from rows (origin, sched_dep), times in UTC; labelled 0, 1, 2, …"""
    made = pd.DataFrame(list(rows), columns=["origin", "sched_dep"]).astype({"origin": "str"})
    return made.assign(sched_dep=utc(made.sched_dep))


def sky(*rows):
    """Readings from rows (origin, time_hour in UTC, humid in %, precip in inches); None if missing."""
    made = pd.DataFrame(list(rows), columns=["origin", "time_hour", "humid", "precip"]).astype({"origin": "str"})
    return made.assign(time_hour=utc(made.time_hour), humid=made.humid.astype(float), precip=made.precip.astype(float))


def inbox(*rows):
    """Messages from rows (flight_id, hour, sched_dep, arr, late), UTC; the last two None if cancelled."""
    made = pd.DataFrame(list(rows), columns=["flight_id", "hour", "sched_dep", "arr", "late"])
    return made.assign(sched_dep=utc(made.sched_dep), arr=utc(made.arr), late=made.late.astype(float))


def log_loss(late, p):
    """-ln of the probability that p gave to what happened, in nats, averaged over flights."""
    p, late = np.clip(np.asarray(p, float), 1e-4, 1 - 1e-4), np.asarray(late)
    return float(np.mean(-np.log(np.where(late == 1, p, 1 - p))))


def lines_run(call, *functions):
    """(how many lines of `functions` run while `call()` does, how many they have): line coverage."""
    parts, ran, before = [f.__code__ for f in functions], set(), sys.gettrace()

    def watch(frame, event, _):
        if frame.f_code in parts and event == "line":
            ran.add((frame.f_code, frame.f_lineno))
        return watch

    sys.settrace(watch)
    try:
        call()
    finally:
        sys.settrace(before)
    there = {(c, line) for c in parts for *_, line in c.co_lines() if line and line > c.co_firstlineno}
    return len(there & ran), len(there)


class TestFeatures:
    """The course's tests of `features`: every rule, at its edge."""

    def test_calendar(self, features):
        """New York's hour and weekday in summer, after midnight UTC, and in winter; labels and order are kept."""
        flights = board(("JFK", "2013-07-02 02:30"), ("JFK", "2013-07-01 16:00"), ("JFK", "2013-01-06 16:00"))
        table = features(flights.set_axis(["a", "b", "c"]), sky())
        assert list(table.index) == ["a", "b", "c"]
        assert list(table.hour) == [22, 12, 11]
        assert list(table.weekday) == [0, 0, 6]

    def test_weather(self, features):
        """The newest reading that was out, of the right airport, six hours old at most; unknown is 60 % and dry."""
        readings = sky(
            ("JFK", "2013-07-01 13:00", 70, 0.0),  # out at 14:00, the moment of the answer
            ("LGA", "2013-07-01 07:00", 80, 0.1),  # out at 08:00, six hours before
            ("LGA", "2013-07-01 13:01", 90, 0.0),  # out at 14:01, too late
            ("EWR", "2013-07-01 07:29", 95, 0.2),  # out at 08:29, a minute too old
        )
        flights = board(("EWR", "2013-07-01 16:30"), ("JFK", "2013-07-01 16:00"), ("LGA", "2013-07-01 16:00"))
        table = features(flights, readings)
        assert list(table.humid) == [60, 70, 80]
        assert list(table.wet) == [0, 0, 1]


def shadow_report(log, planned=28):
    """How a shadow compares with live, from a table with `day`, `live`, `shadow` and `late`; a dict of five."""
    both = log.dropna(subset="shadow")
    landed = both.dropna(subset="late")
    right = {name: landed[name].where(landed.late == 1, 1 - landed[name]) for name in ("live", "shadow")}
    days = np.log(right["shadow"] / right["live"]).groupby(landed.day).mean()
    gain, error = days.mean(), days.std() / np.sqrt(len(days))
    silent, changed = log.shadow.isna().mean(), ((both.live >= WARN) != (both.shadow >= WARN)).mean()
    decided = "promote" if gain > 2 * error else "keep"
    advice = "mend" if silent > 0.01 else "wait" if len(days) < planned else decided
    return {"silent": silent, "changed": changed, "gain": gain, "error": error, "advice": advice}


def false_alarms(gains, nights=28, first=5, months=4_000, seed=1):
    """Of `months` of a shadow that is as good as live, the shares that leave ± 2 standard errors: on the last night, on
    any night from the `first` on. A night's gain is one of `gains`, up or down as a coin falls."""
    dice = np.random.default_rng(seed)
    drawn = dice.choice(np.abs(np.asarray(gains, float)), (months, nights)) * dice.choice([-1, 1], (months, nights))
    n = np.arange(1, nights + 1)
    mean = drawn.cumsum(axis=1) / n
    spread = np.sqrt(np.maximum((drawn**2).cumsum(axis=1) - n * mean**2, 0) / np.maximum(n - 1, 1))
    out = np.abs(mean) > 2 * spread / np.sqrt(n)
    return float(out[:, -1].mean()), float(out[:, first - 1 :].any(axis=1).mean())
