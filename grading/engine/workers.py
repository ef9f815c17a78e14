"""Execute one submission: a pure function from cells to outputs and reports, on this machine or on a Dask worker."""

import contextlib
import os
import sys
import threading

from grading.box.template import Template
from grading.lesson.source import region, stripped, visible

_own = threading.local()  # every thread keeps one warm template, for the lesson it is at
_spare, _turn = {}, threading.Lock()  # twins of the latest template, which no thread has taken yet


def execute(prefix, job, workers=1):
    """The result of a job (see `keep`) in a fork of a template that has run `prefix`; says so when it cannot."""
    why = ""
    for _ in range(2):  # a template that has died is replaced once
        try:
            template = _template(prefix, workers)
            return template.run(job) | {"leading": template.ready}
        except EOFError as error:
            why = str(error)
            release()
    return {"cells": {}, "checks": {}, "trouble": f"the process that runs notebooks ended twice: {why}"}


def _template(prefix, workers):
    """This thread's template for `prefix`; beside it one that only imported, for whoever changed the beginning."""
    own = _own.__dict__.setdefault("templates", {})
    key = tuple(prefix)
    if key not in own:
        for other in [k for k in own if k and key]:
            own.pop(other).close()
        with _turn:
            _stock(key, workers)
            own[key] = _spare[key].pop()
    return own[key]


def _stock(key, workers):
    """Make templates for so many workers, unless there are some: the first imports and computes, twins need not."""
    if not _spare.get(key):
        _clear([k for k in _spare if k and key])
        first = Template(key)
        _spare[key] = [first, *(first.twin() for _ in range(workers - 1))]


def _clear(keys):
    for template in [t for key in keys for t in _spare.pop(key)]:
        template.close()


def release():
    """End this thread's templates."""
    for template in _own.__dict__.pop("templates", {}).values():
        template.close()


def split(cells, leading):
    """(prefix, rest): the lesson's `leading` common cells if a submission starts with just them, else nothing."""
    starts = [c["source"] for c in cells[: len(leading)]] == leading
    starts = starts and all(c["kind"] == "common" for c in cells[: len(leading)])
    return (leading, cells[len(leading) :]) if starts else ([], cells)


def questions(lesson, seed=None):
    """{exercise: its check in two parts, without expectations}: the hidden part is asked when all else is done."""
    found = {}
    for name, exercise in lesson.exercises.items():
        source = exercise.check.source
        hidden = "\n".join(m[0] for m in region("HIDDEN TESTS").finditer(source))
        # The class's secret comes with the hidden part, when nothing of the student's is shown any more.
        hidden = f"__import__('sys').modules['grading.checks.facts'].secret = {seed!r}\n" + hidden if seed else hidden
        found[name] = {"visible": stripped(visible(source)), "hidden": stripped(hidden)}
    return found


def job(cells, checks, files, limits, sandbox, number):
    """What `keep` takes."""
    there = {c["name"] for c in cells if c["kind"] == "check"}
    return {
        "cells": cells,
        "checks": {n: q for n, q in checks.items() if n in there},
        "files": {name: data.hex() for name, data in files.items()},
        "limits": limits,
        "sandbox": sandbox,
        "number": number,
        "path": os.pathsep.join([os.path.dirname(sys.executable), "/usr/bin", "/bin"]),
    }


@contextlib.contextmanager
def threads(count):
    """(submit, wait, warm): start `execute` in one of `count` threads with templates of their own; futures, some done.

    `warm(prefix)` starts the first template at once, while whoever submits is still reading what was handed in.
    """
    from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait

    started = []  # every template, whichever thread has it: a run that is interrupted leaves none behind

    def one(prefix, given):
        try:
            return execute(prefix, given, count)
        finally:
            started.extend(t for t in _own.__dict__.get("templates", {}).values() if t not in started)

    begun = []

    def stock(prefix):
        with _turn:
            _stock(tuple(prefix), count)

    def end():
        for template in started:
            template.end()

    try:
        with ThreadPoolExecutor(count) as pool:
            try:
                yield (
                    lambda *job: pool.submit(one, *job),
                    lambda futures: wait(futures, None, FIRST_COMPLETED).done,
                    lambda prefix: begun or begun.append(pool.submit(stock, prefix)),
                )
            finally:
                pool.shutdown(wait=False, cancel_futures=True)
                end()
    finally:
        end()  # those that were only starting
        with _turn:
            _clear(list(_spare))


@contextlib.contextmanager
def cluster(address):
    """The same on a Dask cluster."""
    from distributed import Client, wait

    from grading.engine.trusted import Refused

    with contextlib.ExitStack() as stack:
        try:
            client = stack.enter_context(Client(address, timeout=30))
            client.wait_for_workers(1, timeout=60)
        except (OSError, TimeoutError) as error:
            raise Refused(f"no worker answers at {address}: {error}") from None
        yield (
            lambda *job: client.submit(execute, *job, pure=False),
            lambda futures: wait(list(futures), return_when="FIRST_COMPLETED").done,
            lambda prefix: None,
        )
