"""The upstream backend: a byte pump between a client and a real Redis.

Bytes pass through unread. Only while a hook is installed are requests parsed, and even then what is sent on
are the client's own bytes. Each direction stops reading while the other end does not take what was read.
"""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar, cast
from urllib.parse import parse_qs, unquote, urlsplit

from pytest_jobqueue.servers.front import Client, Front
from pytest_jobqueue.wire.resp import RequestParser

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_jobqueue.servers.provider import Provider

CONNECT_TIMEOUT = 5.0  # seconds until a Redis that does not answer counts as gone
GOODBYE_TIMEOUT = 1.0  # seconds for what was sent last, and for TLS to say goodbye, when the front is closed
READ_SIZE = 16 * 1024  # bytes; asyncio allocates as much for each read, by default 16 times this


@dataclass(frozen=True, slots=True)
class Target:
    """Where a Redis listens.

    Attributes:
        host: Its host, or "" for a Unix socket.
        port: Its port.
        path: The Unix socket's path, or "".
        tls: How to talk TLS to it, or None.
    """

    host: str
    port: int
    path: str = ""
    tls: ssl.SSLContext | None = None


P = TypeVar("P", bound=asyncio.Protocol)


async def connect(target: Target, made: Callable[[], P]) -> P:
    """Connect in the running loop; returns the protocol that was made for it.

    Raises:
        OSError: Nobody listens there.
        asyncio.TimeoutError: Nobody answered in time.
    """
    loop = asyncio.get_running_loop()
    if target.path:
        opening = loop.create_unix_connection(made, target.path)
    else:
        opening = loop.create_connection(made, target.host, target.port, ssl=target.tls)
    _, protocol = await asyncio.wait_for(opening, CONNECT_TIMEOUT)
    return protocol


def target_of(url: str) -> Target:
    """Read the address in a `redis://`, `rediss://` or `unix://` URL, and TLS options by redis-py's names."""
    parts = urlsplit(url)
    if parts.scheme == "unix":
        return Target("", 0, path=unquote(parts.path))
    context = _tls_context(url) if parts.scheme == "rediss" else None
    return Target(parts.hostname or "localhost", parts.port or 6379, tls=context)


def _tls_context(url: str) -> ssl.SSLContext:
    options = {name: values[-1] for name, values in parse_qs(urlsplit(url).query).items()}
    context = ssl.create_default_context(
        cafile=options.get("ssl_ca_certs"), capath=options.get("ssl_ca_path")
    )
    context.check_hostname = options.get("ssl_check_hostname", "true").lower() in ("true", "1", "yes")
    requirement = options.get("ssl_cert_reqs", "required").lower()
    if requirement != "required":
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE if requirement == "none" else ssl.CERT_OPTIONAL
    if "ssl_certfile" in options:
        context.load_cert_chain(options["ssl_certfile"], options.get("ssl_keyfile"))
    return context


class UpstreamBackend:
    """A real Redis, reached by its provider's nearest way.

    Args:
        provider: What started it, or knows where it runs.
    """

    def __init__(self, provider: Provider) -> None:
        self.provider = provider
        self.target = target_of(provider.nearest)
        self.connecting: set[asyncio.Task[None]] = set()
        self._reached: set[ServerSide] = set()
        self._all_left: asyncio.Future[None] | None = None

    def describe(self) -> str:
        """One line for a header or a report."""
        return self.provider.describe()

    @property
    def untouched(self) -> bool:
        """Nobody here knows what happened on a real server."""
        return False

    def connection(self, front: Front, *, direct: bool) -> asyncio.Protocol:
        """A protocol for the next connection."""
        return ClientSide(self, front, direct=direct)

    def reset(self) -> None:
        """Emptying is done outside the loop: see `Server.reset`."""

    def joined(self, side: ServerSide) -> None:
        """A connection to Redis was made."""
        self._reached.add(side)

    def left(self, side: ServerSide) -> None:
        """A connection to Redis is gone."""
        self._reached.discard(side)
        if self._all_left is not None and not self._reached and not self._all_left.done():
            self._all_left.set_result(None)

    async def close(self) -> None:
        """Leave Redis; its end is `Server.close`'s affair.

        A client that has hung up may have left a connection behind that is still closing: with TLS that takes
        a round trip, and the loop must not end before.
        """
        await asyncio.gather(*self.connecting, return_exceptions=True)
        await self._all_gone()
        for side in list(self._reached):
            side.abort()
        await self._all_gone()

    async def _all_gone(self) -> None:
        if self._reached:
            self._all_left = asyncio.get_running_loop().create_future()
            await asyncio.wait({self._all_left}, timeout=GOODBYE_TIMEOUT)


class _Side(asyncio.Protocol):
    """One end of the pump; what it reads goes to the other end."""

    transport: asyncio.Transport | None = None
    other: _Side | None = None
    # What writes to the other end while both are there; held, since each round trip needs it twice.
    forward: Callable[[bytes], None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if hasattr(transport, "max_size"):
            transport.max_size = READ_SIZE
        self.transport = cast("asyncio.Transport", transport)  # uvloop's is none by inheritance

    def data_received(self, data: bytes) -> None:
        forward = self.forward
        if forward is not None:
            forward(data)

    def eof_received(self) -> bool:
        other = self.other
        if other is not None and other.transport is not None and other.transport.can_write_eof():
            other.transport.write_eof()
            return True
        return False

    def pause_writing(self) -> None:
        if self.other is not None and self.other.transport is not None:
            self.other.transport.pause_reading()

    def resume_writing(self) -> None:
        if self.other is not None and self.other.transport is not None:
            self.other.transport.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        other, self.other, self.transport, self.forward = self.other, None, None, None
        if other is not None and other.transport is not None:
            other.forward = None
            if exc is None:
                other.transport.close()
            else:
                other.transport.abort()


class ServerSide(_Side):
    """The end towards Redis; both ends know each other from its first moment on, so nothing is lost."""

    def __init__(self, client: ClientSide, backend: UpstreamBackend) -> None:
        self.other = client
        self._backend = backend

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Let the client's bytes through."""
        super().connection_made(transport)
        self._backend.joined(self)
        client = self.other
        assert isinstance(client, ClientSide)
        client.reached(self)

    def eof_received(self) -> bool:
        """Redis hangs up: nothing more can come, so both ends are closed."""
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """Close the client's end too."""
        super().connection_lost(exc)
        self._backend.left(self)

    def abort(self) -> None:
        """Close this end at once."""
        if self.transport is not None:
            self.transport.abort()


class ClientSide(_Side):
    """The end towards the client."""

    def __init__(self, backend: UpstreamBackend, front: Front, *, direct: bool) -> None:
        self._backend = backend
        self._front = front
        self._direct = direct
        self.peer = "?:0"
        self._connecting: asyncio.Task[None] | None = None
        self._parser: RequestParser | None = None
        self._early: list[bytes] = []  # came before Redis was reached

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Connect to Redis."""
        super().connection_made(transport)
        name = transport.get_extra_info("peername")
        self.peer = f"{name[0]}:{name[1]}" if name else "?:0"
        self._front.joined(self, direct=self._direct)
        self._connecting = self._front.loop.create_task(self._connect())
        self._backend.connecting.add(self._connecting)
        self._connecting.add_done_callback(self._backend.connecting.discard)

    async def _connect(self) -> None:
        try:
            await connect(self._backend.target, lambda: ServerSide(self, self._backend))
        except (OSError, asyncio.TimeoutError):
            self.abort()  # as a dead Redis would: the client sees its connection closed

    def reached(self, server: ServerSide) -> None:
        """Redis was reached: send what came before, and read on."""
        if self.transport is None:  # the client left meanwhile
            server.other = None
            if server.transport is not None:
                server.transport.abort()
            return
        assert server.transport is not None
        self.other = server
        self.forward, server.forward = server.transport.write, self.transport.write
        if self._early:
            server.transport.writelines(self._early)
        self._early.clear()
        self.transport.resume_reading()

    def data_received(self, data: bytes) -> None:
        """Show the commands to the hooks, if there are any, and send the bytes on."""
        if self._front.hooks and not self._direct:
            self._show(data)
        elif self._parser is not None:
            self._parser = None
        forward = self.forward
        if forward is not None:
            forward(data)
        else:
            self._early.append(data)
            if self.transport is not None:
                self.transport.pause_reading()

    def _show(self, data: bytes) -> None:
        if self._parser is None:
            self._parser = RequestParser()
        for argv in self._parser.feed(data):
            for hook in self._front.hooks:
                hook(self, argv)
        if self._parser.violation is not None:
            self._parser = RequestParser()  # the real server will say so

    def connection_lost(self, exc: Exception | None) -> None:
        """Close the other end too."""
        if self._connecting is not None:
            self._connecting.cancel()
        super().connection_lost(exc)
        self._front.left(self)

    def describe(self) -> Client:
        """Who it is; the bytes are not read, so there is only an address."""
        return Client(self.peer)

    def abort(self) -> None:
        """Close both ends at once."""
        if self.other is not None and self.other.transport is not None:
            self.other.transport.abort()
        if self.transport is not None:
            self.transport.abort()
