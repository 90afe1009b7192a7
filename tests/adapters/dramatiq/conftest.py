"""A broker that leads nowhere by itself, as `jobqueue_app`, with results and barriers; and a clock."""

from __future__ import annotations

import contextlib
import datetime as dt
import warnings
from functools import partial

import pytest

# Dramatiq 1 warns on import of its backends about each optional client that is not installed.
with warnings.catch_warnings(), contextlib.suppress(ImportError):
    warnings.simplefilter("ignore", ImportWarning)
    import dramatiq.rate_limits.backends
    import dramatiq.results.backends  # noqa: F401


@pytest.fixture
def broker():
    """With the middleware that services add most often."""
    pytest.importorskip("dramatiq")
    from dramatiq.brokers.redis import RedisBroker
    from dramatiq.middleware import AsyncIO, CurrentMessage, GroupCallbacks
    from dramatiq.rate_limits.backends import RedisBackend as Limiter
    from dramatiq.results import Results
    from dramatiq.results.backends import RedisBackend

    broker = RedisBroker(host="redis.invalid")
    broker.add_middleware(Results(backend=RedisBackend(host="redis.invalid", db=2), store_results=True))
    broker.add_middleware(GroupCallbacks(Limiter(host="redis.invalid", db=3)))
    broker.add_middleware(AsyncIO())
    broker.add_middleware(CurrentMessage())
    return broker


@pytest.fixture
def actor(broker):
    """`dramatiq.actor` for this broker."""
    import dramatiq

    return partial(dramatiq.actor, broker=broker)


@pytest.fixture
def jobqueue_app(broker):
    return broker


@pytest.fixture
def backend(broker):
    return broker.get_results_backend()


@pytest.fixture
def travel():
    time_machine = pytest.importorskip("time_machine")
    with time_machine.travel(dt.datetime(2026, 11, 24, 3, 2, 41, tzinfo=dt.timezone.utc), tick=True) as clock:
        yield clock.shift
