"""Whether a language model's answer stands in its document, and fits its question: what the lesson on it builds.

The labels of relevance are here too. Looking at `unsupported` and the functions below it is like looking at the last
page first.
"""

import re
from functools import cache

import numpy as np
import pandas as pd

from .data import airlines, flights

SILENT = "The document does not say."

UNITS = {"%": "%", "percent": "%"}
for _word in ("minute", "hour", "day", "night", "mile", "flight", "destination", "observation"):
    UNITS |= {_word: f"{_word}s", f"{_word}s": f"{_word}s"}
UNITS |= {month.lower(): month for month in pd.date_range("2013-01-01", periods=12, freq="MS").month_name()}

ASKS = {  # what a question asks for: the first of these phrases that it holds, and the units of a fitting answer
    "share": {"%"},
    "how far": {"miles"},
    "how long": {"minutes", "miles"},
    "how many hours": {"hours"},
    "how many": {"flights", "destinations", "nights", "minutes", ""},
    "how much": {"%", ""},
    "carrier": {"name"},
    "destination": {"name"},
    "who ": {"name"},
}

# The answers that do not give what their question asks for, right or wrong, and what that is. One labeller read all 77:
# a language model, the author's helper; no person has checked it. An answer to one half of a question counts as an
# answer, and so does "The document does not say.". Another reader might differ on q18, q62, q67 and q74.
UNANSWERED = {
    "q18": "a share",
    "q23": "the destination",
    "q24": "how many flights",
    "q29": "how many of the flights",
    "q35": "how many gates",
    "q36": "how far (cut off before the miles)",
    "q40": "who",
    "q42": "how much",
    "q43": "until when",
    "q47": "how close",
    "q50": "how much more often",
    "q53": "what to do (it ends with a colon), and how many",
    "q63": "how much",
    "q66": "which four",
    "q67": "which clock",
    "q68": "which carriers, and how to join",
    "q69": "from which share",
    "q70": "how many hours",
}


@cache
def _names():
    """{word: code} of what has a name: carriers and airports, by code and by the words that runbooks use."""
    carriers = airlines()
    places = {"Newark": "EWR", "Kennedy": "JFK", "LaGuardia": "LGA", "Honolulu": "HNL", "Boston": "BOS"}
    known = {name.split()[0]: code for code, name in zip(carriers.carrier, carriers.name, strict=True)}
    codes = {*carriers.carrier, *flights().dest, *flights().origin}
    return known | places | {"Atlanta": "ATL"} | {code: code for code in codes}


def claims(text: str) -> set[tuple[str, str]]:
    """What a text claims: (number without its commas, unit or "") and (code, "name").

    "Hawaiian flew 1,342 flights, 12.6% late" claims ("HA", "name"), ("1342", "flights") and ("12.6", "%").
    """
    word = "[A-Za-z0-9]"
    number = rf"(?<!{word})(\d{{1,3}}(?:,\d{{3}})+(?:\.\d+)?|\d+(?:\.\d+)?)(?!{word})(?: ?(%)| ([A-Za-z]+))?"
    found = {
        (digits.replace(",", ""), UNITS.get((sign or behind).lower(), ""))
        for digits, sign, behind in re.findall(number, text)
    }
    return found | {(_names()[w], "name") for w in re.findall(f"{word}+", text) if w in _names()}


def judged(*groups):
    """(judge, labels), two lists of answers in groups: (the label of all, accepted by the judge, of how many)."""
    judge, labels = [], []
    for label, accepted, size in groups:
        judge += [True] * accepted + [False] * (size - accepted)
        labels += [label] * size
    return judge, labels


TWENTY = (
    np.linspace(0.02, 0.98, 20).round(3).tolist()
)  # a judge's probabilities, in order, none twice as near to one half


def weeks(sample, times, seed=8):
    """(drawn, unsure) of as many weeks: nine of twenty answers to read, five of them at random."""
    rng = np.random.default_rng(seed)
    found = [sample(TWENTY, 9, 5, rng) for _ in range(times)]
    return [([int(i) for i in drawn], [int(i) for i in unsure]) for drawn, unsure in found]


def drawn_least_and_most(sample, times=1_500):
    """How often the one of twenty answers is drawn at random that is drawn least, and the one that is drawn most."""
    drawn = [i for week, _ in weeks(sample, times) for i in week]
    often = np.bincount(drawn, minlength=20)
    return [int(often.min()), int(often.max())]


def equal_draws(sample):
    """Whether three weeks are drawn alike from an equal seed, and from another one."""
    once, again, other = ([sorted(drawn) for drawn, _ in weeks(sample, 3, seed)] for seed in (8, 8, 9))
    return [once == again, once == other]


def drift(rows, rng, permutations=199):
    """(Jensen–Shannon distance of the words of both months' questions, that after each shuffle of the documents).

    The distance (logarithms to the base 2) is 0 for equal shares of words and 1 where none is common.
    `rows` has `document`, `month` (1 or 2) and `question`; a document belongs to one month, with all its questions.
    """
    words = rows.question.str.lower().str.findall("[a-z]+").explode()
    counts = pd.crosstab(rows.document.loc[words.index].to_numpy(), words.to_numpy())
    first = rows.groupby("document").month.first().loc[counts.index].eq(1).to_numpy()
    counts = counts.to_numpy()

    def distance(mask):
        p, q = (counts[side].sum(axis=0) / counts[side].sum() for side in (mask, ~mask))
        mean = (p + q) / 2
        divergence = sum(x[x > 0] @ np.log2(x[x > 0] / mean[x > 0]) for x in (p, q)) / 2
        return float(np.sqrt(max(0.0, divergence)))

    return distance(first), [distance(rng.permutation(first)) for _ in range(permutations)]


def interval(rows, measure, rng, draws=200):
    """The 2.5 % and 97.5 % quantiles of `measure(rows)`, numbers, when whole documents are drawn again.

    Answers from one document are alike, so they are drawn together. `rows` has the column `document`.
    """
    places = list(rows.groupby("document").indices.values())
    again = []
    for _ in range(draws):
        chosen = rng.integers(len(places), size=len(places))
        again.append(measure(rows.iloc[np.concatenate([places[i] for i in chosen])]))
    return np.quantile(again, [0.025, 0.975], axis=0)


def compare(judges, rows, measure):
    """A table of judges: how often each agrees with the labels, and `measure` of both with its interval.

    `judges` is {name: verdicts}; `rows` has the columns `document` and `grounded`, the labels.
    """
    found = {}
    for name, verdicts in judges.items():
        asked = rows.assign(verdict=np.asarray(verdicts, bool))

        def value(some):
            return float(measure(some.verdict.tolist(), some.grounded.tolist()))

        low, high = interval(asked, value, np.random.default_rng(4))
        shown = [round(x, 2) + 0.0 for x in (value(asked), low, high)]  # + 0.0: never -0.00
        found[name] = [f"{(asked.verdict == asked.grounded).mean():.2f}", "{:.2f} [{:.2f}, {:.2f}]".format(*shown)]
    return pd.DataFrame(found, index=["agrees", "kappa"]).T


def unsupported(answer, document):
    """The set of the claims of an answer that its document does not support."""
    known = claims(document)

    def supported(number, unit):
        if unit == "name":
            return (number, unit) in known
        decimals = len(number.partition(".")[2])
        fitting = [n for n, u in known if u != "name" and (u == unit or "" in (u, unit))]
        return any(abs(round(float(n), decimals) - float(number)) < 1e-9 for n in fitting)

    return {claim for claim in claims(answer) if not supported(*claim)}


def relevant(question, answer):
    """Whether an answer gives what its question asks for, right or wrong; None where no phrase tells."""
    if answer == SILENT:
        return True
    for phrase, units in ASKS.items():
        if phrase in question.lower():
            return any(unit in units for _, unit in claims(answer) - claims(question))
    return None


def kappa(judge, labels):
    """Cohen's kappa of two rows of verdicts."""
    judge, labels = np.asarray(judge, bool), np.asarray(labels, bool)
    agree = np.mean(judge == labels)
    chance = sum(np.mean(judge == verdict) * np.mean(labels == verdict) for verdict in (True, False))
    return float((agree - chance) / (1 - chance))


def sample_for_review(p, budget, at_random, rng):
    """Positions to read: (those drawn at random, those of the rest where the judge is least sure)."""
    p = np.asarray(p)
    drawn = rng.choice(len(p), at_random, replace=False)
    rest = np.setdiff1d(np.arange(len(p)), drawn)
    nearest = rest[np.argsort(np.abs(p[rest] - 0.5), kind="stable")]
    return drawn.tolist(), nearest[: budget - at_random].tolist()
