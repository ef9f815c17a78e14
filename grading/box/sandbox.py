"""A process of its own little world: what a submission may see, reach and use. Linux namespaces, nothing to install.

`enter` is called in a fresh process (see `keep.py`), which becomes the first process of new pid, mount, network, ipc
and host-name namespaces: a read-only system, a private temporary file system, a loopback nobody else is on. As root it
goes on as a user that owns nothing; as anybody else in a user namespace without a capability left. System calls that
no lesson needs, and that reach beyond all this, are refused by a filter.
"""

import contextlib
import ctypes
import fcntl
import functools
import os
import platform
import re
import resource
import socket
import struct
import sys
from importlib.util import find_spec
from pathlib import Path

from grading.box import syscalls
from grading.box.syscalls import ADOPT, DEATH, DROP_BOUND, DUMPABLE, MACHINES, NO_NEW_PRIVS, call, refuse, syscall

NEWNS, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET = 0x20000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000
RDONLY, NOSUID, NODEV, NOEXEC, REMOUNT, BIND, REC, PRIVATE = 1, 2, 4, 8, 32, 4096, 16384, 1 << 18
DETACH = 2
SYSTEM = ("usr", "bin", "sbin", "lib", "lib32", "lib64", "libx32")
ETC = ("ld.so.cache", "localtime", "fonts", "alternatives", "mime.types", "nsswitch.conf")
DEVICES = ("null", "zero", "full", "random", "urandom")
HIDDEN = ("usr/local/share", "usr/local/etc", "usr/local/src", "usr/src")  # nbgrader's exchange, hub settings, sources
HOME = "/home/student"
ROOM = "/sys"  # where the new root is mounted: a folder that is on every Linux and that no lesson needs
NOBODY = 60_000  # the first of 5,000 user ids that own nothing
RESERVE = 32  # processes


@functools.cache
def possible():
    """Why there can be no sandbox on this machine, or "" when there can: one is entered to see."""
    if not sys.platform.startswith("linux"):
        return f"{sys.platform} has no namespaces"
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            attempt(writing)
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading, errors="replace") as pipe:
        said = pipe.read()
    os.waitpid(pid, 0)
    return "" if said == "entered" else said or "a sandbox ended before it was entered"


def attempt(pipe):
    """Enter a sandbox in a fork, and write to a pipe how that went."""
    try:
        separate()
    except OSError:
        return os.write(pipe, b"this kernel gives no namespaces to this user")
    pid = os.fork()
    if pid == 0:
        try:
            enter({}, {"disk": 1}, 0)
            os.write(pipe, b"entered")
        except BaseException as error:
            os.write(pipe, f"a sandbox cannot be furnished: {error}".encode())
        finally:
            os._exit(0)
    return os.waitpid(pid, 0)


def separate():
    """New namespaces for this process; its next child is the first process of them."""
    uid, gid = os.getuid(), os.getgid()
    if uid == 0:
        return call("unshare", NEWNS | NEWPID | NEWNET | NEWIPC | NEWUTS)
    call("unshare", NEWUSER | NEWNS | NEWPID | NEWNET | NEWIPC | NEWUTS)
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"{uid} {uid} 1")
    Path("/proc/self/gid_map").write_text(f"{gid} {gid} 1")


def shown():
    """The folders of the Python environment that a lesson runs on, none inside another."""
    packages = [str(Path(find_spec(name).origin).parent) for name in ("daytwo", "daytwo_data", "grading")]
    paths = {os.path.realpath(p) for p in (sys.prefix, sys.base_prefix, *packages)} | {sys.prefix, *packages}
    paths = {p for p in paths if not p.startswith("/usr") and p != "/"}
    return sorted(p for p in paths if not any(p != q and p.startswith(q + "/") for q in paths))


def bind(source, target, writable=False):
    """Show `source` at `target`."""
    if os.path.isdir(source):
        os.makedirs(target, exist_ok=True)
    else:
        os.makedirs(os.path.dirname(target), exist_ok=True)
        Path(target).touch()
    try:
        call("mount", source.encode(), target.encode(), None, BIND, None)
    except OSError:  # mounts below it that may not be left out
        call("mount", source.encode(), target.encode(), None, BIND | REC, None)
    if not writable:
        seal(target)


def seal(target):
    """Make a mount read-only, and whatever is mounted below it; OSError when that cannot be."""
    attributes = struct.pack("4Q", RDONLY | NOSUID, 0, 0, 0)
    if syscalls.libc.syscall(442, -100, target.encode(), 0x8000, attributes, ctypes.c_long(32)) == 0:  # mount_setattr
        return
    for mount in mounts(target):
        kept = os.statvfs(mount).f_flag & ~1 & 0x1F | _times(mount)
        call("mount", None, mount.encode(), None, BIND | REMOUNT | RDONLY | NOSUID | kept, None)


def mounts(folder):
    """Where something is mounted, at a folder or below it."""
    found = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    found = [re.sub(r"\\(\d{3})", lambda code: chr(int(code[1], 8)), path) for path in found]
    return [path for path in found if path == folder or path.startswith(folder + "/")]


def hide(root):
    """Cover what no lesson needs of the system, and others may keep secrets in, unless Python itself lies there."""
    needed = {os.path.realpath(p) + "/" for p in (sys.prefix, sys.base_prefix, __file__, os.__file__)}
    for name in HIDDEN:
        path = f"{root}/{name}"
        if os.path.isdir(path) and not any(p.startswith(f"/{name}/") for p in needed):
            call("mount", b"tmpfs", path.encode(), b"tmpfs", NOSUID | NODEV | RDONLY, b"size=4k,mode=755")


def _times(target):
    """The access-time flags of a mount, which a remount in a user namespace has to repeat."""
    flag = os.statvfs(target).f_flag
    return (1024 if flag & 1024 else 0) | (2048 if flag & 2048 else 0) | (1 << 21 if flag & 4096 else 0)


def furnish(megabytes, user, root=ROOM):
    """A root of our own; nothing of the machine but what a lesson needs."""
    call("mount", None, b"/", None, REC | PRIVATE, None)
    call("mount", b"tmpfs", root.encode(), b"tmpfs", NOSUID | NODEV, f"size={megabytes}m,mode=755".encode())
    for name in SYSTEM:
        if os.path.islink(f"/{name}"):
            os.symlink(os.readlink(f"/{name}"), f"{root}/{name}")
        elif os.path.isdir(f"/{name}"):
            bind(f"/{name}", f"{root}/{name}")
    for path in [f"/etc/{name}" for name in ETC if os.path.exists(f"/etc/{name}")] + shown():
        bind(path, root + path)
    hide(root)
    os.makedirs(f"{root}/etc", exist_ok=True)
    Path(f"{root}/etc/hosts").write_text("127.0.0.1 localhost\n::1 localhost\n")
    Path(f"{root}/etc/passwd").write_text(f"student:x:{user}:{user}::{HOME}:/bin/sh\n")
    os.makedirs(f"{root}/dev/shm", mode=0o1777)
    os.chmod(f"{root}/dev/shm", 0o1777)
    for name in DEVICES:
        bind(f"/dev/{name}", f"{root}/dev/{name}", writable=True)
    os.symlink("/proc/self/fd", f"{root}/dev/fd")
    for path in ("/proc", "/tmp", HOME, "/old"):
        os.makedirs(root + path, exist_ok=True)
    os.chmod(f"{root}/tmp", 0o1777)
    call("mount", b"proc", f"{root}/proc".encode(), b"proc", NOSUID | NODEV | NOEXEC, None)
    os.chdir(root)
    call("syscall", syscall("pivot_root"), b".", b"old")
    os.chdir("/")
    call("umount2", b"/old", DETACH)
    os.rmdir("/old")


def loopback():
    """Switch on the namespace's own 127.0.0.1."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        request = struct.pack("16sh14s", b"lo", 1, b"")  # IFF_UP
        fcntl.ioctl(s, 0x8914, request)


def limit(limits):
    """What one process may use, whoever it is; memory on top of what the template already maps.

    A few more processes are held back than a cell may start, so that a snapshot can be forked beside a crowd.
    """
    bounds = [
        (resource.RLIMIT_CPU, limits["notebook"]),
        (resource.RLIMIT_FSIZE, limits["file"] * 2**20),
        (resource.RLIMIT_NOFILE, 1024),
        (resource.RLIMIT_CORE, 0),
    ]
    if sys.platform.startswith("linux"):
        mapped = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        bounds += [
            (resource.RLIMIT_AS, mapped + limits["memory"] * 2**20),
            (resource.RLIMIT_NPROC, limits["processes"]),
        ]
    for what, value in bounds:
        hard = value + RESERVE if what == resource.RLIMIT_NPROC else value
        most = resource.getrlimit(what)[1]
        hard = hard if most == resource.RLIM_INFINITY else min(hard, most)
        resource.setrlimit(what, (min(value, hard), hard))


def drop(user):
    """Give up every privilege for good; nobody of the same user may look into this process or steer it."""
    if os.getuid() == 0:
        os.setgroups([])
        os.setresgid(user, user, user)
        os.setresuid(user, user, user)
    else:
        with contextlib.suppress(OSError):  # no further user namespaces inside this one
            Path("/proc/sys/user/max_user_namespaces").write_text("0")
        for capability in range(64):
            syscalls.libc.prctl(DROP_BOUND, capability, 0, 0, 0)
        header, data = struct.pack("Ii", 0x20080522, 0), struct.pack("6I", *[0] * 6)
        call("capset", header, data)
    call("prctl", NO_NEW_PRIVS, 1, 0, 0, 0)
    call("prctl", DUMPABLE, 0, 0, 0, 0)
    refuse()


def forget_keys():
    """A session keyring of our own, in place of the one that a login gave to all that it started."""
    if platform.machine() in MACHINES:
        syscalls.libc.syscall(syscall("keyctl"), 1, None)  # join a new one; a kernel without keys has none to hide


def follow(parent):
    """End with the process that forked this one, however it ends; asked again whenever privileges were dropped."""
    if sys.platform.startswith("linux"):
        call("prctl", DEATH, 9, 0, 0, 0)
        if parent and os.getppid() != parent:  # it ended before this call
            os._exit(1)


def adopt():
    """Whoever loses its parent below this process becomes its child, so that it can be found and ended."""
    if sys.platform.startswith("linux"):
        call("prctl", ADOPT, 1, 0, 0, 0)


def enter(files, limits, number):
    """Become the sandbox: called once, in the first process of the namespaces that `separate` made."""
    user = NOBODY + number % 5000 if os.getuid() == 0 else os.getuid()
    furnish(limits["disk"], user)
    loopback()
    socket.sethostname("course")
    place(files, HOME)
    if os.getuid() == 0:
        for folder, _, names in os.walk(HOME):
            for path in (folder, *(os.path.join(folder, n) for n in names)):
                os.chown(path, user, user, follow_symlinks=False)
    forget_keys()
    drop(user)


def place(files, folder):
    """Write a submission's own files below `folder`, and work there."""
    for name, text in files.items():
        target = Path(folder, name)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(text)
    os.chdir(folder)
