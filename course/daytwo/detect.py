"""Detectors of drift as the lesson has them built, and the small worlds in which the lesson tries them.

The detectors are the course's own answers; a test holds them to the lesson's. Whatever draws takes a numpy Generator.
"""

import numpy as np
import pandas as pd

from .data import weather

WINTER_ENDS = "2013-03-31"  # the model of record was fitted on January to March
START = "2013-05-01"  # the first day of a `tape`
SPREAD = 0.05  # nats by which a flight of a `tape` lies below the mean of its day, all but the first


# The detectors


def psi(reference, current, bins=10, floor=1e-4):
    """Population stability index of two arrays of numbers, in bins cut at the reference's quantiles."""
    reference, current = (np.asarray(x, dtype=float) for x in (reference, current))
    reference, current = reference[~np.isnan(reference)], current[~np.isnan(current)]
    cuts = np.quantile(reference, np.linspace(0, 1, bins + 1)[1:-1])

    def shares(sample):
        counts = np.bincount(np.searchsorted(cuts, sample), minlength=bins)
        return np.maximum(counts / len(sample), floor)

    p, q = shares(reference), shares(current)
    return float(np.sum((q - p) * np.log(q / p)))


def two_sample(reference, current, classifier, rng):
    """Area under the ROC curve with which `classifier` tells `current` from `reference`, on days it has not seen.

    Two frames of equal columns, indexed by hour in UTC; half of the days, drawn with `rng`, are for learning.
    """
    from sklearn.base import clone
    from sklearn.metrics import roc_auc_score

    rows = pd.concat([reference, current])
    label = np.repeat([0, 1], [len(reference), len(current)])
    days = rows.index.floor("D")
    learn = days.isin(rng.permutation(days.unique())[::2])
    fitted = clone(classifier).fit(rows[learn], label[learn])
    return float(roc_auc_score(label[~learn], fitted.predict_proba(rows[~learn])[:, 1]))


def day_block_p(days, values, current, rng, permutations=99):
    """p that the days in `current` differ from the others in the mean of their rows, by shuffling whole days.

    `days` and `values` are arrays with an entry per row; days are what is exchangeable, not rows.
    """
    every, place = np.unique(days, return_inverse=True)
    table = np.column_stack([np.bincount(place, values), np.bincount(place)])  # sum and number of rows, by day
    chosen = np.isin(every, current)
    masks = np.vstack([chosen, rng.permuted(np.tile(chosen, (permutations, 1)), axis=1)])
    inside, outside = masks @ table, ~masks @ table
    gaps = np.abs(inside[:, 0] / inside[:, 1] - outside[:, 0] / outside[:, 1])
    return float(np.mean(gaps >= gaps[0] - 1e-12))  # sums in another order differ in the last digit


def cusum(flights, normal, slack=0.02, threshold=0.5):
    """The first UTC day on which the daily mean of `excess` has drifted above `normal`, or None.

    `flights`: excess (nats) and known_at (UTC), the time from which the label is known; both missing without a label.
    """
    there = flights.dropna(subset=["excess"])
    daily = there.groupby(there.known_at.dt.floor("D")).excess.mean()
    over = np.flatnonzero(heights(daily - normal, slack) > threshold)
    return daily.index[over[0]] if len(over) else None


def heights(rises, slack=0.02):
    """The sums of a CUSUM, day after day along the last axis: what lies above `slack`, added up, never below 0."""
    sums = np.cumsum(np.asarray(rises) - slack, axis=-1)
    return sums - np.minimum(0, np.minimum.accumulate(sums, axis=-1))


# Chance


def day_means(values, days, rng, draws=2_000):
    """`draws` means of `values` over whole days drawn with replacement: what chance does to a mean."""
    table = pd.DataFrame({"value": values, "day": days}).dropna().groupby("day").value.agg(["sum", "size"])
    drawn = table.to_numpy()[rng.integers(len(table), size=(draws, len(table)))].sum(axis=1)
    return drawn[:, 0] / drawn[:, 1]


def quiet_years(daily, rng, weeks=39, years=2_000):
    """An array of `years` rows: each put together from weeks drawn out of the quiet days `daily`."""
    daily = np.asarray(daily)
    starts = rng.integers(0, len(daily) - 6, size=(years, weeks, 1))
    return daily[starts + np.arange(7)].reshape(years, -1)


def one_day(days, rng):
    """A day drawn at random."""
    return rng.choice(days, 1)


def scattered(days, rng):
    """Seven days drawn at random."""
    return rng.choice(days, 7, replace=False)


def neighbours(days, rng):
    """Seven days in a row."""
    start = rng.integers(len(days) - 6)
    return days[start : start + 7]


def false_alarms(test, days, values, choose, rng, trials=120):
    """How often `test` gives p ≤ 0.05 for days that `choose` takes from one sample, where nothing is to be found."""
    every = np.unique(days)
    return float(np.mean([test(days, values, choose(every, rng), rng, 19) <= 0.05 for _ in range(trials)]))


# Worlds


def jfk_hours():
    """Hourly temperature and dew point (°F) and humidity (%) at JFK, indexed by hour in UTC, without gaps in a row."""
    columns = ["temp", "dewp", "humid"]
    return weather().query("origin == 'JFK'").set_index("time_hour").sort_index()[columns].dropna()


def winter_heat():
    """(days, values): every third hour of winter's temperature at JFK (°F), and the number of its day."""
    hours = jfk_hours().temp[:WINTER_ENDS]
    hours = hours[hours.index.hour % 3 == 0]
    return np.unique(hours.index.floor("D"), return_inverse=True)[1], hours.to_numpy()


def two_worlds(reference, current, moved=0.0, seed=0):
    """Two frames of so many days, 24 rows a day; the second's last column lies `moved` higher, else they are alike.

    Each day has a level of its own in each of three columns, and its rows differ little from it, as hours of a day do.
    """
    rng, frames = np.random.default_rng(seed), []
    for days, start, rise in ((reference, "2013-01-01", 0.0), (current, "2015-01-01", moved)):
        level = np.repeat(rng.normal([0, 0, rise], 1, size=(days, 3)), 24, axis=0)
        hours = pd.date_range(start, periods=24 * days, freq="h", tz="UTC")
        frames.append(pd.DataFrame(level + rng.normal(0, 0.1, level.shape), hours, columns=["a", "b", "c"]))
    return tuple(frames)


def tape(daily, flights_a_day=1, late_by=0, seed=11):
    """Flights with the excess `daily` of each day from `START`, in no order; their labels come `late_by` days late.

    `flights_a_day` (up to nine) is a number, or one for each day. They leave hour by hour from noon. The first of a
    day is worse than the others, so that the mean is not the median. A missing excess: no flight arrived that day.
    """
    departures = pd.date_range(START, periods=len(daily), tz="UTC") + pd.Timedelta("12h")
    flights = pd.DataFrame({"excess": np.asarray(daily, dtype=float), "sched_dep": departures})
    flights = flights.loc[flights.index.repeat(flights_a_day)].reset_index(drop=True)
    of_day = flights.groupby("sched_dep").sched_dep
    place, there = of_day.cumcount(), of_day.transform("size")
    flights["excess"] += np.where(place > 0, -SPREAD, SPREAD * (there - 1))
    flights["sched_dep"] += pd.to_timedelta(place, unit="h")
    landed = flights.sched_dep + pd.Timedelta("3h") + pd.Timedelta(days=late_by)
    flights["known_at"] = landed.where(flights.excess.notna())
    return flights.sample(frac=1, random_state=seed)


def as_day(found):
    """A day however it is said (Timestamp, datetime, date, text) as "2013-06-13" in UTC; None for none."""
    if found is None or found is pd.NaT:
        return None
    moment = pd.Timestamp(found)
    return str((moment.tz_convert("UTC") if moment.tzinfo else moment).date())
