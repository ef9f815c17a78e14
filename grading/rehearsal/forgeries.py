# ruff: noqa: E501, a table of cases reads best one to a line
"""Attempts to gain marks with forged, malformed or hostile reports."""

import json
import textwrap

from grading.rehearsal.paper import attack, called, row

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
