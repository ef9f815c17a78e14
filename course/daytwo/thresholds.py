"""When an alarm should ring, and what that costs: the alarm tapes of the year, and what the lesson on them builds.

Looking at `best_threshold` and the functions below it is like looking at the last page first.
"""

import numpy as np
import pandas as pd

from .data import flights

NEW_YORK = "America/New_York"
WATCH = range(5, 16)  # hours on New York's clocks that are over when the manager decides, at 16:00


def evenings():
    """What the manager knows each day at 16:00, and how the evening went: a row for each of the 365 days.

    `delay`: mean departure delay, in minutes, of the flights that took off from 14:00 to 16:00. `waiting`: share of the
    flights scheduled for that time that had not left by 16:00. `cancelled`: share of the flights scheduled from 17:00
    on that were cancelled. `bad`: whether `cancelled` is at least 0.05. The index is the day in New York.
    """
    year = flights()
    scheduled, took_off = (year[column].dt.tz_convert(NEW_YORK) for column in ("sched_dep", "dep"))
    recent, due, evening = took_off.dt.hour.isin([14, 15]), scheduled.dt.hour.isin([14, 15]), scheduled.dt.hour >= 17
    day = scheduled.dt.floor("D")
    left = took_off.dt.tz_localize(None) < day.dt.tz_localize(None) + pd.Timedelta("16h")
    tape = pd.DataFrame(
        {
            "delay": year.dep_delay[recent].groupby(took_off.dt.floor("D")).mean(),
            "waiting": (~left[due]).groupby(day[due]).mean(),
            "cancelled": year.dep[evening].isna().groupby(day[evening]).mean(),
        }
    )
    return tape.assign(bad=tape.cancelled >= 0.05)


def hours():
    """Mean departure delay, in minutes, of the flights that took off in each hour; missing below ten flights.

    A Series with a sorted UTC index. Hours without any flight have no row.
    """
    year = flights()
    found = year.groupby(year.dep.dt.floor("h")).dep_delay.agg(["mean", "size"])
    return found["mean"].where(found["size"] >= 10).rename("delay")


def rung(values, threshold):
    """The values at or above a threshold, in order; a missing one is not."""
    values = np.asarray(values, dtype=float)
    return sorted(values[values >= float(threshold)].tolist())


def interval(per_day, rng, draws=2_000):
    """The 2.5 % and 97.5 % quantiles of the mean of one number a day, when whole days are drawn again."""
    per_day = np.asarray(per_day, dtype=float)
    means = per_day[rng.integers(len(per_day), size=(draws, len(per_day)))].mean(axis=1)
    return np.quantile(means, [0.025, 0.975])


def weekly(values, start="2013-06-03 14:00"):
    """Looks a week apart, the first on a Monday in June at ten o'clock in New York: a Series with a UTC index."""
    return pd.Series(np.array(values, dtype=float), pd.date_range(start, periods=len(values), freq="7D", tz="UTC"))


def looks_at(looks):
    """Looks at any times of 2013, from {"03-04 12:00": 1.0}: a Series with a UTC index."""
    return pd.Series(list(looks.values()), pd.to_datetime([f"2013-{time}" for time in looks], utc=True), dtype=float)


def choice_interval(best, days, rng, draws=300):
    """The 2.5 % and 97.5 % quantiles of what `best` chooses when the rows of `evenings` are drawn again."""
    delay, bad = days.delay.to_numpy(), days.bad.to_numpy()
    drawn = rng.integers(len(days), size=(draws, len(days)))
    return np.quantile([best(delay[rows], bad[rows]) for rows in drawn], [0.025, 0.975])


def mornings(hourly, days):
    """A table with a row for each of `days` and a column for each hour of `WATCH`: the mean delay of that hour."""
    local = hourly.index.tz_convert(NEW_YORK)
    kept = local.hour.isin(WATCH)
    table = pd.Series(hourly.to_numpy()[kept], [local.floor("D")[kept], local.hour[kept]]).unstack()
    return table.reindex(index=days, columns=list(WATCH))


def shuffled(table, rows, rng):
    """A copy of a table in which each column's values at the places `rows` (booleans) have changed places at random.

    Every hour keeps its values, but an hour no longer resembles the hour before.
    """
    found = table.to_numpy(copy=True)
    for column in found.T:
        column[rows] = rng.permutation(column[rows])
    return pd.DataFrame(found, table.index, table.columns)


def days_paged(table, limit, k, n, rule):
    """Whether each day of `mornings` pages at any hour, when `rule(looks, k, n)` is asked of `table >= limit`.

    All days are asked in one call, with `n` missing looks between them, so that no page reaches into the next day.
    """
    looks = (table >= limit).astype(float).where(table.notna())
    gap = pd.DataFrame(np.nan, table.index, [f"gap {i}" for i in range(n)])
    row = pd.concat([looks, gap], axis=1).to_numpy()
    pages = np.asarray(rule(row.ravel(), k, n)).astype(bool).reshape(row.shape)
    return pages[:, : len(table.columns)].any(axis=1)


def at_equal_false(pages, candidates, bad, false):
    """(limit, days paged) of the lowest of `candidates` at which at most `false` days that are not `bad` page.

    `pages(limit)` gives a boolean for each day; fewer days page as the limit rises. Where none will do, the highest.
    """
    candidates, bad = np.unique(pd.Series(candidates).dropna()), np.asarray(bad, bool)
    low, high = 0, len(candidates) - 1
    while low < high:
        middle = (low + high) // 2
        if np.sum(np.asarray(pages(candidates[middle])) & ~bad) <= false:
            high = middle
        else:
            low = middle + 1
    return float(candidates[low]), np.asarray(pages(candidates[low]))


def confirmed(table, bad, k, n, rule, false):
    """(limit, days paged) of `k` of `n` hours of `mornings`, at the lowest limit with at most `false` false days."""
    return at_equal_false(lambda limit: days_paged(table, limit, k, n, rule), table.stack(), bad, false)


def first_rings(signal, tape, false, until=24):
    """(limit, the first hour of each day of `tape` that reaches it; NaN where none does).

    The limit is the lowest with at most `false` false days. `signal` is a Series of hourly looks with a UTC index,
    asked from 5:00 to `until` on New York's clocks.
    """
    local = signal.index.tz_convert(NEW_YORK)
    looks = pd.Series(signal.to_numpy(), local)[(local.hour >= 5) & (local.hour < until)]
    highest = looks.groupby(looks.index.floor("D")).max().reindex(tape.index)
    limit, _ = at_equal_false(lambda t: highest >= t, highest, tape.bad, false)
    over = looks.index[looks >= limit]
    return limit, pd.Series(over.hour, over.floor("D")).groupby(level=0).min().reindex(tape.index)


def prices(alarms, bad, false_alarm=1, miss=8):
    """A table with a row for each of `alarms`, {name: boolean for each day}: false alarms, misses, cost of a day.

    `low` and `high` are the 95 % interval of the cost, drawn by whole days.
    """
    rows = {}
    for name, alarm in alarms.items():
        alarm, incident = np.asarray(alarm, bool), np.asarray(bad, bool)
        paid = false_alarm * (alarm & ~incident) + miss * (~alarm & incident)
        low, high = interval(paid, np.random.default_rng(4))
        rows[name] = [np.sum(alarm & ~incident), np.sum(~alarm & incident), *np.round([paid.mean(), low, high], 2)]
    table = pd.DataFrame(rows, index=["false", "missed", "cost", "low", "high"]).T
    return table.astype({"false": int, "missed": int})


def retuned(tape, start, best, every_evening):
    """The threshold in use on each day of `tape`, chosen anew at each month's end, from March on, from marked days.

    Marked is every evening, or only those on which the alarm rang. Where all marks are of one kind it stays.
    """
    used = pd.Series(float(start), tape.index)
    for month in range(4, 13):
        past = tape[tape.index.month < month]
        marked = past if every_evening else past[past.delay >= used[past.index]]
        if marked.bad.nunique() == 2:
            used[tape.index.month >= month] = best(marked.delay.to_numpy(), marked.bad.to_numpy())
    return used


def expected_cost(alarm, incident, false_alarm=1, miss=8):
    """The mean cost of a look: `false_alarm` for an alarm without an incident, `miss` for an incident without alarm."""
    alarm, incident = np.asarray(alarm, bool), np.asarray(incident, bool)
    return float(np.mean(false_alarm * (alarm & ~incident) + miss * (~alarm & incident)))


def best_threshold(values, incident, false_alarm=1, miss=8):
    """The cheapest threshold; of equally cheap ones the highest, which rings least. Infinity never rings."""
    values, incident = np.asarray(values, dtype=float), np.asarray(incident, bool)
    candidates = [np.inf, *np.unique(values[~np.isnan(values)])[::-1]]
    return float(min(candidates, key=lambda t: expected_cost(values >= t, incident, false_alarm, miss)))


def k_of_n(looks, k, n):
    """Whether each look pages: at least `k` of the last `n`, this one included, are 1; a missing one is not."""
    ones = np.cumsum(np.concatenate([[0], np.asarray(looks, dtype=float) == 1]))
    ends = np.arange(1, len(ones))
    return ones[ends] - ones[np.maximum(ends - n, 0)] >= k


def seasonal_baseline(values, smoothing=0.1):
    """What is normal at each look: the exponentially weighted mean of its hour of the week before it, in New York."""
    slot = values.index.tz_convert(NEW_YORK).strftime("%a %H")
    level = values.groupby(slot).transform(lambda x: x.ewm(alpha=smoothing, adjust=False, ignore_na=True).mean())
    return level.groupby(slot).shift(1)


def ppv(prevalence, sensitivity, specificity, looks=1):
    """The share of ringing periods that hold an incident, if a quiet period is looked at `looks` times."""
    right = prevalence * sensitivity
    wrong = (1 - prevalence) * (1 - specificity**looks)
    return right / (right + wrong)
