"""The learner's own progress: which checks have passed, in one small local file outside the course.

`DAYTWO_PROGRESS` names another file; "off" keeps none. Nothing here is ever worth an error.
"""

import json
import os
from datetime import date
from pathlib import Path


def place():
    """Where the progress is kept, or None."""
    named = os.environ.get("DAYTWO_PROGRESS")
    if named == "off":
        return None
    if named:
        return Path(named)
    from platformdirs import user_data_path

    return user_data_path("daytwo", appauthor=False) / "progress.json"


def passed():
    """{"section/lesson/exercise": date of the first pass}; empty when there is no file or it cannot be read."""
    try:
        known = json.loads(place().read_text(encoding="utf-8"))
        return known if isinstance(known, dict) else {}
    except (OSError, ValueError, AttributeError):
        return {}


def remember(lesson, exercise):
    """Note that every visible fact of an exercise has held."""
    known, key = passed(), f"{lesson}/{exercise}"
    if key in known or place() is None:
        return
    try:
        place().parent.mkdir(parents=True, exist_ok=True)
        fresh = place().with_suffix(f".{os.getpid()}")
        fresh.write_text(json.dumps(known | {key: date.today().isoformat()}, indent=1), encoding="utf-8")
        fresh.replace(place())
    except OSError:
        pass


def done():
    """[(lesson, exercises passed, exercises in all)] for the start page and every lesson, in their order."""
    from grading.checks.hints import book

    known, pages = passed(), book()
    order = sorted(pages, key=lambda lesson: ("/" in lesson, lesson))
    return [
        (a, sum(f"{a}/{name}" in known for name in pages[a]["exercises"]), len(pages[a]["exercises"])) for a in order
    ]


def show():
    """Print a bar for every lesson: exercises passed, of those there are."""
    if place() is None:
        return print("Progress is not kept here.")
    rows = done()
    wide, most = max(len(r[0]) for r in rows), max(r[2] for r in rows)
    for lesson, now, total in rows:
        bar = "■" * now + "□" * (total - now)
        state = "done" if now == total else "open" if not now else "begun"
        print(f"{lesson:<{wide}}  {bar:<{most}}  {now} of {total}, {state}")
    print(f"{'all':<{wide}}  {'':<{most}}  {sum(r[1] for r in rows)} of {sum(r[2] for r in rows)}")
