"""Commands as a teacher types them, each a process of its own, without the seconds that importing takes every time."""

import contextlib
import json
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import time

NURSE = """
import json, os, runpy, socket, sys
import grading.__main__, grading.engine.command, grading.engine.section, grading.rehearsal.simulate, nbgrader.apps
import nbgrader.converters, nbgrader.preprocessors, sqlalchemy.dialects.sqlite
channel = socket.socket(fileno=int(sys.argv[1]))
for line in channel.makefile("r"):
    asked = json.loads(line)
    if "code" in asked:
        answer = os.waitstatus_to_exitcode(os.waitpid(asked["code"], 0)[1])
    else:
        answer = os.fork()
        if answer == 0:
            channel.close()
            said = os.open(asked["said"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            os.dup2(said, 1), os.dup2(said, 2)
            os.environ.clear(), os.environ.update(asked["env"]), os.chdir(asked["cwd"])
            sys.argv = [asked["words"][0], *asked["words"][1:]]
            runpy.run_module(asked["words"][0], run_name="__main__", alter_sys=True)
            sys.exit()
    channel.sendall(json.dumps(answer).encode() + b"\\n")
"""


class Nurse:
    """A process with all imports done, of the `grading` in a folder, that forks one child for every command."""

    def __init__(self, folder):
        self.root, self.count = folder, 0
        self.env = os.environ | {"PYTHONPATH": os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")])}
        self.env["PATH"] = os.pathsep.join([os.path.dirname(sys.executable), os.environ["PATH"]])
        self.env.pop("GRADING_SEED", None)
        self.socket, theirs = socket.socketpair()
        with theirs:
            command = [sys.executable, "-c", NURSE, str(theirs.fileno())]
            self.process = subprocess.Popen(command, cwd=folder, env=self.env, pass_fds=[theirs.fileno()])
        self.pipe = self.socket.makefile("r")

    def ask(self, **what):
        self.socket.sendall(json.dumps(what).encode() + b"\n")
        return json.loads(self.pipe.readline())

    def start(self, *words, cwd=None, **env):
        self.count += 1
        said = self.root / f"said-{self.count}"
        return Command(self, said, self.ask(words=words, env=self.env | env, said=str(said), cwd=str(cwd or self.root)))

    def run(self, *words, code=0, **more):
        """What a command says; it has to end with this code."""
        command = self.start(*words, **more)
        said = command.communicate(300)[0]
        assert command.returncode == code, said
        return said

    def end(self):
        self.socket.close()
        self.pipe.close()
        self.process.kill()
        self.process.wait()


class Command:
    """What of a `Popen` is needed here."""

    def __init__(self, nurse, said, pid):
        self.nurse, self.said, self.pid, self.returncode = nurse, said, pid, None
        self.pidfd = os.pidfd_open(pid)

    def poll(self, seconds=0):
        if self.returncode is None and select.select([self.pidfd], [], [], seconds)[0]:
            self.returncode = self.nurse.ask(code=self.pid)
            os.close(self.pidfd)
        return self.returncode

    def send_signal(self, number):
        signal.pidfd_send_signal(self.pidfd, number)

    def communicate(self, timeout=300):
        if self.poll(timeout) is None:
            self.send_signal(signal.SIGKILL)
            self.poll(timeout)
            raise TimeoutError(self.said.read_text(errors="replace"))
        return self.said.read_text(encoding="utf-8"), None


@contextlib.contextmanager
def unchanged(*folders):
    """Whatever is done to these folders is undone."""
    for folder in folders:
        shutil.copytree(folder, folder.with_suffix(".kept"))
    try:
        yield
    finally:
        for folder in folders:
            shutil.rmtree(folder)
            folder.with_suffix(".kept").rename(folder)


def within(seconds, true):
    """Wait until something is true, and no longer."""
    end = time.monotonic() + seconds
    while not (found := true()) and time.monotonic() < end:
        time.sleep(0.05)
    return found
