"""The model of record knows only what was known, and is worth having in every quarter."""

import warnings

import numpy as np
import pandas as pd
import pytest
from daytwo import features, flights, predict, train, weather
from sklearn.metrics import log_loss, roc_auc_score

F, W = flights(), weather()
X = features(F, W)
WINTER = F.month <= 3
QUARTER = (F.month - 1) // 3 + 1
KNOWN = F.late.notna()
MODEL = train(X[WINTER], F.late[WINTER])
P_LATE = pd.Series(predict(MODEL, X), F.index)
SAMPLE = F.sample(300, random_state=0)


def seen(table: pd.DataFrame, hours: pd.DataFrame) -> list[list]:
    """[humid, visib, wet] per flight, by searching every hour for the last one known: slow and plain."""
    found = []
    for origin, departure in zip(table.origin, table.sched_dep, strict=True):
        asked = departure - pd.Timedelta("2h")
        published = hours.time_hour + pd.Timedelta("1h")
        there = (hours.origin == origin) & (published <= asked) & (published >= asked - pd.Timedelta("6h"))
        last = hours[there].sort_values("time_hour").tail(1)
        values = [*last[["humid", "visib"]].iloc[0], float(last.precip.iloc[0] > 0)] if len(last) else [np.nan] * 3
        found.append(values)
    return found


@pytest.mark.parametrize("quarter", [2, 3, 4])
def test_frozen_model_beats_the_constant_and_the_rate_by_hour(quarter):
    constant = F.late[WINTER].mean()
    by_hour = F.hour.map(F.late[WINTER].groupby(F.hour).mean()).fillna(constant)
    now = KNOWN & (quarter == QUARTER)
    loss = [log_loss(F.late[now], p) for p in (P_LATE[now], by_hour[now], np.full(now.sum(), constant))]
    print(f"Q{quarter} model, rate by hour, constant: {np.round(loss, 4)}")
    assert loss[0] < loss[1] - 0.005 and loss[0] < loss[2] - 0.025


def test_auc_is_that_of_a_forecast_and_not_of_a_leak():
    months = [KNOWN & (F.month == month) for month in range(4, 13)]
    auc = [roc_auc_score(F.late[now], P_LATE[now]) for now in months]
    print("AUC, April to December:", np.round(auc, 3))
    assert min(auc) > 0.60 and max(auc) < 0.75
    assert 0.60 < np.mean(auc) < 0.69


def test_weather_is_what_a_search_by_hand_finds():
    odd = F[(F.month == 12) & (F.day == 31) | (F.month == 1) & (F.day == 1) | (F.month == 11) & (F.day == 3)]
    table = pd.concat([SAMPLE, odd.sample(100, random_state=0)])
    got = features(table, W)[["humid", "visib", "wet"]].to_numpy()
    np.testing.assert_array_equal(got, np.array(seen(table, W)))


def test_weather_of_the_future_changes_nothing():
    for flight in SAMPLE[:20].itertuples():
        planted = W.copy()
        three_hours_before = flight.sched_dep - pd.Timedelta("3h")
        unknown = planted.time_hour > three_hours_before
        planted.loc[unknown, ["humid", "visib", "precip"]] = [100.0, 0.0, 9.0]
        one = F.loc[[flight.Index]]
        pd.testing.assert_frame_equal(features(one, planted), X.loc[[flight.Index]])


def test_weather_counts_from_the_very_minute_it_is_available():
    one = SAMPLE[:1].assign(sched_dep=pd.Timestamp("2013-07-01 12:00", tz="UTC"), origin="JFK")
    hours = W[(W.origin == "JFK") & (W.time_hour == "2013-07-01 09:00")].assign(humid=77.0)
    assert features(one, hours).humid.item() == 77
    assert features(one.assign(sched_dep=one.sched_dep - pd.Timedelta("1min")), hours).humid.isna().item()


def test_an_observation_that_came_late_is_used_late():
    hours = W.assign(available_time=W.time_hour + pd.Timedelta("2h"))
    earlier = features(SAMPLE.assign(sched_dep=SAMPLE.sched_dep - pd.Timedelta("1h")), W)
    names = ["humid", "visib", "wet"]
    got, expected = features(SAMPLE, hours)[names], earlier[names]
    both = got.notna().all(axis=1) & expected.notna().all(axis=1)
    assert both.mean() > 0.95
    pd.testing.assert_frame_equal(got[both], expected[both])


def test_nothing_known_after_departure_is_used():
    after = ["dep_time", "dep_delay", "arr_time", "arr_delay", "air_time", "tailnum", "dep", "arr", "late"]
    pd.testing.assert_frame_equal(features(SAMPLE.drop(columns=after), W), X.loc[SAMPLE.index])


def test_rows_and_index_are_kept():
    shuffled = SAMPLE.set_index("flight_id", drop=False).rename(lambda i: f"flight {i}")
    assert features(shuffled, W).index.equals(shuffled.index)
    assert features(shuffled, W).to_numpy().tolist()[7][:5] == X.loc[SAMPLE.index].to_numpy().tolist()[7][:5]
    assert len(features(F[:0], W)) == 0 and len(predict(MODEL, X[:0])) == 0


def test_inputs_are_left_alone():
    flights_before, weather_before = SAMPLE.copy(), W.copy()
    features(SAMPLE, W)
    pd.testing.assert_frame_equal(SAMPLE, flights_before)
    pd.testing.assert_frame_equal(W, weather_before)


def test_order_of_weather_and_deliveries_twice_change_nothing():
    mixed = pd.concat([W, W.sample(500, random_state=0)]).sample(frac=1, random_state=1)
    pd.testing.assert_frame_equal(features(SAMPLE, mixed), X.loc[SAMPLE.index])


def test_training_twice_gives_the_same_model():
    again = train(X[WINTER], F.late[WINTER])
    np.testing.assert_array_equal(again[-1].coef_, MODEL[-1].coef_)


def test_rows_without_a_label_teach_nothing():
    labelled = WINTER & KNOWN
    np.testing.assert_array_equal(train(X[labelled], F.late[labelled])[-1].coef_, MODEL[-1].coef_)


def test_unknown_categories_and_missing_weather_get_a_probability():
    new = X[:3].assign(dest="XYZ", carrier="??", hour=3, humid=np.nan, visib=np.nan, wet=np.nan)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        p_late = predict(MODEL, new)
    assert p_late.shape == (3,) and ((p_late > 0) & (p_late < 1)).all()


def test_training_on_other_flights_labels_is_refused():
    with pytest.raises(ValueError, match="give both the same index"):
        train(X[:100], F.late[100:200])
