"""Kernels that start at once: each is a fork of one process that has imported what lessons import.

The kernelspec "Day Two (instant)" names the provisioner below, which asks grading/kernels/template.py for a fork over a
socket in a private folder, and starts the template when there is none (finding.py). Whenever anything is amiss (no fork
on this system, a deaf or broken template) the kernel starts as any other does, and one line in the log says why.

The kernelspec gives one thread to BLAS and OpenMP, for a kernel that starts at once and one that does not alike: marks
and outputs then don't depend on the machine. A learner's fit uses one core; "Python 3" uses all.

python -m grading.kernels.provisioner install | stop
"""

import asyncio
import contextlib
import json
import os
import re
import signal
import socket
import struct
import subprocess
import sys
import uuid
from pathlib import Path

from jupyter_client.provisioning import LocalProvisioner
from traitlets import Bool, CaselessStrEnum

from grading.kernels import finding
from grading.kernels.finding import POSSIBLE, Amiss, connect, gone, pid_of, place, root, stop
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
USUAL = (subprocess.DEVNULL, 1, 2)  # a kernel's streams unless others are asked for: its manager's
KEPT = set()  # the connections that living kernels follow; not to be shared with a fork of this process
if POSSIBLE:
    os.register_at_fork(after_in_child=lambda: [kept.close() for kept in KEPT])


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
        raise Amiss(f"no answer from the template in {finding.PATIENCE} s, and so an end to it") from None
    except BaseException:
        connection.close()
        raise
    connection.settimeout(finding.IMPORTS)
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


if __name__ == "__main__":
    {"install": install, "stop": stop}[sys.argv[1]](*sys.argv[2:])
