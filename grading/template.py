"""The warm process that graded notebooks are forks of: imports once, then a fork per submission.

Started as `python -m grading.template`; speaks to the engine on its pipes. It only ever runs released cells: the
leading common cells of one lesson, which every submission starts with, so that their data is there before the fork.
"""

import contextlib
import gc
import json
import os
import struct
import subprocess
import sys
import threading

from grading.runner import QUIET


def send(file, value):
    data = json.dumps(value).encode()
    file.write(struct.pack(">Q", len(data)) + data)
    file.flush()


def receive(file):
    head = file.read(8)
    if len(head) < 8:
        raise EOFError("the other end is gone")
    data = file.read(struct.unpack(">Q", head)[0])
    return json.loads(data)


class Template:
    """The engine's side: a process that `run`s jobs one after the other; a context manager."""

    def __init__(self, prefix):
        env = os.environ | QUIET
        env.pop("MPLBACKEND")
        env.pop("GRADING_SEED", None)  # what a submission's process never sees until all its cells have run
        self.process = subprocess.Popen(
            [sys.executable, "-m", "grading.template"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=env
        )
        send(self.process.stdin, prefix)
        self.ready = receive(self.process.stdout)  # the outputs of the leading cells, and what they cost

    def run(self, job):
        """The result of a job; EOFError when the template itself has died."""
        self.process.stdin.write(b"g")
        self.process.stdin.flush()
        try:
            send(self.process.stdin, job)
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

    from grading import keeper, student

    _ = matplotlib.pyplot, numpy, pandas, scipy.stats, sklearn.ensemble, sklearn.linear_model, sklearn.pipeline, daytwo
    talk, hear = os.fdopen(os.dup(1), "wb"), os.fdopen(os.dup(0), "rb", buffering=0)
    null = os.open(os.devnull, os.O_RDWR)
    for fd in (0, 1):
        os.dup2(null, fd)
    made = student.shell()
    prefix = [student.run(source, made) for source in receive(hear)]
    send(talk, prefix)
    gc.collect()
    gc.freeze()
    while hear.read(1) == b"g":
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                job = receive(hear)
                send(talk, keeper.keep(job, made))
                code = 0
            finally:
                os._exit(code)
        if os.waitpid(pid, 0)[1] != 0:
            break  # the pipes may hold half a message: let the engine start another template


if __name__ == "__main__":
    if threading.active_count() == 1:
        main()
