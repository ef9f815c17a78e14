"""What the lessons' registry and killer promise: real kills, whole releases, and nothing left behind."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from importlib.resources import files
from pathlib import Path

import mlflow
import numpy as np
import psutil
import pytest
from daytwo import crash, features, flights, predict, registry, resilience, train, weather
from mlflow.store.db.utils import _get_latest_schema_revision

OLD = {"model": "1", "features": "miles", "threshold": "0.2901"}
NEW = {"model": "2", "features": "km", "threshold": "0.1992"}


@pytest.fixture
def client():
    """A registry of two models, in which `OLD` serves."""
    with registry.new() as client:
        for n in (1, 2):
            client.create_model_version("late", f"late-{n}")
        resilience.Releases(client).promote(OLD)
        yield client


def parts(client):
    """The parts of the release that serves."""
    tags = registry.champion(client).tags
    return {name: tags.get(name) for name in registry.PARTS}


def test_killed_at_any_write_the_old_release_or_the_new_one_serves_whole(client):
    state, steps = registry.state(client), 0

    def work():
        resilience.Releases(client).promote(NEW)

    for steps in crash.everywhere(work, registry.writes, lambda: registry.restore(client, state)):  # noqa: B007
        assert parts(client) in (OLD, NEW)
        work()
        assert parts(client) == NEW
        assert registry.champion(client).tags["replaces"] == "1"
    assert steps >= 4


def test_a_model_comes_back_as_it_was_and_is_no_pickle():
    some = flights().iloc[:3_000]
    known = features(some, weather())
    model = train(known, some.late)
    with registry.new() as client:
        version = registry.save(client, model)
        loaded = registry.load(client, version)
        names = [path.name for path in registry.folder_of(client).rglob("*")]
    assert np.array_equal(predict(loaded, known), predict(model, known))
    assert any(name.endswith(".skops") for name in names) and not any(name.endswith(".pkl") for name in names)


def test_the_ready_made_database_fits_the_installed_mlflow():
    made = json.loads(files("daytwo_data").joinpath("registry.json").read_text())["revision"]
    assert made == _get_latest_schema_revision(), (
        f"MLflow {mlflow.__version__} has outgrown data/registry.json: run `python data/make_registry.py` and commit it"
    )


def test_an_mlflow_that_has_outgrown_it_still_gets_a_registry(monkeypatch):
    monkeypatch.setattr(registry, "_get_latest_schema_revision", lambda: "another")
    registry._empty.cache_clear()
    try:
        with registry.new() as client:
            assert registry.champion(client) is None
    finally:
        registry._empty.cache_clear()


def test_runs_can_be_logged_too():
    with registry.new() as client:
        run = client.create_run("0")
        client.log_metric(run.info.run_id, "auc", 0.65)
        assert client.get_run(run.info.run_id).data.metrics == {"auc": 0.65}
        assert Path(run.info.artifact_uri.removeprefix("file://")).is_relative_to(registry.folder_of(client))


def test_nothing_is_left_behind(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))  # others use the usual one at the same time
    with registry.new() as client:
        folder = registry.folder_of(client)
        client.create_run("0")
        assert folder.exists() and folder.parent == tmp_path
        assert not any("mlflow.db" in file.path for file in psutil.Process().open_files())
    assert not list(tmp_path.iterdir())


SLEEPER = """
import time
from daytwo import crash, registry
with registry.new() as client:
    print(registry.folder_of(client), flush=True)
    crash.killed(lambda: time.sleep(100), registry.writes, 1)
"""


def test_what_a_killed_process_leaves_ends_or_is_swept():
    with subprocess.Popen([sys.executable, "-c", SLEEPER], stdout=subprocess.PIPE, text=True) as process:
        folder = Path(process.stdout.readline().strip())
        me, end = psutil.Process(process.pid), time.monotonic() + 20
        while not (children := me.children()) and time.monotonic() < end:
            time.sleep(0.05)
        assert children and folder.exists()
        process.kill()
    _, alive = psutil.wait_procs(children, timeout=10)
    assert not alive
    with registry.new():
        assert not folder.exists()


def test_a_living_process_keeps_its_folder():
    with registry.new() as one, registry.new() as other:
        registry.sweep()
        assert registry.folder_of(one).exists() and registry.folder_of(other).exists()


@pytest.mark.parametrize(
    "fork", [pytest.param(True, marks=pytest.mark.skipif(not crash.FORK, reason="no fork")), False]
)
def test_work_is_killed_between_two_changes_of_a_file(tmp_path, monkeypatch, fork):
    monkeypatch.setattr(crash, "FORK", fork)
    path = tmp_path / "it"

    def work():
        with open(path, "w") as file:
            file.write("one")
        path.write_text("three")

    left = []
    for _ in crash.everywhere(work, crash.changes(tmp_path), lambda: path.unlink(missing_ok=True)):
        left.append(path.read_text())
        if not fork and len(left) == 2:
            break
    assert left == ["", "one", "", "three"][: len(left)] and len(left) >= 2


@pytest.mark.skipif(not crash.FORK, reason="a process that starts from nothing cannot see what this one does")
def test_the_child_dies_of_a_signal_and_is_another_process(tmp_path):
    def work():
        (tmp_path / "pid").write_text(str(os.getpid()))
        (tmp_path / "end").write_text("reached")

    assert crash._fork(work, crash.changes(tmp_path), 3) == -signal.SIGKILL
    assert (tmp_path / "pid").read_text() != str(os.getpid())
    assert crash._fork(work, crash.changes(tmp_path), 99) == 0


def test_what_work_raises_is_raised_here(tmp_path):
    def work():
        raise ZeroDivisionError("a bad night")

    with pytest.raises(ZeroDivisionError, match="a bad night"):
        list(crash.everywhere(work, crash.changes(tmp_path)))


@pytest.mark.skipif(not crash.FORK, reason="slow without it")
def test_work_that_hangs_is_ended(monkeypatch, tmp_path):
    monkeypatch.setattr(crash, "SECONDS", 0.5)
    with pytest.raises(TimeoutError):
        crash.killed(lambda: time.sleep(60), crash.changes(tmp_path), 1)
    assert not psutil.Process().children()
