"""Imaginary classes, submissions named by outcome, and the benchmark."""
