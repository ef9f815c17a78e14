"""Runs the cells of one submission and asks its checks, from the sandbox's first process, with an eye on the clock.

A cell that dies, takes too long or breaks what the others stand on costs what it would have defined: the others run
again in a fresh fork without it. Here a submission's time and memory are limited: `Overseer.over` and `Overseer.late`.
"""

import contextlib
import json
import os
import signal
import socket
import time
from collections import Counter

from grading.box import sandbox, student
from grading.box.channel import LEFT_OUT, drain, flat, messages, sound
from grading.box.processes import (
    Clock,
    alive,
    descendants,
    doomed,
    executed,
    gone,
    kill,
    name_of,
    parents,
    processes,
    resident,
    threads,
    unshared,
)

TICK = 0.05
LEAVE = 5  # seconds in which a process that was killed is gone
SHOWN = 5  # times `line`: what all cells together may show


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
                if not self.unharmed():
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
                done = self.unharmed()
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

    def unharmed(self):
        """Whether all snapshots are there, and nobody has killed one: that is seen before the next cell is blamed."""
        return all(alive(pid) and not doomed(pid) for pid in self.snapped.values())

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
