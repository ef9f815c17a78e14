"""Kernels that start at once: each is a fork of one process that has imported what lessons import.

The kernelspec "Day Two (instant)" names the provisioner below, which asks grading/kernels/template.py for a
fork over a socket in a private folder, and starts the template when there is none. A template serves one user, one
state of the environment and one set of start-up settings; a change of any gives another; the old one ends by itself.
Whenever anything is amiss (no fork on this system, a deaf or broken template) the kernel starts as any other does, and
one line in the log says why.

The kernelspec gives one thread to BLAS and OpenMP, for a kernel that starts at once and one that does not alike: marks
and outputs then don't depend on the machine. A learner's fit uses one core; "Python 3" uses all.

python -m grading.kernels.provisioner install | stop | measure NOTEBOOK…
"""

import asyncio
import contextlib
import hashlib
import json
import os
import re
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
import uuid
from importlib.util import find_spec
from pathlib import Path

from jupyter_client.provisioning import LocalProvisioner
from traitlets import Bool, CaselessStrEnum

from grading.kernels.template import UP

NAME = "daytwo"
ONE = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
SPEC = {
    "argv": ["python", "-m", "ipykernel_launcher", "-f", "{connection_file}"],
    "display_name": "Day Two (instant)",
    "language": "python",
    "env": ONE,
    "metadata": {
        "debugger": True,
        "supported_encryption": ["curve"],
        "kernel_provisioner": {"provisioner_name": "daytwo-warm"},
    },
    "kernel_protocol_version": "5.5",
}
# What Python and the libraries read when they start and at no other time: no fork can be given another value.
EARLY = "(PYTHON|LC_|LD_|MALLOC_|ARROW_|NPY_|SCIPY_|SKLEARN_|KMP_|GOMP_|OMP_|OPENBLAS_|MKL_|MPLCONFIG|XDG_C|PYDEVD_)"
EARLY += "|(LANG|LANGUAGE|HOME|MATPLOTLIBRC)$"
SPACES = ("cgroup", "ipc", "mnt", "net", "pid", "user")
POSSIBLE = all(hasattr(os, name) for name in ("fork", "pidfd_open", "sched_getaffinity")) and hasattr(socket, "AF_UNIX")
PATIENCE = 2  # seconds until a template must have answered
IMPORTS = 20  # seconds until a new one must be there
MINUTES = "10"  # that a template stays when nobody asks; DAYTWO_WARM says another number, or off
REPEATS = 3  # of a measurement
START = "import os, sys; os.fork() and os._exit(0); from grading.kernels.template import main; main(*sys.argv[1:])"
USUAL = (subprocess.DEVNULL, 1, 2)  # a kernel's streams unless others are asked for: its manager's
KEPT = set()  # the connections that living kernels follow; not to be shared with a fork of this process
if POSSIBLE:
    os.register_at_fork(after_in_child=lambda: [kept.close() for kept in KEPT])


class Amiss(Exception):
    """Why a kernel can't be warm."""


# ---- the template that fits ----


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


# ---- a kernel from it ----


def gone(pidfd, seconds=0):
    """Whether a process has ended, or does within so many seconds."""
    watch = select.poll()
    watch.register(pidfd, select.POLLIN)
    return bool(watch.poll(seconds * 1000))


class Forked:
    """A kernel that is nobody's child here, as what LocalProvisioner knows: a `Popen`. How it ended is not known."""

    stdin = stdout = stderr = None

    def __init__(self, pid, pidfd, connection):
        self.pid, self.pidfd, self.connection, self.returncode = pid, pidfd, connection, None
        KEPT.add(connection)

    def poll(self):
        if self.returncode is None and gone(self.pidfd):
            self.returncode = 0
            os.close(self.pidfd)
            KEPT.discard(self.connection)
            self.connection.close()
        return self.returncode

    def wait(self):
        while self.poll() is None:
            gone(self.pidfd, 1)
        return self.returncode

    def send_signal(self, number):
        """To the kernel and what it started, as an interrupt from a keyboard would go."""
        if self.poll() is None:
            os.killpg(self.pid, number)

    def kill(self):
        self.send_signal(signal.SIGKILL)

    def terminate(self):
        self.send_signal(signal.SIGTERM)


def fork(command, env, cwd=None, stdin=None, stdout=None, stderr=None, independent=False, **more):
    """A kernel started by this command, except that it has not run the imports: a `Forked`."""
    import resource

    if not POSSIBLE or os.environ.get("DAYTWO_WARM") == "off":
        raise Amiss("switched off" if POSSIBLE else "not on this system")
    if (
        command[:3] != [sys.executable, "-m", "ipykernel_launcher"]
        or more
        or subprocess.PIPE in (stdin, stdout, stderr)
    ):
        raise Amiss("started in a way that only a new process can follow")
    settings = {name: value for name, value in env.items() if re.match(EARLY, name)} | ONE
    limits = [getattr(resource, name) for name in dir(resource) if name.startswith("RLIMIT_")]
    request = {
        "argv": command[3:],
        "env": env if independent else env | {"JPY_PARENT_PID": str(os.getpid())},
        "cwd": os.path.abspath(cwd or "."),
        "independent": independent,
        "cores": sorted(os.sched_getaffinity(0)),
        "umask": int(re.search(r"Umask:\s*(\d+)", Path("/proc/self/status").read_text())[1], 8),
        "limits": [(limit, resource.getrlimit(limit)) for limit in sorted(set(limits))],
    }
    data = json.dumps(request).encode()
    streams = [
        usual if stream is None else stream for usual, stream in zip(USUAL, (stdin, stdout, stderr), strict=True)
    ]
    with open(os.devnull, "r+b", buffering=0) as null:
        files = [null if stream == subprocess.DEVNULL else stream for stream in streams]
        files = [file if isinstance(file, int) else file.fileno() for file in files]
        message = struct.pack("!I", len(data)) + data
        with contextlib.suppress(ConnectionError):  # it was just ending
            return asked(connect(place(settings), settings), message, files)
        return asked(connect(place(settings), settings), message, files)


def asked(connection, message, files):
    """What the template answers to a request: a `Forked` when it is a kernel, or a reason for none."""
    try:
        socket.send_fds(connection, [message[:4]], files)
        connection.sendall(message[4:])
        said, files, *_ = socket.recv_fds(connection, 1000, 1)
        if not said:
            raise ConnectionResetError("the template has ended")
        if not files:
            raise Amiss(said.decode())
        forked = Forked(int(said), files[0], connection)
    except TimeoutError:
        os.kill(pid_of(connection), signal.SIGKILL)  # deaf for good or for now: the next start makes a new one
        connection.close()
        raise Amiss(f"no answer from the template in {PATIENCE} s, and so an end to it") from None
    except BaseException:
        connection.close()
        raise
    connection.settimeout(IMPORTS)
    with contextlib.suppress(OSError):  # so that its client's first try succeeds; a slow one may still come
        said = connection.recv(1000)
    if said not in (UP, str(forked.pid).encode()):
        forked.kill()
        forked.wait()
        raise Amiss(said.decode() or "the fork ended")
    return forked


class WarmProvisioner(LocalProvisioner):
    """Starts a kernel as a fork of the template, or else as LocalProvisioner does; both are then handled as one."""

    disposable = Bool(False, config=True, help="Kill the kernel as soon as it is to shut down.")
    transport = CaselessStrEnum(["ipc", "tcp"], "ipc", config=True, help="What to replace a manager's tcp with.")

    async def pre_launch(self, **kwargs):
        """Before the connection file is written: sockets in a private folder instead of ports."""
        manager = self.parent
        if POSSIBLE and manager and self.transport == "ipc" and manager.transport == "tcp" and not any(manager.ports):
            with contextlib.suppress(Amiss, OSError):
                folder = root()
                manager.transport, manager.ip = "ipc", str(folder / f"k-{uuid.uuid4().hex[:12]}")
        return await super().pre_launch(**kwargs)

    async def launch_kernel(self, cmd, **kwargs):
        try:
            self.process = await asyncio.to_thread(fork, cmd, **self._scrub_kwargs(kwargs))
        except (Amiss, OSError, subprocess.SubprocessError) as why:
            self.log.warning("%s starts as a usual kernel: %s", SPEC["display_name"], why)
            return await super().launch_kernel(cmd, **kwargs)
        self.pid, self.pgid, self.cwd = self.process.pid, None, kwargs.get("cwd", Path.cwd())
        return self.connection_info

    async def kill(self, restart=False):
        """Kill, and give it the moment that dying takes: the manager would look again after a tenth of a second."""
        await super().kill(restart)
        for _ in range(50):
            if await self.poll() is None:
                await asyncio.sleep(0.005)

    async def shutdown_requested(self, restart=False):
        if self.disposable:
            await self.kill(restart)


# ---- the commands ----


def install(prefix=sys.prefix):
    """Write the kernelspec into an environment: the one that runs this."""
    import ipykernel.kernelspec

    folder = Path(prefix) / "share" / "jupyter" / "kernels" / NAME
    folder.mkdir(parents=True, exist_ok=True)
    for logo in Path(ipykernel.kernelspec.RESOURCES).glob("logo*"):
        (folder / logo.name).write_bytes(logo.read_bytes())
    half = folder / f"kernel.json.{os.getpid()}"
    half.write_text(json.dumps(SPEC, indent=1), encoding="utf-8")
    half.replace(folder / "kernel.json")


def timed(notebook, kernel):
    """One run of nbval: seconds of the process, of each phase of each cell, and its verdicts.

    A kernel's start is the first cell's setup, its end the last one's teardown."""
    options = ["--nbval", f"--nbval-kernel-name={kernel}", "--nbval-cell-timeout=120", "-p", "no:cacheprovider"]
    command = [sys.executable, "-m", "pytest", "-vv", "--durations=0", *options, str(notebook)]
    env = os.environ | ONE | {"JUPYTER_PREFER_ENV_PATH": "1", "DAYTWO_PROGRESS": "off"}
    began = time.perf_counter()
    said = subprocess.run(command, env=env, capture_output=True, text=True).stdout
    wall = time.perf_counter() - began
    found = re.findall(r"^([\d.]+)s (setup|call|teardown) .*::(Cell \d+)", said, re.M)
    phases = {(phase, cell): float(seconds) for seconds, phase, cell in found}
    verdicts = re.findall(r"::(Cell \d+) (PASSED|FAILED|ERROR|SKIPPED|XFAIL|XPASS)", said)
    return {"wall": wall, "phases": phases, "verdicts": verdicts, "said": said}


def measure(*notebooks):
    """Run notebooks with usual and with warm kernels, print what they cost, and return the ratios of the overheads.

    A notebook's own seconds are those of its cells where the imports are there already (the warm run); its overhead is
    whatever else it takes from before its kernel starts until after that has ended. pytest's own start is no part.
    Both kinds run in turns, and every phase of every cell counts with its best time: others may use this machine."""
    from jupyter_client.manager import start_new_kernel

    began = time.perf_counter()
    manager, client = start_new_kernel(kernel_name=NAME)  # so that a template is there
    client.stop_channels()
    manager.shutdown_kernel(now=True)
    print(f"first warm kernel after {time.perf_counter() - began:.2f} s")
    print(f"{'notebook':28} {'kernel':8} {'process':>8} {'notebook':>8} {'cells':>8} {'overhead':>8}")
    ratios, total = {}, {"python3": 0.0, NAME: 0.0}
    for notebook in notebooks:
        runs = {"python3": [], NAME: []}
        for kernel in (*runs,) * REPEATS:
            runs[kernel].append(timed(notebook, kernel))
            if runs[kernel][-1]["phases"].keys() != runs["python3"][0]["phases"].keys():
                sys.exit(f"{notebook} broke off with the kernel {kernel}:\n{runs[kernel][-1]['said'][-2000:]}")
        best = {
            kernel: {phase: min(run["phases"][phase] for run in own) for phase in own[0]["phases"]}
            for kernel, own in runs.items()
        }
        own = sum(seconds for (phase, _), seconds in best[NAME].items() if phase == "call")
        over = {kernel: sum(seconds.values()) - own for kernel, seconds in best.items()}
        for kernel, beyond in over.items():
            wall = min(run["wall"] for run in runs[kernel])
            numbers = (wall, own + beyond, own, beyond)
            print(f"{Path(notebook).name:28} {kernel:8}", *(f"{seconds:8.2f}" for seconds in numbers))
            total[kernel] += beyond
        ratios[str(notebook)] = over[NAME] / over["python3"]
        every = [run["verdicts"] for own in runs.values() for run in own]
        same = "same" if all(verdicts == every[0] for verdicts in every) else "DIFFERENT"
        print(f"{'':28} overhead, warm to usual: {ratios[str(notebook)]:.2f}; {same} verdicts on {len(every[0])} cells")
    said = ", ".join(f"{seconds:.1f} s {kernel}" for kernel, seconds in total.items())
    print(f"all: overhead {said}, warm to usual: {total[NAME] / total['python3']:.2f}")
    return ratios


if __name__ == "__main__":
    {"install": install, "stop": stop, "measure": measure}[sys.argv[1]](*sys.argv[2:])
