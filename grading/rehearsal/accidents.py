# ruff: noqa: E501, a table of cases reads best one to a line
"""Honest accidents, and odd files."""

import copy
import json

import nbformat

from grading.rehearsal.paper import attack, beside, row

beside(
    "a_right_answer_that_warns",
    """
import logging, sys, warnings
warnings.warn("careful")
logging.warning("careful")
print("careful", file=sys.stderr)
""",
    """
right = {victim}
def {victim}(*args, **kwargs):
    warnings.warn("careful"); logging.warning("careful"); print("careful", file=sys.stderr)
    return right(*args, **kwargs)
""",
)
beside(
    "a_right_answer_that_prints_and_plots",
    after="""
import matplotlib.pyplot as plt
from IPython.display import HTML, Markdown, display
print("done")
plt.plot([1, 2, 3])
plt.show()
plt.figure(); plt.plot([3, 2, 1])
display(HTML("<b>bold</b>"), Markdown("*hello*"))
right = {victim}
def {victim}(*args, **kwargs):
    print("called"); display("called"); plt.figure(); plt.plot([1]); plt.show()
    return right(*args, **kwargs)
{victim}
""",
)
beside("a_right_answer_with_doubts", after="print('\\ud800 \\0 \\x1b[31m é 日本')\n'\\ud800'")
beside("a_right_answer_then_exit", after="exit()")
beside("a_right_answer_and_a_sys_exit", after="import sys\nsys.exit(0)")
beside("a_right_answer_that_raises_below", after="1 / 0")
beside(
    "a_right_answer_with_magics",
    before="%matplotlib inline\n%load_ext autoreload\n%autoreload 2\n!echo hello",
    after="%pwd",
)
beside(
    "threads_and_processes_used_well",
    """
from concurrent.futures import ThreadPoolExecutor
import subprocess
pool = ThreadPoolExecutor(2)
assert list(pool.map(abs, [-1, 2])) == [1, 2]
assert subprocess.run(["echo", "hello"], capture_output=True, text=True).stdout == "hello\\n"
""",
)
beside("coroutines_used_well", "import asyncio\nawait asyncio.sleep(0)")
beside("moved_to_another_folder", after="import os\nos.makedirs('elsewhere', exist_ok=True)\nos.chdir('elsewhere')")
beside(
    "files_named_like_modules",
    after="""
for name in ("random", "json", "numpy", "struct", "statistics", "secrets", "river", "sklearn"):
    with open(f"{name}.py", "w") as file:
        file.write("raise RuntimeError('the wrong module')")
""",
)
attack(
    "an_absolute_windows_path",
    'import pandas as pd\ndata = pd.read_csv(r"C:\\\\Users\\\\Ada\\\\flights.csv")\n',
    kind="accident",
)
attack("a_syntax_error", "def answer(:\n    return", kind="accident")
attack("somebody_asked_to_type", "name = input('Your name? ')\n", kind="accident")
attack("a_password_asked_for", "import getpass\ngetpass.getpass()\n", kind="accident")


@row("accident")
def numpy_scalars_returned(paper):
    """Whatever the right answer gives, as numpy has it; and 42.0 for 42."""
    paper.beside_right(
        after=f"""
        import numpy as np
        right = {paper.victim}
        def as_numpy(x):
            if isinstance(x, bool): return np.bool_(x)
            if isinstance(x, int | float): return np.float64(x)
            if isinstance(x, tuple): return tuple(map(as_numpy, x))
            return x
        def {paper.victim}(*args, **kwargs):
            return as_numpy(right(*args, **kwargs))
    """
    )


@row("accident")
def a_helper_cell_and_an_import(paper):
    right = paper.answer
    paper.insert(
        paper.at(paper.victim), f"import math\n\ndef my_helper(x):\n    return x\n\nmy_answer = '{paper.victim}'"
    )
    paper.write(right + "\n\nassert my_helper(math.pi) == math.pi", 1)


@row("accident")
def an_edited_common_cell(paper):
    """A cell of the lesson in which somebody also keeps a copy under a name of their own."""
    cell = next(c for c in paper.notebook.cells if c.cell_type == "code" and "nbgrader" not in c.metadata)
    cell.source += "\n\nmine = 42  # a name of my own"
    paper.beside_right(after="assert mine == 42")


@row("accident")
def a_variable_renamed_in_a_common_cell(paper):
    """The released cell runs first, so the names that everybody else uses are still there."""
    from grading.lesson.names import defined

    cell = [c for c in paper.notebook.cells if c.cell_type == "code" and "nbgrader" not in c.metadata][1]
    old = defined(cell.source)[0]
    cell.source = cell.source.replace(old, f"my_{old}")
    paper.beside_right(after=f"assert my_{old} is not None")


@row("accident")
def a_deleted_answer(paper):
    del paper.notebook.cells[paper.at(paper.victim)]
    paper.deserved[f"{paper.victim}-check"] = 0


@row("accident")
def works_only_out_of_order(paper):
    paper.write("defined_further_below\n" + paper.answer, 0)
    paper.notebook.cells.append(nbformat.v4.new_code_cell("defined_further_below = True"))


@row("accident")
def duplicated_cells(paper):
    """The last answer that differs from the blank counts."""
    answer, check = paper.cell(paper.victim), paper.cell(f"{paper.victim}-check")
    answer.source = f"def {paper.victim}(*args, **kwargs):\n    return 'my first attempt'"
    better = copy.deepcopy(answer)
    better.source = paper.answer
    blank = copy.deepcopy(answer)
    blank.source = paper.lesson.exercises[paper.victim].blank
    at = paper.notebook.cells.index(check)
    paper.notebook.cells[at:at] = [better, blank]
    paper.notebook.cells.append(copy.deepcopy(check))
    paper.deserved[f"{paper.victim}-check"] = paper.lesson.exercises[paper.victim].check.points


@row("accident")
def stripped_of_all_metadata(paper):
    for cell in paper.notebook.cells:
        cell.metadata = nbformat.from_dict({})
        cell.pop("id")
    paper.notebook.metadata = nbformat.from_dict({})
    paper.raw = json.dumps(paper.notebook).encode()


@row("accident")
def other_files_handed_in_too(paper):
    paper.beside |= {
        "notes.txt": b"hello", "my_helpers.py": b"def double(x): return 2 * x", "folder/deep/data.csv": b"a,b\n1,2\n",
        "numpy.py": b"raise RuntimeError", "random.py": b"raise RuntimeError", "large.txt": b"x" * 900_000, ".hidden": b"",
    }  # fmt: skip
    paper.beside_right(
        before="from my_helpers import double\nassert double(2) == 4 and open('folder/deep/data.csv').read()"
    )


@row("file")
def renamed(paper):
    paper.file = paper.file.replace(".ipynb", "-Copy1 (2).ipynb")


@row("file")
def renamed_beyond_recognition(paper):
    paper.file = "homework final FINAL.ipynb"


@row("file")
def empty(paper):
    paper.raw = b""
    paper.nothing()


@row("file")
def not_json(paper):
    paper.raw = b"%PDF-1.7 \xff\xfe not a notebook"
    paper.nothing()


@row("file")
def cut_off(paper):
    whole = nbformat.writes(paper.notebook).encode()
    paper.raw = whole[: len(whole) // 2]
    paper.nothing()


@row("file")
def nested_too_deeply(paper):
    paper.raw = b"[" * 200_000
    paper.nothing()


@row("file")
def of_format_3(paper):
    cells = []
    for cell in paper.raw_json()["cells"]:
        cell["source" if cell["cell_type"] != "code" else "input"] = "".join(cell.pop("source"))
        cells.append(cell | ({"language": "python", "prompt_number": 1} if cell["cell_type"] == "code" else {}))
    paper.raw = json.dumps(
        {"nbformat": 3, "nbformat_minor": 0, "metadata": {}, "worksheets": [{"cells": cells}]}
    ).encode()


@row("file")
def of_a_format_to_come(paper):
    paper.raw = json.dumps(paper.raw_json() | {"nbformat": 99, "nbformat_minor": 77}).encode()


@row("file")
def missing(paper):
    paper.file = None
    paper.beside["hints.json"] = b"{}"
    paper.nothing()


@row("file")
def only_a_text_file(paper):
    paper.file = None
    paper.beside["sorry.txt"] = b"I will hand it in tomorrow."
    paper.nothing()


@row("file")
def an_unknown_notebook_beside_it(paper):
    paper.beside["scratch.ipynb"] = nbformat.writes(
        nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("while True: pass")])
    ).encode()


@row("file")
def a_name_that_is_not_text(paper):
    paper.beside["r\udce9sum\udce9.txt"] = b"hello"
    paper.beside["\udcff.ipynb"] = b"{}"
