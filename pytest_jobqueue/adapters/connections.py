"""Which asynchronous connections of redis-py were opened in which event loop, the service's own among them.

A connection works in the loop that opened it and in no other, and a service keeps its pools for ever: in a
module, where the next test finds them, with a loop of its own. So they are disconnected at the end of each
loop; a pool then connects anew by itself. Nothing is asked of the service, and no pool need be known, since
redis-py is watched while it connects (`AbstractConnection.connect`, a public name from redis-py 4.5 to 8).

Such a pool may have been made in another test, and lead to a server of ours that was the Redis then. It is
led to the one of now; any other address is left alone.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from redis.asyncio.connection import AbstractConnection, parse_url

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

_WATCHING: list[Opened] = []
_CONNECT: list[Callable[..., Coroutine[Any, Any, None]]] = []  # redis-py's own, while anybody watches
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
        _WATCHING.append(self)
        if not _CONNECT:
            _CONNECT.append(AbstractConnection.connect)
            AbstractConnection.connect = _connect  # type: ignore[method-assign]

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

    async def disconnect(self) -> None:
        """Disconnect those of the running loop."""
        running = asyncio.get_running_loop()
        for connection, loop in list(self._loops.items()):
            if loop is running:
                await connection.disconnect()

    async def forget(self) -> None:
        """Let those go whose loop is closed: it can do nothing for them, and their pool must not use them."""
        for connection, loop in list(self._loops.items()):
            if loop.is_closed():
                with contextlib.suppress(RuntimeError):  # "Event loop is closed"
                    await connection.disconnect(nowait=True)

    def stop(self) -> None:
        """Look no longer; redis-py is as it was once nobody does."""
        with contextlib.suppress(ValueError):
            _WATCHING.remove(self)
        if not _WATCHING and _CONNECT:
            AbstractConnection.connect = _CONNECT.pop()  # type: ignore[method-assign]


async def _connect(self: AbstractConnection, *args: Any, **kwargs: Any) -> None:
    was_connected = self.is_connected
    place = getattr(self, "host", None), getattr(self, "port", None)
    now = {opened.place: opened for opened in _WATCHING if opened.place in _OURS}
    if not was_connected and place in _OURS and now and place not in now:
        next(reversed(now.values())).lead_here(self)
    await _CONNECT[0](self, *args, **kwargs)
    if not was_connected:
        for opened in _WATCHING:
            opened.note(self)
