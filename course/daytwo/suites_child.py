"""The process that runs tests for `suites`, and our end of it.

On Linux it is a fork, which forks once more per version: milliseconds. Elsewhere it is a fresh Python to which the
tests travel by cloudpickle. JSON lines go to it and come back; it ends when our end closes.
"""

import base64
import contextlib
import gc
import json
import linecache
import os
import queue
import secrets
import signal
import subprocess
import sys
import threading
import warnings

import cloudpickle
import pyarrow

from daytwo import data, suites_pytest
from daytwo.suites_words import ENDED, LETTERS, SLOW, file_of, functions

FORK = sys.platform == "linux"  # macOS has fork, and frameworks that do not survive it
START = 60  # seconds for a fresh Python to import what it needs
MINUTES = 600  # seconds of CPU after which such a Python ends in any case


class Child:
    """The process that runs `tests` on the versions that it is asked about."""

    def __init__(self, tests, gives, context, seconds, fork):
        self.process, self.seconds = None, seconds
        (self._fork if fork else self._spawn)(tests, gives, context)
        self.said = queue.SimpleQueue()
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()
        with contextlib.suppress(queue.Empty):
            self.said.get(timeout=START)

    def _fork(self, *load):
        hear, say = os.pipe()
        listen, tell = os.pipe()
        with warnings.catch_warnings(action="ignore"):  # Python 3.12 warns of the kernel's threads
            self.pid = os.fork()
        if self.pid == 0:
            try:
                low = 3
                for fd in (*sorted((hear, tell)), 1 << 16):  # the notebook's sockets and files stay its own
                    os.closerange(low, fd)
                    low = fd + 1
                serve(os.fdopen(hear, "rb"), tell, lambda: load, True, self.seconds)
            finally:
                os._exit(1)
        os.close(hear)
        os.close(tell)
        self.say, self.listen = os.fdopen(say, "wb"), os.fdopen(listen, "rb")

    def _spawn(self, tests, gives, context):
        command = [sys.executable, "-c", "from daytwo import suites_child; suites_child.spawned()"]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
        self.process = subprocess.Popen(command, **pipes, start_new_session=True)
        self.pid, self.say, self.listen = self.process.pid, self.process.stdin, self.process.stdout
        load = base64.b64encode(cloudpickle.dumps((tests, gives, context))).decode()
        lines = {f: linecache.getlines(f) for f in map(file_of, functions(tests))}
        with contextlib.suppress(OSError):
            self._send({"load": load, "seconds": self.seconds, "lines": lines, "path": sys.path})

    def _read(self):
        while line := self.listen.readline(1 << 17):
            self.said.put(line)
        self.said.put(b"")

    def _send(self, message):
        self.say.write(json.dumps(message).encode() + b"\n")
        self.say.flush()

    def ask(self, text):
        """What came of a version: state, why, and whether the process is of no more use."""
        token, why = secrets.token_hex(8), ENDED  # what a test may print or write carries no token
        try:
            self._send({"source": text, "token": token})
            said = json.loads(self.said.get(timeout=3 * self.seconds))
            state, why, spoilt = (said[k] for k in ("state", "why", "spoilt"))
            if said["token"] == token and state in ("passed", "caught", "broke", "blank"):
                return {"state": state, "why": str(why)[:LETTERS], "spoilt": spoilt is True}
        except queue.Empty:
            why = SLOW.format(self.seconds)
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
            pass
        return {"state": "broke", "why": why, "spoilt": True}

    def end(self):
        """Kill it and what it started; leave nothing open."""
        with contextlib.suppress(OSError):
            os.killpg(self.pid, signal.SIGKILL) if hasattr(os, "killpg") else self.process.kill()
        if self.process:
            self.process.wait()
        else:
            with contextlib.suppress(OSError):
                os.kill(self.pid, signal.SIGKILL)
            with contextlib.suppress(ChildProcessError):
                os.waitpid(self.pid, 0)
        self.reader.join(1)
        for pipe in (self.say, self.listen):
            with contextlib.suppress(OSError):
                pipe.close()


def spawned():
    """What a fresh Python does first."""
    hear, tell = os.fdopen(os.dup(0), "rb"), os.dup(1)
    first = json.loads(hear.readline())
    sys.path[:] = first["path"]
    linecache.cache.update({f: (sum(map(len, text)), None, text, f) for f, text in first["lines"].items()})
    load = base64.b64decode(first["load"])
    serve(hear, tell, lambda: cloudpickle.loads(load), False, first["seconds"])


def serve(hear, tell, load, fork, seconds):
    """Read versions, run the tests on each, say what came of it; end with the process that asks, however it ends."""
    null = os.open(os.devnull, os.O_RDWR)
    for fd in (0, 1, 2):
        os.dup2(null, fd)
    sys.stdin, sys.stdout, sys.stderr = open(os.devnull), open(os.devnull, "w"), open(os.devnull, "w")  # noqa: SIM115
    if fork:
        os.setsid()
        data._load.cache_clear()  # whole tables, which every fork would carry along
        pyarrow.default_memory_pool().release_unused()
        gc.freeze()  # a collection would touch, and so copy, all of the kernel's memory
    suites_pytest.limit(MINUTES)
    versions = queue.SimpleQueue()

    def listen():
        for line in hear:
            versions.put(json.loads(line))
        os.killpg(0, signal.SIGKILL) if hasattr(os, "killpg") else os._exit(1)

    threading.Thread(target=listen, daemon=True).start()
    os.write(tell, b'"ready"\n')
    while True:
        suites_pytest.session(load(), versions, hear.fileno(), tell, seconds if fork else 0)
