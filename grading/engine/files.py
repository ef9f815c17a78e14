"""What lies in a student's folder: only plain files are opened, nobody is waited for, and all of it is bounded.

A folder may hold whatever its owner's system can make: a pipe that nobody writes to, a link to a device without an end.
"""

import contextlib
import hashlib
import os
import shutil
import stat
import tempfile
from datetime import datetime
from pathlib import Path

from dateutil.parser import parse
from nbgrader.utils import parse_utc

NAMES = 20_000  # files of one hand-in that are looked at,
HASHED = 300_000_000  # bytes of them that are read to know it again; beyond, sizes and times say it
NOTEBOOK = 25_000_000  # bytes of one notebook that are read,
NOTEBOOKS, PAGES = 100, 150_000_000  # how many of them, and bytes of them all
STAMP, SECRET = "timestamp.txt", "submission_secret.txt"  # what nbgrader's exchange puts beside a hand-in
KINDS = ((stat.S_ISLNK, "a link"), (stat.S_ISDIR, "a folder"), (stat.S_ISFIFO, "a pipe"), (stat.S_ISSOCK, "a socket"))


def kind(path):
    """What stands there, when it is no plain file: "a link", "a pipe", …; "" for a plain file, None for nothing."""
    try:
        mode = os.lstat(path).st_mode
    except OSError:
        return None
    return "" if stat.S_ISREG(mode) else next((name for test, name in KINDS if test(mode)), "a device")


def plain(path, most):
    """Up to so many bytes of a plain file; none of anything else, and none of what cannot be read."""
    with contextlib.suppress(OSError):
        if kind(path) == "":  # a look first: opening alone may already do something
            fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
            with open(fd, "rb") as file:
                return file.read(most) if stat.S_ISREG(os.fstat(fd).st_mode) else b""
    return b""


def listed(folder):
    """({name: path} of the plain files below a folder, sentences on what else there is); no link is followed."""
    found, said = {}, []
    for at, folders, names in os.walk(folder):
        folders.sort()
        links = [name for name in folders if os.path.islink(os.path.join(at, name))]
        for name in sorted(names) + links:
            path = Path(at, name)
            own = str(path.relative_to(folder))
            what = kind(path)
            if what == "":
                found[own] = path
            elif what and own != STAMP:
                said.append(f"“{own}” is {what}: only plain files are read.")
            if len(found) >= NAMES or len(said) >= 100:
                return found, [*said, f"There are more files than are looked at: only the first {len(found):,} were."]
    return found, said


def fingerprint(files):
    """A hash of {name: path}."""
    own, room = hashlib.sha256(), HASHED
    for name, path in sorted(files.items()):
        try:
            there = os.lstat(path)
        except OSError:
            continue
        told = plain(path, NOTEBOOK) if there.st_size <= room else repr((there.st_size, there.st_mtime_ns)).encode()
        room -= min(room, len(told))
        own.update(os.fsencode(name) + b"\0" + hashlib.sha256(told).digest())
    return own.hexdigest()[:32]


def notebooks(files, expected):
    """({name: bytes} of what may be a notebook, sentences): those of the expected names first, so many that it is
    never too much."""
    looks = [n for n in files if ".ipynb" in n.lower() and ".ipynb_checkpoints" not in n]
    looks.sort(key=lambda name: (name not in expected, name.count(os.sep), name))
    found, room = {}, PAGES
    for name in looks[:NOTEBOOKS]:
        data = plain(files[name], min(NOTEBOOK, room + 1))
        if len(data) > room:
            break
        found[name], room = data, room - len(data)
    said = (
        [f"There are {len(looks):,} notebooks: only {len(found)} of them were read."] if found.keys() < {*looks} else []
    )
    return found, said


def stamp(folder):
    """(when something was handed in, or None; a sentence, or None, on a timestamp.txt that tells no time)."""
    path = Path(folder, STAMP)
    if (what := kind(path)) is None:
        return None, None
    data = plain(path, 1_000)
    code = "utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    words = " ".join(data.decode(code, "replace").replace("\0", "").split())
    with contextlib.suppress(Exception):  # whatever a parser makes of what a student wrote
        if dated(words):
            return parse_utc(words), None
    why = f"is {what}" if what else f"says “{words[:60]}”" if words else "is empty"
    return None, f"timestamp.txt {why}, which is no time: graded as if there were none, so never as late"


def dated(words):
    """Whether words say a day, a month and a year: a parser would take what lacks from today."""
    parts = words.split(" ")
    words = " ".join(parts[:2]) if len(parts) == 3 else words  # as nbgrader: the third is the zone
    return len({parse(words, default=datetime(2000 + n, n, n)) for n in (1, 2)}) == 1


def secret(path):
    """The secret of nbgrader's exchange, when it is one: releasing feedback reads it as a text."""
    data = plain(path, 1_000)
    return data if data.strip() and data.isascii() and len(data) < 1_000 else None


def copy(source, target):
    """Copy a plain file, so that the copy is there whole or not at all."""
    if kind(source) != "":
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=".writing-")
    fd = os.open(source, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    with open(fd, "rb") as old, os.fdopen(handle, "wb") as new:
        shutil.copyfileobj(old, new)
    os.chmod(name, 0o644)
    os.replace(name, target)
