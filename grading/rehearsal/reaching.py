# ruff: noqa: E501, a table of cases reads best one to a line
"""Attempts to reach out of the box: files, processes, the network, calls to the kernel, memory."""

import textwrap

from grading.rehearsal.paper import PORT, attack, beside, row

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
