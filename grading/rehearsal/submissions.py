"""What people hand in: attempts to gain marks, crashes, accidents and odd files, each with the marks it deserves.

`ROWS` maps a name to a function that does its harm to a `Paper`; each chapter puts its own rows there.
"""

from grading.rehearsal import accidents, crashes, gains, reaching, tampering  # noqa: F401
from grading.rehearsal.forgeries import WIRES
from grading.rehearsal.paper import PORT, ROWS, Paper

__all__ = ["PORT", "ROWS", "WIRES", "Paper"]
