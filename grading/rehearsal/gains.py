"""Attempts to gain marks with values and patches: what pretends to be equal, and what changes the one who asks."""

import nbformat

from grading.rehearsal.paper import attack, called, row

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
