"""Messages between `jobqueue dev` and its children: JSON lines over a socket pair.

The child has one end as a descriptor that it inherits. Either side sees the other's end as the end of the
stream, and a child that sees it ends.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

# In the desk's environment: what a request that changes something must bring.
TOKEN = "PYTEST_JOBQUEUE_TOKEN"  # noqa: S105 (a name)
LONGEST = 16 * 1024 * 1024  # bytes of one message


class Link:
    """One side of it, in an event loop."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def over(cls, end: socket.socket) -> Link:
        """Use this end."""
        return cls(*await asyncio.open_connection(sock=end, limit=LONGEST))

    @classmethod
    async def inherited(cls, descriptor: int) -> Link:
        """Use the end that this process was started with."""
        return await cls.over(socket.socket(fileno=descriptor))

    def say(self, kind: str, **fields: Any) -> None:
        """Send a message; it is lost when the other side is gone."""
        if not self._writer.is_closing():
            self._writer.write(json.dumps({"kind": kind, **fields}).encode() + b"\n")

    async def messages(self) -> AsyncIterator[dict[str, Any]]:
        """What the other side says, until it is gone."""
        try:
            while line := await self._reader.readline():
                yield json.loads(line)
        except ConnectionError:
            pass

    async def close(self) -> None:
        """Send what is still to be sent, and hang up."""
        self._writer.close()
        with contextlib.suppress(ConnectionError):
            await self._writer.wait_closed()
