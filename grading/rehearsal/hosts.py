"""Hosts that are not there: network namespaces on this machine, each with an address and a Dask worker on one core.

For measuring only. It takes Linux, root and the `ip` command; `why_not` says what is missing.
"""

import contextlib
import os
import shutil
import subprocess
import sys
import time

from grading.environment import KEPT

NETWORK = "10.77"  # a private range; each host has a wire of its own to this machine


def why_not():
    """Why there can be no hosts here, or ""."""
    if not sys.platform.startswith("linux"):
        return "network namespaces are Linux's"
    if os.getuid():
        return "only root may make network namespaces"
    missing = [name for name in ("ip", "taskset") if not shutil.which(name)]
    return f"there is no {' and no '.join(missing)} command" if missing else ""


def ip(*words, check=True):
    return subprocess.run(["ip", *words], check=check, capture_output=True, text=True)


def pinned(number):
    """What goes before a command that is to run on a host's core."""
    return ["taskset", "-c", str(number % (os.cpu_count() or 1))]


@contextlib.contextmanager
def hosts(count, root):
    """The address of a scheduler for `count` hosts, each pinned to a core of its own, with `root` as their code."""
    names = [f"daytwo{number}" for number in range(count)]
    env = {name: os.environ[name] for name in KEPT if name in os.environ} | {"PYTHONPATH": str(root)}
    with contextlib.ExitStack() as stack:
        for number, name in enumerate(names):
            remove(name)
            stack.callback(remove, name)
            ip("netns", "add", name)
            ip("link", "add", name, "type", "veth", "peer", "name", "eth0", "netns", name)
            ip("addr", "add", f"{NETWORK}.{number}.1/24", "dev", name)
            ip("link", "set", name, "up")
            for words in (["addr", "add", f"{NETWORK}.{number}.2/24", "dev", "eth0"], ["link", "set", "eth0", "up"]):
                ip("-n", name, *words)
            ip("-n", name, "link", "set", "lo", "up")

        def start(*words):
            process = subprocess.Popen(words, env=env, cwd=root, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            stack.callback(end, process)

        dask, port = [sys.executable, "-m", "distributed.cli"], "8797"
        start(*pinned(0), *dask[:2], f"{dask[2]}.dask_scheduler", "--host", "0.0.0.0", "--port", port, "--no-dashboard")
        for number, name in enumerate(names):
            inside = ["ip", "netns", "exec", name, *pinned(number)]
            worker = [*dask[:2], f"{dask[2]}.dask_worker", f"tcp://{NETWORK}.{number}.1:{port}", "--no-nanny"]
            worker += ["--nworkers", "1", "--nthreads", "1", "--host", f"{NETWORK}.{number}.2", "--no-dashboard"]
            start(*inside, *worker, "--local-directory", str(root / "dask"))
        address = f"tcp://127.0.0.1:{port}"
        answer(address, count)
        yield address


def answer(address, count):
    """Wait until so many workers are there."""
    from distributed import Client

    end = time.monotonic() + 120
    while True:
        try:
            with Client(address, timeout=5) as client:
                return client.wait_for_workers(count, timeout=60)
        except (OSError, TimeoutError):
            if time.monotonic() > end:
                raise


def end(process):
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def remove(name):
    ip("netns", "del", name, check=False)
    ip("link", "del", name, check=False)
