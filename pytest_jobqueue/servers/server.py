"""One running Redis as users see it: a front, and what stands behind it."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from weakref import WeakSet

from pytest_jobqueue import kept
from pytest_jobqueue.servers.front import LOOPBACK, Backend, Client, Front, Hook

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import TracebackType

    from typing_extensions import Self

    from pytest_jobqueue.servers.provider import Provider

_OPEN: WeakSet[Server] = WeakSet()


def open_servers() -> Sequence[Server]:
    """Every Redis of ours that is open in this process."""
    return list(_OPEN)


class Server:
    """A Redis on a loopback port; a context manager that closes it.

    Attributes:
        mode: `fake`, `server`, `container` or `url`.
        host: Always 127.0.0.1.
        port: The port for the service under test.
        version: The Redis version, as INFO reports it.
    """

    host = LOOPBACK

    def __init__(
        self, mode: str, backend: Backend, *, version: str, provider: Provider | None = None, port: int = 0
    ) -> None:
        self.mode = mode
        self.version = version
        self._provider = provider
        self._front = Front(backend, port)
        self.port = self._front.port
        self._closed = False
        _OPEN.add(self)

    @property
    def url(self) -> str:
        """The URL for the service under test: hooks and faults see what goes through it."""
        return self._url(self.port)

    @property
    def direct_url(self) -> str:
        """A URL that goes round the hooks: to look at the truth, and for the last bit of speed."""
        return self._provider.url if self._provider is not None else self._url(self._front.direct_port)

    @property
    def database(self) -> int:
        """The database number in both URLs."""
        return _database_of(self._provider.url) if self._provider is not None else 0

    def _url(self, port: int) -> str:
        user_info = ""
        if self._provider is not None and "@" in (place := urlsplit(self._provider.url).netloc):
            user_info = place.rpartition("@")[0] + "@"
        return f"redis://{user_info}{self.host}:{port}/{self.database}"

    def describe(self) -> str:
        """One line for a header or a report."""
        return f"{self._front.backend.describe()} behind {self.host}:{self.port}"

    def log_tail(self, lines: int = 50) -> str:
        """The end of the real server's log; empty where there is none."""
        return self._provider.log_tail(lines) if self._provider is not None else ""

    def clients(self) -> Sequence[Client]:
        """Who is connected at the service's port."""
        return self._front.clients()

    def reset(self) -> Sequence[Client]:
        """Be as new for the next test: connections closed, keys gone. Returns who was still connected."""
        left_over = self._front.reset()
        if self._provider is not None:
            self._provider.reset()
        return left_over

    def add_hook(self, hook: Hook) -> Callable[[], None]:
        """Call `hook(connection, argv)` before each command that comes through `url`; returns its removal.

        It is called in the front's thread and must not block; while it is installed, requests to a real
        Redis are parsed.
        """
        return self._front.add_hook(hook)

    @property
    def latency(self) -> float:
        """Seconds that each request takes longer on connections to `url` that are made from now on."""
        return self._front.latency

    @latency.setter
    def latency(self, seconds: float) -> None:
        self._front.latency = seconds

    def close(self) -> None:
        """Close every connection and end what was started; harmless a second time."""
        if self._closed:
            return
        self._closed = True
        _OPEN.discard(self)
        kept.drop(self.url, self.direct_url)
        self._front.close()
        if self._provider is not None:
            self._provider.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Server {self.mode} {self.url}>"


def _database_of(url: str) -> int:
    parts = urlsplit(url)
    if parts.scheme == "unix":
        for word in parts.query.split("&"):
            name, _, value = word.partition("=")
            if name == "db":
                return int(value)
        return 0
    return int(parts.path.strip("/") or 0)
