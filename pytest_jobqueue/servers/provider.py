"""One running Redis behind the front, however it was got.

A provider owns its Redis, or its share of one, from the moment it is made until `close`. It knows nothing of
fronts, faults or tests. `reset` is on the path of every test, so it is one round trip on a connection that
stays open.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias, cast
from urllib.parse import SplitResult, parse_qsl, urlencode, urlsplit

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from pytest_jobqueue.errors import UsageError

Command: TypeAlias = tuple[str | bytes | int, ...]

SCHEMES = ("redis", "rediss", "unix")
GONE = (redis.ConnectionError, redis.TimeoutError, OSError)
"""What redis-py raises when nobody is, or is no longer, at the other end."""


class Provider(Protocol):
    """A running Redis that tests may write to."""

    @property
    def mode(self) -> str:
        """`server`, `container` or `url`."""

    @property
    def url(self) -> str:
        """The direct URL, with credentials and the database number."""

    @property
    def nearest(self) -> str:
        """The shortest way to the same Redis from this process, as a URL: the front takes it."""

    @property
    def version(self) -> str:
        """The Redis version that the server says it is compatible with, as in `7.0.15`."""

    def describe(self) -> str:
        """One line for a header or a report: product, version, place. Never a password."""

    def log_tail(self, lines: int = 50) -> str:
        """The last lines of the server's own log; empty where there is none to read."""

    def reset(self) -> None:
        """Make it as empty as it was when it was got.

        Raises:
            ServerUnavailableError: It no longer answers, or is no longer ours.
        """

    def close(self) -> None:
        """Give everything back: processes, containers, leases, connections, files. Once is enough."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What a server says about itself.

    Attributes:
        version: The Redis version it is compatible with.
        product: Its own name and version: `Redis 7.0.15`, `Valkey 9.1.2`.
        pid: Its process id, as seen from inside its own namespace.
    """

    version: str
    product: str
    pid: int


class Line:
    """One connection for housekeeping that never comes back by itself.

    Clients reconnect silently; an owner who must know that its server or its lease is gone cannot use that.
    So after any failure, an interrupt in mid-reply included, every call raises `redis.ConnectionError`.
    Commands go out in one write. Threads may share a line.
    """

    def __init__(self, url: str, *, timeout: float = 5.0) -> None:
        """Connect.

        Args:
            url: Any URL that redis-py takes.
            timeout: Seconds for connecting and for each reply.

        Raises:
            redis.RedisError: Nobody answers, or the server refuses the credentials or the database.
        """
        pool = redis.ConnectionPool.from_url(
            url,
            protocol=2,
            retry=Retry(NoBackoff(), 0),
            socket_connect_timeout=timeout,
            socket_timeout=timeout,
            **({} if url.startswith("unix:") else {"socket_keepalive": True}),
        )
        self._connection = cast("Any", pool.make_connection())
        self._lock = threading.Lock()
        self._open = True
        try:
            self._connection.connect()
        except BaseException:
            self.close()
            raise

    def ask(self, *commands: Command) -> list[Any]:
        """Return the replies to `commands`.

        Raises:
            redis.ResponseError: The first error reply, after all replies were read.
            redis.ConnectionError: The line is broken, now or since an earlier call.
            redis.TimeoutError: No reply in time; the line is broken from here on.
        """
        replies = self.collect(*commands)
        for reply in replies:
            for item in reply if isinstance(reply, list) else [reply]:
                if isinstance(item, redis.RedisError):
                    raise item
        return replies

    def collect(self, *commands: Command) -> list[Any]:
        """Return the replies to `commands`, error replies among them as values; else as `ask`."""
        with self._lock:
            if not self._open:
                raise redis.ConnectionError("this connection is closed")
            try:
                packed = self._connection.pack_commands(commands)
                self._connection.send_packed_command(packed, check_health=False)
                return [self._read() for _ in commands]
            except BaseException:
                self.close()
                raise

    def _read(self) -> Any:
        try:
            return self._connection.read_response()
        except redis.ResponseError as error:
            return error

    def close(self) -> None:
        """Hang up."""
        self._open = False
        self._connection.disconnect()


def text(value: Any) -> str:
    """A reply as text; bytes that are not UTF-8 stay readable."""
    return value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else str(value)


def info(line: Line, section: str) -> dict[str, str]:
    """One section of INFO, fields as text."""
    return parse_info(line.ask(("INFO", section))[0])


def parse_info(reply: Any) -> dict[str, str]:
    """The fields of an INFO reply."""
    rows = (row.partition(":") for row in text(reply).splitlines() if not row.startswith("#"))
    return {name: value for name, _, value in rows if name}


def facts(line: Line) -> Facts:
    """Ask a server what it is."""
    fields = info(line, "server")
    version = fields.get("redis_version", "0")
    product = f"Redis {version}"
    if "valkey_version" in fields:
        product = f"Valkey {fields['valkey_version']}"
    return Facts(version, product, int(fields.get("process_id", 0)))


def split_database(url: str) -> tuple[str, int | None]:
    """Take the database number off a URL.

    Returns:
        The URL without it, and the number, None where the URL names none.

    Raises:
        UsageError: The database, or the port, is not a number.
    """
    parts = urlsplit(url)
    query = parse_qsl(parts.query, keep_blank_values=True)
    named = [value for key, value in query if key == "db"]
    path = parts.path
    if parts.scheme != "unix":
        named += [path.strip("/")] if path.strip("/") else []
        path = ""
    try:
        _ = parts.port
        number = int(named[0]) if named else None
    except ValueError as error:
        raise UsageError(
            f"{place(url)}: the port and the database of a Redis URL are numbers ({error})"
        ) from None
    rest = urlencode([(key, value) for key, value in query if key != "db"])
    return _joined(parts, path, rest), number


def with_database(url: str, number: int) -> str:
    """The same URL for another database."""
    bare, _ = split_database(url)
    parts = urlsplit(bare)
    if parts.scheme != "unix":
        return _joined(parts, f"/{number}", parts.query)
    return _joined(parts, parts.path, "&".join(filter(None, [parts.query, f"db={number}"])))


def _joined(parts: SplitResult, path: str, query: str) -> str:
    """Put a URL together; where the host is empty, the standard library would lose the slashes."""
    return f"{parts.scheme}://{parts.netloc}{path}" + (f"?{query}" if query else "")


def place(url: str) -> str:
    """Where a URL leads, for messages: no credentials, no options, no database."""
    parts = urlsplit(url)
    if parts.scheme == "unix":
        return f"unix://{parts.path}"
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2] or 'localhost'}"
