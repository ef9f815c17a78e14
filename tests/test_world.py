"""The replayed world tells each thing when it became known, and its faults are what its truth says."""

from collections import Counter
from itertools import chain, pairwise
from time import perf_counter

import numpy as np
import pandas as pd
import pytest
from daytwo import Fault, World, faults, features, flights, predict, train, weather
from sklearn.linear_model import LogisticRegression

F = flights().set_index("flight_id", drop=False)
WEEK = ("2013-03-04", "2013-03-12")  # with the storm of 8 March and the start of daylight saving
CLEAN = list(World(*WEEK))
STORM = ("2013-03-07 12:00", "2013-03-08 12:00")
FLIGHTS = F[(F.sched_dep >= WEEK[0]) & (F.sched_dep < WEEK[1])]


def of(kind: str, events=CLEAN) -> list:
    return [event for event in events if event.kind == kind]


def changed(events) -> set:
    """The ids of events that are not delivered once, on time and as they are without faults."""
    expected = {event.event_id: event for event in CLEAN}
    seen = Counter(event.event_id for event in events)
    return {e.event_id for e in events if e != expected[e.event_id] or seen[e.event_id] > 1}


def with_fault(*some, seed=0) -> tuple:
    """Events and truth of a world with these faults."""
    world = World(*WEEK, faults=some, seed=seed)
    return list(world), world.truth


def test_events_come_in_the_order_they_become_available():
    times = [event.available_time for event in CLEAN]
    assert times == sorted(times)


def test_equal_times_keep_the_order_of_kinds_and_of_flights():
    kinds = ["weather", "schedule", "departure", "arrival"]
    order = [(e.available_time, kinds.index(e.kind), e.key if e.kind != "weather" else 0) for e in CLEAN]
    assert order == sorted(order)


def test_until_includes_what_becomes_available_at_that_very_time():
    world, at = World(*WEEK), CLEAN[5000].available_time
    assert world.until(at) == [event for event in CLEAN if event.available_time <= at]


def test_nothing_is_known_before_it_happened():
    assert all(event.available_time >= event.event_time for event in CLEAN)


def test_the_clock_shows_the_time_of_the_event_in_hand():
    world = World(*WEEK)
    assert world.now == pd.Timestamp("2013-03-03", tz="UTC")
    assert all(world.now == event.available_time for event in world)


def test_every_flight_scheduled_in_the_window_is_announced_a_day_before():
    assert {event.key for event in of("schedule")} == set(FLIGHTS.flight_id)
    for event in of("schedule"):
        assert event.available_time == event.data["sched_dep"] - pd.Timedelta("24h")


def test_departures_and_labels_come_when_planes_leave_and_land():
    departures = {event.key: event.available_time for event in of("departure")}
    assert departures == FLIGHTS.dep.dropna().to_dict()
    assert {event.key: event.available_time for event in of("arrival")} == FLIGHTS.arr.dropna().to_dict()
    assert {event.key: event.data["late"] for event in of("arrival")} == FLIGHTS.late.dropna().to_dict()


def test_the_last_labels_come_after_the_window():
    assert CLEAN[-1].kind == "arrival" and CLEAN[-1].available_time > pd.Timestamp(WEEK[1], tz="UTC")


def test_cancelled_flights_never_depart_and_diverted_ones_never_get_a_label():
    cancelled = set(FLIGHTS.index[FLIGHTS.dep.isna()])
    diverted = set(FLIGHTS.index[FLIGHTS.dep.notna() & FLIGHTS.arr.isna()])
    departed, arrived = ({event.key for event in of(kind)} for kind in ("departure", "arrival"))
    assert cancelled and diverted
    assert not cancelled & (departed | arrived) and diverted <= departed and not diverted & arrived


def test_only_arrivals_carry_a_label_and_nothing_before_departure_tells_the_aircraft():
    assert {event.kind for event in CLEAN if "late" in event.data or "arr_delay" in event.data} == {"arrival"}
    assert {event.kind for event in CLEAN if "tailnum" in event.data} == {"departure"}


def test_weather_of_an_hour_comes_an_hour_later_from_a_day_before():
    hours = weather()
    published = hours.time_hour + pd.Timedelta("1h")
    told = hours[(published >= "2013-03-03") & (published < WEEK[1])]
    assert {(e.key, e.event_time) for e in of("weather")} == set(zip(told.origin, told.time_hour, strict=True))
    assert all(e.available_time - e.event_time == pd.Timedelta("1h") for e in of("weather"))


def test_event_ids_are_unique_and_values_plain():
    assert len({event.event_id for event in CLEAN}) == len(CLEAN)
    kinds = {type(value) for event in CLEAN for value in event.data.values()}
    assert kinds == {str, int, float, type(None), pd.Timestamp}


def test_neighbouring_worlds_share_no_flight_and_lose_none():
    middle = "2013-03-08"
    halves = [{e.key for e in of("schedule", World(*w))} for w in ((WEEK[0], middle), (middle, WEEK[1]))]
    assert not halves[0] & halves[1] and halves[0] | halves[1] == set(FLIGHTS.flight_id)


def test_features_from_events_equal_features_from_tables():
    told = (pd.DataFrame([event.data for event in of(kind)]) for kind in ("schedule", "weather"))
    from_events = features(*told)
    ids = [event.key for event in of("schedule")]
    from_tables = features(F.loc[ids], weather()).reset_index(drop=True)
    pd.testing.assert_frame_equal(from_events, from_tables, check_dtype=False)


def test_same_arguments_same_events_and_another_seed_other_hits():
    some = [faults.duplicates(), faults.out_of_order(), faults.flipped_labels()]
    first, again, other = with_fault(*some), with_fault(*some), with_fault(*some, seed=1)
    assert first == again
    assert first != other and first[1][2].events != other[1][2].events
    assert list(World(*WEEK, seed=1)) == CLEAN


def test_replaying_from_the_beginning_tells_the_same_and_until_goes_on_from_now():
    world = World(*WEEK)
    assert next(iter(world)) == CLEAN[0]
    assert list(world) == list(world) == CLEAN
    world = World(*WEEK)
    parts = [world.until(time) for time in ("2013-03-05", "2013-03-05", "2013-03-09 03:21", "2013-03-14")]
    assert list(chain(*parts)) == CLEAN and parts[1] == [] and world.now == pd.Timestamp("2013-03-14", tz="UTC")
    assert all(event.available_time <= pd.Timestamp("2013-03-05", tz="UTC") for event in parts[0])
    with pytest.raises(ValueError, match="only runs forward"):
        world.until("2013-03-05")


def test_what_a_learner_changes_in_an_event_stays_there():
    world = World(*WEEK, faults=[faults.frozen_feed(start=STORM[0], end=STORM[1])])
    before = list(world)
    for event in list(world):
        event.data.clear()
    assert list(world) == before


CHANGES = {
    "renamed": faults.renamed_column("weather", "temp", "temperature", *STORM),
    "retyped": faults.retyped_column("schedule", "distance", str, *STORM),
    "celsius": faults.celsius(*STORM),
    "frozen": faults.frozen_feed("JFK", *STORM),
    "null": faults.null_burst("weather", "humid", 0.5, *STORM),
    "duplicates": faults.duplicates(0.1, start=STORM[0], end=STORM[1]),
    "late": faults.late_events(0.1, "6h", "arrival", *STORM),
    "out of order": faults.out_of_order(0.5, "30min", None, *STORM),
    "flipped": faults.flipped_labels(0.2, *STORM),
}


@pytest.mark.parametrize("fault", CHANGES.values(), ids=CHANGES)
def test_a_fault_changes_what_its_truth_says_and_nothing_else(fault):
    events, (truth,) = with_fault(fault)
    start, end = (pd.Timestamp(time, tz="UTC") for time in STORM)
    on_time = {event.event_id: event for event in CLEAN}
    candidates = [e for e in CLEAN if start <= e.available_time < end and fault.kind in (None, e.kind)]
    candidates = [e for e in candidates if fault.name != "frozen_feed" or e.key == "JFK"]
    assert (truth.name, truth.kind, truth.start, truth.end) == (fault.name, fault.kind, start, end)
    assert len(truth.events) == round(fault.share * len(candidates)) > 0
    assert set(truth.events) <= {event.event_id for event in candidates}
    assert changed(events) == set(truth.events)
    assert [e.available_time for e in events] == sorted(e.available_time for e in events)
    assert all(e.available_time >= on_time[e.event_id].available_time for e in events)
    assert {e.event_id for e in events} == set(on_time)


@pytest.mark.parametrize("fault", CHANGES.values(), ids=CHANGES)
def test_the_truth_is_not_in_the_events(fault):
    names = {name for event in CLEAN for name in event.data} | {"temperature"}
    assert {name for event in with_fault(fault)[0] for name in event.data} <= names


def pairs(name: str) -> list[tuple]:
    """(clean event, event with this fault) for each event that was hit."""
    events, (truth,) = with_fault(CHANGES[name])
    clean, hit = ({event.event_id: event for event in some} for some in (CLEAN, events))
    return [(clean[i], hit[i]) for i in truth.events]


def test_a_renamed_column_keeps_its_place_and_values():
    for clean, hit in pairs("renamed"):
        assert list(hit.data.values()) == list(clean.data.values())
        assert [n for n in hit.data if n not in clean.data] == ["temperature"] and "temp" not in hit.data


def test_a_retyped_column_keeps_its_meaning():
    assert all(hit.data == clean.data | {"distance": str(clean.data["distance"])} for clean, hit in pairs("retyped"))


def test_celsius_is_fahrenheit_less_32_times_five_ninths():
    for clean, hit in pairs("celsius"):
        assert hit.data["temp"] == pytest.approx((clean.data["temp"] - 32) / 1.8, abs=0.005)


def test_a_frozen_feed_repeats_the_last_reading_under_new_hours():
    frozen = pairs("frozen")
    last = [e for e in of("weather") if e.key == "JFK" and e.available_time < pd.Timestamp(STORM[0], tz="UTC")][-1]
    assert [hit.data["time_hour"] for _, hit in frozen] == [clean.event_time for clean, _ in frozen]
    assert all(hit.data | {"time_hour": 0} == last.data | {"time_hour": 0} for _, hit in frozen)


def test_a_null_burst_empties_one_column():
    assert all(hit.data == clean.data | {"humid": None} for clean, hit in pairs("null"))


def test_duplicates_come_twice_within_their_time():
    events, (truth,) = with_fault(CHANGES["duplicates"])
    assert len(events) == len(CLEAN) + len(truth.events)
    times = {i: [e.available_time for e in events if e.event_id == i] for i in truth.events[:50]}
    assert all(len(pair) == 2 and pair[1] - pair[0] <= pd.Timedelta("10min") for pair in times.values())


def test_late_events_are_late_by_their_delay():
    for clean, hit in pairs("late"):
        assert hit.available_time - clean.available_time == pd.Timedelta("6h") and hit.data == clean.data


def test_out_of_order_events_overtake_one_another_and_clean_ones_do_not():
    def overtaken(events):
        times = [event.event_time for event in of("departure", events)]
        return sum(a > b for a, b in pairwise(times))

    assert overtaken(CLEAN) == 0
    assert overtaken(with_fault(CHANGES["out of order"])[0]) > 50
    assert all(
        hit.available_time - clean.available_time <= pd.Timedelta("30min") for clean, hit in pairs("out of order")
    )


def test_flipped_labels_are_turned_round_and_the_delay_is_not():
    assert all(hit.data == clean.data | {"late": 1 - clean.data["late"]} for clean, hit in pairs("flipped"))


def test_faults_on_one_event_go_from_sensor_to_value_to_type_to_name():
    made = [
        faults.renamed_column("weather", "temp", "t"),
        faults.retyped_column("weather", "temp"),
        faults.celsius(),
        faults.frozen_feed(),
    ]
    events, truth = with_fault(*made)
    inside = [e for e in of("weather", events) if pd.Timestamp(WEEK[0], tz="UTC") <= e.available_time]
    assert [t.name for t in truth] == ["renamed_column", "retyped_column", "celsius", "frozen_feed"]
    assert all(isinstance(event.data["t"], str) for event in inside)
    assert len({(event.key, event.data["t"]) for event in inside}) == 3
    assert all(set(t.events) == {event.event_id for event in inside} for t in truth)


def test_a_null_label_can_be_flipped_and_stays_null():
    events, (_, flipped) = with_fault(faults.null_burst("arrival", "late"), faults.flipped_labels(1.0))
    hit = set(flipped.events)
    assert {event.data["late"] for event in events if event.event_id in hit} == {None}


def test_one_replica_of_three_is_slow_while_the_fault_lasts():
    world, sound = (World(*WEEK, faults=some) for some in ([faults.slow_replica(8, None, *STORM)], []))
    slow = world.truth[0].options["replica"]
    for time, factor in (("2013-03-07", 1), ("2013-03-08", 8), ("2013-03-09", 1)):
        world.until(time), sound.until(time)
        for flight in FLIGHTS.flight_id[:300]:
            answer, usual = world.respond(flight), sound.respond(flight)
            assert answer.replica == usual.replica
            expected = usual.latency_ms * (factor if answer.replica == slow else 1)
            assert answer.latency_ms == pytest.approx(expected, abs=0.01)
    latencies = [sound.respond(flight).latency_ms for flight in FLIGHTS.flight_id[:1000]]
    assert 18 < np.median(latencies) < 22
    assert {sound.respond(flight).replica for flight in FLIGHTS.flight_id[:100]} == {0, 1, 2}


def test_a_bad_artefact_serves_another_model_while_the_fault_lasts():
    x = features(FLIGHTS, weather())
    model, known = train(x, FLIGHTS.late), FLIGHTS.late.notna()
    world = World(*WEEK, faults=[faults.bad_artefact(*STORM)])
    before = predict(model, x)
    world.until("2013-03-07")
    assert world.artefact(model) is model
    world.until("2013-03-08")
    bad = predict(world.artefact(model), x)
    lost = [-np.log(np.where(FLIGHTS.late[known] == 1, p[known], 1 - p[known])).mean() for p in (before, bad)]
    assert lost[1] > lost[0] + 0.05
    np.testing.assert_array_equal(predict(world.artefact(model), x), bad)
    np.testing.assert_array_equal(predict(model, x), before)
    with pytest.raises(TypeError, match="fitted linear model"):
        world.artefact(LogisticRegression())
    world.until("2013-03-09")
    assert world.artefact(model) is model


MALFORMED = {
    "end before start": (("2013-02-02", "2013-02-01"), [], "choose start < end"),
    "no time at all": (("2013-02-02", "2013-02-02"), [], "choose start < end"),
    "another year": (("2014-02-01", "2014-03-01"), [], "where the year's data are"),
    "not a date": (("soon", "2013-02-01"), [], "write it like"),
    "a missing date": ((None, "2013-02-01"), [], "write it like"),
    "an unknown fault": (WEEK, [Fault("gremlins")], "is no fault we know: make one with"),
    "a fault by name": (WEEK, ["celsius"], "is no fault we know: make one with"),
    "a fault outside": (WEEK, [faults.celsius("2013-03-01", "2013-03-05")], "choose start < end between"),
    "a fault backwards": (WEEK, [faults.celsius("2013-03-06", "2013-03-05")], "choose start < end between"),
    "a share above one": (WEEK, [faults.duplicates(2)], "above 0 and at most 1"),
    "no share": (WEEK, [faults.flipped_labels(0)], "above 0 and at most 1"),
    "an unknown kind": (WEEK, [faults.duplicates(kind="landing")], "choose from weather, schedule"),
    "a column without a kind": (WEEK, [faults.null_burst(None, "temp")], "choose from weather, schedule"),
    "an unknown column": (WEEK, [faults.null_burst("weather", "late")], "choose from origin, time_hour"),
    "a name that is taken": (WEEK, [faults.renamed_column("weather", "temp", "dewp")], "choose another new name"),
    "a column renamed twice": (
        WEEK,
        [faults.renamed_column("weather", "temp", n) for n in "ab"],
        "let one renamed_column end",
    ),
    "a delay backwards": (WEEK, [faults.late_events(delay="-6h")], "choose a time above 0"),
    "an unknown replica": (WEEK, [faults.slow_replica(replica=3)], "choose 0 to 2"),
    "no event to hit": (WEEK, [faults.frozen_feed("BOS")], "hits no event: widen"),
}


@pytest.mark.parametrize("window, some, advice", MALFORMED.values(), ids=MALFORMED)
def test_a_malformed_request_is_told_what_to_do(window, some, advice):
    with pytest.raises(ValueError, match=advice):
        World(*window, faults=some)


def test_the_whole_year_can_be_told_and_ends_at_new_years_midnight():
    world = World("2013-01-01", "2014-01-01 05:00")
    assert len(world) == len(weather()) + len(F) + F.dep.notna().sum() + F.arr.notna().sum()
    last = World(pd.Timestamp("2013-12-31", tz="America/New_York"), "2014-01-01 05:00").until("2014-01-03")[-1]
    assert (last.kind, last.available_time) == ("arrival", F.arr.max())


def test_a_month_replays_and_says_how_fast():
    began = perf_counter()
    count = sum(1 for _ in World("2013-07-01", "2013-08-01"))
    print(f"July 2013: {count:,} events in {perf_counter() - began:.2f} s")
    assert count == 88_480
