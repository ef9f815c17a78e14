"""Processes as /proc shows them: which there are, what they take, and whether they are still there."""

import contextlib
import os
import signal
import time

ENDING = 0x404  # flags of a process in the kernel: it is exiting, or was ended by a signal
PROC = os.path.isdir("/proc/self")


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


def doomed(pid):
    """Whether a process that still shows has been killed: on a busy machine it ends a while later."""
    with contextlib.suppress(OSError), open(f"/proc/{pid}/stat") as file:
        fields = file.read().rpartition(")")[2].split()
        return bool(int(fields[28]) & 1 << signal.SIGKILL - 1 or int(fields[6]) & ENDING)
    return False


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
