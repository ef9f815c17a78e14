"""Grade a section: rebuild, execute, compare, write. Parallel, cached by content, resumable; no student stops it."""

import contextlib
import errno
import json
import os
import time
from collections import Counter
from pathlib import Path

from grading.box import sandbox
from grading.box.keep import LIMITS
from grading.engine import feedback, files, workers
from grading.engine.carry import carried
from grading.engine.gradebook import Book, booked, points, whole
from grading.engine.reading import Unreadable
from grading.engine.submission import code_cells, course, digest, hand, needed, number
from grading.engine.trusted import Refused, Trusted
from grading.lesson.read import lessons

AGAIN = " (nothing is kept of this: the next run tries it again)"


class Engine:
    """One run over a section. `log` takes sentences; `progress` takes (done, of how many, since when).

    `late` is a `Late`, which knows of penalties; `kept` the names of lesson files that students may change.
    """

    def __init__(
        self, coursedir, section, seed=None, limits=None, box=True, log=print, progress=None, late=None, kept=()
    ):
        self.coursedir, self.section, self.log, self.progress = coursedir, section, log, progress
        self.late, self.kept = late, kept
        self.seed, self.limits = seed or os.environ.get("GRADING_SEED"), LIMITS | (limits or {})
        if unknown := self.limits.keys() - LIMITS.keys():
            raise Refused(f"no limit is called {', '.join(sorted(unknown))}; there are {', '.join(LIMITS)}")
        why = sandbox.possible() if box else "it was switched off"
        self.box = not why
        if why:
            log(f"WARNING: no sandbox, because {why}: what students hand in can read and change this account's files.")
        self.courses = {
            p.stem: course(p, self.seed, self.limits, self.box) for p in lessons(section) if p.parent.name == section
        }
        self.cache = Path(coursedir.format_path(coursedir.submitted_directory, "x", "x")).parents[2] / "cache"
        self.trusted, self.count, self.review, self.ready = {}, Counter(), [], []

    def grade(self, students="*", jobs=None, address=None, force=False):
        """Grade the students whose name matches; {"graded", "cached", …} counts."""
        started, todo = time.monotonic(), []
        pattern = Path(self.coursedir.format_path(self.coursedir.submitted_directory, "*", self.section))
        folders = sorted(p for p in pattern.parent.parent.glob(f"{students}/{self.section}") if p.is_dir())
        self.due, self.extensions, most = booked(self.coursedir, self.section)
        same = most == {(n, cell): p for n, c in self.courses.items() for cell, p in points(c.release).items()}
        for at, folder in enumerate(folders):
            raw, student = files.fingerprint(files.listed(folder)[0]), folder.parent.name
            if not force and same and student in self.extensions and self.is_done(student, raw):
                self.count["unchanged"] += 1
            else:
                todo.append((folder, raw))
            self.tell(at + 1 - len(todo), len(folders), started)
        if todo:
            jobs = jobs or os.cpu_count() or 1
            start = workers.cluster(address) if address else workers.threads(jobs)
            with start as work, Book(self.coursedir) as self.book:
                self.book.prepare(self.section, self.courses)
                self.run(todo, *work, 200 if address else 16 * jobs, len(folders), started)
        self.table(len(folders), time.monotonic() - started)
        return self.count

    def tell(self, done, total, started):
        if self.progress:
            self.progress(done, total, started)

    def run(self, todo, submit, wait, warm, batch, total, started):
        """Keep the workers busy, and write whoever is complete; memory holds a batch of students at a time.

        Within a batch it goes lesson by lesson: a worker has one warm template, and another lesson needs another.
        """
        waiting, done = {}, total - len(todo)
        try:
            while todo or waiting:
                if todo and len(waiting) < batch:
                    some, todo, queue = todo[:batch], todo[batch:], []
                    for folder, raw in some:
                        with self.minding(folder.parent.name):
                            queue += self.begin(folder, raw)
                        if queue:
                            warm(queue[0][0])
                    for prefix, job, *known in sorted(queue, key=lambda entry: entry[3]):
                        waiting[submit(prefix, job)] = known
                else:
                    self.collect(waiting, wait)
                done += self.finish()
                self.tell(done, total, started)
        finally:
            for trusted in self.trusted.values():
                trusted.close()

    @contextlib.contextmanager
    def minding(self, student):
        """What goes wrong with one student stays with that student, is said, and is tried again next time."""
        try:
            yield
        except Refused:
            raise
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EROFS):
                raise Refused(f"{error.strerror}: make room for {self.cache.parent}; what is done is kept") from error
            self.review.append(f"{student}: {error}{AGAIN}")
        except Exception as error:
            self.review.append(f"{student}: {type(error).__name__}: {error}{AGAIN}")

    def begin(self, folder, raw):
        """Rebuild what a student handed in; [(prefix, job, student, lesson, …)] of what the cache does not know."""
        one, queue = hand(folder.parent.name, folder, self.courses, raw), []
        for name, (_, rebuilt) in one.found.items():
            if isinstance(rebuilt, Unreadable):
                continue
            course = self.courses[name]
            places, cells = zip(*code_cells(rebuilt.notebook), strict=True)
            key = digest(course.key, cells, {k: v.hex() for k, v in one.beside.items()})
            if (known := self.load(key)) is not None:
                one.results[name] = known
                self.count["from cache"] += 1
                continue
            self.trust(name)
            prefix, rest = workers.split(list(cells), course.leading)
            job = workers.job(rest, course.questions, one.beside, self.limits, self.box, number(folder))
            queue.append((prefix, job, one, name, key, places, len(prefix)))
            one.open.add(name)
        if not one.open:
            self.ready.append(one)
        return queue

    def trust(self, name):
        """The process that compares this lesson's reports, started when first needed."""
        if name not in self.trusted:
            proved = None
            with contextlib.suppress(OSError, ValueError):
                proved = json.loads(self.proof(name).read_text(encoding="utf-8"))
            self.trusted[name] = Trusted(self.courses[name].lesson.id, proved, self.seed)
        return self.trusted[name]

    def proof(self, name):
        return self.cache / "proved" / f"{self.courses[name].key}.json"

    def finish(self):
        """Write the students that need no worker any more; how many."""
        ready, self.ready = self.ready, []
        for one in ready:
            with self.minding(one.student):
                self.write(one)
        return len(ready)

    def collect(self, waiting, wait):
        """Wait for a result, compare it, keep it."""
        for future in wait(waiting):
            one, name, key, places, skipped = waiting.pop(future)
            try:
                result = future.result()
            except Exception as error:  # a worker that was lost
                result = {"cells": {}, "checks": {}, "trouble": f"{type(error).__name__}: {error}"}
            with self.minding(one.student):
                outputs = {places[i]: out for i, out in enumerate(result.get("leading", [])[:skipped])}
                outputs |= {places[skipped + int(i)]: out for i, out in result["cells"].items()}
                outputs = {str(at): out for at, out in outputs.items()}
                one.results[name] = {"outputs": outputs, "verdicts": self.compare(name, result)}
                one.results[name]["seconds"] = needed(outputs, result)
                if result["trouble"]:
                    one.trouble.append(f"{name}: {result['trouble']}")
                else:
                    whole(self.cache / "results" / key[:2] / f"{key}.json", json.dumps(one.results[name]))
            self.count["executed"] += 1
            one.open.discard(name)
            if not one.open:
                self.ready.append(one)

    def compare(self, name, result):
        """{exercise: verdict}, from the process that knows what was expected."""
        trusted, exercises = self.trust(name), self.courses[name].questions
        if result["trouble"]:  # ours, or so it seems: nobody's zero
            return {e: {"state": "review", "fact": e, "held": [], "secret": False} for e in exercises}
        nothing = {"visible": {"died": "the notebook did not get that far"}}
        verdicts = {e: trusted.ask(e, result["checks"].get(e, nothing)) for e in exercises}
        if not self.proof(name).exists():
            whole(self.proof(name), json.dumps(trusted.proved))
        return verdicts

    def load(self, key):
        try:
            known = json.loads((self.cache / "results" / key[:2] / f"{key}.json").read_text(encoding="utf-8"))
            return known if {"outputs", "verdicts"} <= known.keys() else None
        except (OSError, ValueError):
            return None

    def write(self, one):
        """Assemble and keep one student's notebooks and marks, then note that it was done."""
        notebooks = {}
        for name, (_, rebuilt) in one.found.items():
            course = self.courses[name]
            if isinstance(rebuilt, Unreadable):
                blank = feedback.unreadable(course.release, rebuilt)
                notebooks[name] = blank, {e: {"state": "blank"} for e in course.questions}
                self.review.append(f"{one.student}: {name} {rebuilt}")
                continue
            result = one.results[name]
            rebuilt.repairs[:0] = one.notes
            outputs = {int(k): v for k, v in result["outputs"].items()}
            notebooks[name] = feedback.graded(rebuilt, outputs, result["verdicts"]), result["verdicts"]
            self.count["repaired"] += bool(rebuilt.repairs)
            silent = [e for e, verdict in result["verdicts"].items() if verdict["state"] == "review"]
            if silent and not one.trouble:
                self.review.append(f"{one.student}: {name}: no result from {', '.join(silent)}")
        when, odd = files.stamp(one.folder)
        more = carried(self.coursedir, self.section, one.there, self.kept)
        self.book.write(self.section, one.student, notebooks, when, more, self.late)
        if not one.trouble:  # else it is tried again next time
            there = sorted([*(f"{name}.ipynb" for name in notebooks), *more])
            whole(self.note(one.student), json.dumps(self.known(one.student, one.raw) | {"there": there}))
        self.review += [f"{one.student}: {sentence}" for sentence in [*one.told, *([odd] if odd else [])]]
        self.review += [f"{one.student}: {sentence}{AGAIN}" for sentence in one.trouble]
        self.count["graded"] += 1

    def note(self, student):
        return self.cache / "done" / self.section / f"{student}.json"

    def known(self, student, raw):
        """All that a student's marks depend on."""
        late = [str(self.due), str(self.extensions.get(student)), self.late.settings()] if self.late else None
        return {"raw": raw, "keys": {name: course.key for name, course in self.courses.items()}, "late": late}

    def is_done(self, student, raw):
        """Whether this very submission was graded and written before, by this very engine."""
        try:
            known = json.loads(self.note(student).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return False
        folder = Path(self.coursedir.format_path(self.coursedir.autograded_directory, student, self.section))
        there = known.pop("there", None) if isinstance(known, dict) else None
        same = known == self.known(student, raw) and isinstance(there, list)
        return same and all((folder / name).exists() for name in there)

    def table(self, total, seconds):
        """The closing words."""
        rate = f", {total / seconds:.1f} a second" if seconds > 0 and total else ""
        self.log(
            f"{self.section}: {total} students in {seconds:.0f} s{rate}: {self.count['graded']} graded, "
            f"{self.count['unchanged']} unchanged, {self.count['from cache']} notebooks from the cache, "
            f"{self.count['repaired']} repaired, {len(self.review)} need a look."
        )
        for line in self.review:
            self.log(f"  needs a look: {line}")
