"""The warm process that graded notebooks are forks of: imports once, then a fork per submission.

Started as `python -m grading.box.template`; speaks to the engine on its socket. It only ever runs released cells: the
leading common cells of one lesson, which every submission starts with, so that their data is there before the fork.
"""

import contextlib
import gc
import json
import os
import select
import socket
import struct
import subprocess
import sys
import threading

from grading.environment import KEPT, plain_environment


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
    """The engine's side: a process that `run`s jobs one after the other."""

    def __init__(self, prefix):
        env = {name: os.environ[name] for name in KEPT if name in os.environ} | plain_environment()
        self.socket, theirs = socket.socketpair()
        with theirs:
            command = [sys.executable, "-m", "grading.box.template"]
            self.process = subprocess.Popen(command, stdin=theirs, stdout=subprocess.DEVNULL, env=env)
        self.pipe = self.socket.makefile("rwb")
        send(self.pipe, prefix)
        self.ready = receive(self.pipe)  # the outputs of the leading cells, and what they cost

    def twin(self):
        """A fork of it that serves by itself, before any job: another worker need not import and compute all again."""
        twin = object.__new__(Template)
        twin.process, twin.ready, (twin.socket, theirs) = None, self.ready, socket.socketpair()
        with theirs:
            socket.send_fds(self.socket, [b"t"], [theirs.fileno()])
            self.pipe.read(1)
        twin.pipe = twin.socket.makefile("rwb")
        return twin

    def run(self, job):
        """The result of a job; EOFError when the template itself has died."""
        checks = job["checks"]
        shown = job | {"checks": {name: parts["visible"] for name, parts in checks.items()}}
        try:
            self.socket.sendall(b"g")
            send(self.pipe, shown)
            send(self.pipe, {name: parts["hidden"] for name, parts in checks.items()})
            return receive(self.pipe)
        except (OSError, ValueError) as error:
            raise EOFError(str(error)) from error

    def close(self):
        """End it when it has noticed that nobody asks any more; what it runs ends with it."""
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)
        if self.process:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(5)
        self.end()

    def end(self):
        """End it at once. The pipe is only shut: to close it would wait for a thread that reads from it."""
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)
        if self.process:
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

    from grading.box import sandbox, student
    from grading.box.keep import keep

    _ = matplotlib.pyplot, numpy, pandas, scipy.stats, sklearn.ensemble, sklearn.linear_model, sklearn.pipeline, daytwo
    pandas.set_option("display.max_columns", 20)  # as in a kernel: imported without one, it takes this for a terminal
    engine = socket.socket(fileno=os.dup(0))
    os.dup2(os.open(os.devnull, os.O_RDWR), 0)
    hear = engine.makefile("rb", buffering=0)
    made = student.shell()
    prefix = [student.run(source, made) for source in receive(hear)]
    send(engine.makefile("wb"), prefix)
    gc.collect()
    gc.freeze()

    def alone():  # while a job runs, nothing is there to be read but the end of the engine
        return bool(select.select([engine], [], [], 0)[0])

    while True:
        asked, fds, *_ = socket.recv_fds(engine, 1, 1)
        if asked == b"t":
            if os.fork() == 0:
                hear.close()
                engine.close()
                engine = socket.socket(fileno=fds[0])
                hear = engine.makefile("rb", buffering=0)
            else:
                os.close(fds[0])
                engine.sendall(b"t")
            continue
        if asked != b"g":
            break
        me = os.getpid()
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                sandbox.follow(me)
                job = receive(hear)
                send(engine.makefile("wb"), keep(job, made, lambda own=hear: receive(own), alone))
                code = 0
            finally:
                os._exit(code)
        if os.waitpid(pid, 0)[1] != 0:
            break  # the socket may hold half a message: let the engine start another template


if __name__ == "__main__":
    if threading.active_count() == 1:
        main()
