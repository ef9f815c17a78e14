"""One submission from start to end: a fork of the template enters the sandbox, runs the cells, is asked the checks.

A cell that dies, takes too long or breaks what the others stand on costs what it would have defined: the others run
again in a fresh fork without it. Hidden parts of checks enter the sandbox when nothing of the student's is shown any
more. What comes out of it was said by the student's own processes: it is read as data, and bounded.
"""

import contextlib
import json
import os
import select
import shutil
import signal
import socket
import sys
import tempfile
import time
from collections import Counter

from grading.box import sandbox, student
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
TICK = 0.05
LEAVE = 5  # seconds in which a process that was killed is gone
PROC = os.path.isdir("/proc/self")
HANDED = 8  # files that one part of a message may hand over
SHOWN = 5  # times `line`: what all cells together may show


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


def messages(channel, late, longest, tick, handed=None):
    """(JSON object, length), one a line, until the other end is closed, says far too much, or is `late`.

    `late` is told whether nothing was there to read. The list `handed` takes the files that were handed over with it.
    """
    buffer = b""
    while True:
        ready, _, _ = select.select([channel], [], [], tick)
        if late(not ready):
            return
        if not ready:
            continue
        try:
            part, new, *_ = socket.recv_fds(channel, 1 << 20, HANDED if handed is not None else 0)
        except OSError:
            return
        if not part:
            return
        if handed is not None:
            handed += new
            for fd in handed[:-HANDED]:  # a flood of them: the first process needs files of its own
                os.close(fd)
            del handed[:-HANDED]
        *lines, buffer = (buffer + part).split(b"\n") if b"\n" in part else (buffer + part,)
        for line in lines:
            with contextlib.suppress(ValueError, RecursionError):
                message = json.loads(line)
                if isinstance(message, dict):
                    yield message, len(line)
        if len(buffer) > longest:
            return


def drain(handed):
    """Close files that nobody asked for."""
    while handed:
        os.close(handed.pop())


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


ENVIRONMENT = plain_environment(LANG="C.UTF-8", LOGNAME="student", PYTHONUTF8="1", TMPDIR="/tmp", USER="student")


def close_all_but(*kept):
    """Leave nothing open that a parent had: sockets, pipes, files of others."""
    null = os.open(os.devnull, os.O_RDWR)
    for fd in (0, 1, 2):
        os.dup2(null, fd)
    low = 3
    for fd in sorted({*kept, 1 << 16}):
        os.closerange(low, fd)
        low = fd + 1


class Clock:
    """Seconds of CPU, and by the clock, that a process has taken since the last `restart`."""

    def __init__(self, pid):
        self.pid = pid
        self.restart()

    def restart(self):
        self.began = self.now()

    def passed(self):
        return tuple(now - then for now, then in zip(self.now(), self.began, strict=True))

    def now(self):
        if os.getpid() != 1:
            return spent(self.pid), time.monotonic()
        return sum(map(spent, processes())), time.monotonic()  # in a sandbox also what it started, and what has ended


class Overseer:
    """Forks the student's process as often as it takes, with an eye on the clock; then asks every snapshot."""

    def __init__(self, job, limits, channel, tell, made):
        self.cells, self.visible, self.limits, self.made = job["cells"], job["checks"], limits, made
        self.channel, self.tell = channel, tell
        self.skip, self.said, self.room, self.attempts = set(), {}, SHOWN * limits["line"], 0
        self.snapped, self.channels = {}, {}  # the process of each exercise's snapshot, and the way to ask it
        self.suspects, self.fallen = [], Counter()  # cells that left something running; deaths at each cell
        self.pid = os.getpid()
        self.student, self.grown = None, {}  # the process that runs cells; memory a snapshot shares with its origin
        self.base, self.started, self.burnt = resident(os.getpid()), time.monotonic(), 0.0

    def go(self):
        names = self.names = [c["name"] for c in self.cells if c["kind"] == "check" and c["name"] in self.visible]
        while not self.attempt():  # each leaves out one more cell
            pass
        for name in names:
            self.tell(check=name, part="visible", report=self.ask(name, self.visible[name]))
        self.tell(sealed=True)  # from here on nothing a student's process says is shown to anybody
        for line in self.channel.makefile("r", encoding="utf-8"):
            hidden = json.loads(line)
            break
        for name in names:
            if hidden.get(name):
                self.tell(check=name, part="hidden", report=self.ask(name, hidden[name]))
        self.tell(used=sum(os.times()[:4]), attempts=self.attempts)

    def attempt(self):
        """Run the cells in a fork; False when one has to be left out and the others to run again."""
        self.attempts += 1
        self.snapped = {name: pid for name, pid in self.snapped.items() if alive(pid)}
        ours, theirs = socket.socketpair()
        pid = os.fork()
        if pid == 0:
            ours.close()
            self.be_student(theirs)
        theirs.close()
        at, last, why, done, begun = None, None, "", False, set()
        clock, handed, calm, self.student = Clock(pid), [], self.others(pid), pid

        def late(idle):
            return self.over(clock) or (idle and gone(pid))  # what it started may keep the channel open

        for message, size in messages(ours, late, self.limits["line"], TICK, handed):
            if at is None and self.is_cell(message.get("begin")) and message["begin"] not in begun:
                at = last = message["begin"]
                begun.add(at)
            elif self.is_cell(message.get("end")) and message["end"] == at:
                self.report(at, {k: flat(message.get(k)) for k in ("outputs", "error", "seconds")}, size)
                at = None
                if self.cells[last]["kind"] != "common" and self.others(pid) > calm:
                    self.suspects.append(last)
                if not all(map(alive, self.snapped.values())):
                    why = "it ended other processes of the notebook"
                    break
            elif handed and self.is_snapshot(message.get("snap"), message.get("pid")) and message["pid"] != pid:
                self.snapped[message["snap"]] = message["pid"]
                self.channels[message["snap"]] = handed.pop()  # what came with this message, not what came before
                drain(handed)
                own = resident(message["pid"])
                self.grown[message["pid"]] = min(resident(pid) or own, own)  # its origin may have ended by now
            elif spoilt := self.new_cells(message.get("spoilt")):
                self.skip |= spoilt
                drain(handed)
                self.end(pid)
                return bool(self.late())
            elif "finished" in message:
                done = all(map(alive, self.snapped.values()))
                why = "" if done else "it ended other processes of the notebook"
                break
            else:
                continue
            clock.restart()
        why = why or ("" if done else self.over(clock))
        drain(handed)
        status = self.end(pid)
        if done or last is None:
            return True
        why = why or "its process ended" + (f" by {name_of(-status)}" if status < 0 else "")
        return self.blame(last if at is None else at, begun, why) or bool(self.late())

    def blame(self, at, begun, why):
        """Leave out what a death at this cell is due to; True when there is nothing to leave out.

        Whoever left threads or processes behind comes first. A cell of the lesson is innocent until it has fallen
        twice: then without the answer before it, and without any.
        """
        self.fallen[at] += 1
        own = [i for i in sorted(begun - self.skip) if self.cells[i]["kind"] != "common"]
        left = [i for i in self.suspects if i in own and i != at]
        if left:
            blamed = left[:1]
        elif self.cells[at]["kind"] == "common" and own and self.fallen[at] < 3:
            blamed = own[-1:] if self.fallen[at] == 1 else own
        else:
            blamed = [at]
        for cell in blamed:
            self.report(cell, {"outputs": [], "error": "Died", "seconds": 0}, 0)
            if cell == at or left or self.fallen[at] == 1:
                self.tell(cell=cell, **self.said[cell], died=why)
        fresh = set(blamed) - self.skip
        self.skip |= fresh
        return not fresh

    def is_cell(self, at):
        return type(at) is int and 0 <= at < len(self.cells) and self.cells[at]["kind"] != "check"

    def others(self, pid):
        """How many threads there are that are nobody's: neither this process's nor a snapshot's."""
        found = processes() if os.getpid() == 1 else descendants(os.getpid())
        return sum(threads(p) for p in found if p not in (os.getpid(), *self.snapped.values()) or p == pid)

    def new_cells(self, places):
        """Those of a list of cells that were not left out before."""
        return {at for at in places if self.is_cell(at)} - self.skip if isinstance(places, list) else set()

    def is_snapshot(self, name, pid):
        known = type(name) is str and name in self.names and name not in self.snapped
        return known and type(pid) is int and pid > 1 and alive(pid)

    def report(self, at, message, size):
        """Tell what a cell gave, once: cells run again after a death say nothing new."""
        if at not in self.said:
            self.room -= size
            if self.room < 0:
                message["outputs"] = [LEFT_OUT]
            self.said[at] = message
            self.tell(cell=at, **message)

    def be_student(self, channel):
        try:
            self.channel.close()
            sandbox.follow(self.pid)
            sandbox.limit(self.limits)
            os.setpgid(0, 0)
            for number in (signal.SIGHUP, signal.SIGTERM):
                signal.signal(number, signal.SIG_DFL)
            signal.signal(signal.SIGINT, signal.default_int_handler)
            for other in self.channels.values():
                os.close(other)

            student.work(self.cells, self.skip, self.snapped, self.names, channel, self.made)
        finally:
            os._exit(0)

    def late(self):
        """Why no cell may run any more, or ""."""
        burnt = sum(os.times()[2:4]) > self.limits["notebook"]
        far = time.monotonic() - self.started > 2 * self.limits["notebook"]
        return f"the notebook as a whole took longer than {self.limits['notebook']} s" if burnt or far else ""

    def over(self, clock, asked=False):
        """Why a cell, or what a check calls, has to be stopped now, or ""."""
        most = self.limits["cell"]
        cpu, wall = clock.passed()
        if cpu > most or wall > 3 * most:
            return f"it took longer than {most} s"
        if self.resident_of_all() > self.limits["memory"] * 2**20:
            return f"it used more than {self.limits['memory']} MB of memory"
        return "" if asked else self.late()

    def resident_of_all(self):
        """Memory of every process of the sandbox beyond what it shares with the template or its origin."""
        if os.getpid() != 1:
            return 0
        held = {pid: self.own(pid) for pid in processes()}
        total = sum(held.values())
        return total - self.pending(held) if total > self.limits["memory"] * 2**20 else total

    def own(self, pid):
        """Memory of one process: a program of its own shares nothing with the template."""
        if executed(pid):
            return unshared(pid)
        return max(0, resident(pid) - self.grown.get(pid, self.base))

    def pending(self, held):
        """What is counted twice while a snapshot is there that has not been told of: one at a time, a child's."""
        known, above = {os.getpid(), self.student, *self.snapped.values()}, parents()
        young = [pid for pid in held if pid not in known and above.get(pid) == self.student and not executed(pid)]
        return min(max((held[pid] for pid in young), default=0), held.get(self.student, 0))

    def end(self, pid):
        """End the student's process and all it started, but not the snapshots; its exit code.

        What cannot be taken leave of in time is left to the end of the sandbox: nothing of a student's is waited for.
        """
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, signal.SIGKILL)
        kill(pid)
        self.sweep(besides=pid)  # it is taken leave of here, where its exit code is read
        end = time.monotonic() + LEAVE
        with contextlib.suppress(ChildProcessError):
            while time.monotonic() < end:
                ended, status = os.waitpid(pid, os.WNOHANG)
                if ended:
                    return os.waitstatus_to_exitcode(status)
                time.sleep(TICK / 50)
        return -signal.SIGKILL

    def sweep(self, besides=None):
        """End whatever runs that is not a snapshot, all of the sandbox or all that descends from this process, and
        wait until its memory is free: it must not be counted against whoever is asked next."""
        me, end = os.getpid(), time.monotonic() + LEAVE
        while time.monotonic() < end:  # what is killed may just have started something
            found = processes() if me == 1 else descendants(me)
            strays = [p for p in found if p not in (me, besides, *self.snapped.values()) and alive(p)]
            for pid in strays:
                kill(pid)
            if not strays:
                break
            time.sleep(TICK / 50)

    def ask(self, name, source):
        """The report of a snapshot on a part of its check; how it ended when it gave none."""
        pid = self.snapped.get(name)
        if pid is None:
            return {"died": self.late() or "the notebook did not get that far"}
        if time.monotonic() - self.started > 4 * self.limits["notebook"]:
            return {"died": "the notebook as a whole took too long"}
        clock = Clock(pid)

        def over(idle=True):
            return self.over(clock, asked=True) or ("its process ended" if idle and not alive(pid) else "")

        report = None
        with contextlib.suppress(OSError), socket.socket(fileno=os.dup(self.channels[name])) as channel:
            channel.settimeout(3 * self.limits["cell"])
            channel.sendall(json.dumps(source).encode() + b"\n")
            report, _ = next(messages(channel, over, self.limits["line"], TICK), (None, 0))
        report = sound(report)
        if report is None:
            end = time.monotonic() + 20 * TICK
            while not over() and time.monotonic() < end:  # its end of the channel closes a moment before it is gone
                time.sleep(TICK / 10)
            report = {"died": over() or "its report was too large to read"}
            kill(pid)
            self.snapped.pop(name)
        self.sweep()  # whatever the answer started
        return report


LEFT_OUT = {"output_type": "stream", "name": "stdout", "text": "… too much output: it was left out\n"}


def flat(said, levels=4):
    """A value as it was told, down to so many levels; what could not have been told honestly is left out."""
    if isinstance(said, dict):
        return {k: flat(v, levels - 1) for k, v in list(said.items())[:100]} if levels else {}
    if isinstance(said, list):
        return [flat(v, levels - 1) for v in said[:1_000]] if levels else []
    return said if isinstance(said, str | int | float) and said == said else None


def shallow(wire, levels=70):
    """Whether a value on the wire is nested no deeper than an honest one can be."""
    parts = wire if isinstance(wire, list) else wire.values() if isinstance(wire, dict) else ()
    return levels > 0 and all(shallow(part, levels - 1) for part in parts)


def sound(report):
    """A snapshot's report with nothing in it but what a report has, or None."""
    if not isinstance(report, dict) or not isinstance(report.get("facts"), list):
        return None
    facts = [fact for fact in report["facts"] if isinstance(fact, list) and len(fact) == 2 and type(fact[0]) is str]
    facts = [fact for fact in facts[:1_000] if shallow(fact[1])]
    error, where, seconds = report.get("error"), report.get("where"), report.get("seconds")
    return {
        "facts": facts,
        "error": error if isinstance(error, dict) and error.get("raised") and shallow(error) else None,
        "blank": report.get("blank") is True,
        "where": where[:400] if isinstance(where, str) else None,
        "seconds": seconds if isinstance(seconds, int | float) else 0,
    }


def executed(pid):
    """Whether a process runs a program of its own; a fork of the template shows as root's (`sandbox.drop`)."""
    with contextlib.suppress(OSError):
        return os.stat(f"/proc/{pid}/statm").st_uid == os.getuid()
    return False


def unshared(pid):
    """Memory of a program of its own: its part of pages it shares with others, and no files, which can be dropped."""
    for table, names in (("smaps_rollup", ("Pss_Anon:", "Pss_Shmem:")), ("status", ("RssAnon:", "RssShmem:"))):
        with contextlib.suppress(OSError), open(f"/proc/{pid}/{table}") as file:
            found = [int(line.split()[1]) * 1024 for line in file if line.startswith(names)]
            if found:
                return sum(found)
    return resident(pid)


def name_of(number):
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def gone(pid):
    """Whether a process has ended, taken leave of or not, or has stopped itself."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] in "ZXT"
    except OSError:
        return PROC or not kill(pid, 0)


def alive(pid):
    """Whether a process still runs; one that has ended and is our child is taken leave of."""
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)
    return not gone(pid)


def kill(pid, number=signal.SIGKILL):
    """Send a signal; whether there was a process to send it to."""
    try:
        os.kill(pid, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def processes():
    """Every process in sight; none where there is no /proc (macOS)."""
    return [int(name) for name in os.listdir("/proc") if name.isdigit()] if PROC else []


def parents():
    """{process: its parent} of all that can be seen."""
    found = {}
    for pid in processes():
        with contextlib.suppress(OSError), open(f"/proc/{pid}/stat") as file:
            found[pid] = int(file.read().rpartition(")")[2].split()[1])
    return found


def descendants(pid):
    found, above = {pid}, parents()
    while more := {child for child, parent in above.items() if parent in found and child not in found}:
        found |= more
    return found


def crowd():
    """How many processes and threads this user already has on the machine."""
    found = 0
    for pid in processes():
        with contextlib.suppress(OSError):
            if os.stat(f"/proc/{pid}").st_uid == os.getuid():
                found += len(os.listdir(f"/proc/{pid}/task"))
    return found


def spent(pid):
    """CPU seconds of a process and of its children that have ended."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return sum(map(int, file.read().rpartition(")")[2].split()[11:15])) / os.sysconf("SC_CLK_TCK")
    except OSError:
        return 0.0


def threads(pid):
    try:
        return len(os.listdir(f"/proc/{pid}/task"))
    except OSError:
        return 0


def resident(pid):
    try:
        with open(f"/proc/{pid}/statm") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0
