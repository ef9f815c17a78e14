"""The rooms of grading/: who may import whom, and no circle between modules, wherever in a module the import stands."""

import ast
import re
from graphlib import CycleError, TopologicalSorter

import pytest

from grading.environment import ROOT

ROOMS = {  # what each may import beside itself
    "environment": set(),
    "checks": {"environment"},
    "lesson": {"checks", "environment"},
    "box": {"checks", "environment"},
    "kernels": {"environment"},
    "engine": {"checks", "lesson", "box", "environment"},
    "rehearsal": {"checks", "lesson", "box", "engine", "kernels", "environment"},
    "": {"checks"},  # grading/__init__.py: what a lesson imports
    "__main__": {"checks", "lesson", "engine", "rehearsal", "environment"},
    "bootstrap": set(),  # runs before anything is installed
}
CHAPTERS = {"gains.py", "forgeries.py", "reaching.py", "tampering.py", "crashes.py", "accidents.py", "paper.py"}
LARGE = 300  # lines
LONG = {"bootstrap", "checks.values", "lesson.run"}


def modules():
    """{name within grading: path}; a package goes by its own name."""
    found = {}
    for path in sorted((ROOT / "grading").rglob("*.py")):
        parts = path.relative_to(ROOT / "grading").with_suffix("").parts
        found[".".join(part for part in parts if part != "__init__")] = path
    return found


def imported(path, known):
    """The modules of grading that a module imports, by ast: at its top, in functions, and by import_module."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}: a relative import"
            found |= {f"{node.module}.{name.name}" for name in node.names} | {node.module}
        elif isinstance(node, ast.Call) and ast.unparse(node.func) == "import_module":
            found.add(ast.literal_eval(node.args[0]) if isinstance(node.args[0], ast.Constant) else "grading.checks")
    found = {name.removeprefix("grading.") for name in found if name.split(".")[0] == "grading"}
    return {name for name in found if name in known and name}


MODULES = modules()
IMPORTS = {name: imported(path, MODULES) - {name} for name, path in MODULES.items()}


def room(name):
    return name.partition(".")[0]


def strangers(imports):
    """[(module, what it may not import)]."""
    return [
        (name, other)
        for name, others in imports.items()
        for other in sorted(others)
        if room(other) != room(name) and room(other) not in ROOMS[room(name)]
    ]


def circle(imports):
    """The modules of a circle, or None. Packages only hold modules: importing a module runs them, and they are empty."""
    try:
        list(TopologicalSorter({name: others - {room(name)} for name, others in imports.items()}).static_order())
    except CycleError as error:
        return error.args[1]


def test_every_room_imports_what_it_may():
    assert {room(name) for name in MODULES} == set(ROOMS)
    assert not strangers(IMPORTS)


def test_nobody_but_the_command_line_imports_rehearsals():
    assert {room(n) for n, others in IMPORTS.items() if any(room(o) == "rehearsal" for o in others)} <= {
        "rehearsal",
        "__main__",
    }


def test_there_is_no_circle():
    assert not circle(IMPORTS)


def test_rooms_are_empty_folders():
    """A package that imports would be a way around."""
    assert not [
        name for name in ROOMS if name in MODULES and MODULES[name].name == "__init__.py" and IMPORTS[name] and name
    ]


@pytest.mark.parametrize("source, other", [("from grading.engine import section", "engine"),
                                           ("def f():\n    import grading.rehearsal.bench", "rehearsal.bench")])  # fmt: skip
def test_a_forbidden_import_is_found_wherever_it_stands(tmp_path, source, other):
    (tmp_path / "odd.py").write_text(source)
    found = IMPORTS | {"box.odd": imported(tmp_path / "odd.py", MODULES)}
    assert ("box.odd", other) in strangers(found)


def test_a_circle_is_found():
    assert circle(IMPORTS | {"checks.compare": {"checks.facts"}, "checks.facts": {"checks.compare"}})


def test_modules_can_be_read_in_one_sitting():
    lines = {name: len(path.read_text(encoding="utf-8").splitlines()) for name, path in MODULES.items()}
    assert not {name: n for name, n in lines.items() if n > LARGE and name not in LONG}


def test_what_the_readme_names_is_there():
    """The table of files, and the one that says where each promise is kept."""
    text = (ROOT / "grading" / "README.md").read_text(encoding="utf-8")
    rows = "".join(line for line in text.splitlines() if line.startswith("|"))
    files = {path.name for path in MODULES.values()}
    assert files - set(re.findall(r"`([\w]+\.py)`", rows)) <= {"__init__.py", *CHAPTERS}
    by_name = {name.rpartition(".")[2]: path for name, path in reversed(MODULES.items())}  # box/template.py, too
    for module, name in re.findall(r"`(\w+)\.([A-Za-z_.]+)`", rows):
        if name != "py":
            said = by_name[module].read_text(encoding="utf-8")
            found = {n.name for n in ast.walk(ast.parse(said)) if isinstance(n, ast.FunctionDef | ast.ClassDef)}
            found |= {n.id for n in ast.walk(ast.parse(said)) if isinstance(n, ast.Name)}
            assert set(name.split(".")) <= found, f"{module}.{name}"
