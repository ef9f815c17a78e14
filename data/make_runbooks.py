# ruff: noqa: E501  # texts
"""Make data/runbooks.json, the airline desk's runbooks: `python data/make_runbooks.py`.

The texts were written for the course. Every number in them that is a fact of the year is computed here from the
parquet files; what is not a fact is what the desk does (whom it calls, how long it waits), and is made up.
"""

import json
from functools import cache
from pathlib import Path

import pandas as pd
from daytwo import airlines, flights, planes, weather
from daytwo.model import LEAD, PUBLISHED

HERE = Path(__file__).parent
MONTHS = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
]


@cache
def year() -> pd.DataFrame:
    """Flights beside the weather of their hour, with what the texts ask for."""
    hourly = weather().drop(columns=["year", "month", "day", "hour"])
    table = flights().merge(hourly, on=["origin", "time_hour"], how="left")
    table["weekday"] = pd.to_datetime(table[["year", "month", "day"]]).dt.day_name()
    table["month_name"] = table.month.map(lambda m: MONTHS[m - 1])
    table["cancelled"] = table.dep_time.isna()
    table["diverted"] = table.dep_time.notna() & table.arr_delay.isna()
    table["unknown"] = table.tailnum.notna() & ~table.tailnum.isin(planes().tailnum)
    table["wet"], table["dry"], table["fog"] = table.precip > 0, table.precip == 0, table.visib < 1
    table["gusty"], table["frost"], table["hot"] = table.wind_gust > 40, table.temp < 32, table.temp > 90
    table["windy"], table["ice"] = table.wind_speed.between(25, 100), table.frost & table.wet
    return table


def rows(**where) -> pd.DataFrame:
    """The flights of which all this is true."""
    table = year()
    for column, value in where.items():
        table = table[table[column].isin(value) if isinstance(value, list) else table[column] == value]
    return table


def count(**where) -> str:
    return f"{len(rows(**where)):,}"


def late(**where) -> str:
    """The share of arrivals more than 15 minutes late."""
    return f"{rows(**where).late.mean():.1%}"


def cancelled(**where) -> str:
    return f"{rows(**where).cancelled.mean():.1%}"


def miles(**where) -> str:
    return f"{rows(**where).distance.max():,}"


def share(part: pd.Series) -> str:
    return f"{part.mean():.1%}"


def extreme(by: str, what: str, least=False, column="late", enough=0) -> str:
    """The month, carrier, … with the largest (or least) mean of a column; or its value, in percent."""
    means = year().groupby(by)[column].agg(["mean", "size"]).query("size > @enough")["mean"]
    name = means.idxmin() if least else means.idxmax()
    return f"{means[name]:.1%}" if what == "value" else str(name)


def busiest(by: str, place: int, **where) -> tuple[str, str]:
    """The name and count of the value that occurs most often, or second most often."""
    counts = rows(**where)[by].value_counts()
    return str(counts.index[place]), f"{counts.iloc[place]:,}"


def carrier(code: str, more: str) -> str:
    """What the desk knows of a carrier, and one thing of its own."""
    (dest, to_dest), name = busiest("dest", 0, carrier=code), airlines().set_index("carrier").name[code]
    return (
        f"{name} ({code}) flew {count(carrier=code)} flights from New York in the year. Late were "
        f"{late(carrier=code)} of its arrivals and cancelled {cancelled(carrier=code)} of its flights. "
        f"Its most frequent destination was {dest} with {to_dest} flights. {more}"
    )


def airport(code: str, name: str, more: str) -> str:
    """What the desk knows of an airport it flies to."""
    first = busiest("carrier", 0, dest=code)
    return (
        f"{name} ({code}) received {count(dest=code)} flights from New York in the year, {first[1]} of them by "
        f"{first[0]}. Late were {late(dest=code)} of the arrivals and cancelled {cancelled(dest=code)} of the "
        f"flights. The longest way there is {miles(dest=code)} miles. {more}"
    )


def runbooks() -> list[dict]:
    """The documents: id, title, text."""
    sky, fleet, table = weather(), planes(), year()
    first_month = table.groupby("dest").month.min()
    new = first_month[first_month > 1].index.tolist()
    top, second = busiest("tailnum", 0), busiest("tailnum", 1)
    blow, heat, cold, rain = (
        sky.loc[i] for i in (sky.wind_speed.idxmax(), sky.temp.idxmax(), sky.temp.idxmin(), sky.precip.idxmax())
    )
    observed = pd.MultiIndex.from_frame(sky[["origin", "time_hour"]])
    no_weather = (~pd.MultiIndex.from_frame(table[["origin", "time_hour"]]).isin(observed)).sum()
    overnight = ((table.arr_time < table.dep_time) & table.late.notna()).sum()
    february = rows(month=2)
    calm_february = share(february.cancelled[~february.day.isin([8, 9])])
    unknown_two = ["MQ", "AA"]
    longest = table.loc[table.arr_delay.idxmax()]
    island = ["SJU", "BQN", "STT", "PSE"]
    regional = ["9E", "EV", "MQ", "OO", "YV"]
    hours = f"{int(LEAD / pd.Timedelta('1h'))} hours"
    published = f"{int(PUBLISHED / pd.Timedelta('1min'))} minutes"
    texts = {
        "storm-february": (
            "Snowstorm of 8 and 9 February",
            f"""On 8 February the snowstorm cancelled {cancelled(month=2, day=8)} of {count(month=2, day=8)} flights,
            on 9 February {cancelled(month=2, day=9)} of {count(month=2, day=9)}. Of the arrivals on 9 February only
            {late(month=2, day=9)} were late: those that flew look fine. In a snowstorm read the share of cancelled
            flights first, call the duty manager, and rebook passengers before you look at delays.""",
        ),
        "storm-march": (
            "The worst day: 8 March",
            f"""On 8 March {late(month=3, day=8)} of the arrivals were late, the worst day of the year by that measure,
            and {cancelled(month=3, day=8)} of its {count(month=3, day=8)} flights were cancelled. Of the flights scheduled
            at 20 o'clock {late(month=3, day=8, hour=20)} were late: the morning's delays had not gone. On such a day keep
            spare crews until 22:00, and warn the gates every 30 minutes.""",
        ),
        "storm-may": (
            "Thunder plan, after 23 May",
            f"""On 23 May {cancelled(month=5, day=23)} of {count(month=5, day=23)} flights were cancelled, and
            {late(month=5, day=23)} of the arrivals were late. At 8 in the morning {cancelled(month=5, day=23, hour=8)} were
            cancelled, at 18 o'clock {cancelled(month=5, day=23, hour=18)}. When thunder is forecast, hold connecting
            passengers at the hub, do not board into lightning, and ask the tower for a new slot every 20 minutes.""",
        ),
        "storm-june": (
            "Rain band of 13 June",
            f"""On 13 June {late(month=6, day=13)} of the arrivals were late and {cancelled(month=6, day=13)} of
            {count(month=6, day=13)} flights cancelled; {share(rows(month=6, day=13).wet)} of them were scheduled in an
            hour with rain. June as a whole had {late(month=6)} late arrivals. When radar shows a band closer than 60 miles,
            move crews to their second aircraft early and tell the desk in Newark first.""",
        ),
        "storm-december": (
            "Bad Tuesdays in December",
            f"""Two Tuesdays spoiled December: on the 10th {late(month=12, day=10)} of the arrivals were late, on the
            17th {late(month=12, day=17)}. Cancelled were {cancelled(month=12, day=10)} on the 10th and
            {cancelled(month=12, day=17)} on the 17th. In winter order de-icing fluid a week ahead, and put the second
            shift on call from 05:00 when the forecast shows snow.""",
        ),
        "storm-september": (
            "One bad day: 12 September",
            f"""September was calm; its worst day was the 12th. On 12 September {late(month=9, day=12)} of the arrivals were late and
            {cancelled(month=9, day=12)} of {count(month=9, day=12)} flights cancelled, in a month with {late(month=9)} late
            arrivals. A single bad day is weather, not drift: note it in the log and do not retrain for it. Look at
            seven days before you speak of a trend.""",
        ),
        "rain": (
            "Flying in rain",
            f"""Flights in an hour with rain or snow arrive late in {late(wet=True)} of cases, flights in a dry hour in
            {late(dry=True)}. Cancelled are {cancelled(wet=True)} in wet hours and {cancelled(dry=True)} in dry
            ones. Only {count(wet=True)} flights of the year were scheduled in a wet hour. Wet runways need longer spacing: plan
            for it when the forecast says rain.""",
        ),
        "fog": (
            "Low visibility and fog",
            f"""Below one mile of visibility {late(fog=True)} of the arrivals are late and {cancelled(fog=True)} of the
            flights cancelled; {count(fog=True)} flights met such fog. Do not cancel in the first hour: delay by 45
            minutes, and look at the visibility again before each step. After three steps the duty manager
            decides.""",
        ),
        "gusts": (
            "Gusts above 40 mph",
            f"""When gusts exceed 40 mph, {cancelled(gusty=True)} of the flights are cancelled and {late(gusty=True)} of
            the arrivals late; this met {count(gusty=True)} flights. Secure the stairs and stop loading by belt. A missing
            gust is no fault: the station reports one only when there is one, and {share(sky.wind_gust.isna())} of
            the hourly observations have none.""",
        ),
        "wind-sensor": (
            "The broken wind sensor of 12 February",
            f"""On 12 February the station at {blow.origin} reported a wind of {blow.wind_speed:.0f} mph, at {blow.hour}
            o'clock in the morning. It is the only speed above 100 mph of the year. Never delete the row: set the wind
            to missing, keep the other readings, and open a ticket with the weather supplier. The flights of that hour
            are scored without wind.""",
        ),
        "heat": (
            "Hot days",
            f"""The hottest hour of the year was {heat.temp:.0f} °F at {heat.origin}, on {heat.day} {MONTHS[heat.month - 1]}.
            Above 90 °F {late(hot=True)} of the arrivals were late, against {late()} in the whole year. Hot air carries
            less: heavy flights to the west may have to leave bags behind. Ask the load planner two hours before
            departure.""",
        ),
        "cold": (
            "Cold mornings and ice",
            f"""The coldest hour was {cold.temp:.0f} °F at {cold.origin}, on {cold.day} {MONTHS[cold.month - 1]}. Cold alone
            does little: below 32 °F {late(frost=True)} of the arrivals are late. Cold and wet together are another thing,
            with {late(ice=True)} late and {cancelled(ice=True)} cancelled. De-ice only when something falls, and
            allow 25 minutes for each aircraft.""",
        ),
        "cloudburst": (
            "Cloudburst of 28 August",
            f"""The heaviest hour of rain brought {rain.precip:.2f} inches to {rain.origin} on {rain.day}
            {MONTHS[rain.month - 1]}, at {rain.hour} o'clock. No station reported more all year. When an underpass on the
            airport road may flood, open the crew hotel, send the fuel trucks up to stand 4, and count the passengers who
            are stuck in the train.""",
        ),
        "wind": (
            "Steady strong wind",
            f"""A steady wind of 25 mph or more met {count(windy=True)} flights. Late were {late(windy=True)} of their
            arrivals and cancelled {cancelled(windy=True)} of the flights. A runway may be closed when it blows across:
            ask which before you promise a time, and give no promise for more than 40 minutes ahead.""",
        ),
        "counting-cancelled": (
            "How we count cancelled flights",
            f"""A flight without a departure time is cancelled. There were {count(cancelled=True)} in the year,
            {cancelled()} of all. None of them has an aircraft or a label: {count(cancelled=True)} rows that no measure of
            delay can see. Report their number beside every rate of late flights, or a storm will look like a good
            day.""",
        ),
        "diverted": (
            "Diverted flights",
            f"""A diverted flight departs and lands elsewhere. There were {count(diverted=True)} in the year;
            {rows(diverted=True).arr_time.notna().sum()} of them have an arrival clock time all the same, of the
            place where they came down. Their delay is missing, and so is their label. Never compute a delay from that
            clock. The station manager there arranges buses.""",
        ),
        "worst-month-cancelled": (
            "The month with the most cancellations",
            f"""{extreme("month_name", "name", column="cancelled")} cancelled the largest share of its flights,
            {extreme("month_name", "value", column="cancelled")}, and
            {extreme("month_name", "name", least=True, column="cancelled")} the smallest,
            {extreme("month_name", "value", least=True, column="cancelled")}. Without the storm days of 8 and 9 February it
            would have been {calm_february}. Leave refunds open for 14 days in a month like that, and double the
            staff on the telephones.""",
        ),
        "regional-cancel": (
            "Regional carriers cancel more",
            f"""The regional carriers 9E, EV, MQ, OO and YV cancelled {cancelled(carrier=regional)} of their
            {count(carrier=regional)} flights. HA cancelled {cancelled(carrier="HA")} of its {count(carrier="HA")}. When the
            tower cuts slots, the desk gives up a short flight before a long one, because a train or bus may replace it.
            Tell passengers of short flights early.""",
        ),
        "missing-labels": (
            "Flights without a label",
            f"""{table.late.isna().sum():,} flights of the year have no label: they were cancelled or diverted. They are
            not a random part, for bad weather makes them. A rate among arrivals is too good after a storm. Never fill
            the gap with zero, which means on time. Give two numbers: late among arrivals, and never arrived.""",
        ),
        "rebooking": (
            "Rebooking after a cancelled flight",
            f"""Passengers of a cancelled flight go first to the next departure of the same carrier. On the
            busiest route, to {busiest("dest", 0)[0]}, there were {busiest("dest", 0)[1]} flights in the year, about
            {len(rows(dest=busiest("dest", 0)[0])) / 365:.0f} a day: a seat can be found. For a route with one flight a day
            offer a hotel. The desk pays up to 2 nights.""",
        ),
        "carrier-ua": (
            "United Air Lines",
            carrier("UA", f"From EWR left {count(origin='EWR', carrier='UA')}. The desk calls its tower office first."),
        ),
        "carrier-b6": (
            "JetBlue Airways",
            carrier("B6", f"From JFK left {count(origin='JFK', carrier='B6')}. Meet its station manager at 06:30."),
        ),
        "carrier-ev": (
            "ExpressJet",
            carrier("EV", "It flies for other carriers, so ask whose passengers they are before you rebook."),
        ),
        "carrier-dl": (
            "Delta Air Lines",
            carrier(
                "DL", f"From LGA left {count(origin='LGA', carrier='DL')}. Send it our list of connections twice a day."
            ),
        ),
        "carrier-aa": (
            "American Airlines",
            carrier(
                "AA", f"Of its flights {share(rows(carrier='AA').unknown)} have an aircraft that our register lacks."
            ),
        ),
        "carrier-mq": (
            "Envoy Air",
            carrier(
                "MQ", f"Of its flights {share(rows(carrier='MQ').unknown)} have an aircraft that our register lacks."
            ),
        ),
        "carrier-us": (
            "US Airways",
            carrier("US", f"It flew {count(carrier='US', dest='BOS')} flights to Boston. Rebook those without asking."),
        ),
        "carrier-9e": (
            "Endeavor Air",
            carrier(
                "9E", f"From JFK left {count(origin='JFK', carrier='9E')}. Its crews answer by radio on channel 7."
            ),
        ),
        "carrier-wn": (
            "Southwest",
            carrier(
                "WN",
                f"It serves {rows(carrier='WN').dest.nunique()} destinations from here. Moving a passenger takes 2 minutes.",
            ),
        ),
        "carrier-vx": (
            "Virgin America",
            carrier(
                "VX", f"Its shortest flight is {rows(carrier='VX').distance.min():,} miles. Send meals for both ways."
            ),
        ),
        "carrier-fl": ("AirTran", carrier("FL", "All of them left from LGA. Give its passengers vouchers at gate 12.")),
        "carrier-as": (
            "Alaska Airlines",
            carrier("AS", "It has one destination from here. A cancelled flight means a night in the hotel."),
        ),
        "carrier-f9": (
            "Frontier",
            carrier("F9", "No carrier is late more often. Ask it for a new time every 15 minutes."),
        ),
        "carrier-ha": (
            "Hawaiian Airlines",
            carrier("HA", f"One flight was {longest.arr_delay:.0f} minutes late, the longest delay of the year."),
        ),
        "carrier-yv": (
            "Mesa",
            carrier("YV", "All of them left from LGA. The desk asks its partner first and Mesa second."),
        ),
        "carrier-oo": ("SkyWest", carrier("OO", "So few flights say little about quality: do not rank this carrier.")),
        "airport-ewr": (
            "Newark (EWR)",
            f"""Newark (EWR) sent off {count(origin="EWR")} flights, {late(origin="EWR")} of the arrivals late and
            {cancelled(origin="EWR")} cancelled. UA and EV fly {share(rows(origin="EWR").carrier.isin(["UA", "EV"]))} of
            them. Of our three origins it has the largest share of late flights. The desk keeps two spare crews here, and
            its night shift ends at 04:30.""",
        ),
        "airport-jfk": (
            "Kennedy (JFK)",
            f"""Kennedy (JFK) sent off {count(origin="JFK")} flights, {late(origin="JFK")} of the arrivals late and
            {cancelled(origin="JFK")} cancelled. B6 flies {count(origin="JFK", carrier="B6")} of them. Long flights
            leave from here: the mean distance is {rows(origin="JFK").distance.mean():,.0f} miles. For evening
            departures ask for pushback 15 minutes early, and tell the gates.""",
        ),
        "airport-lga": (
            "LaGuardia (LGA)",
            f"""LaGuardia (LGA) sent off {count(origin="LGA")} flights, {late(origin="LGA")} of the arrivals late and
            {cancelled(origin="LGA")} cancelled. Its flights are short, {rows(origin="LGA").distance.mean():,.0f} miles on
            average. DL flies {count(origin="LGA", carrier="DL")} of them. When one runway closes, the desk cuts every
            second departure for 90 minutes.""",
        ),
        "airport-ord": (
            "Chicago O'Hare",
            airport("ORD", "Chicago O'Hare", "Put stranded passengers on the next flight of either large carrier."),
        ),
        "airport-atl": (
            "Atlanta",
            airport("ATL", "Atlanta", "Hold a flight for connections no longer than 12 minutes."),
        ),
        "airport-lax": (
            "Los Angeles",
            airport("LAX", "Los Angeles", "Tell passengers of the last flight that hotels are arranged at gate 40."),
        ),
        "airport-bos": ("Boston", airport("BOS", "Boston", "Whoever is stranded may take the train at our cost.")),
        "airport-hnl": (
            "Honolulu",
            airport("HNL", "Honolulu", "Nothing from New York flies further without a stop. Load water for 11 hours."),
        ),
        "airport-dca": (
            "Washington National",
            airport("DCA", "Washington National", "Ask for a new slot at once: the desk has lost many by waiting."),
        ),
        "islands": (
            "Puerto Rico and the Virgin Islands",
            f"""The register of airports lacks four places: SJU, BQN, STT and PSE. {count(dest=island)} flights of the
            year went there, so a join that drops unknown airports drops them. They have no daylight saving time. Take
            their zones from the table in the code, and send lost bags to the office in San Juan.""",
        ),
        "new-destinations": (
            "Destinations that begin during the year",
            f"""{len(new)} destinations have their first flight after January, among them {new[0]}, {new[1]} and {new[2]}.
            A new destination is a warning and not an error: the model puts it with the rare ones. In January
            {rows(month=1).dest.nunique()} destinations were served, in the whole year {table.dest.nunique()}. Write to the
            planners if the list grows by more than 5 in a week.""",
        ),
        "hours-of-day": (
            "Delays grow during the day",
            f"""Flights scheduled at 5 in the morning arrive late in {late(hour=5)} of cases, flights at 21 o'clock in
            {late(hour=21)}. Delays pass from one flight to the next of the same aircraft. Put passengers with a
            tight connection on the first flight, and keep one spare aircraft from 16:00 on.""",
        ),
        "weekdays": (
            "Weekdays",
            f"""{extreme("weekday", "name", least=True)} is the best day with {extreme("weekday", "value", least=True)} of
            arrivals late, {extreme("weekday", "name")} the worst with {extreme("weekday", "value")}. On Saturdays
            fewer flights leave, {count(weekday="Saturday")} in the year against {count(weekday="Friday")} on Fridays.
            Compare a day with the same weekday before you call a change unusual.""",
        ),
        "holidays": (
            "Thanksgiving and Christmas",
            f"""On the eve of Thanksgiving, 27 November, {late(month=11, day=27)} of the arrivals were late; on the
            holiday, 28 November, {late(month=11, day=28)}. On 23 December it was {late(month=12, day=23)} and on 25 December
            {late(month=12, day=25)}. The days before a holiday are full and slow, the holiday is empty. Forbid leave
            on both eves.""",
        ),
        "seasons": (
            "The best and the worst month",
            f"""{extreme("month_name", "name")} had the largest share of late arrivals, {extreme("month_name", "value")},
            and {extreme("month_name", "name", least=True)} the smallest, {extreme("month_name", "value", least=True)}.
            July had {late(month=7)} and October {late(month=10)}. A model that was trained on winter meets summer
            unprepared. Plan the yearly review for the first week of September.""",
        ),
        "clock-change": (
            "The night the clocks change",
            f"""On 3 November the hour from 1 to 2 occurs twice. The local hour is then no key:
            {sky.duplicated(["origin", "year", "month", "day", "hour"]).sum()} weather rows repeat it, while the UTC hour
            never repeats. Join by UTC. In the night of 10 March an hour is missing from the clocks. Check both nights by
            hand, and plan no release for them.""",
        ),
        "unknown-aircraft": (
            "Aircraft that are not in the register",
            f"""{count(unknown=True)} flights have an aircraft that the register of planes does not know;
            {count(unknown=True, carrier=unknown_two)} of them are flown by MQ and AA. An inner join deletes
            them, and two carriers with them. Join from the flights' side, and mark the gap. The register holds
            {len(fleet):,} aircraft, the oldest built in {fleet.year.min():.0f}.""",
        ),
        "weather-gaps": (
            "Gaps in the weather feed",
            f"""The weather feed has holes: pressure is missing in {sky.pressure.isna().sum():,} observations, the wind's
            direction in {sky.wind_dir.isna().sum()}. {no_weather:,}
            flights have no observation at their hour. An hour's report becomes available after {published}. If more than
            20% of the inputs are missing, repair the feed before you read any alarm.""",
        ),
        "clock-times": (
            "Times written as HHMM",
            f"""Departure and arrival clocks are written as numbers: 517 means 5:17. Do not subtract them. Midnight is
            written 2400, which {count(dep_time=2400)} departures show. {overnight:,} arrivals have a clock below that of
            their departure: think of midnight before you call it a fault. Use the UTC columns for every difference.""",
        ),
        "aircraft-use": (
            "The busiest aircraft",
            f"""The aircraft {top[0]} flew {top[1]} flights from New York, {second[0]} {second[1]}. The register's largest
            type has {fleet.seats.max()} seats. An aircraft with many short flights carries its delay along: when it is
            late at noon, look up its next three flights and warn their gates. Its night check takes 6 hours.""",
        ),
        "label": (
            "What late means",
            f"""A flight is late when it arrives more than 15 minutes after its schedule. Exactly 15 is not late. Of
            {table.late.notna().sum():,} arrivals {late()} were. The label becomes known at landing, so for a long flight
            hours after the forecast. Do not score flights that are still in the air: wait until the last one of the
            day has landed.""",
        ),
        "forecast": (
            "The forecast of late flights",
            f"""The model gives, {hours} before departure, the probability that a flight arrives late. It knows the
            schedule, the carrier, and the humidity, visibility and rain last reported. It does not know delays of the
            same day. Show its number to planners and never to passengers. A flight above 60% gets a second
            look.""",
        ),
        "alarm-drift": (
            "Alarm: an input has drifted",
            f"""The drift alarm rings when an input's stability index reaches 0.25. It says that the inputs have moved,
            and not that the model is worse. Look at the loss first: in July, with {late(month=7)} of the arrivals late, both
            had moved. Without harm, watch for 7 days, note it in the log, and do not retrain.""",
        ),
        "alarm-loss": (
            "Alarm: the loss has risen",
            f"""The loss alarm compares the model with a simple forecast by hour. When the difference has risen by more
            than 0.02, the duty engineer trains a challenger; a release younger than 7 days is rolled back instead. Wait for
            labels: a flight to HNL is in the air for {rows(dest="HNL").air_time.mean() / 60:.1f} hours on average. Page one
            person, not the team.""",
        ),
    }
    return [{"id": id, "title": title, "text": " ".join(text.split())} for id, (title, text) in texts.items()]


def rendered() -> str:
    """The file's text."""
    return json.dumps(runbooks(), indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    (HERE / "runbooks.json").write_text(rendered(), encoding="utf-8")
    print(f"{len(runbooks())} runbooks are in {HERE / 'runbooks.json'}.")
