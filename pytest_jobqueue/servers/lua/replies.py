"""Values between Lua and the wire: a command's reply as a script gets it, and a script's as a client does."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pytest_jobqueue.wire.resp import Error, NullArray, Simple, Verbatim, format_double

_Table = Callable[[Any], Any]


def to_lua(reply: Any, resp: int, table: _Table) -> Any:
    """A command's reply as a script gets it.

    Args:
        reply: A value of `wire.resp`.
        resp: 2: doubles are strings, maps and sets arrays, null is false. 3: all have shapes of their own.
        table: Makes a Lua table of a list or dict.

    Raises:
        TypeError: It is no value of `wire.resp`.
    """
    convert = _TO_LUA.get(type(reply))
    if convert is None:
        raise TypeError(f"a reply of type {type(reply).__name__} has no shape in Lua")
    return convert(reply, resp, table)


def _itself(reply: Any, _resp: int, _table: _Table) -> Any:
    return reply


def _null(_reply: Any, resp: int, _table: _Table) -> Any:
    return False if resp == 2 else None


def _bool(reply: bool, resp: int, _table: _Table) -> Any:
    return int(reply) if resp == 2 else reply


def _double(reply: float, resp: int, table: _Table) -> Any:
    return format_double(reply) if resp == 2 else table({b"double": reply})


def _list(reply: list[Any], resp: int, table: _Table) -> Any:
    return table([item if type(item) is bytes else to_lua(item, resp, table) for item in reply])


def _map(reply: Mapping[Any, Any], resp: int, table: _Table) -> Any:
    if resp == 2:
        return _list([word for pair in reply.items() for word in pair], resp, table)
    pairs = {to_lua(key, resp, table): to_lua(value, resp, table) for key, value in reply.items()}
    return table({b"map": table(pairs)})


def _set(reply: Any, resp: int, table: _Table) -> Any:
    if resp == 2:
        return _list(list(reply), resp, table)
    return table({b"set": table({to_lua(item, resp, table): True for item in reply})})


def _verbatim(reply: Verbatim, resp: int, table: _Table) -> Any:
    text = bytes(reply)
    return text if resp == 2 else table({b"verbatim_string": table({b"string": text, b"format": b"txt"})})


_TO_LUA: dict[type, Callable[[Any, int, _Table], Any]] = {
    bytes: _itself,
    int: _itself,
    str: lambda reply, _resp, _table: reply.encode("utf-8", "surrogateescape"),
    bool: _bool,
    float: _double,
    type(None): _null,
    NullArray: _null,
    Simple: lambda reply, _resp, table: table({b"ok": bytes(reply)}),
    Error: lambda reply, _resp, table: table({b"err": reply.text.encode("utf-8", "surrogateescape")}),
    Verbatim: _verbatim,
    list: _list,
    tuple: lambda reply, resp, table: _list(list(reply), resp, table),
    dict: _map,
    set: _set,
    frozenset: _set,
}

# The codes that `runner.lua` puts before what is not a string, a whole number or nil.
_ARRAY, _STATUS, _ERROR, _DOUBLE, _MAP, _SET, _TRUE, _FALSE, _VERBATIM = range(9)


def _line(text: bytes) -> bytes:
    return text.replace(b"\r", b" ").replace(b"\n", b" ")


def reply_of(following: Callable[[], Any]) -> Any:
    """A script's reply, from the row of values in which it came (see `runner.lua`).

    Args:
        following: Gives the next value of the row.
    """
    value = following()
    if value is not True:
        return value
    return _COMPOSED[following()](following)


def _items(following: Callable[[], Any], count: int) -> list[Any]:
    items = []
    for _ in range(count):
        value = following()
        items.append(value if value is not True else _COMPOSED[following()](following))
    return items


def _pairs(following: Callable[[], Any]) -> dict[Any, Any]:
    words = _items(following, 2 * following())
    return {_key(key): value for key, value in zip(words[::2], words[1::2], strict=True)}


def _key(value: Any) -> Any:
    return tuple(map(_key, value)) if type(value) is list else value


_COMPOSED: dict[int, Callable[[Callable[[], Any]], Any]] = {
    _ARRAY: lambda following: _items(following, following()),
    _STATUS: lambda following: Simple(_line(following())),
    _ERROR: lambda following: Error(_line(following()).decode("utf-8", "surrogateescape")),
    _DOUBLE: lambda following: float(following()),
    _MAP: _pairs,
    _SET: lambda following: frozenset(map(_key, _items(following, following()))),
    _TRUE: lambda _following: True,
    _FALSE: lambda _following: False,
    _VERBATIM: lambda following: Verbatim(following()),
}
