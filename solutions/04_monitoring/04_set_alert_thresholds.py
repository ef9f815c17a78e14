# %% [markdown]
# # Set alert thresholds
#
# On 14 December 2013 snow falls on New York. The airline desk's alarm rings when the mean delay of an hour's flights
# reaches 83 minutes, "three sigma". It rings for the hour from seven in the evening. A third of that evening's flights
# are cancelled. At four o'clock the duty manager could have called in a second crew.
#
# The interview question is: *your monitors raise false alarms, or miss what matters: how do you set thresholds?* You
# build a threshold from prices, a rule of confirmation, a baseline that knows the hour, and the share of alarms that
# are right.
#
# This takes about 55 minutes. You need pandas and numpy, and no other lesson.

# %%
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from daytwo import thresholds
from daytwo.thresholds import NEW_YORK, expected_cost, looks_at, prices, rung, weekly
from grading import check, yours

# %% [markdown]
# `hourly` is the mean delay, in minutes, of the flights that took off in each hour. `tape` has a row for each day. Its
# `delay` is the mean from 14:00 to 16:00. `waiting` is the share of the flights scheduled then that had not left by
# 16:00. An evening is `bad` when at least 5 % of its flights, from 17:00 on, were cancelled.

# %%
tape, hourly = thresholds.evenings(), thresholds.hours()
winter, later = tape[tape.index.month <= 3], tape[tape.index.month > 3]
print(tape.loc["2013-12-14"].to_string(), "\n")
for name, days in {"January to March": winter, "April to December": later}.items():
    print(f"{name}: {len(days)} days, {days.bad.sum()} bad evenings")

# %% [markdown]
# Three sigma is the mean of winter's hours plus three standard deviations. A normal distribution has one look in 741
# above it. Guess: how many has this year, and at what time of day?

# %% fold
looks, first = hourly.dropna(), hourly[:"2013-03-31"].dropna()
sigma = first.mean() + 3 * first.std()
clock = looks.index[looks >= sigma].tz_convert(NEW_YORK).hour
in_time = ((clock >= 5) & (clock < 16)).sum()
plt.figure(figsize=(8, 2.8), layout="constrained")
plt.bar(range(24), np.bincount(clock, minlength=24), color="#0072B2")
plt.axvline(15.5, color="#D55E00", linestyle="--", label="the manager decides")
plt.xlabel("hour of the day in New York")
plt.ylabel("alarms in the year")
plt.xticks(range(0, 24, 3))
plt.legend()
plt.show()
print(f"limit {sigma:.1f} minutes; {len(clock)} of {len(looks)} looks ring, one in {len(looks) / len(clock):.0f};")
print(f"{in_time} of them from 5:00 to 16:00")
apart = hourly.asfreq("h")
print(f"correlation of an hour with the next: {apart.corr(apart.shift(1)):.2f}")

# %% [markdown]
# One look in 26 rings. Nearly all ring right of the dashed line or after midnight. Delays have a long upper tail, grow
# through the day, and each hour resembles the one before. Three sigma knows none of this, nor what the alarm is for.

# %% [markdown]
# ## Price the alarm
#
# A crew called in for nothing is a false alarm. Its cost is our unit. A bad evening without a second crew is a miss. We
# say that it costs 8, net of the crew. With $F$ false alarms and $M$ misses in $n$ looks, the cost of a look is
# (Elkan, *The Foundations of Cost-Sensitive Learning*, 2001)
#
# $$C = \frac{c_F\,F + c_M\,M}{n}.$$
#
# `expected_cost` prices any rule.

# %%
alarm, incident = [True, True, False, False], [True, False, True, False]
print("one false alarm and one miss in four looks:", expected_cost(alarm, incident))

# %% [markdown]
# ## Exercise 1: choose the cheapest threshold
#
# Try thresholds on a tape, and return the one whose alarms cost least. `values` and `incident` are arrays with one
# entry per look. For the values 2, 4, 9, 15 with incidents at 4 and 15 it is 4: one false alarm, at 9, is cheaper than
# a miss.
#
# - An alarm rings at or above the threshold.
# - Return `np.inf`, which never rings, where that is cheapest.
# - A missing value (NaN) never rings, and is no threshold.
# - Of equally cheap thresholds return the highest.


# %% answer="best_threshold"
def best_threshold(values, incident, false_alarm=1, miss=8):
    """The cheapest threshold; `values`: numbers, `incident`: booleans, one per look; the prices of both errors."""
    ### BEGIN SOLUTION
    values, incident = np.asarray(values, dtype=float), np.asarray(incident, dtype=bool)
    candidates = [np.inf, *np.unique(values[~np.isnan(values)])[::-1]]

    def cost(threshold):
        return expected_cost(values >= threshold, incident, false_alarm, miss)

    return min(candidates, key=cost)
    ### END SOLUTION


# %% check="best_threshold" points=3
# Each fact shows the values that ring at your threshold.
few = np.array([1.0, 2, 3, 10, 12]), np.array([False, False, False, True, True])
mixed = np.arange(1.0, 9), np.isin(np.arange(1, 9), [3, 6, 7])
buried = np.arange(1.0, 13), np.arange(12) == 0
tied = np.arange(1.0, 11), np.isin(np.arange(1, 11), [1, 10])
gaps = np.array([5.0, -3, -6, *[np.nan] * 9]), np.arange(12) < 2
cold = winter.delay.to_numpy(), winter.bad.to_numpy()
# Return one of the values, not its position: the one whose alarms, `values >= threshold`, cost least.
check("Two incidents above three quiet looks", rung(few[0], best_threshold(*few)), [10, 12])
# Weigh each error by its price (a miss costs eight false alarms), and try every value: the cost falls and rises again.
check("Incidents at 3, 6 and 7", rung(mixed[0], best_threshold(*mixed)), [3, 4, 5, 6, 7, 8])
# Let `np.inf` compete too: catching the incident can cost more than missing it.
check("The only incident lies below eleven quiet looks", rung(buried[0], best_threshold(*buried)), [])
# Use the prices that the caller gives; an alarm at an incident costs nothing.
check("Incidents at 3, 6 and 7, at prices 3 and 2", rung(mixed[0], best_threshold(*mixed, 3, 2)), [6, 7, 8])
# Of equally cheap thresholds return the highest, which rings least; a strict `<` in ascending order keeps the lowest.
check("An incident at 10, one below eight quiet looks", rung(tied[0], best_threshold(*tied)), [10])
# Leave missing values out, and try every value that occurs, those below zero too.
check("Incidents at 5 and -3; nine looks are missing", rung(gaps[0], best_threshold(*gaps)), [-3, 5])
# Try every value that occurs; a coarse grid steps over the cheapest.
check("Winter costs 15 crews", 90 * expected_cost(cold[0] >= best_threshold(*cold), cold[1]), 15.0)
### BEGIN HIDDEN TESTS
whole = tape.delay.to_numpy(), tape.bad.to_numpy()
# Try every value that occurs, and price its alarms with the caller's prices.
check("The year costs 93 crews", 365 * expected_cost(whole[0] >= best_threshold(*whole), whole[1]), 93.0)
# Use both prices that the caller gives.
check(
    "The year, where a miss costs 40",
    365 * expected_cost(whole[0] >= best_threshold(*whole, 1, 40), whole[1], 1, 40),
    232.0,
)
### END HIDDEN TESTS


# %% mistake="best_threshold"
# Let the prices decide: mean plus three standard deviations knows neither incidents nor costs.
def best_threshold(values, incident, false_alarm=1, miss=8):
    return np.nanmean(values) + 3 * np.nanstd(values)


# %% mistake="best_threshold"
# Ring at the threshold too, `>=`; with `>` you end one value too low.
# - values >= threshold
# + values > threshold

# %% mistake="best_threshold"
# Weigh each error by its price: the fewest errors are cheapest only where both cost the same.
# - return expected_cost(values >= threshold, incident, false_alarm, miss)
# + return np.sum((values >= threshold) != incident)

# %% mistake="best_threshold"
# Charge `miss` for incidents without an alarm, and `false_alarm` for alarms without an incident.
# - incident, false_alarm, miss)
# + incident, miss, false_alarm)

# %% mistake="best_threshold"
# Allow a miss where catching it costs more in false alarms: the lowest threshold is not the safe one.
# - return min(candidates, key=cost)
# + return np.nanmin(values[incident])

# %% mistake="best_threshold"
# Let `np.inf` compete too: sometimes the cheapest alarm is none.
# - [np.inf, *np.unique(values[~np.isnan(values)])[::-1]]
# + np.unique(values[~np.isnan(values)])[::-1]


# %% alternative="best_threshold"
# One pass from the highest value down, with running sums.
def best_threshold(values, incident, false_alarm=1, miss=8):
    table = pd.DataFrame({"value": values, "change": np.where(incident, -miss, false_alarm)})
    change = table.groupby("value").change.sum().sort_index(ascending=False).cumsum()
    if change.empty or change.min() >= 0:
        return np.inf
    return change.idxmin()


# %% alternative="best_threshold"
# scikit-learn walks the thresholds; halfway to the next lower value rings for the same looks.
def best_threshold(values, incident, false_alarm=1, miss=8):
    from sklearn.metrics import confusion_matrix_at_thresholds

    there = ~np.isnan(values)
    _, false, missed, _, at = confusion_matrix_at_thresholds(incident[there].astype(int), values[there])
    best = np.argmin(false_alarm * false + miss * missed)
    if false_alarm * false[best] + miss * missed[best] >= miss * incident[there].sum():
        return float("inf")
    return at[best] - 1e-6


# %% [markdown]
# Choose on winter, and use the threshold from April on. `low` and `high` are the 95 % interval of the daily cost, drawn
# by whole days. Guess: is it worse to be ten minutes too low, or too high?

# %%
cheapest = yours("best_threshold", thresholds.best_threshold)
limit = cheapest(winter.delay.to_numpy(), winter.bad.to_numpy())
three_sigma = winter.delay.mean() + 3 * winter.delay.std()
tried = {"three sigma": three_sigma, "winter's cheapest": limit, "ten lower": limit - 10, "ten higher": limit + 10}
table = prices({name: later.delay >= t for name, t in tried.items()}, later.bad)
print(table.assign(minutes=pd.Series(tried).round(1)))

# %% fold
low, high = thresholds.choice_interval(cheapest, winter, np.random.default_rng(2))
steps = np.arange(-3, 60, 0.25)
plt.figure(figsize=(9, 3), layout="constrained")
plt.axvspan(low, high, color="#56B4E9", alpha=0.4, label=f"winter's choice, 95 %: {low:.0f} to {high:.0f}")
for name, days, colour, style in (("winter", winter, "#000000", "--"), ("April to December", later, "#0072B2", "-")):
    cost = [expected_cost(days.delay >= t, days.bad) for t in steps]
    plt.plot(steps, cost, color=colour, linestyle=style, label=name)
plt.axvline(three_sigma, color="#D55E00", linestyle=":", label="three sigma")
plt.xlabel("threshold, minutes of mean delay at 16:00")
plt.ylabel("cost of a day, idle crews")
plt.ylim(0, 1.4)
plt.legend(fontsize="small", loc="upper left", bbox_to_anchor=(1.01, 1))
plt.show()
edges = prices({f"{t:.1f} minutes": later.delay >= t for t in (low, high)}, later.bad)
print(edges)

# %% [markdown]
# The curves have their floor near 14 minutes and climb on both sides. Winter's 13.7 minutes cost 0.28 a day. Three
# sigma of `delay`, 46 minutes, costs 1.25. Lower is not safer: it calls crews in for nothing on 149 days. But winter
# had only 11 bad evenings. Drawn again, its days choose anything from 11 to 20 minutes (the band), and at the upper
# edge the cost doubles. So state the interval of a threshold.
#
# Prices are guesses too. How far do they move the threshold, in hindsight?

# %%
for miss in (2, 4, 8, 20, 40):
    at = cheapest(tape.delay.to_numpy(), tape.bad.to_numpy(), 1, miss)
    print(f"a miss costs {miss:2}: ring from {at:.1f} minutes, {(tape.delay >= at).sum()} alarms")

# %% [markdown]
# From 4 to 40, the threshold falls by 4 minutes. Only the ratio of the prices matters. So *severity* is a second
# threshold at another ratio: a page calls in the crew, a note asks somebody to look. Charge a miss only what the alarm
# would have *saved*: if the crew saves half of the loss, 4. A note that nobody acts on saves nothing.

# %% [markdown]
# ## Ask a second signal
#
# `waiting` gets its own cheapest threshold from winter. We may ring when *both* signals are high, or when *either* is.
# Guess which is cheapest.

# %%
queue = cheapest(winter.waiting.to_numpy(), winter.bad.to_numpy())
slow, stuck = later.delay >= limit, later.waiting >= queue
rules = {"delay": slow, "waiting": stuck, "both": slow & stuck, "either": slow | stuck}
for false in ((slow & stuck & ~later.bad).sum(), ((slow | stuck) & ~later.bad).sum()):
    _, one = thresholds.at_equal_false(lambda t: later.waiting >= t, later.waiting, later.bad, false)
    rules[f"waiting, {false} false"] = one
print(prices(rules, later.bad))
paid = {name: (~rule & later.bad) * 8 + (rule & ~later.bad) for name, rule in rules.items()}
for other in ("delay", "both"):
    gain = paid[other] - paid["either"]
    low, high = thresholds.interval(gain, np.random.default_rng(4))
    print(f"either saves {gain.mean():.2f} a day against {other} [{low:.2f}, {high:.2f}]")

# %% [markdown]
# At 1 to 8, *either* is cheapest and *both* is dearest. Against *either*, *both* saves 16 false alarms and loses six
# evenings. So it pays only where a miss costs less than 16/6 = 2.7 crews. And `waiting` alone, with a limit set in
# hindsight to the same 16 false alarms, is no worse. The two signals see the same queue.
#
# We recommend *either*, with a doubt: the intervals of its gains include 0.

# %% [markdown]
# ## Exercise 2: wait for confirmation
#
# A high look may be a blip. So page when at least `k` of the last `n` looks, this one included, are above the limit (a
# runs rule, Western Electric, 1956). Each look is 1.0 (above), 0.0 (not) or NaN (missing).
#
# Return one boolean per look. For 0, 1, 1, 0, 0, two of three pages at the third and fourth look.
#
# - The present look need not be 1 itself.
# - At the start, `k` ones among fewer than `n` looks are enough.
# - A missing look is not a 1, and takes up a place among the `n`.


# %% answer="k_of_n"
def k_of_n(looks, k, n):
    """Whether each look pages; `looks`: an array of 1.0, 0.0 and NaN in order of time; 1 ≤ k ≤ n."""
    ### BEGIN SOLUTION
    ones = pd.Series(looks).eq(1).astype(int)
    return ones.rolling(n, min_periods=1).sum().ge(k).to_numpy()
    ### END SOLUTION


# %% check="k_of_n" points=3
some = [0, 0, 1, 0, 1, 0, 0, 0, 1, 1, 1, 0, 0, 0, 0, 1, 0, 0]


def pages(looks, k, n):
    """The positions, counted from 0, of the looks that page."""
    return np.flatnonzero(k_of_n(np.array(looks, dtype=float), k, n)).tolist()


# With k = n = 1, page exactly where the look is 1: the present look counts, no other does, and k ones are enough.
check("One of one: every look above pages", pages([0, 1, 0, 0, 1, 1, 0], 1, 1), [1, 4, 5])
# Count the ones among the last n looks, the present one included, wherever they stand; page at k or more.
check("Two of three", pages(some, 2, 3), [4, 9, 10, 11])
# Use the window that the caller gives, and page again for as long as it holds k ones.
check("Two of five remembers longer", pages(some, 2, 5), [4, 5, 6, 8, 9, 10, 11, 12, 13])
# Ask for k ones from the first look on, however few looks there have been.
check("Two ones at the very start, two of four", pages([1, 1, 0, 0, 0, 0], 2, 4), [1, 2, 3])
# Give a missing look its place among the n, and count it as no 1.
check("Missing looks age the ones before them", pages([1, np.nan, np.nan, 1, 0, 1, 0, np.nan, 0], 2, 3), [5])
# Count the ones beside a missing look: it must not silence the alarm, not even at that look.
check("Missing looks between and after ones", pages([0, 1, np.nan, 1, 0, 0, 1, 1, np.nan], 2, 3), [3, 7, 8])
### BEGIN HIDDEN TESTS
coins = (np.random.default_rng(28).random(2_000) < 0.3).astype(float)
# Let the window slide by one look, and forget what is older than n.
check("Three of five, over 2,000 looks", len(pages(coins, 3, 5)), 281)
# Give an answer for every look.
check("An answer for every look", len(k_of_n(coins, 2, 3)), 2_000)
### END HIDDEN TESTS


# %% mistake="k_of_n"
# Let the ones lie anywhere among the last n looks; they need not follow one another.
def k_of_n(looks, k, n):
    run, out = 0, []
    for look in looks:
        run = run + 1 if look == 1 else 0
        out.append(run >= k)
    return out


# %% mistake="k_of_n"
# Page also at a look that is not 1 itself, if k of the last n are: that keeps the alarm steady.
# - .ge(k).to_numpy()
# + .ge(k).to_numpy() & (np.asarray(looks) == 1)

# %% mistake="k_of_n"
# Take n looks in all, the present one among them; yours are n + 1.
# - rolling(n,
# + rolling(n + 1,

# %% mistake="k_of_n"
# Page from the first look on: pandas waits for n looks unless you pass `min_periods=1`.
# - rolling(n, min_periods=1)
# + rolling(n)


# %% mistake="k_of_n"
# Give a missing look its place among the n; otherwise an old alarm counts for as long as the monitor is silent.
def k_of_n(looks, k, n):
    there = pd.Series(looks).dropna()
    paged = there.rolling(n, min_periods=1).sum() >= k
    return paged.reindex(range(len(looks)), fill_value=False)


# %% mistake="k_of_n"
# Count the ones around a missing look: a sum with one NaN in it is NaN, and silences the alarm for n looks.
def k_of_n(looks, k, n):
    return [np.sum(looks[max(0, t - n + 1) : t + 1]) >= k for t in range(len(looks))]


# %% alternative="k_of_n"
# A queue of the last n looks, as a running monitor would keep.
def k_of_n(looks, k, n):
    from collections import deque

    last, out = deque(maxlen=n), []
    for look in looks:
        last.append(look == 1)
        out.append(sum(last) >= k)
    return out


# %% alternative="k_of_n"
# Differences of running sums.
def k_of_n(looks, k, n):
    ones = np.cumsum(np.concatenate([[0], looks == 1]))
    ends = np.arange(1, len(ones))
    return ones[ends] - ones[np.maximum(ends - n, 0)] >= k


# %% [markdown]
# Confirmation cuts false alarms, and so does a stricter limit. So compare at an *equal* number of false days. The looks
# are the hours from 5:00 to 16:00. A day is paged if any hour pages. Beside the real days stands a second world: each
# hour's values, shuffled among the quiet days, so that looks are independent. Guess the best rule in each.

# %%
confirm, bad = yours("k_of_n", thresholds.k_of_n), tape.bad.to_numpy()
real = thresholds.mornings(hourly, tape.index)
worlds = {"real": real, "shuffled": thresholds.shuffled(real, ~bad, np.random.default_rng(1))}
paged, rows = {}, {}
for world, days in worlds.items():
    for false in (10, 30):
        for k, n in ((1, 1), (2, 3), (3, 3)):
            at, hit = thresholds.confirmed(days, bad, k, n, confirm, false)
            paged[world, false, k] = hit & bad
            rows[f"{world}, {false} false days", f"{k} of {n}"] = f"{(hit & bad).sum()} from {at:.0f} min"
print(f"bad days paged, of {bad.sum()}, and the limit:\n{pd.Series(rows).unstack()}")

# %% fold
for false in (10, 30):
    more = paged["real", false, 3].astype(int) - paged["real", false, 1]
    low, high = 365 * thresholds.interval(more, np.random.default_rng(4))
    print(f"real, {false} false days: 3 of 3 pages {more.sum():+d} bad days more than 1 of 1 [{low:.0f}, {high:.0f}]")

# %% [markdown]
# Where looks are independent, confirmation is a bargain: at ten false days, 15 bad days become 42. In the real year, a
# delayed hour follows a delayed hour, and three looks at one queue are one witness. At 30 false days the plain limit,
# set higher, pages seven bad days more. At ten, three of three pages five more, perhaps by chance.
#
# So confirm against blips, and compare with a stricter limit first.

# %% [markdown]
# ## Exercise 3: know what is normal for this hour
#
# Twenty minutes of delay are news at seven in the morning, and nothing special at nine in the evening. Let each hour of
# the week keep its own level $m$, an *exponentially weighted moving average* (Roberts, 1959). Its first known value is
# the first $m$. Each later one, $x$, moves it: $m \leftarrow (1-\lambda)\,m + \lambda\,x$.
#
# Return a Series with the same index: at each look the level *before* that look moves it. Four Mondays at
# ten o'clock, 10, 20, 40, 0, give NaN, 10, 15, 27.5 with λ = 0.5.
#
# - Hours of the week are those of New York's clocks (`"America/New_York"`).
# - A missing value moves nothing.


# %% answer="seasonal_baseline"
def seasonal_baseline(values, smoothing=0.1):
    """What is normal at each look; `values`: a Series of hourly looks with a sorted UTC index; `smoothing` is λ."""
    ### BEGIN SOLUTION
    slot = values.index.tz_convert("America/New_York").strftime("%a %H")
    level = values.groupby(slot).transform(lambda x: x.ewm(alpha=smoothing, adjust=False, ignore_na=True).mean())
    return level.groupby(slot).shift(1)
    ### END SOLUTION


# %% check="seasonal_baseline" points=4
holes = weekly([10, 20, np.nan, 20, 30])
three = {"06-03 11:00": 1, "06-03 23:00": 50, "06-04 11:00": 9, "06-10 11:00": 2, "06-10 23:00": 60, "06-11 11:00": 8}
eight = {"03-04 12:00": 1, "03-04 13:00": 9, "03-11 12:00": 5, "03-11 13:00": 3}  # UTC; clocks changed on 10 March


def baseline(*asked):
    """The baselines as a list."""
    return pd.Series(seasonal_baseline(*asked)).to_list()


# Return the level itself, before the look's own value moves it: NaN at first, then the first value in full.
check("Five, five, five, then nine", baseline(weekly([5, 5, 5, 9])), [None, 5.0, 5.0, 5.0])
# Start from the first value; move it by λ of the way to each new one.
check("Four Mondays, λ = 0.5", baseline(weekly([10, 20, 40, 0]), 0.5), [None, 10.0, 15.0, 27.5])
# Weigh the new value by the caller's λ, and the old level by 1 − λ.
check("The same with λ = 0.1", baseline(weekly([10, 20, 40, 0]), 0.1), [None, 10.0, 11.0, 13.9])
# Skip a missing value: the level is the same before it and after it, and is given at that look too.
check("A missing Monday moves nothing", baseline(holes, 0.5), [None, 10.0, 15.0, 15.0, 17.5])
# Start from the first known value: a missing one leaves no level behind.
check("The first Monday is missing", baseline(weekly([np.nan, 10, 20]), 0.5), [None, None, 10.0])
# Keep one level for each of the 168 hours of the week, and give each look that of its own hour.
check("Monday morning, evening, Tuesday", baseline(looks_at(three)), [None, None, None, 1.0, 50.0, 9.0])
# Take the hour and the weekday from New York's clocks, which moved in March.
check("Eight o'clock before and after the clocks change", baseline(looks_at(eight)), [None, None, 9.0, None])
### BEGIN HIDDEN TESTS
found = pd.Series(seasonal_baseline(hourly)).to_numpy()
# Go through the looks in order; some hours have no row, and some are missing.
check("The year's hours, every 97th", found[::97].tolist(), thresholds.seasonal_baseline(hourly).to_list()[::97])
# Give a baseline for every look.
check("One for every look", len(found), 7615)
### END HIDDEN TESTS


# %% mistake="seasonal_baseline"
# Give the level before the look's own value moves it: a baseline that has seen the spike hides part of it.
# - return level.groupby(slot).shift(1)
# + return level

# %% mistake="seasonal_baseline"
# Pass `adjust=False` to `ewm`: by default pandas divides by weights that sum to less than one at the start.
# - adjust=False, ignore_na=True
# + ignore_na=True

# %% mistake="seasonal_baseline"
# Weigh the new value by λ and the old level by 1 − λ: a small λ follows slowly.
# - alpha=smoothing
# + alpha=1 - smoothing

# %% mistake="seasonal_baseline"
# Let a missing value age nothing either: pandas lowers the old level's weight unless you pass `ignore_na=True`.
# - adjust=False, ignore_na=True
# + adjust=False

# %% mistake="seasonal_baseline"
# Keep Mondays apart from Tuesdays: the weekday belongs to the hour of the week.
# - strftime("%a %H")
# + strftime("%H")

# %% mistake="seasonal_baseline"
# Use New York's clocks: timetables follow them, and in UTC every hour of the week moves by one in March.
# - values.index.tz_convert("America/New_York").strftime
# + values.index.strftime


# %% alternative="seasonal_baseline"
# Look by look, with a dictionary of levels.
def seasonal_baseline(values, smoothing=0.1):
    level, out = {}, []
    local = values.index.tz_convert("America/New_York")
    for slot, x in zip(zip(local.day_of_week, local.hour), values):
        m = level.get(slot, np.nan)
        out.append(m)
        if not np.isnan(x):
            level[slot] = x if np.isnan(m) else (1 - smoothing) * m + smoothing * x
    return pd.Series(out, index=values.index, dtype=float)


# %% [markdown]
# Two alarms watch from 5:00 on, April to December: one the delay, one the delay *above* its baseline. Each has one
# limit for all hours, at 24 false days; for the delay that is about three sigma. Then both watch only until 16:00, each
# with a limit for that. Guess which finds more bad days before 16:00.

# %%
usual = yours("seasonal_baseline", thresholds.seasonal_baseline)(hourly)
signals, rows, early = {"delay": hourly, "above baseline": hourly - usual}, {}, {}
for until in (24, 16):
    for name, signal in signals.items():
        at, first = thresholds.first_rings(signal, later, 24, until)
        rows[f"{name}, until {until}:00"] = at, first[later.bad].notna().sum(), (first[later.bad] < 16).sum()
        early[name, until] = ((first < 16) & later.bad).astype(int)
print(pd.DataFrame(rows, index=["limit", "bad days", "in time"]).T.round(1).to_string(), "\n")
for until in (24, 16):
    more = early["above baseline", until] - early["delay", until]
    low, high = len(more) * thresholds.interval(more, np.random.default_rng(4))
    print(f"until {until}:00 the baseline warns in time on {more.sum():+d} bad days [{low:.0f}, {high:.0f}]")

# %% [markdown]
# With one limit for all hours, the baseline warns in time on 17 of 48 bad days, plain delay on one. A monitor around
# the clock has to know the hour.
#
# Yet with a limit made for the hours until 16:00, plain delay finds 40, the baseline 32. A decision at a fixed hour
# needs no baseline.

# %% [markdown]
# ## Exercise 4: ask how often an alarm is right
#
# An alarm's *positive predictive value* (precision) is the share of ringing days that hold an incident. With prevalence
# $\pi$, sensitivity $s$ and a chance $q$ that a quiet day rings, Bayes says
#
# $$\mathrm{PPV} = \frac{\pi s}{\pi s + (1-\pi)\,q}.$$
#
# Return it. `ppv(0.5, 0.8, 0.8)` is 0.8. Guess first: prevalence 2 %, sensitivity 90 %, specificity 95 %.
#
# - A quiet day has `looks` independent looks, and rings if any of them does.
# - `specificity` is the chance that one look at a quiet day stays silent.
# - Prevalence and sensitivity are of the whole day.


# %% answer="ppv"
def ppv(prevalence, sensitivity, specificity, looks=1):
    """The share of ringing days that hold an incident; the first three are shares, from 0 to 1."""
    ### BEGIN SOLUTION
    right = prevalence * sensitivity
    wrong = (1 - prevalence) * (1 - specificity**looks)
    return right / (right + wrong)
    ### END SOLUTION


# %% check="ppv" points=2
# Divide the right alarms by all alarms; a quiet day rings with the chance 1 − specificity.
check("Half of the days hold an incident", ppv(0.5, 0.8, 0.8), 0.8)
# Divide right alarms, prevalence × sensitivity, by all; false ones are 1 − prevalence, times 1 − specificity.
check("Prevalence 2 %, sensitivity 90 %, specificity 95 %", ppv(0.02, 0.9, 0.95), 0.268657, tolerance=0.01)
# Without false alarms, every alarm is right.
check("It never rings for nothing", ppv(0.02, 0.4, 1.0), 1)
# Take the chance that all looks stay silent, specificity to the power of `looks`; leave sensitivity as it is.
check("The same, looked at 11 times a day", ppv(0.02, 0.9, 0.95, looks=11), 0.0408556, tolerance=0.03)
### BEGIN HIDDEN TESTS
# Leave sensitivity and prevalence as they are given.
check("One day in four, three looks", ppv(0.25, 0.6, 0.9, 3), 0.424628, tolerance=0.02)
### END HIDDEN TESTS


# %% mistake="ppv"
# Turn the question round: of the alarms, how many are right; sensitivity says of the incidents, how many ring.
# - return right / (right + wrong)
# + return sensitivity

# %% mistake="ppv"
# Weigh by prevalence: there are far more quiet days than bad ones to ring wrongly on.
# - return right / (right + wrong)
# + return sensitivity / (sensitivity + 1 - specificity**looks)

# %% mistake="ppv"
# Weigh the false alarms by the quiet days, 1 − prevalence.
# - (1 - prevalence) * (1 - specificity**looks)
# + (1 - specificity**looks)

# %% mistake="ppv"
# Count the looks: each may ring for nothing, so correct for the looks as you would for tests.
# - specificity**looks
# + specificity

# %% mistake="ppv"
# Multiply the chances of silence, then take 1 minus that; chances of ringing do not add up.
# - (1 - specificity**looks)
# + looks * (1 - specificity)


# %% alternative="ppv"
# Odds: what they were before, times the likelihood ratio of an alarm.
def ppv(prevalence, sensitivity, specificity, looks=1):
    q = 1 - np.prod(np.full(looks, specificity))
    if q == 0:
        return 1.0
    odds = prevalence / (1 - prevalence) * sensitivity / q
    return odds / (1 + odds)


# %% [markdown]
# Now our own alarm at 16:00. Break-even is one right alarm in nine: below it, false alarms cost more than the misses
# they prevent.

# %%
share = yours("ppv", thresholds.ppv)
found, silent = slow[later.bad].mean(), 1 - slow[~later.bad].mean()
print(f"the delay's alarm: {share(later.bad.mean(), found, silent):.0%} of alarms are right")
print(f"the same alarm, if one evening in fifty were bad: {share(0.02, found, silent):.0%}")
print(
    f"the textbook's 2 %, 90 %, 95 %: {share(0.02, 0.9, 0.95):.0%}, looked at 11 times {share(0.02, 0.9, 0.95, 11):.0%}"
)
print(f"worth answering at prices 1 and 8: above {1 / (1 + 8):.0%}")

# %% [markdown]
# In the textbook's case 27 of 100 alarms are right; with 11 looks a day, 4. Our
# own alarm is right 58 times in 100. At one bad evening in fifty it would be 12, just above break-even.
#
# ## Learn from feedback
#
# At each month's end, from March on, the desk chooses a new threshold from marked days: every evening, or only those on
# which the alarm rang. Both begin at three sigma, then at 0. Which of the four ends up dearest?

# %%
ways = {"every evening": True, "alarms only": False}
used = {
    f"from {start:.0f}, {name}": thresholds.retuned(tape, start, cheapest, marks)
    for start in (three_sigma, 0)
    for name, marks in ways.items()
}
table = prices({name: (tape.delay >= at)[later.index] for name, at in used.items()}, later.bad)
print(table.assign(December=[round(at.iloc[-1], 1) for at in used.values()]))

low, high = thresholds.choice_interval(cheapest, tape, np.random.default_rng(2))
print(f"by December the marks choose {low:.0f} to {high:.0f} minutes, 95 % interval by whole days")

# %% [markdown]
# Three of the four are at 13.7 minutes from April on. The fourth never moves. At 46 minutes it rings five times, is
# always right, and nobody tells it of the 43 evenings that it misses. Alarms alone cannot show that a threshold is too
# high. Mark silent looks too, at least a random sample.
#
# Later months bought nothing more. Move when the interval of the marks no longer holds the threshold in use, as at 46
# minutes.

# %% [markdown]
# ## The answer
#
# Where would each alarm have rung on 14 December?

# %% fold
clock = hourly.index.tz_convert(NEW_YORK)
shown = (clock.strftime("%m-%d") == "12-14") & (clock.hour >= 5) & (clock.hour < 22)
hour, delay = clock.hour[shown], hourly.to_numpy()[shown]
above = pd.Series(usual).to_numpy()[shown] + rows["above baseline, until 24:00"][0]
plt.figure(figsize=(9, 3.4), layout="constrained")
plt.axvspan(17, 22, color="#BBBBBB", alpha=0.4, label="34 % of these flights cancelled")
plt.plot(hour + 0.5, delay, color="#0072B2", marker="o", label="mean delay of the hour")
plt.plot(hour + 0.5, above, color="#009E73", linestyle="--", label="baseline plus its limit")
plt.axhline(sigma, color="#D55E00", linestyle=":", label="three sigma")
for limit_of, name, x in ((above, "baseline rings", -2.5), (np.full(len(delay), sigma), "three sigma rings", -2.7)):
    place = np.flatnonzero(delay >= limit_of)[0]
    plt.annotate(
        name, (hour[place] + 0.5, delay[place]), (hour[place] + x, delay[place] + 22), arrowprops={"arrowstyle": "->"}
    )
day = tape.loc["2013-12-14"]
plt.annotate(
    f"16:00: {day.delay:.0f} ≥ {limit:.1f}, the priced alarm rings",
    (16, day.delay),
    (16.4, 3),
    arrowprops={"arrowstyle": "->"},
)
plt.axvline(16, color="#000000", linewidth=0.8)
plt.xlabel("hour of 14 December 2013 in New York")
plt.ylabel("minutes")
plt.xticks(range(5, 23))
plt.ylim(-5, 125)
plt.legend(loc="upper left", fontsize="small")
plt.show()
print(f"at 16:00: delay {day.delay:.1f} (limit {limit:.1f}), waiting {day.waiting:.2f} (limit {queue:.2f})")

# %% [markdown]
# At 16:00 (thin line) the priced alarm rings: 27 minutes are above 13.7. The baseline alarm rings for the hour from
# 14:00, three sigma for the hour from 19:00.
#
# So: price both errors, take the cheapest threshold, and state its interval. At 1 to 8, ring when either signal is
# high. Confirm against blips. Around the clock, know the hour. Count how rare trouble is. Mark silence too.
#
# In production, Prometheus rules say how long a condition must hold (`for`), and Alertmanager groups, silences and
# routes. CloudWatch takes "M out of N" datapoints. CloudWatch and Datadog detect anomalies against daily and weekly
# seasons. scikit-learn's `TunedThresholdClassifierCV` tunes a classifier's threshold, also to a cost.

# %% [markdown] say="q28" points=2
# **Say it.** "Your monitors raise false alarms, or miss what matters. How do you set thresholds?" Answer aloud, then
# write down the core.
#
# One point each:
#
# - a threshold from prices and not from sigmas, with a number from above;
# - two other ways to make an alarm worth answering, each with what it cannot do.
#
# ### BEGIN SOLUTION
# I price both errors and take the cheapest: 13.7 minutes cost 0.28 a day, three sigma 1.25; 90 days leave it between 11
# and 20. Confirmation helps against independent blips; at equal false days a higher limit did as well, because delays
# last. A baseline warned in time on 17 bad days instead of one, but a limit made for 16:00 needs none. At 2 %
# prevalence a 90/95 % alarm is right 27 % of the time. I mark silent days too.
# ### END SOLUTION
