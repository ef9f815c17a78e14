"""nbgrader: `solutions/` is its source, `course/` its release, and a class lives in the ignored folder `classroom/`."""

import os
import shutil
import sys
from contextlib import suppress
from pathlib import Path

c = get_config()  # noqa: F821 (nbgrader provides it)

if not shutil.which("alembic"):  # nbgrader calls it by its bare name, also where no environment is activated
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])

root = Path(__file__).resolve().parent
classroom = root / "classroom"
with suppress(OSError):  # where nothing may be written, reading still works
    classroom.mkdir(exist_ok=True)  # sqlite makes the gradebook, but not its folder

c.CourseDirectory.course_id = "daytwo"
c.CourseDirectory.root = str(root)
c.CourseDirectory.source_directory = "solutions"
c.CourseDirectory.release_directory = "course"
c.CourseDirectory.submitted_directory = "classroom/submitted"
c.CourseDirectory.autograded_directory = "classroom/autograded"
c.CourseDirectory.feedback_directory = "classroom/feedback"
c.CourseDirectory.solution_directory = "classroom/solution"
c.CourseDirectory.source_with_tests_directory = "classroom/source_with_tests"
c.CourseDirectory.db_url = f"sqlite:///{classroom / 'gradebook.db'}"
c.CourseDirectory.ignore = ["*.py", "*.pyc", "__pycache__", ".*"]  # lessons are written in .py: never release them
c.ZipCollectApp.downloaded_directory = "classroom/downloaded"
c.ExportPlugin.to = str(classroom / "grades.csv")

c.ClearSolutions.code_stub = {"python": "# Your code here.\nraise NotImplementedError()"}
c.ClearSolutions.text_stub = "*Your answer, in your own words.*"
c.ExecutePreprocessor.timeout = 120  # seconds a cell may take; nbgrader's own 30 are few on a busy machine

# What one submission may use, where it differs from the defaults in grading/box/keep.py; for instance
# c.TrustedAutograde.limits = {"cell": 60, "memory": 4_000}  # CPU seconds of a cell, MB of memory

try:  # the engine of this course behind nbgrader's own command and button; `DAYTWO_ENGINE=off` leaves nbgrader alone
    from grading.engine.command import plug_in
except ImportError:
    pass
else:
    plug_in(c)
