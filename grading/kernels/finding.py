"""The one template that fits: where its socket lies, and how it is started, reached and ended.

A template serves one user, one state of the environment and one set of start-up settings, in a private folder named
after them; a change of any gives another, and the old one ends by itself.
"""

import contextlib
import hashlib
import os
import select
import shutil
import signal
import socket
import stat
import struct
import subprocess
import sys
import sysconfig
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path

SPACES = ("cgroup", "ipc", "mnt", "net", "pid", "user")
POSSIBLE = all(hasattr(os, name) for name in ("fork", "pidfd_open", "sched_getaffinity")) and hasattr(socket, "AF_UNIX")
PATIENCE = 2  # seconds until a template must have answered
IMPORTS = 20  # seconds until a new one must be there
MINUTES = "10"  # that a template stays when nobody asks; DAYTWO_WARM says another number, or off
START = "import os, sys; os.fork() and os._exit(0); from grading.kernels.template import main; main(*sys.argv[1:])"


class Amiss(Exception):
    """Why a kernel can't be warm."""


def root():
    """A private folder for sockets, with a short name."""
    home = os.environ.get("XDG_RUNTIME_DIR", "")
    folder = Path(home if os.access(home, os.W_OK) else tempfile.gettempdir()) / f"daytwo-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise Amiss(f"{folder} is not private")
    if len(str(folder)) > 80:  # a socket's whole path may have 107 bytes
        raise Amiss(f"the name of {folder} is too long")
    return folder


def place(settings):
    """The folder of the template with these settings and this view of the machine (-) this environment."""
    view = [sys.prefix, sys.version, sorted(settings.items()), Path("/proc/self/cgroup").read_text()]
    view += [os.readlink(f"/proc/self/ns/{name}") for name in SPACES]
    installed = []
    for site in sorted({sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}):
        installed += sorted((info.name, info.stat().st_mtime_ns) for info in Path(site).glob("*.dist-info"))
    for package in ("daytwo", "daytwo_data", "grading"):  # an author edits these and runs a lesson again
        code = sorted(Path(find_spec(package).origin).parent.rglob("*.py"))
        installed += [(str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in code]
    folder = root() / "-".join(hashlib.sha256(repr(part).encode()).hexdigest()[:8] for part in (view, installed))
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder


def connect(folder, settings):
    """A connection to the template of this folder; when there is none, it is started and waited for."""
    import fcntl

    end, started = time.monotonic() + IMPORTS, False
    while True:
        with contextlib.suppress(FileNotFoundError, ConnectionRefusedError):
            return dial(folder)
        with open(folder / "lock", "w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)  # held by a template until it listens
            except BlockingIOError:
                if time.monotonic() > end:
                    raise Amiss(f"no template after {IMPORTS} s") from None
            else:
                with contextlib.suppress(FileNotFoundError, ConnectionRefusedError):
                    return dial(folder)
                if started:
                    raise Amiss(f"the template did not start; {folder / 'log'} may say why")
                start(folder, settings, lock.fileno())
                started = True
        time.sleep(0.02)


def dial(folder):
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(PATIENCE)
    try:
        connection.connect(str(folder / "socket"))
        return connection
    except BaseException:
        connection.close()
        raise


def start(folder, settings, lock):
    """Start a template, which leaves this process's family at once, and end those of an older environment."""
    for older in set(folder.parent.glob(folder.name[:9] + "*")) - {folder}:
        end(older)
        shutil.rmtree(older, ignore_errors=True)
    minutes = os.environ.get("DAYTWO_WARM", MINUTES)
    command = [sys.executable, "-c", START, str(folder), minutes, str(lock)]
    with open(folder / "log", "wb") as log:
        streams = {"stdin": subprocess.DEVNULL, "stdout": log, "stderr": log}
        more = {"env": settings, "pass_fds": [lock], "start_new_session": True}
        subprocess.run(command, cwd=folder, check=True, timeout=IMPORTS, **more, **streams)


def pid_of(connection):
    """The process at the other end."""
    return struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[0]


def end(folder):
    """End the template of a folder; its kernels live on."""
    with contextlib.suppress(OSError), dial(folder) as connection:
        template = os.pidfd_open(pid_of(connection))
        signal.pidfd_send_signal(template, signal.SIGTERM)
        if not gone(template, PATIENCE):
            signal.pidfd_send_signal(template, signal.SIGKILL)
            gone(template, PATIENCE)
        os.close(template)
    (folder / "socket").unlink(missing_ok=True)


def stop():
    """End all templates of this user."""
    for path in root().glob("*/socket") if POSSIBLE else ():
        end(path.parent)


def gone(pidfd, seconds=0):
    """Whether a process has ended, or does within so many seconds."""
    watch = select.poll()
    watch.register(pidfd, select.POLLIN)
    return bool(watch.poll(seconds * 1000))
