"""Where a service's arq leads: to our Redis while it lasts, and afterwards as before.

`WorkerSettings.redis_settings` is changed in place, so that whoever makes a pool of the same object is led to
the same Redis; a `redis_pool` that is there already is led there too. Two names that arq does not document
are used here: `worker.get_kwargs`, by which its command line reads the settings, and `connections.uuid4`,
from which a job's id comes. arq sorts jobs of one millisecond by id; as long as this lasts, ids come in
order, so that a test finds its jobs in the order in which they were enqueued, every time.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from arq import connections
from arq.connections import RedisSettings
from arq.worker import get_kwargs

from pytest_jobqueue.adapters.pools import Repointed

if TYPE_CHECKING:
    from collections.abc import Callable

_PLACE = ("host", "port", "unix_socket_path", "database", "username", "password", "ssl", "sentinel")
_RANDOM_BITS = 64


class Place:
    """Worker settings that lead to another Redis, until `restore`.

    Args:
        app: A class or a mapping, as arq's command line takes it.
        url: Where they are to lead.

    Attributes:
        kwargs: What the settings give to arq's worker.
        redis_settings: Those of the service, or made for it if it has none.
    """

    def __init__(self, app: Any, url: str) -> None:
        self.kwargs: dict[str, Any] = dict(get_kwargs(dict(app) if isinstance(app, Mapping) else app))
        own = self.kwargs.get("redis_settings")
        self.redis_settings: RedisSettings = RedisSettings() if own is None else own
        self._was = dict(vars(self.redis_settings))
        target = _settings_for(url)
        for name in _PLACE:
            setattr(self.redis_settings, name, getattr(target, name))
        pool = self.kwargs.get("redis_pool")
        self._pool = None if pool is None else Repointed(pool.connection_pool, url)
        self._context = self.kwargs.get("ctx")
        self._context_was = dict(self._context or {})
        self._uuid4 = getattr(connections.uuid4, "original", connections.uuid4)
        connections.uuid4 = _IdsInOrder(self._uuid4)

    def restore(self) -> None:
        """Lead where they led before."""
        connections.uuid4 = self._uuid4
        if self._pool is not None:
            self._pool.restore()
        if self._context:
            self._context.clear()
            self._context.update(self._context_was)
        vars(self.redis_settings).update(self._was)


def _settings_for(url: str) -> RedisSettings:
    settings = RedisSettings.from_dsn(url)
    if settings.password:
        settings.password = unquote(settings.password)  # as redis-py reads a URL, and arq does not
    return settings


class _IdsInOrder:
    """Ids each of which comes after the one before.

    Attributes:
        original: What makes the ids when nobody looks.
    """

    def __init__(self, original: Callable[[], uuid.UUID]) -> None:
        self.original = original
        self._last = 0

    def __call__(self) -> uuid.UUID:
        self._last = max(self._last + 1, time.time_ns())
        return uuid.UUID(int=self._last << _RANDOM_BITS | self.original().int >> _RANDOM_BITS)
