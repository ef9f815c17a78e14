# %% [markdown]
# # Monitor a system
#
# On 9 February 2013 a blizzard cancelled more than half of New York's flights. That evening the airline desk
# asks: did our model have a good day? Its accuracy says: an ordinary one.
#
# You will be able to answer: *How would you design monitoring for a machine learning system?* You build signs in
# four layers, an alert that knows how fast an error budget burns, incidents with an owner, and an estimate of
# performance without labels. It takes about 55 minutes. You need pandas.

# %%
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from prometheus_client import CollectorRegistry, Counter, Histogram

from daytwo import monitor
from daytwo.monitor import FAST, OWNERS, QUIET, RULES, SIGNS, WARN, Alert
from grading import check, yours

year = monitor.year()
year[["asked", "latency", "humid", "visib", "age_h", "p_late", "late", "cancelled"]].iloc[[0, 100, 1000]]

# %% [markdown]
# Each row is a request. Two hours before departure the desk asked the model of record for `p_late`, the probability of
# arriving more than 15 minutes late. The answer took `latency` seconds. The newest weather reading was `age_h` hours
# old.
#
# The desk warns passengers when `p_late` is at least 0.3 (`WARN`). They are *surprised* when the flight is late or
# cancelled and no warning went out. Guess what accuracy and surprise do on the 9th.


# %% fold
february = year[year.day.between("2013-02-01", "2013-02-14")]
by_day = monitor.signs(february).groupby(february.day.dt.day).mean()
plt.figure(figsize=(9, 3.2), layout="constrained")
plt.plot(by_day.index, 1 - by_day.wrong, color="#0072B2", marker="o", label="accuracy, labelled flights only")
plt.plot(by_day.index, by_day.surprised, color="#D55E00", marker="s", linestyle="--", label="surprised, all flights")
plt.xlabel("day of February 2013")
plt.ylabel("share of flights")
plt.xticks(range(1, 15))
plt.ylim(0, 1)
plt.legend(loc="center left")
plt.show()
days = monitor.signs(year).groupby(year.day).mean()
ninth = days.loc["2013-02-09"]
print(
    f"9 February: accuracy {1 - ninth.wrong:.3f}; it was lower on {(days.wrong > ninth.wrong).mean():.0%} of all days"
)
print(f"9 February: surprised {ninth.surprised:.3f}; it was higher on {(days.surprised > ninth.surprised).mean():.0%}")
print(f"9 February: cancelled {ninth.cancelled:.3f}")

# %% [markdown]
# Accuracy on the 9th is 66 %, and a quarter of the year's days were worse. The dashed line has its highest point of
# the year: 61 % were surprised. The 57 % that were cancelled have no label, so accuracy does not see them.


# %% [markdown]
# ## A tape with faults
#
# We replay eleven days of September. On eight of them we broke one thing, from noon to midnight in New York.


# %%
tape = monitor.september()
third = tape.requests[tape.requests.day == "2013-09-03"]
pd.Series({f"{day} September": fault.name for day, fault in monitor.BROKEN.items()})

# %% [markdown]
# ## Exercise 1: judge every request in four layers
#
# Return a frame with a row per request and seven columns: 1 (bad), 0 (good), or missing where nobody can judge. A
# late flight with `p_late` 0.1 is `wrong` and `surprised`.
#
# - Infrastructure: `slow` (`latency` above 0.05 s), `unanswered` (no `p_late`).
# - Data: `bad_inputs` (`humid` or `visib` missing, `humid` outside 0–100, or `dewp` above `temp`), `stale` (`age_h`
#   above 3, or missing).
# - Model: `wrong` (warned and not late, or the reverse). To judge takes an answer and a label.
# - Business: `cancelled`; `surprised` (late or cancelled, not warned; no answer is no warning). Flights neither
#   cancelled nor labelled cannot be judged.


# %% answer="signs"
def signs(requests):
    """A frame with seven columns, a row per request: 1 is bad, 0 is good, missing where it cannot be judged."""
    ### BEGIN SOLUTION
    r = requests
    warned = r.p_late >= WARN
    hurt = r.cancelled | (r.late == 1)
    return pd.DataFrame(
        {
            "slow": r.latency > 0.05,
            "unanswered": r.p_late.isna(),
            "bad_inputs": ~r.humid.between(0, 100) | r.visib.isna() | (r.dewp > r.temp),
            "stale": ~(r.age_h <= 3),
            "wrong": (warned != (r.late == 1)).where(r.late.notna() & r.p_late.notna()),
            "cancelled": r.cancelled,
            "surprised": (hurt & ~warned).where(r.cancelled | r.late.notna()),
        }
    )
    ### END SOLUTION


# %% check="signs" points=4
some, tally, gap = monitor.some, monitor.tally, np.nan  # `some` makes a log of good requests with a few things changed
seven = ["slow", "unanswered", "bad_inputs", "stale", "wrong", "cancelled", "surprised"]
# Return a frame with these seven columns and a row for each request; nothing here is bad.
check("Three good requests: nothing is bad", tally(signs(some()), *seven), dict.fromkeys(seven, "0 of 3"))
waits = some(latency=[0.05, 0.06, 0.25, 0.25], p_late=[0.1, 0.1, 0.1, gap])
# Compare `latency` with 0.05, and ask `p_late` itself whether there was an answer.
check("Four waits, one without an answer", tally(signs(waits), *seven[:2]), {"slow": "3 of 4", "unanswered": "1 of 4"})
stale = {"stale": "3 of 5"}
odd = some(humid=[60, gap, 101, -1, 60], visib=[10, 10, 10, 10, gap])
# An input is bad when it is missing, and when it lies outside its range at either end.
check("Humidity missing, 101 and −1, then visibility missing", tally(signs(odd), "bad_inputs")["bad_inputs"], "4 of 5")
# Compare `dewp` with `temp` in each row; equal is fog, and good.
check("21 °C sent as °F", tally(signs(some(temp=[70, 21, 50])), "bad_inputs")["bad_inputs"], "1 of 3")
# Call a missing age stale, as no comparison with NaN is true; exactly 3 hours are fresh.
check("Readings 1, 3 and 4 hours old, then two unknown", tally(signs(some(age_h=[1, 3, 4, gap, gap])), "stale"), stale)
calls = some(p_late=[0.5, 0.3, 0.1, 0.1, 0.5, gap], late=[1, 0, 1, 0, gap, 1])
# Compare the warning (`p_late >= WARN`) with the label, and leave `wrong` missing where either is.
check("Four calls to judge, then no label, then no answer", tally(signs(calls), "wrong")["wrong"], "2 of 4")
bad_day = some(p_late=[0.1, 0.1, 0.1, gap, 0.3, 0.1], late=[1, gap, gap, 1, 1, gap], cancelled=[0, 1, 1, 0, 0, 0])
# Take `cancelled` as it is. Surprised is late or cancelled and not `p_late >= WARN`, judged where one of both is known.
check(
    "Late, two cancelled, late without an answer: surprised",
    tally(signs(bad_day), "cancelled", "surprised"),
    {"cancelled": "2 of 6", "surprised": "4 of 5"},
)
# Keep every request: the cancelled flights have no label, and are what the day was about.
check(
    "9 February, scraped over HTTP",
    monitor.scraped(signs(year[year.day == "2013-02-09"]), "wrong", "cancelled", "surprised"),
    {"wrong": "98 of 291", "cancelled": "393 of 684", "surprised": "419 of 684"},
)
### BEGIN HIDDEN TESTS
from grading import class_seed

drawn = tape.requests.sample(1_000, random_state=class_seed("signs") % 2**32)
### BEGIN EXPECTED
by_hand = {"bad_inputs": 0, "stale": 0, "surprised": 0}
for row in drawn.itertuples():
    by_hand["bad_inputs"] += not 0 <= row.humid <= 100 or row.visib != row.visib or row.dewp > row.temp
    by_hand["stale"] += not row.age_h <= 3
    by_hand["surprised"] += (row.cancelled or row.late == 1) and not row.p_late >= 0.3
### END EXPECTED
# Judge each request by its own values.
check(
    "A thousand requests of September",
    {name: int(text.split()[0]) for name, text in tally(signs(drawn), "bad_inputs", "stale", "surprised").items()},
    by_hand,
)
### END HIDDEN TESTS

# %% mistake="signs"
# Leave `wrong` missing where the label or the answer is: a cancelled flight was neither right nor wrong.
# - (warned != (r.late == 1)).where(r.late.notna() & r.p_late.notna())
# + warned != (r.late == 1)

# %% mistake="signs"
# Count a flight without an answer as not warned: `NaN < WARN` is false, so negate `p_late >= WARN` instead.
# - (hurt & ~warned)
# + (hurt & (r.p_late < WARN))

# %% mistake="signs"
# Count cancelled flights among those that hurt: they have no label, and their passengers are surprised most.
# - hurt = r.cancelled | (r.late == 1)
# + hurt = r.late == 1

# %% mistake="signs"
# Call a missing age stale: `NaN > 3` is false, and a feed that has died is the stalest of all.
# - ~(r.age_h <= 3)
# + r.age_h > 3

# %% mistake="signs"
# Call every missing input bad and look at both ends of the range: ask for what is good and negate it.
# - ~r.humid.between(0, 100) |
# + (r.humid < 0) | (r.humid > 100) |

# %% mistake="signs"
# Ask whether `p_late` is missing: a request can be answered at the very end of its time.
# - r.p_late.isna()
# + r.latency >= 0.25


# %% alternative="signs"
# Row by row, in plain Python.
def signs(requests):
    rows = []
    for r in requests.itertuples():
        warned, answered, labelled = r.p_late >= 0.3, r.p_late == r.p_late, r.late in (0, 1)
        rows.append(
            {
                "slow": r.latency > 0.05,
                "unanswered": not answered,
                "bad_inputs": not 0 <= r.humid <= 100 or pd.isna(r.visib) or r.dewp > r.temp,
                "stale": not r.age_h <= 3,
                "wrong": warned != (r.late == 1) if answered and labelled else None,
                "cancelled": r.cancelled,
                "surprised": (r.cancelled or r.late == 1) and not warned if r.cancelled or labelled else None,
            }
        )
    return pd.DataFrame(rows)


# %% alternative="signs"
# numpy's 0, 1 and NaN in a copy of the log.
def signs(requests):
    table = requests.copy()
    warned = table.p_late.fillna(0) >= WARN
    table["slow"] = np.where(table.latency > 0.05, 1, 0)
    table["unanswered"] = table.p_late.isnull() * 1
    table["bad_inputs"] = 1
    table.loc[
        table.humid.ge(0) & table.humid.le(100) & table.visib.notna() & ~(table.dewp > table.temp), "bad_inputs"
    ] = 0
    table["stale"] = (table.age_h.fillna(99) > 3).astype(int)
    table["wrong"] = np.where(table.late.isna() | table.p_late.isna(), np.nan, abs(warned - table.late))
    hurt = np.where(table.cancelled, 1, table.late)
    table["surprised"] = np.where(np.isnan(hurt), np.nan, hurt * (1 - warned))
    return table[["slow", "unanswered", "bad_inputs", "stale", "wrong", "cancelled", "surprised"]]


# %% [markdown]
# ## What a scrape sees
#
# A Prometheus server reads our counters over HTTP at short intervals: a *scrape*. Counters only grow, so one looks at
# differences: `rate(bad_total[1h])`. Times are in seconds.


# %%
judge = yours("signs", monitor.signs)
registry = CollectorRegistry()
bad = Counter("bad", "Events that went wrong", ["sign"], registry=registry)
valid = Counter("valid", "Events that could be judged", ["sign"], registry=registry)
latency = Histogram("latency_seconds", "Time to an answer", buckets=[0.025, 0.05, 0.1, 0.25], registry=registry)


def count(requests):
    for name, column in judge(requests).astype(float).items():
        bad.labels(name).inc(column.sum())
        valid.labels(name).inc(column.count())
    requests.latency.map(latency.observe)


# %%
count(third[third.asked < "2013-09-03 19:00Z"])
before = monitor.scrape(registry)  # a real server on a free port of this machine, read once
count(third[third.asked.between("2013-09-03 19:00Z", "2013-09-03 20:00Z", inclusive="left")])
after = monitor.scrape(registry)
names = ["bad_total slow", "valid_total slow", *(name for name in after if "bucket" in name)]
pd.DataFrame({"19:00": before, "20:00": after}).loc[names].assign(hour=lambda t: t["20:00"] - t["19:00"])

# %% [markdown]
# An alert works with the column `hour`. A histogram counts the answers that took at most so many seconds. A quantile is
# known only up to the bounds of a bucket, so put a bound where your promise is: here at 0.05. Signs that need a label
# are counted when it is heard.


# %% [markdown]
# ## How fast a budget burns
#
# The desk is promised that 99 % of its requests are answered within 0.05 s. One in a hundred may fail: that is the
# *error budget*. The *burn rate* of a window is its share of failed requests divided by the budget. At 1 the budget
# lasts exactly as long as planned.
#
# A window of five minutes wakes people for nothing; one of a day rings long after the repair. So the *Site Reliability
# Workbook* (Google, 2018, chapter 5) asks two windows. The long one says that it matters, the short one that it is
# still going on.


# %%
rules = pd.DataFrame(RULES)
rules["long"], rules["short"] = rules.long * monitor.STEP, rules.short * monitor.STEP
rules["budget spent"] = [f"{rule.factor * rule.long / (30 * 288):.0%} of a month" for rule in RULES]
rules[["long", "short", "factor", "action", "budget spent"]]

# %% [markdown]
# The last column is the cost of a long window at that speed. On the 3rd at 16:00 UTC, one replica of three became ten
# times slower. Guess when the first rule pages.

# %% fold
steps = monitor.per_step(third.asked, third.latency > 0.05, "2013-09-03 12:00Z", "2013-09-03 21:00Z")
slow_then, all_then = steps.bad.tolist(), steps.total.tolist()
plt.figure(figsize=(9, 3.2), layout="constrained")
for name, n, colour, line in (("1 h", 12, "#0072B2", "-"), ("5 min", 1, "#D55E00", ":")):
    sums = steps.rolling(n, min_periods=1).sum()
    plt.plot(steps.index, (sums.bad / sums.total).fillna(0) / 0.01, color=colour, linestyle=line, label=name)
plt.axhline(14.4, color="#000000", linestyle="--", linewidth=0.8, label="14.4")
plt.xlim(pd.Timestamp("2013-09-03 14:00Z"), pd.Timestamp("2013-09-03 20:00Z"))
plt.xticks(pd.date_range("2013-09-03 14:00Z", "2013-09-03 20:00Z", freq="h"), range(14, 21))
plt.xlabel("hour of 3 September, UTC")
plt.ylabel("burn rate (1 = as planned)")
plt.legend(loc="upper left", title="window")
plt.show()
first = [action is not None for action in monitor.burn_rate(slow_then, all_then, rules=FAST[:1])].index(True)
print(f"the first rule pages at {steps.index[first]:%H:%M}")


# %% [markdown]
# The dotted line jumps at every slow answer, the solid line climbs slowly. The page comes when both are above 14.4.


# %% [markdown]
# ## Exercise 2: alert when two windows burn too fast
#
# `bad` and `total` count failed and all requests in steps of five minutes, oldest first. Return a list: for each
# step the `action` of the first of `rules` that fires then, or `None`. So
# `burn_rate([500, 500], [1000, 1000])` is `["page", "page"]`.
#
# - A window of $n$ steps is the step and the $n - 1$ before it, or as many as there are. Its share is failed
#   requests divided by all requests. Without a request it burns nothing.
# - A rule fires when its long and its short window burn faster than `factor`, and the long one holds at least `least`
#   failures: at night one of one is 100 %.


# %% answer="burn_rate"
def burn_rate(bad, total, objective=0.99, rules=RULES, least=3):
    """The action of each step ("page", "ticket" or None) for two lists of counts; `objective` is the promised share."""
    ### BEGIN SOLUTION
    counts = pd.DataFrame({"bad": bad, "total": total})

    def burn(n):
        sums = counts.rolling(n, min_periods=1).sum()
        return (sums.bad / sums.total).fillna(0) / (1 - objective)

    actions = [None] * len(counts)
    for rule in reversed(rules):
        enough = counts.bad.rolling(rule.long, min_periods=1).sum() >= least
        fires = (burn(rule.long) > rule.factor) & (burn(rule.short) > rule.factor) & enough
        actions = [rule.action if now else before for now, before in zip(fires, actions)]
    return actions
    ### END SOLUTION


# %% check="burn_rate" points=3
steady, turns = monitor.steady, monitor.turns  # (steps, failures of 1,000) …; (step, action) where the action changes
# Return an entry for every step: None where no rule fires.
check("One request in two hundred fails for a day, as it may", turns(burn_rate(*steady((288, 5)))), [(0, None)])
fast_only = [(0, None), (901, "page"), (935, None)]
outage = steady((900, 0), (30, 1000), (130, 0))
# Divide by 1 − `objective`, ask both windows up to the present step; the first rule that fires decides.
check(
    "After three good days everything fails from step 900 to step 929",
    turns(burn_rate(*outage)),
    [(0, None), (901, "page"), (935, "ticket"), (1001, None)],
)
# Use the steps there are: a window that is not full yet can be on fire already.
check("Half of all requests fail from the very first step", turns(burn_rate(*steady((3, 500)))), [(0, "page")])
fire = steady((100, 0), (60, 1000))
# Divide by the budget of the promise that the caller gives, 1 − `objective`.
check(
    "Of ten requests one may fail: all fail from step 100",
    turns(burn_rate(*fire, objective=0.9)),
    [(0, None), (111, "ticket"), (143, "page")],
)
night = [0] * 24 + [1] * 4, [1000] * 24 + [1] * 4
# Divide all failed requests of a window by all its requests; do not average the shares of its steps.
check("Four of four fail at night, after a day of thousands", turns(burn_rate(*night)), [(0, None)])
lonely = [0] * 23 + [1, 0, 0] * 4, [0] * 20 + [1, 0, 0] * 5
# Fire from `least` failures in the long window on. A window without requests burns nothing; a silent step has windows.
check("One good request in a quiet night, then four that fail", turns(burn_rate(*lonely)), [(0, None), (29, "page")])
# Use the `rules` that the caller gives.
check("The three days again, without the slow rule", turns(burn_rate(*outage, rules=FAST)), fast_only)
### BEGIN HIDDEN TESTS
from grading import class_seed

dice = np.random.default_rng(class_seed("burn_rate"))
levels = np.repeat(dice.choice([0, 0.005, 0.02, 0.09, 0.4], 60), 25)
asked_then = dice.integers(0, 900, len(levels)) * (dice.random(len(levels)) < 0.9)
failed_then = dice.binomial(asked_then, levels)
### BEGIN EXPECTED
truth = []
for i in range(len(levels)):
    failed, speed = {}, {}
    for n in (1, 6, 12, 72, 864):
        of = int(asked_then[max(0, i - n + 1) : i + 1].sum())
        failed[n] = int(failed_then[max(0, i - n + 1) : i + 1].sum())
        speed[n] = failed[n] / of / (1 - 0.99173) if of else 0
    fires = [(12, 1, 14.4, "page"), (72, 6, 6, "page"), (864, 72, 1, "ticket"), (1, 1, -1, None)]
    truth.append(next(a for n, m, f, a in fires if min(speed[n], speed[m]) > f and (failed[n] >= 5 or a is None)))
### END EXPECTED
# Use `objective`, `rules` and `least` as the caller gives them.
check(
    "Five days at random", turns(burn_rate(failed_then.tolist(), asked_then.tolist(), 0.99173, least=5)), turns(truth)
)
### END HIDDEN TESTS

# %% mistake="burn_rate"
# Ask the short window too: the long one is full of failures for hours after the repair, and goes on paging.
# - (burn(rule.long) > rule.factor) & (burn(rule.short) > rule.factor)
# + (burn(rule.long) > rule.factor)

# %% mistake="burn_rate"
# Ask the long window too: the short one alone wakes somebody for five bad minutes.
# - (burn(rule.long) > rule.factor) & (burn(rule.short) > rule.factor)
# + (burn(rule.short) > rule.factor)

# %% mistake="burn_rate"
# Let the first rule that fires decide: a ticket for the slow window must not hide a page.
# - reversed(rules)
# + rules

# %% mistake="burn_rate"
# Divide all failures of a window by all its requests: in a mean of shares, a request at night weighs like a thousand.
# - sums = counts.rolling(n, min_periods=1).sum()
# - return (sums.bad / sums.total).fillna(0) / (1 - objective)
# + shares = (counts.bad / counts.total).fillna(0)
# + return shares.rolling(n, min_periods=1).mean() / (1 - objective)

# %% mistake="burn_rate"
# Use what there is at the beginning: a window that is not full yet can be on fire already.
# - counts.rolling(n, min_periods=1)
# + counts.rolling(n)

# %% mistake="burn_rate"
# Ask for `least` failures in the long window: at night one failure of one request is 100 %.
# - & enough
# +


# %% alternative="burn_rate"
# Slices and sums, in plain Python.
def burn_rate(bad, total, objective=0.99, rules=RULES, least=3):
    def window(i, n):
        first = max(0, i + 1 - n)
        failed, of = sum(bad[first : i + 1]), sum(total[first : i + 1])
        return failed, failed / of / (1 - objective) if of else 0

    def action(i):
        for rule in rules:
            (failed, long), (_, short) = window(i, rule.long), window(i, rule.short)
            if failed >= least and min(long, short) > rule.factor:
                return rule.action

    return [action(i) for i in range(len(bad))]


# %% alternative="burn_rate"
# Differences of running totals.
def burn_rate(bad, total, objective=0.99, rules=RULES, least=3):
    sums = [np.concatenate([[0], np.cumsum(x)]) for x in (bad, total)]
    end = np.arange(1, len(bad) + 1)
    actions = np.full(len(bad), None, dtype=object)
    for rule in rules:
        fires = actions == None  # noqa: E711
        for n in (rule.long, rule.short):
            failed, of = (s[end] - s[np.maximum(0, end - n)] for s in sums)
            fires &= failed > rule.factor * (1 - objective) * of
            fires &= (failed >= least) | (n != rule.long)
        actions[fires] = rule.action
    return actions


# %% [markdown]
# ## Alerts from every layer
#
# The same rule now watches nine signs. A *symptom* is what passengers or the desk feel, and it pages. A *cause* makes a
# ticket for the morning. The SRE book (chapter 6) lets only very definite and very imminent causes page.
# *Golden* flights are asked again and again: whatever serves must repeat the `p_late` that the shipped model gave.


# %%
pd.DataFrame.from_dict(SIGNS, orient="index").assign(owner=lambda table: table.layer.map(OWNERS))

# %% [markdown]
# `wrong` and `surprised` are left out: even on a normal day they are so high that 14.4 times as much is over 100 %. A
# cancellation counts at its scheduled departure, when the airline surely knows.


# %%
fires = yours("burn_rate", monitor.burn_rate)
alerts = []
for sign, (time, is_bad) in monitor.streams(tape, judge(tape.requests)).items():
    steps = monitor.per_step(time, is_bad)
    actions = fires(steps.bad.tolist(), steps.total.tolist(), SIGNS[sign].promise, FAST)
    alerts += [Alert(time, sign) for time, action in zip(steps.index, actions) if action]

# %% [markdown]
# A burn rate is blind to silence: of nothing, nothing is bad. Prometheus has `absent()`, and `up == 0` for a server
# that no longer answers a scrape. Here:


# %%
def absent(times, steps, patience):
    """The `steps` at which the newest of `times` is older than `patience`."""
    times = pd.DatetimeIndex(times).sort_values()
    newest = times[times.searchsorted(steps, side="right") - 1]
    return steps[steps - newest > pd.Timedelta(patience)]


steps = pd.date_range(monitor.START, monitor.END, freq=monitor.STEP)
alerts += [Alert(time, "silent") for time in absent(tape.weather.available_time, steps, "2h")]
print(len(alerts), "alerts")

# %% fold
rows = list(SIGNS)[::-1]
styles = zip(OWNERS, "s^Do", ["#0072B2", "#D55E00", "#56B4E9", "#000000"])
plt.figure(figsize=(9, 3.4), layout="constrained")
for layer, marker, colour in styles:
    mine = [(alert.time, rows.index(alert.sign)) for alert in alerts if SIGNS[alert.sign].layer == layer]
    plt.scatter(*zip(*mine), s=14, marker=marker, color=colour, label=layer)
plt.yticks(range(len(rows)), rows)
ticks = pd.date_range(monitor.START, monitor.END, freq="D")
plt.xticks(ticks, ticks.day)
plt.xlabel("day of September 2013 (a tick is midnight in New York)")
plt.ylabel("sign whose rule fires")
plt.legend(loc="upper left", bbox_to_anchor=(1, 1))
plt.show()

# %% [markdown]
# Each mark is an alert. Every fault has its streak, and so has the evening of the 12th: a real storm.


# %% [markdown]
# ## Exercise 3: fold alerts into incidents
#
# Return a list of dicts, one per incident, in order of time. All alerts belong to one service. Neighbours in time
# belong to one incident if they are at most `quiet` apart. A stale reading at 1:00 and a cancellation at 4:00 are one
# incident of the data team, and it pages.
#
# - `start`, `end`: the times of its first and its last alert. `alerts`: how many it has.
# - `severity`: `"page"` if any of its signs is a symptom in `SIGNS`, else `"ticket"`.
# - `owner` and `runbook`: those of its most upstream sign, which stands first in `SIGNS`. `OWNERS` has the owner of
#   each layer.


# %% answer="incidents"
def incidents(alerts, quiet=QUIET):
    """A list of dicts, one per incident, from a list of `Alert(time, sign)` in any order."""
    ### BEGIN SOLUTION
    found = []
    for alert in sorted(alerts, key=lambda alert: alert.time):
        if found and alert.time - found[-1][-1].time <= quiet:
            found[-1].append(alert)
        else:
            found.append([alert])
    result = []
    for members in found:
        names = [alert.sign for alert in members]
        cause = SIGNS[min(names, key=list(SIGNS).index)]
        result.append(
            {
                "start": members[0].time,
                "end": members[-1].time,
                "alerts": len(members),
                "severity": "page" if any(SIGNS[name].symptom for name in names) else "ticket",
                "owner": OWNERS[cause.layer],
                "runbook": cause.runbook,
            }
        )
    return result
    ### END SOLUTION


# %% check="incidents" points=4
at, brief = monitor.told, monitor.brief  # alerts of one day; some keys of each incident, times as "hour:minute"
lone = [("03:00", "03:00", 1, "ticket", "data team", "call the feed's owner")]
# Give the alert one dict with six keys: a cause is a ticket, and `OWNERS` names the owner of its layer.
check("One alert: when, and whose", brief(incidents(at("03:00 silent"))), lone)
chain = at("18:00 slow", "01:00 slow", "12:30 slow", "06:50 slow", "13:00 slow")
# Put the alerts in order of time, measure each pause from the alert before, and count every alert.
check(
    "Five alerts in no order, no pause over six hours",
    brief(incidents(chain), "start", "end", "alerts"),
    [("01:00", "18:00", 5)],
)
pause = at("03:00 slow", "09:59 slow", "15:30 stale")
# Begin a new incident after a pause longer than `quiet`, whatever the sign.
check("A pause of 6:59, then one of 5:31", brief(incidents(pause), "start"), ["03:00", "09:59"])
mixed = at("01:00 cancelled", "02:00 golden", "02:30 golden", "03:00 stale", "03:10 silent", "03:30 bad_inputs")
# Look through all alerts of the incident for the sign that stands first in `SIGNS`.
check("Cancelled, golden twice, three signs of the data", brief(incidents(mixed), "runbook"), ["call the feed's owner"])
felt = at("01:00 stale", "02:00 cancelled", "03:00 stale")
# Page if any alert of the incident is a symptom, whichever sign owns it.
check("A symptom between two causes", brief(incidents(felt), "severity", "owner"), [("page", "data team")])
half = pd.Timedelta("30min")
# Use `quiet`, which the caller gives; the severity comes from symptoms alone.
check("The same with half an hour of quiet", brief(incidents(felt, half), "severity"), ["ticket", "page", "ticket"])
two_of_nine = ["page", *["ticket"] * 7, "page"]
# Fold by time alone, and decide the severity from all alerts of an incident.
check("September: eight faults and a storm", brief(incidents(monitor.alerts()), "severity"), two_of_nine)
### BEGIN HIDDEN TESTS
# Take the runbook of the most upstream sign.
check(
    "September: what they are to do",
    [runbook[:9] for runbook in brief(incidents(monitor.alerts()), "runbook")],
    [
        "take the ",
        "quarantin",
        "roll back",
        "restart t",
        "quarantin",
        "hold the ",
        "call the ",
        "quarantin",
        "open the ",
    ],
)
### END HIDDEN TESTS

# %% mistake="incidents"
# Put the alerts in order of time first: they come as they come, and a pause is one between neighbours.
# - sorted(alerts, key=lambda alert: alert.time)
# + alerts

# %% mistake="incidents"
# Measure the pause from the last alert, not from the first: a long incident is still one.
# - alert.time - found[-1][-1].time <= quiet
# + alert.time - found[-1][0].time <= quiet

# %% mistake="incidents"
# Fold every sign of the service into one incident: an incident per sign wakes three teams for one fault.
# - if found and alert.time - found[-1][-1].time <= quiet:
# + if found and alert.sign == found[-1][-1].sign and alert.time - found[-1][-1].time <= quiet:

# %% mistake="incidents"
# Take the sign that stands first in `SIGNS`: what is noticed first is rarely what broke.
# - SIGNS[min(names, key=list(SIGNS).index)]
# + SIGNS[names[0]]

# %% mistake="incidents"
# Take the most upstream sign and not the loudest: what shows downstream rings longest.
# - SIGNS[min(names, key=list(SIGNS).index)]
# + SIGNS[max(names, key=names.count)]

# %% mistake="incidents"
# Look at all alerts for the severity: the sign that owns the incident is rarely the one that people feel.
# - any(SIGNS[name].symptom for name in names)
# + cause.symptom


# %% alternative="incidents"
# pandas finds the pauses.
def incidents(alerts, quiet=QUIET):
    if not alerts:
        return []
    table = pd.DataFrame([(a.time, a.sign) for a in alerts], columns=["time", "sign"]).sort_values("time")
    table["rank"] = table.sign.map({name: i for i, name in enumerate(SIGNS)})
    table["symptom"] = table.sign.map({name: sign.symptom for name, sign in SIGNS.items()})
    result = []
    for _, part in table.groupby((table.time.diff() > quiet).cumsum()):
        cause = SIGNS[part.sort_values("rank").sign.iloc[0]]
        severity = "page" if part.symptom.any() else "ticket"
        first, last = part.time.min(), part.time.max()
        result.append(
            {"start": first, "end": last, "alerts": len(part), "severity": severity}
            | {"owner": OWNERS[cause.layer], "runbook": cause.runbook}
        )
    return result


# %%
fold = yours("incidents", monitor.incidents)
found = pd.DataFrame(fold(alerts))
found["start"] = found.start.dt.tz_convert(monitor.NEW_YORK).dt.strftime("%d September %H:%M")
found[["start", "alerts", "severity", "owner", "runbook"]]

# %% [markdown]
# The 974 alerts are nine incidents, and two of them wake somebody: the slow replica and the storm. Two faults at the
# same time would be one incident here; Alertmanager keeps apart what differs in the labels of `group_by`.
#
# What should happen by itself? What is safe, quick and can be undone: roll back to the shipped artefact; take a replica
# out, but never one of the last two. A storm plan costs money and cannot be undone, so a person decides.


# %% [markdown]
# ## Before the labels come
#
# Tonight's flights have no label. Suppose that `p_late` is *calibrated*: of the flights with 0.3, three in ten
# are late. Then the forecasts alone say how well they will do. This is *confidence-based performance estimation*. A
# flight with 0.1 gets no warning, and that is right with probability 0.9.


# %% [markdown]
# ## Exercise 4: estimate the performance without labels
#
# Every flight with $p$ ≥ `threshold` is called late. Return what to expect of an array `p` of calibrated forecasts, as
# a tuple `(accuracy, recall)`. For `[0.1, 0.2, 0.4, 0.8, 0.9]` and 0.3 it is `(0.76, 0.875)`.
#
# - `accuracy`: the mean chance that a flight's call turns out right.
# - `recall`: the expected number of late flights that are called late, divided by the expected number of late flights.
# - Missing forecasts are left out.


# %% answer="estimated_performance"
def estimated_performance(p, threshold=WARN):
    """The (accuracy, recall) to expect of an array of forecasts if they are calibrated."""
    ### BEGIN SOLUTION
    p = np.asarray(p, dtype=float)
    p = p[~np.isnan(p)]
    called = p >= threshold
    accuracy = np.where(called, p, 1 - p).mean()
    recall = p[called].sum() / p.sum()
    return accuracy, recall
    ### END SOLUTION


# %% check="estimated_performance" points=3
five = np.array([0.1, 0.2, 0.4, 0.8, 0.9])
# Return accuracy, then recall: a call of 0.5 is right half of the time, and recall is 1 where every flight is called.
check("Two coins", estimated_performance(np.array([0.5, 0.5])), (0.5, 1.0))
# A call is right with chance p where it says late, else with 1 − p; recall adds up p, not flights.
check("Five forecasts, called late from 0.3", estimated_performance(five), (0.76, 0.875))
# Call a flight late from the `threshold` that the caller gives, itself included.
check("The same five, called late from 0.8", estimated_performance(five, 0.8), (0.8, 0.708333))
# Leave missing forecasts out before you take a mean or a sum.
check("Two of four forecasts are missing", estimated_performance(np.array([0.2, np.nan, 0.6, np.nan])), (0.7, 0.75))
# Late flights are expected even where none is called late: they are all missed.
check("Nobody is called late", estimated_performance(np.array([0.1, 0.2])), (0.85, 0.0))
# Take the mean over all forecasts that are there.
check("July, without a single label", estimated_performance(year.p_late[year.day.dt.month == 7]), (0.740334, 0.356805))
### BEGIN HIDDEN TESTS
from grading import class_seed

dice = np.random.default_rng(class_seed("estimated_performance"))
chances = dice.beta(1, 3, size=200_000)
### BEGIN EXPECTED
happened = dice.random(200_000) < chances
right = ((chances >= 0.3) == happened).mean()
heard_of = (chances[happened] >= 0.3).mean()
### END EXPECTED
# Compare with flights that are late as often as forecast.
check(
    "200,000 flights that are late as often as forecast: what came of them",
    estimated_performance(chances),
    (float(right), float(heard_of)),
    tolerance=0.02,
)
### END HIDDEN TESTS

# %% mistake="estimated_performance"
# Give each call its own chance of being right: the larger of p and 1 − p belongs to a threshold of one half.
# - np.where(called, p, 1 - p)
# + np.maximum(p, 1 - p)

# %% mistake="estimated_performance"
# Weigh both outcomes by their chances: a flight that is called late is not sure to be late.
# - accuracy = np.where(called, p, 1 - p).mean()
# + accuracy = (called == (p >= 0.5)).mean()

# %% mistake="estimated_performance"
# Add up the chances of the flights called late: their share of all flights is no recall.
# - p[called].sum() / p.sum()
# + called.mean()

# %% mistake="estimated_performance"
# Leave missing forecasts out: as zeros they would be sure to arrive on time.
# - p = p[~np.isnan(p)]
# + p = np.nan_to_num(p)

# %% mistake="estimated_performance"
# Call a flight late from `threshold`, which the caller gives.
# - p >= threshold
# + p >= WARN


# %% alternative="estimated_performance"
# Plain Python.
def estimated_performance(p, threshold=WARN):
    there = [float(x) for x in p if x == x]
    called = [x for x in there if x >= threshold]
    right = sum(called) + sum(1 - x for x in there if x < threshold)
    return right / len(there), sum(called) / sum(there)


# %% [markdown]
# Does the estimate see July coming, and September? The dashed line is the estimate. Guess where the solid one lies.

# %% fold
expect = yours("estimated_performance", monitor.estimated_performance)
month = year.day.dt.month
expected = year.p_late.groupby(month).agg(lambda p: expect(p.to_numpy())[0])
judged = judge(year).astype(float)
by_day = (1 - judged.wrong).groupby(year.day).agg(["sum", "count"])
dice, came = np.random.default_rng(1), {}
for number, part in by_day.groupby(by_day.index.month):
    right, of = part.to_numpy().T
    drawn = dice.integers(len(part), size=(1000, len(part)))  # whole days, drawn again
    came[number] = [right.sum() / of.sum(), *np.quantile(right[drawn].sum(1) / of[drawn].sum(1), [0.025, 0.975])]
came = pd.DataFrame(came, index=["came", "low", "high"]).T
plt.figure(figsize=(9, 3.2), layout="constrained")
plt.plot(expected.index, expected, color="#000000", marker="s", linestyle="--", label="expected, without labels")
plt.errorbar(
    came.index,
    came.came,
    [came.came - came.low, came.high - came.came],
    color="#0072B2",
    marker="o",
    capsize=3,
    label="came (95 % interval by days)",
)
plt.xlabel("month of 2013")
plt.ylabel("accuracy of the warnings")
plt.xticks(range(1, 13))
plt.ylim(0.6, 0.82)
plt.legend(loc="lower left")
plt.show()
forecast = year.p_late.where(year.late.notna()).groupby(month).mean()
table = came.assign(expected=expected, forecast=forecast, late=year.late.groupby(month).mean())
table.loc[[7, 9], ["expected", "came", "low", "high", "forecast", "late"]].round(3)

# %% [markdown]
# The dashed line is nearly the same in July and in September. What came was far below it in July, a little above it in
# September. The columns `forecast` and `late` say why: the flights changed, the forecasts did not. What the model sees
# no longer means what it meant in winter (*concept drift*). Forecasts alone cannot tell.
#
# So use the estimate for the hours until labels come, then compare. A gap says that the calibration is lost. No gap
# proves nothing, because errors can cancel.


# %% [markdown]
# ## The year on one page
#
# Our page has a line for each layer, and two for the business. No latencies were kept in 2013: ours are drawn, with one
# slow replica from 4 to 10 November.


# %%
def pages(sign, time, least=3):
    """The incidents of one sign in the year."""
    steps = monitor.per_step(time, judged[sign])
    actions = fires(steps.bad.tolist(), steps.total.tolist(), SIGNS[sign].promise, FAST, least)
    return pd.DataFrame(fold([Alert(time, sign) for time, action in zip(steps.index, actions) if action]))


paged = {"slow": pages("slow", year.asked), "cancelled": pages("cancelled", year.sched_dep)}
hours = pd.date_range("2013-01-02", "2014-01-01", freq="h", tz="UTC")
silent = {
    "stale": absent(monitor.weather().time_hour + monitor.PUBLISHED, hours, "2h"),
    "wrong": absent(year.landed.dropna(), hours, "6h"),  # the labels
}

# %% fold
local = {sign: table.start for sign, table in paged.items()} | {sign: pd.Series(t) for sign, t in silent.items()}
local = {sign: times.dt.tz_convert(monitor.NEW_YORK).dt.tz_localize(None) for sign, times in local.items()}
daily = judged.groupby(year.day).mean()
layers = ["infrastructure: slow", "data: stale", "model: wrong", "business: cancelled", "business: surprised"]
figure, axes = plt.subplots(5, 1, figsize=(10, 7.5), layout="constrained", sharex=True, sharey=True)
for axis, title in zip(axes, layers):
    sign = title.split()[1]
    axis.axvline(pd.Timestamp("2013-02-09"), color="#BBBBBB", linewidth=4, label="9 February")
    axis.plot(daily.index, daily[sign], color="#0072B2", linewidth=0.9)
    marker, colour, label = ("v", "#D55E00", "page") if sign in paged else ("x", "#000000", "silence")
    if sign in local:
        axis.plot(local[sign], [1.1] * len(local[sign]), marker, color=colour, label=label)
    axis.legend(loc="upper left", bbox_to_anchor=(1, 1.1), frameon=False)
    axis.set(title=title, ylabel="share", ylim=(-0.05, 1.25))
months = pd.date_range("2013-01-01", "2013-12-01", freq="MS")
axes[-1].set(xticks=months, xlabel="month of 2013, New York")
axes[-1].set_xticklabels([f"{month:%b}" for month in months], ha="left")
plt.show()
print("slow pages:", len(paged["slow"]), "with least=1:", len(pages("slow", year.asked, least=1)))
print("cancelled pages:", ", ".join(local["cancelled"].dt.strftime("%d %b %H:%M")))
print("weather silent:", ", ".join(local["stale"].dt.strftime("%d %b").unique()))
print("labels silent:", ", ".join(local["wrong"].dt.strftime("%d %b").unique()))

# %% [markdown]
# The grey line is the day of the opening. `wrong` shows nothing there; three other things do. Cancellations paged on
# the 8th at 15:25. The labels fell silent, as on no other day. `surprised` has its highest point. The slow replica
# pages three times: two quiet nights part its alerts. Our weather ends on 30 December, and the model went on as
# if nothing had happened.
#
# Thirteen pages in a year can be read. With `least=1`, `slow` alone would have twelve, most of them for one slow answer
# at night. Longer windows or artificial requests help too.


# %% [markdown]
# ## The answer
#
# What should the desk have watched? Cancellations, which need no label and paged the day before. The silence of the
# labels, which says that accuracy is blind. And surprised passengers, who measure the harm.
#
# A monitoring system has four layers, and each sign says how many events could be judged. Symptoms page by burn rate,
# causes make tickets, silence has its own alert. The most upstream sign owns the incident. What can be undone runs by
# itself. The SRE book's four golden signals are latency, traffic (our `valid_total`), errors, and saturation, which we
# did not measure.
#
# In production, Prometheus scrapes and evaluates rules, Alertmanager groups and routes alerts, Grafana draws the page.
# Sloth and Pyrra write burn-rate rules from a promise. NannyML estimates performance without labels. A *Watchdog* alert
# always fires and is checked from outside, in case the monitoring dies.


# %% [markdown] say="q27" points=2
# **Say it.** "How would you design monitoring for a machine learning system?" Answer aloud, then write down the core.
#
# One point each:
#
# - four layers with a metric each, and why accuracy misled on 9 February, with numbers from above;
# - what pages and when, how alerts become incidents with owners, what silence does, what runs by itself.
#
# ### BEGIN SOLUTION
# Infrastructure: latency, errors. Data: missing, stale or implausible inputs. Model: wrong calls, golden requests.
# Business: cancelled, surprised. On 9 February accuracy was 66 %, an ordinary day, while 61 % were surprised: the 57 %
# cancelled have no label. Symptoms page when two windows burn the budget too fast; cancellations paged the day before.
# 974 alerts were nine incidents, two of them pages; the most upstream sign gives the owner. Silence has its own alert.
# A rollback runs by itself, a storm plan takes a person.
# ### END SOLUTION
