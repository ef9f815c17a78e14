"""What a lesson imports to check an answer. The build, the proofs and the grading engine live in the modules beside."""

import sys
from importlib import import_module

# jsonschema would build a grammar of web addresses at import, a second of every start, for a format no notebook has.
sys.modules.setdefault("rfc3987_syntax", None)

WHERE = dict.fromkeys(["check", "class_seed", "raised"], "facts") | {"yours": "cells"}
WHERE |= dict.fromkeys(["at_least", "at_most", "between", "satisfies"], "compare")
__all__ = ["at_least", "at_most", "between", "check", "class_seed", "progress", "raised", "satisfies", "yours"]


def __getattr__(name):
    """Import pandas for whoever checks an answer, not for whoever starts a kernel."""
    if name == "progress":
        return import_module("grading.checks.progress")
    if name not in WHERE:
        raise AttributeError(f"module 'grading' has no attribute {name!r}")
    import_module("grading.checks.cells").install()  # where a kernel was forked, the module was there before the shell
    return getattr(import_module(f"grading.checks.{WHERE[name]}"), name)
