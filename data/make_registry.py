"""Write `registry.json`: what an empty MLflow database on sqlite consists of, as SQL.

Run `python data/make_registry.py` when a test says that MLflow has outgrown it. MLflow takes seconds to make such a
database, table by table and migration by migration; from this file it takes milliseconds.
"""

import json
import os
import sqlite3
import tempfile
from pathlib import Path

os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
TARGET = Path(__file__).with_name("registry.json")


def main():
    import mlflow
    from mlflow import MlflowClient
    from mlflow.store.db.utils import _get_latest_schema_revision

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "mlflow.db"
        MlflowClient(f"sqlite:///{path}", f"sqlite:///{path}").search_registered_models()
        database = sqlite3.connect(path)
        database.execute("UPDATE experiments SET artifact_location = '', creation_time = 0, last_update_time = 0")
        lines = list(database.iterdump())
        database.close()
    made = {"mlflow": mlflow.__version__, "revision": _get_latest_schema_revision(), "sql": lines}
    TARGET.write_text(json.dumps(made, indent=0, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
