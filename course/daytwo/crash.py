"""Break things on purpose, and say in words what is left.

`everywhere` kills work at every one of its steps, for real: a child process, and a signal that nothing can catch. What
counts as a step is for a *watch* to say: `changes(folder)` here, `daytwo.registry.writes` for a registry. It is called
in the child with a function `tick`, and sees to it that `tick()` is called at each step.

The rest are scenes for what `daytwo.resilience` holds: a server on a script (`drive`), rungs of a ladder (`climb`),
releases in a registry (`story`, `busy`, `killed_scene`) and a job at night (`nights`, `kill_job`, `spoil_job`).
"""

import contextlib
import os
import pickle
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import warnings
from io import IOBase
from itertools import groupby
from pathlib import Path

from .resilience import Refused, Rung

FORK = hasattr(os, "fork")  # elsewhere (Windows) every child starts from nothing, which takes seconds
SECONDS = 60  # a child may take so long
MOST = 200  # steps
CHANGING = ("io", "_io", "posix", "nt", "_pickle", "sqlite3")  # modules of C functions that write files


def everywhere(work, watch, before=lambda: None):
    """Run `work()` in one child after the other, killed at its first, second, … step; yields that number each time.

    `before()` is called here ahead of every child. It ends with the first child that comes to its end; what `work`
    raises is raised here.
    """
    for step in range(1, MOST + 1):
        before()
        if not killed(work, watch, step):
            return
        yield step
    raise RuntimeError(f"The work had not come to its end after {MOST} steps.")


def killed(work, watch, step):
    """Run `work()` in a child that is killed at this step; whether it was, or came to its end before that."""
    code = (_fork if FORK else _spawn)(work, watch, step)
    if code == 1:
        work()  # once more, here, to have what it raises
        raise RuntimeError("The work fails in a process of its own, and only there.")
    return code != 0


def changes(folder):
    """The watch over files: a step is done whenever something in `folder` has changed on disk."""

    def watch(tick):
        seen = _look(folder)

        def hook(frame, event, called):
            nonlocal seen
            if event == "c_return" and _may_write(called):
                before, seen = seen, _look(folder)
                if seen != before:
                    tick()

        sys.setprofile(hook)

    return watch


def _may_write(called):
    """Whether this function of C's may have changed a file."""
    owner = getattr(called, "__self__", None)
    return isinstance(owner, IOBase) or (getattr(called, "__module__", None) or type(owner).__module__) in CHANGING


def _look(folder):
    """Every file of a folder: {path: content}."""
    found = {}
    for path in Path(folder).rglob("*"):
        with contextlib.suppress(OSError):
            found[str(path)] = path.read_bytes() if path.is_file() else None
    return found


def _child(work, watch, step, parent_is_gone):
    """What the child does; it dies at the step, and when its parent is gone."""
    sys.stdout = sys.stderr = open(os.devnull, "w")  # noqa: SIM115
    threading.Thread(target=lambda: (parent_is_gone(), os._exit(3)), daemon=True).start()
    left = step

    def tick():
        nonlocal left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), getattr(signal, "SIGKILL", signal.SIGTERM))  # Windows ends it at once as well

    code = 1
    try:
        watch(tick)
        work()
        code = 0
    finally:
        os._exit(code)


def _fork(work, watch, step):
    ours, theirs = socket.socketpair()  # each end hears when the other's process is gone
    with ours, theirs:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # a notebook has threads; the child needs none of them
            pid = os.fork()
        if pid == 0:
            ours.close()
            _child(work, watch, step, lambda: theirs.recv(1))
        theirs.close()
        ours.settimeout(SECONDS)
        try:
            ours.recv(1)
        except TimeoutError:
            raise TimeoutError(f"The work took longer than {SECONDS} s.") from None
        finally:
            os.kill(pid, signal.SIGKILL)
            status = os.waitpid(pid, 0)[1]
    return os.waitstatus_to_exitcode(status)


def _spawn(work, watch, step):
    import cloudpickle

    command = [sys.executable, "-c", "from daytwo import crash; crash._spawned()"]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(command, stdin=subprocess.PIPE, **quiet) as process:
        try:
            process.stdin.write(cloudpickle.dumps((work, watch, step)))
            process.stdin.flush()  # and stays open: its end tells the child that this process is gone
            return process.wait(SECONDS)
        except subprocess.TimeoutExpired:
            raise TimeoutError(f"The work took longer than {SECONDS} s.") from None
        finally:
            process.kill()


def _spawned():
    work, watch, step = pickle.load(sys.stdin.buffer)
    _child(work, watch, step, sys.stdin.buffer.read)


class Clock:
    """A clock that moves only when told: `clock()` is its time, `clock.sleep(x)` moves it."""

    def __init__(self, now=8_000):
        self.now = now

    def __call__(self):
        return self.now

    def sleep(self, time):
        self.now += time


TROUBLE = {"down": ConnectionError, "slow": TimeoutError, "bad": ValueError, "stop": KeyboardInterrupt}


def drive(breaker, **seconds):
    """What the callers of a breaker hear, one after the other, as in "5 failed, 2 refused, 1 ok".

    `seconds` says when the server is asked in which mood: `ok=[0, 1], down=[2]`, also `slow` (a time-out), `bad` (the
    request is at fault) and `stop` (Ctrl-C). What is odd is said too, as in "failed, asked 3 times".
    """
    calls = sorted(((second, mood) for mood in seconds for second in seconds[mood]), key=lambda call: call[0])
    heard = [_heard(breaker, second, mood) for second, mood in calls]
    return ", ".join(f"{len(list(same))} {what}" for what, same in groupby(heard))


def _heard(breaker, second, mood):
    asked = []

    def ask():
        asked.append(mood)
        if mood in TROUBLE:
            raise TROUBLE[mood](mood)
        return 0.3

    try:
        came = breaker.call(second, ask)
        what = "ok" if came == 0.3 else f"got {came!r}"
    except Refused:
        return "refused, but asked" if asked else "refused"
    except NotImplementedError:
        raise  # a blank
    except BaseException as error:
        mine = {"down": "failed", "slow": "failed", "bad": "bad", "stop": "stopped"}
        what = mine[mood] if mood in TROUBLE and type(error) is TROUBLE[mood] else type(error).__name__
    return what if len(asked) == 1 else f"{what}, asked {len(asked)} times"


def rung(name, comes, takes=20, limit=100, threshold=0.3):
    """A rung for `climb`: what comes (an exception class is raised), the ms that it takes, its limit and threshold."""
    return name, comes, takes, limit, threshold


def climb(answer, *rungs, patience=250):
    """What `answer` says about a flight on these rungs, and who was asked for how long ("model 150 ms, rates 1 ms")."""
    clock, asked = Clock(), []

    def ready(name, comes, takes, limit, threshold):
        def ask(flight):
            asked.append(f"{name} {takes} ms")
            clock.sleep(takes)
            if isinstance(comes, type):
                raise comes("no answer")
            return comes

        return Rung(name, ask, limit, threshold)

    try:
        said = answer("flight", [ready(*r) for r in rungs], 0.25, clock, patience)
    except KeyboardInterrupt:
        said = "stopped"
    return said, ", ".join(asked)


@contextlib.contextmanager
def _desk():
    """A fresh registry with three models."""
    from . import registry

    with registry.new() as client:
        for number in (1, 2, 3):
            client.create_model_version(registry.MODEL, f"late-{number}")
        yield client


def serving(client):
    """What the desk reads, in words: "model 2, km, 0.1992; replaces 1", or "nothing"."""
    from . import registry

    now = registry.champion(client)
    if now is None:
        return "nothing"
    model = client.get_model_version_download_uri(registry.RELEASE, now.version).removeprefix("late-")
    parts = f"model {model}, {now.tags.get('features')}, {now.tags.get('threshold')}"
    return f"{parts}; replaces {now.tags.get('replaces', 'nothing')}"


def _scene(Releases, client, scene):
    releases = Releases(client)
    return releases.promote(dict(scene)) if isinstance(scene, dict) else releases.roll_back(scene)


def story(Releases, *scenes):
    """What serves after each scene: a dict is promoted, a number is the release that is rolled back.

    Every scene is played by a new `Releases(client)`. An exception is told by its name, before what serves.
    """
    told = []
    with _desk() as client:
        for scene in scenes:
            raised = ""
            try:
                _scene(Releases, client, scene)
            except NotImplementedError:
                raise
            except Exception as error:
                raised = f"{_kind(error)}; "
            told.append(raised + serving(client))
    return told


def _kind(error):
    """Which of the exceptions that people agree on this is."""
    return next((k.__name__ for k in (ValueError, LookupError) if isinstance(error, k)), type(error).__name__)


class Busy:
    """A client whose database is locked the first time that it is asked; then it is as ever."""

    def __init__(self, client):
        self._client, self._asked = client, False

    def __getattr__(self, name):
        found = getattr(self._client, name)
        if self._asked or not callable(found):
            return found
        from mlflow import MlflowException
        from mlflow.protos.databricks_pb2 import TEMPORARILY_UNAVAILABLE  # as MLflow says it of a locked database

        def locked(*args, **kwargs):
            if self._asked:
                return found(*args, **kwargs)
            self._asked = True
            raise MlflowException("database is locked", error_code=TEMPORARILY_UNAVAILABLE)

        return locked


def busy(Releases, *scenes):
    """What serves in the end, when the database is locked as the last scene begins, and it is then played again."""
    with _desk() as client:
        for scene in scenes[:-1]:
            _scene(Releases, client, scene)
        with contextlib.suppress(Exception):
            _scene(Releases, Busy(client), scenes[-1])
        _scene(Releases, client, scenes[-1])
        return serving(client)


def killed_scene(Releases, *scenes):
    """The last scene, killed before each of its commits: all that served then, and all that serves when run again."""
    from . import registry

    left, again = set(), set()
    with _desk() as client:
        for scene in scenes[:-1]:
            _scene(Releases, client, scene)
        state = registry.state(client)

        def work():
            _scene(Releases, client, scenes[-1])

        for _ in everywhere(work, registry.commits, lambda: registry.restore(client, state)):
            left.add(serving(client))
            try:
                work()
                again.add(serving(client))
            except Exception as error:
                again.add(_kind(error))
    return sorted(left), sorted(again)


@contextlib.contextmanager
def _night():
    """A path for a checkpoint, a step that joins the items up, and a log of its calls that lies elsewhere."""
    with tempfile.TemporaryDirectory() as outside:
        job, log = Path(outside, "job"), Path(outside, "log")
        job.mkdir()

        def step(state, item):
            with open(log, "a", encoding="utf-8") as file:
                file.write(item)
            if item == "?":
                raise ZeroDivisionError("a bad night")
            return {"all": state.get("all", "") + item}

        yield job / "checkpoint", step, log


def _end(resume, items, step, path):
    """The last state, or the name of what was raised."""
    try:
        return resume(list(items), step, path)
    except NotImplementedError:
        raise
    except Exception as error:
        return type(error).__name__


def nights(resume, *lists):
    """A job over these lists, one a night, with one checkpoint: (last state, the items computed) of each night.

    A step joins its item to the state's "all"; the item "?" raises.
    """
    told = []
    with _night() as (path, step, log):
        for items in lists:
            log.write_text("")
            told.append((_end(resume, items, step, path), log.read_text()))
    return told


def kill_job(resume, items):
    """A job killed at each change of its files and run again: every last state, and how often a step was repeated."""
    with _night() as (path, step, log):
        ends, repeated = [], 0

        def clear():
            for file in path.parent.iterdir():
                file.unlink()
            log.write_text("")

        for _ in everywhere(lambda: resume(list(items), step, path), changes(path.parent), clear):
            end = _end(resume, items, step, path)
            ends += [end] if end not in ends else []
            repeated = max(repeated, len(log.read_text()) - len(items))
    return ends, f"{repeated} steps repeated" if repeated > 1 else "one step repeated at most"


def spoil_job(resume, items):
    """A finished job run again after its checkpoint has been cut short, anywhere: every last state."""
    with _night() as (path, step, _):
        resume(list(items), step, path)
        sound, ends = path.read_bytes(), []
        for k in range(8):
            path.write_bytes(sound[: len(sound) * k // 8])
            end = _end(resume, items, step, path)
            ends += [end] if end not in ends else []
    return ends
