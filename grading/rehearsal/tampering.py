# ruff: noqa: E501, a table of cases reads best one to a line
"""Attempts to gain marks by changing what is no answer: checks, points, ids, tags, pages."""

import nbformat

from grading.rehearsal.paper import called, row


@row("gain")
def a_deleted_check(paper):
    paper.write(f"{paper.victim} = None")
    del paper.notebook.cells[paper.at(f"{paper.victim}-check")]


@row("gain")
def a_check_that_is_not_graded(paper):
    paper.write(f"{paper.victim} = None")
    paper.cell(f"{paper.victim}-check").metadata.nbgrader.grade = False


@row("gain")
def an_edited_check(paper):
    paper.write(f"{paper.victim} = None")
    paper.cell(f"{paper.victim}-check").source = "print('✓ everything')"


@row("gain")
def a_check_turned_into_markdown(paper):
    paper.write(f"{paper.victim} = None")
    cell = paper.cell(f"{paper.victim}-check")
    paper.notebook.cells[paper.notebook.cells.index(cell)] = nbformat.v4.new_markdown_cell(
        cell.source, metadata=cell.metadata
    )


@row("gain")
def points_raised(paper):
    paper.write(f"{paper.victim} = None")
    for cell in paper.notebook.cells:
        if "points" in cell.metadata.get("nbgrader", {}):
            cell.metadata.nbgrader.points = 2000


@row("gain")
def ids_swapped_with_another_exercise(paper):
    paper.write(f"{paper.victim} = None")
    others = [n for n in paper.lesson.exercises if n != paper.victim]
    easy = max(others, key=lambda name: paper.deserved[f"{name}-check"])
    one, other = paper.cell(f"{paper.victim}-check"), paper.cell(f"{easy}-check")
    one.metadata, other.metadata = other.metadata, one.metadata


@row("gain")
def tags_that_skip(paper):
    paper.write(f"{paper.victim} = None")
    for cell in paper.notebook.cells:
        cell.metadata["tags"] = ["skip-execution", "remove_cell", "raises-exception"]


@row("gain")
def all_blank_and_skipped(paper):
    for name, exercise in paper.lesson.exercises.items():
        paper.cell(name).source = exercise.blank
    paper.nothing()
    tags_that_skip(paper)
    paper.cell(paper.victim).source = paper.lesson.exercises[paper.victim].blank


@row("gain")
def forged_checksums(paper):
    paper.write(f"{paper.victim} = None")
    for cell in paper.notebook.cells:
        if "checksum" in cell.metadata.get("nbgrader", {}):
            cell.metadata.nbgrader.checksum = "0" * 32


@row("gain")
def schema_version_99(paper):
    paper.write(f"{paper.victim} = None")
    for cell in paper.notebook.cells:
        if "nbgrader" in cell.metadata:
            cell.metadata.nbgrader.schema_version = 99


SCRIPT = r"$\href{javascript:alert(1)}{x}$<script>alert(1)</script><img src=x onerror=alert(1)><svg onload=alert(1)><a href='javascript:alert(1)'>x</a>"


@row("gain")
def scripts_in_outputs(paper):
    paper.write(f"""
        from IPython.display import HTML, Javascript, Latex, Markdown, SVG, display
        bad = {SCRIPT!r}
        print(bad)
        display(HTML(bad), Javascript("alert(1)"), Markdown(bad), Latex(r"$\\href{{javascript:alert(1)}}{{x}}$"))
        display({{"text/html": bad, "image/png": '"' + "'>" + bad, "image/svg+xml": bad, "text/plain": bad}}, raw=True)
        display(HTML(r"$\\href{{javascript:alert(1)}}{{x}}$ <p style='position:fixed;background:url(javascript:1)' onclick=alert(1)>"))
        raise ValueError(bad)
    """)
    for name in paper.notebook.cells:
        if name.metadata.get("nbgrader", {}).get("grade_id", "").startswith("say-"):
            name.source = "An answer. " + SCRIPT
    paper.insert(0, "'x'  # " + SCRIPT)
    paper.notebook.cells.insert(0, nbformat.v4.new_markdown_cell(SCRIPT))
    paper.beside["<img src=x onerror=alert(1)>.ipynb"] = b"{}"
    paper.notebook.metadata["title"] = SCRIPT


called(
    "scripts_in_values_and_errors",
    f"""
    calls.append(1)
    if len(calls) > 1: raise ValueError({SCRIPT!r})
    return {SCRIPT!r}
""",
    before="calls = []",
)
