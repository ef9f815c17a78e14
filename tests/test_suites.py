"""Tests that are graded by tests: whatever a test does costs its own verdict, and nothing else."""

import os
import signal
import subprocess
import sys
import textwrap
import time

import numpy as np
import pandas as pd
import pytest
from daytwo import suites, suites_child

GOOD, BAD = "def f(x):\n    return x + 1\n", "def f(x):\n    return x + 2\n"
WAYS = [
    pytest.param(True, id="fork", marks=pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")),
    pytest.param(False, id="spawn"),
]


def written(body):
    """Tests as a notebook would hold them, from the lines of `test_f`."""
    names = {
        "np": np,
        "os": os,
        "pd": pd,
        "pytest": pytest,
        "signal": signal,
        "sys": sys,
        "time": time,
        "__name__": "__main__",
    }
    exec(f"def test_f(f):\n{textwrap.indent(body, '    ')}", names)
    return suites.collect(names, "test_f")


def states(body, sources=(GOOD, BAD, GOOD), fork=True, **more):
    return [v.state for v in suites.run(written(body), list(sources), "f", {"pd": pd}, fork=fork, seconds=1, **more)]


ODD = {
    "an honest test": ("assert f(1) == 2", "caught"),
    "hangs": ("while f(1) != 2:\n    pass", "broke"),
    "exits": ("if f(1) != 2:\n    sys.exit(1)", "broke"),
    "exits without a word": ("if f(1) != 2:\n    os._exit(1)", "broke"),
    "exits as if all were well": ("if f(1) != 2:\n    os._exit(0)", "broke"),
    "is killed": ("if f(1) != 2:\n    os.kill(os.getpid(), 9)", "broke"),
    "kills whoever started it": ("if f(1) != 2:\n    os.killpg(0, 9)", "broke"),
    "ends pytest": ("if f(1) != 2:\n    pytest.exit('enough')", "broke"),
    "eats memory": ("if f(1) != 2:\n    np.ones(10**11)", "broke"),
    "prints megabytes": ("print('caught' * 10**6)\nassert f(1) == 2", "caught"),
    "patches pandas": ("pd.DataFrame.merge = pd.concat = None\nassert f(1) == 2", "caught"),
    "patches the code under test": ("f.__code__ = (lambda x: 2).__code__\nassert f(1) == 2", "passed"),
    "closes every file": ("if f(1) != 2:\n    os.closerange(3, 300)", "broke"),
    "writes a verdict into every file": ("if f(1) != 2:\n    for fd in range(3, 60):\n        try:\n            os.write(fd, b'{\"state\": \"caught\", \"why\": \"\", \"spoilt\": false, \"token\": \"\"}\\n')\n        except OSError:\n            pass\n    os._exit(0)", "broke"),
}  # fmt: skip


@pytest.mark.parametrize("fork", WAYS)
@pytest.mark.parametrize("body, state", ODD.values(), ids=ODD)
def test_whatever_a_test_does_costs_that_verdict_alone(body, state, fork):
    if not hasattr(os, "killpg") and ("killpg" in body or "np.ones" in body):
        pytest.skip("nothing like it here")
    assert states(body, fork=fork) == ["passed", state, "passed"]


@pytest.mark.parametrize("fork", WAYS)
def test_what_a_test_remembers_is_forgotten_before_the_next_version(fork):
    names = {"__name__": "__main__", "seen": []}
    exec("def test_f(f):\n    seen.append(1)\n    assert len(seen) == 1", names)
    assert [v.state for v in suites.run(suites.collect(names, "test_f"), [GOOD] * 3, "f", {}, fork=fork)] == [
        "passed"
    ] * 3


def test_a_blank_is_not_attempted():
    for names in ({}, {"test_f": written("raise NotImplementedError()")["test_f"]}):
        with pytest.raises(NotImplementedError) as error:
            suites.run(suites.collect(names, "test_f"), [GOOD], "f", {})
        assert not error.value.args


def test_after_three_that_hang_the_others_are_not_run():
    started = time.monotonic()
    assert states("while True:\n    pass", [GOOD] * 30) == ["broke"] * 30
    assert time.monotonic() - started < 30


def test_a_failure_is_told_with_what_stood_on_both_sides():
    def test_f(f):
        got = f(3)
        assert got == 4

    (verdict,) = suites.run({"test_f": test_f}, [BAD], "f", {})
    assert verdict.state == "caught" and verdict.why.startswith("test_f: assert got == 4; got is 5")


def test_fixtures_parameters_and_helpers_come_along():
    names = {"__name__": "__main__", "pytest": pytest}
    exec(
        "LIMIT = 2\n@pytest.fixture\ndef one():\n    return 1\ndef near(x):\n    return x == LIMIT\n@pytest.mark.parametrize('more', [0, 1])\ndef test_f_near(f, one, more):\n    assert near(f(one + more) - more)",
        names,
    )
    tests = suites.collect(names, "test_f_near")
    assert set(tests) == {"one", "test_f_near"}
    for fork in (suites_child.FORK, False):
        assert [v.state for v in suites.run(tests, [GOOD, BAD], "f", {}, fork=fork)] == ["passed", "caught"]


def test_the_notebooks_own_function_is_the_version_under_test():
    names = {"__name__": "__main__"}
    exec(GOOD + "def test_f():\n    assert f(1) == 2", names)
    assert [v.state for v in suites.run(suites.collect(names, "test_f"), [GOOD, BAD], "f", {})] == ["passed", "caught"]
    assert names["f"](1) == 2


@pytest.mark.parametrize("fork", WAYS[:1])
def test_no_other_name_leads_to_the_code_as_it_was(fork):
    names = {"__name__": "__main__"}
    exec(f"{GOOD}kept = f\ndef test_f(f):\n    assert f(1) == kept(1) == globals()['f'](1)", names)
    tests = suites.collect(names, "test_f")
    assert [v.state for v in suites.run(tests, [GOOD, BAD], "f", {}, fork=fork)] == ["passed", "passed"]


def test_tests_that_remember_the_first_version_they_see_remember_a_faulty_one(tmp_path):
    body = f"""
        place = {str(tmp_path / "seen")!r}
        if not os.path.exists(place):
            open(place, "w").write(str(f(1)))
        assert f(1) == int(open(place).read())
    """
    found = suites.findings(written(textwrap.dedent(body)), GOOD, [("sum", "+ 1", "+ 2")], [], "f", {})
    assert found.given and found.survived == ["sum"]


def test_a_class_is_a_suite_with_its_methods_and_parameters():
    names = {"__name__": "__main__", "pytest": pytest}
    exec(
        "LIMIT = 2\nclass TestF:\n    @pytest.mark.parametrize('x', [0, 1])\n    def test_sum(self, f, x):\n        assert f(x) == x + 1\n    def test_one(self, f):\n        assert f(1) == LIMIT",
        names,
    )
    tests = suites.collect(names, "TestF")
    for fork in (suites_child.FORK, False):
        assert [v.state for v in suites.run(tests, [GOOD, BAD, GOOD], "f", {}, fork=fork)] == [
            "passed",
            "caught",
            "passed",
        ]


def test_a_class_means_the_version_under_test_by_the_notebooks_own_name():
    names = {"__name__": "__main__"}
    exec(GOOD + "class TestF:\n    def test_one(self):\n        assert f(1) == 2", names)
    assert [v.state for v in suites.run(suites.collect(names, "TestF"), [GOOD, BAD], "f", {})] == ["passed", "caught"]


def test_findings_say_what_survived_and_the_score():
    mutants = [("sum", "+ 1", "+ 2"), ("sign", "+ 1", "- 1"), ("twice", "x + 1", "2 * x")]
    found = suites.findings(written("assert f(1) == 2"), GOOD, mutants, {"swapped": [("x + 1", "1 + x")]}, "f", {})
    assert found == ([], [], ["twice"])
    assert found.words == "Mutation score: 2 of 3 mutants killed.\n  survived: twice"


def test_findings_name_the_refactoring_that_a_suite_refuses():
    rewritten = {"swapped": [("x + 1", "1 + x")], "as text": [("x + 1", "str(x + 1)")]}
    found = suites.findings(written("assert f(1) == 2"), GOOD, [("sum", "+ 1", "+ 2")] * 9, rewritten, "f", {})
    assert found.given == [] and found.refactored == ["as text"] and found.survived == ["sum"] * 9
    assert found.words == "Your tests fail on as text:\n  test_f"  # the line itself, where it has a source


def test_a_version_that_need_not_pass_comes_first_and_others_among_those_that_must():
    for _ in range(30):
        order = suites._order(10, 4)
        assert sorted(order) == list(range(10)) and order[0] >= 4 and set(range(4)) <= set(order[:7])
    assert sorted(suites._order(2, 2)) == [0, 1] and suites._order(0, 0) == []


def test_a_killed_kernel_leaves_nothing_running(tmp_path):
    code = "from daytwo import suites\ndef test_f(f):\n    while True: pass\nprint('go', flush=True)\nsuites.run({'test_f': test_f}, ['def f(): pass'], 'f', {}, seconds=500, fork=%s)"
    for fork in (suites_child.FORK, False):
        kernel = subprocess.Popen([sys.executable, "-c", code % fork], stdout=subprocess.PIPE, cwd=tmp_path)
        kernel.stdout.readline()
        psutil = pytest.importorskip("psutil")
        end, started = time.monotonic() + 60, []
        while len(started) < 1 + fork and time.monotonic() < end:
            time.sleep(0.2)
            started = psutil.Process(kernel.pid).children(recursive=True)
        time.sleep(1)
        kernel.kill()
        kernel.wait()
        kernel.stdout.close()
        _, alive = psutil.wait_procs(started, timeout=10)
        assert started and not alive
