"""Put a graded notebook together: rebuilt cells, what they showed, what the checks say; nothing hidden is in it."""

import re

import nbformat

from grading.checks.words import NotAttempted, Wrong, card
from grading.engine.html import LARGE, cleaned, inert, page, text, without

ROOM = 2_000_000  # and of all displays of a notebook; a table of 60 rows and 20 columns has 32,000 and 2,700 tags
UNSHOWN = "(This HTML is too large, or not tidy enough, to be shown as a page. It begins:)"
MANY = 1_000  # outputs of one cell
PICTURE = re.compile(r"[A-Za-z0-9+/=\s]+")
KINDS = ("text/plain", "text/markdown", "text/latex", "text/html", "image/png", "image/jpeg")


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
