"""Crashes and hogs: what ends or blocks the process it happens in."""

from grading.rehearsal.paper import attack, called


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
