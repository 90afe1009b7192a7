"""Leading a service's queues to our Redis, and back: their connections, and django-rq's `RQ_QUEUES`.

A connection pool is moved, not replaced, so everything that shares it moves along. django-rq makes a
connection for each call of `get_queue`, from its settings: there the settings are changed in place. A queue
that was made to run its jobs at once (`is_async=False`) queues them, as in production.

Private names of RQ, the same in 2.0.0, 2.6.1 and 3.0.0, stand here only: `Queue._is_async`; the attribute
under which a server's version is kept on the client; and `Job._exc_info`.
"""

from __future__ import annotations

import sys
from functools import partial
from types import ModuleType
from typing import TYPE_CHECKING, Any

import redis
from rq import Queue

from pytest_jobqueue.adapters.pools import Repointed
from pytest_jobqueue.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

_VERSION_OF_SERVER = "__rq_redis_server_version"

# What says in RQ_QUEUES where a queue is, or that it is none; the rest of an entry is about its jobs.
_DJANGO_PLACE = frozenset({
    "ASYNC",
    "URL",
    "HOST",
    "PORT",
    "DB",
    "USERNAME",
    "PASSWORD",
    "SSL",
    "SSL_CERT_REQS",
    "UNIX_SOCKET_PATH",
    "USE_REDIS_CACHE",
    "SENTINELS",
    "SENTINEL_KWARGS",
    "MASTER_NAME",
    "SOCKET_TIMEOUT",
    "CONNECTION_KWARGS",
    "REDIS_CLIENT_KWARGS",
})  # fmt: skip


class Place:
    """Queues that lead to another Redis until `restore`.

    Args:
        app: As for `bind`.
        url: Where they are to lead.

    Attributes:
        queues: The application's queues, in its order.
        django: Whether django-rq made them.

    Raises:
        UsageError: A queue cannot be led there.
    """

    def __init__(self, app: Any, url: str) -> None:
        self._undo: list[Callable[[], None]] = []
        try:
            self.django = _is_django(app)
            if self.django:
                self._move_settings(url)
            self.queues: tuple[Any, ...] = _django_queues() if _is_module(app) else _listed(app)
            for queue in self.queues:
                _check_queue(queue)
            self._move_pools(url)
        except BaseException:
            self.restore()
            raise

    def restore(self) -> None:
        """Lead where they led before."""
        while self._undo:
            self._undo.pop()()

    def _move_pools(self, url: str) -> None:
        moved = set()
        for queue in self.queues:
            client = queue.connection
            self._undo.append(_changed(queue, "_is_async", True))
            self._undo.append(_changed(queue, "redis_server_version", None))
            self._undo.append(_changed(client, _VERSION_OF_SERVER, None))
            pool = client.connection_pool
            if id(pool) not in moved:
                moved.add(id(pool))
                self._leave_sentinel(pool)
                self._undo.append(Repointed(pool, url).restore)

    def _leave_sentinel(self, pool: Any) -> None:
        """A pool of Sentinel's tells its connections whom to ask for the address; ours has one."""
        kwargs = pool.connection_kwargs
        if "connection_pool" in kwargs:
            self._undo.append(partial(setattr, pool, "connection_kwargs", kwargs))
            pool.connection_kwargs = {key: kwargs[key] for key in kwargs if key != "connection_pool"}

    def _move_settings(self, url: str) -> None:
        for config in _django_settings().values():
            was = dict(config)
            self._undo.append(partial(_refill, config, was))
            for name in _DJANGO_PLACE & set(config):
                del config[name]
            config["URL"] = url


def _refill(config: dict[str, Any], was: dict[str, Any]) -> None:
    config.clear()
    config.update(was)


def _changed(thing: Any, name: str, value: Any) -> Callable[[], None]:
    """Change an attribute; what is returned puts the old value back."""
    kept = vars(thing).get(name)
    setattr(thing, name, value)
    return partial(setattr, thing, name, kept)


def error_on_the_job(raw: Any) -> str | None:
    """What RQ 2 writes of a job that was abandoned: on the job itself, and no result."""
    text: str | None = raw._exc_info  # noqa: SLF001 (see the head of this file)
    return text


def _listed(app: Any) -> tuple[Any, ...]:
    queues = tuple(app) if isinstance(app, (list, tuple)) else (app,)
    for queue in queues:
        if not isinstance(queue, Queue):
            raise UsageError(
                f"{queue!r} is among the queues, and is a {type(queue).__qualname__}; give rq.Queue objects"
            )
    kinds = {id(queue.serializer): queue for queue in queues}
    if len(kinds) > 1:
        one, other, *_ = kinds.values()
        raise UsageError(
            f"the queues {one.name!r} and {other.name!r} have different serializers, and a worker of RQ has "
            "one for all its queues; give those of one serializer, and the others in a test of their own"
        )
    return queues


def _check_queue(queue: Any) -> None:
    client = queue.connection
    kind = f"{type(client).__module__}.{type(client).__qualname__}"
    if kind.startswith("fakeredis."):
        raise UsageError(
            f"the queue {queue.name!r} is on a {kind}, which has no address to change; give it a "
            "redis.Redis(), whose address does not matter here (--redis=fake is in memory, too)"
        )
    if not isinstance(client, redis.Redis):
        raise UsageError(
            f"the queue {queue.name!r} is on a {kind}, and only a redis.Redis can be led to the test's Redis"
        )


def _is_module(app: Any) -> bool:
    return isinstance(app, (str, ModuleType))


def _is_django(app: Any) -> bool:
    if _is_module(app):
        return True
    first = app[0] if isinstance(app, (list, tuple)) and app else app
    return any(base.__module__.partition(".")[0] == "django_rq" for base in type(first).__mro__)


def _django_settings() -> dict[str, dict[str, Any]]:
    """`RQ_QUEUES`, as django-rq has it: until 4.0 it keeps what it read first."""
    from django.core.exceptions import ImproperlyConfigured
    from django_rq import settings

    try:
        queues: dict[str, dict[str, Any]] = settings.QUEUES
    except ImproperlyConfigured:
        queues = {}
    if not queues:
        raise UsageError(
            "the application is django-rq, and Django's settings have no RQ_QUEUES; name the queues there"
        )
    return queues


def _django_queues() -> tuple[Any, ...]:
    import django_rq

    return _listed([django_rq.get_queue(name) for name in _django_settings()])


def django_handlers() -> list[Any]:
    """The exception handlers that django-rq gives to its workers."""
    from django_rq.workers import get_exception_handlers

    return list(get_exception_handlers())


def django_queue(name: str) -> Any:
    """A queue of `RQ_QUEUES`, or None where it has none of that name."""
    return sys.modules["django_rq"].get_queue(name) if name in _django_settings() else None
