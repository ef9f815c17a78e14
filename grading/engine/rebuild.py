"""Rebuild a submission: the released notebook with the student's text in it. Nothing else of a submission is used.

Bytes in, a notebook out: nothing runs here, and no bytes raise anything but `Unreadable`.
"""

import copy
import re
from collections import defaultdict
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from itertools import count

import nbformat

from grading.engine.html import inert
from grading.engine.matching import Match
from grading.engine.reading import Unreadable, read


@dataclass
class Rebuilt:
    notebook: nbformat.NotebookNode
    repairs: list = field(default_factory=list)  # sentences to the student: what was found, what was done
    answered: int = 0  # answers, in code and in words, that differ from the release


def rebuild(release, raw):
    """The `Rebuilt` notebook of a submission's bytes; `Unreadable` when there is none in them."""
    return _rebuilt(release, *read(raw))


def assign(releases, files):
    """({notebook name: (file name, `Rebuilt` or `Unreadable`)}, sentences) of a student's {file name: bytes}."""
    contents, candidates, said = {}, defaultdict(list), []
    for file in sorted(files):
        try:
            contents[file] = read(files[file])
        except Unreadable as error:
            contents[file] = error
        name = _meant(file, contents[file], releases)
        if name is not None:
            candidates[name].append(file)
        elif ".ipynb" in file.casefold():
            said.append(f"“{file}” is none of this assignment's notebooks: it was not graded.")
    assigned = {}
    for name in (n for n in releases if n in candidates):
        results = {}
        for file in candidates[name]:
            content = contents[file]
            results[file] = content if isinstance(content, Unreadable) else _rebuilt(releases[name], *content)
        best = max(results, key=lambda file: _worth(file, results[file], _file(name)))
        assigned[name] = best, results[best]
        if best != _file(name):
            said.append(f"“{best}” was taken for {_file(name)}.")
        if others := [f"“{file}”" for file in results if file != best]:
            said.append(f"Of several files for {_file(name)}, “{best}” was graded, not {', '.join(others)}.")
    return assigned, said


def _rebuilt(release, cells, notes):
    match = Match(release, cells)
    chosen = {i: match.chosen(i) for i in range(len(release.cells))}
    answers = {i: cells[k].source for i, k in chosen.items() if match.solution(i) and k in match.written(i)}
    extras, last = defaultdict(list), -1  # by the released cell they follow
    for k, cell in enumerate(cells):
        i = match.homes[k]
        last = i if i is not None and chosen[i] == k else last
        if cell.text and (i is None or _stays(match, i, k, chosen[i])):
            early = i is not None and match.solution(i) and k < chosen[i]  # before the answer that counts
            extras[min(last, i - 1) if early else last].append(cell)
    repairs = notes + list(_repairs(match, chosen, set(answers)))
    texts = [a for i, a in answers.items() if match.roles[i] == "spoken"]
    texts += [c.source for group in extras.values() for c in group if c.kind != "code"]
    if any(inert(text) != text for text in texts):
        repairs.append("Your text has a “<”, or a link that could run something: it is shown as plain text.")
    return Rebuilt(_assembled(release, answers, extras), repairs, len(answers))


def _stays(match, i, k, chosen):
    """Whether a cell that belongs to a released one is kept as a cell of the student's own."""
    written = k in match.written(i)
    if match.roles[i] == "common":
        return written or (k != chosen and match.cells[k].kind == "code")
    return match.solution(i) and written and k != chosen


def _repairs(match, chosen, answers):
    """Sentences on what was found and done."""
    order = sorted((k, i) for i, k in chosen.items() if k is not None)
    places = [i for _, i in order]
    blocks = SequenceMatcher(None, places, sorted(places), autojunk=False).get_matching_blocks()
    moved = answers - {i for block in blocks for i in places[block.a : block.a + block.size]}
    for i, released in enumerate(match.released):
        name, k, written = released.grade_id, chosen[i], match.written(i)
        if match.solution(i):
            if k is None:
                yield f"The cell of {name} was missing: it was put back empty."
            if len(written) > 1:
                which = "the last that defines it" if i in match.named[k] else "the last one"
                yield f"{len(written)} cells answered {name}: {which} counts, the others are kept as your own."
            if i in match.misnamed:
                yield f"The cell of {name} carried another exercise's id: it was known by the name it defines."
            elif i in match.guessed and i in answers:
                yield f"The cell of {name} had no id: it was known by what it says and where it stands."
            if i in moved:
                yield f"The cell of {name} had been moved: it was graded in its released place."
            if i in answers and (match.cells[k].kind == "code") != (released.kind == "code"):
                yield f"The cell of {name} was of type {match.cells[k].kind}: it was read as {released.kind}."
        elif match.roles[i] == "check":
            found = {(match.cells[c].kind, match.cells[c].text) for c in match.claims(i)}
            if k is None:
                yield f"The cell {name} was missing: it was put back."
            elif found != {(released.kind, released.text)}:
                yield f"The cell {name} had been changed: it runs as released."
            elif len(match.claims(i)) > 1:
                yield f"The cell {name} was there more than once: it runs once."
        elif k in written and match.cells[k].kind == "code":
            yield f"A cell of the lesson, {released.opening}, had been changed: it runs as released, then as yours."


def _assembled(release, answers, extras):
    """The release with these answers in it, and with these cells after the released ones they follow."""
    notebook = nbformat.from_dict({key: copy.deepcopy(value) for key, value in release.items() if key != "cells"})
    taken = {cell.get("id") for cell in release.cells}
    free = (name for name in map("extra-{}".format, count(1)) if name not in taken)
    notebook.cells = []
    for i in range(-1, len(release.cells)):
        if i >= 0:
            cell = copy.deepcopy(release.cells[i])
            cell.source = answers.get(i, cell.source)
            if cell.cell_type == "code":
                cell.update(outputs=[], execution_count=None)
            elif i in answers:
                cell.source = inert(cell.source)
            notebook.cells.append(cell)
        for extra in extras[i]:
            if extra.kind == "code":
                notebook.cells.append(nbformat.v4.new_code_cell(extra.source, id=next(free)))
            else:
                notebook.cells.append(nbformat.v4.new_markdown_cell(inert(extra.source), id=next(free)))
    return notebook


def _file(name):
    return name.removesuffix(".ipynb") + ".ipynb"


def _meant(file, content, releases):
    """The release that a file is a submission of: the one of its name, else the one it has most in common with."""
    stems = {name: _file(name).removesuffix(".ipynb").casefold() for name in releases}
    alike = [n for n in releases if ".ipynb" in file.casefold() and stems[n] in file.casefold()]
    named = next((n for n in releases if _file(n) == file), max(alike, key=len, default=None))
    if isinstance(content, Unreadable) or not releases:
        return named
    common = {name: _common(release, content[0]) for name, release in releases.items()}
    best = max(releases, key=lambda n: (common[n], n == named))
    exact = named is not None and _file(named) == file and (common[named] or common[best] < 2)
    return named if exact or common[best] < 2 else best


def _common(release, cells):
    """How many released cells a submission knows by id, text or name."""
    match = Match(release, [])
    known = {match.by_grade.get(c.grade_id, match.by_id.get(c.id)) for c in cells}
    known |= {i for c in cells if c.text for i in match.by_text.get(c.text, ())}
    return len((known | {match.owner[n] for c in cells for n in c.names & set(match.owner)}) - {None})


def _worth(file, result, exact):
    """What orders the files of one notebook: answered before blank before unreadable, then the name, then the last."""
    answered = -1 if isinstance(result, Unreadable) else result.answered
    return min(answered, 1), file == exact, answered, [int(n) for n in re.findall(r"\d+", file)], file
