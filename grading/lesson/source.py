"""What can be said of a cell's source by reading it: its facts, its names, its parts."""

import ast
import re

STUB = "# Your code here.\nraise NotImplementedError()"
LOOKUPS = {"globals", "locals", "vars", "eval", "exec", "get_ipython", "__import__"}  # names found as code runs


def region(name):
    """The pattern of a `### BEGIN NAME` … `### END NAME` region, whole lines."""
    return re.compile(rf"^([ \t]*)### BEGIN {name}\n.*?^[ \t]*### END {name}[ \t]*(?:\n|\Z)", re.S | re.M)


def unpaired(source):
    """(what, line) of each line that looks like a part's beginning or end and is none, or has no partner."""
    names, opened = "SOLUTION|HIDDEN TESTS|EXPECTED", []
    for number, line in enumerate(source.splitlines(), 1):
        if not re.match(r"[ \t]*#+[ \t]*(BEGIN|END)[ _-]*(SOLUTION|HIDDEN|EXPECT)", line, re.I):
            continue
        exact = re.fullmatch(rf"[ \t]*### (BEGIN|END) ({names})", line)
        if not exact:
            yield f"{line.strip()!r} is no marker; write ### BEGIN or ### END, and {names.replace('|', ', ')}", number
        elif exact[1] == "BEGIN" and exact[2] not in [name for name, _ in opened]:
            opened.append((exact[2], number))
        elif exact[1] == "END" and opened and opened[-1][0] == exact[2]:
            opened.pop()
        else:
            yield f"{line.strip()} has no partner in this cell; each part has one BEGIN and, below it, one END", number
    for name, number in opened:
        yield f"### BEGIN {name} has no ### END {name} below it in this cell; add it", number


def blanked(source):
    """An answer as it is released."""
    return (
        region("SOLUTION").sub(lambda m: "".join(f"{m[1]}{line}\n" for line in STUB.splitlines()), source).rstrip("\n")
    )


def changed(answer, mistake):
    """A mistake as a whole cell; one that says only what differs from the answer is written out.

    Below its hint, comments `# - …` hold lines of the answer, or a part of one line, and `# + …` what stands there
    instead. ValueError when it does not say so in just one way.
    """
    at = re.search(r"^# [-+](?: |$)", mistake, re.M)
    if at is None or ast.parse(mistake).body:  # it holds code: it is whole
        return mistake
    hint, changes = mistake[: at.start()], mistake[at.start() :].rstrip("\n") + "\n"
    code = re.sub(r"^[ \t]*### (BEGIN|END) SOLUTION\n", "", answer.rstrip("\n") + "\n", flags=re.M)
    each = r"((?:# -(?: .*)?\n)+)((?:# \+(?: .*)?\n)*)"
    if not re.fullmatch(f"(?:{each})+", changes):
        raise ValueError("below the hint stand only the changes: lines `# - old`, each followed by its `# + new`")
    for change in re.finditer(each, changes):
        code = _replaced(code, *([line[4:] for line in part.splitlines()] for part in change.groups()))
    return f"{hint}\n{code}"  # the empty line ends the hint


def _replaced(code, old, new):
    """Code with other lines in the place of `old`, as far in as those were; a single old line may be a part of one."""
    first, *more = map(re.escape, old)
    lines = rf"^([ \t]*){first}\n" + "".join(rf"\1{line}\n" if line else r"\n" for line in more)
    found = list(re.finditer(lines, code, re.M))
    part = not found and not more and len(new) == 1
    found = found or (list(re.finditer(first, code)) if part else [])
    if len(found) != 1:
        where = "not there" if not found else f"there {len(found)} times"
        raise ValueError(f"{old[0]!r} is {where} in the answer; give lines, or a part of one, that are there once")
    margin = "" if part else found[0][1]
    text = new[0] if part else "".join(f"{margin}{line}\n" if line else "\n" for line in new)
    return code[: found[0].start()] + text + code[found[0].end() :]


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


def visible(check):
    """A check without its hidden part."""
    return region("HIDDEN TESTS").sub("", check)


def hidden(check):
    """A check's hidden part alone; line numbers stay."""
    found, last = "", 0
    for part in region("HIDDEN TESTS").finditer(check):
        found += "\n" * check[last : part.start()].count("\n") + part[0]
        last = part.end()
    return found


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
