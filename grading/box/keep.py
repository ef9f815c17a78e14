"""One submission from start to end: a fork of the template enters the sandbox, runs the cells, is asked the checks.

Hidden parts of checks enter the sandbox when nothing of the student's is shown any more. What comes out of it was said
by the student's own processes: it is read as data, and bounded. `LIMITS` says how much a submission may take.
"""

import contextlib
import json
import os
import shutil
import signal
import socket
import sys
import tempfile
import time

from grading.box import sandbox
from grading.box.channel import close_all_but, messages
from grading.box.overseer import SHOWN, TICK, Overseer
from grading.box.processes import crowd, kill
from grading.environment import plain_environment

LIMITS = {
    "cell": 60,  # CPU seconds of one cell, or of one part of a check; three times as much by the clock
    "notebook": 240,  # CPU seconds of the whole submission; twice as much by the clock, and as much again for checks
    "memory": 2_000,  # MB of one process, on top of the imports; and of all of them together
    "processes": 64,
    "file": 100,  # MB of one file
    "disk": 300,  # MB of all files
    "line": 8_000_000,  # characters of one report
}


def keep(job, made, hidden, alone=lambda: False):
    """Run a job in the present process, which is a fork of the template and ends after it; the result.

    `hidden()` reads the hidden parts of the checks: after the fork, so that no memory of the student's ever held them.
    `alone()` says that nobody waits for the result any more: all of it ends then.
    """
    limits = LIMITS | job.get("limits", {})
    files = {name: bytes.fromhex(text) for name, text in job["files"].items()}
    folder = None if job["sandbox"] else tempfile.mkdtemp(prefix="daytwo-")
    others = crowd() if hasattr(os, "getuid") and os.getuid() else 0  # the kernel counts a user's processes together
    ours, theirs = socket.socketpair()
    me = os.getpid()
    try:
        if job["sandbox"]:
            sandbox.separate()
        pid = os.fork()
        if pid == 0:
            sandbox.follow(0 if job["sandbox"] else me)  # in new namespaces a parent has no number
            ours.close()
            first_process(job, files, folder, limits | {"processes": limits["processes"] + others}, theirs, made)
        theirs.close()
        return listen(ours, pid, limits, hidden(), alone)
    finally:
        if folder:
            shutil.rmtree(folder, ignore_errors=True)


def listen(channel, pid, limits, hidden, alone):
    """What the first process tells until it is gone; it is killed when it takes far too long."""
    result = {"cells": {}, "checks": {}, "trouble": ""}
    end, room = time.monotonic() + 5 * limits["notebook"], 3 * SHOWN * limits["line"]

    def late(_):
        return time.monotonic() > end or alone()

    for message, size in messages(channel, late, 2 * limits["line"], 4 * TICK):
        room -= size
        if room < 0:
            break
        if "cell" in message:
            result["cells"][str(message["cell"])] = message
        elif "check" in message:
            result["checks"].setdefault(str(message["check"]), {})[str(message["part"])] = message["report"]
        elif "sealed" in message:
            with contextlib.suppress(OSError):
                channel.sendall(json.dumps(hidden).encode() + b"\n")
        elif "trouble" in message:
            result["trouble"] = str(message["trouble"])
        elif "used" in message:
            result |= {"used": message["used"], "attempts": message["attempts"]}
    if "used" not in result and not result["trouble"]:
        result["trouble"] = "the sandbox ended early"
    kill(pid)  # and with it everything in its namespace
    os.waitpid(pid, 0)
    return result


def first_process(job, files, folder, limits, channel, made):
    """The first process of the sandbox: sees to it that the cells run and the checks are asked, and ends."""

    def tell(**message):
        channel.sendall(json.dumps(message).encode() + b"\n")

    try:
        os.setsid()
        for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)  # the student's processes can send signals to this one
        close_all_but(channel.fileno())
        if job["sandbox"]:
            sandbox.enter(files, limits, job["number"])
            sandbox.follow(0)
        else:
            sandbox.place(files, folder)
            sandbox.adopt()
        home = os.getcwd()
        os.environ.clear()
        os.environ.update(ENVIRONMENT, HOME=home, PATH=job["path"])
        sys.path.append(home)  # modules handed in beside the notebook; behind the course's own
        Overseer(job, limits, channel, tell, made).go()
    except BaseException as error:
        with contextlib.suppress(OSError):
            tell(trouble=f"{type(error).__name__}: {error}")
    finally:
        os._exit(0)


ENVIRONMENT = plain_environment(
    DAYTWO_GRADED="1", LANG="C.UTF-8", LOGNAME="student", PYTHONUTF8="1", TMPDIR="/tmp", USER="student"
)
