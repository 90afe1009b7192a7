"""A small service for each job library: importable modules, since another process imports them too."""

from __future__ import annotations

import importlib
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from types import ModuleType

FOLDER = Path(__file__).parents[1] / "process" / "services"
_NEEDS = {
    "handlers": "redis",
    "rq": "rq",
    "celery": "celery",
    "dramatiq": "dramatiq",
    "huey": "huey",
    "arq": "arq",
    "saq": "saq",
    "taskiq": "taskiq_redis",
    "taskiq_stream": "taskiq_redis",
    "bullmq": "bullmq",
    "streaq": "streaq",
}
HERE = [name for name, module in _NEEDS.items() if find_spec(module)]


def load(name: str) -> ModuleType:
    """A library's service; skips where the library's own worker cannot run.

    The folder must be on the import path.
    """
    if name == "streaq" and version("streaq").startswith("7.0."):
        pytest.skip("the worker of streaQ 7.0 does not understand what coredis 6.9 answers")
    return importlib.import_module(f"on_{name}")


def arguments(name: str, a: int, b: int) -> tuple[tuple[int, ...], dict[str, Any]]:
    """Arguments for a service's `add`, in the way that the library has them."""
    return ((), {"a": a, "b": b}) if name == "saq" else ((a, b), {})
