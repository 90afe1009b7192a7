"""Blocking commands: what each tries at once, and again when a key that it waits for has changed.

Each is the command that does not wait, in a loop over its keys. A client that waits is served from the key
that changed, whatever the order of the keys in its command; a key of another type is passed over meanwhile.
"""

from __future__ import annotations

import functools
import math
from typing import TYPE_CHECKING, Any

from pytest_jobqueue.servers.commands.registry import ANY, SYNTAX_ERROR, WRONG_TYPE, Table
from pytest_jobqueue.servers.commands.registry import at_least_one as _at_least_one
from pytest_jobqueue.wire.resp import NULL_ARRAY, Error

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pytest_jobqueue.servers.engine import Session

COMMANDS = Table()
_LONGEST = (2**63 - 1) / 1000
_ENDS = {b"left": "lpop", b"right": "rpop"}
_EXTREMES = {b"min": "zpopmin", b"max": "zpopmax"}


@functools.lru_cache(maxsize=64)
def timeout_of(value: bytes) -> float:
    """The seconds that a command may wait; 0 for any time."""
    try:
        seconds = float(value) if value.strip() == value and b"_" not in value else math.nan
    except ValueError:
        seconds = math.nan
    if math.isnan(seconds):
        raise Error("ERR timeout is not a float or out of range")
    if not 0 <= seconds <= _LONGEST:
        raise Error("ERR timeout is negative")
    return seconds


def take_from(
    session: Session, keys: Sequence[bytes], kind: bytes, take: Callable[[bytes], Any]
) -> Callable[[bytes | None], Any]:
    """An attempt to take something from the first key that has a value of that type."""

    def attempt(changed: bytes | None) -> Any:
        for key in keys if changed is None else (changed,):
            found = session.type_name(key)
            if found == kind:
                return take(key)
            if found != b"none" and changed is None:
                raise Error(WRONG_TYPE)
        return None

    return attempt


def _pop(name: str, command: str, kind: bytes) -> None:
    @COMMANDS.add(name, 2, ANY, no_script=True)
    def pop(session: Session, args: Sequence[bytes]) -> Any:
        timeout = timeout_of(args[-1])

        def take(key: bytes) -> Any:
            found = session.fake(command, (key,))
            return [key, *found] if isinstance(found, list) else [key, found]

        keys = args[:-1]
        return session.wait_for(keys, timeout, take_from(session, keys, kind, take))


_pop("blpop", "lpop", b"list")
_pop("brpop", "rpop", b"list")
_pop("bzpopmin", "zpopmin", b"zset")
_pop("bzpopmax", "zpopmax", b"zset")


def _move(session: Session, command: str, args: Sequence[bytes], timeout: float) -> Any:
    source = args[0]

    def take(_key: bytes) -> Any:
        return session.fake(command, args)

    attempt = take_from(session, (source,), b"list", take)
    return session.wait_for((source,), timeout, attempt, nothing=None)


@COMMANDS.add("blmove", 5, no_script=True)
def blmove(session: Session, args: Sequence[bytes]) -> Any:
    """BLMOVE source destination LEFT|RIGHT LEFT|RIGHT timeout."""
    if not {end.lower() for end in args[2:4]} <= _ENDS.keys():
        raise Error(SYNTAX_ERROR)
    return _move(session, "lmove", args[:4], timeout_of(args[4]))


@COMMANDS.add("brpoplpush", 3, no_script=True)
def brpoplpush(session: Session, args: Sequence[bytes]) -> Any:
    """BRPOPLPUSH source destination timeout."""
    return _move(session, "rpoplpush", args[:2], timeout_of(args[2]))


def _several(args: Sequence[bytes], words: Sequence[bytes]) -> tuple[Sequence[bytes], bytes, int]:
    """The keys, the word and the count of LMPOP, ZMPOP and their blocking forms."""
    count = _at_least_one(args[0], "numkeys")
    if count + 1 >= len(args):
        raise Error(SYNTAX_ERROR)
    word, options = args[count + 1].lower(), args[count + 2 :]
    if word not in words:
        raise Error(SYNTAX_ERROR)
    most = 1
    if options:
        if len(options) < 2 or options[0].lower() != b"count":
            raise Error(SYNTAX_ERROR)
        most = _at_least_one(options[1], "count")
        if len(options) > 2:
            raise Error(SYNTAX_ERROR)
    return args[1 : count + 1], word, most


def _list_pops(
    session: Session, args: Sequence[bytes]
) -> tuple[Sequence[bytes], Callable[[bytes | None], Any]]:
    keys, word, most = _several(args, tuple(_ENDS))

    def take(key: bytes) -> Any:
        return [key, session.fake(_ENDS[word], (key, b"%d" % most))]

    return keys, take_from(session, keys, b"list", take)


def _set_pops(
    session: Session, args: Sequence[bytes]
) -> tuple[Sequence[bytes], Callable[[bytes | None], Any]]:
    keys, word, most = _several(args, tuple(_EXTREMES))

    def take(key: bytes) -> Any:
        found = session.fake(_EXTREMES[word], (key, b"%d" % most))
        if found and not isinstance(found[0], list):
            found = [list(pair) for pair in zip(found[::2], found[1::2], strict=True)]
        return [key, found]

    return keys, take_from(session, keys, b"zset", take)


@COMMANDS.add("lmpop", 3, ANY)
def lmpop(session: Session, args: Sequence[bytes]) -> Any:
    """LMPOP numkeys key … LEFT|RIGHT [COUNT count]."""
    found = _list_pops(session, args)[1](None)
    return NULL_ARRAY if found is None else found


@COMMANDS.add("zmpop", 3, ANY)
def zmpop(session: Session, args: Sequence[bytes]) -> Any:
    """ZMPOP numkeys key … MIN|MAX [COUNT count]."""
    found = _set_pops(session, args)[1](None)
    return NULL_ARRAY if found is None else found


@COMMANDS.add("blmpop", 4, ANY, no_script=True)
def blmpop(session: Session, args: Sequence[bytes]) -> Any:
    """BLMPOP timeout numkeys key … LEFT|RIGHT [COUNT count]."""
    timeout = timeout_of(args[0])
    keys, attempt = _list_pops(session, args[1:])
    return session.wait_for(keys, timeout, attempt)


@COMMANDS.add("bzmpop", 4, ANY, no_script=True)
def bzmpop(session: Session, args: Sequence[bytes]) -> Any:
    """BZMPOP timeout numkeys key … MIN|MAX [COUNT count]."""
    timeout = timeout_of(args[0])
    keys, attempt = _set_pops(session, args[1:])
    return session.wait_for(keys, timeout, attempt)
