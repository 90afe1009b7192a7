"""Pointing a service's own redis-py client at the test's Redis, and back.

A client reads where to connect from its pool (`connection_class`, `connection_kwargs`, both public, the same
from redis-py 4.2 to 8), so every part of the service that shares the client moves with it. What is about
decoding, time-outs or protocol stays as the service set it.
"""

from __future__ import annotations

from typing import Any

# What names a place and how to get in; the rest of a pool's arguments is the service's choice.
_PLACE = ("host", "port", "db", "path", "username", "password", "credential_provider")


class Repointed:
    """A redis-py connection pool, synchronous or asynchronous, that leads to another Redis until `restore`.

    Args:
        pool: The pool of the service's client.
        url: Where it is to lead.
        keep_db: Keep the pool's own database number instead of the URL's, for services with several.
    """

    def __init__(self, pool: Any, url: str, *, keep_db: bool = False) -> None:
        self._pool = pool
        self._was = (pool.connection_class, pool.connection_kwargs)
        target = _pool_class(pool).from_url(url)
        kept = {
            name: value
            for name, value in pool.connection_kwargs.items()
            if name not in _PLACE and not name.startswith("ssl")
        }
        place = dict(target.connection_kwargs)
        if keep_db and "db" in pool.connection_kwargs:
            place["db"] = pool.connection_kwargs["db"]
        self._set(target.connection_class, {**kept, **place})

    def restore(self) -> None:
        """Lead where it led before."""
        self._set(*self._was)

    def _set(self, connection_class: Any, kwargs: dict[str, Any]) -> None:
        # Connections to the old place are dropped, not closed: an asynchronous one belongs to some loop.
        # What the pool of a synchronous client holds is closed, since nothing else would.
        if not _is_async(self._pool):
            self._pool.disconnect()
        self._pool.reset()
        self._pool.connection_class = connection_class
        self._pool.connection_kwargs = kwargs


def _is_async(pool: Any) -> bool:
    return any(base.__module__.startswith("redis.asyncio") for base in type(pool).__mro__)


def _pool_class(pool: Any) -> Any:
    if _is_async(pool):
        from redis.asyncio import ConnectionPool as AsyncPool

        return AsyncPool
    from redis import ConnectionPool

    return ConnectionPool
