"""Where the parts lie, the one list of quiet variables, and the hash of all that a result depends on."""

import hashlib
import resource
import sys
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SOLUTIONS, COURSE = ROOT / "solutions", ROOT / "course"

QUIET = {  # of whatever runs a lesson here: nobody is called, nothing is remembered, one thread, one order of sets
    "DAYTWO_PROGRESS": "off",
    "MPLBACKEND": "agg",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DAGSTER_DISABLE_TELEMETRY": "yes",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "PYTHONHASHSEED": "0",
}

# What a student's process can find out about the environment it was forked in: nothing of the teacher's but this.
KEPT = ("HOME", "LANG", "LD_LIBRARY_PATH", "PATH", "PYTHONPATH", "SYSTEMROOT", "TEMP", "TMPDIR", "VIRTUAL_ENV")


def plain_environment(**more):
    """QUIET for a kernel, which draws inline, and `more`."""
    return {name: value for name, value in QUIET.items() if name != "MPLBACKEND"} | more


@cache
def foundation(*rooms):
    """A hash of all that results depend on beside the lesson: Python, these rooms, `daytwo`, the data, the lock."""
    own = hashlib.sha256(sys.version.encode())
    paths = [ROOT / "grading" / "environment.py", ROOT / "requirements.txt"]
    for folder in (*(ROOT / "grading" / room for room in rooms), ROOT / "course" / "daytwo", ROOT / "data"):
        kinds = (p for p in folder.rglob("*") if p.suffix in (".py", ".parquet", ".json") and p.is_file())
        paths += sorted(p for p in kinds if p.relative_to(folder).parts[0] != "lessons")  # those are results
    for path in paths:
        own.update(path.name.encode() + (path.read_bytes() if path.exists() else b""))
    return own.hexdigest()


def spent():
    """CPU seconds of this process and of its children that have ended: what a lesson takes, whoever else is busy."""
    return sum(sum(resource.getrusage(who)[:2]) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
