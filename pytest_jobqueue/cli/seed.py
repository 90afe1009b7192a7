"""Jobs to begin with: a file of JSON lines, read whole before the first of them is enqueued."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pytest_jobqueue.errors import UsageError
from pytest_jobqueue.job import Call

if TYPE_CHECKING:
    from pathlib import Path

_FIELDS = ("name", "args", "kwargs", "queue", "in", "at", "options")


LONGEST_DELAY = 100 * 366 * 86400.0
"""Seconds; what is due later than in a hundred years is a mistake, of a unit for example."""


def read_seed(path: Path) -> list[tuple[int, Call]]:
    """Read jobs: `{"name": "Hello", "args": ["Bob"]}`, with `kwargs`, `queue`, `in` or `at`, `options`.

    Empty lines and lines that begin with `#` are left out. `in` is seconds from now, `at` is seconds since
    the epoch.

    Returns:
        Each with the number of its line.

    Raises:
        UsageError: A line is wrong, with its number and the reason; or the file cannot be read.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"--seed: {path} cannot be read: {error}") from error
    calls = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        try:
            calls.append((number, _call(json.loads(line))))
        except (ValueError, TypeError) as error:
            raise UsageError(f"--seed: {path}, line {number}: {error}; nothing was enqueued") from error
    return calls


def _call(said: Any) -> Call:
    if not isinstance(said, Mapping):
        raise TypeError(f"a job is an object with a name, not {type(said).__name__}")
    for field in said:
        if field not in _FIELDS:
            raise ValueError(f"a job has no {field!r}; it has {', '.join(_FIELDS)}")
    name, queue = said.get("name"), said.get("queue")
    args, kwargs = said.get("args", []), said.get("kwargs", {})
    if not isinstance(name, str) or not name:
        raise ValueError("a job needs a name, as text")
    if not isinstance(args, list):
        raise TypeError("args is a list")
    if not isinstance(kwargs, dict) or not isinstance(said.get("options", {}), dict):
        raise TypeError("kwargs and options are objects")
    if queue is not None and not isinstance(queue, str):
        raise TypeError("queue is text")
    return Call(name, tuple(args), kwargs, queue, _at(said), said.get("options", {}))


def _at(said: Mapping[str, Any]) -> float | None:
    if "in" in said and "at" in said:
        raise ValueError("a job is due `in` some seconds or `at` a time, not both")
    for field in ("in", "at"):
        value = said.get(field)
        if value is not None:
            if isinstance(value, bool) or not isinstance(value, (int, float)):
                raise TypeError(f"{field} is a number of seconds")
            at = float(value) + (time.time() if field == "in" else 0.0)
            if not 0 <= at <= time.time() + LONGEST_DELAY:
                raise ValueError(f"{field} is {value:g} seconds, which is no time within a hundred years")
            return at
    return None
