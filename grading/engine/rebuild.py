"""Rebuild a submission: the released notebook with the student's text in it. Nothing else of a submission is used.

Bytes in, a notebook out: nothing runs here, and no bytes raise anything but `Unreadable`.
"""

import copy
import json
import re
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from functools import cached_property
from itertools import count

import nbformat

MEGABYTES, CELLS, LENGTH = 20, 1_000, 100_000  # of a file; of a notebook; characters of a cell
ALIKE = 0.6  # the share of words, in order, that makes two cells the same
LOOK = 200, 300  # cells and words that likeness looks at, so that no notebook takes long
NAME = re.compile(r"^(?:(?:async[ \t]+)?def|class)[ \t]+(\w+)|^(\w+)[ \t]*(?::[^=\n]*)?=(?!=)", re.M)
NO_TEXT = re.compile("[\0\ud800-\udfff]")
ACTIVE = [  # what a page could run or stumble over, and what stands there instead
    (re.compile(r"<(?=[A-Za-z/!?])"), "< "),  # unlike &lt;, as readable in code and in formulas
    (re.compile(r"\\(?=href\b)"), r"\\ "),  # MathJax's link
    (re.compile(r"((?:java|vb)script)(?=:)", re.I), r"\1 "),
    (re.compile(r"(?:```|~~~)[ \t]*(?=[&\\])"), r"\g<0>text "),  # a language that decodes to nothing stops nbconvert
    (  # a link, an image or a definition whose target is not surely harmless
        re.compile(
            r"\](?=[(:])(?![(:]\s*+(?:https?://|mailto:|data:image/(?:png|jpe?g|gif);base64,"
            r"|[\w./#?=%~+-]*+(?:[)\s]|$)))"
        ),
        "] ",
    ),
]


class Unreadable(Exception):
    """Why a file holds no notebook that could be graded."""

    def __init__(self, why):
        super().__init__(f"could not be read: it {why}")


@dataclass
class Rebuilt:
    notebook: nbformat.NotebookNode
    repairs: list = field(default_factory=list)  # sentences to the student: what was found, what was done
    answered: int = 0  # answers, in code and in words, that differ from the release


def rebuild(release, raw):
    """The `Rebuilt` notebook of a submission's bytes; `Unreadable` when there is none in them."""
    return _rebuilt(release, *_read(raw))


def assign(releases, files):
    """({notebook name: (file name, `Rebuilt` or `Unreadable`)}, sentences) of a student's {file name: bytes}."""
    contents, candidates, said = {}, defaultdict(list), []
    for file in sorted(files):
        try:
            contents[file] = _read(files[file])
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


def role(cell):
    """What a released cell is for: "answer", "spoken", "check" or "common"."""
    marks = cell.metadata.get("nbgrader", {})
    roles = {(True, False): "answer", (True, True): "spoken", (False, True): "check"}
    return roles.get((bool(marks.get("solution")), bool(marks.get("grade"))), "common")


def inert(markdown):
    """Markdown that runs nothing in a page it is rendered in."""
    for pattern, instead in ACTIVE:
        markdown = pattern.sub(instead, markdown)
    return markdown


# Reading


@dataclass
class Cell:
    """What counts of a cell."""

    kind: str  # "code", "markdown" or "raw"
    source: str
    grade_id: str | None
    id: str | None

    @cached_property
    def text(self):
        """The source without what no one sees: two cells of one text are the same."""
        return "\n".join(line.rstrip() for line in self.source.splitlines()).strip()

    @cached_property
    def names(self):
        """What the cell defines at its top level, also where it is not sound Python."""
        return {a or b for a, b in NAME.findall(self.source)}

    @cached_property
    def words(self):
        return re.findall(r"\w+", self.source[:LENGTH])[: LOOK[1]]

    @property
    def opening(self):
        return f"“{self.text[:40].partition(chr(10))[0]}…”"


def _read(raw):
    """(cells, notes) of a file: its `Cell`s, and sentences on what of it was left out."""
    found, notes = _cells(_parsed(raw)), []
    if len(found) > CELLS:
        notes.append(f"The notebook has {len(found):,} cells: only the first {CELLS:,} were read.")
    cells = [cell for cell in map(_cell, found[:CELLS]) if cell]
    if len(cells) < len(found[:CELLS]):
        notes.append("Something that is not a cell stood among the cells: it was left out.")
    if any(NO_TEXT.search(cell.source) for cell in cells):
        notes.append("Characters that no text can hold, such as NUL, were found: they were removed.")
    for cell in cells:
        cell.source = re.sub("\r\n?", "\n", NO_TEXT.sub("", cell.source))
        if len(cell.source) > LENGTH:
            cell.source = "" if cell.kind == "code" else cell.source[:LENGTH]
            done = "it was left out" if cell.kind == "code" else "only its beginning was read"
            notes.append(f"A {cell.kind} cell has more than {LENGTH:,} characters: {done}.")
    return cells, notes


def _parsed(raw):
    """What the JSON of a file says."""
    if len(raw) > MEGABYTES * 2**20:
        raise Unreadable(f"is larger than {MEGABYTES} MB")
    encoding = json.detect_encoding(raw)
    text = raw.decode(encoding, "surrogateescape" if encoding.startswith("utf-8") else "replace")
    if not text.strip("\0 \t\r\n"):
        raise Unreadable("is empty")
    try:
        return json.loads(text, strict=False, parse_int=float)  # an int of 5,000 digits would be an error
    except json.JSONDecodeError as error:
        raise Unreadable(f"is not JSON (line {error.lineno})") from None
    except (RecursionError, MemoryError):
        raise Unreadable("is not JSON") from None


def _cells(found):
    """The cells of a notebook as JSON has them; format 3 and before kept them in worksheets."""
    while isinstance(found, list):
        found = next((part for part in found if isinstance(part, dict | list)), None)
    if not isinstance(found, dict):
        raise Unreadable("is not a notebook")
    sheets = found.get("worksheets") if "worksheets" in found else [found]
    lists = [s.get("cells") for s in sheets if isinstance(s, dict)] if isinstance(sheets, list) else []
    if not any(isinstance(cells, list) for cells in lists):
        raise Unreadable("is not a notebook")
    return [cell for cells in lists if isinstance(cells, list) for cell in cells]


def _cell(raw):
    """The `Cell` of a cell as JSON has it, whatever it lacks or has of a wrong type; None for what is no cell."""
    if not isinstance(raw, dict):
        return None
    source, kind = raw.get("source", raw.get("input", "")), raw.get("cell_type")  # format 3 says "input"
    if isinstance(source, list):
        lines = [line for line in source if isinstance(line, str)]
        source = ("" if any(line.endswith("\n") for line in lines) else "\n").join(lines)
    if not isinstance(source, str):
        return None
    if kind == "heading":  # of format 3
        level = raw.get("level")
        source = "#" * int(level if level in (1, 2, 3, 4, 5, 6) else 1) + " " + source
    if kind not in ("code", "markdown", "raw"):
        kind = "code" if not isinstance(kind, str) and {"outputs", "input"} & set(raw) else "markdown"
    marks = raw.get("metadata")
    marks = marks.get("nbgrader") if isinstance(marks, dict) else None
    grade_id = marks.get("grade_id") if isinstance(marks, dict) else None
    return Cell(kind, source, *(i if isinstance(i, str) else None for i in (grade_id, raw.get("id"))))


# Matching


class _Match:
    """Where in a release each cell of a submission belongs: `homes`, an index or None for each."""

    def __init__(self, release, cells):
        self.cells, self.released = cells, [_cell(c) for c in release.cells]
        self.roles = [role(c) for c in release.cells]
        self.by_grade = {c.grade_id: i for i, c in enumerate(self.released) if c.grade_id}
        self.by_id = {c.id: i for i, c in enumerate(self.released) if c.id}
        self.by_text, owners = defaultdict(list), defaultdict(list)
        for i, cell in enumerate(self.released):
            self.by_text[cell.text].append(i)
            for name in cell.names if cell.kind == "code" else ():
                owners[name].append(i)
        self.owner = {n: i for n, (i, *more) in owners.items() if not more and self.roles[i] == "answer"}
        self.named = [{self.owner[n] for n in cell.names & set(self.owner)} for cell in cells]
        self.misnamed, self.guessed = set(), set()  # released cells whose student's cell had a wrong id, or none
        self.homes = []
        for k in range(len(cells)):
            self.homes.append(self._known(k))
        self._by_name()
        self._by_likeness()

    def claims(self, i):
        return [k for k, home in enumerate(self.homes) if home == i]

    def written(self, i):
        """The cells of a released one, in the student's order, that say something it does not."""
        return [k for k in self.claims(i) if self.cells[k].text not in ("", self.released[i].text)]

    def chosen(self, i):
        """The cell that counts for a released one: of answers, the last written one, if it can one that defines it."""
        if not self.solution(i):
            return next(iter(self.claims(i)), None)
        written = self.written(i)
        return ([k for k in written if i in self.named[k]] or written or self.claims(i) or [None])[-1]

    def solution(self, i):
        return self.roles[i] in ("answer", "spoken")

    def _known(self, k):
        """The place that a cell's ids or its very text give it; the name an answer defines is trusted over its id."""
        cell, named = self.cells[k], self.named[k]
        home = self.by_grade.get(cell.grade_id, self.by_id.get(cell.id))
        twins = self.by_text.get(cell.text, ()) if cell.text else ()
        if twins and home not in twins:
            home = next((i for i in twins if i not in self.homes), twins[0])
        if home is not None and self.roles[home] == "answer" and named and home not in named:
            home = min(named)
            self.misnamed.add(home)
        return home

    def _by_name(self):
        """Answers with nothing written under their own id belong to whatever defines their name."""
        for i in set(self.owner.values()):
            if not self.written(i):
                for k, home in enumerate(self.homes):
                    if i in self.named[k] and (home is None or self.roles[home] == "check"):
                        self.homes[k] = i
                        self.guessed.add(i)

    def _by_likeness(self):
        """Released cells that still lack theirs take the most alike; spoken answers may be all new where they stand."""
        lost = [i for i in range(len(self.released)) if not self.claims(i)]
        free = [k for k, home in enumerate(self.homes) if home is None and self.cells[k].text][: LOOK[0]]
        pairs = []
        for k in free:
            before = next((h for h in self.homes[k::-1] if h is not None), -1)
            after = next((h for h in self.homes[k:] if h is not None), -1)
            for i in lost:
                near, cell = i - 1 == before or i + 1 == after, self.released[i]
                score = _likeness(cell.words, self.cells[k].words, grows=self.solution(i))
                enough = score >= ALIKE or (near and self.roles[i] == "spoken")
                if enough and (self.cells[k].kind == "code") == (cell.kind == "code"):
                    pairs.append((-score, not near, i, k))
        for _, _, i, k in sorted(pairs):
            if self.homes[k] is None and i not in self.homes:
                self.homes[k] = i
                self.guessed.add(i)


def _likeness(released, words, grows):
    """How alike two lists of words are, 0 to 1; what `grows` is judged by how much of the released words it kept."""
    whole = max(1, len(released) if grows else (len(released) + len(words)) / 2)
    if (Counter(released) & Counter(words)).total() < ALIKE * whole:
        return 0
    return sum(m.size for m in SequenceMatcher(None, released, words, autojunk=False).get_matching_blocks()) / whole


# Rebuilding


def _rebuilt(release, cells, notes):
    match = _Match(release, cells)
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


# Whose file


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
    match = _Match(release, [])
    known = {match.by_grade.get(c.grade_id, match.by_id.get(c.id)) for c in cells}
    known |= {i for c in cells if c.text for i in match.by_text.get(c.text, ())}
    return len((known | {match.owner[n] for c in cells for n in c.names & set(match.owner)}) - {None})


def _worth(file, result, exact):
    """What orders the files of one notebook: answered before blank before unreadable, then the name, then the last."""
    answered = -1 if isinstance(result, Unreadable) else result.answered
    return min(answered, 1), file == exact, answered, [int(n) for n in re.findall(r"\d+", file)], file
