# %% [markdown]
# # Survive failures
#
# Tuesday 17 December 2013 was one of the worst days of the year for flights from New York. A new release of the model
# had served the airline desk since the 1st. Imagine that its server stopped at noon and came back at four. Who answers
# meanwhile? And if the release itself is the failure, how does the desk get back to the one that worked?
#
# At the end you can answer: "How do you handle pipeline failures and rollback in production?" You build a circuit
# breaker, a ladder of answers, releases with a way back, and a job that resumes, in about 60 minutes. You need pandas,
# classes and exceptions.

# %%
import json
import os
from contextlib import suppress
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from daytwo import crash, features, flights, predict, registry, resilience, train, weather
from daytwo.resilience import Refused, Rung
from grading import check, yours

# %% [markdown]
# Release 1 is the model of record, fitted on January to March. Release 2 was fitted on September and October, with
# visibility in kilometres, not miles. The desk has staff to warn one flight in four. So each release has a *threshold*:
# the probability that a quarter of the flights it was fitted on exceed. It belongs to its model, as the features do.

# %% fold
year = flights()
miles = features(year, weather())  # what is known two hours before departure
inputs = {"miles": miles, "km": miles.assign(visib=1.609344 * miles.visib)}
year["hurts"] = year.dep.isna() | (year.late == 1)
fitted = {"1": ("miles", year.month <= 3), "2": ("km", year.month.between(9, 10))}
models = {n: train(inputs[unit][rows], year.late[rows]) for n, (unit, rows) in fitted.items()}
quarters = {n: np.quantile(predict(models[n], inputs[unit][rows]), 0.75) for n, (unit, rows) in fitted.items()}
OLD, NEW = ({"model": n, "features": fitted[n][0], "threshold": f"{quarters[n]:.4f}"} for n in "12")

past, late = year.month <= 11, year.late
pairs = pd.Series(list(zip(year.carrier, miles.hour)), index=year.index)
rates = late[past].groupby(pairs[past]).agg(["mean", "size"])
rates = pairs.map(rates["mean"][rates["size"] >= 100])  # how often flights of this carrier at this hour were late
CONSTANT = round(float(late[past].mean()), 4)
thresholds = {"release 2": float(NEW["threshold"]), "release 1": float(OLD["threshold"])}
thresholds |= {"rates": float(rates[past].quantile(0.75)), "constant": np.inf}

recent = year[year.month >= 11].assign(constant=CONSTANT, rates=rates)
for n, unit in [("1", "miles"), ("1", "km"), ("2", "km")]:
    recent[f"{n}, {unit}"] = predict(models[n], inputs[unit].loc[recent.index])
recent["release 2"], recent["release 1"] = recent["2, km"], recent["1, miles"]
recent["asked"] = recent.sched_dep.dt.tz_convert("America/New_York") - pd.Timedelta("2h")
recent["second"] = (recent.asked - pd.Timestamp("2013-12-17 12:00", tz="America/New_York")).dt.total_seconds()
november, december = recent[recent.month == 11], recent[recent.month == 12]
tuesday = december[december.day == 17].sort_values("second", kind="stable")
outage = tuesday[tuesday.second.between(0, 4 * 3600 - 1)]  # second 0 is noon

pd.DataFrame([OLD, NEW], index=["release 1", "release 2"])

# %% [markdown]
# Each flight is asked about once, two hours before departure. It *hurts* if it is late or cancelled. Guess first: how
# many requests fall into the four hours, and how many of these flights hurt?

# %% fold
clock_hour = tuesday.asked.dt.hour + 24 * (tuesday.asked.dt.day - 17)
counts = pd.DataFrame({"asked": clock_hour.value_counts(), "hurt": clock_hour[tuesday.hurts].value_counts()})
plt.figure(figsize=(9, 3.2), layout="constrained")
plt.axvspan(11.5, 15.5, color="#D55E00", alpha=0.2, label="the server is down")
plt.bar(counts.index, counts.asked, color="#56B4E9", label="flights asked about")
plt.bar(counts.index, counts.hurt, 0.4, color="#000000", label="of them late or cancelled")
plt.xlabel("hour of the request, 17 December 2013, New York")
plt.ylabel("requests")
plt.xticks(range(3, 22))
plt.legend(loc="upper right", ncols=3)
plt.ylim(0, 110)
plt.show()
print(f"{len(outage)} requests while the server is down; {outage.hurts.sum()} of these flights hurt")

# %% [markdown]
# From ten o'clock on the black bars fill most of the blue ones. Who could answer? Release 2, if it were up. Release 1,
# on another machine. The *rates*: how often flights of this carrier at this hour were late. Or one constant, which
# warns nobody.

# %% fold
warned = pd.DataFrame({name: outage[name] >= threshold for name, threshold in thresholds.items()})
missed = warned.rsub(1).astype(bool).mul(outage.hurts, axis=0)
pd.DataFrame({"flights warned": warned.sum(), "hurt, not warned": missed.sum()})

# %% [markdown]
# The models warn nearly everybody, more than the staff can. The rates know nothing of the day: they miss 128 and warn
# 90. Stepping down instead of failing is *graceful degradation*.
#
# ## Ask again, but not for ever
#
# A bounded *retry* asks at most `attempts` times, within the caller's `budget` of seconds. The bound of its pause
# doubles (exponential back-off). The pause is drawn at random below it (full jitter), so callers who failed together do
# not come back together.

# %%
dice = np.random.default_rng(17)


def retry(ask, clock, attempts=4, base=0.1, budget=2.0):
    """What `ask()` returns; asked again while it fails in a way that may pass."""
    end = clock() + budget
    for attempt in range(attempts):
        try:
            return ask()
        except (ConnectionError, TimeoutError):
            pause = dice.uniform(0, base * 2**attempt)
            if attempt + 1 == attempts or clock() + pause > end:
                raise
            clock.sleep(pause)


# %% [markdown]
# Guess how many mails go out for 255 warnings, if one receipt in five gets lost.

# %%
sent = []


def send(flight):
    sent.append(flight)  # the mail goes out, and then one receipt in five gets lost
    if dice.random() < 0.2:
        raise TimeoutError


for flight in outage.index:
    with suppress(TimeoutError):
        retry(partial(send, flight), crash.Clock())
print(f"{len(sent)} mails to {len(outage)}; {len(set(sent))} if the receiver drops an id that it knows")

# %% [markdown]
# A time-out does not say whether the work was done. So retry only what is *idempotent*: done twice, it has the effect
# of once. A mail becomes so with an id by which the receiver knows it, an *idempotency key*.
#
# A retry helps against hiccups only. A server that is down would be asked 4 × 255 = 1,020 times, a *retry storm*.

# %% [markdown]
# ## Exercise 1: break the circuit
#
# A *circuit breaker* (Nygard, *Release It!*, 2007) stands between callers and a server. `call(now, ask)` returns what
# `ask()` returns, or passes on what it raises.
#
# - **Closed**: calls go through. After each result, look at those less than `window` seconds old. If there are at least
#   `minimum` and a share of `rate` or more failed, it opens.
# - **Open**: raise `Refused` without asking.
# - **Half-open**: `cooldown` seconds later one call goes through. Success closes it and clears the results. Failure
#   opens it for a new cool-down.
# - An `Exception` is a failure, a `ValueError` no result: the request was bad.
#
# After five failures, the sixth call is refused.


# %% answer="CircuitBreaker"
class CircuitBreaker:
    """Stands between callers and a server; `window`, `cooldown` and `now` are seconds."""

    def __init__(self, window=600, minimum=5, rate=0.5, cooldown=300):
        self.window, self.minimum, self.rate, self.cooldown = window, minimum, rate, cooldown
        self.state = "closed"
        self.results, self.opened = [], None  # [(second, failed)]; the second at which it opened last

    def call(self, now, ask):
        """What `ask()` returns or raises; `Refused` where it is not asked."""
        ### BEGIN SOLUTION
        if self.state == "open":
            if now - self.opened < self.cooldown:
                raise Refused
            self.state = "half-open"
        try:
            answer = ask()
        except ValueError:
            raise
        except Exception:
            self.note(now, failed=True)
            raise
        self.note(now, failed=False)
        return answer

    def note(self, now, failed):
        if self.state == "half-open":
            self.state, self.results = "closed", []
            if failed:
                self.state, self.opened = "open", now
            return
        self.results = [(t, f) for t, f in self.results if now - t < self.window] + [(now, failed)]
        failures = sum(f for _, f in self.results)
        if len(self.results) >= self.minimum and failures >= self.rate * len(self.results):
            self.state, self.opened = "open", now
        ### END SOLUTION


# %% check="CircuitBreaker" points=4
from daytwo.crash import drive

# Return what `ask()` returns, and ask once.
check("Three good calls", drive(CircuitBreaker(), ok=range(3)), "3 ok")
# Ask once a call, pass on what it raises, and from the fifth failure on raise `Refused` without asking.
check("Five failures open it", drive(CircuitBreaker(), down=range(7)), "5 failed, 2 refused")
turns = "1 failed, 1 ok, 1 failed, 1 ok, 1 failed, 1 refused"
# Judge by the share of all recent results that failed, good ones included.
check("Three of five failed, in turn", drive(CircuitBreaker(), down=[0, 2, 4], ok=[1, 3, 5]), turns)
moving = [0, 500, 501, 700, 701, 702, 703]
# Drop each result as it gets older than `window`, seen from the newest call.
check("The ten minutes move along", drive(CircuitBreaker(), down=moving), "6 failed, 1 refused")
# Let one call through `cooldown` seconds after it opened, whatever was refused since; its success closes and clears.
check(
    "Opened at second 4; asked at 100, 200, 400 and 401",
    drive(CircuitBreaker(), down=range(5), ok=[100, 200, 400, 401]),
    "5 failed, 2 refused, 2 ok",
)
# A trial that fails opens it at once, however few results are young, and the cool-down starts again from there.
check(
    "The trials at seconds 400 and 800 fail; asked at 900, 1050 and 1150",
    drive(CircuitBreaker(), down=[0, 1, 2, 3, 4, 400, 800], ok=[900, 1050, 1150]),
    "7 failed, 2 refused, 1 ok",
)
# When a trial succeeds, close it and begin with no results at all.
check(
    "Closed again at second 400: four new failures are too few to judge by",
    drive(CircuitBreaker(), down=[0, 1, 2, 3, 4, 401, 402, 403, 404], ok=[400, 405]),
    "5 failed, 1 ok, 4 failed, 1 ok",
)
five, among = [0, 1, 11, 12, 13], "2 failed, 9 bad, 3 failed, 1 refused"
# Pass a `ValueError` on, and note neither a failure nor a success: the request was bad.
check("Nine bad requests among five failures", drive(CircuitBreaker(), bad=range(2, 11), down=five, ok=[14]), among)
### BEGIN HIDDEN TESTS
# A time-out is a failure as well: count every `Exception` but `ValueError`.
check("Time-outs", drive(CircuitBreaker(), slow=range(6)), "5 failed, 1 refused")
# Count what is an `Exception` and nothing wider: Ctrl-C says nothing of the server.
check("Five times Ctrl-C", drive(CircuitBreaker(), stop=range(5), ok=[5]), "5 stopped, 1 ok")
# Use the settings that the caller gives.
check("Other settings", drive(CircuitBreaker(60, 2, 0.75, 30), down=[0, 1], ok=[20, 40]), "2 failed, 1 refused, 1 ok")
### END HIDDEN TESTS

# %% mistake="CircuitBreaker"
# Let it close again: after the cool-down one call goes through, or one bad minute lasts for ever.
# -             if now - self.opened < self.cooldown:
# -                 raise Refused
# -             self.state = "half-open"
# +             raise Refused

# %% mistake="CircuitBreaker"
# Judge by the share that failed: a server that fails every second call never fails five times in a row.
# -         failures = sum(f for _, f in self.results)
# +         failures = 0
# +         for _, f in self.results:
# +             failures = failures + 1 if f else 0

# %% mistake="CircuitBreaker"
# Forget results as they reach the age of `window`: a failure of this morning says nothing about the server now.
# - [(t, f) for t, f in self.results if now - t < self.window] + [(now, failed)]
# + self.results + [(now, failed)]

# %% mistake="CircuitBreaker"
# Start a new cool-down when a trial fails; otherwise every later call is a trial.
# -                 self.state, self.opened = "open", now
# -             return
# +                 self.state = "open"
# +             return

# %% mistake="CircuitBreaker"
# A bad request is the caller's fault: counted as a failure, one client with a typing error cuts off everybody.
# -         except ValueError:
# -             raise
# -         except Exception:
# +         except Exception:


# %% alternative="CircuitBreaker"
# An exception that says more, and results pruned from the front.
# -                 raise Refused
# +                 raise type("Open", (Refused,), {})(f"since second {self.opened}")
# -         self.results = [(t, f) for t, f in self.results if now - t < self.window] + [(now, failed)]
# +         self.results.append((now, failed))
# +         while self.results[0][0] <= now - self.window:
# +             self.results.pop(0)


# %% [markdown]
# From here on the lesson uses your breaker, once its check has passed. What does it do on the 17th?

# %%
Breaker = yours("CircuitBreaker", resilience.CircuitBreaker)
clock = crash.Clock()  # in milliseconds


def machine(name, back):
    """A server of `name`'s probabilities; down from noon until `back`, in seconds."""

    def ask(flight):
        clock.sleep(20)
        if 0 <= flight.second < back:
            raise ConnectionError
        return flight[name]

    return ask


# %% fold
breaker, server, heard = Breaker(), machine("release 2", 4 * 3600), []
for _, flight in tuesday.iterrows():
    try:
        breaker.call(flight.second, partial(server, flight))
        heard.append("answered")
    except (Refused, ConnectionError) as error:
        heard.append("refused" if isinstance(error, Refused) else "failed")
when = np.select([tuesday.second < 0, tuesday.second < 4 * 3600], ["before noon", "server down"], "from four on")
pd.crosstab(pd.Series(when, name=""), pd.Series(heard, name="the caller was")).loc[pd.unique(when)]

# %% [markdown]
# The dead server is asked 51 times. Eight calls find out that it is gone, because good results of the last ten minutes
# still count. Then one call in about five minutes is a trial: the price of noticing that it is back.

# %% [markdown]
# ## Exercise 2: answer every request
#
# The caller wants a probability within `patience` ms. `rungs` is the ladder, best first. A rung has a `name`, a
# `threshold`, `ask(flight)`, which gives a probability, and a `limit`: the ms after which `ask` gives up and raises.
# `clock()` tells the ms.
#
# Return the rung's name, its probability, and whether to warn.
#
# - Take the first number from 0 to 1. Go on after anything else (None, NaN, a text) and any `Exception`.
# - Ask a rung only if its whole `limit` still fits; otherwise pass it over.
# - Warn if the probability is at least its threshold.
# - If none answers, return `"constant"`, `constant` and False.


# %% answer="answer"
def answer(flight, rungs, constant, clock, patience=250):
    """(name of the rung, probability, whether to warn) for one flight."""
    ### BEGIN SOLUTION
    start = clock()
    for each in rungs:
        if clock() - start + each.limit > patience:
            continue
        try:
            p = each.ask(flight)
            usable = 0 <= p <= 1
        except Exception:
            continue
        if usable:
            return each.name, p, p >= each.threshold
    return "constant", constant, False
    ### END SOLUTION


# %% check="answer" points=3
from daytwo.crash import climb, rung

# Ask the first rung, and return its name, probability and whether to warn; the clock does not begin at 0.
check("The model answers", climb(answer, rung("model", 0.42)), (("model", 0.42, True), "model 20 ms"))
# Go on after any `Exception`, and warn by the threshold of the rung that gave the probability.
check(
    "The model fails; the previous one says 0.25, and its threshold is 0.3",
    climb(answer, rung("model", KeyError, threshold=0.2), rung("previous", 0.25)),
    (("previous", 0.25, False), "model 20 ms, previous 20 ms"),
)
# Look at what comes: go on unless it is a number from 0 to 1, and never let it raise.
check(
    "Who answers when the model says None, NaN, 1.7 or a text",
    [climb(answer, rung("model", x), rung("previous", 0.5))[0][0] for x in (None, np.nan, 1.7, "n/a")],
    ["previous"] * 4,
)
# Nought is a probability: ask whether a number came, not whether it is true.
check("Certainly on time", climb(answer, rung("model", 0.0), rung("previous", 0.5))[0], ("model", 0.0, False))
# Add the limit of this rung to the time gone since the start; pass over what does not fit, and look further.
check(
    "Two slow models: no time for the second, and time enough for the rates",
    climb(answer, rung("model", TimeoutError, 150, 150), rung("previous", 0.5, 150, 150), rung("rates", 0.4, 1, 10)),
    (("rates", 0.4, True), "model 150 ms, rates 1 ms"),
)
# Count the time that has really gone since this request began, not the limits.
check(
    "A failure that comes fast leaves time",
    climb(answer, rung("model", ConnectionError, 20, 150), rung("previous", 0.5, 30, 150)),
    (("previous", 0.5, True), "model 20 ms, previous 30 ms"),
)
# Fall back to the constant, and warn nobody with it.
check("Nobody answers", climb(answer, rung("model", OSError))[0], ("constant", 0.25, False))
### BEGIN HIDDEN TESTS
# Catch `Exception` and nothing wider: whoever presses Ctrl-C must be able to stop it.
check("Ctrl-C", climb(answer, rung("model", KeyboardInterrupt), rung("previous", 0.5))[0], "stopped")
# Use the caller's patience.
check("An impatient caller", climb(answer, rung("model", 0.5), rung("rates", 0.4, 1, 10), patience=50)[0][0], "rates")
# Take numpy's numbers too: most models give them.
check("Numpy's", climb(answer, rung("model", np.float32(0.5)))[0], ("model", 0.5, True))
### END HIDDEN TESTS

# %% mistake="answer"
# Look at what comes: NaN is neither below 0 nor above 1, and compares false both ways.
# -             usable = 0 <= p <= 1
# +             usable = not (p < 0 or p > 1)

# %% mistake="answer"
# A probability of 0 is an answer; ask whether one came, not whether it is true.
# -             usable = 0 <= p <= 1
# +             usable = p and 0 < p <= 1

# %% mistake="answer"
# Take the threshold of the rung that answered: another model's probabilities mean something else to it.
# - p >= each.threshold
# + p >= rungs[0].threshold

# %% mistake="answer"
# Ask a rung only if it can be in time at its slowest; once it has been asked, the time is gone.
# - clock() - start + each.limit > patience
# + clock() - start > patience

# %% mistake="answer"
# Pass over a rung that is too slow and look further down: the rates need hardly any time.
# -         if clock() - start + each.limit > patience:
# -             continue
# +         if clock() - start + each.limit > patience:
# +             break


# %% alternative="answer"
# A helper that turns every failure into None, and recursion down the ladder with what time is left.
def answer(flight, rungs, constant, clock, patience=250):
    def number(rung):
        try:
            p = float(rung.ask(flight))
        except Exception:
            return None
        return p if np.isfinite(p) and abs(p - 0.5) <= 0.5 else None

    if not rungs:
        return ["constant", constant, np.False_]
    first, start = rungs[0], clock()
    p = number(first) if first.limit <= patience else None
    if p is not None:
        return [first.name, p, np.bool_(p >= first.threshold)]
    return answer(flight, rungs[1:], constant, clock, patience - (clock() - start))


# %% [markdown]
# Now Tuesday with your breaker and your ladder. The machine of release 1 fails too, from noon until two.

# %%
respond = yours("answer", resilience.answer)
breaker, new, old = Breaker(), machine("release 2", 4 * 3600), machine("release 1", 2 * 3600)
rungs = [
    Rung("release 2", lambda f: breaker.call(f.second, partial(new, f)), 100, thresholds["release 2"]),
    Rung("release 1", old, 100, thresholds["release 1"]),
    Rung("rates", lambda f: f.rates, 10, thresholds["rates"]),
]
said = [respond(flight, rungs, CONSTANT, clock) for _, flight in tuesday.iterrows()]

# %% fold
tuesday = tuesday.assign(by=[name for name, _, _ in said], warned=[bool(warn) for _, _, warn in said])
tuesday["missed"] = tuesday.hurts & ~tuesday.warned
tuesday.loc[outage.index].groupby("by").agg(
    requests=("by", "size"), flights_warned=("warned", "sum"), hurt_not_warned=("missed", "sum")
)

# %% [markdown]
# Nobody goes without an answer. Each answer says whose it is: a ladder that hides its rung hides an outage.

# %% [markdown]
# ## When the release is the failure
#
# Was it right to ship release 2? November is a month that neither had seen. Guess: how surely was release 2 better?


# %% fold
def log_loss(flights, p):
    """-ln of the probability p gave to what happened; NaN where nothing is known to have happened."""
    return -np.log(p.where(flights.late == 1, 1 - p)).where(flights.late.notna())


def by_days(difference, days):
    """The mean of a difference, and 95 % of 2,000 such means of days drawn anew."""
    sums = difference.groupby(days).agg(["sum", "count"])
    drawn = sums.to_numpy()[np.random.default_rng(6).integers(0, len(sums), (2_000, len(sums)))].sum(axis=1)
    low, high = np.quantile(drawn[:, 0] / drawn[:, 1], [0.025, 0.975])
    return f"{difference.mean():.3f} [{low:.3f}, {high:.3f}]"


worse = log_loss(recent, recent["release 2"]) - log_loss(recent, recent["release 1"])
gain = by_days(-worse[november.index], november.day)
print("Log loss saved by release 2 in November, nats a flight, 95 % by whole days:", gain)

# %% [markdown]
# The interval contains zero. The right verdict was "wait". It was shipped. Still, release 1 can be asked
# about the same flights in the *shadow*, and each night both are compared. In November the mean of seven days never
# passed 0.03, so take 0.05 as an alarm. When does it ring?

# %% fold
daily = worse.groupby([recent.month, recent.day]).mean()
weekly = {month: daily[month].rolling(7).mean() for month in (11, 12)}
alarm = int(weekly[12].index[weekly[12] > 0.05][0])
plt.figure(figsize=(9, 3.2), layout="constrained")
plt.bar(daily[12].index, daily[12], color="#56B4E9", label="one day")
plt.plot(weekly[12].index, weekly[12], color="#000000", marker="o", markersize=4, label="mean of seven days")
plt.axhline(0.05, color="#D55E00", linestyle="--", label="alarm")
plt.xlabel("day of December 2013")
plt.ylabel("release 2's loss minus release 1's,\nnats per flight")
plt.legend(loc="upper right")
plt.show()
print(f"highest mean of seven days in November: {weekly[11].max():.3f}")
print(f"it passes 0.05 in the night after {alarm} December")

# %% [markdown]
# Two days, the 8th and the 10th, ring the alarm. The desk did not have it, so release 2 still served on the 17th. Why
# did it fail, and back to what?

# %% fold
rest = december[december.day > alarm].copy()
means = [part.loc[part.late.notna(), ["late", "release 1", "release 2"]].mean() for part in (november, rest)]
print(f"Share late, and what the releases say ({late[fitted['2'][1]].mean():.0%} when release 2 was fitted):")
print(pd.DataFrame(means, index=["November", f"{alarm + 1} to 31 December"]).map("{:.0%}".format))


def measured(parts, p):
    """What a release of these parts does on the rest of December."""
    loss, warned = log_loss(rest, p).mean(), (p >= float(parts["threshold"])).mean()
    return dict(parts) | {"loss": f"{loss:.3f}", "flights warned": f"{warned:.0%}"}


twin = train(miles[fitted["2"][1]], late[fitted["2"][1]])
rest["twin, miles"] = predict(twin, miles.loc[rest.index])
ways = {"no way back": NEW, "the same, fitted on miles": NEW | {"model": "twin", "features": "miles"}}
ways |= {"model 1 alone": NEW | {"model": "1"}, "release 1 whole": OLD}
table = pd.DataFrame([measured(x, rest[f"{x['model']}, {x['features']}"]) for x in ways.values()], index=list(ways))
table.drop(columns="model")

# %% [markdown]
# Release 2 learned in mild weeks, and says 17 % where 31 % are late. Kilometres are not the reason: fitted on miles it
# loses the same. The model alone saves half of what the whole release saves: it reads kilometres as miles, and nothing
# raises. Model, features and threshold move together, or not at all.
#
# ## A registry, and a killer
#
# In MLflow a *registered model* has numbered versions, a version has tags, and an *alias* points to one version. `late`
# holds our models. A version of `release` has a model as its source, and in its tags what belongs to it. The desk reads
# one thing: the release under the alias `champion`.
#
# `crash.everywhere` runs a function in a process of its own and kills it before its first write, then again before its
# second, and so on. Guess what is left.

# %%
with registry.new() as client:
    for n in ("1", "2"):
        client.create_model_version("late", f"late-{n}")
        client.create_model_version("release", f"models:/late/{n}", tags={"model": n})
    client.set_registered_model_alias("release", "champion", "1")

    def move():
        client.set_registered_model_alias("release", "champion", "2")

    for step in crash.everywhere(move, registry.writes):
        print(f"killed before write {step}: release {registry.champion(client).version} serves")
    print(f"not killed: release {registry.champion(client).version} serves")

# %% [markdown]
# An alias moves in one transaction, and nobody sees half of it. That is our commit point.
#
# `registry.champion(client)` gives the release that serves, with `.version` and `.tags`, or None before the first.
# MLflow raises `MlflowException` for an alias that points nowhere, and for a locked database. Only the `error_code`
# differs, and `champion` looks at it.

# %% [markdown]
# ## Exercise 3: promote and roll back
#
# `promote(parts)` lets a new release serve; `parts` are three texts. `roll_back(version)` takes a release out of
# service: what it replaced serves again. Either may be killed at any moment. Then one whole release serves, and the
# same call again finishes the work.
#
# - A release is a version of `release`. Its source is `models:/late/N`, N its `model`. Its tags are the parts and,
#   unless it is the first, `replaces`: the number of the release that served before.
# - If a part is missing, raise `ValueError`.
# - If these parts serve already, do nothing.
# - If `version` does not serve, do nothing. If it replaced nothing, raise `LookupError`.


# %% answer="Releases"
class Releases:
    """The releases in a registry; `client` is an `MlflowClient`."""

    def __init__(self, client):
        self.client = client

    def promote(self, parts):
        """Let a release of these parts serve, as in {"model": "2", "features": "km", "threshold": "0.2"}."""
        ### BEGIN SOLUTION
        if not {"model", "features", "threshold"} <= set(parts):
            raise ValueError(f"A release names its model, features and threshold, not {parts}.")
        now, tags = registry.champion(self.client), dict(parts)
        if now and parts.items() <= now.tags.items():
            return
        if now:
            tags["replaces"] = str(now.version)
        made = self.client.create_model_version("release", f"models:/late/{parts['model']}", tags=tags)
        self.client.set_registered_model_alias("release", "champion", str(made.version))
        ### END SOLUTION

    def roll_back(self, version):
        """Take release `version`, a number, out of service."""
        ### BEGIN SOLUTION
        now = registry.champion(self.client)
        if now is None or int(now.version) != version:
            return
        if "replaces" not in now.tags:
            raise LookupError(f"Release {version} replaced nothing.")
        self.client.set_registered_model_alias("release", "champion", now.tags["replaces"])
        ### END SOLUTION


# %% check="Releases" points=5
from daytwo.crash import busy, killed_scene, story

ONE = {"model": "1", "features": "miles", "threshold": "0.3"}
TWO = {"model": "2", "features": "km", "threshold": "0.2"}
TUNED = TWO | {"threshold": "0.25"}
first, second = "model 1, miles, 0.3; replaces nothing", "model 2, km, 0.2; replaces 1"
third = "model 2, km, 0.25; replaces 2"
# Make a version of `release` with its source and tags, and let the alias `champion` point to it.
check("The first release", story(Releases, ONE), [first])
# Make a new version, and note in its tag `replaces` the number of the release that serves until now.
check("The second takes over", story(Releases, ONE, TWO), [first, second])
# Stop when all three of these parts serve already, and only then.
check("The second again, then another threshold", story(Releases, ONE, TWO, TWO, TUNED)[2:], [second, third])
# Look at the parts before you write anything.
check("One without a threshold", story(Releases, ONE, {"model": "2", "features": "km"})[1], f"ValueError; {first}")
# Only while release `version` serves, move the alias to what its tag `replaces` says.
check("Release 2 is rolled back, twice", story(Releases, ONE, TWO, 2, 2)[2:], [first, first])
# Go where `replaces` points; the number before may be a release that was itself rolled back.
check("Release 2 is rolled back, 3 comes, 3 is rolled back", story(Releases, ONE, TWO, 2, TUNED, 3)[4], first)
# Use `registry.champion`, or look at the error's code: a locked database is not an empty one.
check("The database is locked, then the same again", busy(Releases, ONE, TWO), second)
# Write first what nobody reads yet, then move the alias once, as the last thing; never delete it: then nothing serves.
check(
    "Killed in a promotion, and on the way back, then run again: what served",
    [killed_scene(Releases, ONE, TWO), killed_scene(Releases, ONE, TWO, 2)],
    [([first], [second]), ([second], [first])],
)
### BEGIN HIDDEN TESTS
# Say it when there is no way back, and let the first release serve on.
check("The first has no way back", story(Releases, ONE, 1)[1], f"LookupError; {first}")
# Go back to what `replaces` says, and look at nothing else.
check("Another threshold comes and goes", story(Releases, ONE, TWO, TUNED, 3)[2:], [third, second])
### END HIDDEN TESTS

# %% mistake="Releases"
# Write the tags before the alias moves: a release that serves without its features and threshold is only a model.
# - create_model_version("release", f"models:/late/{parts['model']}", tags=tags)
# + create_model_version("release", f"models:/late/{parts['model']}")
# -         self.client.set_registered_model_alias("release", "champion", str(made.version))
# +         self.client.set_registered_model_alias("release", "champion", str(made.version))
# +         for key in tags:
# +             self.client.set_model_version_tag("release", str(made.version), key, tags[key])

# %% mistake="Releases"
# Just move the alias, which replaces where it pointed; between deleting it and setting it nothing serves.
# -             tags["replaces"] = str(now.version)
# +             tags["replaces"] = str(now.version)
# +             self.client.delete_registered_model_alias("release", "champion")

# %% mistake="Releases"
# Stop if these parts serve already: otherwise a second run replaces a release with its twin, and the way back is lost.
# -         if now and parts.items() <= now.tags.items():
# -             return

# %% mistake="Releases"
# Not every error means that nothing serves yet: a locked database raises too, and the new release forgets the old one.
# -         now, tags = registry.champion(self.client), dict(parts)
# +         try:
# +             now, tags = self.client.get_model_version_by_alias("release", "champion"), dict(parts)
# +         except Exception:
# +             now, tags = None, dict(parts)

# %% mistake="Releases"
# Roll back the release you were asked to, if it serves; otherwise a second run goes one too far.
# -         if now is None or int(now.version) != version:
# -             return

# %% alternative="Releases"
# Tags one by one, on a release that nobody reads yet; an error's code is looked at; a KeyError is a LookupError.
# - made = self.client.create_model_version("release", f"models:/late/{parts['model']}", tags=tags)
# + made = self.client.create_model_version("release", f"models:/late/{parts['model']}", tags=parts)
# + if now:
# +     self.client.set_model_version_tag("release", str(made.version), "replaces", tags["replaces"])
# -         if "replaces" not in now.tags:
# -             raise LookupError(f"Release {version} replaced nothing.")


# %% [markdown]
# The order is the whole art: write first what nobody reads yet, then move the one thing that everybody reads. A kill
# may leave a release that never serves: litter, no harm. But an alias has no *compare-and-set*. A promotion during a
# rollback undoes it without a word, so let one deployer work at a time. Now the real models:

# %%
Desk = yours("Releases", resilience.Releases)
served = {}
with registry.new() as client:
    for model in models.values():
        registry.save(client, model)
    Desk(client).promote(OLD)
    for name, act in (("release 2 serves on", NEW), ("rolled back", 2)):
        Desk(client).promote(act) if act is NEW else Desk(client).roll_back(act)
        tags = registry.champion(client).tags
        p = predict(registry.load(client, tags["model"]), inputs[tags["features"]].loc[rest.index])
        served[name] = measured(tags, pd.Series(p, index=rest.index))

# %% fold
gain = by_days(worse[rest.index], rest.day)
print("Log loss saved by the way back, in hindsight, nats a flight, 95 % by whole days:", gain)
pd.DataFrame(served.values(), index=list(served)).drop(columns="replaces")

# %% [markdown]
# ## Exercise 4: resume a job
#
# `resume(items, step, path)` starts from the state `{}`, computes `state = step(state, item)` for one item after the
# other, and returns the last state. It keeps a *checkpoint* at `path`, a `Path`; other files may lie beside it.
#
# - Killed at any moment and called again, it loses no item, counts none twice, and computes at most one again.
# - Called after its end, it computes nothing.
# - If the checkpoint is cut short, or of another list, start anew.
# - What `step` raises goes on to the caller; what is done stays done.
#
# Items are texts and may repeat. JSON can hold a state. `os.replace` moves a file in one step.


# %% answer="resume"
def resume(items, step, path):
    """The state after every item of a list, from {} or from the checkpoint at `path`."""
    ### BEGIN SOLUTION
    done, state = 0, {}
    try:
        saved = json.loads(path.read_text())
        if saved["items"] == items:
            done, state = saved["done"], saved["state"]
    except (OSError, ValueError):
        pass
    for item in items[done:]:
        state = step(state, item)
        done += 1
        fresh = path.with_name("fresh")
        fresh.write_text(json.dumps({"items": items, "done": done, "state": state}))
        os.replace(fresh, path)
    return state
    ### END SOLUTION


# %% check="resume" points=4
from daytwo.crash import kill_job, nights, spoil_job

# Hand each state on to the next step, and return the last.
check("Three items", nights(resume, "abc"), [({"all": "abc"}, "abc")])
# Save the state that each step gave, keep the finished checkpoint, and begin after the last item that it holds.
check("The same list again: nothing is computed", nights(resume, "abc", "abc")[1], ({"all": "abc"}, ""))
failed = [("ZeroDivisionError", "ab?"), ("ZeroDivisionError", "?")]
# Save after each step that has succeeded, before the next; let what a step raises go on.
check("The third step raises, in two nights", nights(resume, "ab?d", "ab?d"), failed)
# Keep the list in the checkpoint, and compare it item by item before you go on from there.
check("Another list of the same length", nights(resume, "abc", "axc")[1], ({"all": "axc"}, "axc"))
whole = [{"all": "aba"}], "one step repeated at most"
# Save after every item: position (not names) and state in one file, written beside it and moved in one step.
check("Killed at each change of its files, and run again: every end", kill_job(resume, "aba"), whole)
# Take a checkpoint that cannot be read for none.
check("The checkpoint cut short, anywhere: every end", spoil_job(resume, "ab"), [{"all": "ab"}])
### BEGIN HIDDEN TESTS
# Compare the lists themselves, not a text into which they were joined.
check("The same letters in other items", nights(resume, ["a,b", "c"], ["a", "b,c"])[1][1], "ab,c")
### END HIDDEN TESTS

# %% mistake="resume"
# Write the new checkpoint beside the old one and replace it in one step; overwritten in place it is empty for a moment.
# - fresh = path.with_name("fresh")
# + fresh = path

# %% mistake="resume"
# Save after the step, not before it: an item that is ticked off first is lost when the kill comes between.
# -         state = step(state, item)
# -         done += 1
# +         done += 1
# -         os.replace(fresh, path)
# +         os.replace(fresh, path)
# +         state = step(state, item)

# %% mistake="resume"
# Save after every item, not at the end only: whatever has not been saved is computed again.
# -         os.replace(fresh, path)
# +         if done == len(items):
# +             os.replace(fresh, path)

# %% mistake="resume"
# Keep the list of items and compare it: yesterday's finished checkpoint finishes today's job before it begins.
# -         if saved["items"] == items:
# -             done, state = saved["done"], saved["state"]
# +         done, state = saved["done"], saved["state"]

# %% mistake="resume"
# Leave the checkpoint when the job is done: whoever is called again would do it all again.
# -     return state
# +     path.unlink(missing_ok=True)
# +     return state


# %% alternative="resume"
# A journal: a line per item; the last line that can be read counts.
def resume(items, step, path):
    items, lines = list(items), path.read_text().split("\n") if path.exists() else []
    done, state = 0, {}
    if lines[:1] == [json.dumps(items)]:
        for line in lines[1:]:
            with suppress(ValueError):
                done, state = json.loads(line)
    else:
        path.write_text(json.dumps(items))
    with open(path, "a") as file:
        while done < len(items):
            state, done = step(state, items[done]), done + 1
            file.write("\n" + json.dumps([done, state]))
            file.flush()
    return state


# %% [markdown]
# Three days of December, killed at the fifth change of a file. What is left?

# %%
go_on = yours("resume", resilience.resume)
with TemporaryDirectory() as folder:

    def add(state, day):
        print(f"day {day} is counted")
        return state | {day: int(december.hurts[december.day == int(day)].sum())}

    job = partial(go_on, ["1", "2", "3"], add, Path(folder, "checkpoint"))
    crash.killed(job, crash.changes(folder), 5)
    print("flights that hurt, by day:", job())

# %% [markdown]
# Against a power failure one also needs `os.fsync`. A step with effects outside needs an idempotency key, for it may
# run twice.
#
# **Orders by hand.** Sometimes a person knows better: the server answers, but nonsense. Whoever is on duty may force
# the breaker open, or the ladder to a rung. Each order says who, why and until when; it is logged, and ends by itself.
#
# ## The answer
#
# Tuesday, as your code answered it.

# %% fold
plt.figure(figsize=(9, 3.4), layout="constrained")
plt.axvspan(11.5, 15.5, color="#D55E00", alpha=0.15, label="server of release 2 down")
bottom, kind = pd.Series(0, index=counts.index), ("warned by " + tuesday.by).where(tuesday.warned, "not warned")
looks = {"warned by release 2": ("#56B4E9", ""), "warned by release 1": ("#0072B2", "//")}
looks |= {"warned by rates": ("#F0E442", ".."), "not warned": ("#000000", "")}
for name, (colour, hatch) in looks.items():
    height = clock_hour[tuesday.hurts & (kind == name)].value_counts().reindex(counts.index, fill_value=0)
    plt.bar(height.index, height, bottom=bottom, color=colour, hatch=hatch, edgecolor="white", label=name)
    bottom = bottom + height
plt.xlabel("hour of the request, 17 December 2013, New York")
plt.ylabel("flights that hurt")
plt.xticks(range(3, 22))
plt.legend(loc="upper right", fontsize="small", ncols=5, columnspacing=1)
plt.ylim(0, 68)
plt.show()
inside = tuesday.loc[outage.index]
print(f"from noon to four: {inside.missed.sum()} of {inside.hurts.sum()} flights that hurt were not warned")

# %% [markdown]
# In the morning release 2 is up, but sees little bad weather yet: those misses are its own. Who answers from noon to
# four? The breaker spares 204 of 255 callers the dead server, and the ladder answers all: first the rates, then release
# 1. How does the desk get back? An alarm, set beforehand, would have rung after the 10th. One pointer brings back
# model, features and threshold. A kill leaves the old release or the new.
#
# In production, tenacity retries. Breakers are pybreaker, which counts failures in a row, or resilience4j in Java,
# which takes a rate in a window as you did. Releases live behind MLflow aliases or a deployment tool's rollback,
# checkpoints in orchestrators, orders by hand in feature flags. The next lesson, *Test a pipeline*, finds a bad release
# before it serves.

# %% [markdown] say="q6" points=2
# **Say it.** "How do you handle pipeline failures and rollback in production?" Answer aloud, then write down the core.
#
# One point each:
#
# - answers during an outage (retry, breaker, graceful degradation), with a number;
# - what triggers a rollback, what moves, and why it survives a kill.
#
# ### BEGIN SOLUTION
# Hiccups get a bounded retry with back-off, jitter and a time budget, for idempotent calls only. An outage gets a
# breaker: it opens when half of five or more calls fail and tries again after five minutes, so 51 of 255 requests
# reached the dead server. Below it is a ladder: the release before missed 9 of 212 flights (warning 243 of 255), the
# rates 128 (warning 90). I roll back when the week's loss is 0.05 above the old release's, a limit set on the month
# before. One alias move brings back model, features and threshold; the model alone would have saved half. A person on
# duty may force either, with a name and an end. Jobs go on from a checkpoint that is replaced in one step.
# ### END SOLUTION
