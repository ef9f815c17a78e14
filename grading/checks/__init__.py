"""What a learner's kernel loads: facts, the words a learner reads, hints, comparison, values, progress."""
