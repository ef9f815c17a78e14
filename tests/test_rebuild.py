"""What a submission may do to the notebook that is graded: fill in answers, add cells, and nothing else."""

import copy
import json
import random
import re
import time
from html.parser import HTMLParser
from textwrap import indent

import nbformat
import pytest
from nbconvert.filters.markdown_mistune import markdown2html_mistune

from grading.engine.html import inert
from grading.engine.reading import CELLS, LENGTH, Unreadable, role
from grading.engine.rebuild import assign, rebuild
from grading.environment import COURSE, SOLUTIONS
from grading.lesson.read import read

LESSON = read(SOLUTIONS / "04_monitoring" / "02_detect_drift.py")
RELEASE = nbformat.read(LESSON.release, as_version=4)
START = nbformat.read(COURSE / "00_start_here.ipynb", as_version=4)
ANSWERS = {name: e.answer.source for name, e in LESSON.exercises.items()}
OTHER = list(ANSWERS)[1]
WORDS = "I would watch the losses by day."
GRADE = {c.metadata.nbgrader.grade_id: c.id for c in RELEASE.cells if "nbgrader" in c.metadata}
FIRST, LAST = RELEASE.cells[0].id, RELEASE.cells[-1].id
SETUP = [c.id for c in RELEASE.cells if c.cell_type == "code"][1]  # code that is not the student's
ANSWER_AT = [c.id for c in RELEASE.cells].index("answer-psi")
QUESTION, AFTERWORD = (RELEASE.cells[ANSWER_AT + n].id for n in (-1, 2))  # the text around psi and its check
EXTRA = {"cell_type": "code", "metadata": {}, "outputs": [], "execution_count": 3, "source": "helper = 1"}


def named(notebook, name):
    """The cell of this grade id or cell id."""
    return next(c for c in notebook["cells"] if c.get("id") == GRADE.get(name, name))


def place(notebook, name):
    return notebook["cells"].index(named(notebook, name))


@pytest.fixture
def work():
    """A submission with every answer in it, as JSON."""
    notebook = json.loads(nbformat.writes(RELEASE))
    for cell in notebook["cells"]:
        cell["source"] = "".join(cell["source"])
    for name, answer in ANSWERS.items():
        named(notebook, name)["source"] = answer
    named(notebook, "say-q26")["source"] += "\n\n" + WORDS
    return notebook


def raw(notebook):
    return json.dumps(notebook).encode()


def graded(notebook):
    """The `Rebuilt` of a notebook or of bytes; whatever was handed in, the frame is the released one."""
    result = rebuild(RELEASE, notebook if isinstance(notebook, bytes) else raw(notebook))
    assert_released(result.notebook)
    return result


def assert_released(notebook):
    nbformat.validate(notebook)
    ours = [c for c in notebook.cells if not c.id.startswith("extra-")]
    assert [(c.id, c.cell_type, c.metadata) for c in ours] == [(c.id, c.cell_type, c.metadata) for c in RELEASE.cells]
    for cell, released in zip(ours, RELEASE.cells, strict=True):
        assert role(cell) in ("answer", "spoken") or cell.source == released.source
    assert notebook.metadata == RELEASE.metadata
    assert not any(c.get("outputs") or c.get("execution_count") or "attachments" in c for c in notebook.cells)
    assert not any(c.metadata for c in notebook.cells if c.id.startswith("extra-"))
    nbformat.writes(notebook).encode()


def assert_all_answers(result):
    assert {name: named(result.notebook, name).source for name in ANSWERS} == ANSWERS
    assert named(result.notebook, "say-q26").source.endswith(WORDS)


def extras(result):
    """[(the released cell before it, source)] of a student's own cells."""
    found, last = [], None
    for cell in result.notebook.cells:
        if cell.id.startswith("extra-"):
            found.append((last, cell.source))
        else:
            last = cell.id
    return found


def test_what_was_not_touched_is_the_release_and_nothing_is_said():
    result = graded(nbformat.writes(RELEASE).encode())
    assert result.notebook == RELEASE
    assert (result.repairs, result.answered) == ([], 0)


def test_answers_are_taken_and_nothing_is_said(work):
    result = graded(work)
    assert_all_answers(result)
    assert (result.repairs, extras(result), result.answered) == ([], [], len(ANSWERS) + 1)


def test_the_release_itself_is_left_alone(work):
    before = copy.deepcopy(RELEASE)
    graded(work).notebook.cells[0].metadata["x"] = 1
    assert before == RELEASE


# What a cell is known by


def strip(notebook, *keys):
    for cell in notebook["cells"]:
        for key in keys:
            cell.pop(key, None)
    return notebook


def test_cells_are_known_by_grade_id(work):
    for cell in work["cells"]:
        cell["id"] = "z" + cell["id"]
    assert_all_answers(graded(work))
    assert graded(work).repairs == []


def test_cells_are_known_by_cell_id_when_an_editor_stripped_the_metadata(work):
    named(work, "psi")["source"] = "print('no name, nothing alike')"
    for cell in work["cells"]:
        cell["metadata"] = {}
    result = graded(work)
    assert named(result.notebook, "psi").source.startswith("print")
    assert named(result.notebook, "say-q26").source.endswith(WORDS)
    assert (result.repairs, extras(result)) == ([], [])


def test_cells_are_known_by_their_very_text(work):
    strip(work, "id", "metadata")
    result = graded(work)
    assert extras(result) == []
    assert not any("check" in said for said in result.repairs)


def test_answers_are_known_by_the_name_they_define(work):
    for name in ANSWERS:
        named(work, name)["source"] = f"def {name}(*args: \n    return 1  # not even Python"
    result = graded(strip(work, "id", "metadata"))
    assert all("not even Python" in named(result.notebook, name).source for name in ANSWERS)
    assert sum("had no id" in said for said in result.repairs) == len(ANSWERS) + 1


@pytest.mark.parametrize(
    "source",
    ["class psi:\n    pass", "psi = max", "async def psi(a): ...", "psi: object = 3", "x = 1\n@cache\ndef psi(): pass"],
)
def test_any_way_to_define_a_name_counts(work, source):
    named(work, "psi")["source"] = source
    assert named(graded(strip(work, "id", "metadata")).notebook, "psi").source == source


@pytest.mark.parametrize("source", ["psi == 3", "    psi = 3", "print(psi)", "psidef = 3"])
def test_what_only_uses_a_name_is_not_its_answer(work, source):
    named(work, "psi")["source"] = source
    result = graded(strip(work, "id", "metadata"))
    assert named(result.notebook, "psi").source == named(RELEASE, "psi").source
    assert [e for _, e in extras(result)] == [source]


def test_an_answer_is_known_by_likeness(work):
    named(work, "psi")["source"] = ANSWERS["psi"].replace("def psi", "def PSI")
    result = graded(strip(work, "id", "metadata"))
    assert named(result.notebook, "psi").source.startswith("def PSI")
    assert any("psi had no id" in said for said in result.repairs)


def test_a_changed_common_cell_is_known_by_likeness(work):
    cell = named(work, SETUP)
    cell["source"] += "\nyear = year[:100]"
    assert extras(graded(strip(work, "id", "metadata"))) == [(SETUP, cell["source"])]


def test_a_changed_check_is_known_by_likeness(work):
    named(work, "psi-check")["source"] = named(work, "psi-check")["source"] + "\nprint(some)"
    result = graded(strip(work, "id", "metadata"))
    assert extras(result) == []
    assert "The cell psi-check had been changed: it runs as released." in result.repairs


def test_a_spoken_answer_without_its_question_is_known_by_its_place(work):
    named(work, "say-q26")["source"] = "Watch losses."
    result = graded(strip(work, "id", "metadata"))
    assert named(result.notebook, "say-q26").source == "Watch losses."
    assert extras(result) == []


def test_the_name_an_answer_defines_is_trusted_over_its_id(work):
    a, b = named(work, "psi"), named(work, OTHER)
    a["metadata"], b["metadata"] = b["metadata"], a["metadata"]
    a["id"], b["id"] = b["id"], a["id"]
    result = graded(work)
    assert_all_answers(result)
    assert sum("another exercise's id" in said for said in result.repairs) == 2


def test_swapped_ids_of_answer_and_check_cost_nothing(work):
    a, b = named(work, "psi"), named(work, "psi-check")
    a["metadata"], b["metadata"] = b["metadata"], a["metadata"]
    assert_all_answers(graded(work))
    assert extras(graded(work)) == []


def test_checks_that_swapped_ids_stay_where_they_were_released(work):
    a, b = named(work, "psi-check"), named(work, f"{OTHER}-check")
    a["metadata"], b["metadata"] = b["metadata"], a["metadata"]
    assert_all_answers(graded(work))
    assert extras(graded(work)) == []


def test_another_lessons_ids_mean_nothing(work):
    named(work, "psi")["metadata"]["nbgrader"]["grade_id"] = "is_late"
    assert_all_answers(graded(work))


def test_of_two_alike_the_more_alike_is_taken_and_the_other_kept(work):
    named(work, "psi")["source"] = ANSWERS["psi"].replace("def psi", "def PSI")
    less = "\n".join(named(work, "psi")["source"].splitlines()[:2])
    work["cells"].insert(place(work, "psi"), EXTRA | {"source": less})
    result = graded(strip(work, "id", "metadata"))
    assert named(result.notebook, "psi").source.startswith("def PSI")
    assert len(extras(result)) == 1


def test_one_cell_is_not_taken_for_two(work):
    work["cells"].remove(named(work, "psi"))
    other, psi = (named(RELEASE, name).source for name in (OTHER, "psi"))
    named(work, OTHER)["source"] = indent(psi + "\n" + other[: len(other) * 4 // 5], "  ")  # defines no name
    result = graded(strip(work, "id", "metadata"))
    assert extras(result) == []
    assert [c.id for c in result.notebook.cells if "  def psi" in c.source] == ["answer-psi"]


def test_a_note_elsewhere_is_no_spoken_answer(work):
    work["cells"].remove(named(work, "say-q26"))
    work["cells"].insert(3, {"cell_type": "markdown", "metadata": {}, "source": "a note"})
    result = graded(work)
    assert [e for _, e in extras(result)] == ["a note"]
    assert result.repairs == ["The cell of say-q26 was missing: it was put back empty."]


def test_a_name_that_the_lesson_itself_defines_tells_nothing():
    release = copy.deepcopy(RELEASE)
    named(release, SETUP).source += "\npsi = None"
    work = json.loads(nbformat.writes(release))
    mine = EXTRA | {"source": "psi = None  # a fresh start"}
    work["cells"].insert(5, mine)
    found = rebuild(release, raw(work)).notebook.cells
    assert [c.source for c in found if c.id.startswith("extra-")] == [mine["source"]]


# What a student does to cells


def test_own_cells_stay_where_they_stood(work):
    note = {"cell_type": "markdown", "metadata": {"tags": ["hide"]}, "source": "mine"}
    work["cells"].insert(place(work, "psi-check"), EXTRA)
    work["cells"].insert(place(work, "psi-check"), note | {"source": "  "})
    work["cells"].insert(0, EXTRA | {"source": "import os"})
    work["cells"].append(note)
    result = graded(work)
    assert extras(result) == [(None, "import os"), ("answer-psi", "helper = 1"), (LAST, "mine")]
    assert [c.id for c in result.notebook.cells if c.id.startswith("extra")] == ["extra-1", "extra-2", "extra-3"]
    assert_all_answers(result)
    assert result.repairs == []


def test_a_raw_cell_is_kept_as_text(work):
    work["cells"].append(
        {"cell_type": "raw", "metadata": {"raw_mimetype": "text/html"}, "source": "<script>x</script>"}
    )
    result = graded(work)
    assert extras(result) == [(LAST, "< script>x< /script>")]
    assert result.notebook.cells[-1].cell_type == "markdown"


def test_a_changed_common_cell_runs_after_its_released_version(work):
    at = place(work, SETUP)
    work["cells"][at]["source"] += "\nyear = year[:100]"
    work["cells"].insert(at + 1, EXTRA)
    result = graded(work)
    assert extras(result) == [(SETUP, work["cells"][at]["source"]), (SETUP, "helper = 1")]
    (said,) = result.repairs
    assert "runs as released, then as yours" in said and named(RELEASE, SETUP).source.splitlines()[0][:40] in said


def test_a_change_no_one_sees_is_no_change(work):
    for cell in work["cells"]:
        if cell["id"] in (SETUP, "check-psi", FIRST):
            cell["source"] = cell["source"].replace("\n", "  \r\n") + "\r\n\r\n"
    assert (graded(work).repairs, extras(graded(work))) == ([], [])


def test_a_common_cell_copied_to_start_afresh_runs_again(work):
    copied = {k: v for k, v in named(work, SETUP).items() if k != "id"}
    work["cells"].insert(place(work, "psi"), copied)
    assert extras(graded(work)) == [(QUESTION, copied["source"])]


def test_a_released_cell_left_empty_may_be_filled():
    release = copy.deepcopy(RELEASE)
    named(release, SETUP).source = ""
    notebook = json.loads(nbformat.writes(release))
    named(notebook, SETUP)["source"] = "x = 1"
    assert "x = 1" in [c.source for c in rebuild(release, raw(notebook)).notebook.cells]


def test_a_note_in_a_released_text_is_kept(work):
    named(work, QUESTION)["source"] += "\n\nmy note"
    (found,) = extras(graded(work))
    assert found[0] == QUESTION and found[1].endswith("my note")


FORGED = {
    "metadata": {},
    "cell_type": "markdown",
    "source": "check('It is right', 1, 1)",
    "input": "",
}


@pytest.mark.parametrize("key", FORGED)
def test_a_check_runs_as_released_whatever_was_done_to_it(work, key):
    named(work, "psi-check")["source" if key == "input" else key] = FORGED[key]
    result = graded(work)
    assert extras(result) == []
    assert ("The cell psi-check had been changed: it runs as released." in result.repairs) == (key != "metadata")
    named(work, "psi-check")["cell_type"] = "raw"
    assert graded(work).repairs == ["The cell psi-check had been changed: it runs as released."]


def test_a_deleted_check_is_put_back(work):
    work["cells"].remove(named(work, "psi-check"))
    assert graded(work).repairs == ["The cell psi-check was missing: it was put back."]


@pytest.mark.parametrize("forget", [(), ("id",), ("id", "metadata")])
def test_a_check_that_was_copied_runs_once(work, forget):
    copied = {k: v for k, v in named(work, "psi-check").items() if k not in forget}
    work["cells"].append(copied)
    result = graded(work)
    assert result.repairs == ["The cell psi-check was there more than once: it runs once."]
    assert extras(result) == []


def test_a_deleted_answer_is_put_back_empty(work):
    work["cells"].remove(named(work, "psi"))
    result = graded(work)
    assert named(result.notebook, "psi").source == named(RELEASE, "psi").source
    assert result.repairs == ["The cell of psi was missing: it was put back empty."]


def test_a_cleared_answer_is_an_empty_one(work):
    named(work, "psi")["source"] = " \n"
    result = graded(work)
    assert named(result.notebook, "psi").source == named(RELEASE, "psi").source
    assert result.answered == len(ANSWERS)


def test_an_answer_written_in_a_cell_of_its_own_counts(work):
    named(work, "psi")["source"] = named(RELEASE, "psi").source
    work["cells"].insert(place(work, "psi"), EXTRA | {"source": ANSWERS["psi"]})
    result = graded(work)
    assert_all_answers(result)
    assert extras(result) == []


def test_an_answer_written_in_the_check_counts(work):
    work["cells"].remove(named(work, "psi"))
    named(work, "psi-check")["source"] = ANSWERS["psi"]
    result = graded(work)
    assert_all_answers(result)
    assert "The cell psi-check was missing: it was put back." in result.repairs


def test_of_duplicated_answers_the_last_written_counts_and_the_others_run_before_it(work):
    at = place(work, "psi")
    draft = copy.deepcopy(work["cells"][at]) | {
        "source": "def share(x):\n    return x\n\n\ndef psi(a, b):\n    return 0"
    }
    blank = copy.deepcopy(work["cells"][at]) | {"source": named(RELEASE, "psi").source}
    work["cells"][at : at + 1] = [draft, EXTRA, work["cells"][at], blank]
    result = graded(work)
    assert_all_answers(result)
    assert extras(result) == [(QUESTION, draft["source"]), (QUESTION, "helper = 1")]
    assert result.repairs == ["2 cells answered psi: the last that defines it counts, the others are kept as your own."]


def test_a_draft_left_after_the_check_still_runs_before_the_answer_that_counts(work):
    draft = copy.deepcopy(named(work, "psi")) | {"source": "def psi(a, b):\n    return 0"}
    last = work["cells"].pop(place(work, "psi"))
    work["cells"].insert(place(work, "psi-check") + 1, draft)
    work["cells"].insert(place(work, "psi-check") + 2, last)
    result = graded(work)
    assert_all_answers(result)
    assert extras(result) == [(QUESTION, draft["source"])]


@pytest.mark.parametrize("keep", [True, False])
def test_an_answer_split_in_two_stays_whole(work, keep):
    at = place(work, "psi")
    second = copy.deepcopy(work["cells"][at]) | {"source": "print(psi([1], [2]))"}
    work["cells"].insert(at + 1, second if keep else EXTRA | {"source": second["source"]})
    result = graded(work)
    assert_all_answers(result)
    assert extras(result) == [("answer-psi", second["source"])]
    assert bool(result.repairs) == keep


def test_an_answer_merged_with_its_check_is_an_answer(work):
    check = work["cells"].pop(place(work, "psi-check"))
    named(work, "psi")["source"] += "\n\n" + check["source"]
    result = graded(work)
    assert named(result.notebook, "psi").source == ANSWERS["psi"] + "\n\n" + check["source"]
    assert result.repairs == ["The cell psi-check was missing: it was put back."]


def test_a_moved_answer_is_graded_in_its_place_and_only_that_is_said(work):
    work["cells"].append(work["cells"].pop(place(work, "psi")))
    work["cells"].append(work["cells"].pop(place(work, f"{OTHER}-check")))
    work["cells"].append(work["cells"].pop(place(work, AFTERWORD)))
    result = graded(work)
    assert_all_answers(result)
    assert result.repairs == ["The cell of psi had been moved: it was graded in its released place."]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("forget", [(), ("metadata",), ("id", "metadata")])
def test_cells_in_any_order_are_put_in_order(work, seed, forget):
    random.Random(seed).shuffle(work["cells"])
    result = graded(strip(work, *forget))
    assert_all_answers(result)
    assert extras(result) == []


@pytest.mark.parametrize("kind", ["markdown", "raw", "widget"])
def test_an_answer_of_another_type_is_code_again(work, kind):
    named(work, "psi")["cell_type"] = kind
    result = graded(work)
    assert_all_answers(result)
    (said,) = result.repairs
    assert "it was read as code" in said


# What files come as


def test_format_3_is_read(work):
    old = nbformat.convert(nbformat.from_dict(work), 3)
    assert_all_answers(graded(raw(json.loads(nbformat.writes(old)))))
    assert extras(graded(raw(json.loads(nbformat.writes(old))))) == []


def test_headings_of_format_3_are_read():
    heading = {"cell_type": "heading", "level": 2, "source": ["My part"]}
    result = graded({"nbformat": 3, "worksheets": [{"cells": [heading, heading | {"level": "x"}]}]})
    assert extras(result) == [(None, "## My part"), (None, "# My part")]


def test_format_4_without_ids_is_read(work):
    work["nbformat_minor"] = 2
    result = graded(strip(work, "id"))
    assert_all_answers(result)
    assert (result.repairs, extras(result)) == ([], [])


@pytest.mark.parametrize("ends", [True, False])
def test_sources_as_lists_of_lines_are_read(work, ends):
    for cell in work["cells"]:
        cell["source"] = cell["source"].splitlines(keepends=ends)
    result = graded(work)
    assert_all_answers(result)
    assert (result.repairs, extras(result)) == ([], [])


def test_cells_that_lack_keys_are_read(work):
    result = graded(strip(work, "cell_type", "outputs", "execution_count"))
    assert [named(result.notebook, name).source for name in ANSWERS] == list(ANSWERS.values())
    assert extras(result) == []
    gone = [{}, {"cell_type": "code"}, {"source": "x = 1", "outputs": []}]
    assert graded({"cells": gone}).answered == 0
    assert extras(graded({"cells": gone})) == [(None, "x = 1")]


WRONG = {
    "grade": "yes",
    "points": "2000",
    "schema_version": 99,
    "grade_id": 7,
    "locked": [],
    "solution": {},
    "task": 1,
    "checksum": "forged",
}


@pytest.mark.parametrize("key", WRONG)
def test_forged_metadata_changes_nothing(work, key):
    for cell in work["cells"]:
        if "nbgrader" in cell["metadata"]:
            cell["metadata"]["nbgrader"][key] = WRONG[key]
            cell["metadata"]["tags"] = {"skip-execution": True}
    work["metadata"] = {"kernelspec": {"name": "mine"}, "widgets": {}}
    assert_all_answers(graded(work))
    assert graded(work).repairs == []


def test_outputs_attachments_and_widgets_are_dropped(work):
    for cell in work["cells"]:
        cell["attachments"] = {"a.png": {"image/png": "AAAA"}}
        if cell["cell_type"] == "code":
            cell["outputs"] = [{"output_type": "stream", "name": "stdout", "text": "x"}]
            cell["execution_count"] = 5
    assert graded(work).repairs == []


@pytest.mark.parametrize(
    "change",
    [
        lambda b: b"\xef\xbb\xbf" + b,
        lambda b: b.decode().encode("utf-16"),
        lambda b: b"[" + b + b"]",
        lambda b: b.replace(b"\\n", b"\\r\\n"),
        lambda b: b.replace(b"\\n", b"\n"),
    ],
    ids=["BOM", "UTF-16", "nested", "CRLF", "bare line ends"],
)
def test_odd_ways_to_write_a_notebook_are_read(work, change):
    result = graded(change(raw(work)))
    assert_all_answers(result)
    assert (result.repairs, extras(result)) == ([], [])


def test_what_no_text_can_hold_is_removed_and_said(work):
    named(work, "psi")["source"] = "# \0a\ud800b\n" + ANSWERS["psi"]
    result = graded(work)
    assert named(result.notebook, "psi").source == "# ab\n" + ANSWERS["psi"]
    assert result.repairs == ["Characters that no text can hold, such as NUL, were found: they were removed."]
    broken = raw(work).replace(rb"# \u0000a\ud800b", b"# caf\xe9")
    assert named(graded(broken).notebook, "psi").source.startswith("# caf\n")
    assert graded(broken).repairs == result.repairs


def test_ten_thousand_cells_are_cut_and_said(work):
    work["cells"] += [EXTRA | {"source": f"x = {n}"} for n in range(10_000)]
    result = graded(work)
    assert_all_answers(result)
    assert len(extras(result)) == CELLS - len(RELEASE.cells)
    assert result.repairs == [
        f"The notebook has {10_000 + len(RELEASE.cells):,} cells: only the first 1,000 were read."
    ]


def test_gigantic_sources_are_left_out_and_said(work):
    named(work, "psi")["source"] += "#" * LENGTH
    named(work, "say-q26")["source"] += "!" * LENGTH
    result = graded(work)
    assert named(result.notebook, "psi").source == named(RELEASE, "psi").source
    assert WORDS in named(result.notebook, "say-q26").source
    assert result.repairs == [
        "A code cell has more than 100,000 characters: it was left out.",
        "A markdown cell has more than 100,000 characters: only its beginning was read.",
    ]


UNREADABLE = {
    b"": "is empty",
    b" \r\n": "is empty",
    b"\xef\xbb\xbf": "is empty",
    b"\0" * 900: "is empty",
    b'{"cells":\n\n oops': "is not JSON (line 3)",
    b"PK\x03\x04": "is not JSON (line 1)",
    b"[" * 100_000: "is not JSON",
    b"9" * 5_000: "is not a notebook",
    b"null": "is not a notebook",
    b"[[3]]": "is not a notebook",
    b'{"nbformat": 4, "metadata": {}}': "is not a notebook",
    b'{"cells": {"0": {}}}': "is not a notebook",
    b'{"worksheets": [{"cells": 1}, 2]}': "is not a notebook",
    b" " * (20 * 2**20 + 1): "is larger than 20 MB",
}


@pytest.mark.parametrize(
    "data, why", UNREADABLE.items(), ids=[f"{i}-{why}" for i, why in enumerate(UNREADABLE.values())]
)
def test_what_is_no_notebook_is_refused_in_one_plain_sentence(data, why):
    with pytest.raises(Unreadable) as caught:
        rebuild(RELEASE, data)
    assert str(caught.value) == f"could not be read: it {why}"


# What a page may show


class Page(HTMLParser):
    """Whatever in a page could run or load something."""

    def __init__(self, html):
        super().__init__()
        self.found, self.divs = [], 0
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.divs += tag == "div"
        links = [
            v
            for k, v in attrs
            if k in ("href", "src") and v and not re.match(r"https?:|#|data:image/png|[\w.%/-]*$", v)
        ]
        if (
            links
            or tag in ("script", "iframe", "svg", "object", "embed", "style", "form")
            or any(k.startswith("on") for k, _ in attrs)
        ):
            self.found.append((tag, attrs))

    def handle_endtag(self, tag):
        self.divs -= tag == "div"
        if self.divs < 0:
            self.found.append("an end of what the page began")


ATTACKS = [
    "<script>alert(1)</script>",
    "<SCRIPT\n>alert(1)</SCRIPT>",
    "<\0script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "\\<img src=x onerror=alert(1)>",
    "\\\\<img src=x onerror=alert(1)>",
    "<<img src=x onerror=alert(1)>",
    "</div></div>",
    "<!-- --><svg onload=alert(1)>",
    "```mermaid\n<img src=x onerror=alert(1)>\n```",
    "$<img src=x onerror=alert(1)>$",
    "`<img src=x onerror=alert(1)>`",
    "<javascript:alert(1)>",
    "[x](javascript:alert(1))",
    "[x](JaVaScRiPt:alert(1))",
    "[x](  \n  javascript:alert(1))",
    "[x](<javascript:alert(1)>)",
    "[x](&#106;avascript:alert(1))",
    "[x](java&Tab;script:alert(1))",
    "[x](javascript\\:alert(1))",
    "[x](vbscript:x)",
    "![x](javascript:alert(1))",
    "[x](data:text/html;base64,PHN2Zz4=)",
    "[x](DATA:text/html,a)",
    "![x](data:image/svg+xml,a)",
    "[x]\n\n[x]: javascript:alert(1)",
    "[x]\n\n[x]:\n data:text/html,a",
    "[x][y]\n\n[y]: <java&#115;cript:alert(1)>",
    "![](attachment:a.png)",
    "```&Tab;\nx\n```",
    '[x](https://a.org "t" onclick="alert(1))',
    '![a" onerror="alert(1)](x.png)',
    "# <img src=x onerror=alert(1)>",
]


@pytest.mark.parametrize("attack", ATTACKS)
def test_nothing_a_student_writes_runs_in_a_page(work, attack):
    named(work, "say-q26")["source"] += "\n\n" + attack
    work["cells"].insert(3, {"cell_type": "markdown", "metadata": {}, "source": attack})
    notebook = graded(work).notebook
    (extra,) = (c for c in notebook.cells if c.id == "extra-1")
    for cell in (extra, named(notebook, "say-q26")):
        assert not Page(markdown2html_mistune(cell.source)).found
        assert not re.search(r"<[a-z/!]|javascript:", cell.source, re.I)


def test_the_attacks_would_run_if_nothing_were_done():
    assert (
        sum(bool(Page(markdown2html_mistune(a)).found) for a in ATTACKS if not re.match("!.*attachment|```&", a)) > 12
    )


READABLE = [
    "a < b",
    "p<0.05, p<=1, x << 2",
    "[site](https://a.org/x:y?q=1&r=2)",
    "![](data:image/png;base64,AAAA)",
    "![plot](plots/a_1.png)",
    "[up](#Exercise-1)",
    "see [1] or [note] (a: b)",
    r"$\lambda < \alpha$",
    "**Script:** x",
]


@pytest.mark.parametrize("text", READABLE)
def test_ordinary_writing_stays_as_it_was(text):
    assert inert(text) == text


@pytest.mark.parametrize("attack", ATTACKS)
def test_what_is_inert_stays_so(attack):
    assert inert(inert(attack)) == inert(attack)


# Anything at all


def mutated(notebook, dice):
    """A notebook with a few things wrong that no one thought of, as bytes."""
    notebook, junk = (
        copy.deepcopy(notebook),
        [None, 7, -1.5, "x", "", [], [[]], {}, {"a": {}}, True, ["x", 1], "\ud800\0", float("nan")],
    )
    for _ in range(dice.randint(1, 6)):
        nodes = [node for node in walk(notebook) if node]
        cells = notebook.get("cells") if isinstance(notebook, dict) else None
        how = dice.choice(["value", "value", "key", "shuffle", "double", "drop", "swap"])
        if how in ("value", "key") and nodes:
            node = dice.choice(nodes)
            key = dice.choice(list(node) if isinstance(node, dict) else range(len(node)))
            if how == "value":
                node[key] = copy.deepcopy(dice.choice(junk))
            else:
                del node[key]
        elif isinstance(cells, list) and cells:
            if how == "shuffle":
                dice.shuffle(cells)
            elif how == "double":
                cells.insert(dice.randrange(len(cells)), copy.deepcopy(dice.choice(cells)))
            elif how == "drop":
                del cells[dice.randrange(len(cells)) :][: dice.randint(1, 9)]
            else:
                a, b = dice.choice(cells), dice.choice(cells)
                if isinstance(a, dict) and isinstance(b, dict):
                    a["metadata"], b["metadata"] = b.get("metadata"), a.get("metadata")
    data = bytearray(raw(notebook))
    if dice.random() < 0.3:
        for _ in range(dice.randint(1, 20)):
            data[dice.randrange(len(data))] = dice.randrange(256)
    if dice.random() < 0.1:
        del data[dice.randrange(len(data)) :]
    return bytes(data)


def walk(node):
    """All dicts and lists in a JSON value."""
    if isinstance(node, dict | list):
        yield node
        for part in list(node.values()) if isinstance(node, dict) else node:
            yield from walk(part)


def test_whatever_is_handed_in_the_frame_is_the_release_or_the_file_is_refused(work):
    dice, refused = random.Random(26), 0
    for _ in range(200):
        data = mutated(work, dice)
        try:
            result = rebuild(RELEASE, data)
        except Unreadable as error:
            refused += 1
            assert re.fullmatch(r"could not be read: it is [\w ]+( \(line \d+\))?", str(error))
        else:
            assert_released(result.notebook)
            assert all(isinstance(said, str) and said.endswith(".") for said in result.repairs)
            assert result.repairs == rebuild(RELEASE, data).repairs
        assign({"a": RELEASE, "b": START}, {"x.ipynb": data, "a.ipynb": data[::2]})
    assert 20 < refused < 150


def test_no_notebook_takes_long(work):
    rows = [" ".join(random.Random(n).choices(named(work, "psi-check")["source"].split(), k=300)) for n in range(CELLS)]
    hard = {"cells": [EXTRA | {"source": row} for row in rows]}
    start = time.perf_counter()
    graded(hard)
    graded({"cells": [named(work, "psi")] * CELLS})
    inert("](" * 200_000 + "<" * 200_000 + "](" + " " * 200_000)
    assert time.perf_counter() - start < 10


def test_the_ids_of_own_cells_are_their_own():
    release = copy.deepcopy(RELEASE)
    release.cells[0].id = "extra-1"
    notebook = rebuild(release, raw({"cells": [EXTRA, EXTRA]})).notebook
    nbformat.validate(notebook)
    assert len({c.id for c in notebook.cells}) == len(RELEASE.cells) + 2


# Whose file it is

NAME = "02_detect_drift"
RELEASES = {NAME: RELEASE, "00_start_here": START}
BLANK = nbformat.writes(RELEASE).encode()


def taken(files):
    """{notebook: file name} and the sentences."""
    found, said = assign(RELEASES, files)
    return {name: file for name, (file, _) in found.items()}, said


def test_files_go_by_their_names(work):
    files = {f"{NAME}.ipynb": raw(work), "00_start_here.ipynb": nbformat.writes(START).encode(), "notes.txt": b"hello"}
    assert taken(files) == ({NAME: f"{NAME}.ipynb", "00_start_here": "00_start_here.ipynb"}, [])
    assert_all_answers(assign(RELEASES, files)[0][NAME][1])


@pytest.mark.parametrize(
    "file",
    [
        f"{NAME}-Copy1.ipynb",
        f"Kopie von {NAME}.ipynb",
        f"{NAME}.ipynb.txt",
        "02_Detect_Drift.IPYNB",
        "mine.ipynb",
        "00_start_here (1).ipynb",
        f"{NAME}.json",
    ],
)
@pytest.mark.parametrize("forget", [(), ("id", "metadata")])
def test_a_renamed_file_is_known_by_what_is_in_it(work, file, forget):
    found, said = taken({file: raw(strip(work, *forget))})
    assert found == {NAME: file}
    assert said == [f"“{file}” was taken for {NAME}.ipynb."]


def test_two_files_that_swapped_names_are_known_by_what_is_in_them(work):
    found, _ = taken({"00_start_here.ipynb": raw(work), f"{NAME}.ipynb": nbformat.writes(START).encode()})
    assert found == {NAME: "00_start_here.ipynb", "00_start_here": f"{NAME}.ipynb"}


def test_a_missing_notebook_is_absent():
    assert taken({}) == ({}, [])
    assert taken({"holiday.ipynb": b'{"cells": []}'}) == (
        {},
        ["“holiday.ipynb” is none of this assignment's notebooks: it was not graded."],
    )


@pytest.mark.parametrize("file", [f"{NAME}.ipynb", f"{NAME} (2).ipynb"])
def test_an_unreadable_file_is_reported_under_its_name(file):
    found, _ = assign(RELEASES, {file: b"oops", "plot.png": b"\x89PNG", f"{NAME}.pdf": b"%PDF"})
    assert list(found) == [NAME]
    assert found[NAME][0] == file
    assert str(found[NAME][1]) == "could not be read: it is not JSON (line 1)"


COPIES = {  # the exact name's file, the copy's file, whether the exact name counts
    "both answered": ("work", "work", True),
    "fuller copy": ("part", "work", True),
    "both blank": ("blank", "blank", True),
    "blank copy": ("work", "blank", True),
    "copy of the blank": ("blank", "work", False),
    "unreadable": ("oops", "work", False),
    "unreadable beside a blank": ("oops", "blank", False),
    "both unreadable": ("oops", "oops", True),
}


@pytest.mark.parametrize("case", COPIES)
def test_the_exact_name_counts_unless_only_the_copy_has_answers(work, case):
    first, second, exact = COPIES[case]
    named(work, "say-q26")["source"] = "x"
    data = {"work": raw(work), "blank": BLANK, "oops": b"oops"}
    named(work, "psi")["source"] = ""
    data["part"] = raw(work)
    files = [f"{NAME}.ipynb", f"{NAME}-Copy1.ipynb"]
    found, said = taken(dict(zip(files, (data[first], data[second]), strict=True)))
    used, other = files if exact else files[::-1]
    assert found == {NAME: used}
    assert said[-1] == f"Of several files for {NAME}.ipynb, “{used}” was graded, not “{other}”."


def test_of_copies_alone_the_one_with_most_answers_counts_then_the_last(work):
    less = copy.deepcopy(work)
    named(less, "psi")["source"] = named(RELEASE, "psi").source
    assert taken({f"{NAME}-Copy10.ipynb": raw(less), f"{NAME}-Copy2.ipynb": raw(work)})[0] == {
        NAME: f"{NAME}-Copy2.ipynb"
    }
    assert taken({f"{NAME}-Copy10.ipynb": raw(work), f"{NAME}-Copy2.ipynb": raw(work)})[0] == {
        NAME: f"{NAME}-Copy10.ipynb"
    }
