"""nbgrader's `autograde`, on our engine: the same command, the same button, the same gradebook and feedback.

`nbgrader_config.py` calls `plug_in`. Without that call nbgrader grades the released notebooks by itself.
"""

import glob
import os
import sys
import time
from pathlib import Path

from nbgrader.converters import Autograde
from nbgrader.converters.base import NbGraderException
from nbgrader.exchange.default import ExchangeReleaseFeedback
from traitlets import Dict

from grading.engine import files
from grading.engine.trusted import Refused


class TrustedAutograde(Autograde):
    """nbgrader's converter, replaced from the first step: unreadable files and whole classes pass through here."""

    limits = Dict(help="What a submission may use, where it differs from grading.box.keep.LIMITS.").tag(config=True)

    def start(self):
        try:
            engine = self.engine(self.coursedir.assignment_id, log=self.say)
            if not engine.courses:
                raise Refused(f"there is no section {self.coursedir.assignment_id!r} in solutions/")
            counts = engine.grade(self.coursedir.student_id, force=self.force)
        except (Refused, SystemExit) as error:
            self.log.error("Nobody was graded: %s", error)
            raise NbGraderException(str(error)) from None
        if not counts["graded"] and not counts["unchanged"]:
            message = (
                f"No submissions of {self.coursedir.assignment_id!r} were found for {self.coursedir.student_id!r}."
            )
            self.log.error(message)
            raise NbGraderException(message)

    def engine(self, section, **how):
        """The engine over a section, with what nbgrader was told about grading."""
        from grading.engine.late import Late
        from grading.engine.section import Engine

        kept = self.exclude_overwriting.get(section, ())
        return Engine(self.coursedir, section, limits=self.limits, progress=bar, late=Late(self), kept=kept, **how)

    def say(self, sentence):
        (self.log.warning if "WARNING" in sentence or "needs a look" in sentence else self.log.info)("%s", sentence)


def bar(done, total, started, stream=sys.stderr):
    """A line that says how far it is, at what rate, and how long it will take."""
    if not stream.isatty() or not total:
        return
    passed = time.monotonic() - started
    rate = done / passed if passed > 0 else 0
    left = f"{(total - done) / rate:.0f} s left" if rate else "…"
    filled = "█" * (30 * done // total)
    stream.write(f"\r{filled:<30} {done} of {total}, {rate:.1f} a second, {left}   " + ("\n" if done == total else ""))
    stream.flush()


class ReleaseFeedback(ExchangeReleaseFeedback):
    """nbgrader's way back: who did not hand in through its exchange has no secret there, and costs nobody else his."""

    def copy_files(self):
        pages = Path(self.coursedir.format_path(self.coursedir.feedback_directory, "x", "x")).parents[1]
        for folder in sorted(pages.glob(f"*/{glob.escape(self.coursedir.assignment_id)}")):
            if not all((folder / name).exists() for name in (files.STAMP, files.SECRET)):
                student = folder.parent.name
                self.log.warning(
                    "%s did not hand in through nbgrader's exchange: send that feedback yourself.", student
                )
                self.coursedir.student_id_exclude += f",{student}"
        super().copy_files()


def plug_in(config):
    """Put our converter where nbgrader's command and formgrader look for theirs, and our way to read a time."""
    import nbgrader.apps.api
    import nbgrader.apps.autogradeapp
    from nbgrader.coursedir import CourseDirectory

    if os.environ.get("DAYTWO_ENGINE") != "off":
        api = nbgrader.apps.api
        api.Autograde = nbgrader.apps.autogradeapp.Autograde = TrustedAutograde
        if "release_feedback" not in config.ExchangeFactory:
            config.ExchangeFactory.release_feedback = ReleaseFeedback
        CourseDirectory.get_existing_timestamp = lambda self, folder: files.stamp(folder)[0]
        api.NbGraderAPI.get_submitted_timestamp = submitted_at


def submitted_at(api, assignment_id, student_id):
    folder = api.coursedir.format_path(api.coursedir.submitted_directory, student_id, assignment_id)
    return files.stamp(folder)[0]
