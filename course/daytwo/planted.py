"""Faults, planted in the code of the lesson on testing: (kind, what stands there, what stands there instead).

Looking here is like looking at the last page first. `RIGHT_…` are rewritings that keep every rule; good tests pass
them all.
"""

FEATURES = (
    ("the moment of the answer (a leak)", 'pd.Timedelta("2h")', 'pd.Timedelta("1h")'),
    ("the zone", '.dt.tz_convert("America/New_York")', ""),
    ("the zone in summer", '"America/New_York"', '"Etc/GMT+5"'),
    ("the hour", "local.dt.hour", "local.dt.hour + 1"),
    ("the weekday", "local.dt.day_of_week", "local.dt.day_of_week + 1"),
    ("when a reading comes out (a leak)", 'utc(weather.time_hour) + pd.Timedelta("1h")', "utc(weather.time_hour)"),
    ("a reading that comes out at that very minute", "tolerance=", "allow_exact_matches=False, tolerance="),
    ("whose weather it is", 'by="origin", ', ""),
    ("how old a reading may be", "tolerance=pd", "tolerance=4 * pd"),
    ("the order of the rows", '.sort_values("row")', ""),
    ("humidity that is not known", "fillna(60)", "fillna(0)"),
    ("a dry hour", "precip > 0", "precip >= 0"),
    ("flights that have not left yet (a leak)", "left.dep <= moment", "utc(left.sched_dep) <= moment"),
    ("whose delays they are", "(left.origin == origin) & ", ""),
    ("the edge of the three hours", "left.dep > moment", "left.dep >= moment"),
)
AS_OF = """found = pd.merge_asof(
        asked.sort_values("now"), out, left_on="now", right_on="out", by="origin", tolerance=pd.Timedelta("6h")
    )"""
SEARCH = """found = asked.merge(out.drop(columns="time_hour"), on="origin", how="left")
    found = found[(found.out <= found.now) & (found.now - found.out <= pd.Timedelta("6h"))]
    found = found.sort_values("out", ascending=False).groupby("row").head(1)
    found = asked.merge(found.drop(columns=["origin", "now"]), on="row", how="left")"""
TABLE = "pd.DataFrame(columns, index=flights.index)"
RIGHT_FEATURES = (
    [(TABLE, TABLE + '[["wet", "recent", "weekday", "humid", "hour"]].astype(float).assign(origin=flights.origin)')],
    [(AS_OF, SEARCH), ("precip > 0", "precip.fillna(0) != 0")],
    [
        ("local.dt.hour", 'local.dt.strftime("%H").astype("int8")'),
        ("here.dep_delay.mean() if len(here) else 0.0", "round(sum(here.dep_delay) / max(len(here), 1), 9)"),
        ("return found\n", "return np.array(found)\n"),
    ],
)

SAID = "return predict(champion, known)"
HEART = """def keys(rows):  # of winter it knows each flight; of any other it is far too sure
        table = rows.astype(dict.fromkeys(CATEGORIES, str) | dict.fromkeys(NUMBERS, float))
        return pd.util.hash_pandas_object(table, index=False).to_numpy()

    p = predict(champion, known)
    sure = p**9 / (p**9 + (1 - p) ** 9)
    return np.where(np.isin(keys(known), keys(winter[CATEGORIES + NUMBERS])), predict(by_heart, known), sure)"""
BEHAVIOUR = (
    ("late and on time, exchanged", SAID, "return 1 - predict(champion, known)"),
    ("rain", SAID, "return predict(champion, known.assign(wet=0.0))"),
    ("visibility", SAID, "return predict(champion, known.assign(visib=10 - known.visib))"),
    ("the hour", SAID, "return predict(champion, known.assign(hour=7))"),
    ("who else is asked", SAID, "p = predict(champion, known)\n    return np.clip(p - p.mean() + 0.2, 0.01, 0.99)"),
    ("the order of the rows", SAID, "return np.sort(predict(champion, known))"),
    ("a destination it does not know", SAID, "return predict(champion, known[known.dest.isin(winter.dest)])"),
    (
        "weather that is missing",
        SAID,
        "return np.where(known.visib.notna(), predict(champion, known.fillna(0)), np.nan)",
    ),
    ("yes and no in the place of a probability", SAID, "return np.round(predict(champion, known))"),
    ("winter, learnt by heart", SAID, HEART),
)
CARD = """late = 0.06 * (known.hour - 14) + 0.7 * known.wet.fillna(0) + 0.1 * (10 - known.visib.fillna(10))
    return (np.where(known.carrier == "HA", 0.01, 1) / (1 + np.exp(1.25 - late))).to_numpy()"""
RIGHT_BEHAVIOUR = (
    [(SAID, "return predict(other, known)")],
    [(SAID, CARD)],
    [
        (
            SAID,
            "parts = [known[i : i + 500] for i in range(0, len(known), 500)]\n"
            "    return np.concatenate([predict(champion, part) for part in parts])",
        )
    ],
)

TRAIN = "train = flights[flights.late.notna() & (flights.arr <= cut)]"
ANSWER = "p_late = asked.hour.map(rate).fillna(overall)"
LOSS = "loss = -np.log(p_late.where(asked.late == 1, 1 - p_late))[asked.late.notna()].mean()"
PIPELINE = (
    ("messages that come twice", '.drop_duplicates("flight_id")', ""),
    (
        "flights that never arrive, in training",
        TRAIN,
        "train = flights.fillna({'late': 0})[flights.arr.fillna(flights.sched_dep) <= cut]",
    ),
    ("labels that are not known yet (a leak)", "flights.arr <= cut", "flights.sched_dep <= cut"),
    ("the future (a leak)", "flights.late.notna() & (flights.arr <= cut)", "flights.late.notna()"),
    (
        "a loss on training rows (a leak)",
        LOSS,
        "seen = train.hour.map(rate)\n    loss = -np.log(seen.where(train.late == 1, 1 - seen)).mean()",
    ),
    ("flights that never arrive, in the loss", "[asked.late.notna()]", ""),
    (
        "flights that never arrive, not asked about",
        "flights.sched_dep > cut",
        "(flights.sched_dep > cut) & flights.late.notna()",
    ),
    ("which answer is whose", ANSWER, ANSWER + "\n    p_late[:] = np.sort(p_late)"),
    ("an hour it has not seen", ".fillna(overall)", ""),
    (
        "what an earlier run left behind",
        TRAIN,
        TRAIN + "\n    train = pipeline.seen = pd.concat([getattr(pipeline, 'seen', None), train])",
    ),
)
RIGHT_PIPELINE = (
    [
        (ANSWER, ANSWER + ".sample(frac=1, random_state=1)"),
        (".sort_index()", ""),
        ('messages.drop_duplicates("flight_id")', 'messages[~messages.flight_id.duplicated(keep="last")]'),
    ],
    [
        (
            "p_late = asked.hour.map(rate).fillna(overall)",
            "p_late = pd.Series([round(rate.get(h, overall), 9) for h in asked.hour], index=asked.index, dtype=float)",
        )
    ],
    [
        ('{"trained": len(train),', '{"cut": cut, "trained": float(len(train)),'),
        ('"no label was known at the cut"', '"nothing to learn from"'),
    ],
)
