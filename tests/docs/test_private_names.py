"""The page of private names lists what the adapters use, and nothing else."""

from __future__ import annotations

import ast
import importlib.util
import re
import sys
from pathlib import Path

import pytest

from pytest_jobqueue.registry import ADAPTERS

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "pytest_jobqueue" / "adapters"
LIBRARIES = sorted(adapter.name for adapter in ADAPTERS if adapter.name != "sidekiq")
# A value's own machinery, which is Python's; names and options that libraries document with an underscore.
DOCUMENTED = re.compile(
    r"__(future|module|qualname|name|mro|dict|self|init|enter|exit|call|setattr|traceback|cause|context|main)__"
    r"|__suppress_context__|_fields|_job_id|_queue_name|_defer_until|_defer_by|_expires|_job_try|_replace"
)


@pytest.fixture(scope="module")
def page():
    spec = importlib.util.spec_from_file_location("private_names", ROOT / "docs" / "private_names.py")
    module = sys.modules["private_names"] = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
        yield module.listed()
    finally:
        del sys.modules["private_names"]


def own_names(folder):
    """What the adapter itself calls so."""
    for node in nodes_of(folder):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            yield node.name
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store) and is_self(node.value):
            yield node.attr
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, ast.arg):
            yield node.arg


def nodes_of(folder):
    for path in folder.glob("*.py"):
        yield from ast.walk(ast.parse(path.read_text(encoding="utf-8")))


def is_self(value):
    return isinstance(value, ast.Name) and value.id in ("self", "cls")


def foreign_names(folder):
    """Names with an underscore that the adapter reads from others, and those that it names as a string."""
    for node in nodes_of(folder):
        if isinstance(node, ast.Attribute) and not is_self(node.value):
            yield node.attr
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value
        elif isinstance(node, ast.ImportFrom) and not str(node.module).startswith("pytest_jobqueue"):
            yield from str(node.module).split(".")
            yield from (alias.name for alias in node.names)


@pytest.mark.parametrize("library", LIBRARIES)
def test_each_private_name_is_listed(page, library):
    names = [name for one in page if one.library == library for name in one.name.split(".")]
    used = {name for name in foreign_names(FOLDER / library) if re.fullmatch(r"_\w+", name)}
    used = {name for name in used if not DOCUMENTED.fullmatch(name)} - set(own_names(FOLDER / library))
    assert sorted(used - set(names)) == []


def test_each_name_that_is_listed_is_used_where_it_says(page):
    gone = [one for one in page if one.found_in((ROOT / one.path).read_text(encoding="utf-8")) is None]
    assert gone == []
    assert {one.library for one in page} == set(LIBRARIES)
