"""Put a graded notebook together: rebuilt cells, what they showed, what the checks say; nothing hidden is in it."""

import nbformat
from bleach import clean
from bleach.css_sanitizer import CSSSanitizer

from grading.checks import NotAttempted, Wrong, card

TAGS = {"a", "abbr", "b", "blockquote", "br", "caption", "code", "dd", "div", "dl", "dt", "em", "hr", "i", "img", "li"}
TAGS |= {"h1", "h2", "h3", "h4", "h5", "h6", "ol", "p", "pre", "span", "strong", "sub", "sup", "ul", "u"}
TAGS |= {"table", "tbody", "td", "tfoot", "th", "thead", "tr"}
STYLE = CSSSanitizer()


def harmless(output):
    """An output of the student's with nothing in it that a browser would run."""
    output = nbformat.from_dict(output)
    if "data" in output:
        kept = {}
        for kind, value in output.data.items():
            value = "".join(value) if isinstance(value, list) else str(value)
            if kind in ("text/plain", "image/png", "image/jpeg"):
                kept[kind] = value
            elif kind == "text/html":
                kept[kind] = clean(value, tags=TAGS, attributes={"*": ["style", "class", "colspan", "rowspan"]},
                                   css_sanitizer=STYLE, strip=True)  # fmt: skip
        output.data = kept or {"text/plain": "(a display that is not shown here)"}
        output.metadata = {}
    return output


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
        problem, last = Wrong(verdict["fact"], *values, verdict.get("hint"), verdict.get("where")), "✗ no marks"
    data = {"text/plain": str(problem), "text/html": card(problem)}
    return [
        *outputs,
        nbformat.v4.new_output("display_data", data=data),
        nbformat.v4.new_output("error", ename=state.capitalize(), evalue=last, traceback=[last]),
    ]


def graded(rebuilt, outputs, verdicts):
    """The notebook to keep: `outputs` by index of cell, `verdicts` by exercise; repairs told at the top."""
    notebook = nbformat.from_dict(rebuilt.notebook)
    for at, cell in enumerate(notebook.cells):
        if cell.cell_type != "code":
            continue
        name = cell.metadata.get("nbgrader", {}).get("grade_id", "")
        if cell.metadata.get("nbgrader", {}).get("grade"):
            cell.outputs = said(verdicts[name.removesuffix("-check")])
        else:
            cell.outputs = [harmless(o) for o in outputs.get(at, {}).get("outputs", [])]
            if why := outputs.get(at, {}).get("died"):
                text = f"This cell was stopped: {why}. The cells below ran without it."
                cell.outputs.append(nbformat.v4.new_output("error", ename="Stopped", evalue=why, traceback=[text]))
    if rebuilt.repairs:
        text = "**About the file you handed in.** What could be mended was mended:\n\n" + "\n".join(
            f"- {sentence}" for sentence in rebuilt.repairs
        )
        notebook.cells.insert(0, nbformat.v4.new_markdown_cell(text, id="about-your-file"))
    return notebook


def unreadable(release, why):
    """The released notebook with a sentence in front, for a file that is not a notebook."""
    notebook = nbformat.from_dict(release)
    text = f"**The file you handed in {why}.** Open it in JupyterLab, save it, and hand it in again."
    notebook.cells.insert(0, nbformat.v4.new_markdown_cell(text, id="about-your-file"))
    return notebook
