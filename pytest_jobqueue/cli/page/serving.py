"""uvicorn without what it does to its process: no signal handlers, no log, no ticking.

Importing this imports Starlette and uvicorn.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import uvicorn

from pytest_jobqueue.cli.page.app import Page
from pytest_jobqueue.cli.page.views import Place

if TYPE_CHECKING:
    import asyncio
    import socket
    from collections.abc import Iterator

    from pytest_jobqueue.cli.desk import Desk

_PATIENCE = 1  # seconds for what is being answered at the end


async def serve(
    desk: Desk,
    listening: socket.socket,
    closing: asyncio.Event,
    *,
    redis: str,
    app: str,
    workers: int,
    token: str,
) -> None:
    """Serve the page on a socket until it is closing."""
    acts = getattr(desk.binding, "twin", desk.binding)  # of an asynchronous library
    can = frozenset(name for name in ("requeue", "discard") if hasattr(acts, name))
    place = Place(redis, app, workers, desk.binding.caps, can, token)
    page = Page(desk, place, listening.getsockname()[1], closing)
    config = uvicorn.Config(
        page.app,
        http="h11",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=False,
        timeout_graceful_shutdown=_PATIENCE,
    )
    await _Server(config, closing).serve(sockets=[listening])


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, closing: asyncio.Event) -> None:
        super().__init__(config)
        self._closing = closing

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """None: they are the desk's."""
        yield

    async def main_loop(self) -> None:
        """Nothing is done now and then: there is no date in an answer, and no limit of requests."""
        await self._closing.wait()
