"""The warm process that graded notebooks are forks of: imports once, then a fork per submission.

Started as `python -m grading.template`; speaks to the engine on its pipes. It only ever runs released cells: the
leading common cells of one lesson, which every submission starts with, so that their data is there before the fork.
"""

import contextlib
import gc
import json
import os
import select
import struct
import subprocess
import sys
import threading

from grading.runner import QUIET

# What a student's process can find out about the environment it was forked in: nothing of the teacher's but this.
KEPT = ("HOME", "LANG", "LD_LIBRARY_PATH", "PATH", "PYTHONPATH", "SYSTEMROOT", "TEMP", "TMPDIR", "VIRTUAL_ENV")


def send(file, value):
    data = json.dumps(value).encode()
    file.write(struct.pack(">Q", len(data)) + data)
    file.flush()


def receive(file):
    return json.loads(exactly(file, struct.unpack(">Q", exactly(file, 8))[0]))


def exactly(file, size):
    """So many bytes, however few of them a pipe gives at a time."""
    data = bytearray()
    while len(data) < size:
        part = file.read(min(size - len(data), 1 << 20))
        if not part:
            raise EOFError("the other end is gone")
        data += part
    return bytes(data)


class Template:
    """The engine's side: a process that `run`s jobs one after the other; a context manager."""

    def __init__(self, prefix):
        env = {name: os.environ[name] for name in KEPT if name in os.environ} | QUIET
        env.pop("MPLBACKEND")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "grading.template"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=env
        )
        send(self.process.stdin, prefix)
        self.ready = receive(self.process.stdout)  # the outputs of the leading cells, and what they cost

    def run(self, job):
        """The result of a job; EOFError when the template itself has died."""
        checks = job["checks"]
        shown = job | {"checks": {name: parts["visible"] for name, parts in checks.items()}}
        try:
            self.process.stdin.write(b"g")
            send(self.process.stdin, shown)
            send(self.process.stdin, {name: parts["hidden"] for name, parts in checks.items()})
            return receive(self.process.stdout)
        except (OSError, ValueError) as error:
            raise EOFError(str(error)) from error

    def close(self):
        with contextlib.suppress(OSError):
            self.process.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(5)
        self.process.kill()
        self.process.wait()


def main():
    """Serve: leading cells first, then a byte "g" and a job at a time. The job is read by the fork alone."""
    import daytwo
    import matplotlib.pyplot
    import numpy
    import pandas
    import scipy.stats
    import sklearn.ensemble
    import sklearn.linear_model
    import sklearn.pipeline

    from grading import keeper, sandbox, student

    _ = matplotlib.pyplot, numpy, pandas, scipy.stats, sklearn.ensemble, sklearn.linear_model, sklearn.pipeline, daytwo
    pandas.set_option("display.max_columns", 20)  # as in a kernel: imported without one, it takes this for a terminal
    talk, hear = os.fdopen(os.dup(1), "wb"), os.fdopen(os.dup(0), "rb", buffering=0)
    null = os.open(os.devnull, os.O_RDWR)
    for fd in (0, 1):
        os.dup2(null, fd)
    made = student.shell()
    prefix = [student.run(source, made) for source in receive(hear)]
    send(talk, prefix)
    gc.collect()
    gc.freeze()

    def alone():  # while a job runs, nothing is there to be read but the end of the engine
        return bool(select.select([hear], [], [], 0)[0])

    me = os.getpid()
    while hear.read(1) == b"g":
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                sandbox.follow(me)
                job = receive(hear)
                send(talk, keeper.keep(job, made, lambda: receive(hear), alone))
                code = 0
            finally:
                os._exit(code)
        if os.waitpid(pid, 0)[1] != 0:
            break  # the pipes may hold half a message: let the engine start another template


if __name__ == "__main__":
    if threading.active_count() == 1:
        main()
