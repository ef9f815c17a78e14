"""Where a lesson stands in the course: the map on the start page, and the links at every lesson's end."""

import json
import re
from functools import cache

from grading import environment
from grading.lesson import budgets

MAP = "{map}"  # in the prose of the start page


@cache
def plan():
    """{section: {"title", "asks", "lessons": {lesson: the question it answers}}}, written or not, in order."""
    path = environment.SOLUTIONS / "plan.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def written(section):
    """The lessons of a section that there are, and those that are planned, in order."""
    there = {p.stem for p in (environment.SOLUTIONS / section).glob("*.py")}
    return sorted(there | set(plan().get(section, {}).get("lessons", ()))), there


def title(lesson):
    """What a lesson calls itself on its first page, or its file's name in words."""
    found = re.search(r"^# (.+)", lesson.cells[0].source, re.M) if lesson else None
    return found[1].strip() if found else None


def named(stem):
    return stem[3:].replace("_", " ").capitalize()


def rows(known):
    """The map in Markdown; `known` are the lessons that there are, read, by id."""
    for number, (section, page) in enumerate(plan().items(), 1):
        yield f"\n### {number} · {page['title']}: {page['asks'][0].lower()}{page['asks'][1:]}\n"
        yield "| lesson | the question it answers | minutes | exercises |"
        yield "| --- | --- | ---: | ---: |"
        for stem in written(section)[0]:
            lesson, asks = known.get(f"{section}/{stem}"), page["lessons"].get(stem, "")
            if lesson is None:
                yield f"| {named(stem)} | {asks} | not yet | |"
            else:
                link = f"[{title(lesson)}]({section}/{stem}.ipynb)"
                yield f"| {link} | {asks} | {budgets.minutes(lesson) or ''} | {len(lesson.exercises)} |"


def onward(lesson):
    """The last words of a lesson: a link to the next one that there is, and the way back to the map."""
    section, _, stem = lesson.id.partition("/")
    if not stem:
        return None
    order = [(s, n) for s in plan() for n in written(s)[0] if n in written(s)[1]]
    after = order[order.index((section, stem)) + 1 :] if (section, stem) in order else []
    way = "[Back to the map](../00_start_here.ipynb)"
    if not after:
        return f"{way}: this is the last lesson so far."
    where = f"{after[0][1]}.ipynb" if after[0][0] == section else f"../{after[0][0]}/{after[0][1]}.ipynb"
    return f"**Next:** [{named(after[0][1])}]({where}) · {way}"
