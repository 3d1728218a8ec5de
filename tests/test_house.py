"""The house rules that no linter knows: sizes, plain names, nothing that ties to one place."""

from __future__ import annotations

import ast
import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCES = sorted((ROOT / "src").rglob("*.py"))
FUNCTION_LINES = 40
FILE_LINES = 400
VAGUE = {"utils", "util", "helpers", "helper", "common", "base", "manager", "misc"}


def name(path):
    return str(path.relative_to(ROOT))


def lines_of(function):
    """Lines of a function without its docstring."""
    body = function.body
    has_docstring = isinstance(body[0], ast.Expr) and isinstance(
        getattr(body[0], "value", None), ast.Constant
    )
    docstring = body[0].end_lineno - body[0].lineno + 1 if has_docstring else 0
    return function.end_lineno - function.lineno + 1 - docstring


@pytest.mark.parametrize("path", SOURCES, ids=name)
def test_files_and_functions_are_short(path):
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= FILE_LINES
    functions = [
        node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    assert {f.name: lines_of(f) for f in functions if lines_of(f) > FUNCTION_LINES} == {}


def test_things_are_found_by_plain_names():
    assert [name(path) for path in SOURCES if path.stem in VAGUE] == []


def test_first_party_imports_are_at_the_head_of_the_file():
    inside = []
    for path in SOURCES:
        for function in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(function, ast.FunctionDef):
                inside += [
                    name(path)
                    for node in ast.walk(function)
                    if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("gridcommons")
                ]
    assert inside == []


def test_everything_is_pinned_exactly_and_without_address():
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pins = [line for line in lines if line and not line.startswith("#")]
    assert [line for line in pins if not re.fullmatch(r"[a-z0-9-]+==[0-9][0-9a-z.]*", line)] == []
    pinned = {line.partition("==")[0] for line in pins}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = [need for needs in project["optional-dependencies"].values() for need in needs]
    wanted = {re.split(r"[<>=~]", need)[0] for need in [*project["dependencies"], *extras]}
    assert wanted | {"hatchling"} <= pinned


def test_the_version_is_said_once_more_and_the_same():
    import gridcommons

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["version"] == gridcommons.__version__
