"""Set-up and the verbs of `make`: `python3 grading/bootstrap.py lab`, `… test`, and the others in VERBS.

Runs before anything is installed: standard library only, and no syntax newer than Python 3.6,
so that a wrong Python is answered with a sentence.
"""

import contextlib
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PYTHONS = ("3.13", "3.12", "3.11")
LISTS = ("pyproject.toml", "requirements.txt")
SPACE = 2e9  # bytes; everything takes 1.4e9, and unpacking wants some room

# In the conda environment of environment.yml we install there, everywhere else in .venv.
CONDA = os.environ.get("CONDA_DEFAULT_ENV") == "daytwo" and os.environ.get("CONDA_PREFIX") == sys.prefix
ENV = Path(sys.prefix) if CONDA else ROOT / ".venv"
BIN = ENV / ("Scripts" if os.name == "nt" else "bin")
PYTHON = Path(sys.executable) if CONDA else BIN / ("python.exe" if os.name == "nt" else "python")
STAMP = ENV / "daytwo.json"  # written last: an environment without it is half made
WORK = Path(os.environ.get("DAYTWO_WORK", ROOT / "work"))

OURS = {
    "DO_NOT_TRACK": "1",
    "JUPYTER_PREFER_ENV_PATH": "1",  # else a kernel named python3 in the home directory stands before ours
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "PYTHONUTF8": "1",
    "VIRTUAL_ENV": str(ENV),
}
THEIRS = ("JUPYTER_PATH", "PIP_PREFIX", "PIP_TARGET", "PIP_USER", "PYTHONHOME", "PYTHONPATH", "__PYVENV_LAUNCHER__")
QUIET = {  # JupyterLab for a learner calls nobody, asks nothing, and leaves out what only teachers use
    "jupyter_lab_config.json": {"LabApp": {"extension_manager": "readonly", "news_url": None}},
    "jupyter_server_config.json": {
        "ServerApp": {
            "jpserver_extensions": {
                f"nbgrader.server_extensions.{name}": False
                for name in ("assignment_list", "course_list", "formgrader", "validate_assignment")
            }
        }
    },
    "labconfig/page_config.json": {
        "disabledExtensions": {"@jupyter/nbgrader": True, "@jupyterlab/apputils-extension:announcements": True}
    },
}
FULL = "No space left|not enough space|os error 28|os error 112"
TROUBLE = (  # what an installer said, and the sentence for it
    (FULL, "The disk is full: the packages need about 2 GB."),
    ("Permission denied|Read-only file system|Access is denied", f"This folder can't be written to: {ROOT}"),
    (
        "(?i)connect|dns|resolution|timed out|network|unreachable|certificate|no matching distribution",
        f"The packages could not be fetched: is this machine online? ({ENV / 'install.log'} says more.)",
    ),
    ("", f"The packages could not be installed: {ENV / 'install.log'} says why."),
)

WIDE = {"@jupyterlab/filebrowser-extension:browser": {"showLastModifiedColumn": False, "showFileSizeColumn": False}}
KIND = 'c = get_config()  # noqa\nc.InteractiveShellApp.extensions = ["grading.checks.cells"]\n'  # before any import

CLASSES = [f"tests/test_{name}.py" for name in ("classroom", "engine", "submissions")]
PARTS = (  # what `make test` runs, in this order
    (
        "style",
        ("ruff", "format", "--check", "--output-format=concise", "."),
        ("ruff", "check", "--output-format=concise", "."),
    ),
    ("proofs", ("grading", "prove")),
    ("notebooks", ("pytest", "--nbval", "--nbval-kernel-name=daytwo", "--nbval-cell-timeout=120", "solutions")),
    ("tests", ("pytest", "tests", *(f"--ignore={path}" for path in CLASSES))),
    ("classes", ("pytest", "-p", "no:cacheprovider", *CLASSES)),
)
BESIDE = ("classes",)  # run one after the other beside the rest, and are told at the end
TELLING = r"(FAILED|ERROR|✗|!) |\S+:\d+:\d+: "  # lines of a failed part that are said again at the end
STEADY = {"DAYTWO_PROGRESS": "off", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"}


# ---- a Python, and an environment made from it ----


def candidates():
    """Commands that may be a supported Python: the running one (the base of its venv), then the newest."""
    yield [getattr(sys, "_base_executable", None) or sys.executable]
    for version in PYTHONS:
        yield ["py", f"-{version}"] if os.name == "nt" else [f"python{version}"]


def find_python(commands):
    """The path and version of the first supported Python."""
    ask = "import sys; print('%d.%d' % sys.version_info[:2], sys.executable)"
    for command in commands:
        with contextlib.suppress(OSError):  # not there; and one that is there but does not run prints nothing
            answer = subprocess.run([*command, "-c", ask], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
            version, _, path = answer.stdout.decode().strip().partition(" ")
            if version in PYTHONS:
                return path, version
    sys.exit(
        f"Day Two needs Python {', '.join(PYTHONS[:0:-1])} or {PYTHONS[0]} and this is {sys.version.split()[0]}: "
        "install one of them, or say where it is with make lab PYTHON=/path/to/python"
    )


def environ(**more):
    """The user's variables and ours, without those that lead out of the environment."""
    kept = {name: value for name, value in os.environ.items() if name not in THEIRS}
    kept["PATH"] = os.pathsep.join([str(BIN), os.environ.get("PATH", os.defpath)])
    return {**kept, **OURS, **more}


def run(*command, **more):
    """Run a module of the environment from the root, with its output as ours."""
    return subprocess.run([str(PYTHON), "-m", *command], cwd=str(ROOT), env=environ(**STEADY), **more).returncode


def lists():
    """A fingerprint of what is to be installed."""
    return hashlib.sha256(b"".join((ROOT / name).read_bytes() for name in LISTS)).hexdigest()


def whole(version):
    """The stamp of an environment that is finished, works, and was made here of this Python; else {}."""
    with contextlib.suppress(OSError, ValueError):
        stamp = json.loads(STAMP.read_text(encoding="utf-8"))
        works = subprocess.run([str(PYTHON), "-c", ""], stderr=subprocess.DEVNULL).returncode == 0
        if works and (stamp.get("root"), stamp.get("python")) == (str(ROOT), version):
            return stamp
    return {}


@contextlib.contextmanager
def alone():
    """One set-up at a time in this folder; the lock dies with its process."""
    import sqlite3  # here: a Python built without it must get as far as its sentence

    with contextlib.closing(sqlite3.connect(str(ROOT / ".venv.lock"), timeout=0.1, isolation_level=None)) as lock:
        try:
            lock.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError:
            print("Waiting for another make that is setting up.", flush=True)
            lock.execute("PRAGMA busy_timeout = 1800000")
            lock.execute("BEGIN EXCLUSIVE")
        yield


def environment(*extras):
    """Make the environment, mend it, or leave it alone when it holds what the lists say."""
    base, version = find_python(candidates())
    check_python(base, version)
    with alone():
        stamp = whole(version)
        if stamp.get("lists") == lists() and set(extras) <= set(stamp["extras"]):
            return
        began = time.time()
        if not stamp:
            make(base, version)
        extras = sorted({*extras, *stamp.get("extras", ())})
        if STAMP.exists():
            STAMP.unlink()
        said = install(f".[{','.join(extras)}]" if extras else ".")
        if said:
            if stamp and not re.search(FULL, said):
                write(STAMP, json.dumps(stamp).encode())  # nothing was fetched, so nothing was changed
            sys.exit(sentence(said))
        stamp = {"root": str(ROOT), "python": version, "lists": lists(), "extras": extras}
        write(STAMP, json.dumps(stamp).encode())
        print(f"The packages are in place, after {time.time() - began:.0f} s.", flush=True)


def check_python(base, version):
    """Stop with a sentence when this Python came without a part we need."""
    needed = ("venv", "ensurepip", "ssl", "_sqlite3")
    ask = f"import importlib.util as u; print(*[name for name in {needed} if not u.find_spec(name)])"
    lacks = subprocess.run([base, "-c", ask], stdout=subprocess.PIPE).stdout.decode().split()
    if lacks and not CONDA:
        how = f"on Debian and Ubuntu, sudo apt install python{version}-venv" if "ensurepip" in lacks else "reinstall it"
        sys.exit(f"{base} lacks {' and '.join(lacks)}: {how}.")


def make(base, version):
    """A new and empty .venv."""
    free = shutil.disk_usage(str(ROOT)).free
    if free < SPACE:
        sys.exit(f"The packages need about 2 GB of disk, and there are {free / 1e9:.1f} GB left for {ROOT}.")
    if CONDA:
        return
    if os.path.lexists(str(ENV)):
        print("The environment in .venv is unfinished, was moved, or is of another Python: making it anew.")
        remove(ENV)
    print(f"Making an environment in .venv, with Python {version}.", flush=True)
    made = subprocess.run([base, "-m", "venv", str(ENV)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if made.returncode:
        sys.exit(made.stdout.decode(errors="replace") + sentence(made.stdout.decode(errors="replace")))


def install(project):
    """Install the locked packages and their bytecode: by uv, or by pip where uv can't be had or can't fetch.

    Returns what the installers said when both failed, else nothing."""
    print("Installing the packages (once; about a minute).", flush=True)
    uv = re.search(r"^uv==\S+", (ROOT / "requirements.txt").read_text(encoding="utf-8"), re.M).group()
    pip = ("pip", "install", "--disable-pip-version-check", "--no-input")
    fast = ("uv", "pip", "install", "--python", str(PYTHON), "--compile-bytecode", "--build-constraints", LISTS[1])
    what = ("-c", LISTS[1], "-e", project)
    said = follow(*pip, uv) or follow(*fast, *what)
    if said and not re.search(FULL, said):
        again = follow(*pip, *what)
        said = again and said + again
    if said:
        (ENV / "install.log").write_bytes(said.encode())
    return said


def follow(*command):
    """Run an installer, showing what it fetches; returns what it said if it failed, else nothing."""
    said = []
    streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    process = subprocess.Popen([str(PYTHON), "-m", *command], cwd=str(ROOT), env=environ(), **streams)
    for line in process.stdout:
        said.append(line.decode(errors="replace"))
        if re.match(r"\s*(Downloading|Building|Installed|Bytecode)", said[-1]):
            print("  " + said[-1].strip(), flush=True)
    return "".join(said) + "\n" if process.wait() else ""


def sentence(said):
    """The one sentence for what an installer said."""
    return next(answer for pattern, answer in TROUBLE if re.search(pattern, said))


# ---- the learner's working folder ----


def write(path, content):
    """Write a file whole or not at all."""
    half = path.with_name(path.name + ".part")
    half.write_bytes(content)
    os.replace(str(half), str(path))


def remove(path):
    """Remove a file, a link or a folder."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(str(path))
    elif os.path.lexists(str(path)):
        path.unlink()


def essence(path):
    """A fingerprint of what somebody wrote: for a notebook its cells, without the outputs that running them leaves."""
    content = path.read_bytes()
    if path.suffix == ".ipynb":
        with contextlib.suppress(ValueError, KeyError, TypeError):
            cells = json.loads(content.decode())["cells"]
            cells = [(cell["cell_type"], "".join(cell["source"]), cell.get("attachments")) for cell in cells]
            content = json.dumps(cells, sort_keys=True).encode()
    return hashlib.sha256(content).hexdigest()


def fill(course, work):
    """Bring the working folder up to date with the course and leave the learner's work alone.

    What the learner did not touch follows the course. What both changed stays the learner's, and the new one
    is put beside it. Returns a sentence for each of those."""
    work.mkdir(parents=True, exist_ok=True)
    memory = work / ".daytwo.json"  # by name, what the course gave last: the file's fingerprint and its essence
    given, sentences = {}, []
    with contextlib.suppress(OSError, ValueError):
        given = json.loads(memory.read_text(encoding="utf-8"))
    for source in sorted(course.rglob("*")):
        name = source.relative_to(course).as_posix()
        if re.search(r"^daytwo(/|$)|(^|/)(\.|__)", name) or not source.is_file():
            continue
        new = [hashlib.sha256(source.read_bytes()).hexdigest(), essence(source)]
        old, place = given.get(name, ["", ""]), work / name
        if place.exists():
            if old == new:
                continue
            given[name] = new
            if essence(place) not in (old[1], new[1]):  # the learner's own
                if old[1] == new[1]:
                    continue  # and nothing new for a reader
                place = beside(place, given, work)
                sentences.append(f"You changed {name}, and so did the course: yours stays, the new one is {place.name}")
        place.parent.mkdir(parents=True, exist_ok=True)
        write(place, source.read_bytes())
        given[place.relative_to(work).as_posix()] = new
    write(memory, json.dumps(given, indent=1, sort_keys=True).encode())
    return sentences


def beside(place, given, work):
    """Where the new version goes: a free name, or that of an earlier new version which nobody touched."""
    number = 1
    while True:
        other = place.with_name(f"{place.stem}-new{number if number > 1 else ''}{place.suffix}")
        name = other.relative_to(work).as_posix()
        if not other.exists() or essence(other) == given.get(name, ["", ""])[1]:
            return other
        number += 1


# ---- the verbs ----


def lab(*args):
    """Set up, and open JupyterLab on the start page of the working folder."""
    environment()
    run("grading.kernels.provisioner", "install")
    for line in fill(ROOT / "course", WORK):
        print(line, flush=True)
    config = ENV / "etc" / "daytwo"
    for name, content in QUIET.items():
        (config / name).parent.mkdir(parents=True, exist_ok=True)
        write(config / name, json.dumps(content).encode())
    shared = {
        "share/jupyter/lab/settings/overrides.json": json.dumps(WIDE),
        "etc/ipython/ipython_kernel_config.py": KIND,
    }
    for name, content in shared.items():
        (ENV / name).parent.mkdir(parents=True, exist_ok=True)
        write(ENV / name, content.encode())
    command = [str(PYTHON), "-P", "-m", "jupyterlab", f"--ServerApp.root_dir={WORK}"]
    command += ["--LabApp.default_url=/lab/tree/00_start_here.ipynb", f"--LabApp.workspaces_dir={WORK / '.workspaces'}"]
    command += [f"--port={os.environ['PORT']}"] if os.environ.get("PORT") else []
    command += ["--allow-root"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    settings = environ(JUPYTER_CONFIG_PATH=str(config))
    os.chdir(str(WORK))
    if os.name != "nt":
        os.execve(str(PYTHON), [*command, *args], settings)  # Ctrl-C and signals reach JupyterLab and nothing else
    process = subprocess.Popen([*command, *args], env=settings)
    while True:
        with contextlib.suppress(KeyboardInterrupt):
            sys.exit(process.wait())


def test(*names):
    """Set up and prove everything, or only the parts named."""
    unknown = set(names) - {name for name, *_ in PARTS}
    if unknown:
        sys.exit(f"There is no part {', '.join(unknown)}; the parts are {', '.join(name for name, *_ in PARTS)}.")
    began = time.time()
    environment("test")
    run("grading.kernels.provisioner", "install")
    rows, broken = [("setting up", time.time() - began, "passed", "")], []
    chosen = {name: commands for name, *commands in PARTS if not names or name in names}
    with ThreadPoolExecutor(1) as pool:
        aside = {name: pool.submit(prove, chosen[name], aloud=False) for name in BESIDE if name in list(chosen)[1:]}
        for name, commands in chosen.items():
            print(f"\n---- {name} ----", flush=True)
            seconds, code, said = aside[name].result() if name in aside else prove(commands)
            if name in aside:
                print("\n".join(said), flush=True)
            said = [line for line in said if not line.startswith("[*]")]
            rows.append((name, seconds, "FAILED" if code else "passed", said[-1].strip("= ") if said else ""))
            broken += [line for line in said if code and re.match(TELLING, line)]
    print("\n".join(["", *broken, ""] if broken else [""]))
    print(f"{'part':11} {'seconds':>8}  result")
    for name, seconds, verdict, line in [*rows, ("all", time.time() - began, "", "")]:
        print(f"{name:11} {seconds:8.1f}  {verdict:7} {line}".rstrip())
    sys.exit(int(any(verdict == "FAILED" for _, _, verdict, _ in rows)))


def prove(commands, aloud=True):
    """Run the commands of a part; its seconds, whether one failed, and the lines they printed."""
    start = time.time()
    results = [show(*command, aloud=aloud) for command in commands]
    return time.time() - start, any(code for code, _ in results), [line for _, lines in results for line in lines]


def show(*command, aloud=True):
    """Run a module of the environment, in the open if aloud; its exit code and the lines it printed."""
    if command[0] == "pytest":
        command += ("--color=yes" if sys.stdout.isatty() else "--color=no",)
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "env": environ(**STEADY)}
    process = subprocess.Popen([str(PYTHON), "-m", *command], cwd=str(ROOT), **streams)
    said = b""
    for chunk in iter(lambda: process.stdout.read1(65536), b""):
        said += chunk
        if aloud:
            sys.stdout.buffer.write(chunk)
            sys.stdout.buffer.flush()
    text = re.sub(r"\x1b\[[0-9;]*m", "", said.decode(errors="replace"))
    return process.wait(), [line for line in text.splitlines() if line.strip()]


def env():
    """Set up everything and say where it is."""
    environment("test")
    print(PYTHON)


def module(*command):
    """The verb that sets up and then runs this module."""

    def verb(*args):
        environment("test")
        sys.exit(run(*command, *args))

    return verb


def tidy():
    """Format the code, and mend what ruff can mend."""
    environment("test")
    sys.exit(run("ruff", "format", ".") or run("ruff", "check", "--fix", "."))


def clean():
    """Remove what can be made again: never work/ and classroom/, which hold people's work."""
    places = [] if CONDA else [ENV]
    places += [
        ROOT / name
        for name in (".venv.lock", ".venv.lock-journal", "build", ".pytest_cache", ".ruff_cache", ".hypothesis")
    ]
    places += ROOT.glob("*.egg-info")
    for folder in ("course", "data", "grading", "solutions", "tests"):
        places += (ROOT / folder).rglob("__pycache__")
    for place in places:
        remove(place)


LOCKED = "--extra cluster --extra test"  # the extra llm is left out: 350 MB that nobody needs
COMPILE = f"uv pip compile --quiet --universal --python-version 3.11 {LOCKED} pyproject.toml -o requirements.txt"
VERBS = {
    "lab": lab,
    "test": test,
    "env": env,
    "build": module("grading", "build"),
    "prove": module("grading", "prove"),
    "bench": module("grading", "bench"),
    "format": tidy,
    "lock": module(*COMPILE.split(), "--custom-compile-command", "make lock"),
    "clean": clean,
}


def main(verb="", *args):
    """Run a verb; trouble outside of our hands ends in a sentence."""
    if verb not in VERBS:
        sys.exit(f"Say one of: {', '.join(VERBS)}")
    try:
        VERBS[verb](*args)
    except KeyboardInterrupt:
        sys.exit(130)
    except OSError as trouble:
        sys.exit(sentence(str(trouble)) if re.search("errno (13|28|30)\\b", str(trouble), re.I) else str(trouble))


if __name__ == "__main__":
    main(*sys.argv[1:])
