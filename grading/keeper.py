"""One submission from start to end: a fork of the template enters the sandbox, runs the cells, is asked the checks.

A cell that dies or takes too long costs what it would have defined: the others run again in a fresh fork without it.
"""

import contextlib
import json
import os
import select
import shutil
import signal
import socket
import tempfile
import time

from grading import sandbox, student

LIMITS = {
    "cell": 30,  # CPU seconds of one cell, or of one part of a check; three times as much by the clock
    "notebook": 240,  # CPU seconds of the whole submission
    "memory": 2_000,  # MB of one process, on top of the imports; and of all of them together
    "processes": 64,
    "file": 100,  # MB of one file
    "disk": 300,  # MB of all files
    "line": 8_000_000,  # characters of one report
}
TICK = 0.05


def keep(job, made):
    """Run a job in the present process, which is a fork of the template and ends after it; the result."""
    limits = LIMITS | job.get("limits", {})
    files = {name: bytes.fromhex(text) for name, text in job["files"].items()}
    root = tempfile.mkdtemp(prefix="daytwo-")
    ours, theirs = socket.socketpair()
    try:
        if job["sandbox"]:
            sandbox.separate()
        pid = os.fork()
        if pid == 0:
            ours.close()
            first_process(job, files, root, limits, theirs, made)
        theirs.close()
        return listen(ours, pid, limits)
    finally:
        with contextlib.suppress(OSError):
            os.rmdir(root) if job["sandbox"] else shutil.rmtree(root)


def listen(channel, pid, limits):
    """What the first process tells until it is gone; it is killed when it takes far too long."""
    result = {"cells": {}, "checks": {}, "trouble": ""}
    end = time.monotonic() + 4 * limits["notebook"]
    for message in messages(channel, lambda: time.monotonic() > end, limits["line"], 4 * TICK):
        if "cell" in message:
            result["cells"][str(message["cell"])] = message
        elif "check" in message:
            result["checks"].setdefault(message["check"], {})[message["part"]] = message["report"]
        elif "trouble" in message:
            result["trouble"] = message["trouble"]
        elif "used" in message:
            result["used"] = message["used"]
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)  # and with it everything in its namespace
    os.waitpid(pid, 0)
    return result


def messages(channel, late, longest, tick):
    """JSON objects, one a line, until the other end is closed, says something else, or `late()`."""
    buffer = b""
    while True:
        ready, _, _ = select.select([channel], [], [], tick)
        if late():
            return
        if not ready:
            continue
        try:
            part = channel.recv(1 << 16)
        except OSError:
            return
        if not part:
            return
        buffer += part
        if len(buffer) > longest:
            return
        *lines, buffer = buffer.split(b"\n")
        for line in lines:
            with contextlib.suppress(ValueError):
                message = json.loads(line)
                if isinstance(message, dict):
                    yield message


def first_process(job, files, root, limits, channel, made):
    """The first process of the sandbox: sees to it that the cells run and the checks are asked, and ends."""

    def tell(**message):
        channel.sendall(json.dumps(message).encode() + b"\n")

    try:
        os.setsid()
        close_all_but(channel.fileno())
        if job["sandbox"]:
            sandbox.enter(root, files, limits, os.getpid() if os.getpid() != 1 else job["number"])
        else:
            sandbox.place(files, root)
        os.environ.clear()
        os.environ.update(ENVIRONMENT, HOME=os.getcwd(), PATH=job["path"])
        Overseer(job, limits, tell, made).go()
    except BaseException as error:
        with contextlib.suppress(OSError):
            tell(trouble=f"{type(error).__name__}: {error}")
    finally:
        os._exit(0)


ENVIRONMENT = {
    "DAYTWO_PROGRESS": "off",
    "DAGSTER_DISABLE_TELEMETRY": "yes",
    "LANG": "C.UTF-8",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "PYTHONHASHSEED": "0",
    "PYTHONUTF8": "1",
    "TMPDIR": "/tmp",
}


def close_all_but(*kept):
    """Leave nothing open that a parent had: sockets, pipes, files of others."""
    null = os.open(os.devnull, os.O_RDWR)
    for fd in (0, 1, 2):
        os.dup2(null, fd)
    low = 3
    for fd in sorted({*kept, 1 << 16}):
        os.closerange(low, fd)
        low = fd + 1


class Overseer:
    """Forks the student's process as often as it takes, with an eye on the clock; then asks every snapshot."""

    def __init__(self, job, limits, tell, made):
        self.cells, self.checks, self.limits, self.tell, self.made = job["cells"], job["checks"], limits, tell, made
        self.skip, self.told, self.snapped = set(), set(), {}
        self.base = resident(os.getpid())

    def go(self):
        names = [c["name"] for c in self.cells if c["kind"] == "check"]
        self.pairs = {name: socket.socketpair() for name in names}
        for _ in range(len(self.cells) + 1):
            if self.attempt():
                break
        for _, theirs in self.pairs.values():
            theirs.close()
        for part in ("visible", "hidden"):  # hidden sources go out when nothing of the student's is shown any more
            for name in names:
                if self.checks[name].get(part):
                    self.tell(check=name, part=part, report=self.ask(name, self.checks[name][part]))
        self.tell(used=sum(os.times()[:4]))

    def attempt(self):
        """Run the cells in a fork; False when one died, which is then left out."""
        ours, theirs = socket.socketpair()
        pid = os.fork()
        if pid == 0:
            ours.close()
            self.be_student(theirs)
        theirs.close()
        self.at = self.began = None
        for message in messages(ours, lambda: self.over(pid, self.began), self.limits["line"], TICK):
            if "begin" in message:
                self.at, self.began = message["begin"], (time.monotonic(), spent(pid))
            elif "end" in message:
                self.report(message["end"], {k: message.get(k) for k in ("outputs", "error", "seconds")})
                self.at = self.began = None
            elif "snap" in message:
                self.snapped[message["snap"]] = message["pid"]
            elif "finished" in message:
                self.finish(pid)
                return True
        why = self.over(pid, self.began)
        status = self.finish(pid)
        if self.at is None:  # between two cells: nothing to leave out, so nothing to try again
            return True
        why = why or "its process ended" + (f" by {signal.Signals(-status).name}" if status < 0 else "")
        self.report(self.at, {"outputs": [], "error": "Died", "died": why, "seconds": 0})
        self.skip.add(self.at)
        return False

    def report(self, at, message):
        """Tell what a cell gave, once: cells run again after a death say nothing new."""
        if at not in self.told:
            self.told.add(at)
            self.tell(cell=at, **message)

    def be_student(self, channel):
        try:
            sandbox.limit(self.limits)
            os.setpgid(0, 0)
            channels = {name: theirs.makefile("rw", encoding="utf-8") for name, (_, theirs) in self.pairs.items()}
            for ours, _ in self.pairs.values():
                ours.close()

            def send(message):
                channel.sendall(json.dumps(message).encode() + b"\n")

            student.work(self.cells, self.skip, self.snapped, channels, send, self.made)
        finally:
            os._exit(0)

    def over(self, pid, began):
        """Why a cell has to be stopped now, or ""."""
        most = self.limits["cell"]
        if began and (spent(pid) - began[1] > most or time.monotonic() - began[0] > 3 * most):
            return f"it took longer than {most} s"
        if resident_of_all(self.base) > self.limits["memory"] * 2**20:
            return f"it used more than {self.limits['memory']} MB of memory"
        return ""

    def finish(self, pid):
        """End the student's process and all it started, but not the snapshots; its exit code."""
        kept = {1, os.getpid(), *self.snapped.values()}
        with contextlib.suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL) if pid not in kept else None
        if os.getpid() == 1:
            for other in processes():
                if other not in kept:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(other, signal.SIGKILL)
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

    def ask(self, name, source):
        """The report of a snapshot on a part of its check; how it ended when it gave none."""
        pid, (channel, _) = self.snapped.get(name), self.pairs[name]
        if pid is None:
            return {"died": "the notebook did not get that far"}
        began = time.monotonic(), spent(pid)
        try:
            channel.sendall(json.dumps(source).encode() + b"\n")
        except OSError:
            return {"died": "its process ended"}

        def over():
            return self.over(pid, began) or ("" if alive(pid) else "its process ended")

        report = next(messages(channel, over, self.limits["line"], TICK), None)
        if report is None:
            why = over() or "its process ended"
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            report = {"died": why}
        return report


def alive(pid):
    """Whether a process still runs; one that has ended and is our child is taken leave of."""
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def processes():
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def spent(pid):
    """CPU seconds of a process and of its children that have ended."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return sum(map(int, file.read().rpartition(")")[2].split()[11:15])) / os.sysconf("SC_CLK_TCK")
    except OSError:
        return 0.0


def resident(pid):
    try:
        with open(f"/proc/{pid}/statm") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0


def resident_of_all(base):
    """Memory of every process of the sandbox beyond what it shares with the template; 0 outside one."""
    if os.getpid() != 1:
        return 0
    return sum(max(0, resident(pid) - base) for pid in processes())
