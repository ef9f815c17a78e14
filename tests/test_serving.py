"""A served model answers for real, ends with its process, and its cache and batches do what the lesson's answers do."""

import asyncio
import contextlib
import json
import os
import random
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time

import pytest
from daytwo.serving import MicroBatcher, PredictionCache, percentile, running
from fastapi import FastAPI

from grading.lesson import read as lesson

LESSON = "02_serving/02_answer_fast"


def counting():
    """An app that doubles a number, and the list of what it was asked."""
    app, asked = FastAPI(), []

    @app.post("/twice")
    async def twice(body: dict):
        asked.append(body["x"])
        return {"x": 2 * body["x"]}

    return app, asked


def can_connect(port):
    with socket.socket() as s:
        s.settimeout(2)
        return s.connect_ex(("127.0.0.1", port)) == 0


def answer(name, **extra):
    """What the lesson's own answer to an exercise defines."""
    (path,) = lesson.lessons(LESSON)
    names = {"__name__": "lesson", **extra}
    exec(lesson.read(path).exercises[name].answer.source, names)
    return names


def test_server_answers_and_what_it_counts_can_be_read():
    app, asked = counting()
    with running(app) as client:
        got = [client.post("/twice", json={"x": x}).json()["x"] for x in range(50)]
    assert got == [2 * x for x in range(50)] and asked == list(range(50))


def test_nothing_listens_and_no_thread_runs_after_the_block():
    app, _ = counting()
    before = threading.active_count()
    with running(app) as client:
        port = client.base_url.port
        assert can_connect(port)
    assert not can_connect(port) and threading.active_count() == before


def test_nothing_listens_after_an_error_in_the_block():
    app, _ = counting()
    with pytest.raises(KeyError), running(app) as client:
        port = client.base_url.port
        raise KeyError
    assert not can_connect(port)


def test_small_answers_do_not_wait_for_acknowledgements():
    app, _ = counting()
    with running(app) as client:
        began = time.perf_counter()
        for x in range(50):
            client.post("/twice", json={"x": x})
        assert time.perf_counter() - began < 1.5  # 50 times 40 ms would be 2 s


def test_server_runs_where_an_event_loop_already_does():
    async def notebook():
        app, _ = counting()
        with running(app) as client:
            return client.post("/twice", json={"x": 4}).json()

    assert asyncio.run(notebook()) == {"x": 8}


def test_two_servers_at_once_have_ports_of_their_own():
    (one, asked), (other, _) = counting(), counting()
    with running(one) as a, running(other) as b:
        assert a.base_url != b.base_url
        a.post("/twice", json={"x": 1})
    assert asked == [1]


def test_proxies_of_the_environment_are_not_asked(monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    app, _ = counting()
    with running(app) as client:
        assert client.post("/twice", json={"x": 1}).status_code == 200


def test_an_endpoint_that_raises_is_a_500_and_the_server_goes_on():
    app, _ = counting()
    with running(app) as client:
        assert client.post("/twice", json={}).status_code == 500
        assert client.post("/twice", json={"x": 3}).json() == {"x": 6}


def test_an_app_that_cannot_start_says_why():
    def broken():
        raise ValueError("the model file is missing")

    class Lifespan:
        async def __aenter__(self):
            broken()

        async def __aexit__(self, *_):
            pass

    with (
        pytest.raises(RuntimeError, match="The server could not start: ValueError: the model file is missing"),
        running(FastAPI(lifespan=lambda app: Lifespan())),
    ):
        pass


def test_an_app_that_never_gets_ready_is_given_up():
    class Lifespan:
        async def __aenter__(self):
            await asyncio.sleep(1)

        async def __aexit__(self, *_):
            pass

    with pytest.raises(RuntimeError, match=r"it was not ready within 0\.2 s"):  # noqa: SIM117
        with running(FastAPI(lifespan=lambda app: Lifespan()), patience=0.2):
            pass


SERVE = """
import os, sys, time
from daytwo.serving import running
from fastapi import FastAPI
with running(FastAPI()) as client:
    if "fork" in sys.argv and os.fork() == 0:
        os.close(1)
        time.sleep(60)
    print(client.base_url.port, flush=True)
    time.sleep(60)
"""


@pytest.mark.parametrize("how", ["alone", "fork"])
def test_a_killed_kernel_leaves_nobody_listening(how):
    if how == "fork" and not hasattr(os, "fork"):
        pytest.skip("there is no fork here")
    process = subprocess.Popen(
        [sys.executable, "-c", SERVE, how], stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    try:
        port = int(process.stdout.readline())
        assert can_connect(port)
        process.kill()
        process.wait(10)
        assert not can_connect(port)
    finally:
        if hasattr(os, "killpg"):
            with process.stdout, contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # the forked child


def test_a_forked_process_serves():
    if not hasattr(os, "fork"):
        pytest.skip("there is no fork here")
    code = """
    import os
    from daytwo.serving import running
    from fastapi import FastAPI
    with running(FastAPI()) as client:
        first = client.get("/docs").status_code
    if (pid := os.fork()) == 0:
        with running(FastAPI()) as client:
            ok = [client.get("/docs").status_code for _ in range(20)] == [200] * 20
        os._exit(0 if ok else 1)
    print(first, os.waitpid(pid, 0)[1])
    """
    run = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, timeout=60, check=True
    )
    assert run.stdout.split() == ["200", "0"]


def test_batches_are_those_of_the_lesson_and_of_a_clock_that_ticks():
    theirs = answer("MicroBatcher")["MicroBatcher"]
    dice = random.Random(2)
    for _ in range(60):
        size, wait = dice.randint(1, 5), dice.randint(0, 12)
        times = sorted(dice.randint(0, 60) for _ in range(30))
        got = []
        for batcher in (MicroBatcher(size, wait), theirs(size, wait)):
            left = [batch for i, t in enumerate(times) for batch in batcher.add(t, i)]
            got.append(left + batcher.tick(1_000))
        expected, waiting = [], []
        for t in range(100):
            if waiting and t == times[waiting[0]] + wait:
                expected.append((t, waiting))
                waiting = []
            for i in [i for i, when in enumerate(times) if when == t]:
                waiting.append(i)
                if len(waiting) == size or wait == 0:
                    expected.append((t, waiting))
                    waiting = []
        assert [(t, list(b)) for t, b in got[0]] == expected
        assert [(t, list(b)) for t, b in got[1]] == expected


def test_a_batch_says_when_it_is_due():
    batcher = MicroBatcher(3, 10)
    assert batcher.due is None
    batcher.add(5, "a")
    batcher.add(9, "b")
    assert batcher.due == 15
    assert batcher.tick(15) == [(15, ["a", "b"])] and batcher.due is None


def test_cache_is_that_of_the_lesson_and_of_a_plain_list():
    theirs = answer("PredictionCache")["PredictionCache"]
    dice, now = random.Random(3), [0]
    ours, lessons, log = (make(20, lambda: now[0], 6) for make in (PredictionCache, theirs, lambda *_: []))
    for step in range(5_000):
        now[0] += dice.randint(0, 4)
        features = {"origin": dice.choice("JL"), "humid": dice.choice([float("nan"), 60, 61.0])}
        if dice.random() < 0.5:
            features = dict(reversed(features.items()))
        key, version = (
            str(sorted((k, str(float(v)) if k == "humid" else v) for k, v in features.items())),
            dice.choice("ab"),
        )
        if dice.random() < 0.3:
            for cache in (ours, lessons):
                cache.put(features, version, step)
            log[:] = [entry for entry in log if entry[:2] != (key, version)] + [(key, version, now[0], step)]
            del log[:-6]
        found = [p for k, v, t, p in log if (k, v) == (key, version) and now[0] - t < 20]
        assert ours.get(features, version) == lessons.get(features, version) == (found[0] if found else None)
        assert len(ours) <= 6


def test_cache_tells_text_from_numbers_and_keeps_a_zero():
    cache = PredictionCache(10, lambda: 0)
    cache.put({"hour": 7}, "1", 0.0)
    assert cache.get({"hour": 7.0}, "1") == 0.0
    assert cache.get({"hour": "7"}, "1") is None and cache.get({"hour": 7}, "2") is None


def test_percentile_is_that_of_the_lesson_and_of_all_samples():
    theirs = answer("percentile")["percentile"]
    dice = random.Random(4)
    for _ in range(200):
        replicas = [
            {dice.choice([5, 10, 20, 50, float("inf")]): dice.randint(0, 30) for _ in range(4)}
            for _ in range(dice.randint(1, 4))
        ]
        q = dice.choice([1, 25, 50, 90, 95, 99, 100])
        samples = sorted(ms for replica in replicas for ms, n in replica.items() for _ in range(n))
        expected = samples[-(-q * len(samples) // 100) - 1] if samples else None
        assert percentile(replicas, q) == theirs(replicas, q) == expected
    assert json.dumps(percentile([], 99)) == "null"
