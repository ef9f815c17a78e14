"""What can be said of a cell's source by reading it: its facts, its names, its parts."""

import ast
import re

STUB = "# Your code here.\nraise NotImplementedError()"


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


def _above(lines, number):
    """The numbers of the comment lines right above a line, which are not the markers of a part."""
    first = number
    while first > 1 and re.match(r"# ?(?!##)", lines[first - 2]):
        first -= 1
    return range(first, number)


def thoughts(check):
    """{sentence: the comment right above its fact}: the next thought of whoever fails it."""
    lines, found = check.splitlines(), {}
    for sentence, number in facts(check):
        words = " ".join(lines[n - 1].lstrip("# ").rstrip() for n in _above(lines, number))
        found |= {sentence: words} if words else {}
    return found


def without_thoughts(check):
    """A check as a learner sees it: the comments above its facts are told to whoever needs them."""
    lines = check.splitlines()
    hints = {n for _, number in facts(check) for n in _above(lines, number)}
    return "\n".join(line for n, line in enumerate(lines, 1) if n not in hints)


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
