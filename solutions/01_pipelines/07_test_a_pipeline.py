# %% [markdown]
# # Test a pipeline
#
# One Monday a colleague tidies the code that computes the model's inputs. The tests stay green: they ask for the right
# columns and no gaps. From that day on the model is told the hour in London, not in New York. Which test should have
# been red? And how do we know beforehand that it would be?
#
# The interview question is: *how do you test a machine-learning pipeline?* You will test the features, the model's
# behaviour, and the whole pipeline. Your tests are graded by what they catch. Then you will judge a model in the
# shadow.
#
# This takes about 60 minutes. You need pandas, and you should know what a pytest test looks like.

# %%
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

import daytwo
from daytwo import desk, flights, planted, predict, suites, train, weather
from daytwo.desk import WARN, board, inbox, log_loss, sky, utc
from daytwo.model import CATEGORIES, NUMBERS
from grading import check, class_seed, satisfies, yours

# %% [markdown]
# The model learns from January to March; April it has never seen. It has nine inputs, and the hour is one of them.

# %%
year = flights().query("month <= 4 and index % 9 == 0")
table = daytwo.features(year, weather()).assign(late=year.late, day=year.day, month=year.month).dropna(subset="late")
winter, april = table[table.month < 4], table[table.month == 4]
champion = train(winter[CATEGORIES + NUMBERS], winter.late)

# %% [markdown]
# Here are four accidents with April's inputs. Each table has the right shape and the right columns. Guess first: which
# of the four would you see on a chart of the month's loss?

# %%
accidents = {
    "as it should be": april,
    "the hour in London": april.assign(hour=(april.hour + 5) % 24),
    "rain never seen": april.assign(wet=0.0),
    "visibility upside down": april.assign(visib=10 - april.visib),
    "rows in another order": april.sample(frac=1, random_state=7),
}
said = {name: predict(champion, rows) for name, rows in accidents.items()}

# %% [markdown]
# The desk warns passengers from a probability of 0.3 on. Errors are standard errors, from whole days.

# %%
right = said["as it should be"]
seen = pd.DataFrame({"loss": {name: log_loss(april.late, p) for name, p in said.items()}})
days = [april.assign(p=p).groupby("day").apply(lambda d: log_loss(d.late, d.p)) for p in said.values()]
seen["± 2 errors"] = [2 * by_day.std() / np.sqrt(len(by_day)) for by_day in days]
seen["warnings changed"] = [((p >= WARN) != (right >= WARN)).mean() for p in said.values()]
seen.round(3)

# %% fold
figure, (left, changes) = plt.subplots(1, 2, figsize=(11, 3), layout="constrained", sharey=True)
left.errorbar(seen.loss, seen.index, xerr=seen["± 2 errors"], fmt="o", color="#0072B2", capsize=4, label="± 2 errors")
constant = log_loss(april.late, winter.late.mean())
left.axvline(constant, color="#D55E00", linestyle="--", label="winter's share, told to all")
left.set(xlabel="log loss in April, nats per flight", ylabel="inputs")
left.invert_yaxis()
changes.barh(seen.index, seen["warnings changed"], color="#009E73", edgecolor="black")
changes.set(xlabel="share of flights whose warning changed")
figure.legend(loc="outside upper left", ncols=2, frameon=False)
plt.show()

# %% [markdown]
# Among these bars none of the four stands out. Even that of the rows in another order holds winter's share told to all.
# Yet upside-down visibility changes 45 warnings in a hundred, and London's hour 12.
#
# So do not wait for the loss. Tests find faults in *code*. Checks on data find faults in *feeds* (*Validate data*).

# %% [markdown]
# ## The code under test
#
# The desk's feature code is two functions. Their rules stand below.


# %%
def newest_reading(flights, weather):
    """Per flight, the newest reading of its own airport that was out two hours before its `sched_dep`, if any."""
    out = weather.assign(out=utc(weather.time_hour) + pd.Timedelta("1h")).sort_values("out")
    asked = flights[["origin"]].assign(now=utc(flights.sched_dep) - pd.Timedelta("2h"), row=range(len(flights)))
    found = pd.merge_asof(
        asked.sort_values("now"), out, left_on="now", right_on="out", by="origin", tolerance=pd.Timedelta("6h")
    )
    return found.sort_values("row").set_index(flights.index)


# %%
def features(flights, weather):
    """A table with the columns hour, weekday, humid and wet: a row per flight, in its place, with its label."""
    local = utc(flights.sched_dep).dt.tz_convert("America/New_York")
    seen = newest_reading(flights, weather)
    columns = {"hour": local.dt.hour, "weekday": local.dt.day_of_week}
    columns |= {"humid": seen.humid.fillna(60), "wet": (seen.precip > 0).astype(int)}
    return pd.DataFrame(columns)


DESK, tools = suites.source(newest_reading, features), {"np": np, "pd": pd, "utc": utc}

# %% [markdown]
# 1. `hour` and `weekday` (Monday is 0) are those of `sched_dep` in New York.
# 2. A reading is out one hour after its `time_hour`. We answer two hours before `sched_dep`. A reading that is out at
#    that very minute counts; so does one that has been out for six hours, but no older one.
# 3. Unknown humidity counts as 60. `wet` is 1 if `precip` is above 0, else 0; unknown is 0.
# 4. Every flight keeps its row, its place and its label. Nobody promises the order or the types of the columns.
#
# `board` and `sky` make small tables. All times are UTC.

# %%
two = board(("JFK", "2013-07-01 16:00"), ("LGA", "2013-07-01 16:00"))
print(features(two, sky(("JFK", "2013-07-01 12:00", 70, 0.0), ("LGA", "2013-07-01 11:00", 90, 0.2))))

# %% [markdown]
# 16:00 UTC is noon in New York, so we answer at 14:00 UTC. JFK's reading of 12:00 was out at 13:00.
#
# How good is a suite of tests? Break the code on purpose, one line at a time: *mutation testing*. Each broken version
# is a *mutant*. A mutant is *killed* when a test fails on it; the others *survive*. The *mutation score* is the share
# that is killed.
#
# Some changes break no rule: `0 < seen.precip` for `seen.precip > 0`. Such a version is an *equivalent
# mutant*: no good test can kill it. Ours are kept apart, as refactorings, and your tests must pass on them.

# %% [markdown]
# ## Exercise 1: kill the mutants of the feature code
#
# Write a test class. Each test is a method `test_…(self, features)`. `features` is a pytest fixture: the version under
# test. For the flights above, `assert list(features(two, sky()).hour) == [12, 12]` is a test of rule 1.
#
# - All tests must pass on the desk's code, and on three refactorings that keep rules 1 to 4.
# - Kill at least 12 of 15 mutants, and all three leaks. A *leak* uses what was not known yet.
# - pytest runs them for real, with ten seconds for each version.


# %% answer="TestFeatures"
class TestFeatures:
    """Passes on versions of `features` that keep the rules, and on no others."""

    def test_calendar(self, features):
        ### BEGIN SOLUTION
        flights = board(("JFK", "2013-07-02 02:30"), ("JFK", "2013-07-01 16:00"), ("JFK", "2013-01-06 16:00"))
        table = features(flights.set_axis(["a", "b", "c"]), sky())
        assert list(table.index) == ["a", "b", "c"]
        assert list(table.hour) == [22, 12, 11]
        assert list(table.weekday) == [0, 0, 6]

    def test_weather(self, features):
        readings = sky(
            ("JFK", "2013-07-01 13:00", 70, 0.0),  # out at 14:00, the moment of the answer
            ("LGA", "2013-07-01 07:00", 80, 0.1),  # out at 08:00, six hours before
            ("LGA", "2013-07-01 13:01", 90, 0.0),  # out at 14:01, too late
            ("EWR", "2013-07-01 07:29", 95, 0.2),  # out at 08:29, a minute too old
        )
        flights = board(("EWR", "2013-07-01 16:30"), ("JFK", "2013-07-01 16:00"), ("LGA", "2013-07-01 16:00"))
        table = features(flights, readings)
        assert list(table.humid) == [60, 70, 80]
        assert list(table.wet) == [0, 0, 1]
        ### END SOLUTION


# %% check="TestFeatures" points=4
tests = suites.collect(globals(), "TestFeatures")
found = suites.findings(tests, DESK, planted.FEATURES, planted.RIGHT_FEATURES, "features", tools)
print(found.words)
# Read above what your tests say about the desk's own code: it keeps every rule, so a test has to change.
check("Your tests pass on the desk's own code", found.given, [])
# Ask only for what the rules promise: the name of the refactoring says what else your tests have fixed.
check("They pass on three refactorings", found.refactored, [])
# Take a mutant that survived, find its rule, and write the smallest table on which rule and mutant differ.
check("They kill 12 of 15 mutants", found.survived, satisfies("names at most three mutants", lambda m: len(m) <= 3))
# Put a reading into the table that comes out after the moment of the answer: only a leak can see it.
check("They kill all three leaks", [m for m in found.survived if "leak" in m], [])
### BEGIN HIDDEN TESTS
mutants = [
    ("three hours before", 'pd.Timedelta("2h")', 'pd.Timedelta("3h")'),
    ("the mean humidity", "fillna(60)", "fillna(seen.humid.mean()).fillna(60)"),
    ("no zone", '.dt.tz_convert("America/New_York")', ""),
    ("an hour old at most", 'pd.Timedelta("6h")', 'pd.Timedelta("1h")'),
]
right = {
    "minutes": [('"6h"', '"360min"')],
    "one more column": [("(columns)", "(columns).assign(now=flights.sched_dep)")],
}
more = suites.findings(tests, DESK, mutants, right, "features", tools)
# Leave open whatever the rules leave open.
check("They pass on two more refactorings", more.refactored, [])
# Cover every rule, each from both sides.
check("They kill two of four more mutants", more.survived, satisfies("names two at most", lambda m: len(m) <= 2))
### END HIDDEN TESTS


# %% mistake="TestFeatures"
# Assert what the numbers should be: a table can have the right shape, no gaps and hours up to 23, and all be wrong.
class TestFeatures:
    def test_shape(self, features):
        table = features(board(("JFK", "2013-07-02 03:00"), ("LGA", "2013-07-01 16:00")), sky())
        assert len(table) == 2 and {"hour", "weekday", "humid", "wet"} <= set(table.columns)
        assert table.notna().all(axis=None) and table.hour.between(0, 23).all()


# %% mistake="TestFeatures"
# No mutant was killed: assert numbers worked out by hand; pytest does not see what a test returns, catches or prints.
class TestFeatures:
    def test_hour(self, features):
        try:
            assert list(features(two, sky()).hour) == [12, 12]
        except AssertionError:
            print("the hour is wrong")


# %% mistake="TestFeatures"
# Test the weather too: the calendar has two rules, and most faults are in the readings.
# - assert list(table.humid) == [60, 70, 80]
# + assert len(table) == 3
# - assert list(table.wet) == [0, 0, 1]
# + assert set(table.wet) <= {0, 1}

# %% mistake="TestFeatures"
# Work the numbers out by hand: what is computed with the code's own helper is wrong together with it.
# - assert list(table.humid) == [60, 70, 80]
# + assert list(table.humid) == list(newest_reading(flights, readings).humid.fillna(60))
# - assert list(table.wet) == [0, 0, 1]
# + assert list(table.wet) == list((newest_reading(flights, readings).precip > 0).astype(int))

# %% mistake="TestFeatures"
# Ask for columns by name: a frozen copy of today's table also fixes their order and types, which nobody promised.
# - assert list(table.wet) == [0, 0, 1]
# + assert list(table.columns) == ["hour", "weekday", "humid", "wet"]

# %% mistake="TestFeatures"
# Put a reading into the table that comes out after the moment of the answer: only a leak can see it.
# - 13:01
# + 06:01


# %% alternative="TestFeatures"
# Against a slow and plain search, written anew from the rules, on random boards and skies.
def wanted(flight, readings):
    then, clock = flight.sched_dep - pd.Timedelta("120min"), flight.sched_dep.tz_convert("US/Eastern")
    ages = {
        (then - r.time_hour).total_seconds() / 3600 - 1: r for r in readings.itertuples() if r.origin == flight.origin
    }
    fit = [age for age in ages if 0 <= age <= 6]
    humid, rain = (ages[min(fit)].humid, ages[min(fit)].precip) if fit else (60, 0)
    return [clock.hour, clock.weekday(), humid, int(rain > 0)]


class TestFeatures:
    def test_search(self, features):
        dice = np.random.default_rng(3)
        for start in ("2013-07-01", "2013-01-06"):
            times = [pd.Timestamp(start) + pd.Timedelta(int(m), "min") for m in dice.integers(0, 28, 24) * 60]
            flights = board(*zip(dice.choice(["JFK", "LGA"], 24), times))
            hours = pd.Timestamp(start) + pd.to_timedelta(dice.choice(24, 7, replace=False), "h")
            readings = sky(
                *[(o, h, 50.0 + 10 * (o == "JFK"), float(h.hour % 2)) for h in hours for o in ("JFK", "LGA")]
            )
            table = features(flights, readings)
            for (_, got), flight in zip(table.iterrows(), flights.itertuples()):
                assert [got[n] for n in ("hour", "weekday", "humid", "wet")] == wanted(flight, readings)


# %% [markdown]
# Compare your tests with a simpler one. *Line coverage* is the share of the code's lines that run in a test. Guess
# first: how high is it for `TestNoon`, and how many of the 15 mutants does it kill?


# %%
class TestNoon:
    def test_noon(self, features):
        row = features(two[:1], sky(("JFK", "2013-07-01 12:30", 70, 0.1))).iloc[0]
        assert row[["hour", "weekday", "humid", "wet"]].tolist() == [12, 0, 70, 1]


# %%
ran, there = desk.lines_run(lambda: TestNoon().test_noon(features), newest_reading, features)
print(f"TestNoon: {ran} of {there} lines run")
alive = {}
for name, suite in {"TestNoon": TestNoon, "TestFeatures": yours("TestFeatures", desk.TestFeatures)}.items():
    tests = suites.collect(globals() | {"TestIt": suite}, "TestIt")
    alive[name] = suites.findings(tests, DESK, planted.FEATURES, {}, "features", tools).survived
    print(f"{name}: {15 - len(alive[name])} of 15 mutants killed")

# %% fold
kinds = [kind for kind, *_ in planted.FEATURES]
figure, axis = plt.subplots(figsize=(9, 4.6), layout="constrained")
for place, name in enumerate(alive):
    for kind in kinds:
        caught = kind not in alive[name]
        style = {"marker": "o", "s": 80, "color": "#0072B2"} if caught else {"marker": "x", "s": 50, "color": "#D55E00"}
        axis.scatter([place], [kind], **style)
handles = [
    plt.Line2D([], [], marker="o", color="#0072B2", linestyle="", label="killed"),
    plt.Line2D([], [], marker="x", color="#D55E00", linestyle="", label="survived"),
]
axis.set(xticks=range(2), xticklabels=list(alive), xlim=(-0.6, 1.6), xlabel="tests", ylabel="mutant")
axis.invert_yaxis()
figure.legend(handles=handles, loc="outside upper right", ncols=2, frameon=False)
plt.show()

# %% [markdown]
# `TestNoon` runs every line and kills 4 of 15. Line coverage says that a line has run. It does not say that anybody
# looked at what the line did. The mutation score does. The colleague's Monday is the fourth row.

# %% [markdown]
# ## A model has no right numbers
#
# The features are right. Is the model? Its numbers change with every training. But we can write down how it must
# behave (*CheckList*, Ribeiro et al., 2020). Here are three models: the desk's, boosted trees, and a tree that learnt
# winter by heart. Guess first: which has the lowest loss in winter, and which in April?

# %% fold
from sklearn.base import clone
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.pipeline import make_pipeline
from sklearn.tree import DecisionTreeClassifier

spring = table[table.month.isin([2, 3])]
other = train(spring[CATEGORIES + NUMBERS], spring.late)
boosted = HistGradientBoostingClassifier(max_iter=60, learning_rate=0.05, max_leaf_nodes=15, random_state=0)
trees = make_pipeline(clone(champion[0]).set_params(sparse_threshold=0), boosted).fit(winter, winter.late)
by_heart = make_pipeline(clone(champion[0]), DecisionTreeClassifier(random_state=0)).fit(winter, winter.late)
models = {"champion": champion, "other": other, "trees": trees, "by_heart": by_heart, "winter": winter}
models |= {"CATEGORIES": CATEGORIES, "NUMBERS": NUMBERS, "np": np, "pd": pd, "predict": predict}

# %%
three = {"the desk's": champion, "boosted trees": trees, "winter by heart": by_heart}
wet, dry = april.assign(wet=1.0), april.assign(wet=0.0)
rows = {}
for name, model in three.items():
    rain = predict(model, wet) - predict(model, dry)
    losses = [log_loss(r.late, predict(model, r)) for r in (winter, april)]
    rows[name] = [*losses, rain.mean(), (rain > 0).mean()]
pd.DataFrame(rows, index=["loss, winter", "loss, April", "rain adds, mean", "rain adds, share of flights"]).T.round(3)

# %% [markdown]
# The tree has the lowest loss on what it learnt, and by far the highest in April. So test on days that the model has
# not seen. Boosted trees are about as good as the desk's model, but rain does not raise every answer of theirs. So ask
# for a direction on average.
#
# `p_late` is the desk's service.


# %%
def p_late(flights):
    """The probability of being late, an array with a number per row; `flights` has at least the nine inputs."""
    known = flights[CATEGORIES + NUMBERS]
    return predict(champion, known)


MODEL = suites.source(p_late)

# %% [markdown]
# ## Exercise 2: test how a model behaves
#
# Write `TestBehaviour`. A test's argument is `p_late`, as in `assert p_late(wet).mean() > p_late(dry).mean()`.
#
# - *Minimum functionality*: a number from 0 to 1 for each row, also when `dest` is new, or `humid`, `visib` and `wet`
#   are missing. On `april`, `log_loss` is below that of `winter.late.mean()` told to all.
# - *Invariance*: other rows, their order and further columns change no answer.
# - *Direction*, on average, all else equal: `wet` 1 gives more than `wet` 0, `visib` 1 than `visib` 10, `hour` 20 than
#   `hour` 6.
# - Kill 8 of 10 faulty models, among them winter learnt by heart. Three good models must pass.


# %% answer="TestBehaviour"
class TestBehaviour:
    """Passes on models that behave, whatever their numbers."""

    def test_minimum(self, p_late):
        ### BEGIN SOLUTION
        said = p_late(april)
        assert len(said) == len(april) and (said >= 0).all() and (said <= 1).all()
        assert log_loss(april.late, said) < log_loss(april.late, winter.late.mean())

    def test_unknown(self, p_late):
        rows = april[:20]
        for strange in ({"dest": "XYZ"}, {"humid": np.nan, "visib": np.nan, "wet": np.nan}):
            said = p_late(rows.assign(**strange))
            assert len(said) == 20 and np.isfinite(said).all()

    def test_invariance(self, p_late):
        rows = april[:200]
        said = p_late(rows)
        assert p_late(rows[::-1])[::-1] == pytest.approx(said)
        assert p_late(rows[:7].assign(tailnum="N1")) == pytest.approx(said[:7])

    @pytest.mark.parametrize("name, less, more", [("wet", 0.0, 1.0), ("visib", 10.0, 1.0), ("hour", 6, 20)])
    def test_direction(self, p_late, name, less, more):
        low, high = (p_late(april[::3].assign(**{name: value})) for value in (less, more))
        assert high.mean() > low.mean()
        ### END SOLUTION


# %% check="TestBehaviour" points=3
tests = suites.collect(globals(), "TestBehaviour")
found = suites.findings(tests, MODEL, planted.BEHAVIOUR, planted.RIGHT_BEHAVIOUR, "p_late", models)
print(found.words)
# Read above what your tests say about the desk's own model: it does all that is asked for, so a test has to change.
check("Your tests pass on the desk's own model", found.given, [])
# Ask only for what the desk asks for: other good models have other numbers, and directions on average.
check("They pass on three other good models", found.refactored, [])
# Take a model that survived, find the kind of test that it should fail, and push exactly that.
check("They kill 8 of 10 faulty models", found.survived, satisfies("names at most two models", lambda m: len(m) <= 2))
# Compare losses on April, which no model has seen.
check("They kill the model that learnt by heart", [m for m in found.survived if "heart" in m], [])
### BEGIN HIDDEN TESTS
given = "return predict(champion, known)"
mutants = [
    ("one number for all", given, "return np.full(len(known), winter.late.mean())"),
    ("sorted by label", given, "return pd.Series(predict(champion, known), flights.index).sort_index().to_numpy()"),
    ("never better than ten miles", given, "return predict(champion, known.assign(visib=10.0))"),
    ("far too sure", given, "p = predict(champion, known)\n    return p**4 / (p**4 + (1 - p) ** 4)"),
]
right = {"a little less sure": [(given, "return 0.98 * predict(champion, known) + 0.01")]}
more = suites.findings(tests, MODEL, mutants, right, "p_late", models)
# Leave open whatever the desk leaves open.
check("They pass on one more good model", more.refactored, [])
# Test each of the three kinds.
check("They kill two of four more faulty models", more.survived, satisfies("names two at most", lambda m: len(m) <= 2))
### END HIDDEN TESTS


# %% mistake="TestBehaviour"
# Ask what the answers are worth, and push the inputs: a number from 0 to 1 for each row is what bad models give too.
class TestBehaviour:
    def test_range(self, p_late):
        said = p_late(april.assign(dest="XYZ"))
        assert len(said) == len(april) and (said >= 0).all() and (said <= 1).all()


# %% mistake="TestBehaviour"
# Push each input that must matter, and ask strange flights: a good loss hides a model that never looks at the rain.
class TestBehaviour:
    def test_loss(self, p_late):
        assert log_loss(april.late, p_late(april)) < log_loss(april.late, winter.late.mean())


# %% mistake="TestBehaviour"
# Measure on April: on its own training rows the model that learnt them by heart is the best.
# - assert log_loss(april.late, said) < log_loss(april.late, winter.late.mean())
# + assert log_loss(winter.late, p_late(winter)) < log_loss(winter.late, winter.late.mean())

# %% mistake="TestBehaviour"
# Leave the numbers open: the next training gives others, and is as good.
# - assert len(said) == len(april) and
# + assert said == pytest.approx(predict(champion, april)) and

# %% mistake="TestBehaviour"
# Ask for the direction on average: in a good model, rain need not raise the answer for every single flight.
# - assert high.mean() > low.mean()
# + assert (high > low).all()


# %% alternative="TestBehaviour"
# Questions about single flights and small groups, in plain loops.
def ask(p_late, rows, **changes):
    return float(np.mean(p_late(rows.assign(**changes))))


class TestBehaviour:
    def test_questions(self, p_late):
        rows = april.sample(300, random_state=2)
        for name, less, more in (("wet", 0, 1), ("visib", 10, 1), ("hour", 6, 20)):
            assert ask(p_late, rows, **{name: more}) > ask(p_late, rows, **{name: less})
        for changes in ({"dest": "???"}, {"humid": None, "visib": None, "wet": None}):
            assert 0 <= ask(p_late, rows[:1].astype({"wet": float}), **changes) <= 1

    def test_alone(self, p_late):
        together = list(p_late(april[:2]))
        alone = [float(p_late(april[i : i + 1])[0]) for i in range(2)]
        assert np.allclose(together, alone)

    def test_days_to_come(self, p_late):
        late, said = april.late.to_numpy(), np.asarray(p_late(april))
        lost = -np.log(np.clip(np.where(late == 1, said, 1 - said), 1e-4, 1)).mean()
        share = winter.late.mean()
        assert lost < -(late.mean() * np.log(share) + (1 - late.mean()) * np.log(1 - share))


# %% [markdown]
# ## Every part is right, and the whole is wrong
#
# Tests of behaviour outlive a model: the next training has to pass the same ones. But they do not see which labels a
# model learnt from. An *end-to-end test* does. It runs the whole pipeline on a small world.


# %%
def pipeline(messages, cut):
    """Learn from what was known at `cut`, answer for the flights that leave later: trained, p_late and loss."""
    flights = messages.drop_duplicates("flight_id").set_index("flight_id")
    train = flights[flights.arr <= cut]
    asked = flights[flights.sched_dep > cut]
    rate = train.groupby("hour").late.mean()
    p_late = asked.hour.map(rate).fillna(train.late.mean())
    loss = ((p_late - asked.late) ** 2).mean()
    return {"trained": len(train), "p_late": p_late, "loss": loss}


# %%
WHOLE, CUT = suites.source(pipeline), pd.Timestamp("2013-01-02", tz="UTC")
few = inbox(
    (1, 8, "2013-01-01 13:00", "2013-01-01 15:00", 1),
    (2, 8, "2013-01-01 13:30", "2013-01-01 15:30", 0),
    (3, 9, "2013-01-01 14:00", None, None),
    (4, 8, "2013-01-02 13:00", "2013-01-02 15:00", 1),
)
result = pipeline(few, CUT)
print("trained:", result["trained"], " p_late:", result["p_late"].to_dict(), " loss:", result["loss"])

# %% [markdown]
# Flight 3 was cancelled. Of the two flights at 8 that had arrived, one was late. So flight 4 gets 0.5. It was late, so
# its squared error is 0.25.

# %% [markdown]
# ## Exercise 3: test the whole pipeline
#
# Write `TestPipeline`; the argument of its tests is `pipeline`. `inbox` makes worlds. The rules:
#
# - It learns from flights that had arrived by `cut`. A message may come twice. A cancelled flight has no `arr` and no
#   `late`.
# - `p_late`, a Series by flight, answers for every flight that leaves after `cut`: the late share of its hour, or of
#   all flights if its hour is new.
# - `loss` is the mean squared error over those that arrived in the end.
# - The same messages give the same answer, however often it runs.
# - Kill 8 of 10 mutants, and all three leaks. Three refactorings must pass.


# %% answer="TestPipeline"
class TestPipeline:
    """Passes on pipelines that keep the rules from end to end, and on no others."""

    def test_world(self, pipeline):
        ### BEGIN SOLUTION
        world = inbox(
            (9, 12, "2013-01-02 17:00", "2013-01-02 19:00", 1),  # an hour never seen
            (1, 8, "2013-01-01 13:00", "2013-01-01 15:00", 1),
            (1, 8, "2013-01-01 13:00", "2013-01-01 15:00", 1),  # again
            (2, 8, "2013-01-01 13:30", "2013-01-02 00:00", 0),  # arrives at the very cut
            (3, 9, "2013-01-01 14:00", None, None),  # cancelled
            (4, 9, "2013-01-01 14:10", "2013-01-01 16:00", 0),
            (5, 8, "2013-01-01 23:50", "2013-01-02 02:00", 1),  # in the air at the cut
            (6, 8, "2013-01-02 13:00", "2013-01-02 15:00", 1),
            (7, 9, "2013-01-02 14:00", "2013-01-02 16:00", 0),
            (8, 9, "2013-01-02 14:30", None, None),  # will be cancelled
        )
        for _ in range(2):
            result = pipeline(world, CUT)
            assert result["trained"] == 3
            assert result["p_late"].to_dict() == pytest.approx({6: 1 / 2, 7: 0, 8: 0, 9: 1 / 3})
            assert result["loss"] == pytest.approx((1 / 4 + 0 + 4 / 9) / 3)
        ### END SOLUTION


# %% check="TestPipeline" points=3
tests = suites.collect(globals(), "TestPipeline")
found = suites.findings(tests, WHOLE, planted.PIPELINE, planted.RIGHT_PIPELINE, "pipeline", tools)
print(found.words)
# Read above what your tests say about the desk's own pipeline: it keeps every rule, so a test has to change.
check("Your tests pass on the desk's own pipeline", found.given, [])
# Ask only for the three keys, look answers up by flight, and compare floats with pytest.approx.
check("They pass on three refactorings of the pipeline", found.refactored, [])
# Take a mutant that survived, and put a flight into your world on which it goes wrong.
check("They kill 8 of 10 mutants", found.survived, satisfies("names at most two mutants", lambda m: len(m) <= 2))
# Build a world in which a label that came after the cut, or a loss on the training rows, would change a number.
check("They kill all three leaks of the pipeline", [m for m in found.survived if "leak" in m], [])
### BEGIN HIDDEN TESTS
late = "flights[flights.sched_dep > cut]"
mutants = [
    ("the hour ignored", "asked.hour.map(rate)", "asked.hour.map({})"),
    ("labels at the very cut left out", "flights.arr <= cut", "flights.arr < cut"),
    ("only hours seen", late, late + "\n    asked = asked[asked.hour.isin(train.hour)]"),
    ("squares forgotten", "** 2)", "** 1)"),
]
right = {
    "the last of two": [('"flight_id").set', '"flight_id", keep="last").set')],
    "a size": [("len(train)", "train.late.size")],
}
more = suites.findings(tests, WHOLE, mutants, right, "pipeline", tools)
# Leave open whatever the rules leave open.
check("They pass on two more refactorings of the pipeline", more.refactored, [])
# Work out an answer, a loss and a count.
check("They kill two of four more", more.survived, satisfies("names at most two of them", lambda m: len(m) <= 2))
### END HIDDEN TESTS


# %% mistake="TestPipeline"
# Ask what came out, not only that something did: a run without an error is the least a pipeline can do.
class TestPipeline:
    def test_runs(self, pipeline):
        result = pipeline(few, CUT)
        assert set(result) >= {"trained", "p_late", "loss"} and result["p_late"].between(0, 1).all()


# %% mistake="TestPipeline"
# Put the real world's dirt into the test's: a message twice, a flight cancelled tomorrow, a new hour, a second run.
class TestPipeline:
    def test_few(self, pipeline):
        result = pipeline(few, CUT)
        assert result["trained"] == 2 and result["p_late"].to_dict() == {4: 0.5} and result["loss"] == 0.25


# %% mistake="TestPipeline"
# Look answers up by flight, in any order: nobody promised one.
# - assert result["p_late"].to_dict() == pytest.approx({6: 1 / 2, 7: 0, 8: 0, 9: 1 / 3})
# + assert list(result["p_late"]) == pytest.approx([1 / 3, 1 / 2, 0, 0])

# %% mistake="TestPipeline"
# Compare floats with pytest.approx: the last digits depend on the order of a sum.
# - == pytest.approx({6: 1 / 2, 7: 0, 8: 0, 9: 1 / 3})
# + == {6: 1 / 2, 7: 0, 8: 0, 9: 1 / 3}

# %% mistake="TestPipeline"
# Ask for the keys that are promised, and leave others be: a later version may tell more.
# - assert result["trained"] == 3
# + assert list(result) == ["trained", "p_late", "loss"] and result["trained"] == 3

# %% mistake="TestPipeline"
# Let a flight be in the air at the cut: its label is in your table, but nobody knew it yet.
# - (5, 8, "2013-01-01 23:50", "2013-01-02 02:00", 1)
# + (5, 8, "2013-01-01 23:50", None, None)


# %% alternative="TestPipeline"
# Hardly a number worked out: what must change an answer, and what must not, on ten real days.
days = flights().query("origin == 'LGA' and month == 1 and day <= 10")
days = days[["flight_id", "hour", "sched_dep", "arr", "late"]].reset_index(drop=True)
LATER = pd.Timestamp("2013-01-06 18:00", tz="UTC")


@pytest.fixture
def result(pipeline):
    return pipeline(days.copy(), LATER)


class TestPipeline:
    def test_counts(self, pipeline, result):
        assert result["trained"] == (days.arr <= LATER).sum()
        assert sorted(result["p_late"].index) == sorted(days.flight_id[days.sched_dep > LATER])
        again = pipeline(pd.concat([days, days]).sample(frac=1, random_state=2), LATER)
        assert again["trained"] == result["trained"]
        assert np.allclose(again["p_late"].sort_index(), result["p_late"].sort_index())

    def test_future(self, pipeline, result):
        turned = days.assign(late=days.late.where(days.arr <= LATER, 1 - days.late))
        other = pipeline(turned, LATER)
        assert other["p_late"].to_dict() == pytest.approx(result["p_late"].to_dict())
        assert abs(other["loss"] - result["loss"]) > 0.01

    def test_loss(self, pipeline):
        said = pipeline(days.assign(hour=np.where(days.sched_dep > LATER, 30, days.hour)), LATER)
        share, after = days.late[days.arr <= LATER].mean(), days.late[days.sched_dep > LATER]
        assert set(said["p_late"].round(6)) == {round(share, 6)}
        assert said["loss"] == pytest.approx(((after - share) ** 2).mean())


# %% [markdown]
# ## The last test is traffic
#
# Real traffic shows what no test foresees. A *shadow* model is asked whatever the live model is asked, and its answers
# reach nobody. What remains is to judge it, from a `log` with a row per flight: `day`, the probabilities `live` and
# `shadow` (missing where the shadow gave none), and `late` (0, 1 or missing).

# %% [markdown]
# ## Exercise 4: judge a shadow
#
# Return a dict. For two days with gains of 0.3 and 0.5, `gain` is 0.4 and `error` is 0.1.
#
# - `silent`: the share of flights without an answer of the shadow.
# - `changed`: of the flights that both answered, the share that only one model warns (from `WARN` on).
# - `gain`: live's log loss minus the shadow's, where `late` is known: each day's mean, then the mean of the days.
# - `error`: the days' standard deviation (with $n - 1$) over $\sqrt n$.
# - `advice`: "mend" if `silent` > 0.01; else "wait" if fewer than `planned` days have a gain; else "promote" if `gain`
#   > 2 `error`; else "keep".


# %% answer="shadow_report"
def shadow_report(log, planned=28):
    """How a shadow compares with the live model: silent, changed (shares), gain, error (nats a flight), advice."""
    ### BEGIN SOLUTION
    both = log.dropna(subset="shadow")
    landed = both.dropna(subset="late")
    right = {name: landed[name].where(landed.late == 1, 1 - landed[name]) for name in ("live", "shadow")}
    days = np.log(right["shadow"] / right["live"]).groupby(landed.day).mean()
    gain, error = days.mean(), days.std() / np.sqrt(len(days))
    silent, changed = log.shadow.isna().mean(), ((both.live >= WARN) != (both.shadow >= WARN)).mean()
    decided = "promote" if gain > 2 * error else "keep"
    advice = "mend" if silent > 0.01 else "wait" if len(days) < planned else decided
    return {"silent": silent, "changed": changed, "gain": gain, "error": error, "advice": advice}
    ### END SOLUTION


# %% check="shadow_report" points=3
four = pd.DataFrame({"day": [1, 1, 1, 2], "live": [0.2, 0.3, 0.1, 0.4], "shadow": [0.5, 0.2, 0.1, 0.6]})
four["late"] = [1.0, 0.0, 0.0, 1.0]
gaps, unknown = four.assign(shadow=[0.5, 0.2, 0.1, None]), four.assign(late=[1.0, 0.0, None, 1.0])
# Return a dict with the five keys, and promote only for a gain of more than two errors.
check("A shadow that says the same is not promoted", shadow_report(four.assign(shadow=four.live), 2)["advice"], "keep")
# Count the flights that exactly one of the two warns; 0.3 warns.
check("Two of four flights are warned by one model only", shadow_report(four)["changed"], 0.5)
# Take live's loss minus the shadow's, average within each day first, then over days.
check("The gain of four flights on two days", shadow_report(four)["gain"], 0.37770)
# Take the standard deviation of the days' gains, with n − 1, and divide by the root of the number of days.
check("Its error comes from two days, not from four flights", shadow_report(four)["error"], 0.027762)
# Leave a flight without a label out of the gain, not out of `changed`.
check("A flight never arrived", [shadow_report(unknown)[k] for k in ("gain", "changed")], [0.46519, 0.5])
# Give `silent` as a share of all flights, and leave those without an answer out of `changed`.
check("One answer in four is missing", [shadow_report(gaps)[k] for k in ("silent", "changed")], [0.25, 2 / 3])
# Ask for silence first, then for the planned days, then for the gain.
check(
    "Advice: a clear gain on two days planned, on three, and with one answer in four missing",
    [shadow_report(four, 2)["advice"], shadow_report(four, 3)["advice"], shadow_report(gaps, 3)["advice"]],
    ["promote", "wait", "mend"],
)
### BEGIN HIDDEN TESTS
dice = np.random.default_rng(class_seed("shadow_report"))
many = pd.DataFrame({"day": np.sort(dice.integers(0, 12, 300) ** 2 // 12), "live": dice.integers(1, 20, 300) / 20})
many["shadow"], many["late"] = dice.integers(1, 20, 300) / 20, dice.integers(0, 2, 300).astype(float)
many.loc[::7, "late"] = many.loc[::11, "shadow"] = None
### BEGIN EXPECTED
both = many[many.shadow.notna() & many.late.notna()]
lost = {m: -(both.late * np.log(both[m]) + (1 - both.late) * np.log(1 - both[m])) for m in ("live", "shadow")}
drawn = (lost["live"] - lost["shadow"]).groupby(both.day).mean().mean()
### END EXPECTED
# Average within each day, then over days.
check("Three hundred flights of the class's own", shadow_report(many)["gain"], drawn)
# A shadow that is worse stays a shadow.
check(
    "Worse is not better", shadow_report(four.rename(columns={"live": "shadow", "shadow": "live"}), 2)["advice"], "keep"
)
# Without a day there is no gain, and nothing to decide.
check("Nobody has landed yet", shadow_report(four.assign(late=np.nan))["advice"], "wait")
### END HIDDEN TESTS


# %% mistake="shadow_report"
# Take live minus shadow: a gain is what the shadow would save.
# - right["shadow"] / right["live"]
# + right["live"] / right["shadow"]

# %% mistake="shadow_report"
# Average within each day first: a day's flights share its weather, and a busy day is still one day.
# - gain, error = days.mean(),
# + gain, error = np.log(right["shadow"] / right["live"]).mean(),

# %% mistake="shadow_report"
# Count days, not flights, in the error: flights of one day are no independent witnesses.
# - days.std() / np.sqrt(len(days))
# + np.log(right["shadow"] / right["live"]).std() / np.sqrt(len(landed))

# %% mistake="shadow_report"
# Divide by n − 1 in the standard deviation: numpy's std divides by n.
# - days.std()
# + days.std(ddof=0)

# %% mistake="shadow_report"
# Leave flights without a label out of the gain: that it never arrived does not make a flight punctual.
# - landed = both.dropna(subset="late")
# + landed = both

# %% mistake="shadow_report"
# Look at silence before anything else: a shadow that skips the hard flights looks better than it is.
# - "mend" if silent > 0.01 else "wait" if len(days) < planned else decided
# + "wait" if len(days) < planned else "mend" if silent > 0.01 else decided


# %% alternative="shadow_report"
# Plain Python, flight by flight.
def shadow_report(log, planned=28):
    from statistics import mean, stdev

    rows = [row for row in log.to_dict("records") if row["shadow"] == row["shadow"] and row["shadow"] is not None]
    days = {}
    for row in rows:
        if row["late"] in (0, 1):
            live, shadow = (row[m] if row["late"] else 1 - row[m] for m in ("live", "shadow"))
            days.setdefault(row["day"], []).append(np.log(shadow) - np.log(live))
    means = [mean(values) for values in days.values()]
    silent, advice = 1 - len(rows) / len(log), "keep"
    gain = mean(means) if means else None
    error = stdev(means) / len(means) ** 0.5 if len(means) > 1 else None
    if silent > 0.01 + 1e-12:
        advice = "mend"
    elif len(means) < planned:
        advice = "wait"
    elif gain > 2 * error:
        advice = "promote"
    changed = mean((row["live"] >= WARN) != (row["shadow"] >= WARN) for row in rows)
    return {"silent": silent, "changed": changed, "gain": gain, "error": error, "advice": advice}


# %% [markdown]
# Now let three shadows run through April. One of them is the colleague's code, with the hour in London. Guess first:
# for which of them does a month tell that it is worse?

# %%
report = yours("shadow_report", desk.shadow_report)
live = said["as it should be"]
shadows = {
    "the hour in London": predict(champion, april.assign(hour=(april.hour + 5) % 24)),
    "visibility upside down": predict(champion, april.assign(visib=10 - april.visib)),
    "February and March only": predict(other, april),
}
logs = {name: april[["day", "late"]].assign(live=live, shadow=p) for name, p in shadows.items()}
told = pd.DataFrame({name: report(log) for name, log in logs.items()}).T
print(told.drop(columns="silent"))

# %% fold
daily = {name: [report(d, 1)["gain"] for _, d in log.groupby("day")] for name, log in logs.items()}
figure, axis = plt.subplots(figsize=(10, 3.2), layout="constrained")
for place, (name, gains) in enumerate(daily.items()):
    gain, error, changed = told.loc[name, ["gain", "error", "changed"]]
    axis.scatter(gains, np.full(len(gains), place + 0.2), s=14, color="#56B4E9", label="a day of April")
    style = {"fmt": "o", "color": "black", "capsize": 4, "label": "mean ± 2 errors"}
    axis.errorbar(gain, place, xerr=2 * error, **style)
    axis.annotate(f"{changed:.0%} of warnings changed", (1.01, place), xycoords=("axes fraction", "data"), va="center")
axis.axvline(0, color="black", linewidth=0.8, linestyle="--")
axis.set(yticks=range(3), yticklabels=list(daily), xlabel="gain over the live model, nats per flight", ylabel="shadow")
axis.set_ylim(2.5, -0.5)
handles, labels = axis.get_legend_handles_labels()
figure.legend(handles[:1] + handles[-1:], labels[:1] + labels[-1:], loc="outside upper left", ncols=2, frameon=False)
plt.show()

# %% [markdown]
# For none of them. London's gain is −0.006 with an error of 0.005. Read the changed warnings first: they need no
# labels, and 12 in a hundred are seen on the first night. The errors take days as independent. Storms last for days, so
# the true errors are larger.
#
# Why wait for a planned night? Suppose that a shadow is exactly as good as live: a coin decides the sign of each day's
# gain. We look at 4,000 such months.

# %%
last, any_night = desk.false_alarms(daily["the hour in London"])
print(f"gain beyond two errors, up or down: on night 28 {last:.1%}, on some night from the 5th on {any_night:.1%}")

# %% [markdown]
# Who looks every night, and stops when it looks good or bad, is misled in three months of ten. So fix the night before,
# or use a sequential test, as in *Release in steps*.

# %% [markdown]
# ## The answer
#
# Which test should have been red? One that states the hour of a flight, worked out by hand. How do we know beforehand?
# We make London a mutant, and see it killed.
#
# - *Features*: small tables at the edges of the rules. `TestNoon` ran every line and killed 4 of 15 mutants;
#   `TestFeatures` has to kill 12, and every leak.
# - *Model*: minimum functionality, invariance and direction, on days that it has not seen.
# - *Pipeline*: end to end, with the dirt of the real world and labels that nobody knew yet.
# - *Traffic*: a shadow, read by whole days on a planned night.
#
# In production, pytest runs on every commit. Hypothesis invents examples. mutmut and Cosmic Ray plant mutants. That is
# slow, so many teams do it for changed code only, and a person decides which survivors are equivalent. Great
# Expectations and pandera check data. Istio mirrors traffic to a shadow. *The ML Test Score* (Breck et al., 2017) is a
# checklist.

# %% [markdown] say="q7" points=2
# **Say it.** "How do you test a machine-learning pipeline?" Answer aloud, then write down the core.
#
# One point each:
#
# - what is tested at each level (features, data, model, pipeline, shadow), with an example;
# - how you know that the tests are any good, with a number from above.
#
# ### BEGIN SOLUTION
# Unit tests: features at the edges of their rules, with numbers worked out by hand. Checks on data at the door, for
# faults in feeds. The model: minimum functionality, invariance and direction, and a loss on unseen days; learnt by
# heart, winter's loss was 0.001. End to end: a small world with a flight in the air at the cut, so that a leak shows.
# Then a shadow on a planned night, with changed warnings first. I test the tests with mutants: a test with full line
# coverage killed 4 of 15.
# ### END SOLUTION
