"""The runbooks are what their script makes of the data, and the recorded answers are whole and still about them."""

import json
import re
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest
from daytwo import answers, llm, runbooks

HERE = Path(__file__).parents[1] / "data"


def script(name):
    """A script of the folder as a module."""
    spec = spec_from_file_location(name, HERE / f"{name}.py")
    spec.loader.exec_module(module := module_from_spec(spec))
    return module


ask, make_runbooks = script("ask"), script("make_runbooks")
DOCUMENTS, ANSWERS = runbooks(), answers()
TEXTS = DOCUMENTS.set_index("id").text.to_dict()
FOUND = json.loads((HERE / "answers.json").read_text(encoding="utf-8"))


def test_the_runbooks_are_fresh():
    assert make_runbooks.rendered() == (HERE / "runbooks.json").read_text(encoding="utf-8")


def test_there_are_about_sixty_short_ones_each_under_its_own_name():
    assert 55 <= len(DOCUMENTS) <= 65
    assert DOCUMENTS.id.is_unique and DOCUMENTS.title.is_unique and DOCUMENTS.text.is_unique
    assert DOCUMENTS.text.str.split().str.len().between(40, 90).all()
    assert DOCUMENTS.notna().all().all() and list(DOCUMENTS) == ["id", "title", "text"]


def test_every_recorded_answer_is_to_a_question_of_the_script():
    asked = [{name: row[name] for name in ("id", "month", "document", "question", "held")} for row in FOUND["answers"]]
    assert asked == ask.questions()
    assert ANSWERS.question.is_unique and set(ANSWERS.document) <= set(DOCUMENTS.id)
    assert FOUND["made"]["prompt"] == ask.PROMPT and FOUND["made"]["judge"] == ask.JUDGE


def test_every_answer_is_labelled_as_it_was_read():
    assert ask.kept(FOUND["labels"], FOUND["answers"], TEXTS) == FOUND["labels"]
    assert list(FOUND["labels"]) == [row["id"] for row in FOUND["answers"]]
    assert ANSWERS.grounded.eq(ANSWERS.unsupported == "").all()  # a claim is named where, and only where, one fails


def test_a_new_recording_keeps_only_the_labels_of_what_was_read():
    rows = [dict(row) for row in FOUND["answers"]]
    rows[3]["answer"] += " Or so."
    texts = TEXTS | {rows[-1]["document"]: "Another text."}
    gone = {rows[3]["id"]} | {row["id"] for row in rows if row["document"] == rows[-1]["document"]}
    assert FOUND["labels"].keys() - ask.kept(FOUND["labels"], rows, texts).keys() == gone


def test_the_rule_reads_numbers_as_they_are_written():
    assert ask.numerals("8,255 of 12.6%, at 7:00.") == {"8255", "12.6", "7", "00"}
    said = [ask.numerals(row.answer) <= ask.numerals(TEXTS[row.document]) for row in ANSWERS.itertuples()]
    assert said == ANSWERS.rule.tolist()


def test_nothing_in_the_files_names_a_machine():
    content = (HERE / "answers.json").read_text(encoding="utf-8") + (HERE / "runbooks.json").read_text(encoding="utf-8")
    assert not re.search(r"https?://|/home/|/root/|/tmp/", content)


@pytest.mark.skipif(llm.available(), reason="the extra is installed")
def test_without_the_extra_one_sentence_says_how_to_get_it():
    with pytest.raises(ModuleNotFoundError, match=r"^[^\n]*pip install -e [^\n]*\[llm\][^\n]*\.$"):
        llm.complete("The desk")


@pytest.mark.skipif(not llm.available(), reason="needs the extra llm")
def test_the_model_still_says_what_was_recorded():
    row = ANSWERS.iloc[0]
    text = TEXTS[row.document]
    assert llm.complete(ask.PROMPT.format(text=text, question=row.question))["text"] == row.answer
