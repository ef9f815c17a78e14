"""Which kind of drift it is: what the lesson on it builds, and the made-up weeks and flights that it practises on.

Looking at `calibration` and the functions below it is like looking at the last page first.
"""

import numpy as np
import pandas as pd
from scipy.optimize import brentq
from scipy.special import expit, logit
from scipy.stats import ks_2samp

KINDS = ["nothing", "data drift", "prior shift", "concept drift", "pipeline bug"]
SIGNALS = ["broken", "moved", "level", "uneven"]
SLOPE, START = np.array([1.5, -1.0, 0.5]), -1.4  # the made-up model, right until something happens
LIMITS = dict.fromkeys("abc", (-8, 8))  # the possible range of each made-up input


def moved(reference, current) -> float:
    """The Kolmogorov–Smirnov distance: the largest gap between the cumulative shares of two samples, from 0 to 1."""
    return float(ks_2samp(reference, current, method="asymp", nan_policy="omit").statistic)


def levelled(p, share):
    """(factor, probabilities): all odds of `p` multiplied by the one factor that gives them the mean `share`."""
    odds = logit(np.clip(np.asarray(p, float), 1e-6, 1 - 1e-6))
    step = brentq(lambda by: expit(odds + by).mean() - share, -20, 20, xtol=1e-6)
    return float(np.exp(step)), expit(odds + step)


def signals(reference, current, limits):
    """Four signals of the flights `current`: broken, moved, level, uneven.

    Both frames have the inputs, p_late and late (NaN is unknown); `limits` gives the possible range of each input.
    """
    known = current.late.notna().to_numpy()
    late, p = current.late.to_numpy()[known], current.p_late.to_numpy()[known]
    left, found = levelled(p, late.mean())[1] - late, []
    for column, (low, high) in limits.items():
        values = current[column].to_numpy(dtype=float)
        broken = 1 - np.mean((values >= low) & (values <= high))  # NaN is neither
        x = np.where(np.isnan(values), np.nanmedian(values), values)[known]
        fifth = np.searchsorted(np.quantile(x, [0.2, 0.4, 0.6, 0.8]), x)
        gaps = np.bincount(fifth, left) / np.maximum(np.bincount(fifth), 1)
        found.append((broken, moved(reference[column].to_numpy(dtype=float), values), np.abs(gaps).max()))
    broken, distance, uneven = np.max(found, axis=0).tolist()
    return {"broken": broken, "moved": distance, "level": float(p.mean() - late.mean()), "uneven": uneven}


def week(kind, dice, n=2_000):
    """A made-up week of n flights with inputs a, b, c, the frozen model's p_late, and late; one thing has happened.

    `kind` is one of `KINDS`, `dice` a numpy Generator. What happens is large.
    """
    drawn = 6 * n if kind == "prior shift" else n  # many to choose from
    x, truth, column = dice.normal(size=(drawn, 3)), SLOPE.copy(), dice.integers(3)
    if kind == "data drift":
        x[:, column] += dice.choice([-1, 1]) * dice.uniform(0.7, 1.3)
    if kind == "concept drift":
        truth[dice.integers(2)] *= dice.uniform(-1, -0.3)
    extra = dice.uniform(-0.7, 0.7) if kind == "concept drift" else 0
    late = (dice.random(drawn) < expit(x @ truth + START + extra)).astype(float)
    if kind == "prior shift":
        share = dice.choice([0.08, 0.5]) + dice.uniform(-0.03, 0.03)
        order = np.argsort(late, kind="stable")[::-1]  # the late ones first
        chosen = np.concatenate([order[: round(share * n)], order[-round((1 - share) * n) :]])
        x, late = x[chosen], late[chosen]
    if kind == "pipeline bug":
        x[dice.random(n) < dice.uniform(0.2, 0.8), column] = dice.choice([np.nan, -99.0])
    return pd.DataFrame(
        dict(zip("abc", x.T, strict=True)) | {"p_late": expit(np.nan_to_num(x) @ SLOPE + START), "late": late}
    )


def weeks(dice, count):
    """The four signals of `count` made-up weeks of each kind, and the kind."""
    calm = week("nothing", dice)
    return pd.DataFrame([signals(calm, week(k, dice), LIMITS) | {"kind": k} for k in KINDS for _ in range(count)])


def named_right(rule, cases):
    """The share of weeks in `cases` that `rule(broken, moved, level, uneven)` names right, for its worst kind."""
    named = [rule(*row) for row in cases[SIGNALS].to_numpy().tolist()]
    return float((cases.kind == named).groupby(cases.kind).mean().min())


def told(*groups):
    """(late, p) of groups of flights, shuffled; a group is (flights, how many of them late, what they are told).

    The `p` of a group lie evenly within two points of what it is told, no two alike; its late flights are spread evenly
    over it. None late means that no label of the group is known.
    """
    late, p = [], []
    for flights, number, near in groups:
        at = np.arange(flights + 1)
        late.append(np.full(flights, np.nan) if number is None else np.diff(at * number // flights).astype(float))
        p.append(near + np.linspace(-0.02, 0.02, flights))
    order = np.random.default_rng(1).permutation(sum(map(len, p)))
    return np.concatenate(late)[order], np.concatenate(p)[order]


def few_flights():
    """Fourteen flights of three carriers in no order: carrier, day and error, three of them missing."""
    rows = [("UA", 1, -1), ("UA", 1, 1), ("UA", 2, 3), ("DL", 1, 0.2), ("DL", 1, 0.6), ("DL", 2, 0.1), ("DL", 4, 0.3)]
    rows += [("DL", 2, np.nan), ("DL", 3, np.nan), ("AA", 5, 0.5), ("AA", 6, 1.0), ("AA", 6, 0.4), ("AA", 8, 0.3)]
    rows += [("AA", 9, np.nan)]
    return pd.DataFrame(rows, columns=["carrier", "day", "error"]).sample(frac=1, random_state=3)


def reliability(late, p, bins=10):
    """Mean p and share late of each of the equally full bins, two arrays: the points of a reliability diagram."""
    order = np.argsort(p, kind="stable")
    parts = np.array_split(np.column_stack([np.asarray(p)[order], np.asarray(late)[order]]), bins)
    return np.array([part.mean(axis=0) for part in parts]).T


def misfit(p, share, reference):
    """How far `p` lies from a mixture of the reference's late flights, a `share` of it, and its others: 0 to 1.

    It is the largest gap of the cumulative shares. A prior shift would leave it as small as chance does.
    """
    p = np.sort(np.asarray(p))
    late, other = (np.sort(reference.p_late[reference.late == kind]) for kind in (1, 0))
    below = [np.searchsorted(part, p, side="right") / len(part) for part in (late, other)]
    return float(np.abs(share * below[0] + (1 - share) * below[1] - np.arange(1, len(p) + 1) / len(p)).max())


def calibration(late, p, bins=10):
    """(ece, bias) of the probabilities `p` for the labels `late` (0, 1 or NaN), in equally full bins."""
    known = ~np.isnan(late)
    late, p = late[known], p[known]
    parts = np.array_split(np.argsort(p), bins)
    ece = sum(abs((p - late)[part].sum()) for part in parts) / len(p)
    return float(ece), float(p.mean() - late.mean())


def performance_by_slice(slices, errors, days):
    """A row for each slice: flights, days, mean error and its standard error by days; unknown errors are left out."""
    table = pd.DataFrame({"slice": slices, "error": errors, "day": days}).dropna(subset="error")
    groups = table.groupby("slice", observed=True)
    found = groups.agg(flights=("error", "size"), days=("day", "nunique"), mean=("error", "mean"))
    table["off"] = table.error - groups.error.transform("mean")
    squares = (table.groupby(["slice", "day"], observed=True).off.sum() ** 2).groupby("slice", observed=True).sum()
    found["se"] = np.sqrt(found.days / (found.days - 1) * squares) / found.flights
    return found


def prior_shift(p, prior):
    """(s, adjusted): today's share of late flights from `p` alone, by EM; `prior` is the share it was trained on."""
    share, step = prior, 1.0
    while step > 1e-9:
        odd = share / prior * p
        adjusted = odd / (odd + (1 - share) / (1 - prior) * (1 - p))
        step, share = abs(adjusted.mean() - share), adjusted.mean()
    return float(share), adjusted


def diagnose(broken, moved, level, uneven):
    """The name of what has happened, one of `KINDS`, from the four signals of a week."""
    if broken > 0.1:
        return "pipeline bug"
    if uneven > 0.12:
        return "concept drift"
    if abs(level) > 0.06:
        return "prior shift"
    return "data drift" if moved > 0.2 else "nothing"
