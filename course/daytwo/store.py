"""A small feature store: who answers for a feature, what was known of it at a moment, and a table to serve it from.

A *log* is a frame with one row per value ever written: the entity's column, `event_time` (the moment the value is
about), `available_time` (when it could first be known, never earlier) and one column per feature. A *table* is a dict
{entity: {"event_time", "available_time", feature, …}} with the newest row of each. All times are UTC timestamps.

Of two rows about one entity the later `event_time` counts; of two with that, the later `available_time`, a correction;
of two with both, the lower in the log, which was written last. A row lives for `view.ttl` after its `event_time`, both
ends included. The lesson 03_features/01_build_a_feature_store has these functions built.
"""

from typing import NamedTuple

import numpy as np
import pandas as pd

from .data import flights, weather
from .model import PUBLISHED, _utc

ENTITIES = frozenset({"origin", "dest", "carrier", "tailnum", "flight_id"})  # what the rows of a view may be about
TYPES = frozenset({"float", "int", "str", "bool"})
TIMES = ["event_time", "available_time"]
RESERVED = frozenset({*TIMES, "asked_at"})


class View(NamedTuple):
    """What a group of features is about: {column: type}, who answers for it, and how long a value may be used."""

    name: str
    entity: str
    features: dict[str, str]
    owner: str
    ttl: pd.Timedelta


def register(registry: dict, view: View) -> int:
    """The version (1, 2, …) under which `view` now stands in `registry`, a dict {(name, version): View}.

    A view equal to the newest version of its name is not put there again. ValueError names the field that is refused,
    PermissionError the owner of the newest version, who alone may change it; the registry is then as it was.
    """
    taken = RESERVED | {view.entity}
    if view.entity not in ENTITIES:
        raise ValueError(f"entity {view.entity!r} is not one of {', '.join(sorted(ENTITIES))}.")
    if not view.features or taken & view.features.keys() or not TYPES.issuperset(view.features.values()):
        raise ValueError(f"features {view.features!r}: at least one, of a known type, and not named like the store's.")
    if not (view.owner or "").strip():
        raise ValueError(f"owner {view.owner!r}: somebody has to answer for {view.name}.")
    if not (isinstance(view.ttl, pd.Timedelta) and view.ttl > pd.Timedelta(0)):
        raise ValueError(f"ttl {view.ttl!r} is not a pd.Timedelta above zero.")
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
    rows = _in_turn(log[[view.entity, *TIMES, *features]], view.entity)
    # What arrives overtaken by a later event never answers, so that one as-of join on availability is enough.
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

    NaN for a key that is not there, and for an expired row. ValueError names a key whose row became available after
    `now`: the table has no past.
    """
    found = []
    for key in keys:
        row = online.get(key)
        if row is not None and row["available_time"] > now:
            raise ValueError(f"{key}: the table was written at {row['available_time']} and has forgotten {now}.")
        alive = row is not None and row["event_time"] >= now - view.ttl
        found.append([row[name] if alive else np.nan for name in view.features])
    return pd.DataFrame(found, index=list(keys), columns=list(view.features))


WEATHER = View("airport_weather", "origin", {"humid": "float"}, "weather desk", pd.Timedelta("7h"))
DELAY = View("airport_delay", "origin", {"delay": "float"}, "operations", pd.Timedelta("6h"))


def weather_log() -> pd.DataFrame:
    """The log of `WEATHER`: relative humidity (%) by airport and hour, available an hour after it."""
    log = weather()[["origin", "time_hour", "humid"]].rename(columns={"time_hour": "event_time"})
    return log.assign(available_time=log.event_time + PUBLISHED)


def delay_log() -> pd.DataFrame:
    """The log of `DELAY`: mean departure delay (minutes) of the flights scheduled in an hour, by airport.

    `event_time` is the end of that hour; `available_time` when the last of them has left, cancelled ones not counted.
    """
    left = flights().dropna(subset=["dep"])
    ends = left.sched_dep.dt.floor("h") + pd.Timedelta("1h")
    by_hour = left.groupby(["origin", ends.rename("event_time")])
    log = by_hour.agg(delay=("dep_delay", "mean"), available_time=("dep", "max")).reset_index()
    return log.assign(available_time=log[TIMES].max(axis=1))  # some hours leave early


def _in_turn(log: pd.DataFrame, entity: str) -> pd.DataFrame:
    """The rows with an entity, in the order in which they answer: available, then about a later event, then lower."""
    log = log.dropna(subset=[entity]).assign(**{name: _utc(log[name]) for name in TIMES})
    return log.iloc[np.lexsort([log[name].astype("int64") for name in TIMES])]  # the last key first; stable
