"""Whether a real Redis is still there: a connection that is held, and made anew when it ends."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from pytest_jobqueue.servers.upstream import CONNECT_TIMEOUT, target_of

if TYPE_CHECKING:
    from pytest_jobqueue.servers.upstream import Target

_PAUSE = 0.1  # seconds before a connection is made anew: a Redis may end each as soon as it is there


async def until_gone(url: str) -> None:
    """Wait until no Redis takes connections at the URL any more."""
    target = target_of(url)
    while True:
        try:
            reader, writer = await asyncio.wait_for(_connect(target), CONNECT_TIMEOUT)
        except (OSError, asyncio.TimeoutError):
            return
        try:
            with contextlib.suppress(OSError):
                while await reader.read(1024):
                    pass
            await asyncio.sleep(_PAUSE)
        finally:
            writer.close()


async def _connect(target: Target) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    if target.path:
        return await asyncio.open_unix_connection(target.path)
    return await asyncio.open_connection(target.host, target.port, ssl=target.tls)
