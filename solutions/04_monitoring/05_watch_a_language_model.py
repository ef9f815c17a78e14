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
# This takes about 60 minutes. You need pandas and numpy. From *Detect drift* you need one idea: the permutation test.

# %%
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from daytwo import answers, grounding, llm, runbooks
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
# - *Relevance*: the answer gives what the question asks for, right or wrong. "The document does not say." counts as
#   relevant. Where the document does say, it is a hallucination.
#
# One labeller gave both labels. It was another language model, and no person has checked it. A few labels can be
# disputed.
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
# 34 of 77 are grounded. Nine of these answer nothing. So 25 answers are useful. The solid blue part is smaller in the
# second month. Here are two hallucinations, and a grounded answer that helps nobody.

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
# `claims(text)` takes a text apart into pairs: numbers with their unit, and names. This is a simple form of the
# *atomic facts* of FActScore (Min et al., 2023).

# %%
print(sorted(claims("Hawaiian (HA) flew 1,342 flights, 12.6% of them late, from gate 29.")))

# %% [markdown]
# Return the set of the answer's claims that the document does not support.
# `unsupported("HA paid 3 nights.", "HA pays 2 nights.")` is `{("3", "nights")}`.
#
# - A name must be among the document's claims.
# - A number needs one number of the document that is equal, once the document's number is rounded to the answer's
#   decimals. So 12.6 supports 13, and 13 does not support 12.6.
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
paper = "Hawaiian flew 342 flights, and 12.64% arrived late on 8 February. Crews meet at 29."


def refused(answer):
    return set(unsupported(answer, paper))


# Return what fails: a name that is not among the document's claims (it is no float), or a number (12.64 is one too)
# that no number of the document fits.
check("All of it stands there", refused("HA flew 342 flights, 12.64% late."), set())
# A number that is only near, or a part of another, supports nothing; return what fails as the pairs of `claims`.
check("Two other counts", refused("34 flights, or 343 flights."), {("34", "flights"), ("343", "flights")})
# Check names as well: a right number does not make the wrong carrier right.
check("Another carrier and count", refused("UA flew 343 flights."), {("UA", "name"), ("343", "flights")})
# Compare the units too, before you call a number supported.
check("342, but minutes; and 7", refused("342 minutes, 7 flights."), {("342", "minutes"), ("7", "flights")})
# Round the document's number, and only that, to as many decimals as the answer writes: none for 13, one for 12.6.
check("12.64% is 13% and 12.6%, not 12% or 5%", refused("13%, 12.6%, 12%, 5%."), {("12", "%"), ("5", "%")})
# Leave the answer's number as it is, and round the document's to the same decimals; a fixed tolerance lets 12.61 pass.
check("As precise as the document, and wrong", refused("12.61%, or 5%."), {("12.61", "%"), ("5", "%")})
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
# Round the document's number to the answer's decimals before you compare: 13 % is a fair way to say 12.64 %.
# - abs(round(float(n), decimals) - float(number)) < 1e-9
# + n == number

# %% mistake="unsupported"
# Round to the decimals that the answer writes; a tolerance of one lets 12 pass for 12.64.
# - abs(round(float(n), decimals) - float(number)) < 1e-9
# + abs(float(n) - float(number)) < 1

# %% mistake="unsupported"
# Round only the document's number, to the decimals that the answer writes: with two decimals, 12.64 is not 12.61.
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
print(hotel.answer, "rule:", hotel.rule, " missing:", set(missing[64]))

# %% [markdown]
# The precision is high, 17 of 18. The recall is 0.40: 26 of 43 hallucinations pass. Some have no number. And a claim
# does not say *what* its number belongs to: all flights of a carrier pass for its flights to Boston. The rule lets our
# 17,283 nights pass, because that number counts flights elsewhere in the runbook. Your units catch it.

# %% [markdown]
# ## Exercise 2: ask whether the question is answered
#
# A copied sentence is faithful, and may answer nothing. So relevance needs its own check. Go through `ASKS` from the
# top: the first phrase found in the question, in capital or small letters, gives the units of a fitting claim.

# %%
for phrase, fitting in ASKS.items():
    print(f"{phrase!r:16} {sorted(fitting)}")

# %% [markdown]
# Return `True` if at least one claim of the answer has a fitting unit, else `False`.
# `relevant("How far is Los Angeles?", "16,174 flights.")` is `False`.
#
# - A claim that the question makes too, the same pair, does not count.
# - The answer `SILENT` ("The document does not say.") is relevant, whatever the question.
# - For other answers return `None` when no phrase is found: the check cannot tell.


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
# Look for each phrase anywhere in the lower-case question, from the top of ASKS; return a bool, and None only after
# all of them.
check("Nine miles, when asked how far: relevant, if wrong", relevant("Tell me: How far is it?", "9 miles."), True)
# Once a phrase is found, the verdict is True or False: True only if a claim has one of the phrase's units.
check("Flights, when asked how far", relevant("How far is Los Angeles?", "16,174 flights."), False)
# One fitting claim that is no echo is enough. An echo is the same pair, not a part of the question's text.
check(
    "5% of 682, when 15 is in the question", relevant("What share is late at 15 o'clock?", "5% of 682 flights."), True
)
# Let the phrase nearest to the top of ASKS decide, wherever it stands in the question, and no later one.
check("Flights, when asked how many hours", relevant("How many hours will it take?", "1,556 flights."), False)
# Take away the claims that the question makes itself; where nothing fitting is left, say False.
check("It repeats whom the question is about", relevant("Which destination has AS?", "AS has one."), False)
# Read names from `claims(answer)`, and take away only the very claims that the question makes.
check("A carrier's destination", relevant("Which destination has DL?", "Delta's destination is ATL."), True)
# Compare the answer with SILENT, as it is written, before you look for phrases and claims.
check("The honest way out", relevant("When was B6 founded?", "The document does not say."), True)
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
# One fitting claim that is no echo is enough: an answer may say more than was asked, and 5 is no echo of 15.
# - any(unit in units
# + all(unit in units

# %% mistake="relevant"
# Let the first phrase of ASKS decide: "how many hours" also holds "how many", which would let flights pass for hours.
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
# It finds seven of the nine. Together the two checks refuse 32 answers, and 30 of these are not useful. Their precision
# is 0.94, their recall 30 of 52, or 0.58. We wrote `ASKS` after reading these questions, so expect less on new ones.
#
# Look at the months. In the first, three answers get no verdict. In the second, 18 of 37. The check has not failed. It
# has gone blind, because the questions changed.

# %% [markdown]
# ## See the questions drift
#
# Labels come late, questions come at once. We compare the words of the two months by the Jensen–Shannon distance. It is
# 0 for equal shares of words and 1 where no word is common. Questions about one document are alike, so we shuffle whole
# documents between the months. Guess: how far apart are two shuffled months, from 0 to 1?

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
# The dashed line stands right of all 199 shuffles. So the questions drifted. We planted it: the second month asks about
# storms and alarms. The harm is not sure. The share of grounded answers fell by 0.17, and the 95 % interval includes 0.
# It comes from drawing whole documents again. So read more answers.
#
# *Concept drift* needs no new question: the facts move, and a stored answer goes stale. Let a stored answer expire when
# its document changes.

# %% [markdown]
# ## Exercise 3: judge the judges
#
# Nobody reads every answer, so a judge reads for us. A judge can look good by chance. Let $p_o$ be the share of answers
# on which judge and label agree, and $p_e$ the share that chance gives. Cohen's kappa (1960) is
#
# $$\kappa = \frac{p_o - p_e}{1 - p_e}, \qquad p_e = \sum_{v} P(\text{judge says } v)\,P(\text{label says } v).$$
#
# The sum has both verdicts $v$, yes and no. Return kappa.
#
# - A judge who always says yes, where 40 of 50 labels are yes, has kappa 0.
# - $p_e$ is never 1 here.


# %% answer="kappa"
def kappa(judge, labels):
    """Cohen's kappa, a number, of two lists of True and False: the judge's verdict and the label of each answer."""
    ### BEGIN SOLUTION
    judge, labels = np.asarray(judge, bool), np.asarray(labels, bool)
    agree = np.mean(judge == labels)
    chance = sum(np.mean(judge == verdict) * np.mean(labels == verdict) for verdict in (True, False))
    return float((agree - chance) / (1 - chance))
    ### END SOLUTION


# %% check="kappa" points=3
# Each group below: the label, how many of the group the judge accepts, of how many.
judged = grounding.judged
# Return one number, 1 where both always agree, be it on yes or no: divide what is above chance by 1 − p_e.
check("A judge who says what the labels say", kappa(*judged((True, 40, 40), (False, 0, 10))), 1)
# Compare pair by pair, for two lists compare to one bool; then subtract chance, judge's share times labels' share.
check("Always yes: right on 40 of 50, and worth nothing", kappa(*judged((True, 40, 40), (False, 10, 10))), 0)
# Add up chance for yes and for no, each from both shares; subtract it, then divide by 1 − p_e.
check("A strict judge: right on 58 of 100, by chance on 44", kappa(*judged((True, 39, 80), (False, 1, 20))), 0.25)
# Keep the sign: a judge below 0 agrees less often than chance does.
check("Always the opposite of 25 yes and 25 no", kappa(*judged((True, 0, 25), (False, 25, 25))), -1)
### BEGIN HIDDEN TESTS
### BEGIN EXPECTED
from sklearn.metrics import cohen_kappa_score

by_model = cohen_kappa_score(read.model_yes > 0.5, read.grounded)
### END EXPECTED
# Take each verdict's share from the verdicts you are given.
check(
    "The model as judge, as scikit-learn has it",
    float(kappa((read.model_yes > 0.5).tolist(), read.grounded.tolist())),
    by_model,
    tolerance=0.006,
)
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
# - chance = sum(np.mean(judge == verdict) * np.mean(labels == verdict) for verdict in (True, False))
# + chance = 0.5

# %% mistake="kappa"
# Multiply the judge's share by the labels' share: with their mean, squared, you have Scott's pi.
# - np.mean(judge == verdict) * np.mean(labels == verdict)
# + ((np.mean(judge == verdict) + np.mean(labels == verdict)) / 2) ** 2


# %% alternative="kappa"
# scikit-learn.
def kappa(judge, labels):
    from sklearn.metrics import cohen_kappa_score

    return cohen_kappa_score(labels, judge)


# %% [markdown]
# We measure four judges, with 95 % intervals as before. The model itself is one: it was asked whether its own answer is
# found in the document. Guess: how often does *always no* agree with the labels?

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
# Always no agrees on 56 %, and its kappa is 0. Your claims agree on 65 %, with kappa 0.34. The model's interval
# includes 0: with this prompt and 77 answers, we cannot show that it can judge itself.
#
# Large judges can do much better. Some favour long answers (Zheng et al., 2023), or their own, which is called
# *self-preference* (Panickssery et al., 2024). Before you trust a judge, let two people label the same answers, and
# compare its kappa with theirs.

# %% [markdown]
# ## Exercise 4: choose what people read next
#
# People can read `budget` answers a week. Those where a judge is unsure help to improve the judge (*uncertainty
# sampling*, Lewis & Gale, 1994). But they are not typical. For an honest share, some must be drawn at random.
#
# `p[i]` is the judge's probability that answer `i` is grounded. Return `(drawn, unsure)`, two lists of positions.
#
# - Draw `at_random` positions from *all* answers with `rng`, none twice, each as likely as any other.
# - Of the rest, take the `budget - at_random` answers whose `p` is nearest to one half.
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
# Return positions, `(drawn, unsure)`, and leave the list `p` as it is; nearest means the smallest |p − 0.5|.
check("Only doubts: the two nearest to one half", sorted(sample_for_review(p, 2, 0, rng)[1]), [1, 3])
# Measure the distance to one half without its sign: doubts below count like doubts above.
check("The four nearest, above and below", sorted(sample_for_review(p, 4, 0, rng)[1]), [1, 3, 6, 7])
# Leave out the drawn ones first; then take exactly `budget - at_random` of the rest, or none where that is 0.
check(
    "Nine and five to read, five at random",
    [[len(part) for part in sample_for_review(grounding.TWENTY, budget, 5, rng)] for budget in (9, 5)],
    [[5, 4], [5, 0]],
)
# Draw without putting back.
check("The five drawn differ, in 40 weeks", min(len({*a}) for a, _ in grounding.weeks(sample_for_review, 40)), 5)
# Take doubts only from those not drawn, and return positions in the whole list `p`, not in a shortened one.
check("Nobody reads twice, in 40 weeks", min(len({*a, *b}) for a, b in grounding.weeks(sample_for_review, 40)), 9)
# Draw with the generator `rng` that you are given, so that its seed decides what is drawn.
check("Equal draws from an equal seed, from another", grounding.equal_draws(sample_for_review), [True, False])
# Draw first, from all answers, and give each the same chance.
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
# Sort by the distance |p − 0.5|: the lowest `p` come first when you sort by `p`, or by a difference with its sign.
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
# Somebody reads an answer twice: choose from those not drawn, and return positions in the whole list `p`.
# - rest = np.setdiff1d(np.arange(len(p)), drawn)
# + rest = np.arange(len(p))

# %% mistake="sample_for_review"
# Draw with `rng`, whose seed decides: the same answers every time are not a sample.
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
# Only the random ones give the true share on average. Ten are few: one week shows anything from 0.30 to 0.80. The
# unsure ones are there to improve the judge. To find errors, read the lowest `p` of a judge whose kappa you know.
#
# What readers approve may become an example in the prompt, or training data. Models trained again and again on their
# own output degrade (Shumailov et al., 2024). So a person approves what flows back, and your test questions stay out.

# %% [markdown]
# ## The answer
#
# Who would have noticed the 17,283 nights? The picture has a column for each answer. A filled square is an answer that
# the check refuses: noticed on the left, a false alarm on the right.

# %% fold
refuses = pd.DataFrame(
    {"rule on numbers": ~read.rule, "your claims": ~read.claims, "model on itself": ~judges["the model"]}
)
order = refuses.assign(grounded=read.grounded, most=-refuses.sum(axis=1)).sort_values(
    ["grounded", "most"], kind="stable"
)
place = np.arange(len(read)) + 3 * order.grounded.to_numpy()  # a gap between hallucinated and grounded
figure, axes = plt.subplots(figsize=(10, 2.4), layout="constrained")
for row, name in enumerate(refuses):
    hit = order[name].to_numpy(bool)
    colour = np.where(order.grounded, "#D55E00", "#0072B2")
    axes.scatter(place[hit], [-row] * hit.sum(), marker="s", s=32, color=colour[hit])
    axes.scatter(place[~hit], [-row] * (~hit).sum(), marker="s", s=32, color="white", edgecolor="#999999")
hotel_place = place[list(order.index).index(read.index[read.id == "q65"][0])]
axes.axvspan(hotel_place - 0.5, hotel_place + 0.5, color="#E69F00", alpha=0.35, zorder=0)
axes.annotate("17,283 nights", (hotel_place, 0.5), (hotel_place, 1.1), ha="center", arrowprops={"arrowstyle": "->"})
axes.set(yticks=-np.arange(3), yticklabels=refuses.columns, ylim=(-2.6, 1.5), xlim=(-1, place[-1] + 1))
axes.set_xticks([21, 62.5], ["43 hallucinations", "34 grounded answers"])
axes.tick_params(length=0)
plt.show()
table = refuses.groupby(read.grounded).sum().T.set_axis(["noticed of 43", "false alarms of 34"], axis=1)
print(table, f"\nnoticed by none: {(~refuses.any(axis=1) & ~read.grounded).sum()}")

# %% [markdown]
# Only your claims notice it. Claims and model notice 17 hallucinations each. The claims raise one false alarm, the
# model 19. If the model approved its own answers, 26 hallucinations would flow back. 17 are noticed by none. So people
# read some answers at random each week. An assistant with 25 useful answers in 77 should not answer passengers yet.
#
# In production people trace prompts and answers (Langfuse, MLflow) and score faithfulness and answer relevancy with
# model judges (Ragas, DeepEval). A new version of the judge is measured again.

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
# for nine of 34 grounded answers answered nothing. I measure judges by kappa against labels: the model on itself had
# −0.16, always-no has 0. People read a random sample for the true share, and the doubts of a judge to improve it.
# Questions tell drift early: 0.76 apart, shuffled at most 0.62, and my relevance check lost its verdict on 18 of 37.
# Only what a person approved flows back.
# ### END SOLUTION
