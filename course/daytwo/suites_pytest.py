"""pytest, run on one version of the code after the other, inside the process that `suites_child` starts."""

import contextlib
import importlib
import inspect
import json
import os
import signal
import sys
import types
import warnings

import pytest

from daytwo.suites_words import ENDED, LETTERS, NONE, SLOW, functions, told

MEMORY = 1_000  # MB that tests may use beyond what is there when they start; Linux only
OFF = ("cacheprovider", "terminal", "unraisableexception", "threadexception", "doctest", "faulthandler")
OPTIONS = [*(f"-pno:{name}" for name in OFF), "--noconftest", "-s", "-c", os.devnull, "--rootdir", os.curdir]
for _name in importlib.import_module("_pytest.config").default_plugins:  # pytest imports its parts late: now, and once
    importlib.import_module(f"_pytest.{_name}")


def session(load, versions, hear, tell, seconds):
    """One run of pytest: where versions are forked (`seconds` is not 0) for all of them, else for the next one."""
    os.environ |= {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTEST_ADDOPTS": ""}
    plugin = _plugin(*load, versions, hear, tell, seconds)
    pytest.main([*OPTIONS, __file__], plugins=[plugin])  # this file stands in for the notebook
    if not plugin.answered:
        why, token = plugin.trouble or "pytest could not run it", versions.get()["token"]
        _write(tell, {"state": "broke", "why": why[:LETTERS], "spoilt": True, "token": token})


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
                self.seen = told(node, call.excinfo)

        def pytest_runtestloop(self, session):
            self.trouble = self.trouble or (NONE if not session.items else "")
            while seconds and not self.trouble:
                version = versions.get()
                said = _forked(lambda v=version: self.judge(session, v), version["token"], seconds, (hear, tell))
                _write(tell, said)
            if not self.trouble:
                version, before = versions.get(), _ground()
                said = self.judge(session, version)
                _write(tell, said | {"spoilt": _ground() != before})
                self.answered = True
            return True

        def judge(self, session, version):
            """Run every test on one version until the first that fails."""
            try:
                exec(compile(version["source"], "the code under test", "exec"), names := {"__name__": "desk"} | context)
                self.value = names[gives]
                for test in functions(tests):
                    _replace(test.__globals__, names)
                for item, following in zip(session.items, [*session.items[1:], None], strict=True):
                    session.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
                    if self.seen:
                        break
                state, why = self.seen or ("passed", "")
            except BaseException as error:  # pytest.exit, an interrupt, a version that is no Python
                state, why = "broke", f"{type(error).__name__}: {error}"
            return {"state": state, "why": why[:LETTERS], "spoilt": False, "token": version["token"]}

    return Plugin()


def _replace(theirs, names):
    """Let a notebook's names mean this version's functions, as after an import, by whatever names it knows them."""
    own = {n: f for n, f in names.items() if n in theirs and inspect.isfunction(f) and f.__globals__ is names}
    now = {id(theirs[n]): f for n, f in own.items()}
    theirs.update({n: now[id(f)] for n, f in theirs.items() if id(f) in now})


def _ground():
    """What the next version stands on too, where all versions share a process."""
    known = [sys.modules[n] for n in ("builtins", "datetime", "numpy", "os", "pandas", "time") if n in sys.modules]
    known += [getattr(sys.modules["pandas"], n) for n in ("DataFrame", "Series") if "pandas" in sys.modules]
    return [{k: id(v) for k, v in vars(place).items() if callable(v)} for place in known]


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
            limit(seconds)
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
    return {"state": "broke", "why": SLOW.format(seconds) if slow else ENDED, "spoilt": False, "token": token}


def limit(cpu):
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
