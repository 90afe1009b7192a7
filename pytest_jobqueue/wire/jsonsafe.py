"""Whether a value survives JSON unchanged, and if not, where it breaks and what to pass instead.

A queue that turns a tuple into a list, or a number key into text, changes a job's arguments without a word;
here that is an error at the call. Only the exact built-in types pass: a subclass would arrive as its base.

Integers of any size pass. Ruby reads them whole; a Go handler that reads an `int64` fails beyond 64 bits, and
one that reads a `float64` loses digits beyond 53, so the payload lint speaks of them.
"""

from __future__ import annotations

import math
from dataclasses import is_dataclass
from enum import Enum
from typing import Any

DEEPEST = 100
"""How deep arguments may nest: Ruby's parser refuses more (Sidekiq), Go's would take 10,000."""

_PLAIN = (int, bool, type(None))
_LONGEST_VALUE = 60


def check_arguments(args: tuple[Any, ...]) -> None:
    """Accept arguments that come back from a JSON round trip as they went.

    Raises:
        TypeError: One does not; the message has its path inside the arguments and a remedy.
    """
    for value in args:
        if not _survives(value, 2):
            raise TypeError(_complaint(args))


def _survives(value: Any, depth: int) -> bool:
    kind = type(value)
    if kind in _PLAIN:
        return True
    if kind is str:
        return _is_text(value)
    if kind is float:
        return math.isfinite(value)
    if depth > DEEPEST:
        return False
    if kind is list:
        return all(_survives(item, depth + 1) for item in value)
    if kind is dict:
        return all(
            type(key) is str and _is_text(key) and _survives(item, depth + 1) for key, item in value.items()
        )
    return False


def _is_text(value: str) -> bool:
    if value.isascii():
        return True
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _complaint(args: tuple[Any, ...]) -> str:
    for index, value in enumerate(args):
        found = _first_fault(value, f"args[{index}]", 2)
        if found:
            return found
    raise AssertionError("unreachable: the quick check found a fault that the slow one does not see")


def _first_fault(value: Any, path: str, depth: int) -> str | None:
    if _survives(value, depth):
        return None
    if type(value) in {list, dict} and depth > DEEPEST:
        return f"{path[:_LONGEST_VALUE]}…: nested deeper than {DEEPEST} levels, or inside itself; flatten it"
    if type(value) is list:
        faults = (_first_fault(item, f"{path}[{index}]", depth + 1) for index, item in enumerate(value))
        return next(fault for fault in faults if fault)
    if type(value) is dict:
        return next(
            fault for fault in (_entry_fault(*entry, path, depth) for entry in value.items()) if fault
        )
    return f"{path}: {_shown(value)} {_remedy(value)}"


def _entry_fault(key: Any, value: Any, path: str, depth: int) -> str | None:
    if type(key) is not str:
        return (
            f"{path}: the key {_shown(key)} is not a string, and a JSON key always is; "
            "pass str(key), or a list of pairs"
        )
    if not _is_text(key):
        return f"{path}: the key {_shown(key)} {_remedy(key)}"
    return _first_fault(value, f'{path}["{key}"]', depth + 1)


def _shown(value: Any) -> str:
    try:
        text = repr(value)
    except Exception:  # noqa: BLE001 - a broken repr must not hide what is wrong with the argument
        text = f"<{type(value).__qualname__}>"
    return text if len(text) <= _LONGEST_VALUE else text[: _LONGEST_VALUE - 1] + "…"


def _remedy(value: Any) -> str:
    if isinstance(value, float) and not math.isfinite(value):
        return "is a number that JSON cannot write; pass None, or text"
    if type(value) is str:
        return "has a lone surrogate, which UTF-8 cannot write; encode it with errors='replace' first"
    return f"is not a JSON value; {_instead(value)}"


def _instead(value: Any) -> str:
    if isinstance(value, Enum):
        return "pass its .value"
    if isinstance(value, tuple):
        return "it would come back as a list; pass list(…)"
    if isinstance(value, (set, frozenset)):
        return "pass a sorted list"
    if isinstance(value, (bytes, bytearray, memoryview)):
        return "pass text: .decode(), or base64 for bytes that are no text"
    if hasattr(value, "isoformat"):
        return "pass .isoformat() and parse it in the handler"
    if is_dataclass(value):
        return "pass dataclasses.asdict(…), or an id that the handler looks up"
    for base in (str, float, int, dict, list):
        if isinstance(value, base):
            return f"it would come back as a plain {base.__name__}; pass {base.__name__}(…)"
    if hasattr(value, "hex") or hasattr(value, "__fspath__") or hasattr(value, "as_tuple"):
        return "pass str(…) and rebuild it in the handler"
    return "pass plain values, or an id that the handler looks up"
