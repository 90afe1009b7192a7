"""The functions that the contract's jobs run; an application registers them under names of its own.

They note what they were called with in `CALLS`, which each test finds empty. They work in any library: plain
arguments, no imports, no state besides.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

CALLS: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = []
HOOKS: dict[str, Callable[[], Any]] = {}
"""What `hooked` calls, by the name that is its argument; a test puts it there."""


def _note(name: str, *args: Any, **kwargs: Any) -> None:
    CALLS.append((name, args, kwargs))


def add(left: int, right: int) -> int:
    """Add two numbers."""
    _note("add", left, right)
    return left + right


def keywords(**kwargs: Any) -> list[str]:
    """Take keyword arguments; returns their names, sorted."""
    _note("keywords", **kwargs)
    return sorted(kwargs)


def boom(message: str) -> None:
    """Raise a ValueError with the message."""
    _note("boom", message)
    raise ValueError(message)


def flaky(times: int) -> str:
    """Raise as many times as it is told, then return."""
    _note("flaky", times)
    if sum(name == "flaky" for name, _, _ in CALLS) <= times:
        raise ValueError("not yet")
    return "at last"


def hooked(name: str) -> Any:
    """Call what the test put into `HOOKS`."""
    _note("hooked", name)
    return HOOKS[name]()
