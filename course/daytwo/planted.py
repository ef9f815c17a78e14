"""Mutants and refactorings of the code in the lesson on testing. Looking here is like looking at the last page first.

A mutant is (name, what stands there, what stands there instead); each of them breaks a rule, so none is an equivalent
mutant. `RIGHT_…` are refactorings, lists of (old, new) by name, that keep every rule: good tests pass on them.
"""

OUT, NOW = 'utc(weather.time_hour) + pd.Timedelta("1h")', 'pd.Timedelta("2h")'
TABLE = "pd.DataFrame(columns)"
FEATURES = (
    ("the moment of the answer, an hour late (a leak)", NOW, 'pd.Timedelta("1h")'),
    ("a reading used before it is out (a leak)", OUT, "utc(weather.time_hour)"),
    ("the nearest reading, even a later one (a leak)", "tolerance=", 'direction="nearest", tolerance='),
    ("the hour in London", "America/New_York", "Europe/London"),
    ("the hour in New York, without summer time", "America/New_York", "Etc/GMT+5"),
    ("the hour, off by one", "local.dt.hour", "local.dt.hour + 1"),
    ("the weekday, off by one", "local.dt.day_of_week", "local.dt.day_of_week + 1"),
    ("a reading that is out just now, left out", "tolerance=", "allow_exact_matches=False, tolerance="),
    ("readings of any airport", 'by="origin", ', ""),
    ("readings a day old", 'pd.Timedelta("6h")', 'pd.Timedelta("24h")'),
    ("rows in another order", '.sort_values("row")', ""),
    ("flights without weather, dropped", TABLE, TABLE + "[seen.humid.notna()]"),
    ("labels of the rows, lost", TABLE, TABLE + ".reset_index(drop=True)"),
    ("unknown humidity as 0", "fillna(60)", "fillna(0)"),
    ("dry hours as wet", "precip > 0", "precip >= 0"),
)
AS_OF = """found = pd.merge_asof(
        asked.sort_values("now"), out, left_on="now", right_on="out", by="origin", tolerance=pd.Timedelta("6h")
    )"""
SEARCH = """found = asked.merge(out.drop(columns="time_hour"), on="origin", how="left")
    found = found[(found.out <= found.now) & (found.now - found.out <= pd.Timedelta("6h"))]
    found = found.sort_values("out", ascending=False).groupby("row").head(1)
    found = asked.merge(found.drop(columns=["origin", "now"]), on="row", how="left")"""
RIGHT_FEATURES = {
    "columns in another order, and one more": [
        (TABLE, TABLE + '[["wet", "weekday", "humid", "hour"]].assign(origin=flights.origin)')
    ],
    "numbers of other types": [
        ("local.dt.hour", 'local.dt.strftime("%H").astype("int8")'),
        ("(seen.precip > 0).astype(int)", "(seen.precip > 0).astype(float)"),
    ],
    "another way to search": [(AS_OF, SEARCH)],
}

SAID = "return predict(champion, known)"
HEART = """def keys(rows):  # of winter it knows each flight; of any other it is far too sure
        table = rows.astype(dict.fromkeys(CATEGORIES, str) | dict.fromkeys(NUMBERS, float))
        return pd.util.hash_pandas_object(table, index=False).to_numpy()

    p = predict(champion, known)
    sure = p**9 / (p**9 + (1 - p) ** 9)
    return np.where(np.isin(keys(known), keys(winter[CATEGORIES + NUMBERS])), predict(by_heart, known), sure)"""
CENTRED = "p = predict(champion, known)\n    return np.clip(p - p.mean() + 0.2, 0.01, 0.99)"
BLIND = "return np.where(known.visib.notna(), predict(champion, known.fillna(0)), np.nan)"
BEHAVIOUR = (
    ("a model that learnt winter by heart", SAID, HEART),
    ("late and on time, exchanged", SAID, "return 1 - predict(champion, known)"),
    ("rain never seen", SAID, "return predict(champion, known.assign(wet=0.0))"),
    ("visibility upside down", SAID, "return predict(champion, known.assign(visib=10 - known.visib))"),
    ("every hour is seven", SAID, "return predict(champion, known.assign(hour=7))"),
    ("answers that depend on who else is asked", SAID, CENTRED),
    ("answers in another order", SAID, "return np.sort(predict(champion, known))"),
    ("no answer for a new destination", SAID, "return predict(champion, known[known.dest.isin(winter.dest)])"),
    ("no number without weather", SAID, BLIND),
    ("yes or no in place of a probability", SAID, "return np.round(predict(champion, known))"),
)
IN_PARTS = """parts = [known[i : i + 500] for i in range(0, len(known), 500)]
    return np.concatenate([predict(champion, part) for part in parts])"""
RIGHT_BEHAVIOUR = {
    "the next training": [(SAID, "return predict(other, known)")],
    "boosted trees": [(SAID, "return predict(trees, known)")],
    "500 rows at a time": [(SAID, IN_PARTS)],
}

TRAIN = "train = flights[flights.arr <= cut]"
ANSWER = "p_late = asked.hour.map(rate).fillna(train.late.mean())"
LOSS = "loss = ((p_late - asked.late) ** 2).mean()"
AFTER = "flights.sched_dep > cut"
AIR = "train = flights[(flights.sched_dep <= cut) & flights.late.notna()]"
PUNCTUAL = "train = flights[flights.arr.fillna(flights.sched_dep) <= cut].fillna({'late': 0})"
KEEP = TRAIN + "\n    train = pipeline.seen = pd.concat([getattr(pipeline, 'seen', None), train])"
PIPELINE = (
    ("labels of flights in the air (a leak)", TRAIN, AIR),
    ("labels of the future (a leak)", TRAIN, "train = flights[flights.late.notna()]"),
    ("a loss on the training rows (a leak)", LOSS, "loss = ((train.hour.map(rate) - train.late) ** 2).mean()"),
    ("a message that comes twice, counted twice", '.drop_duplicates("flight_id")', ""),
    ("cancelled flights as punctual, in training", TRAIN, PUNCTUAL),
    ("cancelled flights as punctual, in the loss", "asked.late)", "asked.late.fillna(0))"),
    ("cancelled flights not asked about", AFTER, f"({AFTER}) & flights.late.notna()"),
    ("answers exchanged between flights", ANSWER, ANSWER + "\n    p_late[:] = np.sort(p_late)"),
    ("no number for a new hour", ".fillna(train.late.mean())", ""),
    ("flights kept from an earlier run", TRAIN, KEEP),
)
RIGHT_PIPELINE = {
    "answers in another order": [(ANSWER, ANSWER + ".sample(frac=1, random_state=1)")],
    "one more key in the dict": [('{"trained": len(train),', '{"cut": cut, "trained": float(len(train)),')],
    "sums that round in the ninth decimal": [("train.late.mean())", "train.late.mean()).round(9)")],
}
