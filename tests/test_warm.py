"""Warm kernels keep their promises: real kernels, real templates, in a private folder that is empty in the end."""

import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import psutil
import pytest
from jupyter_client.manager import KernelManager
from traitlets.config import Config

from grading.environment import SOLUTIONS
from grading.kernels import finding, measure, provisioner

pytestmark = pytest.mark.skipif(not finding.POSSIBLE, reason="kernels start the usual way on this system")


@pytest.fixture(scope="module", autouse=True)
def folder():
    """A runtime folder of this module's own; nothing runs, listens or lies there when all is over."""
    with tempfile.TemporaryDirectory(prefix="warm") as name, pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_RUNTIME_DIR", name)
        patch.setenv("JUPYTER_PATH", f"{name}/share/jupyter")
        patch.delenv("DAYTWO_WARM", raising=False)
        patch.setattr(finding, "IMPORTS", 120)  # however busy this machine is
        for kind in ("CONFIG", "DATA", "RUNTIME"):
            patch.setenv(f"JUPYTER_{kind}_DIR", f"{name}/{kind.lower()}")
        patch.setenv("IPYTHONDIR", f"{name}/ipython")
        provisioner.install(name)
        yield Path(name)
        finding.stop()
        nothing_is_left(name)


def nothing_is_left(name):
    """No process was started for this folder and lives, and nobody listens in it."""
    within(5, lambda: not processes(name))
    assert not [made for made in psutil.net_connections("unix") if str(made.laddr).startswith(str(name))]
    assert not list(finding.root().glob("k-*"))


def processes(name):
    """Templates, kernels (a fork shows the command of its template) and managers of this folder."""
    found = []
    for process in psutil.process_iter(["cmdline", "status"]):
        alive = process.info["status"] != psutil.STATUS_ZOMBIE
        found += [process] if alive and any(str(name) in word for word in process.info["cmdline"] or ()) else []
    return found


def lives(pid):
    """Whether a process runs: on a busy machine whoever inherits it may take leave of it late."""
    with suppress(psutil.NoSuchProcess):
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    return False


def within(seconds, true):
    """Wait until something is true."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(0.02)


@contextmanager
def kernel(name=provisioner.NAME, config=None, **more):
    manager = KernelManager(kernel_name=name, config=config or Config())
    manager.start_kernel(**more)
    client = manager.client()
    client.start_channels()
    try:
        client.wait_for_ready(timeout=60)
        yield manager, client
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


def is_warm(manager):
    return isinstance(manager.provisioner.process, provisioner.Forked)


def ask(client, code, timeout=30):
    """What code prints; an exception's name when it raises."""
    said = []
    reply = client.execute_interactive(code, timeout=timeout, output_hook=said.append)["content"]
    if reply["status"] == "error":
        return reply["ename"]
    return "".join(message["content"].get("text", "") for message in said)


def template():
    """The process id of the one template that listens here."""
    (path,) = finding.root().glob("*/socket")
    with finding.dial(path.parent) as connection:
        return finding.pid_of(connection)


# ---- a kernel like any other, only sooner ----


def test_answers_and_has_the_imports_already():
    with kernel() as (manager, client):
        assert is_warm(manager)
        assert ask(client, "print(1 + 1)") == "2\n"
        stack = "{'numpy', 'pandas', 'scipy.stats', 'sklearn.ensemble', 'matplotlib.pyplot', 'daytwo', 'grading'}"
        assert ask(client, f"import sys; print({stack} - set(sys.modules))") == "set()\n"
        assert ask(client, "from sklearn.linear_model import LogisticRegression as L") == ""
        assert ask(client, "print(L().fit([[0], [1]], [0, 1]).predict([[2]]))") == "[1]\n"


def test_has_the_same_outlook_as_a_usual_kernel():
    """Paths, arguments, names, warnings, backend: what a notebook can see of how its kernel was started."""
    code = """
import daytwo, scipy.stats, sklearn.ensemble, river.drift, sklearn.inspection, matplotlib.pyplot as plt
import sys, os, signal, threading, warnings, gc, json, asyncio
names = sorted(name for name in globals() if name not in ("In", "Out") and not name.startswith("_i"))
print(sys.path, sys.argv[0], sys.flags, sys.executable, __name__, sys.modules["__main__"].__dict__ is globals())
print(names, sorted(set(map(repr, warnings.filters))), gc.isenabled(), os.getsid(0) == os.getpgrp() == os.getpid())
print([str(signal.getsignal(number)) for number in range(1, 32) if number not in (9, 19)])
print(sorted(thread.name for thread in threading.enumerate() if not thread.name.startswith("Thread-")))
print(sorted((name, value) for name, value in os.environ.items()))
print(plt.get_backend(), plt.isinteractive(), plt.get_fignums(), dict(plt.rcParams))
import pandas
print([pandas.get_option(f"display.{name}") for name in ("max_columns", "max_rows", "width", "max_colwidth")])
"""
    seen, env = [], dict(os.environ)
    for minutes in (finding.MINUTES, "off"):
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("DAYTWO_WARM", minutes)
            with kernel(env=env) as (manager, client):
                assert is_warm(manager) == (minutes != "off")
                seen.append(ask(client, code))
    warm_one, usual = (text.splitlines() for text in seen)
    for one, other in zip(warm_one, usual, strict=True):
        assert one == other, f"{set(one.split(', ')) ^ set(other.split(', '))}"


def test_two_kernels_share_neither_state_nor_random_numbers():
    draw = "import random, uuid, numpy as np; mine = 1\n"
    draw += "print(random.random(), np.random.rand(), np.random.default_rng().random(), uuid.uuid4())"
    with kernel() as (_, one), kernel() as (_, two):
        first, second = ask(one, draw).split(), ask(two, draw).split()
        assert len(first) == 4 and not set(first) & set(second)
        ask(one, "import numpy; numpy.mine = yours = 2")
        assert ask(two, "numpy.mine") == "NameError" and ask(two, "yours") == "NameError"
        assert ask(two, "np.mine") == "AttributeError"


def test_interrupt_ends_a_long_loop():
    with kernel() as (manager, client):
        message = client.execute("print('on', flush=True)\nwhile True: pass")
        within(10, lambda: client.get_iopub_msg(timeout=10)["content"].get("text") == "on\n")
        manager.interrupt_kernel()
        reply = client.get_shell_msg(timeout=10)
        assert reply["parent_header"]["msg_id"] == message and reply["content"]["ename"] == "KeyboardInterrupt"
        assert ask(client, "print('well')") == "well\n"


@pytest.mark.parametrize("now", [True, False])
def test_restart(now):
    with kernel() as (manager, client):
        ask(client, "mine = 1")
        before = manager.provisioner.pid
        manager.restart_kernel(now=now)
        client.wait_for_ready(timeout=30)
        assert is_warm(manager) and manager.provisioner.pid != before and not psutil.pid_exists(before)
        assert ask(client, "mine") == "NameError"


def test_shutdown_lets_a_learner_finish_and_does_not_wait_for_the_disposable(tmp_path):
    goodbye = f"import atexit, time; atexit.register(lambda: (time.sleep(2), open('{tmp_path}/bye', 'w').close()))"
    for disposable in (False, True):
        manager = KernelManager(kernel_name=provisioner.NAME, config=Config(WarmProvisioner={"disposable": disposable}))
        manager.start_kernel()
        client = manager.client()
        client.start_channels()
        client.wait_for_ready(timeout=30)
        ask(client, goodbye)
        client.stop_channels()
        pid = manager.provisioner.pid
        manager.shutdown_kernel()
        assert not manager.is_alive()
        within(2, lambda pid=pid: not psutil.pid_exists(pid))
        assert (tmp_path / "bye").exists() != disposable
        (tmp_path / "bye").unlink(missing_ok=True)


def test_plots_are_drawn_inline():
    with kernel() as (_, client):
        shown = []
        code = "import matplotlib.pyplot as plt; plt.plot([1, 2]); plt.show()"
        client.execute_interactive(code, timeout=30, output_hook=shown.append)
        kinds = [message["content"]["data"] for message in shown if message["msg_type"] == "display_data"]
        assert len(kinds) == 1 and "image/png" in kinds[0]
        assert ask(client, "print(plt.get_fignums())") == "[]\n"


def test_a_blank_is_told_kindly_in_a_warm_kernel_too():
    with kernel() as (_, client):
        shown = []
        for code in ("from grading import check\ndef f():\n    raise NotImplementedError()", "check('One', f(), 1)"):
            reply = client.execute_interactive(code, timeout=30, output_hook=shown.append)
            assert reply["content"]["status"] == "ok"
        assert "Not attempted yet" in str([m["content"] for m in shown if m["msg_type"] == "display_data"])


def test_folder_environment_and_streams_are_those_asked_for(tmp_path):
    secret = secrets.token_hex()
    env = os.environ | {"MINE": secret, "TMPDIR": str(tmp_path)}
    with open(tmp_path / "out", "wb") as out, kernel(cwd=str(tmp_path), env=env, stdout=out) as (manager, client):
        assert is_warm(manager)
        code = "import os, tempfile; print(os.getcwd(), tempfile.gettempdir(), os.environ['MINE'], os.getenv('LISTEN'))"
        assert ask(client, code).split() == [str(tmp_path), str(tmp_path), secret, "None"]
        assert ask(client, "print(os.environ['OMP_NUM_THREADS'])") == "1\n"
        ask(client, "import sys; print('raw', file=sys.__stdout__, flush=True)")
    with kernel() as (_, client):
        assert ask(client, "import os; print('MINE' in os.environ)") == "False\n"
    assert secret.encode() not in Path(f"/proc/{template()}/environ").read_bytes()


# ---- lives and deaths ----

MANAGER = """
import sys, time
from grading.kernels import finding
finding.IMPORTS = 120
from jupyter_client.manager import KernelManager
manager = KernelManager(kernel_name="daytwo")
manager.start_kernel()
client = manager.client()
client.start_channels()
client.wait_for_ready()
client.execute_interactive("import os, subprocess; print(os.getpid(), subprocess.Popen(['sleep', '1000']).pid)")
client.execute(sys.argv[1])
print("on", flush=True)
time.sleep(1000)
"""


@pytest.mark.parametrize("cell", ["", "while True: pass", "import re; re.match('(a*)*b', 'a' * 99)"])
def test_kernel_dies_when_its_manager_is_killed(cell):
    """Idle, in a loop, or in a call that never lets the interpreter go; and with it what it started."""
    manager = subprocess.Popen([sys.executable, "-c", MANAGER, cell], stdout=subprocess.PIPE, text=True)
    pids = [int(word) for word in manager.stdout.readline().split()]
    assert manager.stdout.readline() == "on\n" and all(map(psutil.pid_exists, pids)) and len(pids) == 2
    time.sleep(0.3)
    manager.kill()
    manager.wait()
    manager.stdout.close()
    within(10, lambda: not any(map(lives, pids)))


def test_killed_template_leaves_its_kernels_alive_and_the_next_start_works():
    with kernel() as (_, client):
        os.kill(template(), signal.SIGKILL)
        assert ask(client, "print(1)") == "1\n"
        with kernel() as (manager, other):
            assert is_warm(manager) and ask(other, "print(2)") == "2\n"
        assert ask(client, "print(3)") == "3\n"


def test_deaf_template_is_replaced_by_a_usual_start(caplog):
    with kernel():
        deaf = template()
    os.kill(deaf, signal.SIGSTOP)
    with kernel() as (manager, client):
        assert not is_warm(manager) and ask(client, "print(1)") == "1\n"
    assert len(lines(caplog)) == 1 and "no answer" in lines(caplog)[0]
    with kernel() as (manager, _):
        assert is_warm(manager) and template() != deaf


def lines(caplog):
    return [record.getMessage() for record in caplog.records if "starts as a usual kernel" in record.getMessage()]


THREAD = """
import sys, threading, time
threading.Thread(target=time.sleep, args=[99], daemon=True).start()
sys.modules["river.drift"] = sys.modules["river"]
"""


@pytest.mark.parametrize(
    "name, content, said",
    [
        ("river.py", THREAD, "unknown threads: python"),
        ("river.py", "1 / 0", "importing river.drift failed: ZeroDivisionError"),
        ("river.py", "import os; os._exit(3)", "the template did not start"),
    ],
)  # fmt: skip
def test_unfit_template_makes_kernels_start_as_usual(tmp_path, caplog, name, content, said):
    (tmp_path / name).write_text(content)
    env = os.environ | {"PYTHONPATH": str(tmp_path)}
    manager, before = KernelManager(kernel_name=provisioner.NAME), set(finding.root().iterdir())
    manager.start_kernel(env=env)
    try:
        assert not is_warm(manager) and manager.is_alive()
    finally:
        manager.shutdown_kernel(now=True)
    assert len(lines(caplog)) == 1 and said in lines(caplog)[0]
    for folder in set(finding.root().iterdir()) - before:  # the template of the others stays
        finding.end(folder)


def test_other_settings_or_newer_code_get_a_template_of_their_own():
    def born(**more):
        with kernel(env=os.environ | more) as (manager, client):
            assert is_warm(manager)
            return int(ask(client, "import os; print(os.getppid())"))

    first = born()
    assert born() == first != born(PYTHONHASHSEED="7")
    file = Path(provisioner.__file__)
    was = file.stat()
    try:
        os.utime(file)
        with kernel() as (manager, client):
            assert is_warm(manager) and int(ask(client, "import os; print(os.getppid())")) != first
            within(10, lambda: not lives(first))
            finding.stop()
            assert ask(client, "print(4)") == "4\n"  # kernels outlive their template
    finally:
        os.utime(file, ns=(was.st_atime_ns, was.st_mtime_ns))


def test_template_ends_when_nobody_asks(monkeypatch, folder):
    finding.stop()
    monkeypatch.setenv("DAYTWO_WARM", "0.02")  # minutes
    with kernel() as (manager, client):
        assert is_warm(manager)
        time.sleep(2)
        (path,) = finding.root().glob("*/socket")
        assert ask(client, "print(1)") == "1\n"
    within(5, lambda: not path.exists() and not processes(folder))


def test_many_start_at_once_from_one_template():
    finding.stop()
    code = MANAGER.replace(
        "time.sleep(1000)", "print(os.getppid()); client.stop_channels(); manager.shutdown_kernel(now=True)"
    )
    code = code.replace("print(os.getppid())", "print(__import__('psutil').Process(manager.provisioner.pid).ppid())")
    started = [subprocess.Popen([sys.executable, "-c", code, ""], stdout=subprocess.PIPE, text=True) for _ in range(4)]
    said = [process.communicate(timeout=60)[0].split()[-1] for process in started]
    assert len(set(said)) == 1 and said[0].isdigit()


def test_without_templates_it_is_a_usual_kernel(monkeypatch, caplog):
    monkeypatch.setenv("DAYTWO_WARM", "off")
    with kernel() as (manager, client):
        assert not is_warm(manager) and ask(client, "print(1)") == "1\n"
    assert len(lines(caplog)) == 1


# ---- where it is used ----


def test_nbval_gives_the_same_verdicts():
    notebook = SOLUTIONS / "00_start_here.ipynb"
    usual, instant = (measure.timed(notebook, name) for name in ("python3", provisioner.NAME))
    assert usual["verdicts"] and usual["verdicts"] == instant["verdicts"], instant["said"]
    assert all(verdict == "PASSED" for _, verdict in usual["verdicts"])


def test_jupyterlab_starts_it_and_runs_code(folder):
    import websocket

    token = secrets.token_hex(16)
    with closing(socket.create_server(("127.0.0.1", 0))) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", f"--ServerApp.root_dir={folder}"]
    command += [f"--port={port}", f"--IdentityProvider.token={token}", "--ServerApp.port_retries=0"]
    with open(folder / "lab.log", "wb") as log:
        server = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        within(60, lambda: server.poll() is None and answers(f"http://127.0.0.1:{port}/api"))
        specs = api(port, token, "kernelspecs")["kernelspecs"]
        assert specs[provisioner.NAME]["spec"]["display_name"] == "Day Two (instant)" and "python3" in specs
        made = api(port, token, "kernels", {"name": provisioner.NAME})["id"]
        for _ in range(2):
            assert run_over_websocket(websocket, port, token, made) == "42\n"
            api(port, token, f"kernels/{made}/restart", {})
        assert b"starts as a usual kernel" not in (folder / "lab.log").read_bytes()
    finally:
        server.terminate()
        server.wait(30)
    within(5, lambda: not [p for p in processes(folder) if p.ppid() in (1, server.pid) and "jupyterlab" in p.cmdline()])


def answers(url):
    try:
        return urllib.request.urlopen(url, timeout=5).close() is None
    except OSError:
        return False


def api(port, token, path, content=None):
    data = None if content is None else json.dumps(content).encode()
    headers = {"Authorization": f"token {token}", "Content-Type": "application/json"}
    request = urllib.request.Request(f"http://127.0.0.1:{port}/api/{path}", data, headers)
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.loads(answer.read())


def run_over_websocket(websocket, port, token, made):
    """What a cell prints, asked as JupyterLab asks."""
    wire = websocket.create_connection(f"ws://127.0.0.1:{port}/api/kernels/{made}/channels?token={token}", timeout=30)
    header = {
        "msg_id": secrets.token_hex(8),
        "msg_type": "execute_request",
        "username": "",
        "session": "s",
        "version": "5.3",
    }
    content = {"code": "print(6 * 7)", "silent": False}
    wire.send(
        json.dumps({"channel": "shell", "header": header, "parent_header": {}, "metadata": {}, "content": content})
    )
    with closing(wire):
        while True:
            message = json.loads(wire.recv())
            if message["msg_type"] == "stream" and message["parent_header"].get("msg_id") == header["msg_id"]:
                return message["content"]["text"]
