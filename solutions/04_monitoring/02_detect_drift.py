# %% [markdown]
# # Detect drift
#
# In April the airline desk began to use a model trained on January to March: two hours before departure it says how
# likely a flight is to arrive more than 15 minutes late. It is autumn now, and somebody asks the fair question.
# Has the world drifted away from the model, how would we know, and what should we do?
#
# You will build four detectors, learn which of them to believe, and turn their alarms into actions. You need pandas,
# numpy and an hour and a half.

# %%
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from daytwo import features, flights, predict, train, weather
from grading import at_least, at_most, between, check, satisfies

# %% [markdown]
# First the model of record, exactly as it was shipped: fitted on winter flights, then asked about the whole year.
# `p_late` is its probability that a flight is late.

# %%
year = flights()
known = features(year, weather())  # what was known two hours before departure
is_winter = year.month <= 3
model = train(known[is_winter], year.late[is_winter])
year["p_late"] = predict(model, known)

# %% [markdown]
# We also keep the temperature at departure, which the model does not use, and the log loss of each flight:
# small where the model was right, large where it was surely wrong, missing where a flight never arrived.

# %%
hourly = weather()[["origin", "time_hour", "temp"]]
year = year.merge(hourly, on=["origin", "time_hour"], how="left")
right = year.p_late.where(year.late == 1, 1 - year.p_late)
year["loss"] = -np.log(right).where(year.late.notna())
winter = year[year.month <= 3]

# %% [markdown]
# Before you run the next cell, guess: by July, which has moved most against winter? The temperature, what the model
# says, or how wrong it is?

# %%
july = year[year.month == 7]
figure, (left, middle, last) = plt.subplots(1, 3, figsize=(11, 3.2), layout="constrained")
for axis, column in ((left, "temp"), (middle, "p_late")):
    for part, name, style in ((winter, "winter", "stepfilled"), (july, "July", "step")):
        colour = "#56B4E9" if name == "winter" else "#000000"
        axis.hist(part[column].dropna(), bins=30, density=True, histtype=style, color=colour, label=name)
    axis.legend()
left.set(xlabel="temperature, °F", ylabel="density of flights, per °F")
middle.set(xlabel="p_late, the model's probability", ylabel="density of flights")
year.groupby("month").loss.mean().plot.bar(ax=last, color="#56B4E9", rot=0, label="_")
last.axhline(winter.loss.mean(), color="#000000", linestyle="--", label="winter")
last.set(xlabel="month of 2013", ylabel="log loss per flight")
last.legend(loc="lower left")
plt.show()

# %% [markdown]
# July is so warm that its temperatures hardly touch winter's. What the model says has barely changed. Yet in
# April, June, July and December the bars of its loss stand well above the dashed line of winter. The loudest
# change and the most harmful one are not the same.

# %% [markdown]
# ## Exercise 1: measure how far a column has moved
#
# Cut the reference into `bins` bins at its quantiles, so that each holds an equal share, and see what share of the
# current flights falls into each. With $p_i$ for the reference's share of bin $i$ and $q_i$ for the current one, the
# *population stability index* (Siddiqi, *Credit Risk Scorecards*, 2006) is
#
# $$\mathrm{PSI} = \sum_i (q_i - p_i)\,\ln\frac{q_i}{p_i}.$$
#
# - The first and the last bin are open: a day hotter than any in winter still belongs to the last bin.
# - Missing values are left out of both samples.
# - A share below `floor` counts as `floor`, so that nothing divides by zero.


# %% answer="psi"
def psi(reference, current, bins=10, floor=1e-4):
    """How far `current` has moved from `reference`, two arrays of numbers; 0 means not at all."""
    ### BEGIN SOLUTION
    reference, current = (np.asarray(x, dtype=float) for x in (reference, current))
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
check("Winter has not drifted from itself", psi(winter.p_late, winter.p_late), 0)
check("A sample four times smaller and half a unit higher", psi(some, some[::4] + 0.5), 0.26871, tolerance=0.02)
check("Twice as wide: more flights beyond both ends", psi(some, 2 * some), 0.49428, tolerance=0.02)
check("A quarter of the values is missing", psi(some, holes), 0.08593, tolerance=0.02)
### BEGIN HIDDEN TESTS
check("Temperature in July: every flight in the last bin", psi(winter.temp, july.temp), at_least(7))
check("What the model says in July", psi(winter.p_late, july.p_late), 0.02173, tolerance=0.03)
check("The same in twenty bins", psi(winter.p_late, july.p_late, bins=20), 0.03567, tolerance=0.03)
check("Another floor", psi(some, some + 9, floor=0.01), 3.93742, tolerance=0.03)
### END HIDDEN TESTS


# %% mistake="psi"
# Cut the bins once, on the reference, and use the same cuts for both samples; bins cut on each sample always agree.
def psi(reference, current, bins=10, floor=1e-4):
    def shares(sample):
        sample = np.asarray(sample)[~np.isnan(sample)]
        counts, _ = np.histogram(sample, np.quantile(reference[~np.isnan(reference)], np.linspace(0, 1, bins + 1)))
        cuts = np.quantile(sample, np.linspace(0, 1, bins + 1)[1:-1])
        counts = np.bincount(np.searchsorted(np.round(cuts, 1), sample), minlength=bins)
        return np.maximum(counts / len(sample), floor)

    p, q = shares(reference), shares(current)
    return float(np.sum((q - p) * np.log(q / p)))


# %% mistake="psi"
# Cut the bins on the reference, what was known when the model shipped; cuts on the current data move with the drift.
def psi(reference, current, bins=10, floor=1e-4):
    reference, current = (np.asarray(x, dtype=float) for x in (reference, current))
    reference, current = reference[~np.isnan(reference)], current[~np.isnan(current)]
    cuts = np.quantile(current, np.linspace(0, 1, bins + 1)[1:-1])

    def shares(sample):
        counts = np.bincount(np.searchsorted(cuts, sample), minlength=bins)
        return np.maximum(counts / len(sample), floor)

    p, q = shares(reference), shares(current)
    return float(np.sum((q - p) * np.log(q / p)))


# %% mistake="psi"
# Divide by the sample's own length: compare shares of flights, not counts, or a smaller sample looks like drift.
def psi(reference, current, bins=10, floor=1e-4):
    reference, current = (np.asarray(x, dtype=float) for x in (reference, current))
    reference, current = reference[~np.isnan(reference)], current[~np.isnan(current)]
    cuts = np.quantile(reference, np.linspace(0, 1, bins + 1)[1:-1])

    def counts(sample):
        found = np.bincount(np.searchsorted(cuts, sample), minlength=bins)
        return np.maximum(found, floor)

    p, q = counts(reference), counts(current)
    return float(np.sum((q - p) * np.log(q / p)))


# %% mistake="psi"
# Leave the outer bins open: a value beyond the reference's smallest or largest still counts, as drift does.
def psi(reference, current, bins=10, floor=1e-4):
    reference, current = (np.asarray(x, dtype=float) for x in (reference, current))
    reference, current = reference[~np.isnan(reference)], current[~np.isnan(current)]
    cuts = np.quantile(reference, np.linspace(0, 1, bins + 1))
    p = np.histogram(reference, cuts)[0] / len(reference)
    q = np.histogram(current, cuts)[0] / len(current)
    p, q = np.maximum(p, floor), np.maximum(q, floor)
    return float(np.sum((q - p) * np.log(q / p)))


# %% mistake="psi"
# Cut at quantiles, so that each bin holds an equal share of the reference; yours are equally wide.
def psi(reference, current, bins=10, floor=1e-4):
    reference, current = (np.asarray(x, dtype=float) for x in (reference, current))
    reference, current = reference[~np.isnan(reference)], current[~np.isnan(current)]
    cuts = np.linspace(reference.min(), reference.max(), bins + 1)[1:-1]

    def shares(sample):
        counts = np.bincount(np.searchsorted(cuts, sample), minlength=bins)
        return np.maximum(counts / len(sample), floor)

    p, q = shares(reference), shares(current)
    return float(np.sum((q - p) * np.log(q / p)))


# %% mistake="psi"
# Weigh each logarithm by the difference q − p; weighing by q alone is the Kullback–Leibler divergence.
def psi(reference, current, bins=10, floor=1e-4):
    reference, current = (np.asarray(x, dtype=float) for x in (reference, current))
    reference, current = reference[~np.isnan(reference)], current[~np.isnan(current)]
    cuts = np.quantile(reference, np.linspace(0, 1, bins + 1)[1:-1])

    def shares(sample):
        counts = np.bincount(np.searchsorted(cuts, sample), minlength=bins)
        return np.maximum(counts / len(sample), floor)

    p, q = shares(reference), shares(current)
    return float(np.sum(q * np.log(q / p)))


# %% mistake="psi"
# Leave missing values out before you count; they sort above everything and end up in the last bin.
def psi(reference, current, bins=10, floor=1e-4):
    reference, current = np.asarray(reference, dtype=float), np.asarray(current, dtype=float)
    cuts = np.nanquantile(reference, np.linspace(0, 1, bins + 1)[1:-1])

    def shares(sample):
        counts = np.bincount(np.searchsorted(cuts, sample), minlength=bins)
        return np.maximum(counts / len(sample), floor)

    p, q = shares(reference), shares(current)
    return float(np.sum((q - p) * np.log(q / p)))


# %% alternative="psi"
# pandas cuts and counts.
def psi(reference, current, bins=10, floor=1e-4):
    _, edges = pd.qcut(pd.Series(reference), bins, retbins=True)
    edges[0], edges[-1] = -np.inf, np.inf

    def shares(sample):
        binned = pd.cut(pd.Series(sample).dropna(), edges)
        return binned.value_counts(normalize=True, sort=False).clip(lower=floor)

    p, q = shares(reference), shares(current)
    return ((q - p) * np.log(q / p)).sum()


# %% alternative="psi"
# One bin after the other, in plain Python, values equal to a cut counted above it.
def psi(reference, current, bins=10, floor=1e-4):
    reference = sorted(x for x in reference if x == x)
    current = [x for x in current if x == x]
    cuts = [reference[round(len(reference) * i / bins)] for i in range(1, bins)]
    edges = [float("-inf"), *cuts, float("inf")]
    total = 0.0
    for low, high in zip(edges, edges[1:]):
        p = max(floor, sum(low <= x < high for x in reference) / len(reference))
        q = max(floor, sum(low <= x < high for x in current) / len(current))
        total += (q - p) * np.log(q / p)
    return total


# %% [markdown]
# A rule of thumb from credit scoring calls a PSI below 0.1 quiet and one above 0.25 loud. Temperature in July
# is deafening, and the model did not even look at it; what the model *says* is quiet in every month. Neither
# saw the loss rise.

# %% [markdown]
# ## Exercise 2: tell a large change from a sure one
#
# The Kolmogorov–Smirnov statistic $d$ is the largest gap between the two cumulative shares. With $n$ and $m$ flights
# and no drift, $\lambda = d\sqrt{nm/(n+m)}$ exceeds its value with probability (Smirnov 1948)
#
# $$p \approx 2\sum_{k\ge1} (-1)^{k-1} e^{-2k^2\lambda^2},$$
#
# which is `scipy.stats.kstwobign.sf(λ)`. Return `(d, p, drifted)`.
#
# - With 28,000 flights a month, $p$ is tiny for gaps nobody would notice. Call it drift only when $p$ < `alpha` *and*
#   $d$ is at least `smallest`.
# - scipy may help; any method that agrees with the formula to 5 % will do.


# %% answer="ks"
def ks(reference, current, smallest=0.1, alpha=0.01):
    """(d, p, drifted) of two arrays of numbers without missing values."""
    ### BEGIN SOLUTION
    from scipy.stats import kstwobign

    reference, current = np.sort(reference), np.sort(current)
    points = np.concatenate([reference, current])
    share_reference = np.searchsorted(reference, points, side="right") / len(reference)
    share_current = np.searchsorted(current, points, side="right") / len(current)
    d = np.abs(share_reference - share_current).max()
    n, m = len(reference), len(current)
    p = kstwobign.sf(d * np.sqrt(n * m / (n + m)))
    return d, p, bool(p < alpha and d >= smallest)
    ### END SOLUTION


# %% check="ks" points=3
noise = np.random.default_rng(26)
many, few = noise.normal(size=3_000), noise.normal(0.05, 1, size=2_000)
small = ks([1, 2, 3, 4], [3.5, 4.5, 5.5, 0])
check("Two samples that are one and the same", ks(many, many), (0.0, 1.0, False))
check("The largest gap of two small samples", small[0], 0.5)
check("The gap of 3,000 and 2,000 draws", ks(many, few)[0], 0.03883)
check("How sure that gap is", ks(many, few)[1], 0.0529, tolerance=0.05)
check("September's hours: sure, and too small to matter", ks(winter.hour, year.hour[year.month == 9])[2], False)
check("The same hours, if a gap of 0.02 matters", ks(winter.hour, year.hour[year.month == 9], smallest=0.02)[2], True)
### BEGIN HIDDEN TESTS
### BEGIN EXPECTED
from scipy import stats

gap = stats.ks_2samp(winter.p_late, july.p_late).statistic
sure = stats.ks_2samp(few, many + 0.02, method="asymp").pvalue
### END EXPECTED
check("What the model says in July, against scipy", ks(winter.p_late, july.p_late)[0], gap)
check("Samples exchanged, against scipy", ks(few, many + 0.02)[1], sure, tolerance=0.05)
check("A large gap between ten flights and ten is not sure", ks(np.arange(10), np.arange(10) + 3.5)[2], False)
check("Temperature in July is both large and sure", ks(winter.temp.dropna(), july.temp.dropna())[2], True)
### END HIDDEN TESTS


# %% mistake="ks"
# Ask for a large gap as well as a small p: with 28,000 flights a month every gap is sure, and most do not matter.
def ks(reference, current, smallest=0.1, alpha=0.01):
    from scipy.stats import ks_2samp

    d, p = ks_2samp(reference, current)
    return d, p, bool(p < alpha)


# %% mistake="ks"
# Take the absolute difference: the current flights may lie below the reference as well as above.
def ks(reference, current, smallest=0.1, alpha=0.01):
    from scipy.stats import kstwobign

    points = np.concatenate([reference, current])
    below = [np.searchsorted(np.sort(s), points, side="right") / len(s) for s in (reference, current)]
    d = (below[1] - below[0]).max()
    p = kstwobign.sf(d * np.sqrt(len(reference) * len(current) / (len(reference) + len(current))))
    return d, p, bool(p < alpha and d >= smallest)


# %% mistake="ks"
# Divide nm by n + m: the smaller sample limits how sure we can be.
def ks(reference, current, smallest=0.1, alpha=0.01):
    from scipy.stats import ks_2samp, kstwobign

    d = ks_2samp(reference, current).statistic
    p = kstwobign.sf(d * np.sqrt(len(reference) + len(current)))
    return d, p, bool(p < alpha and d >= smallest)


# %% mistake="ks"
# Compare cumulative shares, value by value; the difference of the means is another question.
def ks(reference, current, smallest=0.1, alpha=0.01):
    from scipy.stats import ks_2samp

    d = abs(np.mean(reference) - np.mean(current))
    p = ks_2samp(reference, current).pvalue
    return d, p, bool(p < alpha and d >= smallest)


# %% mistake="ks"
# Call it drift only when the gap is sure too: between ten flights and ten a large gap is nothing special.
def ks(reference, current, smallest=0.1, alpha=0.01):
    from scipy.stats import ks_2samp

    d, p = ks_2samp(reference, current)
    return d, p, bool(d >= smallest)


# %% alternative="ks"
# scipy does all of it.
def ks(reference, current, smallest=0.1, alpha=0.01):
    from scipy import stats

    result = stats.ks_2samp(reference, current, method="asymp")
    return result.statistic, result.pvalue, result.pvalue < alpha and result.statistic >= smallest


# %% alternative="ks"
# Walk through the sorted values, and sum the series by hand.
def ks(reference, current, smallest=0.1, alpha=0.01):
    steps = pd.concat(
        [pd.Series(1 / len(reference), index=list(reference)), pd.Series(-1 / len(current), index=list(current))]
    )
    d = float(steps.groupby(level=0).sum().cumsum().abs().max())
    root = d * (len(reference) * len(current) / (len(reference) + len(current))) ** 0.5
    p = 1.0 if root < 0.2 else 2 * sum((-1) ** (k - 1) * np.exp(-2 * (k * root) ** 2) for k in range(1, 101))
    return d, p, bool(p < alpha and d >= smallest)


# %% [markdown]
# ## Exercise 3: let a classifier look for the difference
#
# Columns watched one by one miss a change in how they go together. Train a classifier to tell current rows from
# reference rows: if it can, on rows it has not seen, something has moved (Lopez-Paz & Oquab, *Revisiting Classifier
# Two-Sample Tests*, 2017). Return `(auc, p)`.
#
# - Split each sample in random halves with `rng`; fit a clone of `classifier` on the first halves (reference is 0,
#   current is 1), and score the second halves by the area under the ROC curve.
# - $p$: shuffle the labels of the second halves `permutations` times; count how often the area is at least as large,
#   add one above and below: $p = (1 + \text{count}) / (1 + \text{permutations})$ (Phipson & Smyth 2010).

# %%
from sklearn.base import clone
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import roc_auc_score

trees = HistGradientBoostingClassifier(max_iter=40, max_leaf_nodes=8, random_state=0)
jfk = weather().query("origin == 'JFK'")[["time_hour", "temp", "dewp", "humid"]].dropna()
cold = jfk[jfk.time_hour < "2013-04-01"].drop(columns="time_hour")
may = jfk[(jfk.time_hour >= "2013-05-01") & (jfk.time_hour < "2013-06-01")].drop(columns="time_hour")


# %% answer="two_sample"
def two_sample(reference, current, classifier, rng, permutations=99):
    """(auc, p) of a classifier that tells two frames of equal columns apart; `rng` is a numpy Generator."""
    ### BEGIN SOLUTION
    rows = pd.concat([reference, current], ignore_index=True)
    label = np.repeat([0, 1], [len(reference), len(current)])
    first = np.concatenate([rng.permutation(len(reference)) % 2 == 0, rng.permutation(len(current)) % 2 == 0])
    fitted = clone(classifier).fit(rows[first], label[first])
    score, truth = fitted.predict_proba(rows[~first])[:, 1], label[~first]
    auc = roc_auc_score(truth, score)
    count = sum(roc_auc_score(rng.permutation(truth), score) >= auc for _ in range(permutations))
    return auc, (1 + count) / (1 + permutations)
    ### END SOLUTION


# %% check="two_sample" points=3
draw = np.random.default_rng(3)
mixed = cold.sample(1_200, random_state=4)
one, other = mixed[:600], mixed[600:]
spring = two_sample(cold, may, trees, draw, permutations=19)
check("Two random halves of winter look alike", two_sample(one, other, trees, draw, 9)[0], between(0.4, 0.6))
check("So do 900 hours of it and 300", two_sample(mixed[:900], mixed[900:], trees, draw, 9)[0], between(0.38, 0.62))
check("May is not winter", spring[0], at_least(0.9))
check(
    "No shuffle comes near: p is one in twenty",
    spring,
    satisfies("has p = 0.05 in second place", lambda pair: abs(pair[1] - 0.05) < 1e-9),
)
### BEGIN HIDDEN TESTS
wrong_hour = cold.assign(humid=draw.permutation(cold.humid))
check("Humidity joined to the wrong hours", two_sample(cold, wrong_hour, trees, draw, 9)[0], at_least(0.8))
check("Humidity joined to the wrong hours, exchanged", two_sample(wrong_hour, cold, trees, draw, 9)[0], at_least(0.8))
check(
    "p counts in tenths when there are nine shuffles",
    two_sample(one, other, trees, draw, 9),
    satisfies("has p of whole tenths, one to ten", lambda pair: round(pair[1] * 10, 9) in range(1, 11)),
)
### END HIDDEN TESTS


# %% mistake="two_sample"
# Score rows that the classifier has not seen: on its own training rows it tells anything apart.
def two_sample(reference, current, classifier, rng, permutations=99):
    rows = pd.concat([reference, current], ignore_index=True)
    label = np.repeat([0, 1], [len(reference), len(current)])
    score = clone(classifier).fit(rows, label).predict_proba(rows)[:, 1]
    auc = roc_auc_score(label, score)
    count = sum(roc_auc_score(rng.permutation(label), score) >= auc for _ in range(permutations))
    return auc, (1 + count) / (1 + permutations)


# %% mistake="two_sample"
# Use the area under the ROC curve: with 900 rows against 300, always saying "reference" is right three times in four.
def two_sample(reference, current, classifier, rng, permutations=99):
    from sklearn.model_selection import train_test_split

    rows = pd.concat([reference, current], ignore_index=True)
    label = np.repeat([0, 1], [len(reference), len(current)])
    a, b, y, z = train_test_split(rows, label, test_size=0.5, stratify=label, random_state=int(rng.integers(1e6)))
    found = clone(classifier).fit(a, y).predict(b)
    accuracy = np.mean(found == z)
    count = sum(np.mean(found == rng.permutation(z)) >= accuracy for _ in range(permutations))
    return accuracy, (1 + count) / (1 + permutations)


# %% mistake="two_sample"
# Count the observed labels as one of the shuffles: add one above and below, so that p is never zero.
def two_sample(reference, current, classifier, rng, permutations=99):
    rows = pd.concat([reference, current], ignore_index=True)
    label = np.repeat([0, 1], [len(reference), len(current)])
    first = rng.random(len(rows)) < 0.5
    score = clone(classifier).fit(rows[first], label[first]).predict_proba(rows[~first])[:, 1]
    auc = roc_auc_score(label[~first], score)
    return auc, np.mean([roc_auc_score(rng.permutation(label[~first]), score) >= auc for _ in range(permutations)])


# %% mistake="two_sample"
# Label the current rows 1 and the reference rows 0, and score the probability of 1: an area near 0 is the mirror image.
def two_sample(reference, current, classifier, rng, permutations=99):
    rows = pd.concat([reference, current], ignore_index=True)
    label = np.repeat([0, 1], [len(reference), len(current)])
    first = rng.random(len(rows)) < 0.5
    score = clone(classifier).fit(rows[first], label[first]).predict_proba(rows[~first])[:, 0]
    auc = roc_auc_score(label[~first], score)
    count = sum(roc_auc_score(rng.permutation(label[~first]), score) >= auc for _ in range(permutations))
    return auc, (1 + count) / (1 + permutations)


# %% alternative="two_sample"
# scikit-learn splits; the area comes from ranks (Mann–Whitney), all shuffles at once.
def two_sample(reference, current, classifier, rng, permutations=99):
    from scipy.stats import rankdata
    from sklearn.model_selection import train_test_split

    rows = pd.concat([reference, current])
    label = np.array([0] * len(reference) + [1] * len(current))
    a, b, y, z = train_test_split(rows, label, test_size=0.5, stratify=label, random_state=int(rng.integers(2**31)))
    ranks = rankdata(clone(classifier).fit(a, y).predict_proba(b)[:, 1])
    ones = z.sum()

    def area(truth):
        return (ranks[truth == 1].sum() - ones * (ones + 1) / 2) / (ones * (len(truth) - ones))

    areas = np.array([area(rng.permutation(z)) for _ in range(permutations)])
    return float(area(z)), float((1 + (areas >= area(z)).sum()) / (1 + permutations))


# %% [markdown]
# Humidity joined to the wrong hours leaves every single column exactly as it was: PSI and KS see nothing at all. The
# classifier sees it at once, because damp air stops going with a dew point near the temperature.

# %% [markdown]
# ## Exercise 4: watch the loss as labels come in
#
# The Page–Hinkley test (Page 1954, Hinkley 1971) watches a mean for a rise. With $x_t$ for the mean loss of day $t$,
# $\bar x_t$ for the mean of all days so far, and $U_t = \sum_{i\le t} (x_i - \bar x_i - \delta)$, it sounds on the
# first day when $U_t - \min_{i\le t} U_i$ exceeds `threshold`. Return that day, or `None`.
#
# - A loss counts on the day its label becomes *known* (`known_at`, in UTC), not on the day of departure.
# - Flights that never arrived have no loss: leave them out.
# - No alarm before day number `warm_up`.


# %% answer="page_hinkley"
def page_hinkley(losses, known_at, delta=0.02, threshold=1.0, warm_up=30):
    """The day (midnight, UTC) of the first alarm, or None; `losses` and `known_at`: Series, a row per flight."""
    ### BEGIN SOLUTION
    there = losses.notna()
    daily = losses[there].groupby(known_at[there].dt.floor("D")).mean().sort_index()
    rise = (daily - daily.expanding().mean() - delta).cumsum()
    height = (rise - rise.cummin()).iloc[warm_up - 1 :]
    alarms = height.index[height > threshold]
    return alarms[0] if len(alarms) else None
    ### END SOLUTION


# %% check="page_hinkley" points=3
def tape(daily, flights_a_day=1):
    """Losses and the times they became known, shuffled: as many flights a day, all with that day's loss."""
    days = pd.Series(pd.date_range("2013-05-01 13:00", periods=len(daily), tz="UTC"))
    order = np.random.default_rng(5).permutation(len(daily) * flights_a_day)
    losses = pd.Series(np.repeat(daily, flights_a_day)).iloc[order]
    return losses, days.repeat(flights_a_day).reset_index(drop=True).iloc[order]


steady, jump = [0.5] * 60, [0.5] * 20 + [0.3] * 20 + [0.7] * 40
rough = [0.2] * 5 + [0.9] * 5 + [0.5] * 50
gap = [0.5] * 35 + [np.nan] * 5 + [0.8] * 20
check("A steady loss raises no alarm", page_hinkley(*tape(steady)), None)
fourth = pd.Timestamp("2013-06-13", tz="UTC")
check("Forty days, then a jump: the fourth bad day", page_hinkley(*tape(jump)), fourth)
check("Nine flights a day tell the same story", page_hinkley(*tape(jump, 9)), fourth)
check("A rough start waits for the warm-up", page_hinkley(*tape(rough)), pd.Timestamp("2013-05-30", tz="UTC"))
check("Five days without an arrival are passed over", page_hinkley(*tape(gap)), fourth)
### BEGIN HIDDEN TESTS
### BEGIN EXPECTED
from river import drift

by_day = year.dropna(subset=["loss"]).groupby(year.arr.dt.floor("D")).loss.mean()
tool = drift.PageHinkley(min_instances=30, delta=0.02, threshold=1.0, alpha=1.0, mode="up")
first = next(day for day, loss in by_day.items() if tool.update(loss) or tool.drift_detected)
### END EXPECTED
check("The year of the frozen model, against river", page_hinkley(year.loss, year.arr), first)
spoiled = winter.assign(loss=winter.loss.where(winter.arr < "2013-03-01", winter.loss + 0.3))
in_march = satisfies("is a day from 2 to 8 March", lambda day: "2013-03-02" <= str(day)[:10] <= "2013-03-08")
check("A rise of 0.3 on 1 March is noticed within a week", page_hinkley(spoiled.loss, spoiled.arr), in_march)
check("A threshold nobody reaches", page_hinkley(winter.loss, winter.arr, threshold=9.0), None)
### END HIDDEN TESTS


# %% mistake="page_hinkley"
# Average the losses of a day first: a step of the test is a day, or a busy morning alone sets it off.
def page_hinkley(losses, known_at, delta=0.02, threshold=1.0, warm_up=30):
    there = losses.notna()
    each = losses[there].set_axis(known_at[there]).sort_index()
    rise = (each - each.expanding().mean() - delta).cumsum()
    height = (rise - rise.cummin()).iloc[warm_up - 1 :]
    alarms = height.index[height > threshold]
    return alarms[0].floor("D") if len(alarms) else None


# %% mistake="page_hinkley"
# Compare each day with the mean of the days so far; the mean of the whole year was not known then.
def page_hinkley(losses, known_at, delta=0.02, threshold=1.0, warm_up=30):
    daily = losses.groupby(known_at.dt.floor("D")).mean().dropna()
    rise = (daily - daily.mean() - delta).cumsum()
    height = (rise - rise.cummin()).iloc[warm_up - 1 :]
    alarms = height.index[height > threshold]
    return alarms[0] if len(alarms) else None


# %% mistake="page_hinkley"
# Subtract the smallest sum so far: good days before must not pay for bad days now.
def page_hinkley(losses, known_at, delta=0.02, threshold=1.0, warm_up=30):
    daily = losses.groupby(known_at.dt.floor("D")).mean().dropna()
    rise = (daily - daily.expanding().mean() - delta).cumsum().iloc[warm_up - 1 :]
    alarms = rise.index[rise > threshold]
    return alarms[0] if len(alarms) else None


# %% mistake="page_hinkley"
# Stay silent before day number `warm_up`: a mean of five days is not yet something to compare with.
def page_hinkley(losses, known_at, delta=0.02, threshold=1.0, warm_up=30):
    daily = losses.groupby(known_at.dt.floor("D")).mean().dropna()
    rise = (daily - daily.expanding().mean() - delta).cumsum()
    alarms = daily.index[(rise - rise.cummin()) > threshold]
    return alarms[0] if len(alarms) else None


# %% mistake="page_hinkley"
# Sort by the day the label became known before you sum; the rows come in no order.
def page_hinkley(losses, known_at, delta=0.02, threshold=1.0, warm_up=30):
    daily = losses.groupby(known_at.dt.floor("D"), sort=False).mean().dropna()
    rise = (daily - daily.expanding().mean() - delta).cumsum()
    height = (rise - rise.cummin()).iloc[warm_up - 1 :]
    alarms = height.index[height > threshold]
    return alarms[0] if len(alarms) else None


# %% alternative="page_hinkley"
# Day by day, as a monitor that runs in production would.
def page_hinkley(losses, known_at, delta=0.02, threshold=1.0, warm_up=30):
    table = pd.DataFrame({"loss": losses, "day": known_at.dt.normalize()}).dropna()
    total, summed, lowest = 0.0, 0.0, float("inf")
    for count, (day, loss) in enumerate(table.groupby("day").loss.mean().items(), 1):
        total += loss
        summed += loss - total / count - delta
        lowest = min(lowest, summed)
        if count >= warm_up and summed - lowest > threshold:
            return day


# %% alternative="page_hinkley"
# river does the sums.
def page_hinkley(losses, known_at, delta=0.02, threshold=1.0, warm_up=30):
    from river.drift import PageHinkley

    test = PageHinkley(min_instances=warm_up, delta=delta, threshold=threshold, alpha=1.0, mode="up")
    daily = losses.groupby(known_at.dt.date).mean().dropna().sort_index()
    for day, loss in daily.items():
        test.update(loss)
        if test.drift_detected:
            return day
    return None


# %% [markdown]
# On the year of the frozen model the alarm sounds on 22 April, three weeks after it went live. river's ADWIN
# keeps a window that it shortens when its halves disagree (Bifet & Gavaldà 2007), so it needs no threshold. We
# let it watch the same losses twice, flight by flight and day by day. Guess how often it sounds in each.

# %%
from river import drift as river_drift

landed = year.dropna(subset=["loss"]).sort_values("arr", kind="stable")
daily_loss = landed.groupby(landed.arr.dt.floor("D")).loss.mean()
for name, losses in (("flight by flight", landed.loss), ("day by day", daily_loss)):
    adwin, alarms = river_drift.ADWIN(), 0
    for loss in losses:
        adwin.update(loss)
        alarms += adwin.drift_detected
    print(f"{name}: {alarms} alarms in {len(losses):,} looks")

# %%
plt.figure(figsize=(9, 3), layout="constrained")
plt.plot(daily_loss.index, daily_loss, color="#56B4E9", label="mean loss of the flights that landed")
plt.axvline(pd.Timestamp("2013-04-22", tz="UTC"), color="#000000", linestyle="--", label="Page–Hinkley sounds")
plt.xlabel("day the label became known, UTC")
plt.ylabel("log loss per flight")
plt.legend(loc="upper center", ncols=2)
plt.ylim(0, 1.25)
plt.show()

# %% [markdown]
# The line leaps between 0.3 and 1.0 as storms come and go, higher from April to July than before. Flight by
# flight ADWIN sounds more than once a day: it takes every flight of a stormy afternoon for new evidence. Day by
# day it has too few values to be sure of anything. How many flights are worth one independent witness?

# %% [markdown]
# ## Exercise 5: shuffle days, not flights
#
# Flights of one day share one sky, so 900 of them are not 900 independent witnesses. To ask whether the
# `current` days differ from the others, compare the absolute difference of the two means with what it is when
# *days* are shuffled: draw as many days at random as there are current ones, `permutations` times. Return
# $p = (1 + \text{count of differences at least as large}) / (1 + \text{permutations})$.
#
# - The means are over rows: a day with more rows weighs more.
# - Two differences closer than $10^{-12}$ are equal; rounding must not decide.

# %%
winter_hours = weather().query("origin == 'JFK' and month <= 3").dropna(subset="temp")
winter_hours = winter_hours[winter_hours.hour % 3 == 0]
day_of = (winter_hours.month * 100 + winter_hours.day).to_numpy()
heat = winter_hours.temp.to_numpy()
winter_days = np.unique(day_of)


# %% answer="day_block_p"
def day_block_p(days, values, current, rng, permutations=99):
    """p that the days in `current` differ from the others; `days` and `values` are arrays with one entry per row."""
    ### BEGIN SOLUTION
    every, place = np.unique(days, return_inverse=True)
    sums, counts = np.bincount(place, values), np.bincount(place)

    def difference(chosen):
        inside = np.isin(np.arange(len(every)), chosen)
        return abs(sums[inside].sum() / counts[inside].sum() - sums[~inside].sum() / counts[~inside].sum())

    current = np.flatnonzero(np.isin(every, current))
    seen = difference(current)
    shuffled = [difference(rng.choice(len(every), len(current), replace=False)) for _ in range(permutations)]
    return (1 + sum(x >= seen - 1e-12 for x in shuffled)) / (1 + permutations)
    ### END SOLUTION


# %% check="day_block_p" points=3
def false_alarms(choose, trials=200):
    """How often p ≤ .05 for days that `choose` takes from one and the same winter."""
    dice = np.random.default_rng(6)
    return np.mean([day_block_p(day_of, heat, choose(dice), dice, 19) <= 0.05 for _ in range(trials)])


def one_day(dice):
    return dice.choice(winter_days, 1)


def one_week(dice):
    start = dice.integers(len(winter_days) - 7)
    return winter_days[start : start + 7]


calm, last_third = np.repeat(30.0, len(day_of)), winter_days[60:]
thaw = heat + 60 * np.isin(day_of, last_third)
dice = np.random.default_rng(7)
check("When every hour is alike, no day stands out", day_block_p(day_of, calm, winter_days[:1], dice, 19), 1.0)
check("A thaw of thirty days: no shuffle comes near", day_block_p(day_of, thaw, last_third, dice, 39), 0.025)
check("Thirty days of frost stand out as much", day_block_p(day_of, -thaw, last_third, dice, 39), 0.025)
check("False alarms when one day is drawn at random", false_alarms(one_day), at_most(0.13))
check("False alarms for a week of neighbours: not honest", false_alarms(one_week), between(0.1, 0.45))
### BEGIN HIDDEN TESTS
unequal = np.array([1, 2, 2, 2, 3, 3, 4]), np.array([9.0, 1, 2, 3, 9, 0, 4])
check("Four days, one current: p in the long run", day_block_p(*unequal, [1], dice, 2_000), between(0.2, 0.3))
check(
    "A rare day among ninety", day_block_p(day_of, heat + 60 * (day_of == 214), [214], dice, 399), between(0.0024, 0.06)
)
check(
    "False alarms for seven scattered days",
    false_alarms(lambda d: d.choice(winter_days, 7, replace=False)),
    at_most(0.13),
)
### END HIDDEN TESTS


# %% mistake="day_block_p"
# Shuffle whole days: shuffling rows pretends that the hours of one day are independent, and nearly every day alarms.
def day_block_p(days, values, current, rng, permutations=99):
    inside = np.isin(days, current)

    def difference(chosen):
        return abs(values[chosen].mean() - values[~chosen].mean())

    seen = difference(inside)
    count = sum(difference(rng.permutation(inside)) >= seen - 1e-12 for _ in range(permutations))
    return (1 + count) / (1 + permutations)


# %% mistake="day_block_p"
# Count differences at least as large, equal ones too: when all days are alike, p is 1.
def day_block_p(days, values, current, rng, permutations=99):
    every = np.unique(days)

    def difference(chosen):
        inside = np.isin(days, chosen)
        return abs(values[inside].mean() - values[~inside].mean())

    seen = difference(current)
    shuffled = [difference(rng.choice(every, len(current), replace=False)) for _ in range(permutations)]
    return (1 + sum(x > seen for x in shuffled)) / (1 + permutations)


# %% mistake="day_block_p"
# Take the absolute difference: days that are colder than the others differ as much as warmer ones.
def day_block_p(days, values, current, rng, permutations=99):
    every = np.unique(days)

    def difference(chosen):
        inside = np.isin(days, chosen)
        return values[inside].mean() - values[~inside].mean()

    seen = difference(current)
    shuffled = [difference(rng.choice(every, len(current), replace=False)) for _ in range(permutations)]
    return (1 + sum(x >= seen - 1e-12 for x in shuffled)) / (1 + permutations)


# %% mistake="day_block_p"
# Draw as many days as there are current ones; the mean of one day swings far more than the mean of thirty.
def day_block_p(days, values, current, rng, permutations=99):
    every = np.unique(days)

    def difference(chosen):
        inside = np.isin(days, chosen)
        return abs(values[inside].mean() - values[~inside].mean())

    seen = difference(current)
    shuffled = [difference(rng.choice(every, 1)) for _ in range(permutations)]
    return (1 + sum(x >= seen - 1e-12 for x in shuffled)) / (1 + permutations)


# %% alternative="day_block_p"
# Masks over rows, and shuffled names of days.
def day_block_p(days, values, current, rng, permutations=99):
    every = np.unique(days)

    def difference(chosen):
        inside = np.isin(days, chosen)
        return abs(np.mean(values[inside]) - np.mean(values[~inside]))

    seen, count = difference(current), 0
    for _ in range(permutations):
        count += difference(rng.permutation(every)[: len(current)]) > seen - 1e-12
    return (count + 1) / (permutations + 1)


# %% alternative="day_block_p"
# pandas sums by day.
def day_block_p(days, values, current, rng, permutations=99):
    table = pd.DataFrame({"day": days, "value": values}).groupby("day").value.agg(["sum", "size"])
    n, total = len(table), table.sum()
    wanted = table.index.isin(current)

    def difference(mask):
        a = table.to_numpy()[mask].sum(axis=0)
        b = total.to_numpy() - a
        return abs(a[0] / a[1] - b[0] / b[1])

    seen = difference(wanted)
    bigger = [difference(rng.permutation(wanted)) >= seen - 1e-12 for _ in range(permutations)]
    return (1 + np.sum(bigger)) / (1 + permutations) if n else 1.0


# %% [markdown]
# Shuffled days keep their promise for a day, or for days scattered over winter: no more than about one false
# alarm in twenty. For seven days in a row they do not: about one week in five alarms, because neighbouring days
# are alike. Winter is not one thing. Compare a week with the same weeks of other years, when you have them.

# %%
by_day = pd.Series(heat).groupby(day_of).mean()
neighbours = by_day.autocorr(1)
plt.figure(figsize=(5, 3.4), layout="constrained")
plt.scatter(by_day[:-1], by_day[1:], s=14, color="#0072B2")
plt.xlabel("mean temperature of a day, °F")
plt.ylabel("of the day after, °F")
plt.show()
print(f"correlation of a day with the next: {neighbours:.2f}")

# %% [markdown]
# Each dot is a winter day at JFK: a warm day is followed by a warm one. The cloud leans along the diagonal, and
# that is why seven days in a row are worth far fewer than seven witnesses.

# %% [markdown]
# ## Exercise 6: turn an alarm into an action
#
# An alarm that asks for nothing is noise. Return the first action in this list whose condition holds.
#
# 1. `"repair the feed"`: more than 20 % of the inputs are missing. Nothing measured on broken data means anything.
# 2. `"roll back"`: the loss has risen by more than 0.02 and the model was released less than 7 days ago.
# 3. `"train a challenger"`: the loss has risen by more than 0.02. It still has to beat the champion before it ships.
# 4. `"watch"`: the PSI is 0.25 or more, and nothing shows harm yet.
# 5. `"carry on"`.
#
# `loss_rise` is `None` while no label has come in: that is neither harm nor proof of health.


# %% answer="react"
def react(psi_now, loss_rise, share_missing, days_since_release):
    """The action for one look at the monitors; `share_missing` lies between 0 and 1, `loss_rise` may be None."""
    ### BEGIN SOLUTION
    worse = loss_rise is not None and loss_rise > 0.02
    if share_missing > 0.2:
        return "repair the feed"
    if worse:
        return "roll back" if days_since_release < 7 else "train a challenger"
    return "watch" if psi_now >= 0.25 else "carry on"
    ### END SOLUTION


# %% check="react" points=2
check("A quiet week", react(0.03, 0.004, 0.01, 40), "carry on")
check("May: 26 °F warmer than winter, and the model as good as ever", react(7.5, -0.02, 0.0, 45), "watch")
check("July: the loss has risen by 0.12, the inputs are quiet", react(0.02, 0.12, 0.0, 100), "train a challenger")
check("A new model, two days old, does worse", react(0.02, 0.05, 0.0, 2), "roll back")
check("A third of the inputs is missing, and the loss has risen", react(6.0, 0.3, 0.33, 50), "repair the feed")
check("Loud drift before any label has come in", react(0.6, None, 0.0, 20), "watch")
### BEGIN HIDDEN TESTS
check("A quiet first day without labels", react(0.05, None, 0.1, 1), "carry on")
check("A week is over: no way back by default", react(0.1, 0.03, 0.0, 7), "train a challenger")
check("A rise of exactly 0.02 is not more than 0.02", react(0.25, 0.02, 0.2, 3), "watch")
check("A broken feed on the first day", react(0.0, None, 0.21, 0), "repair the feed")
### END HIDDEN TESTS


# %% mistake="react"
# Ask for harm before you train: in May the temperature drifted far, and the model was as good as ever.
def react(psi_now, loss_rise, share_missing, days_since_release):
    if share_missing > 0.2:
        return "repair the feed"
    if psi_now >= 0.25:
        return "train a challenger"
    if loss_rise is not None and loss_rise > 0.02:
        return "roll back" if days_since_release < 7 else "train a challenger"
    return "carry on"


# %% mistake="react"
# Look at the feed first: a model trained, or rolled back, on broken data is the second accident.
def react(psi_now, loss_rise, share_missing, days_since_release):
    if loss_rise is not None and loss_rise > 0.02:
        return "roll back" if days_since_release < 7 else "train a challenger"
    if share_missing > 0.2:
        return "repair the feed"
    return "watch" if psi_now >= 0.25 else "carry on"


# %% mistake="react"
# Act on a risen loss even when the inputs are quiet: the world can change without its inputs.
def react(psi_now, loss_rise, share_missing, days_since_release):
    if share_missing > 0.2:
        return "repair the feed"
    if psi_now < 0.25:
        return "carry on"
    if loss_rise is not None and loss_rise > 0.02:
        return "roll back" if days_since_release < 7 else "train a challenger"
    return "watch"


# %% mistake="react"
# Treat a loss that is not known yet as not known: it is no sign of harm.
def react(psi_now, loss_rise, share_missing, days_since_release):
    if share_missing > 0.2:
        return "repair the feed"
    if loss_rise is None or loss_rise > 0.02:
        return "roll back" if days_since_release < 7 else "train a challenger"
    return "watch" if psi_now >= 0.25 else "carry on"


# %% mistake="react"
# Roll back a model that is younger than a week: the one before it is known to work, a new training is not.
def react(psi_now, loss_rise, share_missing, days_since_release):
    if share_missing > 0.2:
        return "repair the feed"
    if loss_rise is not None and loss_rise > 0.02:
        return "train a challenger"
    return "watch" if psi_now >= 0.25 else "carry on"


# %% alternative="react"
# The list as a table, top to bottom.
def react(psi_now, loss_rise, share_missing, days_since_release):
    rise = 0 if loss_rise is None else loss_rise
    table = {
        "repair the feed": share_missing > 0.2,
        "roll back": rise > 0.02 and days_since_release < 7,
        "train a challenger": rise > 0.02,
        "watch": psi_now >= 0.25,
    }
    return next((action for action, holds in table.items() if holds), "carry on")


# %% [markdown]
# ## The answer
#
# Has the world drifted away from the model? The temperature has, further than any threshold, and it did not
# matter. What the model says has not, and that was no proof of health: in July its loss was 0.12 above
# winter's. Watch inputs to find broken feeds early, watch losses to find harm, and let only harm ask for a new
# model.
#
# In production, people compute PSI or KS per feature and day with tools such as Evidently, whylogs or a query
# in the warehouse, and run Page–Hinkley or ADWIN (river) on losses as labels arrive. They pair every alarm with
# an owner and an action, because a monitor that cries wolf is soon muted.

# %% [markdown] say="q26" points=2
# **Say it.** "How would you detect drift automatically, and what would you do about it?" Answer aloud in two
# minutes, then write down the core of it.
#
# One point each:
#
# - a detector for inputs, one for losses, and what each cannot see, with a number you measured above;
# - how you keep false alarms down (size as well as $p$, days instead of rows), and which alarm leads to a new model.
#
# ### BEGIN SOLUTION
# I compare each input with the months the model was trained on: PSI per feature, and KS with a smallest gap
# that matters, because at 28,000 flights a month any gap is significant. That finds broken feeds, not harm:
# temperature had a PSI above 7 in July and the model does not use it, while the PSI of its own answers stayed
# below 0.1 as its loss rose by 0.12. So I also run Page–Hinkley on the daily loss as labels arrive; it sounded
# on 22 April. A domain classifier covers changes in how inputs go together. I count days, not rows, because
# flights of one day share their weather, and I know that even that is too optimistic for a week of neighbours.
# A broken feed is repaired, a fresh release is rolled back, a risen loss trains a challenger that must beat the
# champion, and drift without harm is only watched.
# ### END SOLUTION
