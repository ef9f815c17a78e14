"""Penalties for what was handed in late: nbgrader's own step, its settings, and a plug-in of the teacher's own."""

from nbgrader.preprocessors import AssignLatePenalties


class Late:
    """What `converter`, nbgrader's or ours, would take off."""

    def __init__(self, converter):
        steps = [s for s in converter.autograde_preprocessors if issubclass(s, AssignLatePenalties)]
        self.step = steps[0](parent=converter) if steps else None
        if self.step and self.step.enabled:
            self.step.init_plugin()
        else:
            self.step = None

    def settings(self):
        """What a penalty depends on beside the submission and its due date; a result is not the same with another."""
        if not self.step:
            return None
        plugin = self.step.plugin_inst
        return [
            f"{type(plugin).__module__}.{type(plugin).__qualname__}",
            repr(sorted(plugin.trait_values(config=True).items())),
        ]

    def penalise(self, student, notebook, seconds):
        """Set what a submission's notebook, marked before, loses for so many seconds."""
        notebook.late_submission_penalty = None
        if self.step and seconds > 0:
            penalty = self.step.plugin_inst.late_submission_penalty(student, notebook.score, seconds)
            if penalty is not None:
                notebook.late_submission_penalty = self.step._check_late_penalty(notebook, penalty)
