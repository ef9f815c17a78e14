"""The processes of one submission: template, overseer, sandbox, student."""
