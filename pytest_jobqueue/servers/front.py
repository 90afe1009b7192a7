"""The front: loopback listeners through which every client reaches Redis, whatever stands behind.

It accepts connections, counts and names them, and closes them. What a connection does with its bytes is
its backend's affair (`memory`, `upstream`), and so is all knowledge of Redis. A front has two ports on one
backend: the one that services use, where hooks see every command, and a direct one that goes round the
hooks, so that a test can look at the truth while it breaks the wire.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from pytest_jobqueue import kept
from pytest_jobqueue.errors import UsageError
from pytest_jobqueue.servers.loop import LoopThread

LOOPBACK = "127.0.0.1"
BACKLOG = 1024  # connections that wait to be accepted

Hook = Callable[["Connection", list[bytes]], None]


@dataclass(frozen=True, slots=True)
class Client:
    """A client as a report names it.

    Attributes:
        address: `host:port` at its end.
        name: What it called itself with CLIENT SETNAME, or "".
        blocked_on: The command that it waits in, or "".
    """

    address: str
    name: str = ""
    blocked_on: str = ""

    def __str__(self) -> str:
        text = f"{self.name or 'a client'} at {self.address}"
        return f"{text}, blocked in {self.blocked_on}" if self.blocked_on else text


class Connection(Protocol):
    """One accepted connection, as the front sees it.

    Attributes:
        peer: `host:port` at the client's end.
    """

    peer: str

    def describe(self) -> Client:
        """Who it is."""

    def abort(self) -> None:
        """Close it at once."""


class Backend(Protocol):
    """What stands behind a front. `close`, `connection` and `reset` are called in the front's loop."""

    @property
    def untouched(self) -> bool:
        """Whether nobody has asked it anything since the last reset; read from any thread."""

    def describe(self) -> str:
        """One line for a header or a report."""

    async def close(self) -> None:
        """Give back what it holds; called once no connection is left."""

    def connection(self, front: Front, *, direct: bool) -> asyncio.Protocol:
        """A protocol for the next connection; it calls `front.joined` and `front.left`."""

    def reset(self) -> None:
        """Make it empty."""


class Front:
    """Two loopback listeners on one backend.

    Attributes:
        latency: Seconds that what services send takes longer, on connections that are made from now on.

    Args:
        backend: What stands behind.
        port: The port for services, or 0 for any free one.

    Raises:
        UsageError: The port is taken.
    """

    def __init__(self, backend: Backend, port: int = 0) -> None:
        self.backend = backend
        self.hooks: tuple[Hook, ...] = ()
        self.latency = 0.0
        self._connections: dict[Connection, bool] = {}
        self._thread = LoopThread()
        self._listeners: list[asyncio.AbstractServer] = []
        try:
            self.port = self._listen(port, direct=False)
            self.direct_port = self._listen(0, direct=True)
        except BaseException:
            self.close()
            raise

    def _listen(self, port: int, *, direct: bool) -> int:
        listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        try:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.bind((LOOPBACK, port))
            listening.listen(BACKLOG)  # now: two who are bound are told apart only when one listens
        except OSError as error:
            listening.close()
            raise UsageError(
                f"cannot listen on {LOOPBACK}:{port}: {error.strerror}; "
                "choose another port, or 0 for any free one"
            ) from error
        self._thread.run(self._serve(listening, direct=direct))
        return int(listening.getsockname()[1])

    async def _serve(self, listening: socket.socket, *, direct: bool) -> None:
        def factory() -> asyncio.Protocol:
            connection = self.backend.connection(self, direct=direct)
            if direct or not self.latency:
                return connection
            from pytest_jobqueue.servers.latency import Delayed

            return Delayed(connection, self.latency)

        loop = self._thread.loop
        self._listeners.append(await loop.create_server(factory, sock=listening, backlog=BACKLOG))

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The loop that serves the connections."""
        return self._thread.loop

    def add_hook(self, hook: Hook) -> Callable[[], None]:
        """Call `hook(connection, argv)` in the loop before each command; what it returns takes it out."""

        def remove() -> None:
            self.hooks = tuple(other for other in self.hooks if other is not hook)

        self.hooks = (*self.hooks, hook)
        return remove

    def call(self, function: Callable[[], Any]) -> Any:
        """Call a function in the loop's thread."""
        return self._thread.call(function)

    def joined(self, connection: Connection, *, direct: bool) -> None:
        """A connection was accepted."""
        self._connections[connection] = direct

    def left(self, connection: Connection) -> None:
        """A connection is gone."""
        self._connections.pop(connection, None)

    def clients(self) -> Sequence[Client]:
        """Who is connected at the service's port, but for connections that are kept from test to test."""
        return self._thread.call(self._services)

    def _services(self) -> list[Client]:
        return [connection.describe() for connection in self._strangers()]

    def _strangers(self) -> list[Connection]:
        return [
            connection
            for connection, direct in self._connections.items()
            if not direct and not kept.is_kept(connection.peer)
        ]

    def reset(self) -> Sequence[Client]:
        """Close the services' connections and empty the backend; returns who was still connected.

        Connections that are kept from test to test stay.
        """
        if self.backend.untouched and all(kept.is_kept(one.peer) for one in list(self._connections)):
            return ()
        return self._thread.call(self._reset)

    def _reset(self) -> list[Client]:
        left_over = []
        for connection in self._strangers():
            left_over.append(connection.describe())
            connection.abort()
        self.backend.reset()
        return left_over

    def close(self) -> None:
        """Stop listening, close every connection, end the thread; harmless a second time."""
        with contextlib.suppress(RuntimeError):  # the loop is closed: this was done before
            self._thread.run(self._shut())
        self._thread.close()

    async def _shut(self) -> None:
        for listener in self._listeners:
            listener.close()
        for connection in list(self._connections):
            connection.abort()
        # Transports tell their protocols that they are gone in the loop's next turn.
        for _ in range(100):
            if not self._connections:
                break
            await asyncio.sleep(0)
        self._listeners.clear()
        await self.backend.close()
