"""What can be said of a cell's source by reading it: its facts, its names, its parts."""

import ast
import re

STUB = "# Your code here.\nraise NotImplementedError()"


def region(name):
    """The pattern of a `### BEGIN NAME` … `### END NAME` region, whole lines."""
    return re.compile(rf"^([ \t]*)### BEGIN {name}\n.*?^[ \t]*### END {name}[ \t]*(?:\n|\Z)", re.S | re.M)


def blanked(source):
    """An answer as it is released."""
    return (
        region("SOLUTION").sub(lambda m: "".join(f"{m[1]}{line}\n" for line in STUB.splitlines()), source).rstrip("\n")
    )


def visible(check):
    """A check without its hidden part."""
    return region("HIDDEN TESTS").sub("", check)


def is_fact(node):
    """Whether a statement is `check("A sentence", value, expected, …)`."""
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Call)
        and getattr(node.value.func, "id", None) == "check"
        and len(node.value.args) == 3
        and isinstance(node.value.args[0], ast.Constant)
        and isinstance(node.value.args[0].value, str)
    )


def facts(check):
    """[(sentence, line)] of a check cell, in order."""
    return [(n.value.args[0].value, n.lineno) for n in ast.parse(check).body if is_fact(n)]


def misplaced(check):
    """The lines of calls of `check` that are not facts: in a loop, with a computed sentence, without expectation."""
    tree = ast.parse(check)
    sound = {id(n.value) for n in tree.body if is_fact(n)}
    calls = (n for n in ast.walk(tree) if isinstance(n, ast.Call) and getattr(n.func, "id", None) == "check")
    return sorted(n.lineno for n in calls if id(n) not in sound)


def stripped(check):
    """A check cell without its expectations and what only computes them: what an answer's process may see."""
    tree = ast.parse(without_expected(check))
    for node in tree.body:
        if is_fact(node):
            del node.value.args[2:]
            node.value.keywords = []
    return ast.unparse(tree)


def without_expected(check):
    return region("EXPECTED").sub(lambda m: "\n" * m[0].count("\n"), check)  # line numbers stay


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
