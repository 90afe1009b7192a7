"""Connections of our own that stay open from one test to the next: connecting costs more than running a job.

Whoever used one puts it here and takes it in the next test; the front spares it when it cuts off what a test
left connected. The two do not know each other, so they meet here: by the address of the client's end.
"""

from __future__ import annotations

import os
from typing import Any

_Place = tuple[int, str]  # the process, since a forked child must not use its parent's; and the URL
_idle: dict[_Place, tuple[str, Any]] = {}
_peers: set[str] = set()


def keep(url: str, connection: Any) -> None:
    """Keep a connection of redis-py that led to `url` and has nothing left to read; one for each URL."""
    peer = _client_end(connection)
    if not peer:
        connection.disconnect()
        return
    replaced = _idle.get(place := (os.getpid(), url))
    _peers.add(peer)
    _idle[place] = (peer, connection)
    if replaced is not None:
        _let_go(*replaced)


def take(url: str) -> Any:
    """The connection that was kept for `url`, if it is still open; else None."""
    found = _idle.pop((os.getpid(), url), None)
    if found is None:
        return None
    peer, connection = found
    _peers.discard(peer)
    try:
        spoilt = connection.can_read(0)  # nobody asked anything, so this is the end, or nonsense
    except Exception:  # noqa: BLE001 - redis-py's errors, or the system's: it is closed
        spoilt = True
    if spoilt:
        connection.disconnect()
        return None
    return connection


def drop(*urls: str) -> None:
    """Close what is kept for these: their server goes."""
    for url in urls:
        found = _idle.pop((os.getpid(), url), None)
        if found is not None:
            _let_go(*found)


def is_kept(peer: str) -> bool:
    """Whether the client at `host:port` is a connection that is kept."""
    return peer in _peers


def _let_go(peer: str, connection: Any) -> None:
    _peers.discard(peer)
    connection.disconnect()


def _client_end(connection: Any) -> str:
    # `_sock` is redis-py's private name, the same in 5.0.1 to 8.1; without it nothing is kept.
    try:
        host, port = connection._sock.getsockname()  # noqa: SLF001
    except (AttributeError, OSError, ValueError):  # closed, or a Unix socket
        return ""
    return f"{host}:{port}"
