"""Grade tests by what they catch: run them, by real pytest, against right and faulty versions of the code under test.

A good test passes on every right version and fails on every faulty one (mutation testing: DeMillo, Lipton & Sayward,
*Hints on Test Data Selection*, 1978). The tests run in a process of their own that is given one version at a time;
whatever they do to it (hang, exit, patch, print) costs them that one verdict. On Linux that process is a fork, which
forks once more per version: milliseconds. Elsewhere it is a fresh Python to which the tests travel by cloudpickle.
"""

import ast
import base64
import contextlib
import gc
import importlib
import inspect
import json
import linecache
import os
import queue
import secrets
import signal
import subprocess
import sys
import threading
import types
import warnings
from typing import NamedTuple

import _pytest.config
import cloudpickle
import pytest

from daytwo import data

FORK = sys.platform == "linux"  # macOS has fork, and frameworks that do not survive it
MEMORY = 1_000  # MB that tests may use beyond what is there when they start; Linux only
LETTERS = 2_000  # of one explanation
START = 60  # seconds for a fresh Python to import what it needs
MINUTES = 600  # seconds of CPU after which such a Python ends in any case
ENDED = "it ended the process that runs it"
SLOW = "it took longer than {:g} s (one call with many rows is faster than many calls)"
OFF = ("cacheprovider", "terminal", "unraisableexception", "threadexception", "doctest", "faulthandler")
PYTEST = [*(f"-pno:{name}" for name in OFF), "--noconftest", "-s", "-c", os.devnull, "--rootdir", os.curdir]
PYTEST += [__file__]  # a stand-in for the notebook
for _name in _pytest.config.default_plugins:  # pytest imports its parts late: once here, not once per run
    importlib.import_module(f"_pytest.{_name}")


class Verdict(NamedTuple):
    """`state` is "passed", "caught" (a test failed) or "broke" (no verdict); `why` says in words what happened."""

    state: str
    why: str = ""


class Findings(NamedTuple):
    """What tests are worth: failures on the code as given, on its rewritings; the kinds of fault they missed."""

    given: list
    rewritten: list
    missed: list


_sources = {}


def source(*functions) -> str:
    """The source of functions as it was when they were first seen here: who edits the cell changes no grade."""
    return "\n\n".join(_sources.setdefault(f.__name__, inspect.getsource(f)) for f in functions)


def patched(code: str, *edits: tuple) -> str:
    """`code` with each (old, new) replaced; ValueError unless `old` is there exactly once."""
    for old, new in edits:
        if code.count(old) != 1:
            raise ValueError(f"the code under test no longer holds {old!r}: put its cell back as it was")
        code = code.replace(old, new)
    return code


def collect(namespace: dict, prefix: str) -> dict:
    """The tests called `prefix` or `prefix_…` of a notebook, from the last run of their cell, and all its fixtures."""
    names = [n for n, f in namespace.items() if (n == prefix or n.startswith(f"{prefix}_")) and inspect.isfunction(f)]
    if not names:
        raise NotImplementedError  # a blank: nothing has been written yet
    cells = namespace.get("In", [])
    ran = {n: _last_run(inspect.unwrap(namespace[n]), cells) for n in names}
    tests = {n: namespace[n] for n in names if ran[n] == max(ran.values())}
    return tests | {n: f for n, f in namespace.items() if type(f).__name__ == "FixtureFunctionDefinition"}


def _last_run(function, cells) -> int:
    """The last cell with this source in it: a renamed test stays behind in the kernel, and must not count."""
    try:
        text = inspect.getsource(function)
    except (OSError, TypeError):
        return len(cells)
    return max((at for at, cell in enumerate(cells) if text.strip() in cell), default=len(cells))


def findings(tests, code: str, faults: list, rewritings: list, gives: str, context: dict, **limits) -> Findings:
    """Run `tests` on `code`, on `rewritings` of it (edits that keep it right) and with `faults` (kind, old, new).

    `gives` is the name of the fixture, and of what a version defines; `context` holds the other names it uses. A faulty
    version is first: tests that remember it, and compare the others with it, call the right ones wrong.
    """
    kinds, right = [kind for kind, *_ in faults], [code, *(patched(code, *edits) for edits in rewritings)]
    broken = [patched(code, (old, new)) for _, old, new in faults]
    (given, *others), caught = run(tests, right, gives, context, then=broken, first=broken[:1], **limits)
    wrong = [f"rewriting {n}: {v.why}" for n, v in enumerate(others, 1) if v.state != "passed"]
    if given.state != "passed" or wrong:  # what such tests catch says nothing
        return Findings([given.why] if given.state != "passed" else [], wrong, kinds)
    why = [f" (no verdict: {v.why})" if v.state == "broke" else "" for v in caught]
    return Findings([], [], [k + w for k, w, v in zip(kinds, why, caught, strict=True) if v.state != "caught"])


def run(tests: dict, sources: list, gives: str, context: dict, then=None, first=(), seconds=10, fork=None) -> list:
    """A `Verdict` for each source, which may take `seconds` of CPU (where there is no fork, three times as much by the
    clock); after three that took longer the others are not run.

    With `then`, a pair: those of `sources`, and those of the sources `then` if all before passed, else none. Versions
    that are `first` are run before all others, and nothing is said of them.
    NotImplementedError without a word when a test still holds its blank.
    """
    verdicts, child, start, end = [], None, len(first), len(first) + len(sources)
    try:
        for text in [*first, *sources, *(then or [])]:
            if len(verdicts) >= end and any(v.state != "passed" for v in verdicts[start:end]):
                break
            if sum("longer" in v.why for v in verdicts if v.state == "broke") >= 3:
                verdicts.append(Verdict("broke", "not run, because three others took too long"))
                continue
            child = child or _Child(tests, gives, context, seconds, FORK if fork is None else fork)
            said = child.ask(text)
            if said["spoilt"]:
                child.end()
                child = None
            if said["state"] == "blank":
                raise NotImplementedError
            verdicts.append(Verdict(said["state"], said["why"]))
    finally:
        if child:
            child.end()
    return verdicts[start:] if then is None else (verdicts[start:end], verdicts[end:])


class _Child:
    """The process that runs tests: what goes to it, and JSON lines that come back; it ends when our end closes."""

    def __init__(self, tests, gives, context, seconds, fork):
        self.process, self.seconds = None, seconds
        if fork:
            hear, say = os.pipe()
            listen, tell = os.pipe()
            with warnings.catch_warnings(action="ignore"):  # Python 3.12 warns of the kernel's threads
                self.pid = os.fork()
            if self.pid == 0:
                try:
                    _close_all_but(hear, tell)
                    _serve(os.fdopen(hear, "rb"), tell, lambda: (tests, gives, context), True, seconds)
                finally:
                    os._exit(1)
            os.close(hear)
            os.close(tell)
            self.say, self.listen = os.fdopen(say, "wb"), os.fdopen(listen, "rb")
        else:
            command = [sys.executable, "-c", "from daytwo import suites; suites._spawned()"]
            pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
            self.process = subprocess.Popen(command, **pipes, start_new_session=True)
            self.pid, self.say, self.listen = self.process.pid, self.process.stdin, self.process.stdout
            load = base64.b64encode(cloudpickle.dumps((tests, gives, context))).decode()
            lines = {f: linecache.getlines(f) for f in {_file(test) for test in tests.values()}}
            with contextlib.suppress(OSError):
                self._send({"load": load, "seconds": seconds, "lines": lines, "path": sys.path})
        self.said = queue.SimpleQueue()
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()
        with contextlib.suppress(queue.Empty):
            self.said.get(timeout=START)

    def _read(self):
        while line := self.listen.readline(1 << 17):
            self.said.put(line)
        self.said.put(b"")

    def _send(self, message):
        self.say.write(json.dumps(message).encode() + b"\n")
        self.say.flush()

    def ask(self, text):
        """What came of a version: state, why, and whether the process is of no more use."""
        token, why = secrets.token_hex(8), ENDED  # what a test may print or write carries no token
        try:
            self._send({"source": text, "token": token})
            said = json.loads(self.said.get(timeout=3 * self.seconds))
            state, why, spoilt = (said[k] for k in ("state", "why", "spoilt"))
            if said["token"] == token and state in ("passed", "caught", "broke", "blank"):
                return {"state": state, "why": str(why)[:LETTERS], "spoilt": spoilt is True}
        except queue.Empty:
            why = SLOW.format(self.seconds)
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
            pass
        return {"state": "broke", "why": why, "spoilt": True}

    def end(self):
        """Kill it and what it started; leave nothing open."""
        with contextlib.suppress(OSError):
            os.killpg(self.pid, signal.SIGKILL) if hasattr(os, "killpg") else self.process.kill()
        if self.process:
            self.process.wait()
        else:
            with contextlib.suppress(OSError):
                os.kill(self.pid, signal.SIGKILL)
            with contextlib.suppress(ChildProcessError):
                os.waitpid(self.pid, 0)
        self.reader.join(1)
        for pipe in (self.say, self.listen):
            with contextlib.suppress(OSError):
                pipe.close()


def _file(test):
    return getattr(getattr(inspect.unwrap(test), "__code__", None), "co_filename", "")


def _spawned():
    """What a fresh Python does first."""
    hear, tell = os.fdopen(os.dup(0), "rb"), os.dup(1)
    first = json.loads(hear.readline())
    sys.path[:] = first["path"]
    linecache.cache.update({f: (sum(map(len, text)), None, text, f) for f, text in first["lines"].items()})
    load = base64.b64decode(first["load"])
    _serve(hear, tell, lambda: cloudpickle.loads(load), False, first["seconds"])


def _serve(hear, tell, load, fork, seconds):
    """Read versions, run the tests on each, say what came of it; end with the process that asks, however it ends."""
    null = os.open(os.devnull, os.O_RDWR)
    for fd in (0, 1, 2):
        os.dup2(null, fd)
    sys.stdin, sys.stdout, sys.stderr = open(os.devnull), open(os.devnull, "w"), open(os.devnull, "w")  # noqa: SIM115
    if fork:
        os.setsid()
        data._load.cache_clear()  # whole tables, which every fork would carry along
        gc.freeze()  # a collection would touch, and so copy, all of the kernel's memory
    _limit(MINUTES)
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    os.environ.pop("PYTEST_ADDOPTS", None)
    versions = queue.SimpleQueue()

    def listen():
        for line in hear:
            versions.put(json.loads(line))
        os.killpg(0, signal.SIGKILL) if hasattr(os, "killpg") else os._exit(1)

    threading.Thread(target=listen, daemon=True).start()
    _write(tell, "ready")
    while True:
        plugin = _plugin(*load(), versions, hear, tell, seconds if fork else 0)
        pytest.main(PYTEST, plugins=[plugin])
        if not plugin.answered:
            plugin.answer("broke", plugin.trouble or "pytest could not run it")


def _plugin(tests, gives, context, versions, hear, tell, seconds):
    """A pytest plugin that collects `tests`, and runs them on one version after the other in the place of its loop."""
    module = types.ModuleType("notebook")
    vars(module).update(tests)

    class Notebook(pytest.Module):
        def _getobj(self):
            return module

    class Plugin:
        value, seen, trouble, answered = None, None, "", False

        @pytest.fixture(name=gives, scope="session")
        def version(self):
            return self.value

        def pytest_addoption(self, parser):
            parser.addoption("--tb", dest="tbstyle", default="native")  # its own explanations parse the whole file

        def pytest_pycollect_makemodule(self, module_path, parent):
            return Notebook.from_parent(parent, path=module_path)

        def pytest_collectreport(self, report):
            if report.failed:
                self.trouble = f"pytest could not collect it: {str(report.longrepr).strip().splitlines()[-1]}"

        def pytest_exception_interact(self, node, call):
            if isinstance(node, pytest.Item) and self.seen is None:
                self.seen = _told(node, call.excinfo)

        def pytest_runtestloop(self, session):
            while seconds and not self.trouble:
                version = versions.get()
                _write(
                    tell,
                    _forked(lambda v=version: self.judge(session, v), version["token"], seconds, (hear.fileno(), tell)),
                )
            if not self.trouble:
                version, before = versions.get(), _ground()
                said = self.judge(session, version)
                moved = any(
                    now.get(k) is not v for then, now in zip(before, _ground(), strict=True) for k, v in then.items()
                )
                _write(tell, said | {"spoilt": moved})
                self.answered = True
            return True

        def judge(self, session, version):
            """Run every test on one version until the first that fails."""
            try:
                names = {"__name__": "desk"} | context
                exec(compile(version["source"], "the code under test", "exec"), names)
                self.value = names[gives]
                for test in tests.values():  # as after an import: who calls the notebook's own means this version's
                    theirs = getattr(inspect.unwrap(test), "__globals__", {})
                    own = {n: f for n, f in names.items() if n in theirs and _is_of(f, names)}
                    now = {id(theirs[n]): f for n, f in own.items()}  # by whatever names it is known there
                    theirs.update({n: now[id(f)] for n, f in theirs.items() if id(f) in now})
                for item, following in zip(session.items, [*session.items[1:], None], strict=True):
                    session.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
                    if self.seen:
                        break
                state, why = self.seen or ("passed", "")
            except BaseException as error:  # pytest.exit, an interrupt, a version that is no Python
                state, why = "broke", f"{type(error).__name__}: {error}"
            return {"state": state, "why": why[:LETTERS], "spoilt": False, "token": version["token"]}

        def answer(self, state, why):
            _write(tell, {"state": state, "why": why[:LETTERS], "spoilt": True, "token": versions.get()["token"]})

    return Plugin()


def _close_all_but(*kept):
    """Leave nothing open that belongs to the notebook: its sockets, its files."""
    low = 3
    for fd in (*sorted(kept), 1 << 16):
        os.closerange(low, fd)
        low = fd + 1


def _write(fd, message):
    os.write(fd, json.dumps(message).encode() + b"\n")


def _forked(work, token, seconds, closed):
    """What `work()` gives in a fork of this process that may take so many seconds; only what has the token counts."""
    reading, writing = os.pipe()
    with warnings.catch_warnings(action="ignore"):
        pid = os.fork()
    if pid == 0:
        try:
            for fd in closed:
                os.close(fd)
            _limit(seconds)
            os.write(writing, json.dumps(work()).encode())
        finally:
            os._exit(0)
    os.close(writing)
    slow = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGXCPU
    os.set_blocking(reading, False)  # something it started may still hold the other end
    with contextlib.suppress(OSError, ValueError, TypeError, KeyError), os.fdopen(reading, "rb", 0) as pipe:
        said = json.loads(pipe.read(1 << 16))
        if said["token"] == token:
            return said
    why = SLOW.format(seconds) if slow else ENDED
    return {"state": "broke", "why": why, "spoilt": False, "token": token}


def _limit(cpu):
    """Bounds that hold for whatever a test does, where the system has them."""
    with contextlib.suppress(ImportError, OSError, ValueError):
        import resource

        bounds = [(resource.RLIMIT_CORE, 0), (resource.RLIMIT_CPU, cpu)]
        if sys.platform == "linux":
            with open("/proc/self/statm") as file:
                mapped = int(file.read().split()[0]) * resource.getpagesize()
            bounds.append((resource.RLIMIT_AS, mapped + MEMORY * 2**20))
        for what, value in bounds:
            few = [x for x in (value, *resource.getrlimit(what)) if x != resource.RLIM_INFINITY]
            most = min([x for x in (value + 1, resource.getrlimit(what)[1]) if x != resource.RLIM_INFINITY])
            resource.setrlimit(what, (min(min(few), most), most))


def _is_of(value, names):
    """Whether a version defines this function itself."""
    return inspect.isfunction(value) and value.__globals__ is names


def _ground():
    """What the next version stands on too, where all versions share a process."""
    places = [
        vars(sys.modules[n]) for n in ("builtins", "datetime", "numpy", "os", "pandas", "time") if n in sys.modules
    ]
    places += [vars(getattr(sys.modules["pandas"], n)) for n in ("DataFrame", "Series") if "pandas" in sys.modules]
    return [{k: v for k, v in place.items() if callable(v)} for place in places]


def _told(item, excinfo) -> tuple:
    """(state, why) of a test that did not pass."""
    error = excinfo.value
    if type(error) is NotImplementedError and not error.args:
        return "blank", ""
    if isinstance(error, SystemExit):
        return "broke", f"{item.name} called sys.exit"
    if isinstance(error, MemoryError):
        return "broke", f"{item.name} used too much memory"
    if hasattr(error, "argname"):
        return "caught", f"{item.name}: there is no argument or fixture {error.argname!r}"
    said = str(error).strip().splitlines()[:1]
    said = ": ".join([type(error).__name__, *said]) if type(error) is not AssertionError else "".join(said)
    ours = [entry for entry in excinfo.traceback if entry.frame.code.raw.co_filename == _file(item.obj)]
    text = ""
    with contextlib.suppress(Exception):  # where there is no source to show
        code, at = ours[-1].frame.code.raw, ours[-1]._rawentry.tb_lasti // 2
        first, last, *_ = list(code.co_positions())[at]
        text = " ".join("".join(linecache.getlines(_file(item.obj))[first - 1 : last]).split())
    values = _values(text, ours[-1].frame) if ours and isinstance(error, AssertionError) else ""
    parts = [": ".join(part for part in (item.name, text) if part), values, said]
    return "caught", "; ".join(part for part in parts if part)


def _values(text, frame) -> str:
    """What stood on the two sides of an assert that failed, as far as that can be told."""
    with contextlib.suppress(Exception):
        test = ast.parse(text).body[0].test
        sides = [test.left, *test.comparators]
        said = [(ast.unparse(s), repr(eval(ast.unparse(s), frame.f_globals, frame.f_locals))) for s in sides]
        return ", ".join(f"{name} is {' '.join(value.split())[:200]}" for name, value in said if name != value)
    return ""
