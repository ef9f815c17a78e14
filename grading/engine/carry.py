"""The files that nbgrader carries along with a notebook: from what was handed in, and from the lesson's own folder."""

import fnmatch
import mimetypes
import re
from pathlib import Path

from grading.engine import files

ROOM = 100_000_000  # bytes of all that is carried for one student
ACTIVE = re.compile("html|xml|svg")  # types that a browser runs: formgrader serves these files under its own address


def carried(coursedir, section, handed, kept=()):
    """{name: path} of what goes to `autograded/` beside the notebooks; the lesson's files stand over a student's.

    `kept` names files of the lesson that students may change (nbgrader's `exclude_overwriting`).
    """
    folder = Path(coursedir.format_path(coursedir.source_directory, ".", section))
    own = {name: path for name, path in files.listed(folder)[0].items() if name not in kept}
    found, room = {}, ROOM
    for name, path in {**handed, **own}.items():
        if name.lower().endswith(".ipynb") or ignored(name, coursedir.ignore) or name in (files.STAMP, files.SECRET):
            continue
        if path == handed.get(name):
            room -= path.stat().st_size
            if room < 0 or ACTIVE.search(mimetypes.guess_type(name)[0] or ""):
                continue
        found[name] = path
    if files.secret(handed.get(files.SECRET, "")):
        found[files.SECRET] = handed[files.SECRET]
    return found


def ignored(name, patterns):
    """Whether nbgrader leaves out a file, or a folder that it is in."""
    return any(fnmatch.fnmatch(part, pattern) for part in Path(name).parts for pattern in patterns)
