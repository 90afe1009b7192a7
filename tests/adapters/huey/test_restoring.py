"""The application is as it was, and an application that cannot be bound is told so and left alone."""

from __future__ import annotations

import pytest

from pytest_jobqueue.errors import UsageError

huey = pytest.importorskip("huey")

from pytest_jobqueue.adapters.huey import place
from pytest_jobqueue.adapters.huey.binding import HueyBinding

# Huey 3.0 stores an expiring result by a method that newer versions of redis-py call deprecated.
pytestmark = pytest.mark.filterwarnings("ignore:Call to deprecated setex:DeprecationWarning")


def state(app):
    pool = app.storage.pool if hasattr(app.storage, "pool") else None
    return (
        app.storage,
        app.immediate,
        {kind: list(found) for kind, found in app._signal.receivers.items()},
        getattr(app, "_timeout_handler", None),
        pool and (pool.connection_class, dict(pool.connection_kwargs)),
        getattr(app.storage, "blocking", None),
    )


@pytest.mark.parametrize("immediate", [False, True])
@pytest.mark.parametrize("kind", ["RedisHuey", "PriorityRedisHuey", "RedisExpireHuey"])
def test_everything_is_as_before(kind, immediate, jobqueue_url):
    app = getattr(huey, kind)("service", host="redis.invalid", db=3, password="secret", immediate=immediate)

    @app.task()
    def add(left, right):
        return left + right

    before = state(app)
    binding = HueyBinding(app, jobqueue_url)
    add(1, 2)
    assert binding.run_next().result == 3
    binding.close()
    assert state(app) == before


def test_with_a_consumer_of_processes(app, jobqueue_url):
    if not hasattr(app, "_timeout_handler"):
        pytest.skip("time limits are in Huey 3")
    app.create_consumer(worker_type="process")
    before = state(app)
    binding = HueyBinding(app, jobqueue_url)
    assert app._timeout_handler is place.alarm
    binding.close()
    assert state(app) == before


def test_an_application_that_is_used_by_its_pool_alone(jobqueue_url):
    import redis

    pool = redis.ConnectionPool(host="redis.invalid")
    app = huey.RedisHuey("service", connection_pool=pool)
    binding = HueyBinding(app, jobqueue_url)
    assert redis.Redis(connection_pool=pool).ping()
    binding.close()
    assert pool.connection_kwargs["host"] == "redis.invalid"


@pytest.mark.parametrize(
    ("kind", "store"), [("MemoryHuey", "MemoryStorage"), ("SqliteHuey", "SqliteStorage")]
)
@pytest.mark.parametrize("immediate", [False, True])
def test_another_storage(kind, store, immediate, tmp_path):
    options = {"filename": str(tmp_path / "huey.db")} if kind == "SqliteHuey" else {}
    app = getattr(huey, kind)("service", immediate=immediate, **options)
    before = app.storage
    with pytest.raises(UsageError) as caught:
        HueyBinding(app, "redis://127.0.0.1:1")
    assert str(caught.value) == (
        f"the Huey 'service' ({kind}) keeps its tasks in a {store}, not in Redis; for tests on a Redis make "
        "it a RedisHuey, PriorityRedisHuey or RedisExpireHuey"
    )
    assert (app.storage, app.immediate) == (before, immediate)
    for storage in (app.storage, before):
        storage.close()


def test_private_names_that_are_used():
    """Read the head of `place` when this fails."""
    app = huey.RedisHuey("service")

    @app.task()
    def add(left, right):
        return left + right

    assert list(app._registry._registry) == [f"{__name__}.add"]
    if int(huey.__version__[0]) >= 3:
        app.create_consumer(worker_type="process")
        assert place._is_of_processes(app._timeout_handler)
