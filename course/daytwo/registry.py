"""A real MLflow registry, on sqlite in a temporary folder, and releases in it.

Models are versions of `late`. A *release* is a version of `release`: its source is the model, its tags name what must
change together (`PARTS`) and the release that it `replaces`. What serves is the release under the alias `champion`:
one pointer, moved by one transaction. `daytwo.resilience.Releases` moves it.
"""

import contextlib
import copyreg
import json
import logging
import os
import shutil
import socket
import sqlite3
import tempfile
from functools import cache
from importlib.resources import files
from pathlib import Path

os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"  # before it is imported: it would look for a network

import mlflow
import psutil
from mlflow import MlflowClient
from mlflow.store.db.utils import _get_latest_schema_revision
from sqlalchemy import event
from sqlalchemy.engine import Engine

MODEL, RELEASE, CHAMPION = "late", "release", "champion"
PARTS = ("model", "features", "threshold")
FILE = "model.skops"
TRUSTED = ["numpy.dtype"]  # what skops must be told to trust in the model of record
logging.getLogger("mlflow.store.db.utils").setLevel(logging.WARNING)  # it tells of every engine that it makes
PREFIX = f"daytwo-registry-{socket.gethostname()}-"


@contextlib.contextmanager
def new():
    """An empty registry as an `MlflowClient`; with the block its folder is gone."""
    sweep()
    me = psutil.Process()
    folder = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{me.pid}-{int(me.create_time())}-"))
    try:
        (folder / "mlflow.db").write_bytes(_empty())
        with contextlib.closing(sqlite3.connect(folder / "mlflow.db")) as database, database:
            database.execute("UPDATE experiments SET artifact_location = ?", [(folder / "runs").as_uri()])
        client = connect(folder)
        for name in (MODEL, RELEASE):
            client.create_registered_model(name)
        yield client
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def connect(folder):
    """A client of the registry in this folder. It keeps no connection open: no fork, copy or kill harms it."""
    address = f"sqlite:///{Path(folder, 'mlflow.db')}"
    before = os.environ.get("MLFLOW_SQLALCHEMYSTORE_POOLCLASS")
    os.environ["MLFLOW_SQLALCHEMYSTORE_POOLCLASS"] = "NullPool"
    try:
        client = MlflowClient(address, address)
        client.search_registered_models(max_results=1)  # now, for the engine is made by the first question
    finally:
        os.environ.pop("MLFLOW_SQLALCHEMYSTORE_POOLCLASS")
        if before is not None:
            os.environ["MLFLOW_SQLALCHEMYSTORE_POOLCLASS"] = before
    return client


def folder_of(client):
    """Where a registry lies."""
    return Path(client.tracking_uri.removeprefix("sqlite:///")).parent


def state(client):
    """All that is registered, as bytes; `restore` takes it back."""
    return (folder_of(client) / "mlflow.db").read_bytes()


def restore(client, state):
    """The registry as it was; what a killed process left half-written beside it goes too."""
    for path in folder_of(client).glob("mlflow.db*"):
        path.unlink()
    (folder_of(client) / "mlflow.db").write_bytes(state)


def writes(tick):
    """The watch (see `daytwo.crash`) over databases: a step before each statement that writes and each commit."""
    _watch(tick, every=True)


def commits(tick):
    """The watch over databases that has a step before each commit only."""
    _watch(tick, every=False)


def _watch(tick, every):
    dirty = False

    def statement(connection, cursor, text, *_):
        nonlocal dirty
        if not text.lstrip().upper().startswith(("SELECT", "PRAGMA")):
            dirty = True
            if every:
                tick()

    def commit(connection):
        nonlocal dirty
        if dirty:
            dirty = False
            tick()

    event.listen(Engine, "before_cursor_execute", statement)
    event.listen(Engine, "commit", commit)


def save(client, model):
    """Register a scikit-learn model as the next version of `late`; the version. Stored with skops: no pickle."""
    from skops import io  # by itself, for the flavours of MLflow take two seconds to import

    where = tempfile.mkdtemp(prefix="model-", dir=folder_of(client))
    io.dump(model, Path(where, FILE))
    return client.create_model_version(MODEL, where).version


def load(client, version):
    """The model of a version of `late`."""
    from skops import io

    return io.load(Path(client.get_model_version_download_uri(MODEL, str(version)), FILE), trusted=TRUSTED)


def champion(client):
    """The release that serves, an MLflow `ModelVersion`; None before the first."""
    try:
        return client.get_model_version_by_alias(RELEASE, CHAMPION)
    except mlflow.MlflowException as error:
        if error.error_code in ("INVALID_PARAMETER_VALUE", "RESOURCE_DOES_NOT_EXIST"):
            return None
        raise


def sweep():
    """Remove the folders of processes that are gone."""
    for path in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        pid, born, _ = path.name.removeprefix(PREFIX).split("-", 2)
        try:
            alive = int(psutil.Process(int(pid)).create_time()) == int(born)
        except psutil.Error:
            alive = False
        if not alive:
            shutil.rmtree(path, ignore_errors=True)


@event.listens_for(Engine, "connect")
def _hurry(connection, _):
    """Our own databases need not outlive a power failure, so nobody waits for the disk; a kill they survive as ever."""
    if isinstance(connection, sqlite3.Connection):
        path = connection.execute("PRAGMA database_list").fetchone()[2]
        if PREFIX in path:
            connection.execute("PRAGMA synchronous = OFF")


@cache
def _empty():
    """An empty MLflow database, as bytes."""
    made = json.loads(files("daytwo_data").joinpath("registry.json").read_text(encoding="utf-8"))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "mlflow.db"
        if made["revision"] == _get_latest_schema_revision():
            with contextlib.closing(sqlite3.connect(path)) as database:
                database.executescript("PRAGMA synchronous = OFF;\n" + "\n".join(made["sql"]))
        else:  # another MLflow than the file was made with: it makes its own, in seconds
            connect(folder)
        return path.read_bytes()


copyreg.pickle(MlflowClient, lambda client: (connect, (folder_of(client),)))  # for a child that starts from nothing
