"""What a command of ours is: a function from session and arguments to a reply, and its name and arity.

Commands raise `wire.resp.Error` for an error reply. They see a session through its public face only, so that
nothing here depends on fakeredis.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from pytest_jobqueue.wire.resp import Error

if TYPE_CHECKING:
    from pytest_jobqueue.servers.engine import Session

Run = Callable[["Session", Sequence[bytes]], Any]

SYNTAX_ERROR = "ERR syntax error"
NOT_AN_INTEGER = "ERR value is not an integer or out of range"
WRONG_TYPE = "WRONGTYPE Operation against a key holding the wrong kind of value"


class Owner(Protocol):
    """The connection that a session belongs to."""

    peer: str
    local: str
    descriptor: int

    def deliver(self, data: bytes) -> None:
        """Send bytes that no request of this moment asked for."""

    def waits(self, timeout: float | None) -> None:
        """A blocking command waits; hand over no more, and call `time_out` after `timeout` seconds."""

    def resumes(self) -> None:
        """The waiting is over."""

    def hang_up(self) -> None:
        """Close the connection once what was sent is out."""


@dataclass(frozen=True, slots=True)
class Command:
    """One command.

    Attributes:
        run: What it does.
        least: The fewest arguments it takes, its own name not counted.
        most: The most.
        no_script: A script may not call it.
        immediate: It runs at once inside a transaction instead of being queued.
    """

    run: Run
    least: int = 0
    most: int = 1_000_000
    no_script: bool = False
    immediate: bool = False


class Table(dict[str, Command]):
    """Commands by lower-case name; a sub-command's name is two words."""

    def add(
        self,
        name: str,
        least: int = 0,
        most: int | None = None,
        *,
        no_script: bool = False,
        immediate: bool = False,
    ) -> Callable[[Run], Run]:
        """Register the decorated function as `name`; without `most` it takes exactly `least` arguments."""

        def decorate(run: Run) -> Run:
            self[name] = Command(run, least, least if most is None else most, no_script, immediate)
            return run

        return decorate


ANY = 1_000_000  # as many arguments as a client sends


_INTEGER = re.compile(rb"0|-?[1-9][0-9]*")


def integer(value: bytes, error: str = NOT_AN_INTEGER) -> int:
    """A decimal integer of 64 bits, written as Redis writes them, or an error reply."""
    if _INTEGER.fullmatch(value) is None or not -(2**63) <= (number := int(value)) < 2**63:
        raise Error(error)
    return number


def at_least_one(value: bytes, name: str) -> int:
    """A count, or an error reply that names it."""
    error = f"ERR {name} should be greater than 0"
    number = integer(value, error)
    if number < 1:
        raise Error(error)
    return number


def text(value: bytes) -> str:
    """Bytes as text for a message, whatever they are."""
    return value.decode("utf-8", "replace")
