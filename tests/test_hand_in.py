"""What may lie in a student's folder, what goes along with the graded notebooks, and what is lost for being late."""

import os
import socket
import subprocess
import sys
from datetime import datetime
from types import SimpleNamespace

import pytest
from nbgrader.apps import NbGraderAPI
from nbgrader.coursedir import CourseDirectory
from nbgrader.plugins import LateSubmissionPlugin
from traitlets import Float
from traitlets.config import Config, PyFileConfigLoader

from grading.engine import files
from grading.engine.carry import carried
from grading.engine.command import TrustedAutograde
from grading.engine.late import Late
from grading.environment import ROOT

WHEN = datetime(2026, 11, 30, 22, 59)


def put(path, what):
    """Make what may stand at a path: bytes, or a word for something that is no plain file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(what, bytes):
        return path.write_bytes(what)
    if what == "a folder":
        return (path / "inside").mkdir(parents=True)
    if what == "a pipe":
        return os.mkfifo(path)
    if what == "a socket":
        with socket.socket(socket.AF_UNIX) as own:
            os.chdir(path.parent)  # its names are short
            return own.bind(path.name)
    return path.symlink_to({"a link to a device": "/dev/zero", "a link to a file": ROOT / "README.md"}[what])


@pytest.mark.parametrize(
    "what, when, said",
    [
        (b"2026-11-30 23:59:00 Europe/Berlin\n", WHEN, None),
        (b"2026-11-30 22:59:00 UTC", WHEN, None),
        ("2026-11-30 22:59:00 UTC\r\n".encode("utf-16"), WHEN, None),
        ("2026-11-30 22:59:00 UTC".encode("utf-8-sig"), WHEN, None),
        (b"30. November 2026, 23 Uhr 59", None, "says “30. November 2026, 23 Uhr 59”"),
        (b"Monday", None, "says “Monday”"),
        (b"30 November 2026", None, "says “30 November 2026”"),
        (b"2026-11-30", datetime(2026, 11, 30), None),
        (b"99999-01-01 00:00:00 UTC", None, "says “99999"),
        (b"9999999999999999999999", None, "says “9999"),
        (b"0001-01-01 00:00:00 +9999999", None, "says “0001"),
        ("2026-11-30 22:59:00 UTC".encode("utf-16-le")[:7], None, "says “202"),
        (b"\xff\xfe\x00", None, "timestamp.txt "),
        (b"\0" * 2_000_000, None, "is empty"),
        (b"", None, "is empty"),
        ("a folder", None, "is a folder"),
        ("a pipe", None, "is a pipe"),
        ("a socket", None, "is a socket"),
        ("a link to a device", None, "is a link"),
        ("a link to a file", None, "is a link"),
    ],
)
def test_whatever_timestamp_txt_is_it_costs_a_sentence_at_most(tmp_path, monkeypatch, what, when, said):
    monkeypatch.chdir(tmp_path)
    put(tmp_path / "timestamp.txt", what)
    found, why = files.stamp(tmp_path)
    assert found == when and (why is None if said is None else said in why and "\0" not in why)
    assert files.stamp(tmp_path / "nobody") == (None, None)


def test_only_plain_files_are_read_and_the_rest_is_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine").mkdir()
    odd = {"p.csv": "a pipe", "s.ipynb": "a socket", "z.bin": "a link to a device", "data/r.csv": "a link to a file"}
    for name, what in odd.items():
        put(tmp_path / "mine" / name, what)
    os.symlink(ROOT, tmp_path / "mine" / "all")
    put(tmp_path / "mine" / "data" / "own.csv", b"1")
    os.chmod(tmp_path / "mine" / "data" / "own.csv", 0o444)
    found, said = files.listed(tmp_path / "mine")
    assert list(found) == ["data/own.csv"]
    assert {line.split("”")[0][1:] for line in said} == {*odd, "all"} and "is a pipe" in " ".join(said)
    assert all(files.plain(tmp_path / "mine" / name, 9) == b"" for name in (*odd, "all", "nothing"))
    assert files.plain("/dev/zero", 9) == b""


def test_a_thousand_notebooks_are_bounded_and_the_expected_ones_come_first(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "NOTEBOOKS", 3)
    for number in range(9):
        put(tmp_path / f"{number}.ipynb", b"{}")
    there, _ = files.listed(tmp_path)
    found, said = files.notebooks(there, {"7.ipynb"})
    assert list(found) == ["7.ipynb", "0.ipynb", "1.ipynb"] and "9 notebooks: only 3" in said[0]
    monkeypatch.setattr(files, "PAGES", 5)
    assert len(files.notebooks(there, set())[0]) == 2
    monkeypatch.setattr(files, "NAMES", 4)
    there, said = files.listed(tmp_path)
    assert len(there) == 4 and "more files than are looked at" in said[0]


def test_what_was_handed_in_is_known_again_by_what_is_in_it(tmp_path, monkeypatch):
    def mark():
        return files.fingerprint(files.listed(tmp_path)[0])

    put(tmp_path / "a.ipynb", b"{}")
    first = mark()
    os.utime(tmp_path / "a.ipynb", (1, 1))
    assert mark() == first
    put(tmp_path / "a.ipynb", b"{ }")
    assert mark() != first
    monkeypatch.setattr(files, "HASHED", 1)  # too large to be read for that
    first = mark()
    put(tmp_path / "a.ipynb", b"{ } ")
    assert mark() != first


@pytest.fixture
def coursedir(tmp_path):
    config = Config()
    config.CourseDirectory.root, config.CourseDirectory.course_id = str(tmp_path), "daytwo"
    config.CourseDirectory.ignore = ["*.py", "__pycache__", ".*"]
    return CourseDirectory(config=config)


def test_all_that_nbgrader_carries_along_is_carried_but_for_what_a_browser_would_run(coursedir, tmp_path):
    handed, lesson = tmp_path / "submitted" / "ada" / "one", tmp_path / "source" / "one"
    for name in ("data/own.csv", "notes.txt", "plot.png", "a.ipynb", "help.py", ".git/config", "timestamp.txt"):
        put(handed / name, b"hers")
    for name in ("page.html", "figure.svg", "feed.XML", "page.xhtml"):
        put(handed / name, b"<script>alert(1)</script>")
    put(handed / "submission_secret.txt", b"abc123")
    for name in ("hints.json", "notes.txt", "own.txt", "a.ipynb", "a.py"):
        put(lesson / name, b"the lesson's")
    there, _ = files.listed(handed)
    found = carried(coursedir, "one", there, kept=["own.txt"])
    assert set(found) == {"data/own.csv", "notes.txt", "plot.png", "submission_secret.txt", "hints.json"}
    assert found["notes.txt"] == lesson / "notes.txt" and found["data/own.csv"] == handed / "data" / "own.csv"
    for odd in (b"\xff\xfe\0", b"", b"x" * 5_000):  # releasing feedback would end at it, for the whole class
        put(handed / "submission_secret.txt", odd)
        assert "submission_secret.txt" not in carried(coursedir, "one", there)


class OnePointAnHour(LateSubmissionPlugin):
    """A teacher's own."""

    points = Float(1.0).tag(config=True)

    def late_submission_penalty(self, student_id, score, total_seconds_late):
        return self.points * total_seconds_late / 3600


@pytest.mark.parametrize(
    "settings, lost",
    [
        ({}, None),
        ({"LateSubmissionPlugin": {"penalty_method": "zero"}}, 5),
        ({"AssignLatePenalties": {"plugin_class": OnePointAnHour}}, 2),
        ({"AssignLatePenalties": {"plugin_class": OnePointAnHour}, "OnePointAnHour": {"points": 9}}, 5),  # no more than
        ({"AssignLatePenalties": {"plugin_class": OnePointAnHour}, "OnePointAnHour": {"points": -1}}, 0),
        ({"AssignLatePenalties": {"plugin_class": OnePointAnHour, "enabled": False}}, None),
        ({"LateSubmissionPlugin": {"penalty_method": "zero"}, "Autograde": {"autograde_preprocessors": []}}, None),
    ],
)
def test_what_is_late_loses_what_nbgraders_settings_say(coursedir, settings, lost):
    late = Late(TrustedAutograde(coursedir, config=Config(settings)))
    notebook = SimpleNamespace(score=5.0, late_submission_penalty=3)
    late.penalise("ada", notebook, 7200)
    assert notebook.late_submission_penalty == lost
    late.penalise("ada", notebook, 0)
    assert notebook.late_submission_penalty is None


def test_with_another_penalty_a_result_is_not_the_same(coursedir):
    settings = [{}, {"LateSubmissionPlugin": {"penalty_method": "zero"}}, {"AssignLatePenalties": {"enabled": False}}]
    told = [repr(Late(TrustedAutograde(coursedir, config=Config(one))).settings()) for one in settings]
    assert len(set(told)) == 3


def test_nothing_of_a_class_is_visible_to_git(tmp_path):
    """Wherever nbgrader puts names and work of students: its own folders, and those it uses when it is told nothing."""
    names = "downloaded/x submitted/x autograded/x feedback/x classroom/x gradebook.db gradebook.db.2026 grades.csv"
    ask = ["git", "check-ignore", *names.split()]
    run = subprocess.run(ask, cwd=ROOT, capture_output=True, text=True)
    if run.returncode == 128:
        pytest.skip("this is no clone")
    assert run.stdout.split() == names.split()
    code = """
from nbgrader.apps import ZipCollectApp
from nbgrader.coursedir import CourseDirectory
from traitlets.config import PyFileConfigLoader
app = ZipCollectApp(config=PyFileConfigLoader("nbgrader_config.py", path=".").load_config())
app.coursedir = CourseDirectory(parent=app)
app.coursedir.assignment_id = "01_try"
print(app._format_collect_path("archive"))
"""
    said = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert said.stdout.strip() == str(ROOT / "classroom/downloaded/01_try/archive"), said.stderr


def test_formgrader_and_collect_read_an_odd_time_as_none(coursedir, tmp_path):
    """They would wait for the pipe for ever, or show no page at all."""
    PyFileConfigLoader("nbgrader_config.py", path=str(ROOT)).load_config()  # plugs us in
    api = NbGraderAPI(coursedir)
    for student, what in (("ann", "a pipe"), ("ben", b"yesterday"), ("cyd", b"2026-11-30 22:59:00 UTC")):
        put(tmp_path / "submitted" / student / "one" / "timestamp.txt", what)
    found = [api.get_submitted_timestamp("one", student) for student in ("ann", "ben", "cyd", "dan")]
    assert found == [None, None, WHEN, None]
    assert coursedir.get_existing_timestamp(str(tmp_path / "submitted" / "ann" / "one")) is None
