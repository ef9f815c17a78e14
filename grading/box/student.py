"""What runs inside the sandbox as the student: cells in an IPython shell, and a snapshot where a check stands.

Nothing that is said here decides about a mark: values are reported, and compared elsewhere. A check's source comes to a
snapshot only after every cell of the student's has run and its outputs are sealed.
"""

import ast
import base64
import builtins
import io
import json
import linecache
import os
import resource
import socket
import subprocess
import sys
import traceback

from IPython.core.displayhook import CapturingDisplayHook
from IPython.core.displaypub import DisplayPublisher
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

from grading.box.ground import Ground
from grading.checks import cells, facts
from grading.checks.values import encode, raised_by
from grading.checks.words import is_blank
from grading.environment import spent

OUTPUT = 100_000  # characters of one cell's output that are kept
PICTURES = 3_000_000  # of one cell's displays


class Record:
    """The outputs of one cell, in order and within bounds."""

    def __init__(self):
        self.outputs, self.letters, self.rich = [], 0, 0

    def write(self, name, text):
        room = OUTPUT - self.letters
        if room <= 0:
            return
        self.letters += len(text)
        if len(text) > room:
            text = text[:room] + "\n… the rest of this output was left out\n"
        last = self.outputs[-1] if self.outputs else {}
        if last.get("output_type") == "stream" and last["name"] == name:
            last["text"] += text
        else:
            self.outputs.append({"output_type": "stream", "name": name, "text": text})

    def show(self, kind, data, metadata):
        data = {k: base64.b64encode(v).decode() if isinstance(v, bytes) else v for k, v in dict(data).items()}
        data = {str(k): str(v) for k, v in data.items() if isinstance(v, str)}
        self.rich += sum(map(len, data.values()))
        if self.rich > PICTURES:
            return self.write("stdout", "… a display too large to keep was left out\n")
        self.outputs.append({"output_type": kind, "data": data})

    def fail(self, name, value, lines):
        lines = [str(line)[:2000] for line in lines][-40:]
        self.outputs.append({"output_type": "error", "ename": name, "evalue": value[:2000], "traceback": lines})


class Stream(io.TextIOBase):
    def __init__(self, record, name):
        self.record, self.name = record, name

    def write(self, text):
        self.record.write(self.name, str(text))
        return len(text)


class Hook(CapturingDisplayHook):
    is_active = False  # asked by every print

    def __init__(self, shell, record):
        super().__init__(shell, [])
        self.record = record

    def __call__(self, result=None):
        if result is not None:
            self.record.show("execute_result", *self.shell.display_formatter.format(result))


class Publisher(DisplayPublisher):
    record = None

    def publish(self, data, metadata=None, **_):
        self.record.show("display_data", data, metadata)

    def clear_output(self, wait=False):
        self.record.outputs.clear()


class Shell(InteractiveShell):
    record = None

    def enable_gui(self, gui=None):
        pass

    def system(self, command):
        """What `!command` runs; there is no terminal here."""
        done = subprocess.run(
            command,
            shell=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            errors="replace",
        )
        print(done.stdout, end="")
        self.user_ns["_exit_code"] = done.returncode

    def init_history(self):
        super().init_history()
        self.history_manager.enabled = False

    def _showtraceback(self, etype, evalue, stb):
        self.record.fail(etype.__name__, str(evalue), stb)


def shell():
    """The one shell of this process: no history file, plots inline, nobody to ask."""
    config = Config()
    config.HistoryManager.enabled = False
    config.InteractiveShell.colors = "nocolor"
    made = Shell.instance(config=config, display_pub_class=Publisher)
    made.enable_matplotlib("inline")
    cells.install(made)
    builtins.input = nobody
    return made


def nobody(*_):
    raise RuntimeError("input() waits for somebody to type, and nobody is there when a notebook is graded.")


def run(source, made):
    """Run one cell; {"outputs", "error", "seconds"}."""
    record = made.record = made.display_pub.record = Record()
    made.displayhook, before = Hook(made, record), (made.displayhook, sys.stdout, sys.stderr)
    sys.stdout, sys.stderr = Stream(record, "stdout"), Stream(record, "stderr")
    started = spent()
    try:
        result = made.run_cell(source, store_history=True)
        failed = result.error_before_exec or result.error_in_exec
    except BaseException as error:  # SystemExit and the like, from a shell that was tampered with
        failed = error
    finally:
        made.displayhook, sys.stdout, sys.stderr = before
    error = type(failed).__name__ if failed is not None else None
    return {"outputs": record.outputs, "error": error, "seconds": spent() - started}


def common(source, made, own):
    """Run a cell of the lesson's own; `own` notes what such cells bind."""
    before = dict(made.user_ns)
    told = run(source, made)
    own.update({name: value for name, value in made.user_ns.items() if value is not before.get(name, own)})
    return told


def answer_for(channel, made):
    """A snapshot: take parts of a check from `channel` one after the other, and report what the answer gives."""
    channel = channel.makefile("rw", encoding="utf-8")
    names = made.user_ns
    sys.stdout = sys.stderr = open(os.devnull, "w")  # noqa: SIM115
    for line in channel:
        source, told, started = json.loads(line), [], spent()

        def report(fact, got, *_, told=told, **__):
            told.append([fact, encode(got)])

        names |= {"check": report} | {name: f for name, f in OURS.items() if name in names}
        said = {"facts": told, "error": None, "blank": False, "where": None}
        try:
            exec(compile(ast.parse(source), "the check", "exec", dont_inherit=True), names)
        except BaseException as error:
            said |= {"error": encode(raised_by(error)), "blank": is_blank(error), "where": where(error)}
        said["seconds"] = spent() - started
        channel.write(json.dumps(said) + "\n")
        channel.flush()


OURS = {"raised": facts.raised, "class_seed": facts.class_seed}  # what a check calls, whatever a notebook made of it


def where(error):
    """The student's own line on the way to an error."""
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if "ipython-input" in frame.filename or "ipykernel_" in frame.filename:
            line = linecache.getline(frame.filename, frame.lineno).strip()
            return f"line {frame.lineno} of the cell: {line}"[:300]
    return None


def work(cells, skip, snapped, names, channel, made):
    """Run the cells that are not to be skipped; leave a snapshot in a fork where each check of these `names` stands.

    What an answer breaks of the ground that all stand on is found after it; when its own check has its snapshot, this
    process ends, and the other exercises go on in a fresh one, without that answer.
    """

    def send(message, handed=None):
        data = json.dumps(message).encode() + b"\n"
        if handed:
            data = data[socket.send_fds(channel, [data], [handed.fileno()]) :]
            handed.close()
        channel.sendall(data)

    ground, spoilt, own = Ground(made), [], dict(made.user_ns)
    for at, cell in enumerate(cells):
        if cell["kind"] == "check":
            if cell["name"] in names and cell["name"] not in snapped:
                pid, line = snapshot(channel, made)
                send({"snap": cell["name"], "pid": pid}, line)
            if spoilt:
                return send({"spoilt": spoilt})
            made.user_ns.update(own)  # an answer may have called its helper as the lesson calls its table
        elif at not in skip:
            send({"begin": at})
            told = common(cell["source"], made, own) if cell["kind"] == "common" else run(cell["source"], made)
            spoilt += [at] if cell["kind"] == "answer" and ground.shaken() else []
            send({"end": at, **told})
    send({"finished": True})


fork = os.fork  # as it is now: an answer may have patched it


def snapshot(channel, made):
    """Fork a process that keeps the state of the notebook as it is now, and waits to be asked; its id, and how."""
    ours, theirs = socket.socketpair()
    few, many = resource.getrlimit(resource.RLIMIT_NPROC)
    resource.setrlimit(resource.RLIMIT_NPROC, (many, many))  # an answer may have started a crowd
    pid = fork()
    resource.setrlimit(resource.RLIMIT_NPROC, (few, many))
    if pid == 0:
        try:
            ours.close()
            channel.close()
            os.setpgid(0, 0)  # it must outlive this process
            theirs.sendall(b".")
            answer_for(theirs, made)
        finally:
            os._exit(0)
    theirs.close()
    if not ours.recv(1):
        raise RuntimeError("a snapshot could not be taken")
    return pid, ours
