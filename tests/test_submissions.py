"""A class of everything in the catalogue, on a real lesson: everybody gets what is deserved, and nobody else notices."""

import ast
import contextlib
import ctypes
import json
import os
import random
import re
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path

import nbformat
import psutil
import pytest
from nbgrader.api import Gradebook
from nbgrader.coursedir import CourseDirectory
from traitlets.config import Config

from grading.box import overseer, sandbox, syscalls
from grading.box.channel import sound
from grading.box.template import Template
from grading.checks import values
from grading.engine import section, submission, trusted, workers
from grading.engine.gradebook import whole
from grading.engine.section import Engine
from grading.engine.submission import code_cells, number
from grading.environment import ROOT, SOLUTIONS
from grading.lesson import build, names, source
from grading.lesson.read import read
from grading.rehearsal import simulate
from grading.rehearsal.submissions import PORT, ROWS, WIRES, Paper

SECTION, NAME = "04_monitoring", "04_set_alert_thresholds"  # whose checks take no time
LESSON = read(SOLUTIONS / SECTION / f"{NAME}.py")
EXERCISES = list(LESSON.exercises)
VICTIM = EXERCISES[2]
LIMITS = {"cell": 2, "notebook": 40, "memory": 1_000, "file": 20, "disk": 60}
SEED = "a secret of this class"
boxed = pytest.mark.skipif(bool(sandbox.possible()), reason="this kernel gives no sandbox")


# A class


def imported(source):
    return {
        (a.asname or a.name).split(".")[0]
        for n in ast.walk(ast.parse(source))
        if isinstance(n, ast.Import | ast.ImportFrom)
        for a in n.names
    }


def short(notebook):
    """The lesson without the cells that only show something: as many exercises and checks, in a fifth of the time."""
    notebook = nbformat.from_dict(notebook)
    graded = [e.answer.source for e in LESSON.exercises.values()] + [e.check.source for e in LESSON.exercises.values()]
    graded += [c.source for e in LESSON.exercises.values() for c in e.mistakes + e.alternatives]
    needed, cells = {name for source in graded for name, _ in names.used(source)}, []
    for cell in reversed(notebook.cells):
        common = cell.cell_type == "code" and "nbgrader" not in cell.metadata
        makes = set(names.defined(cell.source)) | imported(cell.source) if common else set()
        if common and not makes & needed:
            continue
        needed |= {name for name, _ in names.used(cell.source)} if common else set()
        cells.insert(0, cell)
    notebook.cells = cells
    return notebook


RELEASE = short(build.released(build.solved(LESSON)))


def plan(exercise, odd=False):
    """Right, wrong and blank answers, quick ones, with right ones before and after the victim."""
    wrong = exercise.mistakes[-1].source[len(exercise.mistakes[-1].opening) :]
    return {
        EXERCISES[0]: (exercise.answer.source, 1),
        EXERCISES[1]: (None, 0) if odd else (wrong, 0),
        EXERCISES[2]: (exercise.answer.source, 1),
        EXERCISES[3]: (exercise.alternatives[0].source, 1),
    }[exercise.name]


def odd(name):
    """Half of all students leave blank what the others have wrong."""
    return len(name) % 2 == 1


def paper(name, victim=VICTIM):
    made = Paper(LESSON, choose=lambda e: plan(e, odd(name)), release=RELEASE, victim=victim)
    if name in ROWS:
        ROWS[name](made)
    return made


def hand_in(root, papers):
    for student, made in papers.items():
        folder = root / "submitted" / student / SECTION
        for file, data in made.files.items():
            (folder / file).parent.mkdir(parents=True, exist_ok=True)
            (folder / file).write_bytes(data)


class Class:
    """A course directory of its own, and the engine over it."""

    def __init__(self, root, papers, **options):
        self.root, self.papers, self.said = Path(root), papers, []
        hand_in(self.root, papers)
        config = Config()
        config.CourseDirectory.root = str(self.root)
        config.CourseDirectory.course_id = "daytwo"
        config.CourseDirectory.db_url = f"sqlite:///{self.root / 'gradebook.db'}"
        self.coursedir, self.options = CourseDirectory(config=config), options

    def engine(self):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(section, "lessons", lambda _: [LESSON.path])
            patch.setattr(submission, "read", lambda _: LESSON)
            made = Engine(self.coursedir, SECTION, limits=LIMITS, log=self.said.append, **self.options)
        for course in made.courses.values():
            course.release = RELEASE
            cells = [cell for _, cell in code_cells(RELEASE)]
            first = next(i for i, cell in enumerate(cells) if cell["kind"] != "common")
            course.leading = [cell["source"] for cell in cells[:first]]
            whole(
                made.cache / "proved" / f"{course.key}.json", json.dumps({e: [[], {}] for e in EXERCISES})
            )  # see test_lessons
        return made

    def grade(self, **how):
        return self.engine().grade(jobs=3, **how)

    def marks(self, student):
        with Gradebook(self.coursedir.db_url, "daytwo") as book:
            notebook = book.find_submission_notebook(NAME, SECTION, student)
            return {grade.name: grade.auto_score for grade in notebook.grades if grade.name.endswith("-check")}

    def notebook(self, student):
        """The graded notebook; an empty one when nothing was handed in."""
        path = self.root / "autograded" / student / SECTION / f"{NAME}.ipynb"
        return nbformat.read(path, as_version=4) if path.exists() else nbformat.v4.new_notebook()

    def outputs(self, student):
        """Everything that a graded notebook shows below its cells, as one text."""
        return json.dumps([c.get("outputs", []) for c in self.notebook(student).cells], ensure_ascii=False)

    def state(self):
        """What lies in the submitted folders: names, times and bytes."""
        files = sorted(p for p in (self.root / "submitted").rglob("*") if p.is_file())
        return [(str(p), p.stat().st_mtime_ns, p.stat().st_size) for p in files]

    def family(self, besides=None):
        """Its sandboxes' processes, those left behind by rows, and children of this one but for one and its own."""
        found = {child.pid for child in psutil.Process().children() if not besides or child.pid != besides.pid}
        users = {sandbox.NOBODY + number(self.root / "submitted" / name / SECTION) % 5000 for name in self.papers}
        for process in psutil.process_iter(["uids", "cmdline"]):
            words = " ".join(process.info["cmdline"] or [])
            if (process.info["uids"] and process.info["uids"].real in users) or "77777" in words:
                found.add(process.pid)
        return found


@pytest.fixture(scope="module", autouse=True)
def template():
    """One warm process for all that is run by itself here."""
    yield
    workers.release()


HONEST = ["aaa_honest", "mmm_honest", "zzz_honest"]  # first, in the middle, last


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """Four students as `simulate` draws them, and plain nbgrader that grades them, without our plug-in, meanwhile."""
    root, dice = tmp_path_factory.mktemp("plain"), random.Random(5)
    (root / "solutions" / SECTION).mkdir(parents=True)
    nbformat.write(short(build.solved(LESSON)), root / "solutions" / SECTION / f"{NAME}.ipynb")
    shutil.copy(ROOT / "nbgrader_config.py", root)
    papers = {
        f"student{number}": Paper(LESSON, choose=lambda e: simulate.draw(e, dice)[1:], release=RELEASE)
        for number in range(4)
    }
    hand_in(root / "classroom", papers)
    env = os.environ | {"DAYTWO_ENGINE": "off", "PYTHONPATH": str(ROOT)}
    nbgrader = f'"{sys.executable}" -m nbgrader'
    with open(root / "log", "w", encoding="utf-8") as log:
        run = subprocess.Popen(
            f"{nbgrader} generate_assignment {SECTION} --create --force && {nbgrader} autograde {SECTION}",
            shell=True, cwd=root, env=env, stdout=log, stderr=log,
        )  # fmt: skip
    yield root, papers, run
    run.kill()
    run.wait()


@pytest.fixture(scope="module")
def school(tmp_path_factory, plain):
    """Every row of the catalogue handed in by a student of that name, among honest ones, and graded in one run."""
    _, drawn, run = plain
    others = {"numpy_scalars_returned": EXERCISES[0]}
    papers = {name: paper(name, others.get(name, VICTIM)) for name in (*ROWS, *HONEST)} | drawn
    made = Class(tmp_path_factory.mktemp("school"), papers)
    made.calls, made.before, made.children = [], made.state(), made.family(run)
    with listening(made.calls), pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRADING_SEED", SEED)
        made.count = made.grade()
    made.after, made.left = made.state(), made.family(run)
    return made


class listening:
    """A server on the host that notes whoever connects."""

    def __init__(self, calls):
        self.calls, self.socket = calls, socket.socket()
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)

    def __enter__(self):
        self.socket.bind(("127.0.0.1", PORT))
        self.socket.listen()
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                self.calls.append(self.socket.accept())
            except OSError:
                return

    def __exit__(self, *_):
        self.socket.close()


# What everybody gets


@boxed
@pytest.mark.parametrize("name", [*ROWS, *HONEST])
def test_every_mark_is_the_one_it_deserves(school, name):
    assert school.marks(name) == school.papers[name].deserved, [line for line in school.said if name in line]


@boxed
@pytest.mark.parametrize("name", [n for n, make in ROWS.items() if make.kind != "file"])
def test_the_rest_of_the_notebook_is_graded(school, name):
    """Every check says its verdict, and every common cell has run."""
    for exercise, verdict in verdicts(school, name).items():
        if exercise != VICTIM and name != "all_blank_and_skipped":
            right = school.papers[name].deserved[f"{exercise}-check"] > 0
            assert verdict == (
                "right" if right else "blank" if plan(LESSON.exercises[exercise], odd(name))[0] is None else "wrong"
            ), exercise


def verdicts(school, name):
    """{exercise: what its check says} of a graded notebook."""
    found = {}
    for cell in school.notebook(name).cells:
        grade_id = cell.metadata.get("nbgrader", {}).get("grade_id", "")
        if grade_id.endswith("-check"):
            errors = [output.ename for output in cell.outputs if output.output_type == "error"]
            found[grade_id.removesuffix("-check")] = errors[0].lower() if errors else "right"
    return found


@boxed
def test_nobody_is_lost_and_nothing_of_the_engine_breaks(school):
    assert school.count["graded"] == len(school.papers)
    troubled = [
        line
        for line in school.said
        if "needs a look" in line and not re.search("could not be read|no result from", line)
    ]
    assert not troubled


@boxed
def test_what_happened_is_said_in_words(school):
    said = {name: school.outputs(name) for name in ROWS if ROWS[name].kind in ("crash", "accident")}
    assert (
        "took longer than 2 s" in said["infinite_loop_in_a_cell"]
        and "took longer than 2 s" in said["infinite_loop_in_a_check"]
    )
    assert "its process ended" in said["os_exit_in_a_cell"] and "its process ended" in said["os_exit_in_a_check"]
    assert "SIGSEGV" in said["segmentation_fault_in_a_cell"] and "SIGKILL" in said["killed_in_a_cell"]
    assert "MemoryError" in said["twenty_gigabytes_in_a_cell"]
    assert "the rest of this output was left out" in said["many_lines_of_output"]
    assert "too large to keep" in said["a_huge_display"]
    assert "nobody is there when a notebook is graded" in said["somebody_asked_to_type"]
    assert "SyntaxError" in said["a_syntax_error"] and "NameError" in said["works_only_out_of_order"]
    top = {name: "".join(cell.source for cell in school.notebook(name).cells[:1]) for name in ROWS}
    for name, words in {
        "duplicated_cells": "counts, the others are kept",
        "a_deleted_answer": "was missing",
        "a_deleted_check": "was missing",
        "an_edited_check": "runs as released",
        "an_edited_common_cell": "as released, then as yours",
        "renamed": "was taken for",
        "empty": "is empty",
        "not_json": "is not JSON",
        "cut_off": "is not JSON",
        "stripped_of_all_metadata": "",
    }.items():
        assert words in top[name], name


# What nobody may do


@boxed
def test_nothing_is_left_running(school):
    assert school.left == school.children


@boxed
def test_no_file_outside_the_sandbox_changes(school):
    assert school.after == school.before
    here = [
        Path(p)
        for p in (
            "/",
            "/tmp",
            "/dev/shm",
            "/var/tmp",
            "/usr",
            "/etc",
            "/home",
            Path.home(),
            os.path.dirname(os.__file__),
        )
    ]
    for folder in (*here, ROOT, ROOT / "grading", ROOT / "course", school.root, Path(sys.prefix)):
        assert not [*folder.glob("DAYTWO*"), *folder.glob("*customize.py")], folder
    mine = [p for top in ("/tmp", "/dev/shm", "/var/tmp", tempfile.gettempdir()) for p in Path(top).iterdir()]
    mine += list(school.root.rglob("*"))
    assert not [p for p in mine if p.exists() and sandbox.NOBODY <= p.stat().st_uid < sandbox.NOBODY + 5000]


@boxed
def test_nothing_outside_the_sandbox_is_seen(school):
    assert not school.calls, "somebody reached a server of the host"
    seen = {name: school.outputs(name) for name in ROWS if name in school.papers}
    host = Path("/etc/hostname").read_text().strip() if Path("/etc/hostname").exists() else None
    secrets = (SEED, "BEGIN SOLUTION", "CONNECTED", "TRACED", "OPENED", "LISTED", "root:*", "root:$", "FOUND")
    for name, text in seen.items():
        own = "".join(cell.source for cell in school.papers[name].notebook.cells)
        assert not [secret for secret in secrets if secret in text and secret not in own], name
    for row, words in {
        "everything_in_sight_read": "FOUND",
        "the_first_process_traced": "TRACED OPENED LISTED",
        "connections_to_the_world_and_the_host": "CONNECTED",
    }.items():
        assert not [word for word in words.split() if word in seen[row]], row
    listed = re.findall(r"LIST (\S+) (\[.*?\])", seen["everything_in_sight_read"])
    assert dict(listed)["/"] and "solutions" not in str(listed) and "submitted" not in str(listed)
    assert host is None or len(host) < 5 or host not in seen["everything_in_sight_read"]
    assert len(re.findall("PROC ", seen["everything_in_sight_read"])) < 20, "only the sandbox's own processes"


def hidden():
    """(source of a hidden fact's call, or a number it expects) of the lesson; none stands in what students are given."""
    public = " ".join(c.source for c in nbformat.read(LESSON.release, as_version=4).cells)
    for exercise in LESSON.exercises.values():
        for region in source.region("HIDDEN TESTS").finditer(exercise.check.source):
            for node in ast.parse(region[0]).body:
                if source.is_fact(node):
                    call = ast.unparse(node.value.args[1])
                    numbers = [
                        ast.unparse(n)
                        for n in ast.walk(node.value.args[2])
                        if isinstance(n, ast.Constant) and len(ast.unparse(n)) > 6
                    ]
                    yield from (text for text in (call, *numbers) if len(text) > 5 and text not in public)


@boxed
@pytest.mark.parametrize("name", [*ROWS, *HONEST])
def test_no_secret_is_in_what_a_student_gets(school, name):
    """The sources and the expected values of hidden facts: not in the notebook that feedback is made of."""
    text = re.sub(r"\s+", "", json.dumps(school.notebook(name), ensure_ascii=False))
    own = re.sub(r"\s+", "", "".join(cell.source for cell in school.papers[name].notebook.cells))
    for secret in hidden():
        secret = re.sub(r"\s+", "", secret)
        assert secret not in text or secret in own, secret
    assert "STOLEN" not in text.replace(json.dumps(own, ensure_ascii=False), "") or "STOLEN" in own
    assert not re.search("STOLEN", re.sub(r"\s+", "", school.outputs(name)))


class Tags(HTMLParser):
    """What a page would run."""

    def __init__(self, text):
        super().__init__()
        self.active, self.inside = [], False
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.inside = tag == "script"
        for key, value in attrs:
            if key.startswith("on") or re.match(r"\s*(java|vb)script:", value or "", re.I):
                self.active.append((tag, key, value))

    def handle_data(self, data):
        if self.inside and "alert" in data:
            self.active.append(data)

    def handle_endtag(self, tag):
        self.inside = False


@boxed
def test_feedback_runs_nothing(school):
    from nbgrader.converters import GenerateFeedback

    school.coursedir.assignment_id = SECTION
    for name in (
        "aaa_honest",
        "scripts_in_outputs",
        "scripts_in_values_and_errors",
        "malformed_outputs",
        "hidden_sources_sent_out_by_a_snapshot",
    ):
        school.coursedir.student_id = name
        GenerateFeedback(coursedir=school.coursedir, config=school.coursedir.config).start()
        page = (school.root / "feedback" / name / SECTION / f"{NAME}.html").read_text(encoding="utf-8")
        assert "<script>alert" not in page and Tags(page).active == Tags("").active, name
        assert r"\href{" not in re.sub(r"<(pre|code).*?</\1>", "", page, flags=re.S), name
        for secret in hidden():
            assert secret not in page


# Again


@boxed
def test_an_unchanged_class_is_not_graded_again(school):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRADING_SEED", SEED)
        count = school.grade()
        assert (count["unchanged"], count["graded"], count["executed"]) == (len(school.papers), 0, 0), school.said[-20:]
        for student in ("aaa_honest", "infinite_loop_in_a_cell"):  # handed in again, unchanged; and its time is new
            before = school.marks(student)
            (school.root / "submitted" / student / SECTION / "timestamp.txt").write_text("2026-01-01 00:00:00 UTC")
            count = school.grade(students=student)
            assert (count["graded"], count["executed"], count["from cache"]) == (1, 0, 1)
            assert school.marks(student) == before


def test_every_malformed_report_has_a_verdict():
    """What a process could make of a report: nothing of it stops the one that compares."""
    exercise = LESSON.exercises[VICTIM]
    facts = [fact for fact, _ in source.facts(exercise.check.source)]
    expected, visible = [(fact, None, 0.5, 1e-3) for fact in facts], dict.fromkeys(facts[:3], "")
    for wire in WIRES:
        wire = json.loads(json.dumps(wire))
        for report in (
            {"facts": [[fact, wire] for fact in facts]},
            {"facts": [], "error": wire},
            {"facts": [[facts[0], 0.5]], "error": wire, "where": wire, "blank": wire},
            {"facts": wire},
            {"facts": [wire, [wire, wire]]},
            wire,
        ):
            for reports in (
                {"visible": report},
                {"visible": {"facts": [[f, 0.5] for f in facts[:3]]}, "hidden": report},
                {"hidden": report},
            ):
                found = trusted.verdict(reports, expected, visible, ([], {}))
                assert found["state"] != "right", (wire, reports)
                json.dumps(found)


def test_the_hidden_part_of_a_report_says_nothing_of_the_visible_one():
    """Whoever takes over a snapshot may see hidden sources when they come; there is no way out for them."""
    exercise = LESSON.exercises[VICTIM]
    facts = [fact for fact, _ in source.facts(exercise.check.source)]
    expected, visible = [(fact, None, 0.5, 1e-3) for fact in facts], dict.fromkeys(facts[:3], "")
    stolen = {"raised": ["ValueError", "Exception"], "message": "STOLEN"}
    late = sound({"facts": [[fact, "STOLEN"] for fact in facts], "error": stolen, "where": "STOLEN", "died": "STOLEN"})
    for early in ([], [[facts[0], 0.5]], [[fact, 0.5] for fact in facts[:3]]):
        for error in (None, stolen):
            found = trusted.verdict(
                {"visible": {"facts": early}, "hidden": late | {"error": error}}, expected, visible, ([], {})
            )
            assert found["state"] != "right" and "STOLEN" not in json.dumps(found)


def test_values_survive_the_journey_or_are_refused():
    for wire in WIRES:
        with contextlib.suppress(ValueError, RecursionError):
            values.encode(values.decode(json.loads(json.dumps(wire))))


# With less


OPEN = [
    "an_int_that_equals_everything",
    "an_ast_transformer_that_deletes_checks",
    "patched_builtins",
    "check_redefined_in_the_module",
    "check_redefined_in_sys_modules",
    "the_encoding_of_values_patched",
    "reports_forged_on_every_socket",
    "hidden_sources_sent_out_by_a_snapshot",
    "malformed_outputs",
    "tags_that_skip",
    "a_deleted_check",
    "segmentation_fault_in_a_cell",
    "infinite_loop_in_a_check",
    "processes_left_behind",
    "a_right_answer_that_warns",
    "its_environment_read",
    "not_json",
]


def test_on_a_kernel_without_namespaces_all_but_the_sandbox_holds(tmp_path):
    papers = {name: paper(name) for name in (*OPEN, *HONEST)}
    here = Class(tmp_path, papers, box=False)
    before, children = here.state(), here.family()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRADING_SEED", SEED)
        here.grade()
    assert "WARNING: no sandbox" in here.said[0]
    wrong = {name: here.marks(name) for name in papers if here.marks(name) != papers[name].deserved}
    assert not wrong
    assert here.state() == before and here.family() == children
    assert not [name for name in papers if SEED in here.outputs(name) or "STOLEN" in here.outputs(name)]


@boxed
def test_plain_nbgrader_still_grades_a_release_and_agrees_with_ours(school, plain):
    root, papers, run = plain
    assert run.wait(600) == 0, (root / "log").read_text(encoding="utf-8")[-3000:]
    with Gradebook(f"sqlite:///{root}/classroom/gradebook.db", "daytwo") as book:
        for student, made in papers.items():
            notebook = book.find_submission_notebook(NAME, SECTION, student)
            marks = {grade.name: grade.auto_score for grade in notebook.grades if grade.name.endswith("-check")}
            assert marks == school.marks(student) == made.deserved, student


# The box by itself


def executed(*cells, **limits):
    """What comes out of a sandbox into which these cells went: sources of answers, each with its check `report()`."""
    given, checks = [], {}
    for at, text in enumerate(cells):
        given += [{"kind": "answer", "source": text}, {"kind": "check", "name": f"e{at}"}]
        checks[f"e{at}"] = {"visible": "check('visible', answer())", "hidden": "check('hidden', answer())"}
    return workers.execute([], workers.job(given, checks, {}, LIMITS | limits, not sandbox.possible(), 1))


def test_a_budget_for_the_notebook_bounds_a_submission_that_never_ends():
    endless = "def answer(): return 1\nwhile True: pass"
    result = executed("def answer(): return 0", *[endless] * 6, cell=1, notebook=2)
    assert not result["trouble"] and result["checks"]["e0"]["hidden"]["facts"] == [["hidden", 0]]
    assert result["checks"]["e6"]["visible"] == {"died": "the notebook as a whole took longer than 2 s"}


def test_a_twin_has_what_its_template_computed_outlives_it_and_ends_when_told():
    template = Template(["base = 41"])
    twin = template.twin()
    (process,) = psutil.Process(template.process.pid).children()
    try:
        template.end()
        given = [{"kind": "answer", "source": "def answer(): return base + 1"}, {"kind": "check", "name": "e0"}]
        checks = {"e0": {"visible": "check('e0', answer())", "hidden": ""}}
        result = twin.run(workers.job(given, checks, {}, LIMITS, not sandbox.possible(), 1))
        assert result["checks"]["e0"]["visible"]["facts"] == [["e0", 42]]
    finally:
        twin.close()
    assert not psutil.wait_procs([process], timeout=10)[1]


def test_the_lessons_own_cells_find_the_names_they_bound():
    """An answer may call its helper as the lesson calls its table."""
    checks = {name: {"visible": f"check('{name}', answer())", "hidden": ""} for name in ("e0", "e1")}
    given = [
        {"kind": "common", "source": "base, limit = [1, 2], 5\ndef longer(): return len(base) + limit"},
        {"kind": "answer", "source": "base = limit = None\ndel base\ndef answer(): return 1"},
        {"kind": "check", "name": "e0"},
        {"kind": "common", "source": "more = longer()"},
        {"kind": "answer", "source": "more += 1\ndef answer(): return more"},
        {"kind": "check", "name": "e1"},
    ]
    result = workers.execute([], workers.job(given, checks, {}, LIMITS, not sandbox.possible(), 1))
    assert result["checks"]["e0"]["visible"]["facts"] == [["e0", 1]]
    assert result["checks"]["e1"]["visible"]["facts"] == [["e1", 8]]


def test_honest_cells_run_once_and_large_jobs_fit_through_the_pipe():
    """What scientific code does in passing does not look like an attack on the other exercises."""
    honest = """
        import matplotlib.pyplot as plt, logging, warnings, threading, random, os
        import numpy as np, pandas as pd, scipy.stats, sklearn.ensemble
        from concurrent.futures import ThreadPoolExecutor
        np.random.seed(1); random.seed(1); pd.set_option("display.max_rows", 5); plt.rcParams["font.size"] = 9
        warnings.filterwarnings("ignore"); logging.basicConfig(level="INFO"); plt.style.use("ggplot")
        plt.plot([1]); plt.show(); pd.DataFrame({"a": [1]}).plot()
        list(ThreadPoolExecutor(2).map(abs, [1, 2])); os.environ["MINE"] = "1"; open("mine.txt", "w").close()
        def answer(): return 1
    """
    result = executed(textwrap.dedent(honest), "x = '" + "x" * 90_000 + "'", *["pass"] * 3)
    assert not result["trouble"] and result["attempts"] == 1
    assert result["checks"]["e4"]["visible"]["facts"] == [["visible", 1]]


def test_a_simulated_class_with_accidents_knows_what_everybody_deserves(tmp_path):
    deserved = simulate.simulate(SECTION, 40, 3, tmp_path, accidents=True)
    assert deserved == simulate.simulate(SECTION, 40, 3, tmp_path, accidents=True)
    kinds = Counter(json.loads((tmp_path / f"accidents-{SECTION}.json").read_text()).values())
    assert len(kinds) > 8 and sum(kinds.values()) < 40
    assert all(set(marks[NAME]) == {f"{name}-check" for name in EXERCISES} for marks in deserved.values())


# The sandbox by itself


LESSONS_NEED = """
import multiprocessing, os, socket, sqlite3, subprocess, sys, threading, time, urllib.request
import numpy as np, pandas as pd
assert np.linalg.inv(np.eye(3)).sum() == 3 and pd.DataFrame({"a": [1]}).a.sum() == 1
assert subprocess.run([sys.executable, "-c", "print(1)"], capture_output=True, text=True).stdout == "1\\n"
with multiprocessing.get_context("fork").Pool(2) as pool:
    assert pool.map(abs, [-1, -2]) == [1, 2]
process = multiprocessing.get_context("spawn").Process(target=print)
process.start(); process.join(); assert process.exitcode == 0
left, right = socket.socketpair(); left.close(); right.close()
os.nice(0); os.sched_setaffinity(0, os.sched_getaffinity(0))
import uvicorn
async def app(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"served"})
server = uvicorn.Server(uvicorn.Config(app, port=8123, log_level="error", lifespan="off"))
thread = threading.Thread(target=server.run); thread.start()
while not server.started: time.sleep(0.05)
assert urllib.request.urlopen("http://127.0.0.1:8123").read() == b"served"
server.should_exit = True; thread.join()
def answer(): return 1
"""
STORED = """
import mlflow
mlflow.set_tracking_uri("sqlite:///mlflow.db")
with mlflow.start_run():
    mlflow.log_metric("a", 1.0)
assert len(mlflow.search_runs()) == 1
"""
SERVED = """
import numpy as np, onnxruntime
from skl2onnx import to_onnx
from sklearn.linear_model import LinearRegression
x = np.eye(3, dtype="float32")
model = to_onnx(LinearRegression().fit(x, [1, 2, 3]), x).SerializeToString()
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = 2
session = onnxruntime.InferenceSession(model, options)
assert session.run(None, {session.get_inputs()[0].name: x})[0].shape == (3, 1)
"""


@boxed
def test_what_lessons_need_works_in_the_sandbox():
    result = executed(LESSONS_NEED, STORED, SERVED, cell=60)
    assert not result["trouble"] and result["attempts"] == 1, result["cells"]
    assert [cell["error"] for cell in result["cells"].values()] == [None] * 3, result["cells"]


@boxed
@pytest.mark.parametrize("megabytes", [120, 180, 220])
def test_an_answer_may_hold_more_than_half_of_the_memory_when_its_check_is_reached(megabytes):
    """Snapshot and origin hold the same pages; for a moment nobody has said that one is the other's."""
    held = f"x = bytearray(b'x') * ({megabytes} * 2**20)\ndef answer(): return 1"
    for _ in range(2):
        result = executed(held, "def answer(): return 2", memory=300)  # the last snapshot may be told of too late
        assert result["attempts"] == 1, result["cells"]
        assert result["checks"]["e1"]["hidden"]["facts"] == [["hidden", 2]]
        assert result["checks"]["e0"]["hidden"]["facts"] == [["hidden", 1]]


STUCK = """
import ctypes, os, time
libc = ctypes.CDLL(None, use_errno=True)
libc.prctl(4, 1, 0, 0, 0); libc.prctl(0x59616D61, -1, 0, 0, 0)
me = os.getpid()
if os.fork() == 0:
    os.setsid(); libc.ptrace(0x4206, me, 0, 0); time.sleep(10**6)
time.sleep(0.3); os._exit(0)
"""


@boxed
def test_a_process_that_another_one_traces_is_not_waited_for():
    began = time.monotonic()
    result = executed(STUCK, "def answer(): return 2", cell=2, notebook=4)
    assert time.monotonic() - began < 15 and not result["trouble"]
    assert result["checks"]["e1"]["hidden"]["facts"] == [["hidden", 2]]


def test_the_end_of_a_process_is_not_waited_for_longer_than_it_takes(monkeypatch):
    """Whatever keeps a process from going: the class goes on."""
    one = overseer.Overseer.__new__(overseer.Overseer)
    one.snapped = {}
    one.sweep = lambda besides: None
    monkeypatch.setattr(overseer, "LEAVE", 0.2)
    monkeypatch.setattr(overseer, "kill", lambda *_: True)
    stays = subprocess.Popen(["sleep", "30"])
    began = time.monotonic()
    assert one.end(stays.pid) == -9 and time.monotonic() - began < 5
    stays.kill()
    stays.wait()


@boxed
def test_of_the_system_only_what_python_needs_is_shown():
    secret = (
        "import os\ndef answer(): return [os.listdir(p) for p in ('/usr/local/share', '/usr/src') if os.path.isdir(p)]"
    )
    facts = executed(secret)["checks"]["e0"]["visible"]["facts"]
    assert facts and all(not part for part in values.decode(facts[0][1]))


def in_a_fork(work):
    """What `work()` gives in a fork with namespaces of its own, as text."""
    reading, writing = os.pipe()
    if (pid := os.fork()) == 0:
        try:
            sandbox.separate()
            os.write(writing, str(work()).encode())
        except BaseException as error:
            os.write(writing, repr(error).encode())
        finally:
            os._exit(0)
    os.close(writing)
    os.waitpid(pid, 0)
    with os.fdopen(reading) as pipe:
        return pipe.read()


@boxed
@pytest.mark.parametrize("old_kernel", [False, True])
def test_what_is_mounted_below_a_folder_is_read_only_too(tmp_path, monkeypatch, old_kernel):
    class Old:
        def __getattr__(self, name):
            return (lambda *_: -1) if name == "syscall" else getattr(ctypes.CDLL(None, use_errno=True), name)

    def work():
        if old_kernel:
            syscalls.libc = Old()
        syscalls.call("mount", None, b"/", None, sandbox.REC | sandbox.PRIVATE, None)
        inner = tmp_path / "a" / "in ner"
        inner.mkdir(parents=True)
        syscalls.call("mount", b"tmpfs", str(inner).encode(), b"tmpfs", 0, b"size=1m")
        (tmp_path / "b").mkdir()
        syscalls.call(
            "mount", str(tmp_path / "a").encode(), str(tmp_path / "b").encode(), None, sandbox.BIND | sandbox.REC, None
        )
        sandbox.seal(str(tmp_path / "b"))
        with contextlib.suppress(OSError):
            (tmp_path / "b" / "in ner" / "x").touch()
            return "wrote"
        return "read-only"

    assert in_a_fork(work) == "read-only"


def test_a_sandbox_is_possible_only_when_one_can_be_entered(monkeypatch):
    def broken(*_):
        raise OSError("no room")

    monkeypatch.setattr(sandbox, "furnish", broken)
    assert sandbox.possible.__wrapped__()


FLOOD = """
import os, socket, stat
null = os.open(os.devnull, os.O_RDONLY)
for fd in range(3, 100):
    try:
        if not stat.S_ISSOCK(os.fstat(fd).st_mode): continue
        with socket.socket(fileno=os.dup(fd)) as s:
            for _ in range(400): socket.send_fds(s, [b'{}\\n'], [null] * 8)
    except OSError: pass
def answer(): return 1
"""


@boxed
def test_a_flood_of_files_costs_no_other_exercise():
    result = executed(FLOOD, "def answer(): return 2", "def answer(): return 3", cell=10)
    assert not result["trouble"], result["trouble"]
    for name, value in (("e1", 2), ("e2", 3)):
        assert result["checks"][name]["hidden"]["facts"] == [["hidden", value]], result["checks"]


LONELY = """
import sys
from grading.engine import workers
cells = [{"kind": "answer", "source": "import subprocess\\nsubprocess.run(['sleep', '1000'])"}]
workers.execute([], workers.job(cells, {}, {}, {"cell": 300}, sys.argv[1] == "True", 1))
"""


@pytest.mark.parametrize("box", [pytest.param(True, marks=boxed), False])
def test_nothing_goes_on_when_the_engine_is_killed(box):
    engine = subprocess.Popen([sys.executable, "-c", LONELY, str(box)], cwd=ROOT)
    whole_family, end = [], time.monotonic() + 60
    while not any("sleep" in p.name() for p in whole_family) and time.monotonic() < end:
        time.sleep(0.1)
        with contextlib.suppress(psutil.NoSuchProcess):
            whole_family = psutil.Process(engine.pid).children(recursive=True)
            whole_family = [p for p in whole_family if p.is_running()]
    engine.kill()
    engine.wait()
    assert len(whole_family) >= 4
    own = whole_family if box else whole_family[:-1]  # without a sandbox, what a student's process started stays
    _, left = psutil.wait_procs(own, timeout=15)
    for process in whole_family:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    assert not left


def filtered(machine, number, *args):
    """What the filter of system calls says to one: a machine for its few instructions."""
    data = struct.pack("<iIQ6Q", number, syscalls.MACHINES[machine], 0, *[*args, 0, 0, 0, 0, 0, 0][:6])
    program, at, held = syscalls.program(machine), 0, 0
    while True:
        what, value, yes, no = program[at]
        at += 1
        if what == syscalls.RETURN:
            return {syscalls.ALLOW: "allowed", syscalls.REFUSE: "refused", syscalls.UNKNOWN: "unknown"}[value]
        if what == syscalls.LOAD:
            held = struct.unpack_from("<I", data, value)[0]
        else:
            at += yes if (held == value if what == syscalls.EQUAL else held & value) else no


@pytest.mark.parametrize("machine", syscalls.MACHINES)
def test_the_filter_refuses_what_it_should_and_nothing_else(machine):
    which = list(syscalls.MACHINES).index(machine)
    assert all(filtered(machine, numbers[which]) == "refused" for numbers in syscalls.REFUSED.values())
    asked = {
        "allowed": "clone 17,socket 1,socket 2,socket 10,socket 16,socketpair 1,prlimit64 0,setpriority 0 0,prctl 38,"
        "sched_setaffinity 7,sched_setscheduler 0",
        "refused": f"clone {0x10000000 | 17},clone {0x40000000},socket 40,socket 17,socketpair 40,prlimit64 1,prctl 4 1,"
        "setpriority 0 1,setpriority 1 0,setpriority 2 0,sched_setaffinity 1,sched_setscheduler 1,sched_setattr 1",
        "unknown": "clone3 0",
    }
    for said, calls in asked.items():
        for name, *args in map(str.split, calls.split(",")):
            assert filtered(machine, syscalls.GUARDED[name][which], *map(int, args)) == said, (name, args)
    assert filtered(machine, 63) == filtered(machine, 98) == "allowed"
