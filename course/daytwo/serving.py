"""Serve a model and say how fast: a real HTTP server on loopback, batches, a cache, and percentiles over replicas.

The server runs in a thread of the process that asks it. So it ends with that process however it ends, needs nothing
pickled, works where an event loop already runs (Jupyter) and in a forked sandbox, and what the app counts can be read.
The price: asker and server share one interpreter, so count calls here and compare answers, and take times elsewhere.
"""

import logging
import os
import socket
import threading
import time
import weakref
from collections import Counter
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import httpx
import uvicorn

_listening = weakref.WeakSet()  # a forked child must not keep a port open that its parent listened on
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=lambda: [listener.close() for listener in list(_listening)])


@contextmanager
def running(app: Callable, patience: float = 20.0) -> Iterator[httpx.Client]:
    """Serve an ASGI app (FastAPI, Starlette …) on a free port of 127.0.0.1; yields an `httpx.Client` that asks it.

    The app is ready when the block begins and gone when it ends; `client.base_url` is its address. Neither proxies nor
    the network are involved. `patience` is in seconds, for the start and for one answer. RuntimeError, with the
    reason, when the app does not start. What an endpoint raises becomes status 500 and is told on stderr.
    """
    reasons = []
    # Named TCP: only then does asyncio send small answers at once. Else each waits 40 ms for an acknowledgement.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.bind(("127.0.0.1", 0))
        _listening.add(listener)
        port = listener.getsockname()[1]
        config = uvicorn.Config(
            _watched(app, reasons),
            interface="asgi3",
            loop="asyncio",
            http="h11",
            ws="none",
            log_config=None,
            log_level="error",
            access_log=False,
            timeout_graceful_shutdown=1,
        )
        server = uvicorn.Server(config)
        thread = threading.Thread(target=_serve, args=(server, listener, reasons), daemon=True, name="daytwo-server")
        thread.start()
        try:
            end = time.monotonic() + patience
            while not server.started and thread.is_alive() and time.monotonic() < end:
                time.sleep(0.005)
            if not server.started:
                reason = next(filter(None, reasons), f"it was not ready within {patience:g} s")
                raise RuntimeError(f"The server could not start: {reason}")
            with httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=patience) as client:
                yield client
        finally:
            server.should_exit = True
            thread.join(patience)
    finally:
        listener.close()


def _serve(server: uvicorn.Server, listener: socket.socket, reasons: list) -> None:
    """What the thread does; uvicorn leaves by SystemExit when an app fails to start."""
    try:
        server.run(sockets=[listener])
    except BaseException as error:
        reasons.append(f"{type(error).__name__}: {error}")


def _watched(app: Callable, reasons: list) -> Callable:
    """The app, with the last line of why it failed to start put into `reasons`, and errors of endpoints told.

    Were they passed on, uvicorn would close the connection just after the 500, and the next request might be lost.
    """

    async def watched(scope, receive, send):
        async def watch(message):
            if message["type"] == "lifespan.startup.failed":
                reasons.extend(message.get("message", "").strip().splitlines()[-1:])
            await send(message)

        if scope["type"] == "lifespan":
            return await app(scope, receive, watch)
        try:
            await app(scope, receive, send)
        except Exception:
            logging.getLogger("uvicorn.error").exception("The app raised an error:")

    return watched


class MicroBatcher:
    """Collects requests into batches of at most `size`; the first request of a batch waits at most `wait`.

    A batch leaves when it is full, or at `due`: the time of its first request plus `wait`. The clock comes first: a
    request at that very time begins the next batch. Times come from the caller, never run backwards, and are in the
    unit of `wait`. One event loop uses it; there is no lock.
    """

    def __init__(self, size: int, wait: float):
        self.size, self.wait = size, wait
        self.due, self._open = None, []  # `due` is None while no request waits

    def add(self, now: float, request: Any) -> list[tuple[float, list]]:
        """Take a request; [(time it left, its requests in order)] of the batches that have left by now."""
        left = self.tick(now)
        if not self._open:
            self.due = now + self.wait
        self._open.append(request)
        return left + (self._leave(now) if len(self._open) == self.size else self.tick(now))

    def tick(self, now: float) -> list[tuple[float, list]]:
        """The batch whose time has come by `now`, if there is one; it left when it was due."""
        return self._leave(self.due) if self._open and self.due <= now else []

    def _leave(self, time: float) -> list[tuple[float, list]]:
        batch, self._open, self.due = self._open, [], None
        return [(time, batch)]


class PredictionCache:
    """Answers of a model by features and version, each for `ttl` seconds; at most `size` of them.

    `clock` is a function that gives the present time in seconds. When there would be one answer too many, the one that
    was put longest ago goes, which would be the first to expire. One event loop uses it; there is no lock.
    """

    def __init__(self, ttl: float, clock: Callable[[], float] = time.monotonic, size: int = 10_000):
        self.ttl, self.clock, self.size = ttl, clock, size
        self._answers = {}  # key -> (time of put, answer), in the order of the puts

    def get(self, features: Mapping[str, Any], version: Hashable) -> Any:
        """The answer that was put less than `ttl` ago for equal features and this version, or None."""
        put, answer = self._answers.get(self._key(features, version), (-float("inf"), None))
        return answer if self.clock() - put < self.ttl else None

    def put(self, features: Mapping[str, Any], version: Hashable, answer: Any) -> None:
        """Keep an answer from now on, in place of an older one for the same features and version."""
        key = self._key(features, version)
        self._answers.pop(key, None)
        self._answers[key] = self.clock(), answer
        while len(self._answers) > self.size:
            del self._answers[next(iter(self._answers))]

    def __len__(self) -> int:
        return len(self._answers)

    @staticmethod
    def _key(features: Mapping[str, Any], version: Hashable) -> tuple:
        """Equal for equal features in any order; every missing value is None, because NaN equals nothing."""
        return version, frozenset((name, None if value != value else value) for name, value in features.items())


def percentile(replicas: Sequence[Mapping[float, int]], q: float) -> float | None:
    """The smallest bound so that at least q % of all requests took no longer; 0 < q <= 100, None without a request.

    Each replica says {upper bound of a bucket: how many requests fell into it} (milliseconds, not cumulative). Merging
    the counts is exact; percentiles of replicas cannot be averaged.
    """
    total, seen = sum((Counter(replica) for replica in replicas), Counter()), 0
    requests = sum(total.values())
    for bound in sorted(total):
        seen += total[bound]
        if 100 * seen >= q * requests:
            return bound
    return None
