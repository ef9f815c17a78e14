"""What a lesson imports to check an answer. The build, the proofs and the grading engine live in the modules below."""

from grading.checks import check, class_seed, raised
from grading.compare import at_least, at_most, between, satisfies

__all__ = ["at_least", "at_most", "between", "check", "class_seed", "raised", "satisfies"]
