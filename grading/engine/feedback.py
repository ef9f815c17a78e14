"""Put a graded notebook together: rebuilt cells, what they showed, what the checks say; nothing hidden is in it."""

import contextlib
import re

import nbformat
from bleach import clean
from bleach.css_sanitizer import CSSSanitizer

from grading.checks.words import NotAttempted, Wrong, card
from grading.engine.rebuild import inert

TAGS = {"a", "abbr", "b", "blockquote", "br", "caption", "code", "dd", "div", "dl", "dt", "em", "hr", "i", "img", "li"}
TAGS |= {"h1", "h2", "h3", "h4", "h5", "h6", "ol", "p", "pre", "span", "strong", "sub", "sup", "ul", "u"}
TAGS |= {"table", "tbody", "td", "tfoot", "th", "thead", "tr"}
STYLE = CSSSanitizer()
LARGE = 100_000  # characters of one display's HTML that are cleaned, without its styles and scripts,
ROOM = 2_000_000  # and of all displays of a notebook; a table of 60 rows and 20 columns has 32,000 and 2,700 tags
MOST = 4_000  # tags of one display
TANGLED = 20_000  # a parser repeats every formatting tag that is left open in every block that follows: their product
FORMATS = "a|b|code|em|i|strong|u|s|small|big|font|nobr|strike|tt"  # which tags it does that with
WAYS = re.I | re.A  # a parser of HTML knows no other letters and spaces
VALUE = r"""(?:"[^"<>]*+"|'[^'<>]*+'|[^\s"'<>=`]++)"""
TAG = re.compile(rf"</?[a-z][a-z0-9-]*+(?:\s++[\w:.-]++(?:\s*+=\s*+{VALUE})?)" + r"{0,20}\s*+/?>|<![^<>]*+>", WAYS)
OPENS = re.compile(r"<(?=[a-z/!?])", WAYS)  # any other < is a text's
LEAF = re.compile(rf"<({FORMATS})(?:\s[^<>]*+)?>[^<]*+</\1\s*+>", WAYS)  # what is closed at once repeats nothing
FORMAT = re.compile(rf"<(?:{FORMATS})\b", WAYS)
UNSHOWN = "(This HTML is too large, or not tidy enough, to be shown as a page. It begins:)"
UNSEEN = re.compile("[\0-\x08\x0b\x0c\x0e-\x1a\x1c-\x1f\x7f\ud800-\udfff]")  # what no text can hold, or nobody can see
MANY = 1_000  # outputs of one cell
PICTURE = re.compile(r"[A-Za-z0-9+/=\s]+")
KINDS = ("text/plain", "text/markdown", "text/latex", "text/html", "image/png", "image/jpeg")


def text(value):
    """What a student's process gave as a text, whatever it is, as one that can be written and read."""
    if isinstance(value, list):
        value = "".join(part for part in value if isinstance(part, str))
    return UNSEEN.sub("\N{REPLACEMENT CHARACTER}", value) if isinstance(value, str) else ""


def page(source):
    """HTML without MathJax's way to make links, which would undo all escaping."""
    return re.sub(r"\\(?=\s*href)", r"\\ ", source)


def without(source, name):
    """HTML without an element that holds no HTML, and what is in it."""
    first, *rest = re.split(rf"<{name}\b", source, flags=re.I)
    return first + "".join(re.split(rf"</{name}\s*>", part, maxsplit=1, flags=re.I)[-1] for part in rest)


def tidy(source):
    """Whether HTML is cleaned in a moment: the parser takes hours over a page that was made to hold it up.

    Every tag has to be a plain one, so that what is counted here is what the parser sees.
    """
    starts = [m.start() for m in OPENS.finditer(source)]
    if len(source) > LARGE or len(starts) > MOST or not all(TAG.match(source, at) for at in starts):
        return False
    for _ in range(3):
        source = LEAF.sub("", source)
    return len(FORMAT.findall(source)) * len(starts) <= TANGLED


def allowed(tag, name, value):
    """The attributes that are kept: a class may be a table's own, but none that a page around it listens to."""
    return name in ("style", "colspan", "rowspan") or (name == "class" and value == "dataframe" and tag == "table")


def cleaned(source):
    """HTML with nothing in it that a browser would run; nothing when it cannot be told in reasonable time."""
    with contextlib.suppress(RecursionError):
        if tidy(source):
            return page(clean(source, tags=TAGS, attributes=allowed, css_sanitizer=STYLE, strip=True))
    return None


def harmless(output, room=None):
    """An output as told by a student's process, built anew with nothing in it that a browser would run.

    `room` holds how many characters of HTML are still looked at.
    """
    new, kind = nbformat.v4.new_output, output.get("output_type") if isinstance(output, dict) else None
    if kind == "stream":
        name = "stderr" if output.get("name") == "stderr" else "stdout"
        return new("stream", name=name, text=text(output.get("text")))
    if kind == "error":
        lines = output.get("traceback") if isinstance(output.get("traceback"), list) else []
        return new(
            "error",
            ename=text(output.get("ename")),
            evalue=text(output.get("evalue")),
            traceback=list(map(text, lines)),
        )
    data = output.get("data") if kind in ("display_data", "execute_result") else None
    known = {k: text(data[k]) for k in KINDS if k in data} if isinstance(data, dict) else {}
    shown = display(known, [ROOM] if room is None else room)
    return new("display_data", data=shown or {"text/plain": "(a display that is not shown here)"})


def display(data, room):
    """What is kept of a display."""
    kept, unshown = {}, ""
    for kind, value in data.items():
        if kind == "text/html":
            value = without(without(value, "style"), "script")
            room[0] -= min(len(value), LARGE)
            found = cleaned(value) if room[0] >= 0 else None
            kept |= {kind: found} if found else {}
            unshown = value if found is None else ""
        elif kind.startswith("image/") and PICTURE.fullmatch(value):
            kept[kind] = value
        elif kind in ("text/markdown", "text/latex", "text/plain"):
            kept.setdefault("text/plain", value)
    if {"text/markdown", "text/latex"} & set(data):  # its source says more than <IPython.core.display.Markdown object>
        kept["text/plain"] = data.get("text/markdown") or data.get("text/latex") or kept["text/plain"]
    if unshown:
        own = kept.get("text/plain", "")
        kept["text/plain"] = f"{UNSHOWN}\n{unshown[:2000] if own.startswith('<IPython.') or not own else own}"
    return kept


def said(verdict):
    """The outputs of a check cell."""
    ticks = "".join(f"✓ {fact}\n" for fact in verdict["held"])
    state = verdict["state"]
    if state == "right" and verdict["hidden"]:
        ticks += f"✓ and {verdict['hidden']} more that the notebook did not show\n"
    outputs = [nbformat.v4.new_output("stream", name="stdout", text=ticks)] if ticks else []
    if state == "right":
        return outputs
    if state == "blank":
        problem, last = NotAttempted(), "○ not attempted"
    elif state == "review":
        problem, last = (
            Wrong(verdict["fact"], None, "the check gave no result: your teacher will look at it"),
            "✗ no result",
        )
    else:
        values = (
            (None, None) if verdict["secret"] and state == "wrong" else (verdict.get("expected"), verdict.get("got"))
        )
        problem, last = (
            Wrong(verdict["fact"], *values, verdict.get("hint"), verdict.get("where"), verdict.get("asked")),
            "✗ no marks",
        )
    data = {"text/plain": text(str(problem)), "text/html": page(text(card(problem)))}
    return [
        *outputs,
        nbformat.v4.new_output("display_data", data=data),
        nbformat.v4.new_output("error", ename=state.capitalize(), evalue=last, traceback=[last]),
    ]


def graded(rebuilt, outputs, verdicts):
    """The notebook to keep: `outputs` by index of cell, `verdicts` by exercise; repairs told at the top."""
    notebook, room = nbformat.from_dict(rebuilt.notebook), [ROOM]
    for at, cell in enumerate(notebook.cells):
        if cell.cell_type != "code":
            continue
        name = cell.metadata.get("nbgrader", {}).get("grade_id", "")
        if cell.metadata.get("nbgrader", {}).get("grade"):
            cell.outputs = said(verdicts[name.removesuffix("-check")])
        else:
            shown = outputs.get(at, {}).get("outputs")
            cell.outputs = [harmless(output, room) for output in shown[:MANY]] if isinstance(shown, list) else []
            if why := outputs.get(at, {}).get("died"):
                last = f"This cell was stopped: {why}. The cells below ran without it."
                cell.outputs.append(nbformat.v4.new_output("error", ename="Stopped", evalue=why, traceback=[last]))
    if rebuilt.repairs:
        sentences = "\n".join(f"- {inert(text(sentence))}" for sentence in rebuilt.repairs)  # they name files and cells
        words = f"**About the file you handed in.** What could be mended was mended:\n\n{sentences}"
        notebook.cells.insert(0, nbformat.v4.new_markdown_cell(words, id="about-your-file"))
    return notebook


def unreadable(release, why):
    """The released notebook with a sentence in front, for a file that is not a notebook."""
    notebook = nbformat.from_dict(release)
    words = f"**The file you handed in {why}.** Open it in JupyterLab, save it, and hand it in again."
    notebook.cells.insert(0, nbformat.v4.new_markdown_cell(words, id="about-your-file"))
    return notebook
