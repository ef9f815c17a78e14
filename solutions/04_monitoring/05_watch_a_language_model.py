# %% [markdown]
# # Watch a language model
#
# A family is stranded. The airline's agent asks the desk's assistant how many nights of hotel the desk pays. It
# answers: "17,283 nights of hotel." The runbook says up to 2. Nothing in the wording shows the error. Who would have
# noticed?
#
# The interview question is: *how do you know in production that an assistant does not make things up?* You will build
# four small tools: a check of claims, a check of relevance, a measure of judges, and a choice of what people read.
#
# This takes about 55 minutes. You need pandas and numpy. From *Detect drift* you need one idea: the permutation test.

# %%
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from daytwo import answers, flights, grounding, llm, runbooks
from daytwo.grounding import ASKS, SILENT, claims
from grading import between, check, class_seed, satisfies, yours

# %% [markdown]
# The assistant is a small one, Gemma 3 with 270 million parameters. Its answers are real and recorded. It works by
# *retrieval-augmented generation*: a document is looked up, and the model answers from it. Here each question came with
# the right document, so every error is the model's. The documents and the questions are ours. `held` says whether the
# document holds the answer.

# %%
text = runbooks().set_index("id").text
read = answers()
print(read.groupby(["month", "held"]).size().unstack(), "\n")
hotel = read.set_index("id").loc["q65"]
print(f"Document: {text[hotel.document]}\nQuestion: {hotel.question}\nAnswer: {hotel.answer}")

# %% [markdown]
# Two labels tell a good answer.
#
# - *Faithfulness*: everything that the answer states is in its document. We call such an answer *grounded*. A statement
#   that is not in the document is a *hallucination*.
# - *Relevance*: the answer gives what the question asks for, right or wrong. "The document does not say." counts.
#
# One labeller gave both labels. It was a language model too, another one, and no person has checked it. Read twenty
# answers yourself. Below, "people" means these labels.
#
# Guess first: what share of the answers is grounded, and what share is grounded *and* relevant?

# %%
read["answers_it"] = ~read.id.isin(grounding.UNANSWERED)
read["useful"] = read.grounded & read.answers_it
print(read.groupby("month")[["grounded", "useful"]].agg(["sum", "mean"]).round(2))
print(f"\nall {len(read)}: {read.grounded.sum()} grounded, {read.useful.sum()} of them relevant")

# %% fold
figure, axes = plt.subplots(figsize=(7, 2.6), layout="constrained")
kinds = {
    "grounded and relevant": (read.useful, "#0072B2", None),
    "grounded, but answers nothing": (read.grounded & ~read.useful, "#56B4E9", ".."),
    "hallucinated": (~read.grounded, "#D55E00", "//"),
}
start = np.zeros(2)
for label, (rows, colour, hatch) in kinds.items():
    share = rows.groupby(read.month).mean().to_numpy()
    axes.barh([1, 0], share, left=start, color=colour, hatch=hatch, edgecolor="black", label=label)
    start += share
axes.set(yticks=[1, 0], yticklabels=["first month", "second month"], xlabel="share of the answers", xlim=(0, 1))
figure.legend(loc="outside upper center", ncols=3, frameon=False)
plt.show()

# %% [markdown]
# Less than half are grounded, 34 of 77. Nine of these 34 answer nothing. So 25 answers are useful. The bars show a
# smaller blue part in the second month. Here are two hallucinations, and a grounded answer that helps nobody.

# %%
for row in read[read.id.isin(["q06", "q64", "q40"])].itertuples():
    print(f"{row.id}, grounded {row.grounded}: {row.question}\n  {row.answer}\n  {row.unsupported}\n")
print(f'"61.5%" stands in {read.answer.str.contains("61.5%", regex=False).sum()} answers', end=" ")
print(f"and in {text.str.contains('61.5%', regex=False).sum()} runbooks, but in the prompt:")
print(read.attrs["prompt"].split("\n\n")[3])
ASK_LIVE = False  # with the extra `llm` installed, set this to True and hear the model itself
if ASK_LIVE and llm.available():
    print(llm.complete(read.attrs["prompt"].format(text=text[hotel.document], question=hotel.question))["text"])

# %% [markdown]
# ## Exercise 1: find what the document does not support
#
# `claims(text)` takes a text apart into pairs: numbers with their unit, and names (the *atomic facts* of FActScore, Min
# et al., 2023, at their simplest).

# %%
print(sorted(claims("Hawaiian (HA) flew 1,342 flights, 12.6% of them late, from gate 29.")))

# %% [markdown]
# Return the set of the answer's claims that the document does not support.
# `unsupported("HA paid 3 nights.", "HA pays 2 nights.")` is `{("3", "nights")}`.
#
# - A name must be among the document's claims.
# - For a number, the document must have a number that is equal once it is rounded to the answer's decimals. So 12.6
#   supports 13, and 13 does not support 12.6.
# - Their units must be equal, or one of the two is `""`.


# %% answer="unsupported"
def unsupported(answer, document):
    """The set of the claims, pairs of strings, of the text `answer` that the text `document` does not support."""
    ### BEGIN SOLUTION
    known = claims(document)

    def supported(number, unit):
        if unit == "name":
            return (number, unit) in known
        decimals = len(number.partition(".")[2])
        fitting = [n for n, u in known if u != "name" and (u == unit or "" in (u, unit))]
        return any(abs(round(float(n), decimals) - float(number)) < 1e-9 for n in fitting)

    return {claim for claim in claims(answer) if not supported(*claim)}
    ### END SOLUTION


# %% check="unsupported" points=3
paper = "Hawaiian flew 342 flights, and 12.6% arrived late on 8 February. Crews meet at 29."


def refused(answer):
    return set(unsupported(answer, paper))


# Compare the claims of both texts (Hawaiian and HA are one claim), and return the set of those that fail.
check("All of it stands there", refused("HA flew 342 flights."), set())
# Accept neither a part of a number nor one that is only near; return what fails as the pairs of `claims`.
check("Two other counts", refused("34 flights, or 343 flights."), {("34", "flights"), ("343", "flights")})
# Check names as well: a right number does not make the wrong carrier right.
check("Another carrier and count", refused("UA flew 343 flights."), {("UA", "name"), ("343", "flights")})
# Compare the units too, before you call a number supported.
check("342, but minutes; and 7", refused("342 minutes, 7 flights."), {("342", "minutes"), ("7", "flights")})
# Round the document's number to as many decimals as the answer writes, then ask for equality.
check("12.6% is 13%, not 12% or 5%", refused("13%, 12%, or 5%."), {("12", "%"), ("5", "%")})
# Keep the answer's number as it is: an answer may say less than its document, never more.
check("More precise than the document, and wrong", refused("12.61%, or 5%."), {("12.61", "%"), ("5", "%")})
# Let a number without a unit match any unit, on either side.
check("A number without a unit, here and there", refused("342, at 29 minutes."), set())
### BEGIN HIDDEN TESTS
dice = np.random.default_rng(class_seed("unsupported"))
some, many = int(dice.integers(11, 99)), int(dice.integers(1_000, 9_999))
# Take the numbers from `claims`: they come without commas.
check(
    "A sentence made for this class",
    set(unsupported(f"DL: {some} miles, {many:,} flights", f"{some} miles. {many + 1:,} flights.")),
    {("DL", "name"), (str(many), "flights")},
)
found = [len(unsupported(a, text[d])) > 0 for a, d in zip(read.answer, read.document)]
# Ask of each claim by itself whether the document supports it.
check("Recorded answers with a claim to refuse", [sum(found), int(read.grounded[found].sum())], [18, 1])
### END HIDDEN TESTS


# %% mistake="unsupported"
# Let an answer round: 13 % is a fair way to say 12.6 %, and comparing texts calls it invented.
# - abs(round(float(n), decimals) - float(number)) < 1e-9
# + n == number

# %% mistake="unsupported"
# Round to the decimals that the answer writes; a tolerance of one lets 12 pass for 12.6.
# - abs(round(float(n), decimals) - float(number)) < 1e-9
# + abs(float(n) - float(number)) < 1

# %% mistake="unsupported"
# Round the document's number and not the answer's: an answer may say less than the document, never more.
# - abs(round(float(n), decimals) - float(number)) < 1e-9
# + round(float(n)) == round(float(number))

# %% mistake="unsupported"
# Compare units too: 342 flights say nothing about 342 minutes.
# - if u != "name" and (u == unit or "" in (u, unit))]
# + if u != "name"]

# %% mistake="unsupported"
# Look at names as well: an answer about the wrong carrier is not saved by a right number.
# - return (number, unit) in known
# + return True

# %% mistake="unsupported"
# Let a bare number go with any unit, on either side: "342 of them" leaves its unit to the reader.
# - (u == unit or "" in (u, unit))
# + u == unit


# %% alternative="unsupported"
# Half a step of the last digit on either side, claim by claim.
def unsupported(answer, document):
    missing, known = claims(answer), claims(document)
    for number, unit in claims(answer):
        for other, theirs in known:
            if "name" in (unit, theirs):
                good = (number, unit) == (other, theirs)
            else:
                step = 0.5 * 10.0 ** -(len(number.split(".")[1]) if "." in number else 0)
                good = (not unit or not theirs or unit == theirs) and abs(float(number) - float(other)) < step
            if good:
                missing.discard((number, unit))
    return missing


# %% [markdown]
# Does it find hallucinations? Of what a check refuses, *precision* is the share that is hallucinated. Of what is
# hallucinated, *recall* is the share that it refuses. Beside yours stands a simpler `rule`, which asks only whether
# every number of the answer stands in the document.

# %%
unsupported_by = yours("unsupported", grounding.unsupported)
missing = [unsupported_by(a, text[d]) for a, d in zip(read.answer, read.document)]
read["claims"] = [not found for found in missing]  # True: accepted
rows = {}
for name, accepted in {"rule": read.rule, "your claims": read.claims}.items():
    right = (~accepted & ~read.grounded).sum()
    rows[name] = [(~accepted).sum(), right, right / (~accepted).sum(), right / (~read.grounded).sum()]
print(pd.DataFrame(rows, index=["refused", "hallucinated", "precision", "recall"]).T.round(2), "\n")
print(hotel.answer, "rule:", hotel.rule, " missing:", missing[64])

# %% [markdown]
# The precision is high, 17 of 18. The recall is 0.40: 26 of 43 hallucinations pass. Some have no number at all. The
# rule lets our 17,283 nights pass, because that number counts flights elsewhere in the runbook. Your units catch it.
# Larger systems let a model write out the claims, and must then check that model.

# %% [markdown]
# ## Exercise 2: ask whether the question is answered
#
# Faithfulness alone pays for copying. Relevance needs its own check. Ours compares the kind of the answer with the kind
# of the question: the first phrase of `ASKS` that stands in the question, in any case, gives the units of a fitting
# claim.

# %%
for phrase, fitting in ASKS.items():
    print(f"{phrase!r:16} {sorted(fitting)}")

# %% [markdown]
# Return `True` if at least one claim of the answer has a fitting unit, else `False`.
# `relevant("How far is Los Angeles?", "16,174 flights.")` is `False`.
#
# - A claim that the question makes too is an echo. It does not count.
# - The answer `SILENT` ("The document does not say.") is always relevant.
# - Return `None` when no phrase stands in the question: the check cannot tell.


# %% answer="relevant"
def relevant(question, answer):
    """Whether the text `answer` gives what the text `question` asks for, right or wrong; None if no phrase tells."""
    ### BEGIN SOLUTION
    if answer == SILENT:
        return True
    for phrase, units in ASKS.items():
        if phrase in question.lower():
            return any(unit in units for _, unit in claims(answer) - claims(question))
    return None
    ### END SOLUTION


# %% check="relevant" points=3
# Compare the units of the answer's claims with those of the phrase; look for the phrase in the lower-case question.
check("Nine miles, when asked how far: relevant, if wrong", relevant("How far is Los Angeles?", "9 miles."), True)
# Ask for a fitting unit, not for any claim.
check("Flights, when asked how far", relevant("How far is Los Angeles?", "16,174 flights."), False)
# Accept an answer that says more than was asked: one fitting claim is enough.
check("A share, and more", relevant("What share of F9's arrivals was late?", "37.3% of 682 flights."), True)
# Let the first phrase of `ASKS` in the question decide, and no later one.
check("Flights, when asked how many hours", relevant("How many hours will it take?", "1,556 flights."), False)
# Take away the claims that the question makes itself.
check("It repeats whom the question is about", relevant("Which destination has AS?", "AS has one."), False)
# Read names from `claims(answer)`, and take away only the very claims that the question makes.
check("A carrier's destination", relevant("Which destination has DL?", "Delta's destination is ATL."), True)
# Treat "The document does not say." as an answer before you look for claims.
check("The honest way out", relevant("How many pilots does HA have?", "The document does not say."), True)
# Return None when no phrase fits: no verdict is neither yes nor no.
check("A question of another kind", relevant("Should I fill the gaps with zero?", "Yes."), None)
### BEGIN HIDDEN TESTS
early = read[read.month == 1]
said = [relevant(q, a) for q, a in zip(early.question, early.answer)]
told = ["unknown" if pd.isna(v) else "relevant" if v else "not" for v in said]
# Go through the rules in the order of the text.
check("The first month's answers", [told.count(v) for v in ("relevant", "not", "unknown")], [32, 5, 3])
### END HIDDEN TESTS


# %% mistake="relevant"
# Ask for a claim with a fitting unit: 16,174 flights do not say how far it is.
# - any(unit in units for _, unit in claims(answer) - claims(question))
# + len(claims(answer) - claims(question)) > 0

# %% mistake="relevant"
# One fitting claim is enough: an answer may say more than was asked.
# - any(unit in units
# + all(unit in units

# %% mistake="relevant"
# Let the first phrase decide: "how many hours" also holds "how many", which would let flights pass for hours.
# - in ASKS.items():
# + in reversed(ASKS.items()):

# %% mistake="relevant"
# Take away what the question already says: an answer that repeats AS has not named a destination.
# - claims(answer) - claims(question)
# + claims(answer)

# %% mistake="relevant"
# Let the honest way out pass: an answer that says the document is silent is what we want where it is silent.
# - if answer == SILENT:
# + if answer is None:

# %% mistake="relevant"
# Say None when you cannot tell: counted as a yes, a blind check looks like a good month.
# - return None
# + return True


# %% alternative="relevant"
# The wanted units first, then sets of units.
def relevant(question, answer):
    wanted = next((units for phrase, units in ASKS.items() if phrase in question.casefold()), None)
    echo = claims(question)
    given = {claim[1] for claim in claims(answer) if claim not in echo}
    if answer.strip() == SILENT:
        return True
    return None if wanted is None else not wanted.isdisjoint(given)


# %% [markdown]
# How many of the nine grounded answers that answer nothing does it find? And where has it no verdict?

# %%
relevant_to = yours("relevant", grounding.relevant)
verdict = [relevant_to(q, a) for q, a in zip(read.question, read.answer)]
read["relevance"] = ["no verdict" if pd.isna(v) else "relevant" if v else "refused" for v in verdict]
print(pd.crosstab(read.relevance, read.month, colnames=["month"]), "\n")
print(pd.crosstab(read.relevance, [read.grounded, read.answers_it], colnames=["grounded", "answers it"]), "\n")
refused = ~read.claims | (read.relevance == "refused")
right, useless = (refused & ~read.useful).sum(), (~read.useful).sum()
print(f"either check refuses {refused.sum()}: {right} of them are not useful, of {useless} in all;")
print(f"precision {right / refused.sum():.2f}, recall {right / useless:.2f}")

# %% [markdown]
# It finds seven of the nine. Together the two checks refuse 32 answers, and 30 of these are not useful. So precision is
# 0.94 and recall 30 of 52, or 0.58. We wrote `ASKS` after reading these questions, so expect less on new ones.
#
# Look at the months. In the first, three answers get no verdict. In the second, 18 of 37. The check has not failed. It
# has gone blind, because the questions changed.

# %% [markdown]
# ## See the questions drift
#
# Labels come late, questions come at once. We compare the words of the two months by the Jensen–Shannon distance (Lin,
# 1991). It is 0 for equal shares of words and 1 where no word is common. Questions about one document are alike, so we
# shuffle whole documents between the months. Guess: how far apart are such months?

# %%
distance, shuffled = grounding.drift(read, np.random.default_rng(6))
at_least = sum(d >= distance for d in shuffled)
print(f"as they came {distance:.2f}; shuffled {min(shuffled):.2f} to {max(shuffled):.2f};", end=" ")
print(f"p = {(1 + at_least) / (1 + len(shuffled)):.3f}")


def fall(rows):
    """How much the share of grounded answers fell from the first month to the second."""
    return rows.grounded[rows.month == 1].mean() - rows.grounded[rows.month == 2].mean()


low, high = grounding.interval(read, fall, np.random.default_rng(1), draws=500)
print(f"the share of grounded answers fell by {fall(read):.2f} [{low:.2f}, {high:.2f}]")

# %% fold
plt.figure(figsize=(6, 2.6), layout="constrained")
plt.hist(shuffled, 20, color="#56B4E9", edgecolor="black", label="documents shuffled")
plt.axvline(distance, color="#D55E00", linestyle="--", label="as they came")
plt.xlabel("Jensen–Shannon distance between the months")
plt.ylabel("number of shuffles")
plt.legend(loc="upper center")
plt.show()

# %% [markdown]
# The dashed line stands right of all shuffles. The drift is sure. We planted it: the second month asks about storms and
# alarms. The harm is not sure. The share of grounded answers fell by 0.17, and the 95 % interval, drawn by whole
# documents, includes 0. That is a reason to read more answers.
#
# Another drift needs no new question. In *concept drift* the facts move, and a stored answer turns wrong.

# %%
arrived = flights().dropna(subset="late").query("carrier == 'HA'")
half = arrived.late.groupby(np.where(arrived.month > 6, "July to December", "January to June")).mean()
print((100 * half).round(1).to_dict(), "whole year:", round(100 * arrived.late.mean(), 1))

# %% [markdown]
# In June the right answer for HA was the first number. At the end of the year it is 12.6 %. Let a stored answer expire
# with its document.

# %% [markdown]
# ## Exercise 3: judge the judges
#
# Nobody reads every answer, so a judge reads for us. Let $p_o$ be the share of answers on which judge and people agree,
# and $p_e$ the share that chance gives. Cohen's kappa (1960) is
#
# $$\kappa = \frac{p_o - p_e}{1 - p_e}, \qquad p_e = \sum_{v} P(\text{judge says } v)\,P(\text{people say } v).$$
#
# Return `(kappa, length_bias)`.
#
# - Always yes, where people say yes to 40 of 50, has kappa 0.
# - *Long* answers have more words than the median of all.
# - `length_bias`: take the answers that people accept. From the judge's acceptance rate on the long ones subtract that
#   on the others. Do the same for the answers that people refuse. Return the mean of the two differences.
#
# No rate here is 0/0.


# %% answer="kappa"
def kappa(judge, people, words):
    """(Cohen's kappa, length bias) of lists of verdicts, True or False, and of each answer's number of words."""
    ### BEGIN SOLUTION
    judge, people, words = np.asarray(judge, bool), np.asarray(people, bool), np.asarray(words)
    agree = np.mean(judge == people)
    chance = sum(np.mean(judge == verdict) * np.mean(people == verdict) for verdict in (True, False))
    long = words > np.median(words)
    gaps = [judge[long & (people == v)].mean() - judge[~long & (people == v)].mean() for v in (True, False)]
    return float((agree - chance) / (1 - chance)), float(np.mean(gaps))
    ### END SOLUTION


# %% check="kappa" points=3
# Each group below: people's verdict, words of each answer, how many the judge accepts, of how many.
judged = grounding.judged
perfect = judged((True, 9, 8, 8), (True, 4, 2, 2), (False, 9, 0, 2), (False, 4, 0, 8))
fair = judged((True, 9, 11, 15), (True, 4, 11, 15), (False, 9, 4, 10), (False, 4, 4, 10))
yes = judged((True, 9, 20, 20), (True, 4, 20, 20), (False, 9, 5, 5), (False, 4, 5, 5))
no = judged((True, 9, 0, 30), (True, 4, 0, 10), (False, 9, 0, 10), (False, 4, 0, 30))
taste = judged((True, 90, 15, 20), (True, 4, 10, 40), (False, 9, 1, 10), (False, 4, 2, 10))
# Return the pair; its first number is 1 when both always agree, because you divide by 1 − p_e.
check("A judge who says what people say", kappa(*perfect)[0], 1)
# Work out chance from how often each says yes and no, subtract it, and divide by what is left, 1 − p_e.
check("They agree on 34 of 50, and would by chance on 26", kappa(*fair)[0], 1 / 3)
# Give 0 to whoever says yes to everything: multiply the judge's own share by the people's own share.
check("Always yes: right on 40 of 50, and worth nothing", kappa(*yes)[0], 0)
# Compare long and short answers of the same label: that long ones are better is not the judge's taste.
check("Never wrong, and long answers are better", kappa(*perfect)[1], 0)
# Compare within each label, so that a judge who never looks at length has no bias.
check("Always no, and long answers are better", kappa(*no)[1], 0)
# Long is above the median. Take the long rate minus the other in each label, then the plain mean of the two.
check("A taste for length: 0.5, and −0.1", kappa(*taste)[1], 0.2)
### BEGIN HIDDEN TESTS
### BEGIN EXPECTED
from sklearn.metrics import cohen_kappa_score

by_model = cohen_kappa_score(read.model_yes > 0.5, read.grounded)
### END EXPECTED
by_itself = (read.model_yes > 0.5).tolist(), read.grounded.tolist(), read.answer.str.split().str.len().tolist()
# Take each verdict's share from the verdicts you are given.
check("The model as judge, as scikit-learn has it", kappa(*by_itself)[0], by_model)
# An answer of exactly the median is not long.
check("Its length bias", kappa(*by_itself)[1], 0.0568056, tolerance=1e-4)
### END HIDDEN TESTS


# %% mistake="kappa"
# Take off the agreement that chance gives: a judge who always says yes agrees with most of a good year.
# - float((agree - chance) / (1 - chance))
# + float(agree)

# %% mistake="kappa"
# Count agreement on no as well: chance makes two judges agree on both verdicts.
# - for verdict in (True, False))
# + for verdict in (True,))

# %% mistake="kappa"
# Work out chance from how often each says yes: one half holds only for fair coins.
# - chance = sum(np.mean(judge == verdict) * np.mean(people == verdict) for verdict in (True, False))
# + chance = 0.5

# %% mistake="kappa"
# Multiply the judge's share by the people's: with their mean, squared, you have Scott's pi.
# - np.mean(judge == verdict) * np.mean(people == verdict)
# + ((np.mean(judge == verdict) + np.mean(people == verdict)) / 2) ** 2

# %% mistake="kappa"
# Compare answers of equal label: long answers may be better, and a good judge accepts them.
# - gaps = [judge[long & (people == v)].mean() - judge[~long & (people == v)].mean() for v in (True, False)]
# + gaps = judge[long].mean() - judge[~long].mean()

# %% mistake="kappa"
# Compare answers of equal label: the judge's rate minus the people's is not 0 for a judge who always says no.
# - gaps = [judge[long & (people == v)].mean() - judge[~long & (people == v)].mean() for v in (True, False)]
# + extra = judge.astype(float) - people
# + gaps = extra[long].mean() - extra[~long].mean()


# %% alternative="kappa"
# scikit-learn for kappa, pandas for the bias.
def kappa(judge, people, words):
    from sklearn.metrics import cohen_kappa_score

    frame = pd.DataFrame({"judge": list(judge), "people": list(people), "words": list(words)})
    rates = frame.astype(float).groupby(["people", frame.words > frame.words.median()]).judge.mean().unstack()
    return cohen_kappa_score(frame.judge, frame.people), (rates[True] - rates[False]).mean()


# %% [markdown]
# We measure four judges against our labels. The model itself is one: it was asked whether its own answer is found in
# the document. The 95 % intervals are drawn by whole documents. Guess: how often does *always no* agree with people?

# %%
measure = yours("kappa", grounding.kappa)
judges = {
    "the rule": read.rule,
    "your claims": read.claims,
    "the model": read.model_yes > 0.5,
    "always no": read.rule & False,
}
print(grounding.compare(judges, read, measure))

# %% [markdown]
# Always no agrees on 56 %, and its kappa is 0. Your claims agree on 65 %, with kappa 0.34. The model's kappa is not
# clearly different from 0: it cannot judge itself. No length bias is clear of 0.
#
# Large judges can do much better. Some favour long answers (Zheng et al., 2023). Some favour their own answers, which
# is called *self-preference* (Panickssery et al., 2024). We cannot measure it here: that needs the answers of a second
# model. First let two people label the same answers. Hold a judge to their kappa with each other.

# %% [markdown]
# ## Exercise 4: choose what people read next
#
# People can read `budget` answers a week. Where a judge is unsure, a label teaches most (uncertainty sampling, Lewis &
# Gale, 1994). But such answers are not typical. For an honest share, some must be drawn at random.
#
# `p[i]` is the judge's probability that answer `i` is grounded. Return `(drawn, unsure)`, two lists of positions.
#
# - Draw `at_random` positions from *all* answers with `rng`, none twice, each as likely as any other.
# - Of the rest, take the `budget - at_random` whose `p` is nearest to one half.
#
# `sample_for_review([0.9, 0.52, 0.1], 1, 0, rng)` is `([], [1])`. There are always more answers than `budget`.


# %% answer="sample_for_review"
def sample_for_review(p, budget, at_random, rng):
    """Positions to read, two lists: drawn by `rng`, a numpy Generator; of the rest, the least sure of the list `p`."""
    ### BEGIN SOLUTION
    p = np.asarray(p)
    drawn = rng.choice(len(p), at_random, replace=False)
    rest = np.setdiff1d(np.arange(len(p)), drawn)
    nearest = rest[np.argsort(np.abs(p[rest] - 0.5), kind="stable")]
    return drawn.tolist(), nearest[: budget - at_random].tolist()
    ### END SOLUTION


# %% check="sample_for_review" points=3
p, rng = [0.9, 0.52, 0.1, 0.41, 0.97, 0.03, 0.7, 0.35], np.random.default_rng(8)
# Return positions, `(drawn, unsure)`; the unsure ones are those whose `p` is nearest to one half.
check("Only doubts: the two nearest to one half", sorted(sample_for_review(p, 2, 0, rng)[1]), [1, 3])
# Count doubts below one half like doubts above.
check("The four nearest, above and below", sorted(sample_for_review(p, 4, 0, rng)[1]), [1, 3, 6, 7])
# Count the drawn ones in the budget: people read `budget` answers in all.
check("Nine to read, five at random", [len(part) for part in sample_for_review(grounding.TWENTY, 9, 5, rng)], [5, 4])
# Draw without putting back.
check(
    "The five drawn are five answers, in 40 weeks", min(len({*a}) for a, _ in grounding.weeks(sample_for_review, 40)), 5
)
# Take the doubtful ones only from those that were not drawn.
check(
    "Nobody reads an answer twice, in 40 weeks",
    min(len({*a, *b}) for a, b in grounding.weeks(sample_for_review, 40)),
    9,
)
# Draw first, from all answers and with `rng`, and give each the same chance.
check(
    "Drawn least and most often of 20, in 1,500 draws of 5",
    grounding.drawn_least_and_most(sample_for_review),
    satisfies("lies between 285 and 465", lambda often: 285 <= often[0] <= often[1] <= 465),
)
### BEGIN HIDDEN TESTS
truth, rng = read.grounded.to_numpy(), np.random.default_rng(class_seed("sample_for_review"))
shares = [truth[list(sample_for_review(read.model_yes.tolist(), 20, 10, rng)[0])].mean() for _ in range(600)]
# Draw with the same chance for every answer, whatever its `p`.
check("The drawn ones give the share of grounded answers", float(np.mean(shares)), between(0.408, 0.475))
### END HIDDEN TESTS


# %% mistake="sample_for_review"
# Read more than what looks bad: low scores and complaints show only the errors that somebody noticed.
# - np.argsort(np.abs(p[rest] - 0.5), kind="stable")
# + np.argsort(p[rest])

# %% mistake="sample_for_review"
# Count the random ones in the budget: people read `budget` answers in all.
# - nearest[: budget - at_random]
# + nearest[:budget]

# %% mistake="sample_for_review"
# Draw without putting back: an answer read twice counts twice.
# - rng.choice(len(p), at_random, replace=False)
# + rng.integers(len(p), size=at_random)

# %% mistake="sample_for_review"
# Take the doubts from those not drawn already: a second reading of one answer is a reading lost.
# - rest = np.setdiff1d(np.arange(len(p)), drawn)
# + rest = np.arange(len(p))

# %% mistake="sample_for_review"
# Draw with `rng`: the first answers of a week are not a sample of it.
# - drawn = rng.choice(len(p), at_random, replace=False)
# + drawn = np.arange(at_random)

# %% mistake="sample_for_review"
# Draw at random first, and from all: drawn from what the doubts leave over, the sample lacks the doubtful answers.
# - drawn = rng.choice(len(p), at_random, replace=False)
# + unsure = np.argsort(np.abs(p - 0.5), kind="stable")[: budget - at_random]
# + drawn = rng.choice(np.setdiff1d(np.arange(len(p)), unsure), at_random, replace=False)


# %% alternative="sample_for_review"
# A shuffled order, and entropy as the measure of doubt.
def sample_for_review(p, budget, at_random, rng):
    order = rng.permutation(len(p)).tolist()
    drawn, rest = order[:at_random], order[at_random:]
    doubt = {i: -sum(x * np.log(x) for x in (p[i], 1 - p[i]) if x > 0) for i in rest}
    return drawn, sorted(rest, key=doubt.get, reverse=True)[: budget - at_random]


# %% [markdown]
# Twenty readings a week, for 500 weeks. What share of hallucinations does each way of choosing show?

# %%
sample, dice = yours("sample_for_review", grounding.sample_for_review), np.random.default_rng(7)
wrong = ~read.grounded.to_numpy()
weeks = [sample(read.model_yes.tolist(), 20, 10, dice) for _ in range(500)]
shown = {f"10 {name}": [wrong[list(w[i])].mean() for w in weeks] for i, name in enumerate(["at random", "unsure"])}
shown["only the 15 that the rule complains of"] = [wrong[~read.rule].mean()]
table = {way: [np.mean(s), *np.quantile(s, [0.025, 0.975])] for way, s in shown.items()}
print(pd.DataFrame(table, index=["share hallucinated", "2.5 %", "97.5 %"]).T.round(2))
print(f"all 77: {wrong.mean():.2f}")

# %% [markdown]
# Who reads only complaints believes that 93 % are hallucinated, and never sees the other 29. The random ones are right
# on average, and ten are few: one week shows anything from 0.30 to 0.80. The unsure ones find no more, for this judge
# is not clearly better than chance. Doubts pay as far as the judge is any good.
#
# What readers approve may become the next example of the prompt, or training data. Guess how many hallucinations each
# gate would let in.

# %%
gates = {
    "nobody": read.rule | True,
    "the model": read.model_yes > 0.5,
    "the rule": read.rule,
    "your claims": read.claims,
}
rows = {name: [enters.sum(), (enters & ~read.grounded).sum()] for name, enters in gates.items()}
print(pd.DataFrame(rows, index=["enter", "hallucinated"]).T)

# %% [markdown]
# Approved by itself, the model would learn from 26 hallucinations in 41 answers. Models trained again and again on
# their own output degrade (Shumailov et al., 2024). So a person approves what flows back, and the questions of your
# test set stay out. A reader's gate would show 0 here by construction: a reader made the labels. Real readers err.
# Measure them too.

# %% [markdown]
# ## The answer
#
# Who would have noticed the 17,283 nights? The picture has a column for each of the 43 hallucinations. A filled square
# is a check that refuses it.

# %% fold
noticed = pd.DataFrame(
    {
        "rule on numbers": ~read.rule,
        "your claims": ~read.claims,
        "relevance": read.relevance == "refused",
        "model on itself": read.model_yes <= 0.5,
    }
)[~read.grounded]
noticed = noticed.loc[noticed.sum(axis=1).sort_values(ascending=False, kind="stable").index]
figure, axes = plt.subplots(figsize=(9, 2.6), layout="constrained")
for row, name in enumerate(noticed):
    hit = noticed[name].to_numpy()
    axes.scatter(np.flatnonzero(hit), [-row] * hit.sum(), marker="s", s=45, color="#0072B2")
    axes.scatter(np.flatnonzero(~hit), [-row] * (~hit).sum(), marker="s", s=45, color="white", edgecolor="#999999")
place = noticed.index.get_loc(read.index[read.id == "q65"][0])
axes.axvspan(place - 0.5, place + 0.5, color="#E69F00", alpha=0.35, zorder=0)
axes.annotate("17,283 nights", (place, 0.5), (place, 1.1), ha="center", arrowprops={"arrowstyle": "->"})
axes.set(yticks=-np.arange(4), yticklabels=noticed.columns, ylim=(-3.6, 1.5), xticks=[])
axes.set_xlabel("the 43 hallucinations, most noticed first")
plt.show()
ours = noticed["your claims"] | noticed.relevance
print(f"noticed by your two checks {ours.sum()}; by none of the four {(~noticed.any(axis=1)).sum()}")

# %% [markdown]
# Only your claims notice it. Your two checks notice 23 of the 43. None of the four notices 14. So people read some
# answers at random each week, for an honest share, and some where a measured judge is in doubt. An assistant with 25
# useful answers in 77 should not answer passengers yet.
#
# In production people trace every prompt and answer (Langfuse, Phoenix, MLflow). They score faithfulness and answer
# relevancy with model judges (Ragas, DeepEval), and label samples in Argilla or Label Studio. The judge's kappa is
# monitored too: a new version of the judge is a drift.

# %% [markdown] say="watch_llm" points=2
# **Say it.** "How do you know in production that an assistant does not make things up, and how does it get better?"
# Answer aloud, then write down the core.
#
# One point each:
#
# - faithfulness and relevance, what your checks catch and miss, how you measure a judge, with a number;
# - what people read, how you see drift, what may flow back.
#
# ### BEGIN SOLUTION
# I check faithfulness, claim by claim against the retrieved document (precision 17 of 18, recall 0.40), and relevance,
# for nine of 34 grounded answers answered nothing. I measure judges by kappa with people: the model on itself had
# −0.16, always-no has 0. People read a random sample for the true share, and the doubts of a good judge. Questions
# tell drift early: 0.76 apart, shuffled at most 0.62, and my relevance check lost its verdict on 18 of 37. Only what a
# person approved flows back.
# ### END SOLUTION
