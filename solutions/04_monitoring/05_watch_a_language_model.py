# %% [markdown]
# # Watch a language model
#
# The airline desk has put a small language model beside its runbooks: a crew asks, the model reads one runbook and
# answers in a sentence. Two months of answers are recorded. How often does it say what its runbook does not, who
# would have noticed, and which answers should people read?
#
# You will build the checks, learn how far to trust them, and close the loop back from readers. You need pandas,
# numpy and an hour and a half.

# %%
import re

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from daytwo import airlines, answers, flights, llm, runbooks
from grading import between, check, class_seed, satisfies

# %% [markdown]
# The answers come from a real model, Gemma 3 of 270 million parameters, which was given one document and three
# examples, and always took the likeliest word. The documents and questions are ours: what a document says of flights
# and weather was measured on 2013, what it says of the desk is made up. `held`: the document holds the answer.

# %%
text = runbooks().set_index("id").text
read = answers()
print(read.groupby(["month", "held"]).size().unstack())
example = read.iloc[1]
print(f"\nDocument: {text[example.document]}\nQuestion: {example.question}\nAnswer: {example.answer}")

# %% [markdown]
# We read every answer beside its document and wrote down whether it is *grounded*: whether all that it states, taken
# as an answer to its question, is in the document. An answer that says the document is silent, when it is not, is not
# grounded either. The one labeller was itself a language model, another one, and no person has checked its labels: the
# data card has its rule and the doubtful ones; read twenty yourself. Where we say people or reader of these labels,
# think of that.

# %%
ASK_LIVE = False  # with the extra `llm` installed, set this to True and hear the model itself
prompt = read.attrs["prompt"]
if ASK_LIVE and llm.available():
    said = llm.complete(prompt.format(text=text[example.document], question=example.question))
    print(said["text"])
third = prompt.split("Document: ")[3]
print(f"The third of the prompt's examples:\n{third.strip()}\n\n{read.attrs['settings']}")

# %% [markdown]
# Before you run the next cell, guess: of the answers, what share is grounded? And would you see it in the wording?
# *Overlap* is the share of an answer's words, of four letters or more, that stand in its document.


# %%
def words_of(text):
    """The distinct words of four letters or more."""
    return set(re.findall(r"[a-z]{4,}", text.lower()))


pairs = zip(read.answer, read.document.map(text))
read["overlap"] = [len(words_of(a) & words_of(d)) / len(words_of(a)) if words_of(a) else np.nan for a, d in pairs]
read["words"] = read.answer.str.split().str.len()

# %%
figure, (left, right) = plt.subplots(1, 2, figsize=(11, 3.2), layout="constrained")
for place, (_, rows) in enumerate(read.groupby("month")):
    share = rows.groupby("held").grounded.mean()
    for side, (held, colour, hatch) in enumerate(((True, "#56B4E9", None), (False, "#D55E00", "//"))):
        left.bar(place + 0.4 * side, share[held], 0.38, color=colour, hatch=hatch, edgecolor="#000000")
left.legend(["document holds the answer", "document is silent"], loc="upper left")
left.set(
    xticks=[0.2, 1.2], xticklabels=["first month", "second month"], ylabel="share of answers grounded", ylim=(0, 1)
)
for level, (grounded, rows) in enumerate(read.dropna(subset="overlap").groupby("grounded")):
    rank = rows.groupby("overlap").cumcount()
    right.scatter(
        rows.overlap, level + 0.04 * rank, s=16, color=("#D55E00", "#0072B2")[grounded], marker="xo"[grounded]
    )
right.set(xlabel="share of the answer's words found in the document", yticks=[0, 1], yticklabels=["not", "grounded"])
plt.show()

# %%
print(
    f"grounded: {read.grounded.sum()} of {len(read)}; by month:",
    read.groupby("month").grounded.mean().round(2).to_dict(),
)
print(read.groupby(["held", "month"]).grounded.mean().round(2).unstack())
drawn = read.dropna(subset="overlap").groupby("grounded").overlap
print(
    "\nwith longer words:",
    drawn.size().to_dict(),
    "all in the document:",
    (drawn.agg(lambda o: (o == 1).sum())).to_dict(),
)

# %% [markdown]
# Less than half are grounded: 34 of 77, 52 % in the first month and 35 % in the second. On the left you see where they
# fell: where the document holds the answer, from 0.53 to 0.29. On the right each mark is one of the 66 answers with a
# longer word. At 1, with all of them in the document, stand 22 of 28 grounded ones, and 17 of 38 others: an answer in
# the document's own words, fluent as it is, need not be grounded.

# %% [markdown]
# What do the others say? Here are four of the first ones.

# %%
for row in read[~read.grounded].iloc[[0, 1, 2, 7]].itertuples():
    print(f"{row.question}\n  {row.answer}\n  not in the document: {row.unsupported}")
leaked = read.answer.str.contains("61.5%", regex=False)
print(f"\n61.5% in {leaked.sum()} answers and in {text.str.contains('61.5%', regex=False).sum()} runbooks")
silent = read[~read.held].answer == "The document does not say."
print(f"of {len(silent)} questions that their document does not answer, the model says so of {silent.sum()}")
dodge = read[read.id == "q40"].iloc[0]
print(f"\nGrounded is {dodge.grounded}: {dodge.question}\n  {dodge.answer}")

# %% [markdown]
# A number from another line, one of our own, one from nowhere, and a false excuse; where silence would be right, the
# model says so 4 times in 17. Six times it says 61.5%, which is in no runbook: it is in the third example of our own
# prompt. What we show a model comes back, so what may enter the examples will matter. And grounded is not yet right or
# useful, as the last one shows.

# %% [markdown]
# ## Exercise 1: split an answer into claims
#
# To check an answer, take it apart into what can be checked: numbers with their units, and names (the *atomic facts*
# of Min et al., *FActScore*, 2023, in their simplest form). Return a set of pairs.

# %% [markdown]
# - A number is written in digits, perhaps with a decimal part, and with commas where exactly three digits follow:
#   `8,255` is one number, `1,23` is two. Its pair is (the number as written, without commas; its unit). Digits in a
#   word with letters, as in `B6`, are no number; a hyphen parts words, so `8-9` is two numbers.
# - The unit is a `%` right behind the number, with or without a space, or else the word one space behind it. Look
#   it up in lower case in `units`; what is not there is the unit `""`.
# - A name is a whole word, of letters and digits, that is in the dict `names` exactly as written. Its pair is
#   (`names[word]`, `"name"`).

# %%
units = {"%": "%", "percent": "%"}
for word in ["minute", "hour", "day", "night", "mile", "flight", "destination", "observation"]:
    units |= {word: f"{word}s", f"{word}s": f"{word}s"}
units |= {month.lower(): month for month in pd.date_range("2013-01-01", periods=12, freq="MS").month_name()}
names = {name.split()[0]: carrier for carrier, name in zip(airlines().carrier, airlines().name)}
names |= {"Newark": "EWR", "Kennedy": "JFK", "LaGuardia": "LGA", "Honolulu": "HNL", "Boston": "BOS", "Atlanta": "ATL"}
codes = {*airlines().carrier, *flights().dest, *flights().origin}
names |= {code: code for code in codes}
print(len(units), "units;", len(names), "names, among them", names["Hawaiian"], names["HA"], names["Kennedy"])


# %% answer="claims"
def claims(text, units, names):
    """The set of (number, unit) and (code, "name") that a text claims."""
    ### BEGIN SOLUTION
    word = r"[A-Za-z0-9]"
    number = rf"(?<!{word})(\d{{1,3}}(?:,\d{{3}})+(?:\.\d+)?|\d+(?:\.\d+)?)(?!{word})(?: ?(%)| ([A-Za-z]+))?"
    found = set()
    for digits, sign, following in re.findall(number, text):
        found.add((digits.replace(",", ""), units.get((sign or following).lower(), "")))
    return found | {(names[w], "name") for w in re.findall(rf"{word}+", text) if w in names}
    ### END SOLUTION


# %% check="claims" points=4
check("A carrier and a count", claims("HA flew 342 flights.", units, names), {("HA", "name"), ("342", "flights")})
check("A share is a number with a unit", claims("12.6% were late.", units, names), {("12.6", "%")})
check(
    "Per cent in three spellings are one claim",
    claims("It is 5%, or 5 %, or 5 percent.", units, names),
    {("5", "%")},
)
check("Commas of thousands go, the full stop too", claims("There were 8,255.", units, names), {("8255", "")})
check(
    "Digits inside a code or a tail number are no claim about a number",
    claims("B6 and 9E, but not N725MQ.", units, names),
    {("B6", "name"), ("9E", "name")},
)
check("Two names of one carrier", claims("Hawaiian is HA.", units, names), {("HA", "name")})
check(
    "Names beside an apostrophe, a bracket and a stroke; a clock time is two numbers",
    claims("Kennedy's queue (LGA) of UA/DL at 06:05.", units, names),
    {("JFK", "name"), ("LGA", "name"), ("UA", "name"), ("DL", "name"), ("06", ""), ("05", "")},
)
check(
    "Small words and parts of words are no codes",
    claims("Ask us as we HAVE 2 nights.", units, names),
    {("2", "nights")},
)
check("A word that is no unit", claims("Late 2 times in 342 flights.", units, names), {("2", ""), ("342", "flights")})
check(
    "A date, and one day",
    claims("On 9 February it took 1 day.", units, names),
    {("9", "February"), ("1", "days")},
)
check("Case of the unit", claims("18 Minutes", units, names), {("18", "minutes")})
check(
    "Commas where not three digits follow, two where three do, and a zero that was written",
    claims("Gates 8,9 and 1,23 and 7,6543: 12.60% of 1,234,567.", units, names),
    {(n, "") for n in ["8", "9", "1", "23", "7", "6543", "1234567"]} | {("12.60", "%")},
)
check(
    "A comma or a hyphen between a number and a word",
    claims("At gate 12, flights wait 8-9 nights, in a 3-hour shift.", units, names),
    {("12", ""), ("8", ""), ("9", "nights"), ("3", "")},
)
check(
    "Other units and other names",
    claims("Hal waits 3 Moons for HA.", {"moons": "months"}, {"Hal": "H"}),
    {("3", "months"), ("H", "name")},
)
held = [claims(d, units, names) for d in read.document.map(text)]
lacks = [any(c[1] and c not in known for c in claims(a, units, names)) for a, known in zip(read.answer, held)]
check(
    "Answers with a name, or a number and unit, that their document does not claim; of these grounded",
    [sum(lacks), int(read.grounded[lacks].sum())],
    [10, 0],
)
### BEGIN HIDDEN TESTS
dice = np.random.default_rng(class_seed("claims"))
share, some, many = round(dice.uniform(11, 98), 1), int(dice.integers(11, 999)), int(dice.integers(1_000, 99_999))
composed = f"Kennedy lost {share} percent of {many:,} flights in {some} minutes; ORD, N{some}MQ and F9 did not."
### BEGIN EXPECTED
truly = {(str(share), "%"), (str(many), "flights"), (str(some), "minutes")}
truly |= {("JFK", "name"), ("ORD", "name"), ("F9", "name")}
### END EXPECTED
check("A sentence made for this class", claims(composed, units, names), truly)
check("Nothing is claimed", [len(claims("The document does not say.", units, names)), 7], [0, 7])
check(
    "The runbook of the carrier HA",
    claims(text["carrier-ha"], units, names),
    {("HA", "name"), ("342", "flights"), ("12.6", "%"), ("0.0", "%"), ("HNL", "name"), ("1272", "minutes")},
)
check("All answers together", sum(len(claims(a, units, names)) for a in read.answer), 89)
check("All runbooks together", sum(len(claims(d, units, names)) for d in text), 371)
### END HIDDEN TESTS


# %% mistake="claims"
# Keep 8,255 one number: a comma between thousands is part of it.
def claims(text, units, names):
    pattern = r"(?<![A-Za-z0-9])(\d+(?:\.\d+)?)(?![A-Za-z0-9])(?: ?(%)| ([A-Za-z]+))?"
    found = {(n, units.get((s or w).lower(), "")) for n, s, w in re.findall(pattern, text)}
    return found | {(names[w], "name") for w in re.findall("[A-Za-z0-9]+", text) if w in names}


# %% mistake="claims"
# Keep the decimal part with its number: 12.6 is one claim, not a 12 and a 6.
def claims(text, units, names):
    pattern = r"(?<![A-Za-z0-9])(\d[\d,]*)(?![A-Za-z0-9])(?: ?(%)| ([A-Za-z]+))?"
    found = {(n.replace(",", ""), units.get((s or w).lower(), "")) for n, s, w in re.findall(pattern, text)}
    return found | {(names[w], "name") for w in re.findall("[A-Za-z0-9]+", text) if w in names}


# %% mistake="claims"
# Leave digits inside a word alone: B6 is a carrier, and its 6 counts nothing.
def claims(text, units, names):
    pattern = r"(\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?)(?: ?(%)| ([A-Za-z]+))?"
    found = {(n.replace(",", ""), units.get((s or w).lower(), "")) for n, s, w in re.findall(pattern, text)}
    return found | {(names[w], "name") for w in re.findall("[A-Za-z0-9]+", text) if w in names}


# %% mistake="claims"
# Compare names as they are written: in lower case, "as" and "us" turn into carriers.
def claims(text, units, names):
    pattern = r"(?<![A-Za-z0-9])(\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?)(?![A-Za-z0-9])(?: ?(%)| ([A-Za-z]+))?"
    found = {(n.replace(",", ""), units.get((s or w).lower(), "")) for n, s, w in re.findall(pattern, text)}
    small = {name.lower(): code for name, code in names.items()}
    return found | {(small[w], "name") for w in re.findall("[a-z0-9]+", text.lower()) if w in small}


# %% mistake="claims"
# Look for names word by word: HA is part of the word HAVE, and no carrier there.
def claims(text, units, names):
    pattern = r"(?<![A-Za-z0-9])(\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?)(?![A-Za-z0-9])(?: ?(%)| ([A-Za-z]+))?"
    found = {(n.replace(",", ""), units.get((s or w).lower(), "")) for n, s, w in re.findall(pattern, text)}
    return found | {(code, "name") for name, code in names.items() if name in text}


# %% mistake="claims"
# Give each name its code: Hawaiian and HA are one carrier, and a document may use either.
def claims(text, units, names):
    pattern = r"(?<![A-Za-z0-9])(\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?)(?![A-Za-z0-9])(?: ?(%)| ([A-Za-z]+))?"
    found = {(n.replace(",", ""), units.get((s or w).lower(), "")) for n, s, w in re.findall(pattern, text)}
    return found | {(w, "name") for w in re.findall("[A-Za-z0-9]+", text) if w in names}


# %% mistake="claims"
# Keep the unit beside the number: 51 minutes and 51 % are different claims.
def claims(text, units, names):
    pattern = r"(?<![A-Za-z0-9])(\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?)(?![A-Za-z0-9])"
    found = {(n.replace(",", ""), "") for n in re.findall(pattern, text)}
    return found | {(names[w], "name") for w in re.findall("[A-Za-z0-9]+", text) if w in names}


# %% mistake="claims"
# Count only words of `units` as units; any other word behind a number leaves it bare.
def claims(text, units, names):
    pattern = r"(?<![A-Za-z0-9])(\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?)(?![A-Za-z0-9])(?: ?(%)| ([A-Za-z]+))?"
    found = {(n.replace(",", ""), units.get((s or w).lower(), s or w)) for n, s, w in re.findall(pattern, text)}
    return found | {(names[w], "name") for w in re.findall("[A-Za-z0-9]+", text) if w in names}


# %% mistake="claims"
# Write units in one way, as `units` does: percent is %, and one minute is measured in minutes.
def claims(text, units, names):
    pattern = r"(?<![A-Za-z0-9])(\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?)(?![A-Za-z0-9])(?: ?(%)| ([A-Za-z]+))?"
    found = {
        (n.replace(",", ""), (s or w) if (s or w).lower() in units else "") for n, s, w in re.findall(pattern, text)
    }
    return found | {(names[w], "name") for w in re.findall("[A-Za-z0-9]+", text) if w in names}


# %% mistake="claims"
# Collect names as well as numbers: a wrong carrier is as false as a wrong count.
def claims(text, units, names):
    pattern = r"(?<![A-Za-z0-9])(\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?)(?![A-Za-z0-9])(?: ?(%)| ([A-Za-z]+))?"
    return {(n.replace(",", ""), units.get((s or w).lower(), "")) for n, s, w in re.findall(pattern, text)}


# %% mistake="claims"
# Take the full stop at the end of a sentence off the number: 8255. is not found where 8255 stands.
def claims(text, units, names):
    pattern = r"(?<![A-Za-z0-9])(\d[\d,.]*)(?![A-Za-z0-9])(?: ?(%)| ([A-Za-z]+))?"
    found = {(n.replace(",", ""), units.get((s or w).lower(), "")) for n, s, w in re.findall(pattern, text)}
    return found | {(names[w], "name") for w in re.findall("[A-Za-z0-9]+", text) if w in names}


# %% mistake="claims"
# Ask `units` with get, or with in: most words behind a number are no units.
def claims(text, units, names):
    pattern = r"(?<![A-Za-z0-9])(\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?)(?![A-Za-z0-9])(?: ?(%)| ([A-Za-z]+))?"
    found = {(n.replace(",", ""), units[(s or w).lower()]) for n, s, w in re.findall(pattern, text)}
    return found | {(names[w], "name") for w in re.findall("[A-Za-z0-9]+", text) if w in names}


# %% alternative="claims"
# Word by word, without a pattern for numbers.
def claims(text, units, names):
    words = text.replace("%", " % ").split()
    bare = [w.strip(".,;:!?()'\"") for w in words]
    found = set()
    for place, word in enumerate(bare):
        for part in re.split(r"[^A-Za-z0-9.,]|,(?!\d{3}(?!\d))", word):
            digits = part.replace(",", "")
            if digits and digits.replace(".", "", 1).isdigit():
                last = place + 1 < len(bare) and words[place][-1:].isdigit() and word.endswith(part)
                behind = bare[place + 1] if last else ""
                found.add((digits, units.get(behind.lower(), "")))
        for part in re.split("[^A-Za-z0-9]", word):
            if part in names:
                found.add((names[part], "name"))
    return found


# %% alternative="claims"
# Tokens first, then a look at what follows each.
def claims(text, units, names):
    number = r"\d{1,3}(?:,\d{3})+(?:\.\d+)?(?![A-Za-z0-9])|\d+\.\d+(?![A-Za-z0-9])"
    tokens = re.findall(rf"{number}|[A-Za-z0-9]+|[^A-Za-z0-9]", text)
    found = {(names[t], "name") for t in tokens if t in names}
    for i, token in enumerate(tokens):
        if re.fullmatch(r"[\d,]+(\.\d+)?", token) and token[0] != ",":
            after = [*tokens[i + 1 : i + 3], "", ""]
            unit = after[0] if after[0] == "%" else after[1] if after[0] == " " else ""
            found.add((token.replace(",", ""), units.get(unit.lower(), "")))
    return found


# %% [markdown]
# Now guess how many of the 77 answers have no number in them. A check of claims has little to say about those.

# %%
bare = ~read.answer.str.contains(r"\d")
print(f"{bare.sum()} answers without a number, {(bare & ~read.grounded).sum()} of them not grounded")
print(*read.answer[bare & ~read.grounded].unique()[[0, 2, 3, 7]], sep="\n")

# %% [markdown]
# A third of the answers. “Yes, fill the gap with zero” turns its runbook upside down without a single number or name.
# Where there is something to check it pays: 10 answers make a claim with a unit, or a name, that their document does
# not, as you saw among the facts, and none of the 10 is grounded.
#
# Larger systems let a language model write out the claims of a text, and then have to check that model too.

# %% [markdown]
# ## Exercise 2: find what the document does not support
#
# You are given the claims of an answer, `said`, and those of its document, `known`, as sets of pairs, and both texts.
# Return `(missing, overlap)`: the set of the claims that are not supported, and the overlap of the words.

# %% [markdown]
# - A name is supported when `known` holds its pair.
# - A number is supported when `known` holds a number that, rounded to as many decimals as the answer writes, is
#   the same: 13 and 12.60 are supported by 12.6, 12.6 is not by 13, nor 12.60 by 12.64. (No number here lies halfway.)
#   The units must be equal, or one of the two `""`.
# - `overlap`: of the answer's distinct words of four letters or more (runs of the letters a–z, in lower case), the
#   share that the document has too; NaN when the answer has none.


# %% answer="unsupported"
def unsupported(said, known, answer, document):
    """(set of claims without support, share of the answer's words found in the document)."""
    ### BEGIN SOLUTION
    numbers = [(float(n), unit) for n, unit in known if unit != "name"]

    def supported(claim):
        number, unit = claim
        if unit == "name":
            return claim in known
        decimals = len(number.partition(".")[2])
        near = [u for n, u in numbers if abs(round(n, decimals) - float(number)) < 1e-9]
        return any(u == unit or "" in (u, unit) for u in near)

    mine, theirs = (set(re.findall(r"[a-z]{4,}", t.lower())) for t in (answer, document))
    return {c for c in said if not supported(c)}, len(mine & theirs) / len(mine) if mine else np.nan
    ### END SOLUTION


# %% check="unsupported" points=4
known = {("HA", "name"), ("342", "flights"), ("12.6", "%"), ("29", ""), ("8", "February"), ("44.64", "")}
known |= {("120835", "flights")}
paper = "Hawaiian flew 342 flights, and 12.6% arrived late on 8 February, in winter."
check("All of it stands there", unsupported({("342", "flights"), ("HA", "name")}, known, "", paper)[0], set())
check(
    "A wrong count, and a wrong carrier",
    unsupported({("343", "flights"), ("UA", "name")}, known, "", paper)[0],
    {("343", "flights"), ("UA", "name")},
)
check(
    "Part of a number is no support",
    unsupported({("2", "%"), ("34", "flights"), ("7", "%")}, known, "", paper)[0],
    {("2", "%"), ("34", "flights"), ("7", "%")},
)
check(
    "Rounded, as people do, and with one zero more",
    unsupported({("13", "%"), ("12.60", "%"), ("12", "%"), ("UA", "name")}, known, "", paper)[0],
    {("12", "%"), ("UA", "name")},
)
check(
    "More precise than the document",
    unsupported({("12.61", "%"), ("12.6", "%"), ("29.4", ""), ("7", "%")}, known, "", paper)[0],
    {("12.61", "%"), ("29.4", ""), ("7", "%")},
)
check(
    "A zero counts as a decimal, and one flight too many is one too many",
    unsupported({("44.60", ""), ("44.6", ""), ("45", ""), ("120836", "flights")}, known, "", paper)[0],
    {("44.60", ""), ("120836", "flights")},
)
check(
    "A name that is only part of a word of the document",
    unsupported({("US", "name"), ("HA", "name")}, known, "", "HA meets the BUS.")[0],
    {("US", "name")},
)
check(
    "The right number with another unit",
    unsupported({("342", "minutes"), ("8", "flights"), ("8", "February"), ("7", "%")}, known, "", paper)[0],
    {("342", "minutes"), ("8", "flights"), ("7", "%")},
)
check(
    "A bare number goes with any unit, on either side",
    unsupported({("342", ""), ("29", "minutes"), ("30", "")}, known, "", paper)[0],
    {("30", "")},
)
check(
    "Four of the five long words stand in the document",
    unsupported(set(), known, "Hawaiian flights arrived LATE, and late again.", paper)[1],
    0.8,
)
check(
    "A word counts once, and only whole words count",
    unsupported(set(), known, "Late, late, late: ever the fligh.", paper)[1],
    1 / 3,
)
check("Digits part words", unsupported(set(), known, "Gate12 late", "The gate opens late.")[1], 1.0)
check("An answer without a long word", unsupported(set(), known, "No.", paper)[1], float("nan"))
### BEGIN HIDDEN TESTS
dice = np.random.default_rng(class_seed("unsupported"))
truths = {
    (str(n), dice.choice(["%", "miles", "days"]).item()) for n in dice.choice(np.arange(100, 900), 12, replace=False)
}
drawn = set(sorted(truths)[:6])
drawn |= {(str(int(n) + 1000), unit) for n, unit in sorted(truths)[6:]}
drawn |= {(n, "minutes") for n, _ in sorted(truths)[:3]}
### BEGIN EXPECTED
lost = {claim for claim in drawn if claim not in truths}
### END EXPECTED
check("Claims drawn for this class", unsupported(drawn, truths, "", "")[0], lost)


def simple(text):
    """Numbers and capital codes of a text, without units."""
    numbers = re.findall(r"(?<![A-Za-z0-9])\d[\d,]*(?:\.\d+)?", text.replace(", ", " "))
    return {(n.replace(",", ""), "") for n in numbers} | {(c, "name") for c in re.findall(r"\b[A-Z]{3}\b", text)}


found = [unsupported(simple(a), simple(text[d]), a, text[d]) for a, d in zip(read.answer, read.document)]
check("How many recorded answers hold a claim without support", sum(len(missing) > 0 for missing, _ in found), 16)
check("How many such claims there are in all", sum(len(missing) for missing, _ in found), 16)
check("The mean overlap of the answers that have long words", float(np.nanmean([o for _, o in found])), 0.743457)


def full(text):
    """Numbers with their units, and names, of a text."""
    pattern = r"(?<![A-Za-z0-9])(\d{1,3}(?:,\d{3})+|\d+)(\.\d+)?(?![A-Za-z0-9])(?: ?(%)| ([A-Za-z]+))?"
    numbers = re.findall(pattern, text)
    pairs = {(n.replace(",", "") + part, units.get((sign or word).lower(), "")) for n, part, sign, word in numbers}
    return pairs | {(names[w], "name") for w in re.findall("[A-Za-z0-9]+", text) if w in names}


refused = [len(unsupported(full(a), full(text[d]), a, text[d])[0]) > 0 for a, d in zip(read.answer, read.document)]
check(
    "With units and names: answers refused, those of them grounded, and those that the rule on numbers lets pass",
    [sum(refused), int(read.grounded[refused].sum()), read[refused].query("rule").id.tolist()],
    [18, 1, ["q01", "q22", "q65"]],
)
### END HIDDEN TESTS


# %% mistake="unsupported"
# Let an answer round: 13 % is a fair way to say 12.6 %, and comparing texts calls it invented.
def unsupported(said, known, answer, document):
    missing = {
        c
        for c in said
        if c not in known and not (c[1] == "" and c[0] in {n for n, _ in known}) and (c[0], "") not in known
    }
    mine, theirs = (set(re.findall(r"[a-z]{4,}", t.lower())) for t in (answer, document))
    return missing, len(mine & theirs) / len(mine) if mine else np.nan


# %% mistake="unsupported"
# Round to the decimals that the answer writes; one unit of tolerance lets 12 pass for 12.6.
def unsupported(said, known, answer, document):
    def supported(claim):
        if claim[1] == "name":
            return claim in known
        near = [u for n, u in known if u != "name" and abs(float(n) - float(claim[0])) < 1]
        return any(u == claim[1] or "" in (u, claim[1]) for u in near)

    mine, theirs = (set(re.findall(r"[a-z]{4,}", t.lower())) for t in (answer, document))
    return {c for c in said if not supported(c)}, len(mine & theirs) / len(mine) if mine else np.nan


# %% mistake="unsupported"
# Round the document's number and not the answer's: an answer may say less than the document, never more.
def unsupported(said, known, answer, document):
    def supported(claim):
        if claim[1] == "name":
            return claim in known
        near = [u for n, u in known if u != "name" and round(float(n)) == round(float(claim[0]))]
        return any(u == claim[1] or "" in (u, claim[1]) for u in near)

    mine, theirs = (set(re.findall(r"[a-z]{4,}", t.lower())) for t in (answer, document))
    return {c for c in said if not supported(c)}, len(mine & theirs) / len(mine) if mine else np.nan


# %% mistake="unsupported"
# Compare units too: 342 flights say nothing about 342 minutes.
def unsupported(said, known, answer, document):
    def supported(claim):
        if claim[1] == "name":
            return claim in known
        decimals = len(claim[0].partition(".")[2])
        return any(round(float(n), decimals) == float(claim[0]) for n, u in known if u != "name")

    mine, theirs = (set(re.findall(r"[a-z]{4,}", t.lower())) for t in (answer, document))
    return {c for c in said if not supported(c)}, len(mine & theirs) / len(mine) if mine else np.nan


# %% mistake="unsupported"
# Look at names as well: an answer about the wrong carrier is not saved by a right number.
def unsupported(said, known, answer, document):
    def supported(claim):
        if claim[1] == "name":
            return True
        decimals = len(claim[0].partition(".")[2])
        near = [u for n, u in known if u != "name" and round(float(n), decimals) == float(claim[0])]
        return any(u == claim[1] or "" in (u, claim[1]) for u in near)

    mine, theirs = (set(re.findall(r"[a-z]{4,}", t.lower())) for t in (answer, document))
    return {c for c in said if not supported(c)}, len(mine & theirs) / len(mine) if mine else np.nan


# %% mistake="unsupported"
# Let a bare number go with any unit, on either side: "342 of them" leaves its unit to the reader.
def unsupported(said, known, answer, document):
    def supported(claim):
        if claim[1] == "name":
            return claim in known
        decimals = len(claim[0].partition(".")[2])
        return any(u == claim[1] and round(float(n), decimals) == float(claim[0]) for n, u in known if u != "name")

    mine, theirs = (set(re.findall(r"[a-z]{4,}", t.lower())) for t in (answer, document))
    return {c for c in said if not supported(c)}, len(mine & theirs) / len(mine) if mine else np.nan


# %% mistake="unsupported"
# Compare whole numbers: the 2 of 12.6 or of 342 supports nothing.
def unsupported(said, known, answer, document):
    def supported(claim):
        if claim[1] == "name":
            return claim in known
        decimals = len(claim[0].partition(".")[2])
        near = [u for n, u in known if u != "name" and (claim[0] in n or round(float(n), decimals) == float(claim[0]))]
        return any(u == claim[1] or "" in (u, claim[1]) for u in near)

    mine, theirs = (set(re.findall(r"[a-z]{4,}", t.lower())) for t in (answer, document))
    return {c for c in said if not supported(c)}, len(mine & theirs) / len(mine) if mine else np.nan


# %% mistake="unsupported"
# Divide by the words of the answer: the question is how much of what it says is in the document.
def unsupported(said, known, answer, document):
    def supported(claim):
        if claim[1] == "name":
            return claim in known
        decimals = len(claim[0].partition(".")[2])
        near = [u for n, u in known if u != "name" and round(float(n), decimals) == float(claim[0])]
        return any(u == claim[1] or "" in (u, claim[1]) for u in near)

    mine, theirs = (set(re.findall(r"[a-z]{4,}", t.lower())) for t in (answer, document))
    return {c for c in said if not supported(c)}, len(mine & theirs) / len(theirs) if theirs and mine else np.nan


# %% mistake="unsupported"
# Compare words in lower case: at the beginning of a sentence a word is the same word.
def unsupported(said, known, answer, document):
    def supported(claim):
        if claim[1] == "name":
            return claim in known
        decimals = len(claim[0].partition(".")[2])
        near = [u for n, u in known if u != "name" and round(float(n), decimals) == float(claim[0])]
        return any(u == claim[1] or "" in (u, claim[1]) for u in near)

    mine, theirs = (set(re.findall(r"[A-Za-z]{4,}", t)) for t in (answer, document))
    return {c for c in said if not supported(c)}, len(mine & theirs) / len(mine) if mine else np.nan


# %% mistake="unsupported"
# Count each word once: an answer that repeats itself is not better supported.
def unsupported(said, known, answer, document):
    def supported(claim):
        if claim[1] == "name":
            return claim in known
        decimals = len(claim[0].partition(".")[2])
        near = [u for n, u in known if u != "name" and round(float(n), decimals) == float(claim[0])]
        return any(u == claim[1] or "" in (u, claim[1]) for u in near)

    mine, theirs = (re.findall(r"[a-z]{4,}", t.lower()) for t in (answer, document))
    return {c for c in said if not supported(c)}, sum(w in theirs for w in mine) / len(mine) if mine else np.nan


# %% mistake="unsupported"
# Look for whole words: a piece of a word in the document is another word.
def unsupported(said, known, answer, document):
    def supported(claim):
        if claim[1] == "name":
            return claim in known
        decimals = len(claim[0].partition(".")[2])
        near = [u for n, u in known if u != "name" and round(float(n), decimals) == float(claim[0])]
        return any(u == claim[1] or "" in (u, claim[1]) for u in near)

    mine = set(re.findall(r"[a-z]{4,}", answer.lower()))
    return {c for c in said if not supported(c)}, np.mean([w in document.lower() for w in mine]) if mine else np.nan


# %% mistake="unsupported"
# An answer without a long word has no overlap to speak of: NaN, neither 0 nor an error.
def unsupported(said, known, answer, document):
    def supported(claim):
        if claim[1] == "name":
            return claim in known
        decimals = len(claim[0].partition(".")[2])
        near = [u for n, u in known if u != "name" and round(float(n), decimals) == float(claim[0])]
        return any(u == claim[1] or "" in (u, claim[1]) for u in near)

    mine, theirs = (set(re.findall(r"[a-z]{4,}", t.lower())) for t in (answer, document))
    missing = {c for c in said if not supported(c)}
    return missing, len(mine & theirs) / len(mine) if answer else np.nan


# %% alternative="unsupported"
# Half a step of the last digit on either side, and words by a table of letters.
def unsupported(said, known, answer, document):
    def supported(number, unit):
        if unit == "name":
            return (number, unit) in known
        step = 0.5 * 10.0 ** -(len(number.split(".")[1]) if "." in number else 0)
        return any(
            kind != "name" and (unit == kind or not unit or not kind) and abs(float(other) - float(number)) < step
            for other, kind in known
        )

    def words(text):
        return {w for w in "".join(c if "a" <= c <= "z" else " " for c in text.lower()).split() if len(w) >= 4}

    share = len(words(answer) - words(document)) / len(words(answer)) if words(answer) else None
    return {c for c in said if not supported(*c)}, np.nan if share is None else 1 - share


# %% alternative="unsupported"
# Decimal numbers, and words counted by hand.
def unsupported(said, known, answer, document):
    from decimal import Decimal

    missing = set()
    for number, unit in said:
        good = (number, unit) in known
        for other, theirs in known:
            if "name" in (unit, theirs) or not (unit == theirs or unit == "" or theirs == ""):
                continue
            good = good or Decimal(other).quantize(Decimal(number)) == Decimal(number)
        if not good:
            missing.add((number, unit))
    there = re.split("[^a-z]+", document.lower())
    words = {w for w in re.split("[^a-z]+", answer.lower()) if len(w) > 3}
    return missing, sum(w in there for w in words) / len(words) if words else float("nan")


# %% [markdown]
# The recordings come with the verdict of a simple `rule`: every number of the answer stands in its document. Your two
# exercises together, with units and names, refuse three answers more; below they are `claims`. How do both compare
# with our labels, and does a measure of similarity do better?

# %%
from sklearn.feature_extraction.text import TfidfVectorizer

more = read.id.isin(["q01", "q22", "q65"])  # written down from our solution of exercises 1 and 2
read["claims"] = read.rule & ~more
print(pd.crosstab(read.rule, read.grounded), "\n\n", pd.crosstab(read.claims, read.grounded), "\n", sep="")
print(*read.answer[more], "\nThe one false alarm ends:", read.answer[~read.rule & read.grounded].item()[-40:], "\n")
vectors = TfidfVectorizer(sublinear_tf=True).fit(text)
answer, given = vectors.transform(read.answer), vectors.transform(read.document.map(text))
read["similarity"] = np.asarray(answer.multiply(given).sum(axis=1)).ravel()
print(read.groupby("grounded").agg({"overlap": "mean", "similarity": "mean", "words": "median"}).round(2))

# %% [markdown]
# When the rule says no it is nearly always right: 14 of 15, and the one false alarm is a number cut off by the limit of
# 60 tokens. Units and names make it 17 of 18: 1272 is in the document of HA, but in minutes. Yet 26 of the 43 answers
# that are not grounded still pass: with a right number to another question, or with none. Grounded answers are a little
# more similar to their document (TF-IDF), 0.37 against 0.24, and hardly longer, in the median 7 words against 6.

# %% [markdown]
# ## Exercise 3: judge the judges
#
# Nobody can read every answer, so judges read for us: a rule, or a model. How far may we trust one? Of two who give
# verdicts, $p_o$ is the share on which they agree and $p_e$ the share on which they would by chance, if each gave
# the same verdicts in another order (Cohen, *A Coefficient of Agreement for Nominal Scales*, 1960):
#
# $$\kappa = \frac{p_o - p_e}{1 - p_e}, \qquad p_e = \sum_{v} P(\text{judge says } v)\,P(\text{people say } v).$$

# %% [markdown]
# Return `(kappa, length_bias)`. Verdicts are `True` or `False`, `words` the length of each answer.
#
# - `kappa` is NaN when $p_e$ is 1: both give one and the same verdict to every answer, and nothing can be learned.
# - *Generosity* is the share that the judge accepts minus the share that people accept. `length_bias` is the
#   generosity on long answers, of more words than the median, minus that on the others; NaN when there are no long
#   ones. It mixes a taste for length with how good long answers are: compare it with that of a judge who always says
#   no.


# %% answer="kappa"
def kappa(judge, people, words):
    """(Cohen's kappa of two rows of verdicts, how much more generous the judge is to long answers)."""
    ### BEGIN SOLUTION
    judge, people, words = np.asarray(judge, dtype=float), np.asarray(people, dtype=float), np.asarray(words)
    agree = np.mean(judge == people)
    chance = judge.mean() * people.mean() + (1 - judge.mean()) * (1 - people.mean())
    long = words > np.median(words)
    extra = judge - people
    bias = extra[long].mean() - extra[~long].mean() if long.any() else np.nan
    return (agree - chance) / (1 - chance) if chance < 1 - 1e-12 else np.nan, bias
    ### END SOLUTION


# %% check="kappa" points=3
def table(both, judge_only, people_only, neither):
    """Verdicts of a judge and of people, from the four counts."""
    judge = [True] * (both + judge_only) + [False] * (people_only + neither)
    people = [True] * both + [False] * judge_only + [True] * people_only + [False] * neither
    return judge, people, [5] * len(judge)


lengths = [2, 3, 4, 5, 6, 7, 8, 90]  # some facts below put a 1 beside a value that is 0
every_second, long_ones = [True, False] * 4, [False] * 4 + [True] * 4
check("A judge who says what people say", kappa(*table(30, 0, 0, 20))[0], 1.0)
check("They agree on 35 of 50, and would by chance on 25", kappa(*table(20, 5, 10, 15))[0], 0.4)
check("Always yes: right in 40 of 50, and worth nothing", [kappa(*table(40, 10, 0, 0))[0], 1], [0.0, 1])
check("Always the opposite", kappa(*table(0, 25, 25, 0))[0], -1.0)
check("A strict judge and generous people", kappa(*table(10, 0, 30, 10))[0], 0.117647)
check("Both say yes, always", kappa(*table(9, 0, 0, 0))[0], float("nan"))
check("Both say no, always", kappa(*table(0, 0, 0, 9))[0], float("nan"))
check(
    "A judge who accepts what is long",
    kappa(long_ones, [True, True, False, False, True, False, False, False], lengths)[1],
    1.25,
)
check("Long answers are better, and the judge sees it", [kappa(long_ones, long_ones, lengths)[1], 1], [0.0, 1])
check(
    "A judge who accepts everything, where people accept half of the long and half of the short",
    [kappa([True] * 8, every_second, lengths)[1], 1],
    [0.0, 1],
)
check("A judge who says no, always, where people accept what is long", kappa([False] * 8, long_ones, lengths)[1], -1.0)
check("Half as generous again to the long half", kappa([True, False] * 2 + [True] * 4, every_second, lengths)[1], 0.5)
check(
    "One long answer among short ones",
    kappa([True, True, False, True], [True, False, False, False], [5, 5, 5, 9])[1],
    2 / 3,
)
check("All of one length", kappa([True, False], [True, True], [5, 5])[1], float("nan"))
### BEGIN HIDDEN TESTS
dice = np.random.default_rng(class_seed("kappa"))
heads, tails = (dice.random(60) < 0.7).tolist(), (dice.random(60) < 0.4).tolist()
### BEGIN EXPECTED
from sklearn.metrics import cohen_kappa_score

coins = cohen_kappa_score(heads, tails)
by_rule = cohen_kappa_score(read.rule, read.grounded)
by_model = cohen_kappa_score(read.model_yes > 0.5, read.grounded)
### END EXPECTED
check("The rule against our labels, as scikit-learn has it", kappa(read.rule, read.grounded, read.words)[0], by_rule)
check("The model against our labels, likewise", kappa(read.model_yes > 0.5, read.grounded, read.words)[0], by_model)
check("Two coins, thrown for this class", kappa(heads, tails, range(60))[0], coins)
check("The rule's length bias", kappa(read.rule, read.grounded, read.words)[1], -0.213415)
check("The model's length bias", kappa(read.model_yes > 0.5, read.grounded, read.words)[1], -0.0663957)
### END HIDDEN TESTS


# %% mistake="kappa"
# Take off the agreement that chance gives: a judge who always says yes agrees with most of a good year.
def kappa(judge, people, words):
    judge, people, words = np.asarray(judge, dtype=float), np.asarray(people, dtype=float), np.asarray(words)
    long = words > np.median(words)
    extra = judge - people
    bias = extra[long].mean() - extra[~long].mean() if long.any() else np.nan
    return np.mean(judge == people), bias


# %% mistake="kappa"
# Work out chance from how often each says yes: one half holds only for coins.
def kappa(judge, people, words):
    judge, people, words = np.asarray(judge, dtype=float), np.asarray(people, dtype=float), np.asarray(words)
    long = words > np.median(words)
    extra = judge - people
    bias = extra[long].mean() - extra[~long].mean() if long.any() else np.nan
    return 2 * np.mean(judge == people) - 1, bias


# %% mistake="kappa"
# Multiply the judge's share by the people's: with their mean, squared, you have Scott's pi.
def kappa(judge, people, words):
    judge, people, words = np.asarray(judge, dtype=float), np.asarray(people, dtype=float), np.asarray(words)
    both = (judge.mean() + people.mean()) / 2
    chance = both**2 + (1 - both) ** 2
    long = words > np.median(words)
    extra = judge - people
    bias = extra[long].mean() - extra[~long].mean() if long.any() else np.nan
    return (np.mean(judge == people) - chance) / (1 - chance) if chance < 1 else np.nan, bias


# %% mistake="kappa"
# Count agreement on no as well: chance makes two judges agree on both verdicts.
def kappa(judge, people, words):
    judge, people, words = np.asarray(judge, dtype=float), np.asarray(people, dtype=float), np.asarray(words)
    chance = judge.mean() * people.mean()
    long = words > np.median(words)
    extra = judge - people
    bias = extra[long].mean() - extra[~long].mean() if long.any() else np.nan
    return (np.mean(judge == people) - chance) / (1 - chance) if chance < 1 else np.nan, bias


# %% mistake="kappa"
# Divide by 1 − p_e, the most that can be gained over chance: then a perfect judge has 1.
def kappa(judge, people, words):
    judge, people, words = np.asarray(judge, dtype=float), np.asarray(people, dtype=float), np.asarray(words)
    chance = judge.mean() * people.mean() + (1 - judge.mean()) * (1 - people.mean())
    long = words > np.median(words)
    extra = judge - people
    bias = extra[long].mean() - extra[~long].mean() if long.any() else np.nan
    return np.mean(judge == people) - chance, bias


# %% mistake="kappa"
# Return NaN when both always say the same: 0 / 0 is no agreement, no disagreement, and no error.
def kappa(judge, people, words):
    n, words = len(judge), np.asarray(words)
    agree = sum(a == b for a, b in zip(judge, people)) / n
    a, b = sum(judge) / n, sum(people) / n
    chance = a * b + (1 - a) * (1 - b)
    long = words > np.median(words)
    extra = np.asarray(judge, dtype=float) - np.asarray(people, dtype=float)
    bias = extra[long].mean() - extra[~long].mean() if long.any() else np.nan
    return (agree - chance) / (1 - chance), bias


# %% mistake="kappa"
# Compare with people before you speak of bias: long answers may be better, and a good judge accepts them.
def kappa(judge, people, words):
    judge, people, words = np.asarray(judge, dtype=float), np.asarray(people, dtype=float), np.asarray(words)
    chance = judge.mean() * people.mean() + (1 - judge.mean()) * (1 - people.mean())
    long = words > np.median(words)
    bias = judge[long].mean() - judge[~long].mean() if long.any() else np.nan
    return (np.mean(judge == people) - chance) / (1 - chance) if chance < 1 else np.nan, bias


# %% mistake="kappa"
# Subtract the generosity to short answers: a judge who is generous to all has no taste for length.
def kappa(judge, people, words):
    judge, people, words = np.asarray(judge, dtype=float), np.asarray(people, dtype=float), np.asarray(words)
    chance = judge.mean() * people.mean() + (1 - judge.mean()) * (1 - people.mean())
    long = words > np.median(words)
    bias = (judge - people)[long].mean() if long.any() else np.nan
    return (np.mean(judge == people) - chance) / (1 - chance) if chance < 1 else np.nan, bias


# %% mistake="kappa"
# Long means more words than the median: an answer of exactly the median is not long.
def kappa(judge, people, words):
    judge, people, words = np.asarray(judge, dtype=float), np.asarray(people, dtype=float), np.asarray(words)
    chance = judge.mean() * people.mean() + (1 - judge.mean()) * (1 - people.mean())
    long = words >= np.median(words)
    extra = judge - people
    bias = extra[long].mean() - (0 if long.all() else extra[~long].mean())
    return (np.mean(judge == people) - chance) / (1 - chance) if chance < 1 else np.nan, bias


# %% mistake="kappa"
# Subtract with the sign: the absolute difference hides whether the judge is generous or strict.
def kappa(judge, people, words):
    judge, people, words = np.asarray(judge, dtype=float), np.asarray(people, dtype=float), np.asarray(words)
    chance = judge.mean() * people.mean() + (1 - judge.mean()) * (1 - people.mean())
    long = words > np.median(words)
    extra = np.abs(judge - people)
    bias = extra[long].mean() - extra[~long].mean() if long.any() else np.nan
    return (np.mean(judge == people) - chance) / (1 - chance) if chance < 1 else np.nan, bias


# %% alternative="kappa"
# A table of counts, and the bias with pandas.
def kappa(judge, people, words):
    frame = pd.DataFrame({"judge": list(judge), "people": list(people), "words": list(words)}).astype(float)
    counts = pd.crosstab(frame.judge, frame.people).reindex(index=[0, 1], columns=[0, 1], fill_value=0).to_numpy()
    n = counts.sum()
    chance = counts.sum(axis=0) @ counts.sum(axis=1) / n**2
    agreement = np.nan if chance == 1 else 1 - (1 - np.trace(counts) / n) / (1 - chance)
    part = frame.groupby(frame.words > frame.words.median())[["judge", "people"]].mean()
    generous = part.judge - part.people
    return agreement, generous.get(True, np.nan) - generous.get(False, np.nan)


# %% alternative="kappa"
# scikit-learn for kappa.
def kappa(judge, people, words):
    from sklearn.metrics import cohen_kappa_score

    judge, people = [bool(x) for x in judge], [bool(x) for x in people]
    one = len(set(judge) | set(people)) == 1
    middle = sorted(words)[len(words) // 2] / 2 + sorted(words)[(len(words) - 1) // 2] / 2
    sides = {True: [], False: []}
    for a, b, size in zip(judge, people, words):
        sides[bool(size > middle)].append(a - b)
    short, long = sides[False], sides[True]
    bias = sum(long) / len(long) - sum(short) / len(short) if long else np.nan
    return np.nan if one else cohen_kappa_score(judge, people), bias


# %% [markdown]
# We put four judges beside our labels: the rule, your claims, the model itself, asked whether all of its answer is
# found in the document (`model_yes` is its probability of yes), and one who always says no. The 95 % intervals are
# drawn from whole documents, since answers from one are alike.

# %%
from sklearn.metrics import cohen_kappa_score

judges = {
    "the rule": read.rule,
    "the claims": read.claims,
    "the model": read.model_yes > 0.5,
    "always no": read.rule & False,
}
dice, places, long = (
    np.random.default_rng(4),
    list(read.groupby("document").indices.values()),
    read.words > read.words.median(),
)


def bias(rows):
    """The length bias of a judge on these rows."""
    extra = rows.verdict.astype(float) - rows.grounded
    return extra[rows.long].mean() - extra[~rows.long].mean()


for name, verdict in judges.items():
    rows, again = read.assign(verdict=verdict, long=long), []
    for _ in range(200):
        some = rows.iloc[np.concatenate([places[i] for i in dice.integers(len(places), size=len(places))])]
        again.append((cohen_kappa_score(some.verdict, some.grounded), bias(some)))
    (k_low, b_low), (k_high, b_high) = np.quantile(again, [0.025, 0.975], axis=0)
    print(f"{name}: agrees on {(verdict == read.grounded).mean():.2f}, kappa", end=" ")
    print(f"{cohen_kappa_score(verdict, read.grounded):.2f} [{k_low:.2f}, {k_high:.2f}],", end=" ")
    print(f"length bias {bias(rows):.2f} [{b_low:.2f}, {b_high:.2f}]")

# %% [markdown]
# Whoever always says no agrees with us on 56 %, and has a kappa of 0. The rule agrees on 61 %, hardly more, and yet it
# knows something: 0.27, and 0.34 with units and names. The model agrees on 42 %; its kappa of −0.16 is not clearly
# different from 0. This small model cannot judge itself. Large ones can do much better, and have been seen to favour
# long answers (Zheng et al., *Judging LLM-as-a-Judge*, 2023). Of that there is no sign here: always-no has a bias of
# −0.11, for long answers are grounded more often, and that lies within the intervals of all. Measure both on your own
# labels.

# %% [markdown]
# One warning: all labels here are by one labeller. Before you blame a judge, let two people label the same answers:
# their kappa with each other is a fair measure to hold a judge to.

# %% [markdown]
# ## Exercise 4: see what people ask change
#
# Labels come late; questions come at once. Compare the words of two months: with $p$ and $q$ the shares of each word
# among all words of a month, and $m = (p + q)/2$, the Jensen–Shannon distance (Lin, *Divergence Measures Based on the
# Shannon Entropy*, 1991; its root is a metric: Endres & Schindelin 2003) is
#
# $$d = \sqrt{\tfrac12 \sum_w p_w \log_2\frac{p_w}{m_w} + \tfrac12 \sum_w q_w \log_2\frac{q_w}{m_w}}.$$

# %% [markdown]
# It is 0 for equal shares and 1 where no word is shared. Return `(distance, p)`.
#
# - A word is a run of the letters a–z, in lower case. All questions of a month are counted together; a term with
#   $p_w = 0$, or $q_w = 0$, adds nothing. A month without a word does not occur.
# - $p$: shuffle whole questions between the months `permutations` times, keeping how many each has; count how often
#   the distance is at least as large (up to $10^{-9}$), add one above and below. Random choices come from `rng`.


# %% answer="drift"
def drift(reference, current, rng, permutations=199):
    """(Jensen–Shannon distance of the words of two lists of questions, p by shuffling questions)."""
    ### BEGIN SOLUTION
    rows = [re.findall("[a-z]+", question.lower()) for question in [*reference, *current]]
    place = {word: i for i, word in enumerate(sorted({w for row in rows for w in row}))}
    counts = np.zeros((len(rows), len(place)))
    for row, words in enumerate(rows):
        np.add.at(counts[row], [place[w] for w in words], 1)

    def distance(order):
        p, q = (counts[part].sum(axis=0) for part in (order[: len(reference)], order[len(reference) :]))
        p, q = p / p.sum(), q / q.sum()
        m = (p + q) / 2
        terms = [x[x > 0] @ np.log2(x[x > 0] / m[x > 0]) for x in (p, q)]
        return np.sqrt(max(0, sum(terms) / 2))

    seen = distance(np.arange(len(rows)))
    count = sum(distance(rng.permutation(len(rows))) >= seen - 1e-9 for _ in range(permutations))
    return seen, (1 + count) / (1 + permutations)
    ### END SOLUTION


# %% check="drift" points=4
asked = {month: rows.question.tolist() for month, rows in read.groupby("month")}
topics = [
    f"{word} " * 12
    for word in ["storm", "fog", "rain", "gate", "crew", "hotel", "delay", "label", "model", "alarm"] * 4
]
check("A month has not drifted from itself", drift(asked[1], asked[1], np.random.default_rng(1), 9), [0.0, 1.0])
check("No word in common", drift(["late flight"], ["foggy morning"], np.random.default_rng(1), 9)[0], 1.0)
check("Half of the words in common", drift(["late flight"], ["Late gate?"], np.random.default_rng(1), 9)[0], 0.707107)
check(
    "Another question of the same words: 0, and 1 is added, so that rounding near 0 is forgiven",
    drift(["fog fog rain"], ["rain fog", "FOG!"], np.random.default_rng(1), 9)[0] + 1,
    1.0,
)
apart = [
    drift(["fog rain rain"], [other], np.random.default_rng(1), 9)[0] for other in ("fog fog rain", "rain fog mist")
]
check("One fog in three against two, and a third word", apart, [0.285839, 0.455542])
check(
    "A long question weighs more than a short one",
    drift(["fog fog fog", "rain"], ["fog", "rain"], np.random.default_rng(1), 9)[0],
    0.220896,
)
check("The second month against the first", drift(asked[1], asked[2], np.random.default_rng(1), 9)[0], 0.758602)
check("Nobody asks such questions by chance", [drift(asked[1], asked[2], np.random.default_rng(2), 19)[1]], [0.05])
throws = np.random.default_rng(3)
mixed = [throws.permutation(topics).tolist() for _ in range(60)]
level = [drift(m[:20], m[20:], throws, 9)[1] for m in mixed]
seeds = [
    drift(["fog rain", "gate", "rain"], ["fog", "crew rain"], np.random.default_rng(s), 19)[1] for s in [*range(20)] * 2
]
check("Forty questions dealt to two months: p is middling on average", np.mean(level), between(0.35, 0.85))
check(
    "One question against the other, twice the same", drift(["fog"], ["rain"], np.random.default_rng(4), 19), [1.0, 1.0]
)
check(
    "One of ten questions is the first month: by chance it is again the odd one in a tenth of the shuffles",
    drift(["fog"], ["rain"] * 9, np.random.default_rng(6), 499)[1],
    between(0.04, 0.17),
)
check(
    "The same twenty seeds, twice",
    [float(p) for p in seeds],
    satisfies("holds twenty p twice, not all alike", lambda x: x[:20] == x[20:] and len(set(x)) > 1),
)
### BEGIN HIDDEN TESTS
dice = np.random.default_rng(class_seed("drift"))
bags = [
    [" ".join(dice.choice(list("abcdefghij"), 30, p=dice.dirichlet(np.ones(10)))) for _ in range(2)] for _ in range(3)
]
### BEGIN EXPECTED
from scipy.spatial.distance import jensenshannon

shares = [[[one.split().count(c) / 30 for c in "abcdefghij"] for one in pair] for pair in bags]
apart = [float(jensenshannon(p, q, base=2)) for p, q in shares]
### END EXPECTED
check("Random texts, against scipy", [drift([a], [b], dice, 1)[0] for a, b in bags], apart)
said = {month: rows.answer.tolist() for month, rows in read.groupby("month")}
check("The answers of both months", drift(said[1], said[2], np.random.default_rng(5), 9)[0], 0.692383)
check("p of the answers has tenths", [drift(said[1], said[2], np.random.default_rng(5), 9)[1]], [0.1])
### END HIDDEN TESTS


# %% mistake="drift"
# Take the root: without it you have the divergence, which is the square of the distance.
def drift(reference, current, rng, permutations=199):
    rows = [re.findall("[a-z]+", question.lower()) for question in [*reference, *current]]

    def distance(order):
        parts = [
            pd.Series([w for i in part for w in rows[i]]).value_counts(normalize=True)
            for part in (order[: len(reference)], order[len(reference) :])
        ]
        p, q = (x for _, x in pd.concat(parts, axis=1).fillna(0).items())
        m = (p + q) / 2
        return max(0.0, sum((x[x > 0] * np.log2(x[x > 0] / m[x > 0])).sum() for x in (p, q)) / 2)

    seen = distance(np.arange(len(rows)))
    count = sum(distance(rng.permutation(len(rows))) >= seen - 1e-12 for _ in range(permutations))
    return seen, (1 + count) / (1 + permutations)


# %% mistake="drift"
# Take logarithms to the base 2: then two months without a common word are 1 apart.
def drift(reference, current, rng, permutations=199):
    from scipy.spatial.distance import jensenshannon

    rows = [re.findall("[a-z]+", question.lower()) for question in [*reference, *current]]
    place = sorted({w for row in rows for w in row})
    counts = np.array([[row.count(w) for w in place] for row in rows])

    def distance(order):
        return jensenshannon(counts[order[: len(reference)]].sum(axis=0), counts[order[len(reference) :]].sum(axis=0))

    seen = distance(np.arange(len(rows)))
    count = sum(distance(rng.permutation(len(rows))) >= seen - 1e-12 for _ in range(permutations))
    return seen, (1 + count) / (1 + permutations)


# %% mistake="drift"
# Read words in lower case: Late and late are one word.
def drift(reference, current, rng, permutations=199):
    from scipy.spatial.distance import jensenshannon

    rows = [re.findall("[A-Za-z]+", question) for question in [*reference, *current]]
    place = sorted({w for row in rows for w in row})
    counts = np.array([[row.count(w) for w in place] for row in rows])

    def distance(order):
        parts = order[: len(reference)], order[len(reference) :]
        return jensenshannon(*(counts[part].sum(axis=0) for part in parts), base=2)

    seen = distance(np.arange(len(rows)))
    count = sum(distance(rng.permutation(len(rows))) >= seen - 1e-12 for _ in range(permutations))
    return seen, (1 + count) / (1 + permutations)


# %% mistake="drift"
# Cut words at everything that is no letter: "gate?" is the word gate.
def drift(reference, current, rng, permutations=199):
    from scipy.spatial.distance import jensenshannon

    rows = [question.lower().split() for question in [*reference, *current]]
    place = sorted({w for row in rows for w in row})
    counts = np.array([[row.count(w) for w in place] for row in rows])

    def distance(order):
        parts = order[: len(reference)], order[len(reference) :]
        return jensenshannon(*(counts[part].sum(axis=0) for part in parts), base=2)

    seen = distance(np.arange(len(rows)))
    count = sum(distance(rng.permutation(len(rows))) >= seen - 1e-12 for _ in range(permutations))
    return seen, (1 + count) / (1 + permutations)


# %% mistake="drift"
# Count how often a word occurs: whether it occurs at all says nothing of its share.
def drift(reference, current, rng, permutations=199):
    from scipy.spatial.distance import jensenshannon

    rows = [re.findall("[a-z]+", question.lower()) for question in [*reference, *current]]
    place = sorted({w for row in rows for w in row})
    counts = np.array([[row.count(w) for w in place] for row in rows])

    def distance(order):
        parts = order[: len(reference)], order[len(reference) :]
        return jensenshannon(*(counts[part].sum(axis=0) > 0 for part in parts), base=2)

    seen = distance(np.arange(len(rows)))
    count = sum(distance(rng.permutation(len(rows))) >= seen - 1e-12 for _ in range(permutations))
    return seen, (1 + count) / (1 + permutations)


# %% mistake="drift"
# Count the words of all questions together: averaging over questions gives a short one the weight of a long one.
def drift(reference, current, rng, permutations=199):
    from scipy.spatial.distance import jensenshannon

    rows = [re.findall("[a-z]+", question.lower()) for question in [*reference, *current]]
    place = sorted({w for row in rows for w in row})
    shares = np.array([[row.count(w) / len(row) for w in place] for row in rows])

    def distance(order):
        parts = order[: len(reference)], order[len(reference) :]
        return jensenshannon(*(shares[part].mean(axis=0) for part in parts), base=2)

    seen = distance(np.arange(len(rows)))
    count = sum(distance(rng.permutation(len(rows))) >= seen - 1e-12 for _ in range(permutations))
    return seen, (1 + count) / (1 + permutations)


# %% mistake="drift"
# Compare both months with their mean: the Kullback–Leibler divergence of one from the other ends where a word is new.
def drift(reference, current, rng, permutations=199):
    rows = [re.findall("[a-z]+", question.lower()) for question in [*reference, *current]]
    place = sorted({w for row in rows for w in row})
    counts = np.array([[row.count(w) for w in place] for row in rows])

    def distance(order):
        p, q = (counts[part].sum(axis=0) + 1e-9 for part in (order[: len(reference)], order[len(reference) :]))
        p, q = p / p.sum(), q / q.sum()
        return np.sqrt(max(0.0, np.sum(p * np.log2(p / q))))

    seen = distance(np.arange(len(rows)))
    count = sum(distance(rng.permutation(len(rows))) >= seen - 1e-12 for _ in range(permutations))
    return seen, (1 + count) / (1 + permutations)


# %% mistake="drift"
# Shuffle whole questions: words of one question belong together, and shuffled singly they make any two months look
# apart.
def drift(reference, current, rng, permutations=199):
    from scipy.spatial.distance import jensenshannon

    parts = [[w for question in side for w in re.findall("[a-z]+", question.lower())] for side in (reference, current)]
    place = {w: i for i, w in enumerate(sorted({*parts[0], *parts[1]}))}
    codes = np.array([place[w] for w in parts[0] + parts[1]])

    def distance(codes):
        p, q = (np.bincount(x, minlength=len(place)) for x in (codes[: len(parts[0])], codes[len(parts[0]) :]))
        return np.nan_to_num(jensenshannon(p, q, base=2))

    seen = distance(codes)
    count = sum(distance(rng.permutation(codes)) >= seen - 1e-12 for _ in range(permutations))
    return seen, (1 + count) / (1 + permutations)


# %% mistake="drift"
# Count what you saw as one of the shuffles: add one above and below, so that p is never zero.
def drift(reference, current, rng, permutations=199):
    from scipy.spatial.distance import jensenshannon

    rows = [re.findall("[a-z]+", question.lower()) for question in [*reference, *current]]
    place = sorted({w for row in rows for w in row})
    counts = np.array([[row.count(w) for w in place] for row in rows])

    def distance(order):
        parts = order[: len(reference)], order[len(reference) :]
        return np.nan_to_num(jensenshannon(*(counts[part].sum(axis=0) for part in parts), base=2))

    seen = distance(np.arange(len(rows)))
    return seen, np.mean([distance(rng.permutation(len(rows))) >= seen - 1e-12 for _ in range(permutations)])


# %% mistake="drift"
# Count the shuffles that are at least as far apart: a p near one where nothing is alike has the sign turned.
def drift(reference, current, rng, permutations=199):
    from scipy.spatial.distance import jensenshannon

    rows = [re.findall("[a-z]+", question.lower()) for question in [*reference, *current]]
    place = sorted({w for row in rows for w in row})
    counts = np.array([[row.count(w) for w in place] for row in rows])

    def distance(order):
        parts = order[: len(reference)], order[len(reference) :]
        return np.nan_to_num(jensenshannon(*(counts[part].sum(axis=0) for part in parts), base=2))

    seen = distance(np.arange(len(rows)))
    count = sum(distance(rng.permutation(len(rows))) <= seen + 1e-12 for _ in range(permutations))
    return seen, (1 + count) / (1 + permutations)


# %% alternative="drift"
# scipy's distance on a table of counts.
def drift(reference, current, rng, permutations=199):
    from scipy.spatial.distance import jensenshannon
    from sklearn.feature_extraction.text import CountVectorizer

    every = [*reference, *current]
    counts = CountVectorizer(token_pattern="[a-z]+").fit_transform(every).toarray()
    first = np.arange(len(every)) < len(reference)

    def distance(mask):
        return np.nan_to_num(jensenshannon(counts[mask].sum(axis=0), counts[~mask].sum(axis=0), base=2))

    seen = distance(first)
    bigger = [distance(rng.permutation(first)) > seen - 1e-12 for _ in range(permutations)]
    return seen, (1 + np.sum(bigger)) / (1 + permutations)


# %% alternative="drift"
# Counters, and entropies: the entropy of the mean minus the mean entropy.
def drift(reference, current, rng, permutations=199):
    from collections import Counter
    from math import log2

    def entropy(shares):
        return -sum(x * log2(x) for x in shares.values() if x)

    def distance(first, second):
        sides = []
        for questions in (first, second):
            found = Counter(w for q in questions for w in re.findall("[a-z]+", q.lower()))
            total = sum(found.values())
            sides.append({w: n / total for w, n in found.items()})
        mean = {w: sum(side.get(w, 0) for side in sides) / 2 for side in sides for w in side}
        return max(0.0, round(entropy(mean) - sum(map(entropy, sides)) / 2, 13)) ** 0.5

    every, count = [*reference, *current], 0
    seen = distance(reference, current)
    for _ in range(permutations):
        order = [every[i] for i in rng.permutation(len(every))]
        count += distance(order[: len(reference)], order[len(reference) :]) >= seen - 1e-9
    return seen, (count + 1) / (permutations + 1)


# %% [markdown]
# Without shuffling, 0.76 would mean nothing. Guess how far apart two months are whose questions were dealt at random.

# %%
from scipy.spatial.distance import jensenshannon
from sklearn.feature_extraction.text import CountVectorizer

counts = CountVectorizer(token_pattern="[a-z]+").fit_transform(read.question).toarray()
first, dice = (read.month == 1).to_numpy(), np.random.default_rng(6)
orders = [first, *(dice.permutation(first) for _ in range(199))]
apart = [jensenshannon(counts[o].sum(axis=0), counts[~o].sum(axis=0), base=2) for o in orders]
plt.figure(figsize=(6, 3), layout="constrained")
plt.hist(apart[1:], 20, color="#56B4E9", label="questions shuffled")
plt.axvline(apart[0], color="#D55E00", linestyle="--", label="as they came")
plt.xlabel("Jensen–Shannon distance between the months")
plt.ylabel("number of shuffles")
plt.legend()
plt.show()
print(f"as they came {apart[0]:.2f}; shuffled {min(apart[1:]):.2f} to {max(apart[1:]):.2f}")

# %% [markdown]
# Dealt at random they are 0.53 to 0.61 apart: small samples of words always differ. The 0.76 lies beyond all shuffles.
# We wrote the second month to be different, about storms and alarms and with longer questions, so this drift was
# planted. Did it harm?

# %%
by_document = read.groupby("document").agg(good=("grounded", "sum"), size=("id", "size"), month=("month", "first"))
good, size = by_document.good.to_numpy(), by_document["size"].to_numpy()
early = (by_document.month == 1).to_numpy()


def fall(mask):
    """How much larger the share of grounded answers is for these documents than for the others."""
    return good[mask].sum() / size[mask].sum() - good[~mask].sum() / size[~mask].sum()


by_chance = [abs(fall(dice.permutation(early))) >= abs(fall(early)) - 1e-12 for _ in range(1_999)]
print(
    f"the share grounded fell by {fall(early):.2f}; p = {(1 + sum(by_chance)) / 2_000:.2f}, shuffling whole documents"
)

# %% [markdown]
# The share of grounded answers fell by 17 points, and of 77 answers that may still be chance: *p* is above 0.05. The
# questions' drift is sure, the harm is not. (Here whole documents are shuffled, since answers from one are alike. The
# months share no document: harder questions and harder documents cannot be told apart.) That is a reason to have people
# read more, and to choose what they read.
#
# A third drift needs no new question: the facts move, and a right answer turns wrong (*concept drift*).

# %%
arrived = flights().dropna(subset="late")
halves = arrived.groupby(["carrier", arrived.month > 6]).late.mean().unstack().mul(100).round(1)
halves.columns = ["January to June", "July to December"]
print(halves.loc[["HA", "MQ", "F9"]].assign(year=arrived.groupby("carrier").late.mean().mul(100).round(1)))

# %% [markdown]
# A runbook written in July would have said 11.6 % for HA, and the year's says 12.6 %: whoever repeats July's answer in
# January is wrong, with the same model and the same question. Check an answer against the document as it is now, and
# let a stored answer expire with its document.


# %% [markdown]
# ## Exercise 5: choose what people read next
#
# People can read `budget` answers a week. Read where a judge is least sure, and each label teaches most (uncertainty
# sampling: Lewis & Gale, *A Sequential Algorithm for Training Text Classifiers*, 1994). But such answers are not
# typical: to know how good the model is, some must be drawn at random.

# %% [markdown]
# `p[i]` is a judge's probability that answer `i` is grounded. Return `(drawn, unsure)`, two lists of positions; in
# all there are `budget`, and `at_random` is not above it.
#
# - First draw `at_random` positions from *all* answers with `rng`, none twice, every set as likely as any other. Only
#   their labels will be used to estimate the share of grounded answers.
# - Then, of the rest, the `budget - at_random` whose `p` is nearest to one half; among equals, any.
# - When answers run out, the list that wants more takes those that are left: of 8 answers with 3 of 30 at random, 3 are
#   drawn and 5 unsure; with 20 at random, all 8 are drawn.


# %% answer="sample_for_review"
def sample_for_review(p, budget, at_random, rng):
    """Positions to read: (those drawn at random, those of the rest where the judge is least sure)."""
    ### BEGIN SOLUTION
    p = np.asarray(p)
    drawn = rng.choice(len(p), min(at_random, len(p)), replace=False)
    rest = np.setdiff1d(np.arange(len(p)), drawn)
    nearest = rest[np.argsort(np.abs(p[rest] - 0.5), kind="stable")]
    return drawn.tolist(), nearest[: budget - at_random].tolist()
    ### END SOLUTION


# %% check="sample_for_review" points=3
p = [0.9, 0.52, 0.1, 0.41, 0.97, 0.03, 0.7, 0.35]
wide = np.linspace(0.02, 0.98, 20).round(3)
throws = np.random.default_rng(8)
many = [sample_for_review(wide, 9, 5, throws) for _ in range(1_500)]
seen = np.bincount([i for drawn, _ in many for i in drawn], minlength=20)
sure = [0.95, 0.6, 0.97, 0.9, 0.99, 0.93]
check("Only the judge's doubts: the two nearest to one half", sorted(sample_for_review(p, 2, 0, throws)[1]), [1, 3])
check("The four nearest, above and below", sorted(sample_for_review(p, 4, 0, throws)[1]), [1, 3, 6, 7])
check("A judge who is sure of nearly all", sorted(sample_for_review(sure, 2, 0, throws)[1]), [1, 3])
check("Five at random, and four of the rest", [[len(a), len(b)] for a, b in many[:3]], [[5, 4]] * 3)
check("Nobody reads an answer twice", [len({*map(int, a), *map(int, b)}) for a, b in many[:40]], [9] * 40)
check(
    "Drawn least and most often of 20, in 1,500 draws of 5",
    [int(seen.min()), int(seen.max())],
    satisfies("lies between 285 and 465", lambda x: 285 <= x[0] <= x[1] <= 465),
)
check(
    "Of the rest, none nearer to one half is left out",
    sum(
        max(abs(wide[i] - 0.5) for i in b) > min(abs(wide[i] - 0.5) for i in range(20) if i not in {*a, *b}) + 1e-9
        for a, b in many[:200]
    ),
    0,
)
everyone = [sample_for_review(p, 30, r, throws) for r in (0, 3, 20)]
check("Fewer answers than readers", [sorted([*a, *b]) for a, b in everyone], [list(range(8))] * 3)
check(
    "How many of the eight are drawn, and unsure, with 0, 3 and 20 of 30 at random",
    [[len(a), len(b)] for a, b in everyone],
    [[0, 8], [3, 5], [8, 0]],
)
check(
    "The same seed reads the same",
    [[list(map(int, part)) for part in sample_for_review(wide, 6, 3, np.random.default_rng(4))] for _ in range(2)],
    satisfies("is one choice twice", lambda x: x[0] == x[1]),
)
### BEGIN HIDDEN TESTS
held = np.zeros((len(many), 20))
for row, (positions, _) in zip(held, many):
    row[list(positions)] = 1
pairs = (held.T @ held)[np.triu_indices(20, 1)]
check(
    "Two of 20 drawn together, the rarest and the commonest pair of 1,500 draws of 5",
    [int(pairs.min()), int(pairs.max())],
    satisfies("lies between 30 and 140", lambda x: 30 <= x[0] <= x[1] <= 140),
)
truth = read.grounded.to_numpy()
drawn = [sample_for_review(read.model_yes.to_numpy(), 20, 10, throws)[0] for _ in range(600)]
check(
    "The drawn ones give the share of grounded answers",
    float(np.mean([truth[list(d)].mean() for d in drawn])),
    between(0.408, 0.475),
)
### END HIDDEN TESTS


# %% mistake="sample_for_review"
# Read where the judge is unsure, not where it is sure: of a sure verdict a reader learns little.
def sample_for_review(p, budget, at_random, rng):
    p = np.asarray(p)
    drawn = rng.choice(len(p), min(at_random, len(p)), replace=False)
    rest = np.setdiff1d(np.arange(len(p)), drawn)
    return drawn.tolist(), rest[np.argsort(-np.abs(p[rest] - 0.5))][: budget - at_random].tolist()


# %% mistake="sample_for_review"
# Read more than what looks bad: complaints and low scores show the errors that somebody noticed.
def sample_for_review(p, budget, at_random, rng):
    p = np.asarray(p)
    drawn = rng.choice(len(p), min(at_random, len(p)), replace=False)
    rest = np.setdiff1d(np.arange(len(p)), drawn)
    return drawn.tolist(), rest[np.argsort(p[rest])][: budget - at_random].tolist()


# %% mistake="sample_for_review"
# Measure the distance to one half on both sides: doubts below it are as good as doubts above.
def sample_for_review(p, budget, at_random, rng):
    p = np.asarray(p)
    drawn = rng.choice(len(p), min(at_random, len(p)), replace=False)
    rest = np.setdiff1d(np.arange(len(p)), drawn)
    above = np.where(p[rest] >= 0.5, p[rest] - 0.5, 1)
    return drawn.tolist(), rest[np.argsort(above, kind="stable")][: budget - at_random].tolist()


# %% mistake="sample_for_review"
# Draw at random first, and from all: drawn from what the doubts leave over, the sample lacks the doubtful answers.
def sample_for_review(p, budget, at_random, rng):
    p = np.asarray(p)
    unsure = np.argsort(np.abs(p - 0.5), kind="stable")[: budget - at_random]
    rest = np.setdiff1d(np.arange(len(p)), unsure)
    return rng.choice(rest, min(at_random, len(rest)), replace=False).tolist(), unsure.tolist()


# %% mistake="sample_for_review"
# Take the doubts from those not drawn already: a second reading of one answer is a reading lost.
def sample_for_review(p, budget, at_random, rng):
    p = np.asarray(p)
    drawn = rng.choice(len(p), min(at_random, len(p)), replace=False)
    return drawn.tolist(), np.argsort(np.abs(p - 0.5), kind="stable")[: budget - at_random].tolist()


# %% mistake="sample_for_review"
# Draw without putting back: an answer read twice counts twice.
def sample_for_review(p, budget, at_random, rng):
    p = np.asarray(p)
    drawn = rng.integers(len(p), size=min(at_random, len(p)))
    rest = np.setdiff1d(np.arange(len(p)), drawn)
    nearest = rest[np.argsort(np.abs(p[rest] - 0.5), kind="stable")]
    return drawn.tolist(), nearest[: budget - at_random].tolist()


# %% mistake="sample_for_review"
# Draw with `rng`: the first answers of a week are not a sample of it.
def sample_for_review(p, budget, at_random, rng):
    p = np.asarray(p)
    rest = np.arange(min(at_random, len(p)), len(p))
    nearest = rest[np.argsort(np.abs(p[rest] - 0.5), kind="stable")]
    return list(range(min(at_random, len(p)))), nearest[: budget - at_random].tolist()


# %% mistake="sample_for_review"
# Draw each answer with the same chance: weighted by doubt, the sample overstates what is doubtful.
def sample_for_review(p, budget, at_random, rng):
    p = np.asarray(p)
    weight = 1.001 - np.abs(p - 0.5) * 2
    drawn = rng.choice(len(p), min(at_random, len(p)), replace=False, p=weight / weight.sum())
    rest = np.setdiff1d(np.arange(len(p)), drawn)
    nearest = rest[np.argsort(np.abs(p[rest] - 0.5), kind="stable")]
    return drawn.tolist(), nearest[: budget - at_random].tolist()


# %% mistake="sample_for_review"
# Count the random ones in the budget: people read `budget` answers in all.
def sample_for_review(p, budget, at_random, rng):
    p = np.asarray(p)
    drawn = rng.choice(len(p), min(at_random, len(p)), replace=False)
    rest = np.setdiff1d(np.arange(len(p)), drawn)
    return drawn.tolist(), rest[np.argsort(np.abs(p[rest] - 0.5), kind="stable")][:budget].tolist()


# %% mistake="sample_for_review"
# Ask for no more random ones than there are answers: a small week is read whole.
def sample_for_review(p, budget, at_random, rng):
    p = np.asarray(p)
    drawn = rng.choice(len(p), at_random, replace=False)
    rest = np.setdiff1d(np.arange(len(p)), drawn)
    nearest = rest[np.argsort(np.abs(p[rest] - 0.5), kind="stable")]
    return drawn.tolist(), nearest[: budget - at_random].tolist()


# %% alternative="sample_for_review"
# Draw one by one, then take the nearest one by one.
def sample_for_review(p, budget, at_random, rng):
    values, left = list(p), list(range(len(p)))
    drawn = [left.pop(rng.integers(len(left))) for _ in range(min(at_random, len(left)))]
    unsure = []
    while left and len(drawn) + len(unsure) < budget:
        unsure.append(min(left, key=lambda i: max(values[i], 1 - values[i])))
        left.remove(unsure[-1])
    return drawn, unsure


# %% alternative="sample_for_review"
# A shuffled order, and entropy as the measure of doubt.
def sample_for_review(p, budget, at_random, rng):
    p = [float(x) for x in p]
    order = rng.permutation(len(p)).tolist()
    drawn, rest = order[:at_random], order[at_random:]
    doubt = {i: -sum(x * np.log(x) for x in (p[i], 1 - p[i]) if x > 0) for i in rest}
    return drawn, sorted(rest, key=doubt.get, reverse=True)[: max(0, budget - at_random)]


# %% [markdown]
# Which share of errors would each way of choosing 20 answers have found? At random we print the mean of many draws, and
# where 95 % of them lie. `sure` is the geometric mean of the probabilities that the model gave to the pieces of its
# answer.

# %%
wrong, dice = ~read.grounded.to_numpy(), np.random.default_rng(7)
chance = [wrong[dice.permutation(77)[:20]].mean() for _ in range(2_000)]
ways = {
    "at random": np.mean(chance),
    "where the model as judge is unsure": wrong[np.argsort(abs(read.model_yes - 0.5), kind="stable")[:20]].mean(),
    "the answers with the least likely words": wrong[np.argsort(read.sure, kind="stable")[:20]].mean(),
    "only the 15 that the rule complains of": wrong[~read.rule].mean(),
}
for way, share in ways.items():
    print(f"{way}: {share:.2f} not grounded")
low, high = np.quantile(chance, [0.025, 0.975])
print(f"all 77: {wrong.mean():.2f}; 20 at random: {low:.2f} to {high:.2f}")

# %% [markdown]
# Who reads only complaints, here the rule's, believes that 93 % of the answers are wrong, and never sees the 29 wrong
# ones about which nobody complained. What the others found lies within chance, 0.35 to 0.75: with 20 answers even the
# 0.70 of the least likely words may be luck. Doubts pay as far as the judge is any good. To tell how good the model is
# you need answers drawn with known chances, as the random ones are.

# %% [markdown]
# ## Exercise 6: learn from readers, not from yourself
#
# What readers approve can become the next examples of the prompt, or training data. Models trained again and again on
# what models wrote degrade over the generations (Shumailov et al., *AI Models Collapse When Trained on Recursively
# Generated Data*, 2024), and one that is fed the questions of its exam passes it for nothing.

# %% [markdown]
# A record is a dict: `id`, `question`, `answer`, `author` (`"person"` or `"model"`), `verified` (what a person said of
# the answer: `True`, `False` or `None`), `judge` (what a judge said). Return the ids that may be learned from, in the
# order of the records.
#
# - A person's answer may enter unless `verified` is `False`; a model's only when `verified` is `True`.
# - Two questions are the same when they have the same words in the same order: runs of letters and digits, in lower
#   case. No question of the list `exam` may enter.
# - Of several records of one question that may enter one stays: the first written by a person, or else the first.


# %% answer="feedback"
def feedback(records, exam):
    """The ids of the records that may be learned from."""

    ### BEGIN SOLUTION
    def key(question):
        return tuple(re.findall("[a-z0-9]+", question.lower()))

    closed, chosen = {key(question) for question in exam}, {}
    for record in records:
        by_person = record["author"] == "person"
        allowed = record["verified"] is not False if by_person else record["verified"] is True
        asked = key(record["question"])
        if allowed and asked not in closed:
            old = chosen.get(asked)
            if old is None or (by_person and old["author"] != "person"):
                chosen[asked] = record
    kept = {record["id"] for record in chosen.values()}
    return [record["id"] for record in records if record["id"] in kept]
    ### END SOLUTION


# %% check="feedback" points=4
def records(*rows):
    """Records from (question, answer, author, verified, judge), with ids from 1."""
    return [
        dict(zip(["id", "question", "answer", "author", "verified", "judge"], [i, *row]))
        for i, row in enumerate(rows, 1)
    ]


late, far, who = "How late was HA?", "How far is LAX?", "Who calls the tower?"
check(
    "Two answers of people, one read by a second",
    feedback(records((late, "12.6%", "person", None, None), (far, "2,475 miles", "person", True, None)), []),
    [1, 2],
)
check(
    "The model's answers, approved, refused and not yet read, and a person's",
    feedback(
        records(
            (late, "12.6%", "model", True, None),
            (far, "9 miles", "model", False, None),
            (who, "The desk.", "model", None, None),
            ("When?", "At 5.", "person", None, None),
        ),
        [],
    ),
    [1, 4],
)
check(
    "A judge's approval is not a person's",
    feedback(records((late, "61.5%", "model", None, True), (far, "2,475 miles", "model", True, False)), []),
    [2],
)
check(
    "A person's answer that another person refused",
    feedback(records((late, "21.6%", "person", False, True), (far, "2,475 miles", "person", True, True)), []),
    [2],
)
check(
    "Questions of the exam, one of them spelled in another way",
    feedback(
        records(
            ("how  late was HA", "12.6%", "person", True, True),
            (who, "The desk.", "person", None, None),
            (far, "2,475 miles", "person", None, None),
        ),
        [late, who],
    ),
    [3],
)
check(
    "Two questions with one answer both stay",
    feedback(
        records((late, "12.6%", "person", None, None), ("How late was HA in the year?", "12.6%", "person", None, None)),
        [],
    ),
    [1, 2],
)
check(
    "The same question three times",
    feedback(
        records(
            (late, "12.6%", "model", True, True),
            ("How late was HA", "13%", "model", True, True),
            (far, "2,475 miles", "model", True, None),
        ),
        [],
    ),
    [1, 3],
)
check(
    "A person's answer goes before the model's, wherever it stands",
    feedback(
        records(
            (late, "13%", "model", True, True),
            (far, "2,475 miles", "person", None, None),
            (late, "12.6%", "person", None, None),
            (late, "12.6 %", "person", True, None),
        ),
        [],
    ),
    [2, 3],
)
check(
    "A refused answer leaves room for the approved one",
    feedback(
        records(
            (late, "61.5%", "model", False, True),
            (late, "12.6%", "model", True, None),
            (far, "9 miles", "person", False, None),
            (far, "2,475 miles", "model", True, None),
            (who, "The desk.", "person", None, None),
        ),
        [],
    ),
    [2, 4, 5],
)
check(
    "HA and HA 7 are different questions",
    feedback(
        records(("Is HA late?", "No.", "person", None, None), ("Is HA 7 late?", "Yes.", "person", None, None)), [who]
    ),
    [1, 2],
)
check(
    "Other words, another order, a word twice: none of these asks what the exam asks",
    feedback(
        records(
            ("Is UA later than DL?", "Yes.", "person", None, None),
            ("DL: later than UA is?", "No.", "person", None, None),
            ("Is DL later, later than UA?", "No.", "person", None, None),
            ("Is DL later than UA in May?", "No.", "person", None, None),
            ("is DL later... than UA", "No.", "person", None, None),
        ),
        ["Is DL later than UA?"],
    ),
    [1, 2, 3, 4],
)
named = records(
    ("Are UA/DL late?", "No.", "model", True, False),
    (far, "2,475 miles", "person", None, False),
    ("Are UA, DL late?", "No.", "model", True, True),
)
check(
    "Ids that are names; a stroke parts words, and a judge decides nothing",
    feedback([dict(record, id=name) for record, name in zip(named, ["c7", "a9", "b8"])], []),
    ["c7", "a9"],
)
### BEGIN HIDDEN TESTS
dice = np.random.default_rng(class_seed("feedback"))
spelled = ["How late?", "how late", "How far?", "HOW FAR", "Who, then?", "Who then", "Why?", "When?"]
drawn = [
    (str(dice.choice(spelled)), "x", str(dice.choice(["person", "model"])), [True, False, None][dice.integers(3)], True)
    for _ in range(40)
]
pool = records(*drawn)
### BEGIN EXPECTED
wanted = []
for group in (["How late?", "how late"], ["How far?", "HOW FAR"], ["Who, then?", "Who then"], ["Why?"]):
    mine = [r for r in pool if r["question"] in group]
    people = [r["id"] for r in mine if r["author"] == "person" and r["verified"] is not False]
    good = [r["id"] for r in mine if r["author"] == "model" and r["verified"]]
    wanted += (people or good)[:1]
### END EXPECTED
check("Forty records drawn for this class, one question in the exam", feedback(pool, ["when"]), sorted(wanted))
rows = zip(read.question, read.answer, read.grounded.tolist(), (read.model_yes > 0.5).tolist())
pool = records(*[(q, a, "model", g if i % 3 else None, j) for i, (q, a, g, j) in enumerate(rows)])
check(
    "What may be learned from the two months, if every third answer is unread",
    len(feedback(pool, read.question[:10].tolist())),
    19,
)
### END HIDDEN TESTS


# %% mistake="feedback"
# Wait for a person: an answer that nobody has read is not an approved one.
def feedback(records, exam):
    def key(q):
        return tuple(re.findall("[a-z0-9]+", q.lower()))

    closed, chosen = {key(q) for q in exam}, {}
    for r in records:
        if r["verified"] is not False and key(r["question"]) not in closed:
            old = chosen.get(key(r["question"]))
            if old is None or (r["author"] == "person" != old["author"]):
                chosen[key(r["question"])] = r
    kept = {r["id"] for r in chosen.values()}
    return [r["id"] for r in records if r["id"] in kept]


# %% mistake="feedback"
# Ask people, not the judge: what a model approves of a model's answers is one model talking to itself.
def feedback(records, exam):
    def key(q):
        return tuple(re.findall("[a-z0-9]+", q.lower()))

    closed, chosen = {key(q) for q in exam}, {}
    for r in records:
        good = (
            r["verified"] is not False
            if r["author"] == "person"
            else r["verified"] or (r["verified"] is None and r["judge"])
        )
        if good and key(r["question"]) not in closed:
            old = chosen.get(key(r["question"]))
            if old is None or (r["author"] == "person" != old["author"]):
                chosen[key(r["question"])] = r
    kept = {r["id"] for r in chosen.values()}
    return [r["id"] for r in records if r["id"] in kept]


# %% mistake="feedback"
# Let a model's answer in once a person has approved it: thrown away, the readers' work teaches nothing.
def feedback(records, exam):
    def key(q):
        return tuple(re.findall("[a-z0-9]+", q.lower()))

    closed, chosen = {key(q) for q in exam}, {}
    for r in records:
        if r["author"] == "person" and r["verified"] is not False and key(r["question"]) not in closed:
            chosen.setdefault(key(r["question"]), r["id"])
    return [r["id"] for r in records if r["id"] in chosen.values()]


# %% mistake="feedback"
# Leave out what a reader refused, whoever wrote it: people err too.
def feedback(records, exam):
    def key(q):
        return tuple(re.findall("[a-z0-9]+", q.lower()))

    closed, chosen = {key(q) for q in exam}, {}
    for r in records:
        if (r["author"] == "person" or r["verified"] is True) and key(r["question"]) not in closed:
            old = chosen.get(key(r["question"]))
            if old is None or (r["author"] == "person" != old["author"]):
                chosen[key(r["question"])] = r
    kept = {r["id"] for r in chosen.values()}
    return [r["id"] for r in records if r["id"] in kept]


# %% mistake="feedback"
# A person's answer needs no second reader: only a refusal keeps it out.
def feedback(records, exam):
    def key(q):
        return tuple(re.findall("[a-z0-9]+", q.lower()))

    closed, chosen = {key(q) for q in exam}, {}
    for r in records:
        if r["verified"] is True and key(r["question"]) not in closed:
            old = chosen.get(key(r["question"]))
            if old is None or (r["author"] == "person" != old["author"]):
                chosen[key(r["question"])] = r
    kept = {r["id"] for r in chosen.values()}
    return [r["id"] for r in records if r["id"] in kept]


# %% mistake="feedback"
# Keep the exam's questions out: with them in, the next test measures memory.
def feedback(records, exam):
    def key(q):
        return tuple(re.findall("[a-z0-9]+", q.lower()))

    chosen = {}
    for r in records:
        if r["verified"] is not False if r["author"] == "person" else r["verified"] is True:
            old = chosen.get(key(r["question"]))
            if old is None or (r["author"] == "person" != old["author"]):
                chosen[key(r["question"])] = r
    kept = {r["id"] for r in chosen.values()}
    return [r["id"] for r in records if r["id"] in kept]


# %% mistake="feedback"
# Compare questions by their words: another space or a missing question mark does not make a new question.
def feedback(records, exam):
    chosen = {}
    for r in records:
        good = r["verified"] is not False if r["author"] == "person" else r["verified"] is True
        if good and r["question"].lower() not in {q.lower() for q in exam}:
            old = chosen.get(r["question"].lower())
            if old is None or (r["author"] == "person" != old["author"]):
                chosen[r["question"].lower()] = r
    kept = {r["id"] for r in chosen.values()}
    return [r["id"] for r in records if r["id"] in kept]


# %% mistake="feedback"
# Keep one record of a question: what is asked often would otherwise be learned many times over.
def feedback(records, exam):
    def key(q):
        return tuple(re.findall("[a-z0-9]+", q.lower()))

    closed = {key(q) for q in exam}
    good = [r for r in records if (r["verified"] is not False if r["author"] == "person" else r["verified"] is True)]
    return [r["id"] for r in good if key(r["question"]) not in closed]


# %% mistake="feedback"
# Prefer the person's answer to a question: the first that comes may be the model's.
def feedback(records, exam):
    def key(q):
        return tuple(re.findall("[a-z0-9]+", q.lower()))

    closed, chosen = {key(q) for q in exam}, {}
    for r in records:
        good = r["verified"] is not False if r["author"] == "person" else r["verified"] is True
        if good and key(r["question"]) not in closed:
            chosen.setdefault(key(r["question"]), r["id"])
    return [r["id"] for r in records if r["id"] in chosen.values()]


# %% mistake="feedback"
# Compare questions, not answers: two questions may well have one answer.
def feedback(records, exam):
    def key(q):
        return tuple(re.findall("[a-z0-9]+", q.lower()))

    closed, chosen = {key(q) for q in exam}, {}
    for r in records:
        good = r["verified"] is not False if r["author"] == "person" else r["verified"] is True
        if good and key(r["question"]) not in closed:
            old = chosen.get(r["answer"])
            if old is None or (r["author"] == "person" != old["author"]):
                chosen[r["answer"]] = r
    kept = {r["id"] for r in chosen.values()}
    return [r["id"] for r in records if r["id"] in kept]


# %% mistake="feedback"
# Decide first who may enter and then which of a question stays: a refused answer must not keep an approved one out.
def feedback(records, exam):
    def key(q):
        return tuple(re.findall("[a-z0-9]+", q.lower()))

    closed, chosen = {key(q) for q in exam}, {}
    for r in records:
        old = chosen.get(key(r["question"]))
        if old is None or (r["author"] == "person" != old["author"]):
            chosen[key(r["question"])] = r
    good = [
        r for r in chosen.values() if (r["verified"] is not False if r["author"] == "person" else r["verified"] is True)
    ]
    kept = {r["id"] for r in good if key(r["question"]) not in closed}
    return [r["id"] for r in records if r["id"] in kept]


# %% mistake="feedback"
# Digits are part of a question: HA and HA 7 are asked about different flights.
def feedback(records, exam):
    def key(q):
        return tuple(re.findall("[a-z]+", q.lower()))

    closed, chosen = {key(q) for q in exam}, {}
    for r in records:
        good = r["verified"] is not False if r["author"] == "person" else r["verified"] is True
        if good and key(r["question"]) not in closed:
            old = chosen.get(key(r["question"]))
            if old is None or (r["author"] == "person" != old["author"]):
                chosen[key(r["question"])] = r
    kept = {r["id"] for r in chosen.values()}
    return [r["id"] for r in records if r["id"] in kept]


# %% alternative="feedback"
# For each question the best of its records, by rank.
def feedback(records, exam):
    def same(one, other):
        return re.findall("[a-z]+|[0-9]+", re.sub("[^a-z0-9]", " ", one.lower())) == re.findall(
            "[a-z]+|[0-9]+", re.sub("[^a-z0-9]", " ", other.lower())
        )

    def rank(record):
        if record["author"] == "person":
            return 2 if record["verified"] in (True, None) else 0
        return 1 if record["verified"] else 0

    kept = []
    for i, record in enumerate(records):
        if not rank(record) or any(same(record["question"], q) for q in exam):
            continue
        rivals = [(rank(r), -j) for j, r in enumerate(records) if same(r["question"], record["question"])]
        if (rank(record), -i) == max(rivals):
            kept.append(record["id"])
    return kept


# %% alternative="feedback"
# A frame: filter, sort people first, drop duplicates.
def feedback(records, exam):
    def plain(question):
        return " ".join(re.sub("[^a-z0-9]+", " ", question.lower()).split())

    frame = pd.DataFrame(records)
    frame["plain"], frame["by_model"] = frame.question.map(plain), frame.author == "model"
    good = [v is True or (v is None and not m) for v, m in zip([r["verified"] for r in records], frame.by_model)]
    frame = frame[np.array(good) & ~frame.plain.isin([plain(q) for q in exam])]
    first = frame.sort_values("by_model", kind="stable").drop_duplicates("plain")
    return first.sort_index().id.tolist()


# %% [markdown]
# How much error would each gate let into the next examples? Guess before you run it: the model approves of 41 of its
# own answers.

# %%
approves = read.model_yes > 0.5
gates = {"nobody": approves | True, "the rule": read.rule, "the claims": read.claims, "the model": approves}
gates["a reader"] = read.grounded
for gate, enters in gates.items():
    print(f"gate: {gate:10} {enters.sum():2} answers enter, {(enters & ~read.grounded).sum():2} of them not grounded")

# %% [markdown]
# Approved by itself, the model would learn from 41 answers of which 26 are not grounded, 63 %; without a gate it is 43
# of 77, 56 %, with the rule 29 of 62, 47 %, and with your claims 26 of 59, 44 %. Only reading keeps errors out, as far
# as the reader is right.

# %% [markdown]
# ## The answer
#
# How often does the model say what its runbook does not? In 43 of 77 answers, by our labels. Who would have noticed? A
# rule on numbers finds 14 of them, your claims 17, the model as its own judge does no better than chance, and fluent
# words prove nothing. The questions drifted for sure; that the answers got worse may be chance.

# %% [markdown]
# Which answers should people read? Some at random each week, for an estimate without bias, and the rest
# where a judge that has been measured is in doubt. What they approve may teach the model; what nobody read may not.
# And a model of whose answers less than half are grounded, some without answering, should not answer crews yet.
#
# In production, people trace every prompt and answer (Langfuse, Phoenix, MLflow), score groundedness with judges such
# as those of Ragas or DeepEval, and label samples in Argilla or Label Studio. The judge's agreement with people is
# itself monitored, because a new version of the judge is a drift too.

# %% [markdown] say="watch_llm" points=2
# **Say it.** "How do you know in production that an assistant does not make things up, and how does it get better?"
# Answer aloud, then write down the core.
#
# One point each:
#
# - a check and a judge, what each misses, how you measure the judge, with a number;
# - what people read, how you see drift, what may flow back into training.
#
# ### BEGIN SOLUTION
# I check claims: numbers with units, and names, were right in 17 of 18 noes, and missed 26 of 43. A judge I measure by
# kappa: the model on itself had −0.16, always-no 0. People read a random sample, 44 % grounded, and a good judge's
# doubts. I watch questions (0.76 apart, shuffled at most 0.61). Only what a person approved flows back.
# ### END SOLUTION
