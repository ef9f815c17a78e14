"""Serve a model for real: an HTTP server on loopback, for as long as a block lasts.

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
from collections.abc import Callable, Iterator
from contextlib import contextmanager

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
