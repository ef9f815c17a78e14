"""A class through nbgrader: submissions rebuilt, graded, written into the gradebook, and their feedback."""
