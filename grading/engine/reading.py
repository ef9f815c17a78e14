"""A file that was handed in, read as cells, whatever it is: no bytes raise anything but `Unreadable`."""

import json
import re
from dataclasses import dataclass
from functools import cached_property

MEGABYTES, CELLS, LENGTH = 20, 1_000, 100_000  # of a file; of a notebook; characters of a cell
LOOK = 200, 300  # cells and words that likeness looks at, so that no notebook takes long
NAME = re.compile(r"^(?:(?:async[ \t]+)?def|class)[ \t]+(\w+)|^(\w+)[ \t]*(?::[^=\n]*)?=(?!=)", re.M)
NO_TEXT = re.compile("[\0\ud800-\udfff]")


class Unreadable(Exception):
    """Why a file holds no notebook that could be graded."""

    def __init__(self, why):
        super().__init__(f"could not be read: it {why}")


def role(cell):
    """What a released cell is for: "answer", "spoken", "check" or "common"."""
    marks = cell.metadata.get("nbgrader", {})
    roles = {(True, False): "answer", (True, True): "spoken", (False, True): "check"}
    return roles.get((bool(marks.get("solution")), bool(marks.get("grade"))), "common")


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


def read(raw):
    """(cells, notes) of a file: its `Cell`s, and sentences on what of it was left out."""
    found, notes = cells_of(parsed(raw)), []
    if len(found) > CELLS:
        notes.append(f"The notebook has {len(found):,} cells: only the first {CELLS:,} were read.")
    cells = [cell for cell in map(cell_of, found[:CELLS]) if cell]
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


def parsed(raw):
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


def cells_of(found):
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


def cell_of(raw):
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
