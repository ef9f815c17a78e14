"""The names that a cell's source binds and reads, and what they give away."""

import ast
import re

from grading.lesson.source import hidden, is_fact, without_expected

LOOKUPS = {"globals", "locals", "vars", "eval", "exec", "get_ipython", "__import__"}  # names found as code runs


def given_away(check):
    """[(name, line)] of what the hidden part binds outside ### BEGIN EXPECTED and what says what is expected.

    The hidden part runs without expectations where a student's code is. So a name must not stand there that only
    expectations read, and no expectation may be put together from such names alone.
    """
    part = hidden(check)
    tree, told = ast.parse(without_expected(part)), {name for name, _ in used_in_expectations(part)}
    expectations = []
    for node in tree.body:
        if is_fact(node):
            expectations.append(node.value.args[2])
            del node.value.args[2:]
            node.value.keywords = []
    names = [n for n in ast.walk(tree) if isinstance(n, ast.Name)]
    bound = {n.id: n.lineno for n in names if isinstance(n.ctx, ast.Store)}
    bound |= {n.name: n.lineno for n in tree.body if isinstance(n, ast.FunctionDef | ast.ClassDef)}
    found = told - {n.id for n in names if isinstance(n.ctx, ast.Load)}
    for node in expectations:
        parts = list(ast.walk(node))
        if not any(isinstance(p, ast.Call | ast.Constant) for p in parts):
            found |= {p.id for p in parts if isinstance(p, ast.Name)}
    return sorted((name, bound[name]) for name in found & bound.keys())


def seeded(source):
    """The lines that use `class_seed`; importing it is none."""
    nodes = list(ast.walk(ast.parse(source)))
    imported = [a for n in nodes if isinstance(n, ast.ImportFrom) for a in n.names if a.name == "class_seed"]
    names = {"class_seed"} | {a.asname for a in imported if a.asname}
    return sorted(n.lineno for n in nodes if getattr(n, "id", getattr(n, "attr", None)) in names)


def defined(source):
    """The names that a cell defines at its top level."""
    names = []
    for node in ast.parse(source).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.append(node.name)
        elif isinstance(node, ast.Assign | ast.AnnAssign | ast.AugAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names += [n.id for t in targets for n in ast.walk(t) if isinstance(n, ast.Name)]
    return names


def bound(source):
    """All names that a cell binds at its top level, by importing too."""
    nodes = [n for n in ast.parse(source).body if isinstance(n, ast.Import | ast.ImportFrom)]
    return {(a.asname or a.name).split(".")[0] for n in nodes for a in n.names} | set(defined(source))


def used(source):
    """[(name, line)] of the names a cell reads that it does not bind itself, as parameter or local variable."""
    return _reads(ast.parse(source).body)


def _reads(nodes):
    bound, reads = set(), []
    for top in nodes:
        for node in ast.walk(top):
            if isinstance(node, ast.arg):
                bound.add(node.arg)
            elif isinstance(node, ast.Name):
                reads.append((node.id, node.lineno)) if isinstance(node.ctx, ast.Load) else bound.add(node.id)
    return [(name, line) for name, line in reads if name not in bound]


def used_in_expectations(check):
    """[(name, line)] of the names that a check's expectations read."""
    lines, code = check.splitlines(), without_expected(check).splitlines()
    block = [a if a != b else "" for a, b in zip(lines, code + [""] * len(lines), strict=False)]
    nodes = [
        part for node in ast.parse(check).body if is_fact(node) for part in (node.value.args[2], *node.value.keywords)
    ]
    return _reads(nodes) + _reads(ast.parse("\n".join(block)).body)


def parted(check, answers):
    """(shared, own): what a check does before anything in it depends on an answer: once is enough for all answers.

    Helpers that call the answer stay behind, as does whatever calls them or looks names up as it runs. No shared
    statement reads a name that an answer's cell binds, or binds one that such a cell binds or reads. Line numbers stay.
    """
    told = {name for answer in answers for name in bound(answer)} | LOOKUPS
    reads = {name for answer in answers for name, _ in used(answer)}
    lines, shared = check.splitlines(), set()
    first = next((n for n, line in enumerate(lines, 1) if re.match(r"\s*### BEGIN", line)), len(lines) + 1)
    for node in ast.parse(check).body:
        place = range(min(n.lineno for n in (node, *getattr(node, "decorator_list", ()))), node.end_lineno + 1)
        binds, names = bound(ast.unparse(node)), {n.id for n in ast.walk(node) if isinstance(n, ast.Name)}
        if node.lineno >= first or is_fact(node):
            break
        if not names & told and not binds & (told | reads):
            shared |= set(place)
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            told |= binds
        else:
            break
    parts = [[line if (n in shared) == wanted else "" for n, line in enumerate(lines, 1)] for wanted in (True, False)]
    return "\n".join(parts[0]), "\n".join(parts[1])
