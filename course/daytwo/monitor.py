"""What the lesson on monitoring stands on: logs of requests, signs and rules, and the course's own answers.

A *log* has one row per flight for which `p_late` was asked, two hours before it was to depart:

- `asked`, `sched_dep`, `landed`: UTC; `landed` is when the label was heard, missing without one. `day`: New York's.
- `latency`: seconds until the answer, at most `PATIENCE`. `p_late`: missing where there was no answer by then.
- `temp`, `dewp` (°F), `humid` (%), `visib` (miles): the newest reading then; `age_h`: hours since that observation.
- `late`: 0 or 1, missing for flights cancelled or diverted; `cancelled`: True or False.
"""

from functools import cache
from typing import NamedTuple
from urllib.request import ProxyHandler, build_opener

import numpy as np
import pandas as pd

from . import faults
from .data import flights, weather
from .model import LEAD, PUBLISHED, STALE, features, predict, train
from .world import World

WARN = 0.3  # the desk warns the passengers of a flight when p_late is at least this
PATIENCE = 0.25  # seconds after which the desk no longer waits
STEP = pd.Timedelta("5min")
READING = ["temp", "dewp", "humid", "visib"]
NEW_YORK = "America/New_York"


class Burn(NamedTuple):
    """A rule: it fires when long and short window (in steps) both burn faster than `factor`."""

    long: int
    short: int
    factor: float


class Sign(NamedTuple):
    """What is bad, its layer, whether people feel it, the share of good events promised, and what to do."""

    bad: str
    layer: str
    symptom: bool
    promise: float | None
    runbook: str


class Alert(NamedTuple):
    """A sign whose rule fires at this time."""

    time: pd.Timestamp
    sign: str


RULES = (Burn(12, 1, 14.4), Burn(72, 6, 6))  # 1 h and 5 min; 6 h and 30 min
QUIET = pd.Timedelta("6h")
OWNERS = {
    "infrastructure": "platform team",
    "data": "data team",
    "model": "model team",
    "business": "airline desk",
}
SIGNS = {  # what breaks upstream shows downstream, so upstream stands first
    "slow": Sign(
        "answered after more than 0.05 s",
        "infrastructure",
        True,
        0.99,
        "take the slow replica out, if two others are well",
    ),
    "unanswered": Sign("no answer within 0.25 s", "infrastructure", True, 0.99, "ask another replica"),
    "silent": Sign("no new reading for two hours", "data", False, None, "call the feed's owner"),
    "stale": Sign("newest reading older than 3 hours", "data", False, 0.95, "find the delay in the feed"),
    "repeated": Sign("reading equals the one before", "data", False, 0.95, "restart the feed"),
    "bad_inputs": Sign("missing or impossible input", "data", False, 0.95, "quarantine the readings"),
    "label_conflict": Sign("label contradicts the minutes of delay", "data", False, 0.95, "hold the labels back"),
    "golden": Sign("known flight gets a new p_late", "model", False, 0.99, "roll back to the shipped artefact"),
    "cancelled": Sign("flight cancelled", "business", True, 0.95, "open the storm plan"),
}


# The logs


class September(NamedTuple):
    """Eleven days as they were heard, with `BROKEN` in them; times are UTC.

    `requests` is a log; `weather` has a row per reading (`available_time`, `origin`, `repeated`: whether it equals the
    one before), `arrivals` one per label (`available_time`, `conflict`: whether it contradicts the minutes), `golden`
    one per golden flight asked (`time`, `moved`: whether its `p_late` is no longer what it was when the model shipped).
    """

    requests: pd.DataFrame
    weather: pd.DataFrame
    arrivals: pd.DataFrame
    golden: pd.DataFrame


def _noon(day: int) -> dict:
    """From noon to midnight of a day of September 2013 in New York."""
    return {"start": f"2013-09-{day:02d} 16:00", "end": f"2013-09-{day + 1:02d} 04:00"}


BROKEN = {  # day of September: what breaks from noon to midnight
    3: faults.slow_replica(10, **_noon(3)),
    4: faults.null_burst("weather", "humid", **_noon(4)),
    5: faults.bad_artefact(**_noon(5)),
    6: faults.frozen_feed(**_noon(6)),
    7: faults.retyped_column("weather", "visib", to=lambda miles: f"{miles} miles", **_noon(7)),
    8: faults.flipped_labels(0.5, **_noon(8)),
    9: faults.late_events(1.0, "4h", "weather", **_noon(9)),
    10: faults.celsius(**_noon(10)),
}
STORY = {  # the same in words
    3: "one replica of three answers ten times slower",
    4: "humidity is missing",
    5: "a model with shuffled coefficients serves",
    6: "the weather feed repeats its last reading",
    7: 'visibility comes as text, such as "10 miles"',
    8: "half of the labels are turned round",
    9: "the weather comes four hours late",
    10: "temperature comes in °C instead of °F",
}
START, END = pd.Timestamp("2013-09-03 04:00", tz="UTC"), pd.Timestamp("2013-09-14 04:00", tz="UTC")


@cache
def _shipped():
    """The model of record, fitted on January to March, and the year's features."""
    table = flights()
    known, winter = features(table, weather()), table.month <= 3
    return train(known[winter], table.late[winter]), known


def year() -> pd.DataFrame:
    """The log of 2013. The year kept no latencies: drawn as `World.respond` does, one replica of three slow in
    `SLOW_WEEK`."""
    table, (model, known) = flights(), _shipped()
    log = table[["flight_id", "origin", "sched_dep", "late"]].assign(
        asked=table.sched_dep - LEAD,
        landed=table.arr.where(table.late.notna()),
        cancelled=table.dep.isna(),
        p_late=predict(model, known),
    )
    dice = np.random.default_rng(27)
    latency = 0.02 * dice.lognormal(0, 0.35, len(log))
    log = _local(_readings(log, weather().assign(available_time=lambda w: w.time_hour + PUBLISHED)))
    struck = log.day.between(*SLOW_WEEK).to_numpy() & (dice.random(len(log)) < 1 / 3)
    return _patient(log.assign(latency=np.where(struck, 10 * latency, latency)))


SLOW_WEEK = "2013-11-04", "2013-11-10"


def september() -> September:
    """The tape of `September`."""
    return September(*(frame.copy() for frame in _september()))


@cache
def _september() -> September:
    world = World(START, END, list(BROKEN.values()), seed=13)
    model, known = _shipped()
    heard = {"weather": [], "schedule": [], "departure": [], "arrival": []}
    waiting, requests, serving = [], [], []
    day, half = pd.Timedelta("1D"), pd.Timedelta("12h")
    for now in [*pd.date_range(START, END, freq=half), END + day]:
        for event in world.until(now):
            heard[event.kind].append(event.data | {"available_time": event.available_time})
            if event.kind == "schedule":
                waiting.append((event.data["sched_dep"] - LEAD, event.key))
        serving.append(world.artefact(model))
        requests += [(f, t, world.respond(f).latency_ms / 1000, len(serving) - 1) for t, f in waiting if t < now + half]
        waiting = [x for x in waiting if x[0] >= now + half]
    heard = {kind: pd.DataFrame(rows) for kind, rows in heard.items()}
    asked = pd.DataFrame(requests, columns=["flight_id", "asked", "latency", "half"])
    readings = heard["weather"].sort_values(["origin", "available_time"], kind="stable", ignore_index=True)
    readings[READING] = readings[READING].apply(pd.to_numeric, errors="coerce")  # text is no number: missing
    arrivals = heard["arrival"].rename(columns={"available_time": "landed"})
    log = asked.merge(heard["schedule"].drop(columns="available_time"), on="flight_id")
    log = log.merge(arrivals[["flight_id", "late", "landed"]], on="flight_id", how="left")
    log["cancelled"] = ~log.flight_id.isin(heard["departure"].flight_id)
    inputs = features(log, readings)
    for i, part in inputs.groupby(log.half):
        log.loc[part.index, "p_late"] = predict(serving[i], part)
    log = _local(_readings(log, readings)).sort_values("asked", kind="stable", ignore_index=True)

    fields = readings[["temp", "dewp", "wind_dir", "wind_speed", "pressure"]].astype(float).fillna(-1)
    repeated = (fields == fields.groupby(readings.origin).shift()).all(axis=1)
    conflict = (arrivals.arr_delay > 15) != (arrivals.late == 1)
    golden = known.iloc[:10]
    moved = [abs(predict(m, golden) - predict(model, golden)) > 0.01 for m in serving]
    probes = pd.date_range(START, END, freq=STEP, inclusive="left")
    return September(
        _patient(log),
        readings[["available_time", "origin"]].assign(repeated=repeated).sort_values("available_time"),
        pd.DataFrame({"available_time": arrivals.landed, "conflict": conflict}),
        pd.DataFrame(
            {
                "time": probes.repeat(len(golden)),
                "moved": np.concatenate([moved[i] for i in (probes - START) // half]),
            }
        ),
    )


def _readings(log: pd.DataFrame, readings: pd.DataFrame) -> pd.DataFrame:
    """The log with each flight's newest reading when it was asked; same order."""
    newest = pd.merge_asof(
        log.reset_index(drop=True).reset_index(names="row").sort_values("asked", kind="stable"),
        readings[["origin", "available_time", "time_hour", *READING]].sort_values("available_time", kind="stable"),
        left_on="asked",
        right_on="available_time",
        by="origin",
        tolerance=STALE,
    )
    newest = newest.sort_values("row", ignore_index=True)
    return newest.assign(age_h=(newest.asked - newest.time_hour) / pd.Timedelta("1h"))


def _local(log: pd.DataFrame) -> pd.DataFrame:
    return log.assign(day=log.sched_dep.dt.tz_convert(NEW_YORK).dt.tz_localize(None).dt.floor("D"))


def _patient(log: pd.DataFrame) -> pd.DataFrame:
    """No answer after `PATIENCE`."""
    log = log.assign(p_late=log.p_late.where(log.latency <= PATIENCE), latency=log.latency.clip(upper=PATIENCE))
    columns = ["asked", "latency", *READING, "age_h", "p_late", "late", "cancelled", "sched_dep", "landed", "day"]
    return log[columns]


def some(**columns) -> pd.DataFrame:
    """A log of good requests with these columns changed, as many as the longest list; short ones are repeated."""
    good = {
        "latency": 0.02,
        "temp": 70.0,
        "dewp": 50.0,
        "humid": 60.0,
        "visib": 10.0,
        "age_h": 1.5,
        "p_late": 0.1,
        "late": 0.0,
        "cancelled": False,
    }
    n = max([3] if not columns else [len(values) for values in columns.values()])
    log = pd.DataFrame({name: np.resize(columns.get(name, value), n) for name, value in good.items()})
    return log.astype({"cancelled": bool})


# Exercise 1: signs, and how a scrape sees them


def signs(requests: pd.DataFrame) -> pd.DataFrame:
    """Seven signs of a log: 1 where one is bad, 0 where it is good, missing where it cannot be judged."""
    r = requests
    warned, hurt = r.p_late >= WARN, r.cancelled | (r.late == 1)
    good = r.humid.between(0, 100) & r.visib.notna() & ~(r.dewp > r.temp)
    table = {
        "slow": r.latency > 0.05,
        "unanswered": r.p_late.isna(),
        "cancelled": r.cancelled,
        "bad_inputs": ~good,
        "stale": ~(r.age_h <= 3),
        "wrong": (warned != (r.late == 1)).where(r.late.notna() & r.p_late.notna()),
        "surprised": (hurt & ~warned).where(r.cancelled | r.late.notna()),
    }
    return pd.DataFrame(table).astype(float)


def tally(table: pd.DataFrame, *names: str) -> dict:
    """How many events of each sign are bad, of how many that could be judged: {"slow": "1 of 3", …}."""
    columns = {name: pd.to_numeric(table[name], errors="coerce") for name in names or table.columns}
    return {str(name): f"{int(column.sum())} of {int(column.count())}" for name, column in columns.items()}


def scrape(registry) -> dict:
    """What a Prometheus server would read now from a registry, over HTTP: {"bad_total slow": 3.0, …}."""
    from prometheus_client import start_http_server
    from prometheus_client.parser import text_string_to_metric_families

    server, thread = start_http_server(0, addr="127.0.0.1", registry=registry)
    server.daemon_threads = False  # closing waits for the request to end
    try:
        address = f"http://127.0.0.1:{server.server_port}/metrics"
        page = build_opener(ProxyHandler({})).open(address, timeout=20).read().decode()
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
    samples = [s for family in text_string_to_metric_families(page) for s in family.samples]
    return {" ".join([s.name, *s.labels.values()]): s.value for s in samples if not s.name.endswith("_created")}


# Exercise 2: burn rates


def burn(bad, total, n: int, objective: float = 0.99) -> pd.Series:
    """How fast the last `n` steps burn the budget, at each step; nothing is asked, nothing burns."""
    sums = pd.DataFrame({"bad": bad, "total": total}).rolling(n, min_periods=1).sum()
    return (sums.bad / sums.total).fillna(0) / (1 - objective)


def fires(bad, total, objective: float = 0.99, rules=RULES, least: int = 3) -> list[bool]:
    """Whether any of `rules` fires at each step, for counts of failed and of all requests."""
    fire = np.zeros(len(bad), dtype=bool)
    for rule in rules:
        long, short = (burn(bad, total, n, objective) > rule.factor for n in (rule.long, rule.short))
        enough = pd.Series(bad).rolling(rule.long, min_periods=1).sum() >= least
        fire |= (long.to_numpy() & short.to_numpy()) & enough.to_numpy()
    return fire.tolist()


def per_step(time: pd.Series, bad: pd.Series, start=None, end=None) -> pd.DataFrame:
    """`bad` and `total` events of each five minutes, indexed by their end; events not judged, or timeless, are out."""
    bad = pd.to_numeric(bad, errors="coerce").astype(float)
    known = bad.notna() & time.notna()
    ends = time[known].dt.floor(STEP) + STEP
    steps = pd.date_range(start or ends.min(), end or ends.max(), freq=STEP, name="until")
    table = bad[known].groupby(ends).agg(["sum", "count"]).reindex(steps, fill_value=0).astype(int)
    return table.set_axis(["bad", "total"], axis=1)


def steady(*parts) -> tuple[list, list]:
    """Counts of 1,000 requests a step: (how many steps, how many failed in each) one after the other."""
    failed = [n for steps, n in parts for _ in range(steps)]
    return failed, [1000] * len(failed)


def streaks(fires) -> list:
    """(first, last) step of each run of true values; None and NaN are not true."""
    fires = [bool(now) and now == now for now in fires]
    first = [i for i, now in enumerate(fires) if now and not (i and fires[i - 1])]
    last = [i for i, now in enumerate(fires) if now and not any(fires[i + 1 : i + 2])]
    return list(zip(first, last, strict=True))


# Exercise 3: incidents


def streams(tape: September, judged: pd.DataFrame) -> dict:
    """{sign: (when each event is known, whether it is bad)} of a tape; `judged` are the `signs` of its requests."""
    requests = tape.requests
    asked = ["slow", "unanswered", "stale", "bad_inputs"]
    return {name: (requests.asked, judged[name]) for name in asked} | {
        "repeated": (tape.weather.available_time, tape.weather.repeated),
        "label_conflict": (tape.arrivals.available_time, tape.arrivals.conflict),
        "golden": (tape.golden.time, tape.golden.moved),
        # An airline knows by the time of departure, and no label is needed.
        "cancelled": (requests.sched_dep, judged.cancelled),
    }


def absent(times, steps: pd.DatetimeIndex, patience) -> pd.DatetimeIndex:
    """The `steps` at which the newest of `times` is older than `patience`."""
    times = pd.DatetimeIndex(times).sort_values()
    newest = times[times.searchsorted(steps, side="right") - 1]
    return steps[steps - newest > pd.Timedelta(patience)]


@cache
def _alerts() -> tuple:
    tape, found = _september(), []
    for sign, (time, bad) in streams(tape, signs(tape.requests)).items():
        steps = per_step(time, bad)
        now = fires(steps.bad.tolist(), steps.total.tolist(), SIGNS[sign].promise)
        found += [Alert(time, sign) for time in steps.index[now]]
    steps = pd.date_range(START, END, freq=STEP)
    found += [Alert(time, "silent") for time in absent(tape.weather.available_time, steps, "2h")]
    return tuple(found[i] for i in np.random.default_rng(0).permutation(len(found)))


def alerts() -> list[Alert]:
    """All alerts of `september`, in no order."""
    return list(_alerts())


def told(*lines: str) -> list[Alert]:
    """Alerts of 20 June 2013, each told as "03:00 slow"; "27:00 slow" is 3:00 of the next day."""
    pairs = [line.split() for line in lines]
    return [Alert(pd.Timestamp("2013-06-20", tz="UTC") + pd.Timedelta(f"{clock}:00"), sign) for clock, sign in pairs]


def incidents(alerts, quiet=QUIET) -> list[dict]:
    """Alerts of one service, in any order, as incidents in order of time."""
    found = []
    for alert in sorted(alerts, key=lambda a: a.time):
        if found and alert.time - found[-1][-1].time <= quiet:
            found[-1].append(alert)
        else:
            found.append([alert])
    order, result = list(SIGNS), []
    for members in found:
        cause = SIGNS[min((a.sign for a in members), key=order.index)]
        result.append(
            {
                "start": members[0].time,
                "alerts": len(members),
                "severity": "page" if any(SIGNS[a.sign].symptom for a in members) else "ticket",
                "owner": OWNERS[cause.layer],
                "runbook": cause.runbook,
            }
        )
    return result


def brief(incidents, *keys: str) -> list:
    """A tuple of some keys of each incident, or of all five; of one key its value; times as "hour:minute"."""
    keys = keys or ("start", "alerts", "severity", "owner", "runbook")

    def text(value):
        return value.strftime("%H:%M") if hasattr(value, "strftime") else value

    incidents = incidents.to_dict("records") if isinstance(incidents, pd.DataFrame) else incidents
    rows = [tuple(text(incident[key]) for key in keys) for incident in incidents]
    return [row[0] for row in rows] if len(keys) == 1 else rows


# Exercise 4: performance without labels


def estimated_performance(p, threshold: float = WARN) -> tuple[float, float]:
    """(accuracy, recall) to expect of forecasts if they are calibrated; missing ones are left out."""
    p = np.asarray(p, dtype=float)
    p = p[~np.isnan(p)]
    called = p >= threshold
    return np.where(called, p, 1 - p).mean(), p[called].sum() / p.sum()
