"""The feature store knows what was known, serves what it trains on, and says the same as the lesson that builds it."""

import ast
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from daytwo import features, flights, store, weather
from daytwo.store import DELAY, WEATHER, get_historical, get_online, materialise, register

from grading.environment import SOLUTIONS
from grading.lesson.read import read

LESSON = read(SOLUTIONS / "03_features" / "01_build_a_feature_store.py")
START = pd.Timestamp("2013-03-08 06:00", tz="UTC")
LONG_AGO = START - pd.Timedelta("99D")
AIRPORTS = ["EWR", "JFK", "LGA"]


@pytest.fixture(scope="module")
def built():
    """The lesson's own answers, by name."""
    space = {name: getattr(store, name) for name in ("View", "ENTITIES", "TYPES", "RESERVED")}
    for cell in LESSON.cells:
        if cell.kind == "code":
            imports = [node for node in ast.parse(cell.source).body if isinstance(node, ast.Import | ast.ImportFrom)]
            exec(compile(ast.Module(imports, []), str(LESSON.path), "exec"), space)
    for exercise in LESSON.exercises.values():
        exec(exercise.answer.source, space)
    return space


def half_hours(numbers):
    return START + pd.to_timedelta(30 * np.asarray(numbers), unit="min")


def drawn(seed, n=60):
    """A random log full of ties, gaps and late rows, in no order, with some rows of no airport."""
    dice = np.random.default_rng(seed)
    events = dice.integers(0, 20, n)
    log = pd.DataFrame({"origin": dice.choice([*AIRPORTS, None], n), "delay": dice.permutation(n) + 1.0})
    log["event_time"], log["available_time"] = half_hours(events), half_hours(events + dice.integers(0, 8, n))
    log.loc[dice.random(n) < 0.1, "delay"] = np.nan
    return log.assign(origin=log.origin.astype("str"), remark="").sample(frac=1, random_state=seed)


def questions(seed, n=50):
    dice = np.random.default_rng(seed + 1_000)
    asked = pd.DataFrame({"origin": dice.choice([*AIRPORTS, "BOS", None], n)}, index=dice.integers(0, 9, n))
    return asked.assign(origin=asked.origin.astype("str"), delay=-1.0, asked_at=half_hours(dice.integers(0, 40, n)))


def searched(asked, log, ttl):
    """The delay for each question, by looking at every row of the log: slow and plain."""
    rows, found = list(zip(log.event_time, log.available_time, range(len(log)), log.origin, log.delay, strict=True)), []
    for origin, moment in zip(asked.origin, asked.asked_at, strict=True):
        may = [row for row in rows if row[3] == origin and row[1] <= moment and row[0] >= moment - ttl]
        found.append(max(may)[4] if may else np.nan)
    return found


def view(hours):
    return DELAY._replace(ttl=pd.Timedelta(hours=hours))


@pytest.mark.parametrize("seed", range(10))
def test_training_gets_what_a_search_of_every_row_finds(seed):
    asked, log, short = questions(seed), drawn(seed), view(1 + seed % 5)
    got = get_historical(asked, log, short)
    assert list(got.columns) == ["delay"] and got.index.equals(asked.index)
    np.testing.assert_array_equal(got.delay, searched(asked, log, short.ttl))


@pytest.mark.parametrize("seed", range(10))
def test_the_library_and_the_lesson_give_the_same(seed, built):
    asked, log, short = questions(seed), drawn(seed), view(3)
    pd.testing.assert_frame_equal(get_historical(asked, log, short), built["get_historical"](asked, log, short))
    windows = [(LONG_AGO, half_hours(9)), (half_hours(9), half_hours(20)), (LONG_AGO, half_hours(12))]
    tables = [{}, {}]
    for since, until in windows:
        tables = [
            f(t, log, short, since, until) for f, t in zip([materialise, built["materialise"]], tables, strict=True)
        ]
    assert repr(tables[0]) == repr(tables[1]) and set(tables[0]) == set(AIRPORTS)
    online = [f(tables[0], ["BOS", *AIRPORTS, "JFK"], half_hours(21), short) for f in (get_online, built["get_online"])]
    pd.testing.assert_frame_equal(*online)
    for read_from in (get_online, built["get_online"]):
        with pytest.raises(ValueError, match="EWR"):
            read_from(tables[0], AIRPORTS, START - pd.Timedelta("1D"), short)


def test_the_registry_and_the_lesson_s_are_the_same(built):
    dice, registries, became = np.random.default_rng(3), [{}, {}], [[], []]
    for _ in range(300):
        one = store.View(
            dice.choice(["a", "b"]),
            dice.choice(["origin", "origin", "gate"]),
            {
                str(dice.choice(["x", "y", "event_time", "origin"], p=[0.5, 0.3, 0.1, 0.1])): str(
                    dice.choice(["float", "number"], p=[0.9, 0.1])
                )
            },
            dice.choice(["me", "you", " "], p=[0.7, 0.2, 0.1]),
            [pd.Timedelta("1h"), pd.Timedelta("2h"), pd.Timedelta(0), 7, None][
                dice.choice(5, p=[0.4, 0.3, 0.1, 0.1, 0.1])
            ],
        )
        for put, registry, said in zip([register, built["register"]], registries, became, strict=True):
            try:
                said.append(put(registry, one))
            except (ValueError, PermissionError) as refusal:
                said.append(type(refusal))
    assert became[0] == became[1] and registries[0] == registries[1]
    assert {ValueError, PermissionError, 1, 2, 3} <= set(became[0])


@pytest.mark.parametrize(
    "change, word",
    [({"entity": "gate"}, "entity"), ({"features": {}}, "features"), ({"owner": None}, "owner"), ({"ttl": 7}, "ttl")],
)
def test_a_refusal_names_the_field_and_changes_nothing(change, word):
    registry = {}
    with pytest.raises(ValueError, match=word):
        register(registry, WEATHER._replace(**change))
    assert registry == {}


def test_only_its_owner_changes_a_view_and_no_version_changes():
    registry, mine = {}, {"humid": "float"}
    assert [register(registry, WEATHER._replace(features=mine)) for _ in range(2)] == [1, 1]
    with pytest.raises(PermissionError, match="weather desk"):
        register(registry, WEATHER._replace(owner="operations"))
    mine["visib"] = "float"
    assert register(registry, WEATHER._replace(features=mine)) == 2
    assert [dict(v.features) for v in registry.values()] == [{"humid": "float"}, {"humid": "float", "visib": "float"}]


def test_a_planted_future_is_never_used():
    asked = pd.DataFrame(
        {"origin": AIRPORTS * 30, "asked_at": START + pd.to_timedelta(np.repeat(range(30), 3), unit="D")}
    )
    future = asked.rename(columns={"asked_at": "event_time"}).assign(delay=9999.0)
    future["available_time"] = future.event_time + pd.Timedelta("1s")
    log = store.delay_log()
    got = get_historical(asked, pd.concat([log, future]), DELAY)
    pd.testing.assert_frame_equal(got, get_historical(asked, log, DELAY))


@pytest.mark.parametrize("seed", range(5))
def test_any_cut_into_windows_gives_the_same_table_and_runs_again_without_change(seed):
    log, dice = drawn(seed), np.random.default_rng(seed)
    cuts = [LONG_AGO, *half_hours(np.sort(dice.choice(25, 4, replace=False))), half_hours(40)]
    table = {}
    for window in pairwise(cuts):
        table = materialise(table, log, DELAY, *window)
    assert repr(dict(sorted(table.items()))) == repr(
        dict(sorted(materialise({}, log, DELAY, LONG_AGO, cuts[-1]).items()))
    )
    again = table
    for i in dice.permutation(5):
        again = materialise(again, log, DELAY, cuts[i], cuts[i + 1])
    assert repr(again) == repr(table)


def test_serving_reads_what_training_is_given():
    log = store.delay_log()
    log = log[log.event_time.between(START - pd.Timedelta("1D"), START + pd.Timedelta("2D"))]
    table, last = {}, LONG_AGO
    for now in half_hours(np.sort(np.random.default_rng(4).choice(96, 40, replace=False))):
        table, last = materialise(table, log, DELAY, last, now), now
        asked = pd.DataFrame({"origin": AIRPORTS, "asked_at": now})
        np.testing.assert_array_equal(get_online(table, AIRPORTS, now, DELAY), get_historical(asked, log, DELAY))


def test_a_table_has_no_past():
    table = materialise({}, drawn(1), DELAY, LONG_AGO, half_hours(40))
    with pytest.raises(ValueError, match="EWR"):
        get_online(table, ["BOS", "EWR"], START, DELAY)
    assert get_online(table, ["BOS"], START, DELAY).delay.isna().all()


def test_what_is_given_stays_as_it_is():
    asked, log, table = questions(2), drawn(2), materialise({}, drawn(3), DELAY, LONG_AGO, half_hours(10))
    before = asked.copy(), log.copy(), repr(table)
    get_historical(asked, log, DELAY)
    materialise(table, log, DELAY, LONG_AGO, half_hours(40))
    pd.testing.assert_frame_equal(asked, before[0])
    pd.testing.assert_frame_equal(log, before[1])
    assert repr(table) == before[2]


def test_the_weather_is_that_of_the_model_of_record():
    year = flights()
    asked = year.assign(asked_at=year.sched_dep - pd.Timedelta("2h"))
    got = get_historical(asked, store.weather_log(), WEATHER)
    np.testing.assert_array_equal(got.humid, features(year, weather()).humid)


def test_delays_are_known_when_the_last_flight_of_the_hour_has_left():
    log, year = store.delay_log(), flights()
    assert (log.available_time >= log.event_time).all() and not log.duplicated(["origin", "event_time"]).any()
    for row in log.sample(50, random_state=0).itertuples():
        hour = year[(year.origin == row.origin) & (year.sched_dep.dt.floor("h") == row.event_time - pd.Timedelta("1h"))]
        assert np.isclose(row.delay, hour.dep_delay.mean()) and row.available_time == max(
            hour.dep.max(), row.event_time
        )
