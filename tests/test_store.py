"""The feature store knows what was known, serves what it trains on, and says the same as the lesson that builds it."""

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from daytwo import flights, store
from daytwo.store import DELAY, WEATHER, at, get_historical, get_online, log_of, materialise, questions, register
from sklearn.metrics import roc_auc_score

from grading.environment import SOLUTIONS
from grading.lesson.read import read

LESSON = read(SOLUTIONS / "03_features" / "01_build_a_feature_store.py")
LONG_AGO, AIRPORTS = at("00:00", 1), ["EWR", "JFK", "LGA"]


def drawn(seed, corrections=True):
    log = store.random_log(np.random.default_rng(seed), corrections=corrections)
    return store.random_questions(np.random.default_rng(1_000 + seed)), log


def view(hours):
    return DELAY._replace(ttl=pd.Timedelta(hours=hours))


@pytest.mark.parametrize("seed", range(10))
def test_training_gets_what_a_search_of_every_row_finds(seed):
    asked, log = drawn(seed)
    got = get_historical(asked, log, view(1 + seed % 5))
    assert list(got.columns) == ["delay"] and got.index.equals(asked.index)
    np.testing.assert_array_equal(got.delay, store.searched(asked, log, view(1 + seed % 5).ttl))


@pytest.mark.parametrize("seed", range(10))
def test_the_library_and_the_lesson_give_the_same(seed, built):
    (asked, log), short = drawn(seed, corrections=False), view(3)
    asked = asked.assign(delay=-1.0, event_time=LONG_AGO, remark="")  # columns that neither has anything to do with
    log = log.assign(asked_at=LONG_AGO, place=0, asked_row=0, remark="")
    pd.testing.assert_frame_equal(get_historical(asked, log, short), built["get_historical"](asked, log, short))
    runs = ["00:00-10:30", "10:30-16:00", "00:00-12:00"]
    assert store.written(materialise, log, *runs) == store.written(built["materialise"], log, *runs)
    table = materialise({}, log, DELAY, LONG_AGO, at("16:00"))
    assert set(table) == set(AIRPORTS)
    online = [f(table, ["BOS", *AIRPORTS, "JFK"], at("16:30"), short) for f in (get_online, built["get_online"])]
    pd.testing.assert_frame_equal(*online)


def test_the_registry_and_the_lesson_s_are_the_same(built):
    views = store.random_views(np.random.default_rng(3), 300)
    became = store.became(register, *views)
    assert became == store.became(built["register"], *views)
    assert store.stands(register, *views) == store.stands(built["register"], *views)
    assert {"refused", 1, 2, 3} <= set(became)


def test_an_unknown_entity_is_refused_and_changes_nothing():
    registry = {}
    with pytest.raises(ValueError, match="entity"):
        register(registry, WEATHER._replace(entity="gate"))
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
    asked = pd.DataFrame({"origin": AIRPORTS * 30, "asked_at": at("06:00", 1)})
    asked["asked_at"] += pd.to_timedelta(np.repeat(range(30), 3), unit="D")
    future = asked.rename(columns={"asked_at": "event_time"}).assign(delay=9999.0)
    future["available_time"] = future.event_time + pd.Timedelta("1s")
    log = store.delay_log()
    got = get_historical(asked, pd.concat([log, future]), DELAY)
    pd.testing.assert_frame_equal(got, get_historical(asked, log, DELAY))


def test_rows_without_an_airport_answer_nobody():
    log, asked = drawn(5)[1].astype({"origin": "object"}), drawn(5)[0].astype({"origin": "object"})
    nobody, unknown = log.sample(20, random_state=1).assign(origin=None), asked.assign(origin=None)
    both = get_historical(pd.concat([asked, unknown]), pd.concat([log, nobody]), DELAY)
    pd.testing.assert_frame_equal(both[: len(asked)], get_historical(asked, log, DELAY))
    assert both[len(asked) :].delay.isna().all()
    assert set(materialise({}, pd.concat([log, nobody]), DELAY, LONG_AGO, at("23:00"))) == set(AIRPORTS)


@pytest.mark.parametrize("seed", range(5))
def test_any_cut_into_windows_gives_the_same_table_and_runs_again_without_change(seed):
    log, dice = drawn(seed)[1], np.random.default_rng(seed)
    cuts = [
        LONG_AGO,
        *(at(f"{hour:02d}:00") for hour in sorted(dice.choice(range(7, 19), 4, replace=False))),
        at("23:00"),
    ]
    table = {}
    for window in pairwise(cuts):
        table = materialise(table, log, DELAY, *window)
    once = materialise({}, log, DELAY, LONG_AGO, cuts[-1])
    assert repr(dict(sorted(table.items()))) == repr(dict(sorted(once.items())))
    again = table
    for i in dice.permutation(5):
        again = materialise(again, log, DELAY, cuts[i], cuts[i + 1])
    assert repr(again) == repr(table)


def test_serving_reads_what_training_is_given():
    log = store.delay_log()
    log = log[log.event_time.between(at("06:00", 7), at("06:00", 10))]
    table, last = {}, LONG_AGO
    for half_hour in np.sort(np.random.default_rng(4).choice(96, 40, replace=False)):
        now = at("06:00") + half_hour * pd.Timedelta("30min")
        table, last = materialise(table, log, DELAY, last, now), now
        asked = pd.DataFrame({"origin": AIRPORTS, "asked_at": now})
        np.testing.assert_array_equal(get_online(table, AIRPORTS, now, DELAY), get_historical(asked, log, DELAY))


def test_what_is_given_stays_as_it_is():
    (asked, log), table = drawn(2), materialise({}, drawn(3)[1], DELAY, LONG_AGO, at("11:00"))
    before = asked.copy(), log.copy(), repr(table)
    get_historical(asked, log, DELAY)
    materialise(table, log, DELAY, LONG_AGO, at("23:00"))
    pd.testing.assert_frame_equal(asked, before[0])
    pd.testing.assert_frame_equal(log, before[1])
    assert repr(table) == before[2]


def test_delays_are_known_when_the_last_flight_of_the_hour_has_left():
    log, year = store.delay_log(), flights()
    assert (log.available_time >= log.event_time).all() and not log.duplicated(["origin", "event_time"]).any()
    for row in log.sample(50, random_state=0).itertuples():
        hour = year[(year.origin == row.origin) & (year.sched_dep.dt.floor("h") == row.event_time - pd.Timedelta("1h"))]
        last = max(hour.dep.max(), row.event_time)
        assert np.isclose(row.delay, hour.dep_delay.mean()) and row.available_time == last


def test_a_gain_is_that_of_the_mean_monthly_auc():
    dice = np.random.default_rng(1)
    asked = pd.DataFrame({"month": dice.integers(4, 7, 900), "day": dice.integers(1, 29, 900)})
    asked["late"] = dice.random(900) < 0.3
    before = dice.random(900).round(1)  # with ties
    after = before + 0.3 * asked.late + 0.1 * dice.normal(size=900)
    gain, low, high = store.auc_gain(asked, before, after, 500)
    by_month = asked.assign(before=before, after=after).groupby("month")[["late", "before", "after"]]
    true = by_month.apply(lambda m: roc_auc_score(m.late, m.after) - roc_auc_score(m.late, m.before)).mean()
    assert gain == pytest.approx(true) and low < gain < high and low > 0
    assert store.auc_gain(asked, before, before, 50) == (0, 0, 0)


def test_logs_questions_and_tables_in_short():
    log = log_of("LGA 12:00 12:05 10", "JFK 13:00 13:05 -")
    assert log.origin.tolist() == ["LGA", "JFK"] and log.event_time[1] == at("13:00")
    assert log.available_time[0] == at("12:05") and log.delay[0] == 10 and np.isnan(log.delay[1])
    assert store.written(materialise, log, "00:00-12:30", "12:30-14:00") == ["JFK 13:00 13:05 -", "LGA 12:00 12:05 10"]
    assert store.written(
        materialise, log.assign(gates=3), "00:00-12:30", view=DELAY._replace(features={"gates": "int"})
    ) == ["LGA 12:00 12:05 gates=3"]
    assert store.written(lambda *_: None, log, "00:00-12:30") is None
    assert store.written(lambda *_: {"LGA": {"gate": "B", "delay": 1}}, log, "00:00-12:30") == [
        "LGA no event_time no available_time gate=B 1"
    ]
    assert store.table_of("LGA 12:00 12:05 10") == {
        "LGA": {"event_time": at("12:00"), "available_time": at("12:05"), "delay": 10.0}
    }
    asked = questions("12:04", "9 12:04:01", "JFK 11:00", "EWR 9 10:00", index=[3, 3, 1, 0])
    assert asked.origin.tolist() == ["LGA", "LGA", "JFK", "EWR"] and asked.index.tolist() == [3, 3, 1, 0]
    assert asked.asked_at.tolist() == [at("12:04"), at("12:04:01", 9), at("11:00"), at("10:00", 9)]


def test_a_search_finds_the_newest_that_is_known_and_alive():
    log = log_of("LGA 12:00 12:40 15", "LGA 12:00 12:05 10", "LGA 11:00 12:50 99", "JFK 12:00 12:05 50")
    asked = questions("12:04", "12:39", "12:40", "13:00", "15:00", "15:01", "JFK 12:05", "BOS 12:05")
    found = store.searched(asked, log, pd.Timedelta("3h"))
    assert store.differing(found, [np.nan, 10, 15, 15, 15, np.nan, 50, np.nan]) == 0
    assert store.differing([1, np.nan, 2, np.nan], [1, np.nan, 3, 4]) == 2


def test_random_logs_are_full_of_what_goes_wrong_and_free_of_what_never_comes():
    for seed in range(8):
        log, plain = (store.random_log(np.random.default_rng(seed), corrections=given) for given in (True, False))
        for some in (log, plain):
            assert not some.duplicated(["origin", *store.TIMES]).any() and some.delay.isna().any()
            assert (some.available_time >= some.event_time).all()
        assert log.duplicated(["origin", "event_time"]).any()
        assert not plain.duplicated(["origin", "event_time"]).any()
        assert store.random_questions(np.random.default_rng(seed)).index.is_unique
