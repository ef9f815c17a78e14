"""What a learner is told: by the comparison, and by the check cells of a real kernel."""

import contextlib
import enum
import json
import math
import time
import tracemalloc
from decimal import Decimal
from fractions import Fraction

import nbformat
import numpy as np
import pandas as pd
import pytest
from nbclient import NotebookClient

from grading.checks.compare import agrees, at_least, at_most, between, satisfies
from grading.checks.hints import digest, find_hint, mark, recognised, telling
from grading.checks.values import Opaque, Raised, decode, encode, plain, raised_by
from grading.checks.words import short
from grading.checks.words import told as words
from grading.engine import feedback


class Action(enum.Enum):
    watch = "watch"


UTC = pd.Timestamp("2013-07-01", tz="UTC")
EQUAL = [
    (np.float64(0.5), 0.5),
    (42.0, 42),
    (np.int64(42), 42),
    (0.1 + 0.2, 0.3),
    (True, True),
    (np.bool_(False), False),
    (math.nan, math.nan),
    ((1, 2.0), [1, 2]),
    (np.array([1, 2]), [1, 2]),
    (np.array([True, False]), [True, False]),
    (pd.Series([True, False]), [True, False]),
    (pd.Series([1, 2], index=[7, 8]), [1, 2]),
    ({"b": 2, "a": 1}, {"a": 1, "b": 2}),
    ({3, 1}, {1, 3}),
    (UTC.to_pydatetime(), UTC),
    (UTC.date(), UTC),
    (np.datetime64("2013-07-01"), UTC),
    (UTC.tz_convert("America/New_York"), UTC),
    (pd.DataFrame({"b": [1], "a": [None]}), pd.DataFrame({"a": [math.nan], "b": [1]})),
    (b"ab", b"ab"),
    (None, None),
    (None, math.nan),
    (pd.NaT, None),
    ({"a": None}, {"a": math.nan}),
    (np.where(True, "watch", "carry on"), "watch"),
    (np.asarray(0.5), 0.5),
    (np.array(np.datetime64("2013-07-01")), UTC),
    (np.longdouble(0), 0),
    (Fraction(1, 2), 0.5),
    (Decimal("0.5"), 0.5),
    (Action.watch, "watch"),
]
DIFFERENT = [
    (41.97, 42),
    (1001, 1000),
    (0.51, 0.5),
    ("42", 42),
    (None, 0),
    ([1, 2], [2, 1]),
    ([1], [1, 1]),
    ({"a": 1}, {"a": 1, "b": 2}),
    (pd.Series([1, 2]), pd.Series([1, 2], index=[7, 8])),
    (len, len),
    (np.array([]), 0.0),
]


@pytest.mark.parametrize("got, expected", EQUAL, ids=repr)
def test_right_in_another_type_is_right(got, expected):
    assert agrees(plain(got), expected)


@pytest.mark.parametrize("got, expected", DIFFERENT, ids=repr)
def test_wrong_is_wrong(got, expected):
    assert not agrees(plain(got), expected)


class Sly(int):
    """An int that claims to equal everything."""

    def __eq__(self, other):
        return True

    def __hash__(self):
        return 1


def test_a_value_that_equals_everything_is_rebuilt():
    assert type(plain(Sly(3))) is int
    assert not agrees(plain(Sly(3)), 4)
    assert isinstance(plain(object()), Opaque)


@pytest.mark.parametrize("value", [v for pair in EQUAL for v in pair], ids=repr)
def test_a_value_survives_the_journey(value):
    assert digest(decode(encode(value))) == digest(plain(value))


@pytest.mark.parametrize(
    "wire", [{}, {"pickle": "x"}, {"float": "3"}, {"array": 1}, {"set": [[{}]]}, {"time": "x"}, {"frame": 3}], ids=repr
)
def test_a_forged_wire_form_is_refused(wire):
    with pytest.raises(ValueError):
        decode(wire)


def test_a_value_too_large_is_told_and_never_sent():
    assert "too large" in repr(plain(np.zeros(10**7)))
    deep = []
    for _ in range(50):
        deep = [deep]
    assert "too large" in repr(plain(deep))


def test_judges_look_at_values_and_never_raise():
    assert agrees(2, between(1, 3)) and not agrees("2", between(1, 3))
    assert agrees(9, at_most(9)) and agrees(9, at_least(9)) and not agrees(None, at_most(9))
    assert not agrees(3, satisfies("has a length of 3", lambda x: len(x) == 3))


def test_exceptions_are_values():
    error = plain(raised_by(KeyError("tail")))
    assert agrees(error, KeyError) and agrees(error, LookupError) and agrees(error, KeyError("Tail"))
    assert not agrees(error, KeyError("wing")) and not agrees(error, ValueError) and not agrees(3, ValueError)


@pytest.mark.parametrize(
    "value", [None, 0, 0.0, [], "", {}, math.nan, Raised(("TypeError",), "x"), Raised(("ValueError",), "")]
)
def test_what_anyone_might_give_carries_no_hint(value):
    assert not telling(value)


def test_a_hint_is_that_of_a_known_value_else_the_facts_own():
    known, thoughts = [{"fact": "a", "got": mark(0.25), "hint": "Halve it."}], {"a": "Think again."}
    assert find_hint(known, thoughts, "a", 0.25002) == "Halve it."
    assert find_hint(known, thoughts, "a", 0.3) == "Think again." and find_hint(known, thoughts, "b", 0.25) is None


LONG = pd.DataFrame({"b": np.arange(300) / 7, "a": [None, "x", UTC] * 100})
ALIKE = [
    ({"a": 1, "b": 2.0}, {"b": 2, "a": 1}),
    ([None, 1], [math.nan, 1]),
    (UTC, UTC.tz_convert("America/New_York")),
    (LONG, LONG[["a", "b"]].replace({None: math.nan})),
    (raised_by(KeyError("tail")), raised_by(KeyError("wing"))),
    (list(range(400)), np.arange(400.0)),
    ({3, 1}, {1, 3}),
]


@pytest.mark.parametrize("one, other", ALIKE, ids=lambda v: type(v).__name__)
def test_a_known_value_is_recognised_as_generously_as_facts_are_compared(one, other):
    assert recognised(json.loads(json.dumps(mark(plain(one)))), plain(other))
    assert not recognised(mark(plain(one)), plain([1, 2]))


def test_long_values_are_reduced_to_what_differs():
    right = list(range(30))
    wrong = [*right[:3], 7, *right[4:]]
    assert words(wrong, right, 1e-3) == ("[3] 3 (1 of 30 values differ)", "[3] 7 (1 of 30 values differ)")
    table = pd.DataFrame({"a": range(9), "b": 1.0})
    wanted, came = words(table.assign(a=[*range(8), 0]), table, 1e-3)
    assert "1 of 9 rows differ" in wanted and " b" not in wanted.split("(")[0] and "8  8" in wanted and "8  0" in came
    assert words({"a": 1}, {"a": 2}, 1e-3) == ("{'a': 2}", "{'a': 1}")
    assert words(0.5, 0.25, 0.02) == ("0.25 (floats ± 2 %)", "0.5")
    assert short({3, 1, 2}) == "{1, 2, 3}" and short(-1e-300 * 1e-300) == "0" and short({"b", "a"}) == "{'a', 'b'}"


def test_long_values_are_shown_short():
    assert short(list(range(1000))) == "[0, 1, 2, 3, 4, 5, 6, 7, … 1000 in all]"
    assert len(short("x" * 9999)) <= 300
    assert "20 rows in all" in short(pd.DataFrame({"a": range(20)}))


@pytest.fixture(scope="module")
def cells(tmp_path_factory):
    """The outputs of the same check in a real kernel, for answers that are right, wrong, blank and raising."""
    folder = tmp_path_factory.mktemp("lesson")
    page = {"facts": ["Twice two", "Twice <b>three</b>"], "next": {"Twice <b>three</b>": "Any number."}, "hints": []}
    page["hints"] += [{"fact": "Twice two", "got": mark(5), "hint": "Multiply."}]
    page["hints"] += [{"fact": "Twice two", "got": mark(raised_by(ValueError("odd"))), "hint": "Take every number."}]
    book = {"s/l": {"exercises": {"other": {"facts": ["Else"]}, "twice": page}}}
    opening = f"from grading import check, yours\nfrom grading.checks import hints\nhints.book = lambda: {book!r}\n"
    sources = {
        "early": "pass",
        "import": opening,
        "right": "twice = lambda x: 2 * x",
        "wrong": "twice = lambda x: 5",
        "blank": "def twice(x):\n    # Your code here.\n    raise NotImplementedError()",
        "raising": "def twice(x):\n    raise ValueError('odd')",
        "naked": "# Your code here.\nraise NotImplementedError()",
        "half": "def twice(x):\n    return 2 * x if x < 3 else 7",
        "left": "def twice(x):\n    'Twice.'\n    y = 2 * x\n    # Your code here.\n    raise NotImplementedError()",
        "warned": "import warnings\ndef twice(x):\n    warnings.warn('slow')\n    return 2 * x",
        "gone": "del twice",
        "mine": "print(yours('twice', lambda x: 0)(4), yours('other', lambda x: 0)(4))",
        "plain": "1 / 0",
    }
    check = 'check("Twice two", twice(2), 4)\ncheck("Twice <b>three</b>", twice(3), 6)'
    notebook = nbformat.v4.new_notebook()
    for name, source in sources.items():
        notebook.cells.append(nbformat.v4.new_code_cell(source, id=name))
        if name not in ("early", "import", "naked", "mine", "plain"):
            notebook.cells.append(nbformat.v4.new_code_cell(check, id=f"{name}-check"))
    client = NotebookClient(notebook, allow_errors=True, resources={"metadata": {"path": str(folder)}})
    replies = {}
    client.on_cell_executed = lambda cell, cell_index, execute_reply: replies.update(
        {cell.id: execute_reply["content"]}
    )
    client.execute()
    return {c.id: (c.outputs, replies[c.id]["status"]) for c in notebook.cells}


def card(outputs):
    return next(o["data"] for o in outputs if o.output_type == "display_data")


def test_a_right_answer_gets_its_ticks(cells):
    (only,), status = cells["right-check"]
    assert status == "ok"
    assert only.text == "✓ Twice two\n✓ Twice <b>three</b>\nAll 2 facts hold. Exercise 2 of 2 is done.\n"


def test_a_wrong_answer_is_told_what_was_expected_what_came_and_the_hint(cells):
    outputs, _ = cells["wrong-check"]
    assert card(outputs)["text/plain"] == "✗ Twice two\n  Asked: twice(2)\n  Expected: 4\n  Came: 5\n  Hint: Multiply."
    assert "Multiply." in card(outputs)["text/html"] and "Traceback" not in str(outputs)


def test_a_raising_answer_is_told_where_and_the_hint(cells):
    text = card(cells["raising-check"][0])["text/plain"]
    assert "your code raised ValueError: odd" in text and "line 2 of the cell: raise ValueError('odd')" in text
    assert "Hint: Take every number." in text


@pytest.mark.parametrize("name", ["blank-check", "naked"])
def test_a_blank_is_not_attempted(cells, name):
    assert "Not attempted yet" in card(cells[name][0])["text/plain"]


@pytest.mark.parametrize("name", ["wrong-check", "blank-check", "raising-check", "naked"])
def test_run_all_goes_on_and_plain_nbgrader_sees_an_error(cells, name):
    outputs, status = cells[name]
    assert status == "ok"
    assert any(o.output_type == "error" for o in outputs)


def test_whoever_made_no_known_mistake_is_told_the_facts_own_thought(cells):
    assert card(cells["half-check"][0])["text/plain"].endswith("Came: 7\n  Hint: Any number.")


def test_code_above_a_blank_that_was_left_is_told_so(cells):
    assert "remove the raise" in card(cells["left-check"][0])["text/plain"]


def test_a_check_before_its_answers_cell_says_what_to_run(cells):
    assert card(cells["gone-check"][0])["text/plain"] == "○ Run the cells above first: `twice` is not there yet."


def test_warnings_stay_out_of_the_ticks_of_a_right_answer(cells):
    (only,), status = cells["warned-check"]
    assert status == "ok" and only.name == "stdout"


def test_a_later_cell_uses_the_learners_own_where_its_check_has_passed(cells):
    text = "".join(output.text for output in cells["mine"][0])
    assert text.startswith("twice: yours") and "other: the course's" in text and "\n8 0\n" in text


def test_an_ordinary_error_stays_an_ordinary_error(cells):
    assert cells["plain"][1] == "error"


HUGE = 2**61 - 1  # the hash of a multiple of it is 0
BOMBS = {
    "an array of one long text and many short ones": {"array": ["x" * 100_000] + [""] * 20_000},
    "a table of single values": {"frame": [0] * 300, "columns": list(range(300)), "index": [0] * 20_000},
    "a series of a single value": {"series": 0, "index": [0] * 20_000, "name": None},
    "more columns than names": {"frame": [[], []], "columns": [1], "index": []},
    "a very wide table": {"frame": [[]] * 100_000, "columns": [0] * 100_000, "index": []},
    "half of the keys with one hash": {"set": [i * HUGE for i in range(40_000)] + list(range(1, 40_001))},
    "one key in seven with one hash": {"dict": [[i * HUGE if i % 7 else i, 0] for i in range(40_000)]},
    "more parts than a value may have": [0] * 300_000,
    "more text than a value may have": ["x" * 1_000_000] * 3,
    "more levels than a value may have": json.loads("[" * 50 + "]" * 50),
    "a very long time": {"time": "1" * 1_000_000},
}


@pytest.mark.parametrize("wire", BOMBS.values(), ids=BOMBS)
def test_a_forged_wire_form_takes_neither_memory_nor_time(wire):
    tracemalloc.start()
    started = time.process_time()
    try:
        with contextlib.suppress(ValueError):
            decode(wire)
        assert tracemalloc.get_traced_memory()[1] < 200e6 and time.process_time() - started < 5
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("name", [name for name in BOMBS if not name.startswith("an array")])
def test_what_encode_would_not_have_made_is_refused(name):
    with pytest.raises(ValueError):
        decode(BOMBS[name])


def test_arrays_of_texts_compare_like_lists_of_texts():
    assert agrees(plain(np.array(["a", "bc"])), ["a", "bc"]) and agrees(plain(np.array([["a"], ["b"]])), [["a"], ["b"]])
    assert agrees(plain(np.array(["a", "bc"])), np.array(["a", "bc"])) and agrees(plain(["a"]), np.array(["a"]))
    assert not agrees(plain(np.array(["a", "bc"])), ["a", "b"]) and not agrees(plain(np.array(["1"])), [1])
    assert plain(np.array([[1, 2], [3, 4]])).sum() == 10 and plain(np.array([b"ab"])).tolist() == [b"ab"]


def told(html, plain="<IPython.core.display.HTML object>"):
    """What the feedback keeps of a display of HTML."""
    return feedback.harmless({"output_type": "display_data", "data": {"text/plain": plain, "text/html": html}})["data"]


TANGLES = {
    "open formatting": "<p>" + "".join(f"<b class={i}>" for i in range(9000)) + "<p>x" * 40000,
    "little open formatting": "<p>" + "".join(f"<b class={i}>" for i in range(60)) + "<p>x" * 3000,
    "hidden in a value": "<p x='>'>" + "".join(f"<b class={i}>" for i in range(900)) + "<p>x" * 3000,
    "hidden in a comment": "<!-- >" + "".join(f"<b class={i}>" for i in range(900)) + "</b>" * 900 + "-->" + "<p>" * 2000,
    "many attributes": "<p " + " ".join(f"a{i}" for i in range(30_000)) + ">",
    "many attributes behind an odd space": "<p x=\u2003'" + " ".join(f"a{i}" for i in range(15_000)) + "'>",
    "styles without end": "<style" * 40_000,
    "depth": "<div>" * 50_000,
    "nested lists": "<ul><li>" * 2_000,
    "the most formatting that is cleaned": "<p>" + "".join(f"<b class={i}>" for i in range(8)) + "<p>x" * 2_400,
}  # fmt: skip


@pytest.mark.parametrize("html", TANGLES.values(), ids=TANGLES)
def test_html_that_was_made_to_hold_up_a_parser_does_not(html):
    started = time.process_time()
    told(html)
    assert time.process_time() - started < 2  # mostly below one, on a quiet machine


def test_html_that_is_not_cleaned_is_told_in_words_and_its_source():
    data = told(TANGLES["open formatting"])
    assert (
        data.keys() == {"text/plain"}
        and data["text/plain"].startswith("(This HTML is too large")
        and len(str(data)) < 3000
    )
    assert told(TANGLES["depth"], plain="my table")["text/plain"].endswith("\nmy table")
    room = [18_000]
    table = {"output_type": "display_data", "data": {"text/html": "<p>x</p>" * 1_500}}
    assert ["text/html" in feedback.harmless(table, room)["data"] for _ in range(3)] == [True, False, False]


def test_honest_html_is_still_shown():
    frame = pd.DataFrame(np.random.default_rng(1).random((60, 20)))
    assert told(frame._repr_html_())["text/html"].count("<td") == 1200
    with_links = frame.assign(a='<a href="https://example.org">x</a>')._repr_html_()
    assert "text/html" in told(with_links)
    assert told('<p>5 < 6, <b>bold</b> & <i title="x">not</i></p>')["text/html"].count("bold") == 1


def test_classes_and_ids_of_the_page_around_it_are_not_kept():
    page = told('<table class="dataframe" id="a"><tr class="input"><td class="nb-cell" id=b>x</td></tr></table>')[
        "text/html"
    ]
    assert page == '<table class="dataframe"><tbody><tr><td>x</td></tr></tbody></table>'


def test_what_a_learner_reads_of_a_value_has_an_end():
    wide = pd.DataFrame({"a": ["x" * 150_000] + [""] * 7})
    for value in (
        [wide] * 12,
        {i: [wide] * 12 for i in range(12)},
        pd.DataFrame({"y" * 100_000: [1]}),
        Raised(("E",), "x" * 9999),
    ):
        assert len(short(value)) <= 2_000
    assert short(pd.DataFrame({"a": [1.5, None], "b": ["x", "y"]})) == "     a  b\n0  1.5  x\n1  NaN  y"
    assert len(short(wide)) < 900 and short(pd.Series([1, 2])) == "0    1\n1    2"
