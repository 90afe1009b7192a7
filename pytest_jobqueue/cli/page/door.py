"""Where the page is: a socket on 127.0.0.1, served in the desk's own event loop.

The socket is there first, so that the address can be told at once; who comes before uvicorn is imported
waits for a moment.
"""

from __future__ import annotations

import asyncio
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING

from pytest_jobqueue.cli import ports

if TYPE_CHECKING:
    import socket

    from pytest_jobqueue.cli.desk import Desk

_PATIENCE = 2.0  # seconds until the end is not waited for


class Door:
    """The page's address.

    Args:
        wanted: The port, if it is free.

    Attributes:
        url: The address; "" for none.
        excuse: Why it is another one than was to be expected, or there is none; or "".
    """

    def __init__(self, wanted: int) -> None:
        self.url = self.excuse = ""
        self._closing = asyncio.Event()
        self._socket: socket.socket | None = None
        self._serving: asyncio.Task[None] | None = None
        if not all(map(find_spec, ("starlette", "uvicorn"))):
            self.excuse = 'no page: pip install "pytest-jobqueue[dev]"'
            return
        self._socket = _listen(wanted)
        port = self._socket.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}/"
        if port != wanted:
            self.excuse = f"port {wanted} is taken, so the page is at {self.url}"

    def open(self, desk: Desk, *, redis: str, app: str, workers: int, token: str) -> None:
        """Begin to serve, if there is a page; an error is said as a line.

        Args:
            desk: What is shown.
            redis: The URL of the Redis.
            app: The application's path; "" for none.
            workers: How many worker processes there are.
            token: What a request that changes something must bring.
        """

        async def serve(listening: socket.socket) -> None:
            try:
                serving = await asyncio.to_thread(import_module, "pytest_jobqueue.cli.page.serving")
                await serving.serve(
                    desk, listening, self._closing, redis=redis, app=app, workers=workers, token=token
                )
            except Exception as error:  # noqa: BLE001 (the jobs go on without a page)
                desk.say(f"the page cannot be served: {type(error).__name__}: {error}")

        if self._socket is not None:
            self._serving = asyncio.create_task(serve(self._socket))

    async def close(self) -> None:
        """Answer no more."""
        self._closing.set()
        if self._serving is not None:
            await asyncio.wait([self._serving], timeout=_PATIENCE)
            self._serving.cancel()
        if self._socket is not None:
            self._socket.close()


def _listen(wanted: int) -> socket.socket:
    """The port, or the next free one, or any."""
    found = ports.first_free(wanted) or ports.on(0)
    if found is None:
        raise OSError("no port of 127.0.0.1 is free")
    return found
