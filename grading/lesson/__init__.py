"""What an author runs: the format of a lesson, its rules, its proofs, its build."""
