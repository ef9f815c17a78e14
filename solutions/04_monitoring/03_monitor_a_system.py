# %% [markdown]
# # Monitor a system
#
# On 9 February 2013 a blizzard cancelled more than half of New York's flights. That evening the airline desk asks: did
# our model have a good day? Its accuracy says: nothing special.
#
# You will be able to answer: *How would you design monitoring for a machine learning system?* You build signs in
# four layers, an alert on a burning error budget, incidents with an owner, and an estimate of performance without
# labels. It takes about 60 minutes. You need pandas.

# %%
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from prometheus_client import CollectorRegistry, Counter

from daytwo import monitor
from daytwo.monitor import OWNERS, QUIET, RULES, SIGNS, WARN, Alert
from grading import check, yours

year = monitor.year()
year[["asked", "latency", "humid", "visib", "age_h", "p_late", "late", "cancelled"]].iloc[[0, 100, 1000]]

# %% [markdown]
# Each row is a request. Two hours before departure the desk asked our model for `p_late`, the probability of arriving
# more than 15 minutes late. The answer took `latency` seconds; the newest weather reading was `age_h` hours old. The
# label `late` came afterwards: 1, 0 or missing.
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
for name, day in (("8", days.loc["2013-02-08"]), ("9", days.loc["2013-02-09"])):
    print(
        f"{name} February: cancelled {day.cancelled:.0%}, surprised {day.surprised:.0%}, accuracy {1 - day.wrong:.0%}"
    )
    print(f"  of {len(days)} days, {(days.wrong > day.wrong).sum()} had a lower accuracy", end="; ")
    print(f"{(days.surprised > day.surprised).sum()} had more surprise")

# %% [markdown]
# On the 8th, when the storm began, accuracy did fall: only 11 days were worse. On the 9th it is back at 66 %, and 90
# days were worse. The 57 % that were cancelled have no label, so accuracy does not see them. The dashed line does:
# 61 % were surprised, more than on any other day.


# %% [markdown]
# ## Eleven days with faults
#
# We replay eleven days of September. On eight of them we broke one thing, from noon to midnight in New York.


# %%
tape = monitor.september()
third = tape.requests[tape.requests.day == "2013-09-03"]
pd.DataFrame({"what we broke": {f"{day} September": story for day, story in monitor.STORY.items()}})

# %% [markdown]
# ## Exercise 1: judge every request
#
# A *sign* says of each request: 1 (bad), 0 (good), or missing where nobody can judge. Three of the seven are written;
# add the others to `table`. A late flight with `p_late` 0.1 is `wrong` and `surprised`.
#
# - `bad_inputs`: `humid` or `visib` is missing, `humid` is outside 0–100, or `dewp` (dew point) is above `temp`.
# - `stale`: `age_h` is above 3, or missing.
# - `wrong`: warned and not late, or late and not warned. Missing without an answer (`p_late`) or a label.
# - `surprised`: late or cancelled, and not warned; no answer is no warning. Missing where a flight has no label and was
#   not cancelled.


# %% answer="signs"
def signs(requests):
    """A frame with seven columns, a row per request: 1 is bad, 0 is good, missing where it cannot be judged."""
    r = requests
    table = pd.DataFrame({"slow": r.latency > 0.05, "unanswered": r.p_late.isna(), "cancelled": r.cancelled})
    ### BEGIN SOLUTION
    warned = r.p_late >= WARN
    hurt = r.cancelled | (r.late == 1)
    table["bad_inputs"] = ~r.humid.between(0, 100) | r.visib.isna() | (r.dewp > r.temp)
    table["stale"] = ~(r.age_h <= 3)
    table["wrong"] = (warned != (r.late == 1)).where(r.late.notna() & r.p_late.notna())
    table["surprised"] = (hurt & ~warned).where(r.cancelled | r.late.notna())
    ### END SOLUTION
    return table


# %% check="signs" points=4
some, tally, gap = monitor.some, monitor.tally, np.nan  # `some` makes a log of good requests with a few things changed
seven = ["slow", "unanswered", "cancelled", "bad_inputs", "stale", "wrong", "surprised"]
# Return the three columns that are there and your four, no others. 1 (or True) is bad, 0 is good.
check("Three good requests: nothing is bad", tally(signs(some())), dict.fromkeys(seven, "0 of 3"))
odd = some(humid=[60, gap, 101, -1, 60], visib=[10, 10, 10, 10, gap])
# An input is bad (1) when `humid` or `visib` is missing, and when `humid` lies outside its range at either end.
check("Humidity missing, 101 and −1, visibility missing", tally(signs(odd), "bad_inputs"), {"bad_inputs": "4 of 5"})
# Compare `dewp` with `temp` in each row; equal is fog, and good.
check("21 °C sent as °F", tally(signs(some(temp=[70, 21, 50])), "bad_inputs"), {"bad_inputs": "1 of 3"})
ages = some(age_h=[1, 3, 4, gap, gap])
# Call a missing age stale (1), as no comparison with NaN is true; exactly 3 hours are fresh.
check("Readings 1, 3 and 4 hours old, two unknown", tally(signs(ages), "stale"), {"stale": "3 of 5"})
calls = some(p_late=[0.5, 0.3, 0.1, 0.1, 0.5, gap, 0.1], late=[1, 0, 1, 0, gap, 1, gap], cancelled=[0] * 6 + [1])
# Compare the warning (`p_late >= WARN`) with the label, both ways. Leave `wrong` missing without an answer,
# and without a label: a cancelled flight has none.
check("Four calls, no label, no answer, a cancelled flight", tally(signs(calls), "wrong"), {"wrong": "2 of 4"})
bad_day = some(p_late=[0.1, 0.1, 0.1, gap, 0.3, 0.1], late=[1, gap, gap, 1, 1, gap], cancelled=[0, 1, 1, 0, 0, 0])
# Keep every request. Surprised is late or cancelled, and not `p_late >= WARN` (no answer is no warning).
# It is missing only for a flight that is neither cancelled nor labelled.
check("Late, two cancelled, late unanswered", tally(signs(bad_day), "surprised"), {"surprised": "4 of 5"})
ninth = year[year.day == "2013-02-09"]
# Keep every request and the index of the log: a column with another index meets the wrong rows.
check("9 February", tally(signs(ninth), "wrong", "surprised"), {"wrong": "98 of 291", "surprised": "419 of 684"})
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
                "cancelled": r.cancelled,
                "bad_inputs": not 0 <= r.humid <= 100 or pd.isna(r.visib) or r.dewp > r.temp,
                "stale": not r.age_h <= 3,
                "wrong": warned != (r.late == 1) if answered and labelled else None,
                "surprised": (r.cancelled or r.late == 1) and not warned if r.cancelled or labelled else None,
            }
        )
    return pd.DataFrame(rows)


# %% alternative="signs"
# numpy's 0, 1 and NaN.
def signs(requests):
    r = requests
    table = pd.DataFrame({"slow": r.latency > 0.05, "unanswered": r.p_late.isna(), "cancelled": r.cancelled})
    warned = r.p_late.fillna(0) >= WARN
    table["bad_inputs"] = 1
    table.loc[r.humid.ge(0) & r.humid.le(100) & r.visib.notna() & ~(r.dewp > r.temp), "bad_inputs"] = 0
    table["stale"] = (r.age_h.fillna(99) > 3).astype(int)
    table["wrong"] = np.where(r.late.isna() | r.p_late.isna(), np.nan, abs(warned - r.late))
    hurt = np.where(r.cancelled, 1, r.late)
    table["surprised"] = np.where(np.isnan(hurt), np.nan, hurt * (1 - warned))
    return table


# %% [markdown]
# ## What a scrape sees
#
# Each sign becomes two counters: bad requests, and requests that could be judged. Prometheus reads them over HTTP again
# and again: a *scrape*. Counters only grow, so alerts use differences: `rate(bad_total[1h])`.


# %%
judge = yours("signs", monitor.signs)
registry = CollectorRegistry()
bad = Counter("bad", "Requests that went wrong", ["sign"], registry=registry)
valid = Counter("valid", "Requests that could be judged", ["sign"], registry=registry)
for name, column in judge(third).astype(float).items():
    bad.labels(name).inc(column.sum())
    valid.labels(name).inc(column.count())
pd.Series(monitor.scrape(registry))  # a real server on a free port of this machine, read once

# %% [markdown]
# ## How fast a budget burns
#
# We promise the desk that 99 % of its requests are answered within 0.05 s. One in a hundred may fail: that is the
# *error budget*. The *burn rate* of a window of time is its share of failed requests divided by the budget. At
# burn rate 1 the budget lasts exactly as long as planned.
#
# A window of five minutes wakes people for nothing; one of a day rings long after the repair. So the *Site Reliability
# Workbook* (Google, 2018, chapter 5) asks two: the long one says that it matters, the short one that it goes on.


# %%
rules = pd.DataFrame(RULES)
rules["long"], rules["short"] = rules.long * monitor.STEP, rules.short * monitor.STEP
rules.assign(spent=[f"{rule.factor * rule.long / (30 * 288):.0%} of a month's budget" for rule in RULES])

# %% [markdown]
# `spent` is what is gone when the long window burned at `factor`. On the 3rd at 16:00 UTC one replica of three became
# ten times slower. Guess when the first rule fires.

# %% fold
steps = monitor.per_step(third.asked, third.latency > 0.05, "2013-09-03 12:00Z", "2013-09-03 21:00Z")
plt.figure(figsize=(9, 3.2), layout="constrained")
for name, n, colour, line in (("1 h", 12, "#0072B2", "-"), ("5 min", 1, "#D55E00", ":")):
    plt.plot(steps.index, monitor.burn(steps.bad, steps.total, n), color=colour, linestyle=line, label=name)
plt.axhline(14.4, color="#000000", linestyle="--", linewidth=0.8, label="14.4")
plt.xlim(pd.Timestamp("2013-09-03 14:00Z"), pd.Timestamp("2013-09-03 20:00Z"))
plt.xticks(pd.date_range("2013-09-03 14:00Z", "2013-09-03 20:00Z", freq="h"), range(14, 21))
plt.xlabel("hour of 3 September, UTC")
plt.ylabel("burn rate (1 = as planned)")
plt.legend(loc="upper left", title="window")
plt.show()
first = monitor.fires(steps.bad.tolist(), steps.total.tolist(), rules=RULES[:1]).index(True)
print(f"the first rule fires at {steps.index[first]:%H:%M}")


# %% [markdown]
# The dotted line jumps at every slow answer, the solid line climbs slowly, because the hour still holds the good
# answers from before. The rule fires when both are above 14.4, after 35 minutes.


# %% [markdown]
# ## Exercise 2: alert when two windows burn too fast
#
# `bad` and `total` count failed and all requests in steps of five minutes, oldest first. Return `True` or `False` for
# each step: does any of `rules` fire? So `fires([500, 500], [1000, 1000])` is `[True, True]`.
#
# - A window of $n$ steps is the step and the $n - 1$ before it, or as many as there are. Its burn rate is failed
#   requests, divided by all requests, divided by `1 - objective`; without a request it is 0.
# - A rule fires when its `long` and its `short` window burn faster than `factor`, and the long one holds at least
#   `least` failures: at night, one failure of one request is 100 %.


# %% answer="fires"
def fires(bad, total, objective=0.99, rules=RULES, least=3):
    """A list: whether any of `rules` fires at each step, for two lists of counts; `objective` is the promised share."""
    ### BEGIN SOLUTION
    counts = pd.DataFrame({"bad": bad, "total": total})

    def burn(n):
        sums = counts.rolling(n, min_periods=1).sum()
        return (sums.bad / sums.total).fillna(0) / (1 - objective)

    fire = pd.Series(False, index=counts.index)
    for rule in rules:
        enough = counts.bad.rolling(rule.long, min_periods=1).sum() >= least
        fire |= (burn(rule.long) > rule.factor) & (burn(rule.short) > rule.factor) & enough
    return fire.tolist()
    ### END SOLUTION


# %% check="fires" points=3
steady, streaks = monitor.steady, monitor.streaks  # (steps, failures of 1,000) …; (first, last) step of each streak
# Give a value for each step, True at every step at which a rule fires. Divide by the budget, 1 − `objective`.
# A window ends with the step itself, and is shorter at the start.
check("Half of all requests fail in two steps", streaks(fires([500, 500], [1000, 1000])), [(0, 1)])
# Use the steps there are: a window that is not full is no NaN, and a slice from a negative index wraps around.
check("Half of all requests fail in twenty steps", streaks(fires([250] * 20, [500] * 20)), [(0, 19)])
outage = steady((100, 5), (30, 1000), (130, 5))
# One rule that fires is enough; it asks both of its windows at the same step.
# A window of n steps holds the step and the n − 1 before it.
check("Five in a thousand fail, but all from step 100 to step 129", streaks(fires(*outage)), [(101, 134)])
fire = steady((100, 0), (60, 1000))
# Divide by the budget of the promise that the caller gives, 1 − `objective`.
check("Of ten requests one may fail: all fail from step 100", streaks(fires(*fire, objective=0.9)), [(143, 159)])
night = [0] * 24 + [1] * 4, [1000] * 24 + [1] * 4
# Divide all failed requests of a window by all its requests; do not average the shares of its steps.
check("Four of four fail at night, after a day of thousands", streaks(fires(*night)), [])
lonely = [0] * 23 + [1, 0, 0] * 4, [0] * 20 + [1, 0, 0] * 5
# Fire from `least` failures in the long window on. Without a request a window burns nothing, but a silent step
# still has the steps before it.
check("One good request in a quiet night, then four that fail", streaks(fires(*lonely)), [(29, 34)])
# Use the `rules` and the `least` that the caller gives.
check("The outage again, one rule, 2,500 failures", streaks(fires(*outage, rules=RULES[:1], least=2500)), [(102, 129)])
### BEGIN HIDDEN TESTS
from grading import class_seed

dice = np.random.default_rng(class_seed("fires"))
levels = np.repeat(dice.choice([0, 0.005, 0.02, 0.09, 0.4], 30), 25)
asked_then = dice.integers(0, 900, len(levels)) * (dice.random(len(levels)) < 0.9)
failed_then = dice.binomial(asked_then, levels)
### BEGIN EXPECTED
truth = []
for i in range(len(levels)):
    failed, speed = {}, {}
    for n in (1, 6, 12, 72):
        of = int(asked_then[max(0, i - n + 1) : i + 1].sum())
        failed[n] = int(failed_then[max(0, i - n + 1) : i + 1].sum())
        speed[n] = failed[n] / of / (1 - 0.99173) if of else 0
    windows = [(12, 1, 14.4), (72, 6, 6)]
    truth.append(any(min(speed[n], speed[m]) > factor and failed[n] >= 5 for n, m, factor in windows))
### END EXPECTED
# Use `objective`, `rules` and `least` as the caller gives them.
check(
    "Two and a half days at random",
    streaks(fires(failed_then.tolist(), asked_then.tolist(), 0.99173, least=5)),
    streaks(truth),
)
### END HIDDEN TESTS

# %% mistake="fires"
# Ask the short window too: the long one is full of failures for hours after the repair, and goes on ringing.
# - (burn(rule.long) > rule.factor) & (burn(rule.short) > rule.factor)
# + (burn(rule.long) > rule.factor)

# %% mistake="fires"
# Ask the long window too: the short one alone wakes somebody for five bad minutes.
# - (burn(rule.long) > rule.factor) & (burn(rule.short) > rule.factor)
# + (burn(rule.short) > rule.factor)

# %% mistake="fires"
# Divide all failures of a window by all its requests: in a mean of shares, a request at night weighs like a thousand.
# - sums = counts.rolling(n, min_periods=1).sum()
# - return (sums.bad / sums.total).fillna(0) / (1 - objective)
# + shares = (counts.bad / counts.total).fillna(0)
# + return shares.rolling(n, min_periods=1).mean() / (1 - objective)

# %% mistake="fires"
# Use what there is at the beginning: a window that is not full yet can be on fire already.
# - counts.rolling(n, min_periods=1)
# + counts.rolling(n)

# %% mistake="fires"
# Ask for `least` failures in the long window: at night one failure of one request is 100 %.
# - & enough
# +


# %% alternative="fires"
# Slices and sums, in plain Python.
def fires(bad, total, objective=0.99, rules=RULES, least=3):
    def window(i, n):
        first = max(0, i + 1 - n)
        failed, of = sum(bad[first : i + 1]), sum(total[first : i + 1])
        return failed, failed / of / (1 - objective) if of else 0

    def rings(i, rule):
        (failed, long), (_, short) = window(i, rule.long), window(i, rule.short)
        return failed >= least and min(long, short) > rule.factor

    return [any(rings(i, rule) for rule in rules) for i in range(len(bad))]


# %% alternative="fires"
# Differences of running totals.
def fires(bad, total, objective=0.99, rules=RULES, least=3):
    sums = [np.concatenate([[0], np.cumsum(x)]) for x in (bad, total)]
    end = np.arange(1, len(bad) + 1)
    fire = np.zeros(len(bad), dtype=bool)
    for rule in rules:
        now = True
        for n in (rule.long, rule.short):
            failed, of = (s[end] - s[np.maximum(0, end - n)] for s in sums)
            now &= (failed > rule.factor * (1 - objective) * of) & ((failed >= least) | (n != rule.long))
        fire |= now
    return fire


# %% [markdown]
# ## Alerts from every layer
#
# A *symptom* is what passengers or the desk feel: it pages. A *cause* makes a ticket for the morning. `promise` is the
# share of good events. *Golden* flights are ten known ones that we ask again and again: what serves must give the
# `p_late` that the shipped model gave.


# %%
pd.DataFrame.from_dict(SIGNS, orient="index").drop(columns="runbook")

# %% [markdown]
# `wrong` and `surprised` are left out: about a quarter of all calls are wrong on an ordinary day, so no share can be
# 14.4 times as high.
#
# A burn rate is blind to silence: where nothing arrives, nothing fails. So `silent` asks how old the newest reading
# is. In Prometheus that is `absent()`, or `up == 0` for a server that answers no scrape.


# %%
alarm = yours("fires", monitor.fires)
alerts = []
for sign, (time, is_bad) in monitor.streams(tape, judge(tape.requests)).items():
    steps = monitor.per_step(time, is_bad)
    fired = alarm(steps.bad.tolist(), steps.total.tolist(), SIGNS[sign].promise)
    alerts += [Alert(time, sign) for time, now in zip(steps.index, fired) if now]
steps = pd.date_range(monitor.START, monitor.END, freq=monitor.STEP)
alerts += [Alert(time, "silent") for time in monitor.absent(tape.weather.available_time, steps, "2h")]
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
# Return a list of dicts, one per incident, in order of time. Neighbours in time belong to one incident if they are at
# most `quiet` apart, whatever their signs. A stale reading at 1:00 and a cancellation at 4:00 are one incident of the
# data team, and it pages.
#
# - `start`: the time of its first alert. `alerts`: how many it has.
# - `severity`: `"page"` if any of its signs is a symptom in `SIGNS`, else `"ticket"`.
# - `owner`, `runbook`: those of its most upstream sign, the first in `SIGNS`. `OWNERS` has the owner of each layer.


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
two = [("03:00", "ticket", "data team"), ("13:00", "page", "platform team")]
# Give each incident a dict with five keys, the last one too. It pages if its sign is a symptom in `SIGNS`;
# `OWNERS` has the owner of its layer.
check("Two lone alerts", brief(incidents(at("03:00 silent", "13:00 slow")), "start", "severity", "owner"), two)
chain = at("18:00 slow", "01:00 slow", "12:30 slow", "06:50 slow", "13:00 slow")
# Put the alerts in order of time, measure each pause from the alert before, and count every alert.
check("Five alerts in no order, no pause over six hours", brief(incidents(chain), "start", "alerts"), [("01:00", 5)])
pause = at("03:00 slow", "09:59 slow", "15:30 stale", "40:00 slow")
# Begin a new incident after a pause longer than `quiet`, whatever the sign; a pause can be longer than a day.
check("Pauses of 6:59, 5:31 and 24:30 hours", brief(incidents(pause), "start"), ["03:00", "09:59", "16:00"])
mixed = at("01:00 cancelled", "02:00 golden", "02:30 golden", "03:00 stale", "03:10 silent", "03:30 bad_inputs")
# Look through all alerts of the incident for the sign that stands first in `SIGNS`.
check("Cancelled, golden twice, three signs of the data", brief(incidents(mixed), "runbook"), ["call the feed's owner"])
felt = at("01:00 stale", "02:00 cancelled", "03:00 stale")
# Page if any alert of the incident is a symptom, whichever sign owns it.
check("A symptom between two causes", brief(incidents(felt), "severity", "owner"), [("page", "data team")])
half = pd.Timedelta("30min")
# Use the `quiet` that the caller gives.
check("The same with half an hour of quiet", brief(incidents(felt, half), "severity"), ["ticket", "page", "ticket"])
two_of_nine = ["page", *["ticket"] * 7, "page"]
# Put all signs in one line of time, and look at every alert of an incident.
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
        result.append(
            {"start": part.time.min(), "alerts": len(part), "severity": severity}
            | {"owner": OWNERS[cause.layer], "runbook": cause.runbook}
        )
    return result


# %%
fold = yours("incidents", monitor.incidents)
found = pd.DataFrame(fold(alerts))
found["start"] = found.start.dt.tz_convert(monitor.NEW_YORK).dt.strftime("%d September %H:%M")
found[["start", "alerts", "severity", "owner", "runbook"]]

# %% [markdown]
# Alerts were true 974 times, in nine incidents. Two wake somebody: the slow replica and the storm. Two faults at once
# would be one incident here; Alertmanager keeps apart what differs in the labels of `group_by`.
#
# What is safe, quick and can be undone runs by itself, as the rollback to the shipped model. So `golden` needs only a
# ticket, unless the rollback fails. A storm plan costs money: a person decides.


# %% [markdown]
# ## Exercise 4: estimate the performance without labels
#
# Tonight's flights have no label. If `p_late` is *calibrated*, three in ten flights with 0.3 are late. Then forecasts
# alone say how well they will do (*confidence-based performance estimation*): a flight with 0.1 gets no warning, and
# that is right with probability 0.9.
#
# A flight with `p` of at least `threshold` is called late. Return the `(accuracy, recall)` to expect. For
# `[0.1, 0.2, 0.4, 0.8, 0.9]` and 0.3 it is `(0.76, 0.875)`.
#
# - `accuracy`: the mean chance that a flight's call is right.
# - `recall`: the expected number of late flights called late, divided by the expected number of late flights.
# - Leave missing forecasts out.


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
# Return two shares from 0 to 1, accuracy first; draw no dice, and weigh all flights alike.
# A call of 0.5 is right half of the time. Recall is 1 where every flight is called late.
check("Two coins", estimated_performance(np.array([0.5, 0.5])), (0.5, 1.0))
# A call is right with chance p where it says late, else with 1 − p: take the mean over all flights, exactly.
# Recall adds up p, not flights.
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
labelled = year[year.late.notna() & year.p_late.notna()]  # the same flights for the estimate and for what was observed
expected = labelled.p_late.groupby(month).agg(lambda p: expect(p.to_numpy())[0])
judged = judge(year).astype(float)
by_day = (1 - judged.wrong).groupby(year.day).agg(["sum", "count"])
dice, seen = np.random.default_rng(1), {}
for number, part in by_day.groupby(by_day.index.month):
    right, of = part.to_numpy().T
    drawn = dice.integers(len(part), size=(1000, len(part)))  # whole days, drawn again
    seen[number] = [right.sum() / of.sum(), *np.quantile(right[drawn].sum(1) / of[drawn].sum(1), [0.025, 0.975])]
seen = pd.DataFrame(seen, index=["observed", "low", "high"]).T
plt.figure(figsize=(9, 3.2), layout="constrained")
plt.plot(expected.index, expected, color="#000000", marker="s", linestyle="--", label="expected, without labels")
plt.errorbar(
    seen.index,
    seen.observed,
    [seen.observed - seen.low, seen.high - seen.observed],
    color="#0072B2",
    marker="o",
    capsize=3,
    label="observed (95 % interval by days)",
)
plt.xlabel("month of 2013")
plt.ylabel("accuracy of the warnings")
plt.xticks(range(1, 13))
plt.ylim(0.6, 0.82)
plt.legend(loc="lower left")
plt.show()
mean = labelled[["p_late", "late"]].groupby(month).mean().set_axis(["mean p_late", "share late"], axis=1)
seen.assign(expected=expected).join(mean).loc[[7, 9], ["expected", "observed", "low", "high", *mean]].round(3)

# %% [markdown]
# The estimate is nearly the same in both months. In July the observed accuracy was far below it, as many more flights
# were late than forecast (*concept drift*). In September the gap is at the edge of chance, although far fewer were
# late: errors can cancel. So use the estimate until labels come, then compare. A gap larger than chance says that the
# calibration is lost; no gap proves nothing.


# %% [markdown]
# ## The year on one page
#
# Our page has a line for each layer. No latencies were kept in 2013: ours are drawn, with one slow replica from 4 to 10
# November. A day of quiet ends an incident here.


# %%
def pages(sign, time):
    """The incidents of one sign in the year."""
    steps = monitor.per_step(time, judged[sign])
    fired = alarm(steps.bad.tolist(), steps.total.tolist(), SIGNS[sign].promise)
    rung = [Alert(time, sign) for time, now in zip(steps.index, fired) if now]
    return pd.DataFrame(fold(rung, pd.Timedelta("1D")))


paged = {"slow": pages("slow", year.asked), "cancelled": pages("cancelled", year.sched_dep)}
hours = pd.date_range("2013-01-02", "2014-01-01", freq="h", tz="UTC")
silent = {
    "stale": monitor.absent(monitor.weather().time_hour + monitor.PUBLISHED, hours, "2h"),
    "wrong": monitor.absent(year.landed.dropna(), hours, "6h"),  # the labels
}

# %% fold
local = {sign: table.start for sign, table in paged.items()} | {sign: pd.Series(t) for sign, t in silent.items()}
local = {sign: times.dt.tz_convert(monitor.NEW_YORK).dt.tz_localize(None) for sign, times in local.items()}
daily = judged.groupby(year.day).mean()
layers = ["infrastructure: slow", "data: stale", "model: wrong", "business: cancelled"]
figure, axes = plt.subplots(4, 1, figsize=(10, 6.2), layout="constrained", sharex=True, sharey=True)
for axis, title in zip(axes, layers):
    sign = title.split()[1]
    axis.axvline(pd.Timestamp("2013-02-09"), color="#BBBBBB", linewidth=4, label="9 February")
    axis.plot(daily.index, daily[sign], color="#0072B2", linewidth=0.9)
    marker, colour, label = ("v", "#D55E00", "page") if sign in paged else ("x", "#000000", "silence")
    axis.plot(local[sign], [1.1] * len(local[sign]), marker, color=colour, label=label)
    axis.legend(loc="upper left", bbox_to_anchor=(1, 1.1), frameon=False)
    axis.set(title=title, ylabel="share", ylim=(-0.05, 1.25))
months = pd.date_range("2013-01-01", "2013-12-01", freq="MS")
axes[-1].set(xticks=months, xlabel="month of 2013, New York")
axes[-1].set_xticklabels([f"{month:%b}" for month in months], ha="left")
plt.show()
print("slow pages:", ", ".join(local["slow"].dt.strftime("%d %b %H:%M")))
print("cancelled pages:", ", ".join(local["cancelled"].dt.strftime("%d %b %H:%M")))
print("weather silent:", ", ".join(local["stale"].dt.strftime("%d %b").unique()))
print("labels silent:", ", ".join(local["wrong"].dt.strftime("%d %b").unique()))

# %% [markdown]
# At the grey line, `cancelled` paged on the 8th at 15:25, and the labels fell silent on the 9th, as on no other day.
# `wrong` is high on the 8th and ordinary on the 9th. The weather file has two short gaps and ends on 30 December: the
# model went on as if nothing had happened. Nine pages in a year can be read.


# %% [markdown]
# ## The answer
#
# Did the model have a good day? Accuracy cannot say: on the 9th it judged 43 % of the flights. So each sign says how
# many events it judged, and cancellations, which need no label, have their own.
#
# A monitoring system has four layers. Symptoms page by burn rate, causes make tickets, silence has its own alert. The
# most upstream sign owns the incident. What can be undone runs by itself. The SRE book's four golden signals are
# latency, traffic (our `valid_total`), errors, and saturation, which we did not measure.
#
# In production, Prometheus scrapes and evaluates rules, Alertmanager groups and routes alerts, Grafana draws the page,
# NannyML estimates performance without labels. A *Watchdog* alert always fires and is checked from outside.


# %% [markdown] say="q27" points=2
# **Say it.** "How would you design monitoring for a machine learning system?" Answer aloud, then write down the core.
#
# One point each:
#
# - four layers with a metric each, and why accuracy misled on 9 February, with numbers;
# - what pages and when, how alerts become incidents with owners, what silence does, what runs by itself.
#
# ### BEGIN SOLUTION
# Infrastructure: latency, errors. Data: missing, stale or implausible inputs. Model: wrong calls, golden flights.
# Business: cancelled, surprised. On 9 February accuracy was 66 %, no worst day, while 61 % were surprised: the 57 %
# cancelled have no label. Symptoms page when two windows burn the budget too fast, causes make tickets. There
# were nine incidents, two of them pages; the most upstream sign gives the owner. Silence has its own alert. A rollback
# runs by itself, a storm plan takes a person.
# ### END SOLUTION
