"""Whether a real Redis is still there: a connection that is held, and made anew when it ends."""

from __future__ import annotations

import asyncio

from pytest_jobqueue.servers.upstream import connect, target_of

_PAUSE = 0.1  # seconds before a connection is made anew: a Redis may end each as soon as it is there


class _Held(asyncio.Protocol):
    def __init__(self) -> None:
        self.lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._transport: asyncio.BaseTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        if not self.lost.done():
            self.lost.set_result(None)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()


async def until_gone(url: str) -> None:
    """Wait until no Redis takes connections at the URL any more."""
    target = target_of(url)
    while True:
        try:
            held = await connect(target, _Held)
        except (OSError, asyncio.TimeoutError):
            return
        try:
            await held.lost
            await asyncio.sleep(_PAUSE)
        finally:
            held.close()
