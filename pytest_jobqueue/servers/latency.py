"""A slower network: what a client sends arrives later, in its order."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class Delayed(asyncio.Protocol):
    """A connection's protocol, behind a wire on which every byte from the client takes its time.

    Args:
        protocol: What is delayed.
        seconds: By how much.
    """

    def __init__(self, protocol: asyncio.Protocol, seconds: float) -> None:
        self._protocol = protocol
        self._seconds = seconds
        self._loop = asyncio.get_running_loop()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """At once: it is the data that takes its time."""
        self._transport = transport
        self._protocol.connection_made(transport)

    def data_received(self, data: bytes) -> None:
        """Later."""
        self._later(lambda: self._protocol.data_received(data))

    def eof_received(self) -> bool:
        """After what came before it; the transport stays open until then."""
        self._later(self._end)
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        """Likewise."""
        self._later(lambda: self._protocol.connection_lost(exc))

    def pause_writing(self) -> None:
        """At once."""
        self._protocol.pause_writing()

    def resume_writing(self) -> None:
        """At once."""
        self._protocol.resume_writing()

    def _end(self) -> None:
        if not self._protocol.eof_received():
            self._transport.close()

    def _later(self, function: Callable[[], object]) -> None:
        self._loop.call_later(self._seconds, function)
