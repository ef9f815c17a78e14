"""Kernels that start at once."""
