"""Where a broker and its backends keep things: ours while it lasts, and afterwards as before.

Every redis-py client that the broker, a middleware or a middleware's backend holds is led to our Redis, so
results and barriers come along. What would outlast the test is put aside.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import redis
from dramatiq.brokers.redis import RedisBroker
from dramatiq.middleware import TimeLimit

from pytest_jobqueue.adapters.dramatiq.limits import Limits
from pytest_jobqueue.adapters.pools import Repointed
from pytest_jobqueue.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dramatiq.broker import Broker
    from dramatiq.middleware import Middleware

# Sets environment variables and metrics for its process when that boots, and nothing takes them back.
_STANDS_ASIDE = "dramatiq.middleware.prometheus"


class Place:
    """A broker that leads to another Redis, with one more middleware, until `restore`.

    Args:
        broker: The application.
        url: Where it is to lead.
        recorder: The middleware that is added, the last.

    Raises:
        UsageError: It is no `RedisBroker`.
    """

    def __init__(self, broker: Broker, url: str, recorder: Middleware) -> None:
        check_broker(broker)
        self._broker = broker
        self._middleware = list(broker.middleware)
        self._chance = broker.maintenance_chance
        self._broker_id = broker.broker_id
        self._limits = Limits()
        self._managers = [
            (one, one.manager)
            for one in broker.middleware
            if isinstance(one, TimeLimit) and hasattr(one.manager, "deadlines") and not one.manager.is_alive()
        ]
        pools = {id(pool): pool for pool in pools_of(broker)}
        self._repointed = [Repointed(pool, url) for pool in pools.values()]
        for one, _ in self._managers:
            one.manager = self._limits
        broker.middleware[:] = [one for one in broker.middleware if not _stands_aside(one)]
        broker.add_middleware(recorder)
        self._recorder = recorder
        broker.maintenance_chance = 0  # by chance, one command in a thousand looks for abandoned messages

    def restore(self) -> None:
        """Lead where it led before; middleware that was added meanwhile stays."""
        self._limits.stop()
        for one, manager in self._managers:
            one.manager = manager
        ours = (*self._middleware, self._recorder)
        added = [one for one in self._broker.middleware if not any(one is other for other in ours)]
        self._broker.middleware[:] = [*self._middleware, *added]
        self._broker.maintenance_chance = self._chance
        self._broker.broker_id = self._broker_id
        for repointed in self._repointed:
            repointed.restore()


def check_broker(broker: Broker) -> None:
    """Raise an error if its messages are not in a Redis."""
    if not isinstance(broker, RedisBroker):
        kind = type(broker).__name__
        where = "in memory" if kind == "StubBroker" else "elsewhere than in Redis"
        raise UsageError(
            f"the broker is a {kind}, which keeps its messages {where}; for tests on a Redis give a "
            "dramatiq.brokers.redis.RedisBroker as jobqueue_app, the one that the actors were declared with"
        )


def _stands_aside(middleware: Middleware) -> bool:
    return any(base.__module__ == _STANDS_ASIDE for base in type(middleware).__mro__)


def pools_of(broker: RedisBroker) -> Iterator[redis.ConnectionPool]:
    """The pools of all clients that belong to the broker."""
    held = [value for one in broker.middleware for value in getattr(one, "__dict__", {}).values()]
    candidates: list[Any] = [broker.client, *held, *(getattr(value, "client", None) for value in held)]
    for candidate in candidates:
        pool = getattr(candidate, "connection_pool", None)
        if isinstance(pool, redis.ConnectionPool):
            yield pool
