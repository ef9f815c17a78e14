# %% [markdown]
# # Detect drift
#
# In July 2013 the airline desk's model lost its whole lead over a forecast that knows nothing but the hour. The model
# says, two hours before departure, how likely a flight is to arrive more than 15 minutes late. It was trained on
# January to March. Nobody noticed July. Which detector would have noticed, on which day, and how often would it have
# cried wolf?

# %% [markdown]
# - **You will be able to answer**: "How do you detect drift automatically, and what do you do about it?"
# - **You build** four detectors: PSI, a domain classifier, a test that shuffles whole days, a CUSUM of the loss.
# - **It takes** about 60 minutes.
# - **You need** pandas, numpy, a little scikit-learn; what log loss, the area under a ROC curve and a p value are.
#   *Tell drifts apart* comes before; nothing here depends on it.

# %%
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from daytwo import detect, features, flights, predict, train, weather
from grading import at_least, at_most, between, check, yours

# %% [markdown]
# Every flight of the year, and what the model knew of it. A label is known once the flight has landed. Winter, on which
# the model was trained, is our *reference*.

# %%
year = flights()
known = features(year, weather())  # what the model knows two hours before departure
year["day"] = year.sched_dep.dt.tz_convert("America/New_York").dt.day_of_year
year["known_at"] = year.arr.where(year.late.notna())
is_winter = year.month <= 3

# %% [markdown]
# On a stormy day every forecast does badly. So we put a *simple forecast* beside the model: the share of late flights
# at that hour. Both learn from the same flights.


# %%
def forecasts(learn, ask):
    """p_late of the model and of the simple forecast, learned on the flights `learn`, for the flights `ask`."""
    model = train(known[learn], year.late[learn])
    by_hour = known.hour[ask].map(year.late[learn].groupby(known.hour[learn]).mean())
    return pd.DataFrame({"p_late": predict(model, known[ask]), "simple": by_hour})


def log_loss(late, p):
    """-ln of the probability that was given to what happened, in nats (natural logarithm); NaN without a label."""
    return -np.log(p.where(late == 1, 1 - p)).where(late.notna())


# %% [markdown]
# The *excess* is the model's log loss minus the simple forecast's. Below zero the model is better. On flights that it
# has learned from, a model looks better than it is. So we leave out a fifth of winter's weeks in turn, and forecast
# them with a model that learned from the others.

# %%
year[["p_late", "simple"]] = forecasts(is_winter, year.month > 0)
year["excess"] = log_loss(year.late, year.p_late) - log_loss(year.late, year.simple)
seen = year.excess[is_winter].mean()
for part in range(5):
    left_out = is_winter & ((year.day - 1) // 7 % 5 == part)
    year.loc[left_out, ["p_late", "simple"]] = forecasts(is_winter & ~left_out, left_out)
year["excess"] = log_loss(year.late, year.p_late) - log_loss(year.late, year.simple)
print(f"winter's excess: {seen:.3f} on flights it has seen, {year.excess[is_winter].mean():.3f} on flights left out")

# %% [markdown]
# Guess first: in which months is the excess above winter's?

# %%
dice, rises = np.random.default_rng(0), {}
winter_means = detect.day_means(year.excess[is_winter], year.day[is_winter], dice)
for month in range(4, 13):
    now = year[year.month == month]
    excess = now.excess.mean()
    low, high = np.quantile(detect.day_means(now.excess, now.day, dice) - winter_means, [0.025, 0.975])
    rises[month] = {"excess": excess, "rise": excess - year.excess[is_winter].mean(), "low": low, "high": high}
rises = pd.DataFrame(rises).T.rename_axis("month")
print(rises.round(3))

# %% fold
plt.figure(figsize=(7, 3.2), layout="constrained")
reach = [rises.rise - rises.low, rises.high - rises.rise]
plt.bar(rises.index, rises.rise, yerr=reach, color="#56B4E9", ecolor="#000000", capsize=4)
plt.axhline(0, color="#000000", linewidth=0.8)
plt.xticks(rises.index)
plt.xlabel("month of 2013")
plt.ylabel("rise over winter, nats per flight")
plt.show()

# %% [markdown]
# The thin lines are 95 % intervals. They come from drawing whole days again and again (a *bootstrap* by days), because
# flights of one day have the same weather. July rises most; June and November are barely clear of zero. Does a single
# day make the difference?

# %%
by_day = year.groupby("day").excess.mean()
july_days, winter_days = (year.day[months].unique() for months in (year.month == 7, is_winter))
above = by_day[july_days] > by_day[winter_days].median()
print(f"July: {above.sum()} of {len(above)} days lie above winter's median day")
best = by_day[winter_days].idxmin()
without = rises.excess[7] - year.excess[is_winter & (year.day != best)].mean()
date = year.sched_dep[year.day == best].min().date()
print(f"{date} is winter's best day; without it July's rise is {without:.3f}")

# %% [markdown]
# July's rise does not come from one day. But winter's best day, 8 March, is behind a tenth of it.

# %% [markdown]
# ## Exercise 1: measure how far a column has moved
#
# Cut the reference into `bins` bins at its quantiles. Let $p_i$ be the reference's share of values in bin $i$, and
# $q_i$ the current sample's. The *population stability index* (Siddiqi, *Credit Risk Scorecards*, 2006) is
#
# $$\mathrm{PSI} = \sum_i (q_i - p_i)\,\ln\frac{q_i}{p_i}.$$
#
# Return it as one number. A sample compared with itself gives 0.
#
# - The first bin reaches to −∞, the last to +∞.
# - A value equal to a cut belongs to the bin below the cut.
# - Missing values do not count.
# - A share below `floor` counts as `floor`.


# %% answer="psi"
def psi(reference, current, bins=10, floor=1e-4):
    """How far `current` has moved from `reference`, two arrays of numbers; 0 means not at all."""
    ### BEGIN SOLUTION
    reference, current = reference[~np.isnan(reference)], current[~np.isnan(current)]
    cuts = np.quantile(reference, np.linspace(0, 1, bins + 1)[1:-1])

    def shares(sample):
        counts = np.bincount(np.searchsorted(cuts, sample), minlength=bins)
        return np.maximum(counts / len(sample), floor)

    p, q = shares(reference), shares(current)
    return float(np.sum((q - p) * np.log(q / p)))
    ### END SOLUTION


# %% check="psi" points=3
some = np.random.default_rng(1).normal(size=5_000)
holes = np.where(np.arange(5_000) % 4 == 0, np.nan, some + 0.3)
wet = {share: (np.arange(1_000) < 1_000 * share).astype(float) for share in (0.08, 0.4)}
# Return a number that is 0 where the shares are equal.
check("A sample has not drifted from itself", psi(some, some), 0)
# Cut once, at the reference's quantiles; compare shares, not counts; weigh each logarithm by q − p.
check("A quarter of the rows, half a unit higher", psi(some, some[::4] + 0.5), 0.26871, tolerance=0.02)
# Cut the reference at its quantiles into `bins` bins, and let the two outer bins take whatever lies beyond.
check("Twice as wide, in twenty bins", psi(some, 2 * some, bins=20), 0.62908, tolerance=0.02)
# Leave missing values out of both samples before you count anything.
check(
    "A quarter is missing, now or in the reference",
    [psi(some, holes), psi(holes, some)],
    [0.08593, 0.08498],
    tolerance=0.02,
)
# Keep empty bins. A share below the caller's `floor` is replaced by it; every other share stays as it is.
check("All above the reference: nine empty bins", psi(some, some + 9, floor=0.01), 3.93742, tolerance=0.01)
# Equal cuts are fine (`np.quantile`, not `qcut`); a value equal to a cut belongs below it.
# Count the reference's shares too: here they are not 1/bins.
check("Wet hours rise from 8 % to 40 %", psi(wet[0.08], wet[0.4]), 0.65180, tolerance=0.01)
### BEGIN HIDDEN TESTS
# Make as many bins as the caller asks for.
check("The same in twenty bins", psi(some, some[::4] + 0.5, bins=20), 0.29354, tolerance=0.03)
# Use the caller's `floor`, for shares that are small and not only for those that are 0.
check("Another floor", psi(some, some + 2, floor=0.01), 2.63439, tolerance=0.01)
### END HIDDEN TESTS

# %% mistake="psi"
# Cut the bins on the reference, what was known when the model shipped; cuts on the current data move with the drift.
# - np.quantile(reference,
# + np.quantile(current,

# %% mistake="psi"
# Use the reference's cuts for both samples; samples cut each at its own quantiles always agree.
# - np.searchsorted(cuts, sample)
# + np.searchsorted(np.quantile(sample, np.linspace(0, 1, bins + 1)[1:-1]), sample)

# %% mistake="psi"
# Compare shares of flights, not counts, or a smaller sample looks like drift.
# - counts / len(sample)
# + counts

# %% mistake="psi"
# Weigh each logarithm by the difference q − p; weighing by q alone is the Kullback–Leibler divergence.
# - (q - p) * np.log
# + q * np.log

# %% mistake="psi"
# A value that equals a cut belongs below it; above it, dry and wet hours share the last bin and nothing is ever seen.
# - np.searchsorted(cuts, sample)
# + np.searchsorted(cuts, sample, side="right")


# %% alternative="psi"
# One bin after the other.
def psi(reference, current, bins=10, floor=1e-4):
    reference, current = reference[~np.isnan(reference)], current[~np.isnan(current)]
    edges = [-np.inf, *np.quantile(reference, np.arange(1, bins) / bins), np.inf]
    total = 0.0
    for low, high in zip(edges, edges[1:]):
        p, q = (max(floor, np.mean((low < x) & (x <= high))) for x in (reference, current))
        total += (q - p) * np.log(q / p)
    return total


# %% [markdown]
# A rule of thumb of credit scoring calls a PSI below 0.1 quiet and one above 0.25 loud. We measure two inputs, humidity
# and `wet`; the output, `p_late`; and temperature, which the model does not read. Guess which is loud in July, and
# which in December.

# %%
measure = yours("psi", detect.psi)
temp = year.merge(weather()[["origin", "time_hour", "temp"]], on=["origin", "time_hour"], how="left").temp
columns = {"temp (no input)": temp, "humid": known.humid, "wet": known.wet, "p_late": year.p_late}
moved = pd.DataFrame(
    {
        name: [measure(x[is_winter].to_numpy(), x[year.month == month].to_numpy()) for month in range(1, 13)]
        for name, x in columns.items()
    },
    index=pd.RangeIndex(1, 13, name="month"),
)
print(moved.round(2))

# %% [markdown]
# Temperature is loud from March to November, and the model does not read it. Its 8.37 is a ceiling: nine bins of ten
# are empty, and `floor` sets the number. The rule of thumb was made for borrowers, not for weather.
#
# Humidity is loud in July and in December. In July the model lost its lead; in December it was as good as ever. A
# monitor of inputs cannot see harm. What it sees at once, without one label, is a feed that breaks.

# %% [markdown]
# ## Exercise 2: let a classifier look for the difference
#
# PSI misses a change in how columns go together. So label reference rows 0 and current rows 1, and train a *domain
# classifier* to tell them apart (Lopez-Paz & Oquab, 2017). If it can, on rows that it has not seen, something moved.
#
# Return the area under its ROC curve: 0.5 is chance, 1 is certainty. With `plain`, `cold` against `may` gives about
# 0.98.
#
# - The hours of one day are alike. So pool the days of both frames, and draw half of them with `rng`. Learn on these
#   days, score the others.
# - Fit a clone of `classifier`.

# %%
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.tree import DecisionTreeClassifier

plain, tree = LogisticRegression(), DecisionTreeClassifier(min_samples_leaf=5, random_state=0)
hours = detect.jfk_hours()  # temperature, dew point and humidity at JFK, indexed by hour
cold, may = hours.loc[:"2013-03-31"], hours.loc["2013-05-01":"2013-05-31"]
cold.head(3)


# %% answer="two_sample"
def two_sample(reference, current, classifier, rng):
    """How well `classifier` tells `current` from `reference` on days that it has not seen: an area under the ROC curve.

    Two frames of equal columns, indexed by hour in UTC; `rng` is a numpy Generator.
    """
    ### BEGIN SOLUTION
    rows = pd.concat([reference, current])
    label = np.repeat([0, 1], [len(reference), len(current)])
    days = rows.index.floor("D")
    learn = days.isin(rng.permutation(days.unique())[::2])
    fitted = clone(classifier).fit(rows[learn], label[learn])
    return roc_auc_score(label[~learn], fitted.predict_proba(rows[~learn])[:, 1])
    ### END SOLUTION


# %% check="two_sample" points=3
dice = np.random.default_rng(3)
wrong_hours, own = cold.assign(humid=dice.permutation(cold.humid)), LogisticRegression()


def area(reference, current, classifier=plain, moved=0.0, world=0, seed=0):
    """Of two samples of so many days out of one world, or `moved` apart; `seed` is of the dice."""
    samples = detect.two_worlds(reference, current, moved, world)
    return two_sample(*samples, classifier, np.random.default_rng(seed))


# Draw half of all days at random, so that both labels are learned.
# Give the current rows the label 1, and score the probability of 1.
check("May is not winter", two_sample(cold, may, plain, dice), at_least(0.85))
# Split by whole days, and score only days that were not learned: the hours of one day give each other away.
check("A hundred days against a hundred alike", area(100, 100, tree, world=1), between(0.3, 0.7))
# Pool the days: a day that is in both frames is either learned or scored.
check("Winter against itself", two_sample(cold, cold, tree, dice), 0.5)
# Fit a clone of the classifier that you were given, on all columns at once.
check("Humidity joined to the wrong hours", two_sample(cold, wrong_hours, tree, dice), at_least(0.7))
# Score the given classifier's probability of 1, not yes or no, and by the area: accuracy says little here.
check("600 days against 60, moved", area(600, 60, moved=0.8, world=2), between(0.57, 0.85))
# Draw the days from `rng`: other dice, other days; else you never see how far chance swings.
check("Six throws of the dice are six splits", len({area(30, 30, seed=seed) for seed in range(6)}), at_least(4))
# Fit a clone, and leave the caller's classifier as it came.
check("A classifier stays unfitted", area(30, 30, own) > 0 and not hasattr(own, "coef_"), True)
# Return the area as it is: where nothing differs, it falls below one half about as often as above.
check("Of sixteen like pairs one is below one half", min(area(30, 30, world=w) for w in range(16)), at_most(0.499))
### BEGIN HIDDEN TESTS
from grading import class_seed

coins = np.random.default_rng(class_seed("two_sample")).integers(0, 2, 8)
### BEGIN EXPECTED
apart = [bool(coin) for coin in np.random.default_rng(class_seed("two_sample")).integers(0, 2, 8)]
### END EXPECTED
# Give the current rows the label 1, whatever the dice: the area of samples far apart is near 1.
check("Which of eight pairs are apart", [bool(area(40, 40, moved=5.0 * c) > 0.95) for c in coins], apart)
# Take every random choice from `rng`.
check("The same dice give the same area", len({area(30, 30, seed=5) for _ in range(3)}), 1)
### END HIDDEN TESTS


# %% mistake="two_sample"
# Score the probability of 1, the current rows: an area near 0 is the mirror image of one near 1.
# - [:, 1]
# + [:, 0]

# %% mistake="two_sample"
# Split by whole days: a random half of the rows holds the hour before and the hour after of every row of the other.
# - learn = days.isin(rng.permutation(days.unique())[::2])
# + learn = rng.random(len(rows)) < 0.5

# %% mistake="two_sample"
# Score days that the classifier has not seen: on its own training rows it tells anything apart.
# - return roc_auc_score(label[~learn], fitted.predict_proba(rows[~learn])[:, 1])
# + return roc_auc_score(label[learn], fitted.predict_proba(rows[learn])[:, 1])

# %% mistake="two_sample"
# Score probabilities: with 600 days against 60, a classifier hardly ever says yes.
# - predict_proba(rows[~learn])[:, 1]
# + predict(rows[~learn])

# %% mistake="two_sample"
# Return the area, not the accuracy: whoever always says "reference" is right in ten cases of eleven.
# - roc_auc_score(label[~learn], fitted.predict_proba(rows[~learn])[:, 1])
# + fitted.score(rows[~learn], label[~learn])

# %% mistake="two_sample"
# Draw the days from `rng`: yours are the same in every call, so you never see how far chance swings.
# - rng.permutation
# + np.random.default_rng(0).permutation


# %% alternative="two_sample"
# scikit-learn splits by groups.
def two_sample(reference, current, classifier, rng):
    from sklearn.model_selection import GroupShuffleSplit

    rows = pd.concat([reference, current]).reset_index(names="hour")
    label = np.array([0] * len(reference) + [1] * len(current))
    splitter = GroupShuffleSplit(1, test_size=0.5, random_state=int(rng.integers(2**31)))
    a, b = next(splitter.split(rows, label, groups=rows.hour.dt.date))
    rows = rows.drop(columns="hour")
    fitted = clone(classifier).fit(rows.iloc[a], label[a])
    return roc_auc_score(label[b], fitted.predict_proba(rows.iloc[b])[:, 1])


# %% [markdown]
# We join winter's humidity to the wrong hours. Guess what PSI says of each column.

# %%
tell_apart = yours("two_sample", detect.two_sample)
dice = np.random.default_rng(2)
joined_wrongly = cold.assign(humid=dice.permutation(cold.humid))
print("PSI:", {name: measure(cold[name].to_numpy(), joined_wrongly[name].to_numpy()) for name in cold})
print(f"area of the domain classifier: {tell_apart(cold, joined_wrongly, tree, dice):.2f}")

# %% [markdown]
# Every column is as it was, so PSI is 0. The classifier sees that damp air no longer goes with a dew point
# near the temperature.
#
# How large must an area be? Chance decides. The usual tests, such as Kolmogorov–Smirnov (KS) for one column, treat rows
# as independent: with thousands of rows even a small gap gets a tiny p value. But rows of one day are alike.

# %% [markdown]
# ## Exercise 3: shuffle days, not flights
#
# Do the `current` days differ from the others? Take the absolute difference between the mean of their rows and the
# mean of all other rows. Then draw as many days as there are current ones, without replacement, from all days.
# Do this `permutations` times. Return
#
# $$p = \frac{1 + \text{number of draws that differ at least as much}}{1 + \text{permutations}}.$$
#
# The 1 counts the real days as one more draw (Phipson & Smyth, 2010). If all rows are equal, $p$ is 1.
#
# - A day with more rows weighs more: the means are over rows.
# - Draw with `rng`.


# %% answer="day_block_p"
def day_block_p(days, values, current, rng, permutations=99):
    """p that the days in `current` differ from all other days.

    `days` and `values` are arrays with an entry per row, `current` is an array of days, `rng` a numpy Generator.
    """
    ### BEGIN SOLUTION
    every = np.unique(days)

    def difference(chosen):
        inside = np.isin(days, chosen)
        return abs(values[inside].mean() - values[~inside].mean())

    seen = difference(current)
    drawn = [difference(rng.choice(every, len(current), replace=False)) for _ in range(permutations)]
    return (1 + sum(d >= seen for d in drawn)) / (1 + permutations)
    ### END SOLUTION


# %% check="day_block_p" points=3
dice = np.random.default_rng(7)
day, heat = detect.winter_heat()  # 90 days of winter, eight hours each
thaw = heat + 60 * (day >= 60)
seven = np.repeat(np.arange(7), [6, 2, 4, 2, 2, 2, 1])
counted = np.array([6.0, 2, 3, 4, 5, 6, 1, 4, 4, 2, 1, 5, 4, 2, 5, 6, 3, 2, 1])
# Compare with random draws of days. Count those that differ at least as much, equal ones too, and 1 for the real days.
check("When every hour is alike, no day stands out", day_block_p(day, 0 * heat, np.arange(7), dice, 39), 1)
# Draw any days, `permutations` times. Count the draws that differ at least as much, and 1 more above and below.
check("A thaw of thirty days: no draw comes near", day_block_p(day, thaw, np.arange(60, 90), dice, 39), 0.025)
# Take the absolute difference: days may lie below the others as well as above.
check("Thirty days of frost stand out as much", day_block_p(day, -thaw, np.arange(60, 90), dice, 39), 0.025)
# Draw whole days, as many as `current` holds, and compare like with like; else far too many days stand out.
check(
    "False alarms for a day drawn at random",
    detect.false_alarms(day_block_p, day, heat, detect.one_day, dice),
    at_most(0.15),
)
# Draw from the unique days, the current ones too, none twice; compare the mean of their rows with all other rows'.
check(
    "Three days of seven: six draws in ten differ as much",
    day_block_p(seven, counted, np.arange(3), dice, 2_000),
    between(0.555, 0.645),
)
# Draw with `rng`, which moves on from call to call.
check("Eight calls, not one draw", len({day_block_p(day, heat, [44], dice) for _ in range(8)}), at_least(2))
### BEGIN HIDDEN TESTS
rare, scattered = heat + 60 * (day == 44), detect.scattered
# Draw as many days as there are current ones: here one.
check("A rare day among ninety", day_block_p(day, rare, np.array([44]), dice, 399), between(0.0024, 0.06))
check("False alarms for scattered days", detect.false_alarms(day_block_p, day, heat, scattered, dice), at_most(0.15))
### END HIDDEN TESTS

# %% mistake="day_block_p"
# Draw whole days: row by row, the hours of one day count as independent, and far too many days alarm.
# - every = np.unique(days)
# + days, current = np.arange(len(days)), np.flatnonzero(np.isin(days, current))
# + every = days

# %% mistake="day_block_p"
# Count draws that differ at least as much, equal ones too: when all days are alike, p is 1.
# - d >= seen
# + d > seen

# %% mistake="day_block_p"
# Take the absolute difference: days that are colder than the others differ as much as warmer ones.
# - abs(values[inside].mean() - values[~inside].mean())
# + values[inside].mean() - values[~inside].mean()

# %% mistake="day_block_p"
# Draw as many days as there are current ones: the mean of one day swings far more than the mean of three.
# - rng.choice(every, len(current), replace=False)
# + rng.choice(every)

# %% mistake="day_block_p"
# Let a day with more rows weigh more: the means are over rows, not over days.
# - every = np.unique(days)
# + values = pd.Series(values).groupby(days).mean().to_numpy()
# + every = days = np.unique(days)

# %% mistake="day_block_p"
# Compare with the mean of the other rows: in the mean of all rows the current ones are hidden.
# - values[~inside].mean()
# + values.mean()


# %% alternative="day_block_p"
# Sums by day, and all shuffles at once.
def day_block_p(days, values, current, rng, permutations=99):
    table = pd.DataFrame({"day": days, "value": values}).groupby("day").value.agg(["sum", "size"])
    chosen = table.index.isin(current)
    masks = np.vstack([chosen, rng.permuted(np.tile(chosen, (permutations, 1)), axis=1)])
    inside, outside = masks @ table.to_numpy(), ~masks @ table.to_numpy()
    gaps = np.abs(inside[:, 0] / inside[:, 1] - outside[:, 0] / outside[:, 1])
    return np.mean(gaps > gaps[0] - 1e-12)


# %% [markdown]
# Is the test honest? We take days out of one winter and ask whether they are warmer or colder than the rest. There is
# nothing to find, so at $p \le 0.05$ it may alarm once in twenty. Guess how often it does.

# %%
shuffle = yours("day_block_p", detect.day_block_p)
winter_day, winter_temp = detect.winter_heat()
dice = np.random.default_rng(4)


def by_rows(days, values, current, *rest):
    """The same test, as if each row were a day of its own."""
    return shuffle(np.arange(len(days)), values, np.flatnonzero(np.isin(days, current)), *rest)


for choose in (detect.one_day, detect.scattered, detect.neighbours):  # one day, seven scattered days, seven in a row
    shares = [detect.false_alarms(test, winter_day, winter_temp, choose, dice, 200) for test in (by_rows, shuffle)]
    print(f"{choose.__name__:10}  by rows {shares[0]:.2f}   by whole days {shares[1]:.2f}")

# %% [markdown]
# By rows it alarms far too often. By whole days it keeps its promise for one day, and for scattered days. It breaks it
# for seven days in a row, because neighbouring days are alike too. So first ask how alike neighbours are.

# %%
daily_temp = pd.Series(winter_temp).groupby(winter_day).mean()
print(f"a day and the next, correlation of temperature: {daily_temp.autocorr():.2f}")
print(f"a day and the next, correlation of excess: {by_day[winter_days].autocorr():.2f}")
labelled = year.dropna(subset=["excess"])
for month in (6, 7, 9):
    x = labelled[labelled.month.isin([1, 2, 3, month])]
    p = shuffle(x.day.to_numpy(), x.excess.to_numpy(), x.day[x.month == month].unique(), dice, 199)
    print(f"month {month} against winter: p = {p:.3f}")

# %% [markdown]
# The excess of a day says little about the next day's, so here the shuffle is nearly fair. September's difference comes
# by chance in about one of four shuffles, June's in one of fifteen, July's in one of a hundred or fewer.

# %% [markdown]
# ## Exercise 4: watch the loss as labels come in
#
# A *CUSUM* (Page, 1954) looks every day. Let $x_t$ be the mean excess of the labels that became known on UTC day $t$.
# Start at $S = 0$. Each day add what lies above `normal + slack`, and never fall below 0:
#
# $$S_t = \max(0,\; S_{t-1} + x_t - \mathrm{normal} - \mathrm{slack}).$$
#
# Return the first day on which $S_t$ is above `threshold`, or None. With normal 0, slack 0.1, threshold 1.1 and 0.3
# every day, that is the sixth.
#
# - A label counts on the UTC day of `known_at`, not of departure.
# - A flight that never arrived has neither `excess` nor `known_at`.
# - A day without labels changes nothing.


# %% answer="cusum"
def cusum(flights, normal, slack=0.02, threshold=0.5):
    """The first UTC day on which the excess has drifted above `normal`, as a Timestamp, or None.

    `flights` has a row per flight, in any order: `excess` (nats), `sched_dep` and `known_at` (times in UTC).
    """
    ### BEGIN SOLUTION
    there = flights.dropna(subset=["excess"])
    daily = there.groupby(there.known_at.dt.floor("D")).excess.mean()
    height = 0.0
    for day, mean in daily.items():
        height = max(0.0, height + mean - normal - slack)
        if height > threshold:
            return day
    return None
    ### END SOLUTION


# %% check="cusum" points=3
def alarm(*tape, **settings):
    """The day of the alarm, as text, for flights whose normal excess is -0.03."""
    return detect.as_day(cusum(detect.tape(*tape), -0.03, **settings))


jump = [-0.03] * 40 + [0.12] * 20
# Day by day, in order, add what lies above normal + slack.
# Return the first day (a Timestamp) on which the sum is above the given `threshold`.
check("The example", detect.as_day(cusum(detect.tape([0.3] * 20), 0, 0.1, 1.1)), "2013-05-06")
# Return None where the sum never passes the threshold; days below normal never raise it.
check("Sixty days better than normal", alarm([-0.2] * 60), None)
# Keep one sum over all days, but never below 0: good days before must not pay for bad days now.
check("Forty days, then 0.15 worse: the fourth bad day", alarm(jump), "2013-06-13")
# Let a day below normal + slack lower the sum by its own step; only below 0 does the sum start again at 0.
check("A good day among bad ones", alarm([0.12, 0.12, -0.05] + [0.12] * 9), "2013-05-06")
# Average the flights of a UTC day first: a step of the sum is a day, however many flights and hours it has.
check("Nine flights a day", alarm(jump, 9), "2013-06-13")
# Count a label on the UTC day of known_at: before that nobody had it.
check("Labels that come ten and a half days late", alarm(jump, 1, 10.5), "2013-06-24")
# Pass over a day without labels, and fill in nothing (0, normal, the day before): the sum stays where it was.
check("A month without labels", alarm([-0.03] * 12 + [0.12] * 2 + [np.nan] * 30 + [0.12] * 20), "2013-06-15")
### BEGIN HIDDEN TESTS
from grading import class_seed

luck = np.random.default_rng(class_seed("cusum"))
noisy = [np.repeat(luck.normal(0, 0.15, 6), 10) + luck.normal(0, 0.1, 60) for _ in range(20)]
settings = [{"slack": s, "threshold": t} for s, t in zip(luck.uniform(0, 0.1, 20), luck.uniform(0.3, 1.5, 20))]
### BEGIN EXPECTED
expected = [detect.as_day(detect.cusum(detect.tape(t, 3), -0.03, **kept)) for t, kept in zip(noisy, settings)]
### END EXPECTED
# Take `slack` and `threshold` as the caller gives them.
check("Twenty tapes, each with its own settings", [alarm(t, 3, **s) for t, s in zip(noisy, settings)], expected)
### END HIDDEN TESTS


# %% mistake="cusum"
# Let good days lower the sum: a sum that only rises passes any threshold in the end.
# - max(0.0, height + mean - normal - slack)
# + height + max(0.0, mean - normal - slack)

# %% mistake="cusum"
# Never let the sum fall below 0: good days before must not pay for bad days now.
# - max(0.0, height + mean - normal - slack)
# + height + mean - normal - slack

# %% mistake="cusum"
# Take `slack` off every day: without it the sum of small rises passes any threshold in the end.
# - mean - normal - slack
# + mean - normal

# %% mistake="cusum"
# Average the flights of a day first: else a busy morning alone sets the alarm off.
# - daily = there.groupby(there.known_at.dt.floor("D")).excess.mean()
# + daily = there.set_index(there.known_at.dt.floor("D")).excess.sort_index()

# %% mistake="cusum"
# Group by the day on which the label became known: on the day of departure nobody had it.
# - there.known_at.dt.floor("D")
# + there.sched_dep.dt.floor("D")

# %% mistake="cusum"
# Leave out days without labels: a NaN starts the sum again at 0, and a filled day still pays the slack.
# - there.groupby(there.known_at.dt.floor("D"))
# + there.set_index("known_at").resample("D")


# %% alternative="cusum"
# The sums of all days at once: a sum since its last lowest point.
def cusum(flights, normal, slack=0.02, threshold=0.5):
    days = pd.to_datetime(flights.known_at, utc=True).dt.date
    daily = flights.excess.groupby(days).mean().dropna().sort_index()
    sums = (daily - normal - slack).cumsum()
    height = sums - sums.cummin().clip(upper=0)
    alarms = height.index[height > threshold]
    return alarms[0] if len(alarms) else None


# %% [markdown]
# The slack is the rise that we can live with, here 0.02. The threshold follows from false alarms. From weeks of winter
# we make quiet years of 39 weeks, in which nothing drifts.

# %%
daily = labelled.groupby(labelled.known_at.dt.floor("D")).excess.mean()
calm = daily[:"2013-03-31"]
normal = calm.mean()
quiet = detect.quiet_years(calm, np.random.default_rng(8)) - normal
peaks = detect.heights(quiet).max(axis=1)
print("false alarms:", {threshold: f"{np.mean(peaks > threshold):.0%} of years" for threshold in (0.3, 0.4, 0.5, 0.6)})

# %% [markdown]
# We take 0.5. To be honest: we chose slack and threshold after we had seen the year.
#
# Now we plant drift: every day of these years gets worse by the same amount. Guess how many days pass until half of the
# years have an alarm.

# %%
for rise in (0.02, 0.04, 0.1, 0.3):
    over = detect.heights(quiet + rise) > 0.5
    waited = np.where(over.any(axis=1), over.argmax(axis=1) + 1, np.inf)
    print(f"a rise of {rise}: noticed within {np.median(waited):.0f} days in half of the years")

# %% [markdown]
# A collapse shows in days, a slow loss of lead in weeks: the price of few false alarms. Now the real year.

# %%
watch = yours("cusum", detect.cusum)
served = year[~is_winter]
print("99 % of labels are there within", (served.known_at - served.sched_dep).quantile(0.99).round("min"))
late = served.assign(known_at=served.known_at + pd.Timedelta("30D"))
print("alarm:", detect.as_day(watch(served, normal)))
print("alarm, if each label came 30 days later:", detect.as_day(watch(late, normal)))
after = daily["2013-04-01":]
sums = pd.Series(detect.heights(after - normal), after.index)
print("sum at the end of 30 June:", sums["2013-06-30"].round(2))

# %% fold
figure, (top, bottom) = plt.subplots(2, 1, figsize=(9, 4.6), layout="constrained", sharex=True)
top.plot(daily.index, daily, color="#56B4E9", linewidth=0.8, label="mean of a day")
top.plot(daily.index, daily.rolling(28).mean(), color="#000000", label="mean of the last 28 days")
top.axhline(normal, color="#000000", linestyle=":", label="normal: winter's mean")
top.set(ylabel="excess, nats")
top.legend(loc="lower right", ncols=3, fontsize=8)
bottom.plot(sums.index, sums, color="#0072B2", label="CUSUM")
bottom.axhline(0.5, color="#000000", linestyle="--", label="threshold")
bottom.axvline(detect.cusum(served, normal), color="#D55E00", linewidth=2, label="alarm")
bottom.set(xlabel="day on which labels became known, UTC", ylabel="sum, nats")
bottom.legend(loc="upper left", fontsize=8)
for axis in (top, bottom):
    axis.axvspan(
        pd.Timestamp("2013-07-01", tz="UTC"), pd.Timestamp("2013-08-01", tz="UTC"), color="#F0E442", alpha=0.35
    )
plt.show()

# %% [markdown]
# The shaded month is July. The sum crosses the threshold on 10 July, but it was at 0.4 of 0.5 when June ended. So the
# alarm is June's as much as July's. Labels come within hours here, so we wait for evidence. With loans that default, we
# wait for labels too.
#
# `normal` is the mean of only 90 days, and one of them, 8 March, is the dip. How much hangs on it? We put a hundred
# other winters together from the same weeks.

# %%
dice, rates, alarms = np.random.default_rng(9), [], []
for other in detect.quiet_years(calm, dice, weeks=13, years=100).mean(axis=1):  # the normal of another winter
    rates.append(np.mean(detect.heights(quiet[:500] + normal - other).max(axis=1) > 0.5))
    alarms += list(after.index[detect.heights(after - other) > 0.5].date[:1])
low, high = np.quantile(rates, [0.05, 0.95])
print(f"false alarms in {np.mean(rates):.0%} of quiet years, from {low:.0%} to {high:.0%} (the middle 90 winters)")
print(
    f"{len(alarms)} of 100 winters give an alarm, half of them from",
    *np.quantile(np.sort(alarms), [0.25, 0.75], method="nearest"),
)

# %% [markdown]
# So the 7 % hold only if winter's mean is exact. *Page–Hinkley* takes the mean of all days so far as its
# normal: there, slow drift becomes normal.

# %% [markdown]
# ## From an alarm to an action
#
# An alarm that asks for nothing is noise. A *challenger* is a new model that must beat the old one before it ships. The
# first rule that is true decides.


# %%
def react(missing, rise, low, loudest):
    """What to do after a look at the share of inputs missing, the rise of the excess, its lower bound, and the PSI."""
    if missing > 0.2:
        return "repair the feed"
    if rise > 0.02 and low > 0:  # above the slack, and more than chance
        return "train a challenger"
    return "look" if loudest > 0.25 else "carry on"


missing = known.humid.isna().groupby(year.month).mean()
board = rises[["rise", "low"]].assign(missing=missing, loudest=moved[["humid", "wet"]].max(axis=1))
print(board.round(3).assign(action=[react(m.missing, m.rise, m.low, m.loudest) for m in board.itertuples()]))

# %% [markdown]
# June's lower bound is barely above 0. A false alarm is bearable, because a challenger still has to win. Would it have
# won? We train one on the three months known by the evening of 10 July. We train another on 1 December, as if we had
# obeyed humidity. Guess.

# %%
dice = np.random.default_rng(5)
for start, end in (("2013-07-11", "2013-08-01"), ("2013-12-01", "2014-01-01")):
    start, end = pd.Timestamp(start, tz="UTC"), pd.Timestamp(end, tz="UTC")
    recent = year.known_at.between(start - pd.DateOffset(months=3), start, inclusive="left")
    ask = year.sched_dep.between(start, end, inclusive="left")
    gain = log_loss(year.late[ask], year.p_late[ask]) - log_loss(year.late[ask], forecasts(recent, ask).p_late)
    low, high = np.quantile(detect.day_means(gain, year.day[ask], dice), [0.025, 0.975])
    print(f"from {start.date()}: the challenger gains {gain.mean():+.3f} nats a flight, 95 % {low:+.3f} to {high:+.3f}")

# %% [markdown]
# Harm asked for July's challenger, and it wins. Humidity alone asked for December's, and it loses. These are two cases,
# seen in hindsight. Before it ships, a challenger must win on flights that neither model has seen.

# %% [markdown]
# ## The answer
#
# Which detector would have noticed July? PSI was as loud in December, when nothing was wrong. A CUSUM of the loss
# sounds on 10 July. It cries wolf in 7 % of quiet years if winter's mean is exact, in about 15 % if we admit that we
# saw only one winter. Watch inputs to find broken feeds. Watch losses to find harm. Let harm ask for a challenger, and
# let the challenger win its place.
#
# In production, Evidently computes PSI and KS for each column. NannyML and Alibi Detect have a domain classifier.
# river has Page–Hinkley and ADWIN, a window that shrinks when its mean changes. With each, split and shuffle by what
# is independent, and give each alarm an owner and an action.

# %% [markdown] say="q26" points=2
# **Say it.** "How would you detect drift automatically, and what would you do about it?" Answer aloud, then write
# down the core.
#
# One point each:
#
# - a detector for inputs and one for losses, and what each cannot see, with a number from above;
# - how you keep false alarms down, and which alarm leads to a new model.
#
# ### BEGIN SOLUTION
# Inputs: PSI per column and a domain classifier. They need no labels and find broken feeds, not harm: humidity's PSI
# was 0.33 in July and in December, and only July hurt. Losses: a CUSUM of daily log loss minus a simple forecast's; it
# sounded on 10 July. It waits for labels and misses cancelled flights. I ask for a rise that is large and more than
# chance, count days and not flights, and set thresholds on quiet data. A risen loss trains a challenger, which must win
# to ship.
# ### END SOLUTION
