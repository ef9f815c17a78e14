"""A served model answers for real, and ends with its process."""

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time

import pytest
from daytwo.serving import running
from fastapi import FastAPI


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
