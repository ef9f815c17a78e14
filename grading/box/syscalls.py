"""Calls to the kernel: those that make a sandbox, and the filter of those that a student's process may not make."""

import contextlib
import ctypes
import os
import platform
import socket
import struct
import sys

NO_NEW_PRIVS, DROP_BOUND, DUMPABLE, ADOPT, SECCOMP, DEATH = 38, 24, 4, 36, 22, 1
MACHINES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}  # and what the kernel calls a system call of theirs
REFUSED = {  # system calls that fail for a student: their numbers on x86_64 and on aarch64
    # A user's and a session's keys outlive a sandbox, and are in no namespace.
    "add_key": (248, 217), "request_key": (249, 218), "keyctl": (250, 219),
    # Other processes: whatever a tracer holds cannot be taken leave of.
    "ptrace": (101, 117), "process_vm_readv": (310, 270), "process_vm_writev": (311, 271), "kcmp": (312, 272),
    "pidfd_getfd": (438, 438), "process_madvise": (440, 440), "migrate_pages": (256, 238), "move_pages": (279, 239),
    "ioprio_set": (251, 30),
    # Memory that is in no file system and that no process is seen to hold.
    "memfd_create": (319, 279), "memfd_secret": (447, 447), "shmget": (29, 194), "shmat": (30, 196),
    "msgget": (68, 186), "semget": (64, 190), "mq_open": (240, 180),
    # Namespaces and file systems of one's own.
    "unshare": (272, 97), "setns": (308, 268), "mount": (165, 40), "umount2": (166, 39), "pivot_root": (155, 41),
    "chroot": (161, 51), "open_tree": (428, 428), "move_mount": (429, 429), "fsopen": (430, 430),
    "fsconfig": (431, 431), "fsmount": (432, 432), "fspick": (433, 433), "mount_setattr": (442, 442),
    "open_by_handle_at": (304, 265),
    # Parts of the kernel that are broken into most often.
    "bpf": (321, 280), "perf_event_open": (298, 241), "userfaultfd": (323, 282), "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426), "io_uring_register": (427, 427),
}  # fmt: skip
GUARDED = {  # those that fail with some arguments: see `rules`
    "clone": (56, 220), "clone3": (435, 435), "socket": (41, 198), "socketpair": (53, 199), "prlimit64": (302, 261),
    "sched_setscheduler": (144, 119), "sched_setparam": (142, 118), "sched_setattr": (314, 274),
    "sched_setaffinity": (203, 122), "setpriority": (141, 140), "prctl": (157, 167),
}  # fmt: skip
SPACES = 0x7E020000  # every flag of `clone` that asks for a namespace
FAMILIES = (socket.AF_INET, getattr(socket, "AF_UNIX", 1), getattr(socket, "AF_INET6", 10), 16)  # 16: netlink
LOAD, EQUAL, ANY, RETURN = 0x20, 0x15, 0x45, 0x06
ALLOW, REFUSE, UNKNOWN = 0x7FFF0000, 0x50001, 0x50026  # go on; EPERM; ENOSYS, for which C libraries have another way
libc = ctypes.CDLL(None, use_errno=True)


def call(name, *args):
    """A libc call; OSError with its reason when it fails."""
    if getattr(libc, name)(*args) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")


def syscall(name, machine=None):
    """The number of a system call; on a machine that is not known that of x86_64."""
    which = list(MACHINES).index(machine or platform.machine()) if (machine or platform.machine()) in MACHINES else 0
    return (REFUSED | GUARDED)[name][which]


def rules(machine):
    """{number of a system call: program over its arguments} of all that are not simply allowed.

    A program is a list of (operation, value, steps ahead if it holds, steps ahead if not).
    """
    found = {syscall(name, machine): [(RETURN, REFUSE, 0, 0)] for name in REFUSED}
    families = [(EQUAL, int(family), len(FAMILIES) - at, 0) for at, family in enumerate(FAMILIES)]
    oneself = [(EQUAL, 0, 1, 0), (RETURN, REFUSE, 0, 0), (RETURN, ALLOW, 0, 0)]  # the first process has the same user
    programs = {
        "clone": [argument(0), (ANY, SPACES, 0, 1), (RETURN, REFUSE, 0, 0), (RETURN, ALLOW, 0, 0)],
        "clone3": [(RETURN, UNKNOWN, 0, 0)],  # its flags are in memory, which a filter cannot read
        "socket": [argument(0), *families, (RETURN, REFUSE, 0, 0), (RETURN, ALLOW, 0, 0)],
        "prlimit64": [argument(0), *oneself],
        "setpriority": [argument(0), (EQUAL, 0, 1, 0), (RETURN, REFUSE, 0, 0), argument(1), *oneself],
        # Numerical libraries pin threads of theirs by number.
        "sched_setaffinity": [argument(0), (EQUAL, 1, 0, 1), (RETURN, REFUSE, 0, 0), (RETURN, ALLOW, 0, 0)],
        # Only what has been through an exec can be looked into: `processes.executed` tells them by that.
        "prctl": [argument(0), (EQUAL, DUMPABLE, 0, 1), (RETURN, REFUSE, 0, 0), (RETURN, ALLOW, 0, 0)],
    }
    programs["socketpair"] = programs["socket"]
    for name in ("sched_setscheduler", "sched_setparam", "sched_setattr"):
        programs[name] = programs["prlimit64"]
    return found | {syscall(name, machine): program for name, program in programs.items()}


def argument(at):
    """Load the lower half of an argument: all that the kernel reads of a number of these calls."""
    return (LOAD, 16 + 8 * at, 0, 0)


def program(machine):
    """The filter as a list of instructions: what is of another architecture does not exist."""
    lines = [(LOAD, 4, 0, 0), (EQUAL, MACHINES[machine], 1, 0), (RETURN, UNKNOWN, 0, 0), (LOAD, 0, 0, 0)]
    if machine == "x86_64":
        lines += [(ANY, 0x40000000, 0, 1), (RETURN, UNKNOWN, 0, 0)]  # the same calls by other numbers
    for number, own in sorted(rules(machine).items()):
        lines += [(EQUAL, number, 0, len(own)), *own]
    return [*lines, (RETURN, ALLOW, 0, 0)]


def refuse():
    """Refuse what no lesson needs, to this process and all that it starts; nothing where the kernel knows no filter."""
    if platform.machine() not in MACHINES or sys.byteorder != "little" or sys.maxsize < 2**32:
        return
    lines = program(platform.machine())
    code = b"".join(struct.pack("HBBI", what, yes, no, value) for what, value, yes, no in lines)
    held = ctypes.create_string_buffer(code, len(code))
    whole = struct.pack("HxxxxxxQ", len(lines), ctypes.addressof(held))
    with contextlib.suppress(OSError):
        call("prctl", SECCOMP, 2, whole, 0, 0)
