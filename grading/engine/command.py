"""nbgrader's `autograde`, on our engine: the same command, the same button, the same gradebook and feedback.

`nbgrader_config.py` calls `plug_in`. Without that call nbgrader grades the released notebooks by itself.
"""

import os
import sys
import time

from nbgrader.converters import Autograde
from nbgrader.converters.base import NbGraderException
from traitlets import Dict

from grading.engine.trusted import Refused


class TrustedAutograde(Autograde):
    """nbgrader's converter, replaced from the first step: unreadable files and whole classes pass through here."""

    limits = Dict(help="What a submission may use, where it differs from grading.box.overseer.LIMITS.").tag(config=True)

    def start(self):
        from grading.engine.section import Engine

        try:
            engine = Engine(
                self.coursedir, self.coursedir.assignment_id, limits=self.limits, log=self.say, progress=bar
            )
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


def plug_in():
    """Put our converter where nbgrader's command and formgrader look for theirs."""
    import nbgrader.apps.api
    import nbgrader.apps.autogradeapp

    if os.environ.get("DAYTWO_ENGINE") != "off":
        nbgrader.apps.api.Autograde = nbgrader.apps.autogradeapp.Autograde = TrustedAutograde
