"""The process that warm kernels are forks of: it imports what lessons import, then waits, and does nothing else.

What a fork inherits must be as good as new, so before a fork: no event loop, no zmq context, no database, no figure, no
call into BLAS, and no thread but those of `THREADS`, which have been measured to survive it. A request (environment,
arguments, folder) is read by the fork alone: the template never sees anything of a learner. It ends when nobody has
asked for a kernel for some minutes and all its kernels are gone, or at SIGTERM. A broken one stays to say why it is.
"""

import contextlib
import gc
import importlib.util
import json
import os
import random
import select
import signal
import socket
import struct
import sys
import tempfile
import time
import warnings
from pathlib import Path

STACK = ["numpy", "pandas", "pyarrow.dataset", "pyarrow.parquet", "scipy.stats", "river.drift"]
STACK += ["sklearn.calibration", "sklearn.compose", "sklearn.dummy", "sklearn.ensemble", "sklearn.impute"]
STACK += ["sklearn.inspection", "sklearn.linear_model", "sklearn.metrics", "sklearn.model_selection"]
STACK += ["sklearn.pipeline", "sklearn.preprocessing", "sklearn.tree"]
STACK += ["matplotlib.pyplot", "matplotlib.backends.backend_agg"]
STACK += ["IPython.core.completerlib", "IPython.core.debugger", "IPython.core.oinspect"]
STACK += ["IPython.extensions.storemagic", "sqlite3", "tornado.platform.asyncio"]
STACK += ["ipykernel.kernelapp", "ipykernel.ipkernel", "ipykernel.zmqshell", "ipykernel.debugger", "daytwo"]
STACK += ["grading.checks.facts", "grading.checks.compare"]
LATE = "matplotlib_inline"  # it joins the kernel that imports it, and so may not be imported before there is one
ADDED = {}  # to the environment, by these imports: a usual kernel would have it from them too
THREADS = {"jemalloc_bg_thd"}  # pyarrow's allocator starts it, and itself takes care of forks
UP = b"up"  # what a fork says when its kernel answers
READING = 5  # seconds that a fork waits for its request


def prepare():
    """Import the stack; what is wrong with it, or nothing."""
    before = dict(os.environ)
    try:
        for name in STACK:
            importlib.import_module(name)
    except Exception as error:  # whatever a broken environment raises
        return f"importing {name} failed: {error!r}"
    if LATE in sys.modules:
        return f"{LATE} was imported too early"
    # Imported without a kernel, pandas takes this for a terminal and would cut tables to its width.
    sys.modules["pandas"].set_option("display.max_columns", 20)
    ADDED.update(set(os.environ.items()) - set(before.items()))
    gc.collect()
    gc.freeze()
    return ""


def foreign_threads():
    """Threads that a fork would lose and that nobody has shown to be harmless."""
    others = [task for task in Path("/proc/self/task").iterdir() if task.name != str(os.getpid())]
    unknown = {(task / "comm").read_text().strip() for task in others} - THREADS
    return f"it has unknown threads: {', '.join(sorted(unknown))}" if unknown else ""


def serve(folder, minutes, lock):
    """Listen in `folder` until idle for too long; returns only in a fork, with the connection that asked for it."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    gc.disable()
    broken = prepare()
    listener = socket.socket(socket.AF_UNIX)
    half, path = folder / str(os.getpid()), folder / "socket"
    listener.bind(str(half))
    listener.listen(128)
    half.rename(path)  # in one step over whatever a dead template left
    born = path.stat().st_ino
    os.close(lock)
    kernels, events = {}, select.poll()
    events.register(listener, select.POLLIN)
    template = os.getpid()
    try:
        while True:
            ready = events.poll(None if kernels else minutes * 60_000)
            if not ready:
                return sys.exit()
            for fd, _ in ready:
                if fd in kernels:
                    events.unregister(fd)
                    bury(kernels.pop(fd))
                    os.close(fd)
                    continue
                connection, _ = listener.accept()
                with connection, warnings.catch_warnings(action="ignore"):  # Python 3.12 counts the allowed threads too
                    wrong = broken or foreign_threads()
                    if wrong:
                        connection.sendall(wrong.encode())
                        continue
                    pid = os.fork()
                    if pid == 0:
                        listener.close()
                        [os.close(other) for other in kernels]
                        return socket.socket(fileno=connection.detach())
                fd = os.pidfd_open(pid)
                kernels[fd] = pid
                events.register(fd, select.POLLIN)
    finally:
        if os.getpid() == template:
            if path.exists() and path.stat().st_ino == born:
                path.unlink()
            sweep(folder.parent)


def bury(pid):
    """End what a dead kernel left in its process group, while nobody else can have its number, and reap it."""
    with contextlib.suppress(OSError):
        os.killpg(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


def sweep(root):
    """Remove the sockets that killed kernels left: those where nobody listens."""
    for path in root.glob("k-*"):
        with socket.socket(socket.AF_UNIX) as probe:
            try:
                probe.connect(str(path))
            except ConnectionRefusedError:
                path.unlink(missing_ok=True)
            except OSError:
                pass


# ---- in the fork ----


def receive(connection):
    """The request, and the open files that came with it."""
    connection.settimeout(READING)
    head, files, *_ = socket.recv_fds(connection, 4, 3)
    (length,) = struct.unpack("!I", head)
    return json.loads(connection.makefile("rb").read(length)), files


def settle(request, files):
    """Become what was asked for: session, limits, environment, folder, streams and random numbers of its own."""
    import matplotlib
    import numpy

    os.setsid()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
    os.sched_setaffinity(0, request["cores"])
    os.umask(request["umask"])
    for limit, values in request["limits"]:
        set_limit(limit, tuple(values))
    os.environ.clear()
    os.environ.update(ADDED | request["env"])
    os.chdir(request["cwd"])
    time.tzset()
    tempfile.tempdir = None
    for number, file in enumerate(files):
        os.dup2(file, number)
        os.close(file)
    random.seed()
    numpy.random.seed()
    matplotlib.rcParams["backend"] = os.environ.get("MPLBACKEND") or "module://matplotlib_inline.backend_inline"
    sys.argv = [importlib.util.find_spec("ipykernel_launcher").origin, *request["argv"]]
    gc.enable()


def set_limit(limit, values):
    import resource

    if resource.getrlimit(limit) != values:
        resource.setrlimit(limit, values)


def follow(connection):
    """Have the system kill this process group when whoever asked for it closes the connection, if only by dying.

    PR_SET_PDEATHSIG would follow the template, which is nobody's manager, and a thread would wait for the interpreter,
    which a cell in a long call may never let go."""
    import fcntl  # not on every system, and this module must load on all

    fcntl.fcntl(connection, fcntl.F_SETOWN, -os.getpgrp())
    fcntl.fcntl(connection, fcntl.F_SETSIG, signal.SIGKILL)
    fcntl.fcntl(connection, fcntl.F_SETFL, fcntl.fcntl(connection, fcntl.F_GETFL) | fcntl.FASYNC)
    watch = select.poll()
    watch.register(connection, 0)
    if watch.poll(0):  # it has died meanwhile
        os._exit(1)


def become(connection):
    """Be a kernel, from the request to the end."""
    try:
        request, files = receive(connection)
        settle(request, files)
        me = os.pidfd_open(os.getpid())
        socket.send_fds(connection, [str(os.getpid()).encode()], [me])
        os.close(me)
        if not request["independent"]:
            follow(connection)
        from ipykernel.kernelapp import IPKernelApp

        app = IPKernelApp.instance(parent_handle=1)  # ipykernel's word for a parent that is not worth watching
        app.initialize(sys.argv[1:])
        connection.sendall(UP)
    except Exception as error:
        connection.sendall(f"the fork failed: {error!r}".encode())
        os._exit(1)
    app.start()  # while `connection` stays open


def main(folder, minutes, lock):
    """The template's life, and in each fork a kernel's."""
    sys.path[:] = [entry for entry in sys.path if entry]  # "-c" put the current folder there
    become(serve(Path(folder), float(minutes), int(lock)))
