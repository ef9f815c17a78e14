"""Kill work at every one of its steps, for real (a child process, and a signal that nothing can catch), to see what it
leaves behind.

What counts as a step is for a *watch* to say: `changes(folder)` here, `daytwo.registry.writes` for a registry. It is
called in the child with a function `tick`, and sees to it that `tick()` is called at each step.
"""

import contextlib
import os
import pickle
import signal
import socket
import subprocess
import sys
import threading
import warnings
from io import IOBase
from pathlib import Path

FORK = hasattr(os, "fork")  # elsewhere (Windows) every child starts from nothing, which takes seconds
SECONDS = 60  # a child may take so long
MOST = 200  # steps
CHANGING = ("io", "_io", "posix", "nt", "_pickle", "sqlite3")  # modules of C functions that write files


def everywhere(work, watch, before=lambda: None):
    """Run `work()` in one child after the other, killed at its first, second, … step; yields that number each time.

    `before()` is called here ahead of every child. It ends with the first child that comes to its end; what `work`
    raises is raised here.
    """
    for step in range(1, MOST + 1):
        before()
        if not killed(work, watch, step):
            return
        yield step
    raise RuntimeError(f"The work had not come to its end after {MOST} steps.")


def killed(work, watch, step):
    """Run `work()` in a child that is killed at this step; whether it was, or came to its end before that."""
    code = (_fork if FORK else _spawn)(work, watch, step)
    if code == 1:
        work()  # once more, here, to have what it raises
        raise RuntimeError("The work fails in a process of its own, and only there.")
    return code != 0


def changes(folder):
    """The watch over files: a step is done whenever something in `folder` has changed on disk."""

    def watch(tick):
        seen = _look(folder)

        def hook(frame, event, called):
            nonlocal seen
            if event == "c_return" and _may_write(called):
                before, seen = seen, _look(folder)
                if seen != before:
                    tick()

        sys.setprofile(hook)

    return watch


def _may_write(called):
    """Whether this function of C's may have changed a file."""
    owner = getattr(called, "__self__", None)
    return isinstance(owner, IOBase) or (getattr(called, "__module__", None) or type(owner).__module__) in CHANGING


def _look(folder):
    """Every file of a folder: {path: content}."""
    found = {}
    for path in Path(folder).rglob("*"):
        with contextlib.suppress(OSError):
            found[str(path)] = path.read_bytes() if path.is_file() else None
    return found


def _child(work, watch, step, parent_is_gone):
    """What the child does; it dies at the step, and when its parent is gone."""
    sys.stdout = sys.stderr = open(os.devnull, "w")  # noqa: SIM115
    threading.Thread(target=lambda: (parent_is_gone(), os._exit(3)), daemon=True).start()
    left = step

    def tick():
        nonlocal left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), getattr(signal, "SIGKILL", signal.SIGTERM))  # Windows ends it at once as well

    code = 1
    try:
        watch(tick)
        work()
        code = 0
    finally:
        os._exit(code)


def _fork(work, watch, step):
    ours, theirs = socket.socketpair()  # each end hears when the other's process is gone
    with ours, theirs:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # a notebook has threads; the child needs none of them
            pid = os.fork()
        if pid == 0:
            ours.close()
            _child(work, watch, step, lambda: theirs.recv(1))
        theirs.close()
        ours.settimeout(SECONDS)
        try:
            ours.recv(1)
        except TimeoutError:
            raise TimeoutError(f"The work took longer than {SECONDS} s.") from None
        finally:
            os.kill(pid, signal.SIGKILL)
            status = os.waitpid(pid, 0)[1]
    return os.waitstatus_to_exitcode(status)


def _spawn(work, watch, step):
    import cloudpickle

    command = [sys.executable, "-c", "from daytwo import crash; crash._spawned()"]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(command, stdin=subprocess.PIPE, **quiet) as process:
        try:
            process.stdin.write(cloudpickle.dumps((work, watch, step)))
            process.stdin.flush()  # and stays open: its end tells the child that this process is gone
            return process.wait(SECONDS)
        except subprocess.TimeoutExpired:
            raise TimeoutError(f"The work took longer than {SECONDS} s.") from None
        finally:
            process.kill()


def _spawned():
    work, watch, step = pickle.load(sys.stdin.buffer)
    _child(work, watch, step, sys.stdin.buffer.read)
