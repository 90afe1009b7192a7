"""While a test has a Redis of ours, its process connects to that one; any other address is refused by name.

A client that nobody bound to the test's Redis would otherwise wait for a server that is not there, or, worse,
find one. redis-py is stood around at one method of its synchronous and one of its asynchronous connection,
which every kind of connection and every library on top of it comes through, each time that a pool hands one
out: so a connection is judged too that was made, or opened, before the test. What is looked at is the
address, what is decided is remembered for the test, and nothing is kept in a connection.

Ours are all servers that are open in this process. The project allows others, or has them led to the test's.
"""

from __future__ import annotations

import contextlib
import inspect
import os
import sys
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import parse_qs, urlsplit
from weakref import WeakSet

from pytest_jobqueue.errors import StrayConnectionError, UsageError
from pytest_jobqueue.frames import is_users
from pytest_jobqueue.servers.provider import SCHEMES
from pytest_jobqueue.servers.server import open_servers

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator
    from types import FrameType, TracebackType

    from typing_extensions import Self

    from pytest_jobqueue.servers import Server

_PORT = 6379
_ANY = "*"
_LOOPBACK = frozenset({"", "localhost", "127.0.0.1", "::1", "0.0.0.0"})  # noqa: S104 (names, not listened to)
# What names a place and how to get in, among a connection's attributes; some have a property before them.
_PLACE = frozenset({"host", "port", "db", "username", "password", "credential_provider"})
_ACTIVE: list[Guard] = []
_THEIRS: list[tuple[type[Any], str, Callable[..., Any], Callable[..., Any]]] = []  # while one is active


class Address(NamedTuple):
    """Where a connection leads.

    Attributes:
        place: The host, or the path of a socket; `*` for any.
        port: The port; 0 for a socket.
        db: The database; None for any.
    """

    place: str
    port: int
    db: int | None

    def covers(self, other: Address) -> bool:
        """Whether the other one is this one, or among those that this one stands for."""
        return self.place == _ANY or (self[:2] == other[:2] and self.db in (None, other.db))

    def __str__(self) -> str:
        database = "" if self.db is None else f"/{self.db}"
        if not self.port:
            return f"unix://{self.place}{database and f'?db={self.db}'}"
        host = f"[{self.place}]" if ":" in self.place else self.place
        return f"redis://{host}:{self.port}{database}"


@lru_cache
def parse_addresses(text: str, key: str) -> tuple[Address, ...]:
    """Read a list of addresses, with commas or white space between them.

    Args:
        text: `host:port`, `host`, the path of a socket, a URL of any of them, or `*`. A URL with a database
            number stands for that database alone.
        key: Where it stands, for the message.

    Raises:
        UsageError: One of them is no address.
    """
    return tuple(_parse(entry, key) for entry in text.replace(",", " ").split())


def _parse(entry: str, key: str) -> Address:
    if entry == _ANY:
        return Address(_ANY, 0, None)
    try:
        found = _address(entry if "://" in entry else f"{'unix' if entry[0] == '/' else 'redis'}://{entry}")
    except ValueError:
        found = None
    if found is None:
        raise UsageError(
            f"{key}: {_without_password(entry)!r} is no address of a Redis; write host:port, a redis://, "
            "rediss:// or unix:// URL, or * for all, with commas between several"
        )
    return found


@lru_cache(128)
def _address(url: str) -> Address | None:
    parts = urlsplit(url)
    if parts.scheme not in SCHEMES:
        return None
    named = parse_qs(parts.query).get("db", [])
    if parts.scheme == "unix":
        return Address(parts.path, 0, int(named[0]) if named else None) if parts.path else None
    database = named[0] if named else parts.path.strip("/")
    return Address(_host(parts.hostname), parts.port or _PORT, int(database) if database else None)


def _host(name: Any) -> str:
    """One name for what is one place without asking anybody."""
    host = str(name or "").lower()
    return "localhost" if host in _LOOPBACK else host


def _without_password(entry: str) -> str:
    scheme, mark, rest = entry.rpartition("://")
    return f"{scheme}{mark}{rest.rpartition('@')[2]}"


class Guard:
    """Judges each connection of redis-py while it is active; a context manager. The newest one counts.

    Args:
        server: The test's Redis.
        redirect: Addresses whose connections lead to it instead.
        allow: Addresses that are left alone.

    Attributes:
        refused: The errors that were raised, in order.
    """

    def __init__(
        self, server: Server, redirect: tuple[Address, ...] = (), allow: tuple[Address, ...] = ()
    ) -> None:
        self.refused: list[StrayConnectionError] = []
        self._server = server
        self._redirect = sorted(redirect, key=lambda address: (address.place == _ANY, address.db is None))
        self._allow = allow
        self._decided: dict[Any, int | None] = {}
        self._led: WeakSet[Any] = WeakSet()
        self._donors: dict[tuple[bool, int], Any] = {}

    def __enter__(self) -> Self:
        if not _THEIRS:
            _stand_around()
        _ACTIVE.append(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        _ACTIVE.remove(self)
        if not _ACTIVE:
            _leave()
        for connection in self._led:
            if not _is_async(connection):  # the server hangs up on the others
                connection.disconnect()

    def judge(self, connection: Any) -> int | None:
        """The database of the test's Redis that it leads to from now on, or None to let it connect.

        Raises:
            StrayConnectionError: It leads to a Redis that is none of this test's.
        """
        __tracebackhide__ = True
        key = (
            type(connection),
            getattr(connection, "path", None) or (connection.host, connection.port),
            connection.db,
        )
        try:
            return self._decided[key]
        except KeyError:
            pass
        if _goes_nowhere(connection) or _is_our_own(sys._getframe(1)):  # noqa: SLF001 (see _is_our_own)
            return None
        decision = self._decided[key] = self._decide(_address_of(connection))
        return decision

    def _decide(self, address: Address) -> int | None:
        __tracebackhide__ = True
        if any(ours.covers(address) for server in open_servers() for ours in _addresses(server)):
            return None
        for listed in self._redirect:
            if listed.covers(address):
                return self._database_for(listed, address)
        if any(allowed.covers(address) for allowed in self._allow):
            return None
        error = StrayConnectionError(self._sentence(address))
        self.refused.append(error)
        raise error

    def _database_for(self, listed: Address, address: Address) -> int:
        """Several databases of a service stay several, where all of the test's Redis is the test's."""
        if listed.db is None and self._server.mode in ("fake", "server"):
            return address.db or 0
        return self._server.database

    def _sentence(self, address: Address) -> str:
        where = _whence(sys._getframe(1))  # noqa: SLF001 (there is no public name for the caller's frame)
        bare = str(address._replace(db=None)).removeprefix("redis://")
        return (
            f"{where or 'the code under test'} connects to {address}, which is not the Redis of this test "
            f"({_without_password(self._server.url)}). Give this client its URL from the fixture "
            f"jobqueue_url, or its application to jobqueue_app; or list {bare} in pytest's configuration: "
            "under jobqueue_redirect, and such connections lead to the test's Redis, or under "
            "jobqueue_allow, and they are left alone."
        )

    def swap(self, connection: Any, db: int) -> tuple[type[Any], dict[str, Any]]:
        """The class and the attributes with which a connection connects to the test's Redis.

        One through TLS or a socket connects as an ordinary one does, and has what such a one has.
        """
        donor = self._donor(connection, db)
        mine, kind = _attributes(connection), type(donor)
        plain = isinstance(connection, kind) and not isinstance(connection, _ssl(kind))
        attributes = {
            name: value
            for name, value in _attributes(donor).items()
            if name.removeprefix("_") in _PLACE or name not in mine
        }
        return type(connection) if plain else kind, attributes

    def _donor(self, connection: Any, db: int) -> Any:
        key = (_is_async(connection), db)
        if key not in self._donors:
            import redis

            source = redis.asyncio if key[0] else redis
            place = redis.ConnectionPool.from_url(self._server.url).connection_kwargs
            self._donors[key] = source.Connection(**{**place, "db": db})
        return self._donors[key]

    def newly_led(self, connection: Any) -> bool:
        """Whether it was not led before: then it may be open, to another place."""
        if connection in self._led:
            return False
        self._led.add(connection)
        return True

    def swallowed(self, node: Any) -> StrayConnectionError | None:
        """The first refusal that never came as far as the function of the test `node`, or None.

        The service may catch everything, or have connected in a thread or a task of its own.
        """
        return next((error for error in self.refused if not _came_to(error, node)), None)


def _addresses(server: Server) -> Iterator[Address]:
    """Where a server of ours is. Of one that somebody else runs, only the database that is leased is ours."""
    for url in (server.url, server.direct_url):
        found = _address(url)
        if found is not None:
            theirs = server.mode == "url" and url == server.direct_url
            yield found._replace(db=server.database if theirs else None)


def _address_of(connection: Any) -> Address:
    db = int(connection.db or 0)
    path = getattr(connection, "path", None)
    return Address(str(path), 0, db) if path else Address(_host(connection.host), int(connection.port), db)


def _is_async(connection: Any) -> bool:
    return any(base.__module__.startswith("redis.asyncio.") for base in type(connection).__mro__)


def _ssl(kind: type[Any]) -> type[Any]:
    found: type[Any] = sys.modules[kind.__module__].SSLConnection
    return found


def _goes_nowhere(connection: Any) -> bool:
    """Whether it is one of fakeredis, which opens nothing."""
    return any(base.__module__.partition(".")[0] == "fakeredis" for base in type(connection).__mro__)


# Around redis-py. `connect_check_health` is there from redis-py 6 on: `connect` and sending on a connection
# that is not open both come through it. Before, both came through `connect`.


def _stand_around() -> None:
    import redis.asyncio

    for module, around in (
        (redis.connection, _around),
        (redis.asyncio.connection, _around_async),
    ):
        owner: Any = module.AbstractConnection
        name = "connect_check_health" if hasattr(owner, "connect_check_health") else "connect"
        theirs = getattr(owner, name)
        ours = around(theirs)
        setattr(owner, name, ours)
        _THEIRS.append((owner, name, theirs, ours))


def _leave() -> None:
    """Put redis-py back; where somebody else stands around us by now, ours is idle and stays."""
    while _THEIRS:
        owner, name, theirs, ours = _THEIRS.pop()
        if getattr(owner, name) is ours:
            setattr(owner, name, theirs)


def _around(theirs: Callable[..., None]) -> Callable[..., None]:
    def connect(self: Any, *args: Any, **kwargs: Any) -> None:
        __tracebackhide__ = True
        guard = _ACTIVE[-1] if _ACTIVE else None
        db = None if guard is None else guard.judge(self)
        if guard is None or db is None:
            return theirs(self, *args, **kwargs)
        if guard.newly_led(self):
            self.disconnect()
        with _swapped(self, *guard.swap(self, db)):
            return theirs(self, *args, **kwargs)

    return connect


def _around_async(
    theirs: Callable[..., Coroutine[Any, Any, None]],
) -> Callable[..., Coroutine[Any, Any, None]]:
    def connect(self: Any, *args: Any, **kwargs: Any) -> Coroutine[Any, Any, None]:
        __tracebackhide__ = True
        guard = _ACTIVE[-1] if _ACTIVE else None
        db = None if guard is None else guard.judge(self)
        if guard is None or db is None:
            return theirs(self, *args, **kwargs)
        return lead(guard, db, self, *args, **kwargs)

    async def lead(guard: Guard, db: int, self: Any, *args: Any, **kwargs: Any) -> None:
        if guard.newly_led(self):
            with contextlib.suppress(RuntimeError):  # it was opened in a loop that is closed
                await self.disconnect(nowait=True)
        with _swapped(self, *guard.swap(self, db)):
            await theirs(self, *args, **kwargs)

    return connect


@contextlib.contextmanager
def _swapped(connection: Any, kind: type[Any], attributes: dict[str, Any]) -> Iterator[None]:
    """It is another connection while it connects; afterwards it is as it was, and open."""
    was, before = type(connection), _attributes(connection)
    for name, value in attributes.items():
        setattr(connection, name, value)
    connection.__class__ = kind
    try:
        yield
    finally:
        connection.__class__ = was
        for name in attributes:
            if name in before:
                setattr(connection, name, before[name])
            else:
                delattr(connection, name)


def _attributes(connection: Any) -> dict[str, Any]:
    """What it has itself; an asynchronous one has a part of that in slots."""
    slots = (name for kind in type(connection).__mro__ for name in vars(kind).get("__slots__", ()))
    held = {name: getattr(connection, name) for name in slots if hasattr(connection, name)}
    return {**vars(connection), **held}


# Who connects: looked at once for each address, and for a message.


def _is_our_own(frame: FrameType | None) -> bool:
    """Whether a part of this package that keeps a server going connects, outermost of redis-py's callers."""
    while frame is not None:
        module = str(frame.f_globals.get("__name__", ""))
        if module != __name__ and module.partition(".")[0] not in ("redis", "asyncio"):
            return module.startswith("pytest_jobqueue.servers.")
        frame = frame.f_back
    return False


def _whence(frame: FrameType | None) -> str:
    """The innermost function that is neither a library's nor ours, and where it stands."""
    while frame is not None:
        file = frame.f_code.co_filename
        if is_users(file):
            here = os.path.relpath(file) if file.startswith(os.getcwd() + os.sep) else file  # noqa: PTH109
            return f"{frame.f_code.co_name} ({here}:{frame.f_lineno})"
        frame = frame.f_back
    return ""


def _came_to(error: BaseException, node: Any) -> bool:
    """Whether it went through the test's function, or through pytest on its way from a fixture.

    The function is known by its name: what is called may be a plugin's, around it. It may be inherited.
    """
    code = getattr(inspect.unwrap(getattr(node, "obj", _came_to)), "__code__", None)
    files = {str(node.path), getattr(code, "co_filename", "")}
    name = getattr(node, "originalname", "")
    traceback = error.__traceback__
    while traceback is not None:
        frame = traceback.tb_frame
        if frame.f_code.co_name == name and frame.f_code.co_filename in files:
            return True
        if str(frame.f_globals.get("__name__", "")).startswith("_pytest."):
            return True
        traceback = traceback.tb_next
    return False
