"""What a lesson imports to check an answer. The build, the proofs and the grading engine live in the modules beside."""

import sys
from importlib import import_module

# jsonschema would build a grammar of web addresses at import, a second of every start, for a format no notebook has.
sys.modules.setdefault("rfc3987_syntax", None)

WHERE = {
    "check": "facts",
    "class_seed": "facts",
    "raised": "facts",
    "yours": "facts",
    "at_least": "compare",
    "at_most": "compare",
}
WHERE |= {"between": "compare", "satisfies": "compare"}
__all__ = ["at_least", "at_most", "between", "check", "class_seed", "raised", "satisfies", "yours"]


def __getattr__(name):
    """Import pandas for whoever checks an answer, not for whoever starts a kernel."""
    if name == "progress":
        return import_module("grading.checks.progress")
    if name not in WHERE:
        raise AttributeError(f"module 'grading' has no attribute {name!r}")
    module = import_module(f"grading.checks.{WHERE[name]}")
    if name == "check":
        module.install()  # a kernel forked from a warm process has imported the module before it had a shell
    return getattr(module, name)
