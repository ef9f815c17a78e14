"""A small feature store: who answers for a feature, what was known of it at a moment, and a table to serve it from.

A *log* is a frame with one row per value ever written: the entity's column, `event_time` (the moment the value is
about), `available_time` (when it could first be known, never earlier) and one column per feature. A *table* is a dict
{entity: {"event_time", "available_time", feature, …}} with the newest row of each. All times are UTC timestamps.

Of two rows about one entity the later `event_time` counts; of two with that, the later `available_time`, a correction.
A row lives for `view.ttl` after its `event_time`, both ends included. The lesson 03_features/01_build_a_feature_store
has `register`, `get_historical`, `materialise` and `get_online` built; what stands below them is for its checks.
"""

import contextlib
from numbers import Number
from typing import NamedTuple

import numpy as np
import pandas as pd

from .data import flights
from .model import _utc

ENTITIES = frozenset({"origin", "dest", "carrier", "tailnum", "flight_id"})  # what the rows of a view may be about
TIMES = ["event_time", "available_time"]


class View(NamedTuple):
    """What a group of features is about: {column: type}, who answers for it, and how long a value may be used."""

    name: str
    entity: str
    features: dict[str, str]
    owner: str
    ttl: pd.Timedelta


WEATHER = View("airport_weather", "origin", {"humid": "float"}, "weather desk", pd.Timedelta("7h"))
DELAY = View("airport_delay", "origin", {"delay": "float"}, "operations", pd.Timedelta("6h"))


def delay_log() -> pd.DataFrame:
    """The log of `DELAY`: mean departure delay (minutes) of the flights scheduled in an hour, by airport.

    `event_time` is the end of that hour; `available_time` when the last of them has left, cancelled ones not counted.
    """
    left = flights().dropna(subset=["dep"])
    ends = left.sched_dep.dt.floor("h") + pd.Timedelta("1h")
    by_hour = left.groupby(["origin", ends.rename("event_time")])
    log = by_hour.agg(delay=("dep_delay", "mean"), available_time=("dep", "max")).reset_index()
    return log.assign(available_time=log[TIMES].max(axis=1))  # some hours leave early


def register(registry: dict, view: View) -> int:
    """The version (1, 2, …) under which `view` now stands in `registry`, a dict {(name, version): View}.

    A view equal to the newest version of its name is not put there again. ValueError for an entity that is not known;
    PermissionError names the owner of the name, who alone may change it; the registry is then as it was.
    """
    if view.entity not in ENTITIES:
        raise ValueError(f"entity {view.entity!r} is not one of {', '.join(sorted(ENTITIES))}.")
    newest = max((version for name, version in registry if name == view.name), default=0)
    present = registry.get((view.name, newest), view)
    if view.owner != present.owner:
        raise PermissionError(f"{view.name} belongs to {present.owner}.")
    if newest and view == present:
        return newest
    registry[view.name, newest + 1] = view._replace(features=dict(view.features))
    return newest + 1


def get_historical(asked: pd.DataFrame, log: pd.DataFrame, view: View) -> pd.DataFrame:
    """What was known of each row of `asked` (columns view.entity and asked_at): view.features, same order and index.

    NaN where no row of `log` was available by then and alive, and for a missing entity.
    """
    features = list(view.features)
    rows = log[[view.entity, *TIMES, *features]].dropna(subset=[view.entity])
    rows = rows.assign(**{name: _utc(rows[name]) for name in TIMES})
    rows = rows.sort_values(["available_time", "event_time"], kind="stable")
    # A row that arrives after one about a later event never answers; without it one join on availability is enough.
    rows = rows[rows.event_time >= rows.groupby(view.entity).event_time.cummax()]
    questions = asked[[view.entity]].assign(asked_at=_utc(asked.asked_at), asked_row=np.arange(len(asked)))
    found = pd.merge_asof(
        questions.sort_values("asked_at", kind="stable"),
        rows,
        left_on="asked_at",
        right_on="available_time",
        by=view.entity,
    ).sort_values("asked_row")
    return found[features].where(found.event_time >= found.asked_at - view.ttl).set_axis(asked.index)


def materialise(online: dict, log: pd.DataFrame, view: View, since: pd.Timestamp, until: pd.Timestamp) -> dict:
    """The table after the rows that became available in (since, until] have gone into `online`, which stays as it is.

    A late row never overwrites a newer one, so a window may be run again at any time. Expired rows are written too.
    """
    table = dict(online)
    news = log[(log.available_time > since) & (log.available_time <= until) & log[view.entity].notna()]
    rows = news[[*TIMES, *view.features]].to_dict("records")
    for key, row in zip(news[view.entity].tolist(), rows, strict=True):
        old = table.get(key, row)
        if [row[name] for name in TIMES] >= [old[name] for name in TIMES]:
            table[key] = row
    return table


def get_online(online: dict, keys: list, now: pd.Timestamp, view: View) -> pd.DataFrame:
    """What the table knows of `keys` at `now`: view.features, one row per key, in their order and with them as index.

    NaN for a key that is not there, and for an expired row. The table has no past: `now` is after its last run.
    """
    found = []
    for key in keys:
        row = online.get(key)
        alive = row is not None and row["event_time"] >= now - view.ttl
        found.append([row[name] if alive else np.nan for name in view.features])
    return pd.DataFrame(found, index=list(keys), columns=list(view.features))


def auc_gain(
    asked: pd.DataFrame, before: np.ndarray, after: np.ndarray, draws: int = 2_000
) -> tuple[float, float, float]:
    """(gain, low, high): by how much scores `after` raise the mean monthly AUC over `before`, with a 95 % interval.

    `asked` has the columns late, month and day. Whole days are redrawn within each month: flights of a day are alike.
    """
    dice, gains, redrawn = np.random.default_rng(0), [], []
    for _, places in asked.reset_index(drop=True).groupby("month").indices.items():
        late = asked.late.to_numpy(bool)[places]
        days, day = np.unique(asked.day.to_numpy()[places], return_inverse=True)
        both = [_wins(late, np.asarray(scores)[places], day, len(days)) for scores in (after, before)]
        pairs = np.outer(np.bincount(day[late], minlength=len(days)), np.bincount(day[~late], minlength=len(days)))
        often = dice.multinomial(len(days), np.full(len(days), 1 / len(days)), draws)
        gains.append((both[0] - both[1]).sum() / pairs.sum())
        won, all_pairs = (np.einsum("bi,ij,bj->b", often, m, often) for m in (both[0] - both[1], pairs))
        redrawn.append(won / all_pairs)
    low, high = np.quantile(np.mean(redrawn, axis=0), [0.025, 0.975])
    return float(np.mean(gains)), float(low), float(high)


def _wins(late: np.ndarray, scores: np.ndarray, day: np.ndarray, days: int) -> np.ndarray:
    """How many pairs of a late flight (of a row's day) and one on time (a column's) are ranked right; a tie is half."""
    order = np.argsort(scores, kind="stable")
    on_time = np.zeros((len(scores) + 1, days))
    on_time[1:] = np.cumsum((day[order, None] == np.arange(days)) & ~late[order, None], axis=0)
    below, upto = (np.searchsorted(scores[order], scores[late], side) for side in ("left", "right"))
    won = np.zeros((days, days))
    np.add.at(won, day[late], (on_time[below] + on_time[upto]) / 2)
    return won


# For checks: worlds one can read, drivers, and a search that is slow and plain.


def at(clock: str, day: int = 8) -> pd.Timestamp:
    """A UTC moment in March 2013."""
    return pd.Timestamp(f"2013-03-{day:02d} {clock}", tz="UTC")


def log_of(*rows: str) -> pd.DataFrame:
    """A log of `DELAY` on 8 March: "LGA 12:00 12:05 10" is a row by its airport, event, availability and minutes.

    "-" is a missing number.
    """
    cells = [row.split() for row in rows]
    return pd.DataFrame(
        [
            [origin, at(event), at(known), float("nan" if delay == "-" else delay)]
            for origin, event, known, delay in cells
        ],
        columns=["origin", *TIMES, "delay"],
    )


def table_of(*rows: str) -> dict:
    """A table of `DELAY` with such rows."""
    return log_of(*rows).set_index("origin").to_dict("index")


def questions(*asked: str, index: list | None = None) -> pd.DataFrame:
    """Questions: "12:04" about LaGuardia on 8 March, "9 12:04" on another day of the month, "JFK 12:04"."""
    rows = []
    for words in map(str.split, asked):
        airport = words.pop(0) if words[0].isalpha() else "LGA"
        rows.append({"origin": airport, "asked_at": at(words[-1], *map(int, words[:-1]))})
    return pd.DataFrame(rows, index)


def became(register, *views: View) -> list:
    """What became of each view in turn, in one registry: its version, or "refused"."""
    registry, found = {}, []
    for view in views:
        try:
            found.append(register(registry, view))
        except (ValueError, PermissionError):
            found.append("refused")
    return found


def stands(register, *views: View) -> dict:
    """The registry after these views; those that are refused are passed over."""
    registry = {}
    for view in views:
        with contextlib.suppress(ValueError, PermissionError):
            register(registry, view)
    return registry


def random_views(dice: np.random.Generator, n: int = 60) -> list[View]:
    """Views of three names with a few entities (one of them unknown), types, owners and times to live."""
    choices = [
        dice.choice(["a", "ab", "b"], n),
        dice.choice(["origin", "dest", "gate"], n, p=[0.6, 0.3, 0.1]),
        dice.choice(["float", "int"], n),
        dice.choice(["me", "you"], n, p=[0.8, 0.2]),
        dice.choice([1, 2], n),
    ]
    drawn = zip(*(column.tolist() for column in choices), strict=True)
    return [View(name, entity, {"x": kind}, owner, pd.Timedelta(hours=ttl)) for name, entity, kind, owner, ttl in drawn]


def written(materialise, log: pd.DataFrame, *runs: str, view: View = DELAY) -> list[str]:
    """The table after each run in turn ("00:00-12:30": since and until on 8 March), its rows as `log_of` reads them.

    What a run returns that is not a table of rows comes back as it is.
    """
    table = {}
    for run in runs:
        table = materialise(table, log, view, *(at(clock) for clock in run.split("-")))
        if not isinstance(table, dict) or not all(isinstance(row, dict) for row in table.values()):
            return table
    return [f"{key} {_told(dict(row))}" for key, row in sorted(table.items())]


def _told(row: dict) -> str:
    """A row of a table in short: its two times, the delay, then whatever else it holds by name."""
    times = [f"{row.pop(name):%H:%M}" if name in row else f"no {name}" for name in TIMES]
    values = {
        name: "-" if pd.isna(value) else f"{value:g}" if isinstance(value, Number) else str(value)
        for name, value in row.items()
    }
    return " ".join([*times, *(value if name == "delay" else f"{name}={value}" for name, value in values.items())])


def random_log(dice: np.random.Generator, n: int = 60, corrections: bool = False) -> pd.DataFrame:
    """A log of `DELAY` in no order, full of late rows and gaps; a second row about one event only as a correction."""
    events, airports = dice.integers(0, 20, n), dice.choice(["EWR", "JFK", "LGA"], n)
    log = pd.DataFrame({"origin": airports, "delay": dice.permutation(n) + 1.0}, index=dice.integers(0, 99, n))
    log["event_time"], log["available_time"] = _half_hours(events), _half_hours(events + dice.integers(0, 8, n))
    log["delay"] = log.delay.where(dice.random(n) > 0.1)
    return log.drop_duplicates(["origin", *TIMES] if corrections else ["origin", "event_time"])


def random_questions(dice: np.random.Generator, n: int = 50) -> pd.DataFrame:
    """Questions about the airports of `random_log` and one that it does not know, with an index in no order."""
    asked = pd.DataFrame({"origin": dice.choice(["EWR", "JFK", "LGA", "BOS"], n)}, index=dice.permutation(n))
    return asked.assign(asked_at=_half_hours(dice.integers(0, 40, n)))


def _half_hours(numbers: np.ndarray) -> pd.DatetimeIndex:
    return at("06:00") + pd.to_timedelta(30 * np.asarray(numbers), unit="min")


def searched(asked: pd.DataFrame, log: pd.DataFrame, ttl: pd.Timedelta) -> list[float]:
    """The delay for each question, by looking at every row of the log for each."""
    rows, found = list(zip(log.event_time, log.available_time, log.origin, log.delay, strict=True)), []
    for origin, moment in zip(asked.origin, asked.asked_at, strict=True):
        may = [row for row in rows if row[2] == origin and row[1] <= moment and row[0] >= moment - ttl]
        found.append(max(may, key=lambda row: row[:2])[3] if may else float("nan"))
    return found


def differing(some, others) -> int:
    """In how many places two columns differ; missing equals missing."""
    some, others = np.asarray(some, float), np.asarray(others, float)
    return int((~((some == others) | (np.isnan(some) & np.isnan(others)))).sum())
