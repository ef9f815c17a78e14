"""What tests of several lessons share."""

import ast

import pytest


@pytest.fixture(scope="module")
def built(request):
    """The own answers, by name, of the lesson that a test module calls LESSON."""
    lesson, space = request.module.LESSON, {}
    for cell in lesson.cells:
        if cell.kind == "code":
            imports = [node for node in ast.parse(cell.source).body if isinstance(node, ast.Import | ast.ImportFrom)]
            exec(compile(ast.Module(imports, []), str(lesson.path), "exec"), space)
    for exercise in lesson.exercises.values():
        exec(exercise.answer.source, space)
    return space
