"""Set-up keeps its promises: one list of packages, whole environments only, and the learner's work stays."""

import ast
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from grading import bootstrap

ROOT = bootstrap.ROOT
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
UNLOCKED = {"llm"}  # opt-in: large, and under terms of its own
EXTRAS = [text for name, texts in PROJECT["optional-dependencies"].items() if name not in UNLOCKED for text in texts]
DIRECT = {canonicalize_name(Requirement(text).name): Requirement(text) for text in PROJECT["dependencies"] + EXTRAS}
TOP = {
    ".ci",
    ".github",
    ".gitignore",
    "LICENSE",
    "Makefile",
    "README.md",
    "course",
    "data",
    "environment.yml",
    "grading",
}
TOP |= {"nbgrader_config.py", "pyproject.toml", "requirements.txt", "solutions", "tests"}


def text(name):
    return (ROOT / name).read_text(encoding="utf-8")


def ended(capsys, call, *args):
    """The sentence that `call` ends with; one line, without a stack trace."""
    with pytest.raises(SystemExit) as end:
        call(*args)
    sentence = str(end.value)
    assert sentence and "\n" not in sentence and "Traceback" not in capsys.readouterr().err
    return sentence


# ---- the lists ----


def locked():
    """What the lock says for this machine: name → version."""
    lines = [Requirement(line) for line in text("requirements.txt").splitlines() if re.match(r"[\w.-]+==", line)]
    return {canonicalize_name(r.name): str(r.specifier)[2:] for r in lines if not r.marker or r.marker.evaluate()}


def test_lock_holds_every_direct_dependency():
    lock = locked()
    assert not DIRECT.keys() - lock.keys()
    assert all(lock[name] in requirement.specifier for name, requirement in DIRECT.items())


def test_the_language_model_is_in_nobodys_way():
    assert re.findall(r"--extra (\w+)", bootstrap.COMPILE) == sorted(PROJECT["optional-dependencies"].keys() - UNLOCKED)
    optional = [text for name in UNLOCKED for text in PROJECT["optional-dependencies"][name]]
    assert not {canonicalize_name(Requirement(text).name) for text in optional} & locked().keys()


def test_what_is_installed_is_what_is_locked():
    lock = locked()
    assert {name: version(name) for name in DIRECT} == {name: lock[name] for name in DIRECT}


def test_conda_points_at_the_same_lists_and_repeats_nothing():
    *conda, pip = yaml.safe_load(text("environment.yml"))["dependencies"]
    assert pip == {"pip": ["-c requirements.txt", "-e .[test]"]}
    python, *others = [Requirement(line) for line in conda]
    assert python.name == "python" and python.specifier == SpecifierSet(PROJECT["requires-python"])
    assert [r.name for r in others] == ["pip"] and not {r.name for r in others} & DIRECT.keys()


def test_every_place_names_the_same_pythons():
    wanted = SpecifierSet(PROJECT["requires-python"])
    assert tuple(f"3.{minor}" for minor in range(30, 0, -1) if f"3.{minor}" in wanted) == bootstrap.PYTHONS
    matrix = yaml.safe_load(text(".github/workflows/ci.yml"))["jobs"]["test"]["strategy"]["matrix"]["include"]
    assert {row["python"] for row in matrix} == set(bootstrap.PYTHONS)
    assert {row["os"].partition("-")[0] for row in matrix} == {"ubuntu", "macos", "windows"}


def test_make_and_readme_know_the_same_verbs():
    rule = re.search(r"^(lab [\w ]+):", text("Makefile"), re.M).group(1)
    assert set(rule.split()) == bootstrap.VERBS.keys()
    if (ROOT / "README.md").exists():
        code = "\n".join(re.findall(r"```.*?```|`[^`]*`", text("README.md"), re.S))
        named = set(re.findall(r"\bmake (\w+)", code))
        assert {"lab", "test"} <= named <= bootstrap.VERBS.keys()


def test_ci_calls_make_test():
    script = text(".ci/run")
    assert script.rstrip().endswith("exec make test")
    assert os.name == "nt" or os.access(ROOT / ".ci" / "run", os.X_OK)


def test_the_root_holds_only_what_belongs_there():
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True).stdout.split("\n")
    tops = {name.partition("/")[0] for name in listed if name}
    if not tops:
        pytest.skip("this copy is not a git checkout")
    assert tops <= TOP, "new at the root; put it into one of the folders"


# ---- a Python, and an environment ----


def fake(folder, prints):
    """A command that behaves like a Python which prints this."""
    path = folder / "python"
    path.write_text(f"#!/bin/sh\necho '{prints}'\n")
    path.chmod(0o755)
    return str(path)


def test_old_pythons_can_read_the_bootstrap():
    ast.parse(text("grading/bootstrap.py"), feature_version=(3, 6))


@pytest.mark.skipif(os.name == "nt", reason="the fake Python is a shell script")
def test_a_wrong_python_gets_one_sentence(tmp_path, capsys):
    sentence = ended(capsys, bootstrap.find_python, [["no-such-python"], [fake(tmp_path, "3.10 /usr/bin/python3")]])
    assert all(name in sentence for name in (*bootstrap.PYTHONS, "PYTHON="))


@pytest.mark.skipif(os.name == "nt", reason="the fake Python is a shell script")
def test_a_supported_python_is_found_behind_a_wrong_one(tmp_path):
    found = bootstrap.find_python([[fake(tmp_path, "3.10 /usr/bin/python3")], [sys.executable]])
    assert found == (sys.executable, "{}.{}".format(*sys.version_info))


@pytest.mark.skipif(os.name == "nt", reason="the fake Python is a shell script")
def test_a_python_without_venv_gets_one_sentence(tmp_path, capsys):
    sentence = ended(capsys, bootstrap.check_python, fake(tmp_path, "ensurepip"), "3.12")
    assert "ensurepip" in sentence and "apt install python3.12-venv" in sentence


def test_a_full_disk_gets_one_sentence(monkeypatch, capsys):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(10**12, 10**12 - 10**9, 10**9))
    assert "2 GB of disk" in ended(capsys, bootstrap.make, sys.executable, "3.12")


@pytest.mark.parametrize(
    "said, told",
    [
        ("error: Failed to install: No space left on device (os error 28)", "disk is full"),
        ("error: failed to create directory: Permission denied (os error 13)", "can't be written"),
        ("Caused by: dns error: failed to lookup address information", "online"),
        ("ERROR: No matching distribution found for uv==1", "online"),
        ("error: command gcc failed", "install.log"),
    ],
)
def test_an_installers_trouble_becomes_a_sentence(said, told):
    assert told in bootstrap.sentence(said)


@pytest.fixture
def house(tmp_path, monkeypatch):
    """A repo of two lists, whose environments are made and filled by stand-ins that note what they do."""
    for name in bootstrap.LISTS:
        (tmp_path / name).write_text("uv==1\n")
    env = tmp_path / ".venv"
    for name, value in {"ROOT": tmp_path, "ENV": env, "STAMP": env / "daytwo.json", "CONDA": False}.items():
        monkeypatch.setattr(bootstrap, name, value)
    monkeypatch.setattr(bootstrap, "PYTHON", Path(sys.executable))
    done = []
    monkeypatch.setattr(bootstrap, "make", lambda base, version: (done.append("make"), env.mkdir(exist_ok=True)))
    monkeypatch.setattr(bootstrap, "install", lambda project: done.append(project))

    def settle(*extras):
        done.clear()
        bootstrap.environment(*extras)
        return list(done)

    return settle


def test_a_whole_environment_is_left_alone(house):
    assert house() == ["make", "."]
    assert house() == []


def test_tests_add_to_the_environment_and_lab_takes_nothing_away(house):
    house()
    assert house("test") == [".[test]"]
    assert house() == [] and house("test") == []


def test_a_changed_list_is_installed_in_place(house):
    house("test")
    (bootstrap.ROOT / "requirements.txt").write_text("uv==2\n")
    assert house() == [".[test]"]
    assert house("test") == []


def test_a_half_made_environment_is_made_anew(house, monkeypatch):
    def killed(project):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(bootstrap, "install", killed)
        house()
    assert bootstrap.ENV.exists()
    assert house() == ["make", "."]


def test_a_broken_or_moved_environment_is_made_anew(house):
    house()
    stamp = json.loads(bootstrap.STAMP.read_text())
    for broken in ({**stamp, "root": "/elsewhere"}, {**stamp, "python": "3.10"}, {}, "half a st"):
        bootstrap.STAMP.write_text(json.dumps(broken)[:-1] if isinstance(broken, str) else json.dumps(broken))
        assert house() == ["make", "."]


def test_an_update_that_cannot_be_fetched_breaks_nothing(house, monkeypatch, capsys):
    house()
    (bootstrap.ROOT / "requirements.txt").write_text("uv==2\n")
    with monkeypatch.context() as patch:
        patch.setattr(bootstrap, "install", lambda project: "dns error")
        assert "online" in ended(capsys, house)
    assert house() == ["."]


# ---- the working folder ----


def notebook(*sources, outputs=()):
    cells = [{"cell_type": "code", "source": [s], "outputs": list(outputs), "metadata": {}} for s in sources]
    return json.dumps({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5})


@pytest.fixture
def folders(tmp_path):
    """A small course and the place of a working folder, already filled once."""
    course, work = tmp_path / "course", tmp_path / "work"
    (course / "01_first" / ".ipynb_checkpoints").mkdir(parents=True)
    (course / "daytwo" / "__pycache__").mkdir(parents=True)
    for name in ("daytwo/data.py", "daytwo/__pycache__/data.pyc", "01_first/.ipynb_checkpoints/01_one.ipynb"):
        (course / name).write_text("")
    (course / "01_first" / "01_one.ipynb").write_text(notebook("1"))
    (course / "01_first" / "extra.json").write_text("{}")
    assert bootstrap.fill(course, work) == []
    return course, work


def held(folder):
    """name → content of the files of a folder that people see."""
    paths = [path for path in sorted(folder.rglob("*")) if path.is_file() and not path.name.startswith(".")]
    return {path.relative_to(folder).as_posix(): path.read_text() for path in paths}


def test_work_holds_the_course_without_its_library(folders):
    assert held(folders[1]) == {"01_first/01_one.ipynb": notebook("1"), "01_first/extra.json": "{}"}


def test_a_second_lab_keeps_answers_and_outputs(folders):
    course, work = folders
    mine = {"01_first/01_one.ipynb": notebook("mine"), "01_first/extra.json": "{}", "notes.txt": "my own"}
    for name, content in mine.items():
        (work / name).write_text(content)
    assert bootstrap.fill(course, work) == [] and held(work) == mine
    (work / "01_first" / "01_one.ipynb").write_text(notebook("1", outputs=["seen"]))
    assert bootstrap.fill(course, work) == []
    assert "seen" in held(work)["01_first/01_one.ipynb"]


def test_new_lessons_arrive_and_untouched_ones_follow_the_course(folders):
    course, work = folders
    (work / "01_first" / "01_one.ipynb").write_text(notebook("1", outputs=["only run"]))
    (course / "01_first" / "01_one.ipynb").write_text(notebook("better"))
    (course / "01_first" / "02_two.ipynb").write_text(notebook("2"))
    assert bootstrap.fill(course, work) == []
    assert held(work) == held(course / ".." / "work") | {
        "01_first/01_one.ipynb": notebook("better"),
        "01_first/02_two.ipynb": notebook("2"),
    }


def test_a_deleted_lesson_comes_back_fresh(folders):
    course, work = folders
    (work / "01_first" / "01_one.ipynb").unlink()
    bootstrap.fill(course, work)
    assert held(work)["01_first/01_one.ipynb"] == notebook("1")


def test_where_both_changed_the_learners_stays_and_the_new_one_is_beside_it(folders):
    course, work = folders
    (work / "01_first" / "01_one.ipynb").write_text(notebook("mine"))
    for step, beside in enumerate(("01_one-new.ipynb", "01_one-new.ipynb", "01_one-new2.ipynb")):
        (course / "01_first" / "01_one.ipynb").write_text(notebook(f"better {step}"))
        (sentence,) = bootstrap.fill(course, work)
        assert "01_first/01_one.ipynb" in sentence and beside in sentence and "\n" not in sentence
        assert held(work)["01_first/01_one.ipynb"] == notebook("mine")
        assert held(work)[f"01_first/{beside}"] == notebook(f"better {step}")
        assert bootstrap.fill(course, work) == []
        if step == 1:  # the learner goes on in the new one
            (work / "01_first" / beside).write_text(notebook("mine too"))
    assert held(work)["01_first/01_one-new.ipynb"] == notebook("mine too")


def test_without_its_memory_work_is_still_kept(folders):
    course, work = folders
    (work / "01_first" / "01_one.ipynb").write_text(notebook("mine"))
    (work / ".daytwo.json").write_text("half a fi")
    assert len(bootstrap.fill(course, work)) == 1
    assert held(work)["01_first/01_one.ipynb"] == notebook("mine")


def test_filling_leaves_the_course_alone(folders):
    course, work = folders
    before = held(course)
    (work / "01_first" / "01_one.ipynb").write_text(notebook("mine"))
    bootstrap.fill(course, work)
    assert held(course) == before


# ---- nbgrader's settings ----


def test_nbgraders_settings_load_from_anywhere(tmp_path, monkeypatch):
    from traitlets.config import PyFileConfigLoader

    monkeypatch.chdir(tmp_path)
    shutil.copy(ROOT / "nbgrader_config.py", tmp_path / "nbgrader_config.py")
    found = PyFileConfigLoader("nbgrader_config.py", path=str(tmp_path)).load_config()
    assert found.CourseDirectory.root == str(tmp_path)
    assert found.CourseDirectory.db_url == f"sqlite:///{tmp_path / 'classroom' / 'gradebook.db'}"
