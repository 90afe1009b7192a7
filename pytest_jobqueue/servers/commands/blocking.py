"""Blocking commands: which keys each one waits for, and the ones that fakeredis does not let wait."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from pytest_jobqueue.servers.commands.registry import SYNTAX_ERROR, Table
from pytest_jobqueue.wire.resp import Error

if TYPE_CHECKING:
    from pytest_jobqueue.servers.engine import Session

COMMANDS = Table()


def _all_but_last(argv: Sequence[bytes]) -> tuple[bytes, ...]:
    return tuple(argv[1:-1])


def _first(argv: Sequence[bytes]) -> tuple[bytes, ...]:
    return (argv[1],)


def _counted(argv: Sequence[bytes]) -> tuple[bytes, ...]:
    return tuple(argv[3 : 3 + int(argv[2])])


def _streams(argv: Sequence[bytes]) -> tuple[bytes, ...]:
    lower = [word.lower() for word in argv]
    rest = argv[lower.index(b"streams") + 1 :]
    return tuple(rest[: len(rest) // 2])


_KEYS: dict[bytes, Callable[[Sequence[bytes]], tuple[bytes, ...]]] = {
    b"blpop": _all_but_last,
    b"brpop": _all_but_last,
    b"bzpopmin": _all_but_last,
    b"bzpopmax": _all_but_last,
    b"brpoplpush": _first,
    b"blmove": _first,
    b"blmpop": _counted,
    b"bzmpop": _counted,
    b"xread": _streams,
    b"xreadgroup": _streams,
}


def keys_waited_for(argv: Sequence[bytes]) -> tuple[bytes, ...]:
    """The keys whose change may let a blocking command go on; none for one that only passes time."""
    find = _KEYS.get(argv[0].lower())
    return find(argv) if find is not None else ()


def _timeout(value: bytes) -> float:
    try:
        seconds = float(value)
    except ValueError:
        raise Error("ERR timeout is not a float or out of range") from None
    if seconds < 0:
        raise Error("ERR timeout is negative")
    return seconds


@COMMANDS.add("blmove", 5)
def blmove(session: Session, args: Sequence[bytes]) -> Any:
    """BLMOVE source destination LEFT|RIGHT LEFT|RIGHT timeout."""
    source, destination, *ends = args[:4]
    if not {end.lower() for end in ends} <= {b"left", b"right"}:
        raise Error(SYNTAX_ERROR)
    timeout = _timeout(args[4])

    def attempt(first: bool) -> Any:
        if not first and session.type_name(source) != b"list":
            return None
        reply = session.call([b"LMOVE", source, destination, *ends])
        if isinstance(reply, Error):
            raise reply
        return reply

    return session.wait_for(timeout, attempt)
