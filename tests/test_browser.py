"""A learner's first minutes, in a real browser: JupyterLab as `make lab` opens it, an answer wrong and then right."""

import os
import re
import secrets
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import closing, contextmanager
from urllib.parse import urlsplit

import pytest

from grading.environment import SOLUTIONS
from grading.lesson.read import read
from grading.lesson.source import facts

NAMES = ("chromium", "chromium-browser", "google-chrome")
CHROMIUM = next(filter(None, map(shutil.which, NAMES)), None)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason=f"none of {', '.join(NAMES)} is installed here")

ARGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
ARGS += ["--disable-sync", "--no-first-run"]
PANEL = ".jp-NotebookPanel:not(.lm-mod-hidden)"
MINUTE = 60_000  # milliseconds
LAB = """
import sys
from pathlib import Path
from grading import bootstrap
bootstrap.environment = lambda *extras: None  # the one that runs this test will do
bootstrap.ENV, bootstrap.PYTHON = Path(sys.prefix), Path(sys.executable)
bootstrap.main("lab", *sys.argv[1:])
"""


@contextmanager
def started(folder):
    """JupyterLab as `make lab` starts it, on a new working folder; yields its address and its token."""
    token = secrets.token_hex(16)
    with closing(socket.create_server(("127.0.0.1", 0))) as free:
        port = free.getsockname()[1]
    own = {f"JUPYTER_{kind}_DIR": str(folder / kind.lower()) for kind in ("CONFIG", "DATA", "RUNTIME")}
    own |= {"IPYTHONDIR": str(folder / "ipython"), "DAYTWO_PROGRESS": str(folder / "progress.json")}
    own |= {"DAYTWO_WORK": str(folder / "work"), "PORT": str(port)}
    command = [
        sys.executable,
        "-c",
        LAB,
        "--no-browser",
        "--ServerApp.port_retries=0",
        f"--IdentityProvider.token={token}",
    ]
    with open(folder / "lab.log", "wb") as log:
        server = subprocess.Popen(command, env=os.environ | own, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        url = f"http://127.0.0.1:{port}"
        wait_for_answer(url, server, folder / "lab.log")
        yield url, token
    finally:
        server.terminate()
        server.wait(30)


def wait_for_answer(url, server, log):
    """Return when the server answers; fail with its log when it does not."""
    for _ in range(600):
        try:
            return urllib.request.urlopen(f"{url}/api", timeout=5).close()
        except OSError:
            assert server.poll() is None, log.read_text()
            time.sleep(0.1)
    raise AssertionError(log.read_text())


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    with started(tmp_path_factory.mktemp("lab")) as address:
        yield address


@pytest.fixture(scope="module")
def browser():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGS)
        yield browser
        browser.close()


@pytest.fixture
def page(browser, tmp_path):
    """A page that asks nobody outside of this machine for anything; a picture stays behind."""
    page = browser.new_page(viewport={"width": 1200, "height": 900})
    page.set_default_timeout(MINUTE)
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("websocket", lambda socket: asked.append(socket.url))
    yield page
    page.screenshot(path=tmp_path / "page.png")
    page.close()
    outside = [url for url in asked if urlsplit(url).hostname not in (None, "127.0.0.1", "localhost")]
    assert asked and not outside


def open_notebook(page, lab, path=""):
    """Open a notebook, or whatever JupyterLab opens by itself; return its path when its kernel is ready."""
    url, token = lab
    page.goto(f"{url}/lab/tree/{path}?token={token}" if path else f"{url}/?token={token}")
    page.locator(f"{PANEL} .jp-CodeCell").first.wait_for()
    path = page.url.partition("/lab/tree/")[2].partition("?")[0]
    until(page, lambda: is_ready(page, url, path), f"a kernel for {path}")
    page.get_by_text("| Idle").wait_for()
    return path


def is_ready(page, url, path):
    """Whether the notebook's kernel is idle and the page talks to it; before that, running a cell does nothing."""
    sessions = page.request.get(f"{url}/api/sessions").json()
    kernels = [session["kernel"] for session in sessions if session["path"] == path]
    return any(kernel["connections"] and kernel["execution_state"] == "idle" for kernel in kernels)


def until(page, true, what, seconds=120):
    """Wait until something is true; say what was waited for when it never is."""
    deadline = time.time() + seconds
    while not true():
        assert time.time() < deadline, f"waited {seconds} s for {what}"
        page.wait_for_timeout(100)


def cell(page, text):
    """The code cell whose source holds this text."""
    return page.locator(f"{PANEL} .jp-CodeCell", has=page.locator(".jp-InputArea-editor", has_text=text)).first


def write(page, cell, source):
    """Replace the source of a cell as a learner would: click into it, select all, and paste."""
    cell.locator(".cm-content").click()
    page.keyboard.press("ControlOrMeta+a")
    page.keyboard.insert_text(source)


def run(page, cell, key="Control+Enter"):
    """Run a cell, wait for its end, and return what it shows."""
    prompt = cell.locator(".jp-InputPrompt")
    folded = cell.locator(".jp-Placeholder").count()
    told = (lambda: output(cell)) if folded else prompt.text_content  # a folded cell shows no number
    before = told()
    page.keyboard.press(key)
    until(page, lambda: told() != before and re.search(r"\d|[✓✗○]", told()), "a cell to end")
    page.wait_for_timeout(200)  # the last output is drawn
    return output(cell)


def below(cell):
    """The code cell that follows: of an answer, its check, whose code is folded."""
    return cell.locator("xpath=following::div[contains(concat(' ', @class, ' '), ' jp-CodeCell ')][1]")


def output(cell):
    return "\n".join(cell.locator(".jp-OutputArea-output").all_inner_texts())


def run_all(page):
    """Run all cells from the menu and wait until the kernel has done them."""
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
    last = page.locator(f"{PANEL} .jp-CodeCell:not(:has(.jp-Placeholder)) .jp-InputPrompt").last  # folded: none
    until(page, lambda: re.search(r"\d", last.inner_text()), "the notebook to end")


def wrong_then_right(page, lesson, name):
    """Answer an exercise as its first mistake does, then rightly; what its check shows each time."""
    exercise = lesson.exercises[name]
    answer, seen = cell(page, f"def {name}("), []
    for source in (exercise.mistakes[0].source, exercise.answer.source):
        write(page, answer, source)
        run(page, answer, "Shift+Enter")  # goes on to the check,
        seen.append(run(page, below(answer), "Shift+Enter"))  # and runs it, as the start page says
    return seen


def test_start_page_opens_and_shows_how_a_check_works(page, lab):
    assert open_notebook(page, lab) == "00_start_here.ipynb"
    assert not page.locator(".jp-Dialog, .Toastify__toast").count(), "nothing pops up"
    lesson = read(SOLUTIONS / "00_start_here.py")
    answer = cell(page, "def is_late(")
    check = below(answer)
    assert check.locator(".jp-Placeholder").count() and not check.locator(".cm-content").is_visible(), "folded"
    answer.locator(".cm-content").click()
    run(page, answer, "Shift+Enter")
    assert "Run the cells above first" in run(page, check, "Shift+Enter")
    run_all(page)
    assert "Not attempted yet" in output(check)
    wrong, right = wrong_then_right(page, lesson, "is_late")
    assert "✗ " in wrong and lesson.exercises["is_late"].mistakes[0].hint in wrong
    assert "✓ " in right and "✗ " not in right and "All 3 facts hold" in right


def test_first_exercise_wrong_shows_its_hint_and_right_its_tick(page, lab):
    open_notebook(page, lab, "04_monitoring/02_detect_drift.ipynb")
    run_all(page)
    lesson = read(SOLUTIONS / "04_monitoring" / "02_detect_drift.py")
    wrong, right = wrong_then_right(page, lesson, "psi")
    assert "✗ " in wrong and lesson.exercises["psi"].mistakes[0].hint in wrong
    assert f"✓ {facts(lesson.exercises['psi'].check.source)[0][0]}" in right and "✗ " not in right
