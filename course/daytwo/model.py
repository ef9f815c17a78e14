"""The model of record: two hours before departure, how likely is a flight to arrive more than 15 minutes late?

A logistic regression on the schedule and on the last weather observation that was available by then. Its weather is
bounded by nature (humidity, visibility, wet or dry). Temperature and pressure leave in summer the range seen in
winter, and a linear model follows them out: with them, a model trained on January to March loses to a constant.
"""

import numpy as np
import pandas as pd
from sklearn.compose import make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

LEAD = pd.Timedelta("2h")  # the prediction is made this long before scheduled departure
PUBLISHED = pd.Timedelta("1h")  # the observation of an hour is available this long after it
STALE = pd.Timedelta("6h")  # an older observation says nothing: missing is more honest
CATEGORIES = ["origin", "dest", "carrier", "hour", "weekday"]
NUMBERS = ["distance", "humid", "visib", "wet"]


def features(flights: pd.DataFrame, weather: pd.DataFrame) -> pd.DataFrame:
    """What is known two hours before `sched_dep`: one row per flight, same order and index.

    From `flights`: origin, dest, carrier, distance (miles), sched_dep (UTC). From `weather`: origin, time_hour (UTC),
    humid (%), precip (inches), visib (miles), and available_time if it is there (else an hour after time_hour).
    Columns: `CATEGORIES` (hour and weekday are New York's, Monday is 0) and `NUMBERS` (wet is 1.0 if precip > 0).
    """
    observed = weather[["origin", "humid", "visib"]].copy()
    observed["wet"] = weather.precip.gt(0).where(weather.precip.notna()).astype(float)
    observed["available_time"] = _utc(weather.get("available_time", weather.time_hour + PUBLISHED))
    asked = pd.DataFrame(
        {"origin": flights.origin, "as_of": _utc(flights.sched_dep) - LEAD, "row": range(len(flights))}
    )
    known = pd.merge_asof(
        asked.sort_values("as_of", kind="stable"),
        observed.sort_values("available_time", kind="stable"),
        left_on="as_of",
        right_on="available_time",
        by="origin",
        tolerance=STALE,
    ).sort_values("row")
    local = _utc(flights.sched_dep).dt.tz_convert("America/New_York")
    table = flights[["origin", "dest", "carrier", "distance"]].copy()
    table["hour"], table["weekday"] = local.dt.hour, local.dt.day_of_week
    table[["humid", "visib", "wet"]] = known[["humid", "visib", "wet"]].to_numpy()
    return table[CATEGORIES + NUMBERS]


def train(features: pd.DataFrame, late: pd.Series) -> Pipeline:
    """A fitted pipeline; rows without a label are left out. The same rows give the same model."""
    if not features.index.equals(late.index):
        raise ValueError("features and late are not about the same flights: give both the same index.")
    known = late.notna()
    numbers = make_pipeline(SimpleImputer(strategy="median", keep_empty_features=True), StandardScaler())
    # Rare and new categories share one coefficient: eleven destinations first appear after January.
    categories = OneHotEncoder(handle_unknown="infrequent_if_exist", min_frequency=50)
    columns = make_column_transformer((categories, CATEGORIES), (numbers, NUMBERS))
    model = make_pipeline(columns, LogisticRegression(C=0.1, max_iter=300))
    return model.fit(features[known], late[known].astype(int))


def predict(model: Pipeline, features: pd.DataFrame) -> np.ndarray:
    """`p_late`: the probability of arriving more than 15 minutes late, one number per row."""
    return model.predict_proba(features)[:, 1] if len(features) else np.empty(0)


def _utc(times: pd.Series) -> pd.Series:
    """Times in one unit and zone, whatever they came from: an as-of join refuses to mix them."""
    return pd.to_datetime(times, utc=True).astype("datetime64[us, UTC]")
