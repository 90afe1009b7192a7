"""Which asynchronous connections of redis-py were opened in which event loop, the service's own among them.

A connection works in the loop that opened it and in no other, and a service keeps its pools for ever: in a
module, where the next test finds them, with a loop of its own. So they are disconnected at the end of each
loop; a pool then connects anew by itself. So is a lock of a pool for which somebody had to wait. Nothing is
asked of the service, and no pool need be known, since redis-py is watched at its work: two public names,
`AbstractConnection.connect` and `ConnectionPool.ensure_connection`, the same from redis-py 5.0.1 to 8.

Such a pool may have been made in another test, and lead to a server of ours that was the Redis then. It is
led to the one of now; any other address is left alone.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary, WeakSet

from redis.asyncio.connection import AbstractConnection, ConnectionPool, parse_url

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

_WATCHING: list[Opened] = []
_THEIRS: list[tuple[Callable[..., Coroutine[Any, Any, None]], ...]] = []  # redis-py's, while one watches
_OURS: set[tuple[Any, Any]] = set()  # hosts and ports of every Redis that was one of ours in this process


class Opened:
    """The connections that are opened from now on, until `stop`. Those that nobody holds are not kept.

    Args:
        url: The Redis of now; "" to lead nobody there.
    """

    def __init__(self, url: str) -> None:
        target = parse_url(url) if url else {}
        self.place = (target.get("host"), target.get("port"))
        self._db = target.get("db", 0)
        if url:
            _OURS.add(self.place)
        self._loops: WeakKeyDictionary[AbstractConnection, asyncio.AbstractEventLoop] = WeakKeyDictionary()
        self._pools: WeakSet[ConnectionPool] = WeakSet()
        _WATCHING.append(self)
        if not _THEIRS:
            _THEIRS.append((AbstractConnection.connect, ConnectionPool.ensure_connection))
            AbstractConnection.connect = _connect  # type: ignore[method-assign]
            ConnectionPool.ensure_connection = _ensure_connection  # type: ignore[method-assign]

    @property
    def loops(self) -> list[asyncio.AbstractEventLoop]:
        """The loops that have a connection which is still open."""
        held = [loop for connection, loop in self._loops.items() if connection.is_connected]
        return list(dict.fromkeys(held))

    def lead_here(self, connection: Any) -> None:
        """Let it connect to the Redis of now."""
        connection.host, connection.port = self.place
        connection.db = self._db

    def note(self, connection: AbstractConnection) -> None:
        """It connected, in the running loop."""
        self._loops[connection] = asyncio.get_running_loop()

    def note_pool(self, pool: ConnectionPool) -> None:
        """It gave somebody a connection."""
        self._pools.add(pool)

    async def disconnect(self) -> None:
        """Disconnect those of the running loop."""
        running = asyncio.get_running_loop()
        for connection, loop in list(self._loops.items()):
            if loop is running:
                await connection.disconnect()
        self._unlock()

    def _unlock(self) -> None:
        """Locks that know no loop: one for which somebody had to wait works in that loop only, for ever."""
        for pool in self._pools:
            for name, value in vars(pool).items():
                if type(value) in (asyncio.Lock, asyncio.Condition):
                    setattr(pool, name, type(value)())

    async def forget(self) -> None:
        """Let those go whose loop is closed: it can do nothing for them, and their pool must not use them."""
        for connection, loop in list(self._loops.items()):
            if loop.is_closed():
                with contextlib.suppress(RuntimeError):  # "Event loop is closed"
                    await connection.disconnect(nowait=True)
        self._unlock()

    def stop(self) -> None:
        """Look no longer; redis-py is as it was once nobody does."""
        with contextlib.suppress(ValueError):
            _WATCHING.remove(self)
        if not _WATCHING and _THEIRS:
            connect, ensure_connection = _THEIRS.pop()
            AbstractConnection.connect = connect  # type: ignore[method-assign]
            ConnectionPool.ensure_connection = ensure_connection  # type: ignore[method-assign]


async def _connect(self: AbstractConnection, *args: Any, **kwargs: Any) -> None:
    theirs = _THEIRS[0][0]
    if self.is_connected:
        return await theirs(self, *args, **kwargs)
    place = getattr(self, "host", None), getattr(self, "port", None)
    now = {opened.place: opened for opened in _WATCHING if opened.place in _OURS}
    if place in _OURS and now and place not in now:
        next(reversed(now.values())).lead_here(self)
    await theirs(self, *args, **kwargs)
    for opened in _WATCHING:
        opened.note(self)
    return None


async def _ensure_connection(self: ConnectionPool, *args: Any, **kwargs: Any) -> None:
    for opened in _WATCHING:
        opened.note_pool(self)
    await _THEIRS[0][1](self, *args, **kwargs)
