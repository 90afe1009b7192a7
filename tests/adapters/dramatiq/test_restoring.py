"""Broker, backends and process are as they were; and a broker that cannot be bound is told so."""

from __future__ import annotations

import os

import pytest

from pytest_jobqueue.errors import UsageError

dramatiq = pytest.importorskip("dramatiq")
redis_broker = pytest.importorskip("dramatiq.brokers.redis")

from pytest_jobqueue.adapters.dramatiq.binding import DramatiqBinding


def state(broker):
    from dramatiq.middleware import GroupCallbacks, TimeLimit

    limiter = next(one for one in broker.middleware if isinstance(one, GroupCallbacks)).rate_limiter_backend
    clients = [broker.client, broker.get_results_backend().client, limiter.client]
    return (
        list(broker.middleware),
        broker.broker_id,
        broker.maintenance_chance,
        [one.manager for one in broker.middleware if isinstance(one, TimeLimit)],
        [(c.connection_pool.connection_class, dict(c.connection_pool.connection_kwargs)) for c in clients],
        dict(os.environ),
        dramatiq.asyncio.get_event_loop_thread(),
    )


def test_everything_is_as_before(broker, actor, jobqueue_url):
    @actor(max_retries=0)
    def fail():
        raise ValueError

    before = state(broker)
    binding = DramatiqBinding(broker, jobqueue_url)
    fail.send()
    fail.send()
    assert binding.run_next().status == "failed"
    binding.abandon_next()
    binding.recover()
    binding.close()
    assert state(broker) == before


def test_middleware_that_a_test_adds_stays(broker, jobqueue_url):
    binding = DramatiqBinding(broker, jobqueue_url)
    mine = dramatiq.Middleware()
    broker.add_middleware(mine)
    binding.close()
    assert broker.middleware[-1] is mine


def test_a_pool_that_is_shared_is_led_once(jobqueue_url):
    import redis
    from dramatiq.results import Results
    from dramatiq.results.backends import RedisBackend

    client = redis.Redis(host="redis.invalid", db=5)
    broker = redis_broker.RedisBroker(client=client)
    broker.add_middleware(Results(backend=RedisBackend(client=client)))
    binding = DramatiqBinding(broker, jobqueue_url)
    assert client.ping()
    binding.close()
    kwargs = client.connection_pool.connection_kwargs
    assert (kwargs["host"], kwargs["db"]) == ("redis.invalid", 5)


def test_prometheus_stands_aside_since_its_boot_cannot_be_undone(jobqueue_url):
    prometheus = pytest.importorskip("dramatiq.middleware.prometheus", exc_type=ImportError)
    broker = redis_broker.RedisBroker(host="redis.invalid", middleware=[prometheus.Prometheus()])
    before, environment = list(broker.middleware), dict(os.environ)
    binding = DramatiqBinding(broker, jobqueue_url)
    dramatiq.actor(broker=broker, actor_name="quick")(lambda: 3).send()
    assert binding.run_next().result == 3
    binding.close()
    assert (list(broker.middleware), dict(os.environ)) == (before, environment)


def test_a_broker_in_memory():
    from dramatiq.brokers.stub import StubBroker

    broker = StubBroker()
    before = list(broker.middleware)
    with pytest.raises(UsageError) as caught:
        DramatiqBinding(broker, "redis://127.0.0.1:1")
    assert str(caught.value) == (
        "the broker is a StubBroker, which keeps its messages in memory; for tests on a Redis give a "
        "dramatiq.brokers.redis.RedisBroker as jobqueue_app, the one that the actors were declared with"
    )
    assert list(broker.middleware) == before


def test_a_broker_elsewhere():
    class RabbitmqBroker(dramatiq.Broker):
        """Like the one that needs pika."""

    with pytest.raises(UsageError, match=r"is a RabbitmqBroker, which keeps its messages elsewhere than in"):
        DramatiqBinding(RabbitmqBroker(), "redis://127.0.0.1:1")


def test_what_is_used_without_a_promise_is_still_there(broker):
    """Read the heads of `bench`, `limits` and `store` when this fails."""
    from dramatiq.middleware import TimeLimit

    from pytest_jobqueue.adapters.dramatiq import bench

    worker = dramatiq.Worker(broker, worker_threads=1)
    assert (worker.consumers, worker.workers, worker.work_queue.qsize()) == ({}, [], 0)
    for name in ("handle_message", "handle_delayed_messages", "requeue_messages", "post_process_message"):
        assert callable(getattr(bench._Consumer, name))
    assert callable(bench._Worker.process_message)
    (limit,) = (one for one in broker.middleware if isinstance(one, TimeLimit))
    for name in ("start", "add_timeout", "remove_timeout", "is_alive"):
        assert callable(getattr(limit.manager, name))
    assert limit.manager.deadlines == {}
    assert isinstance(broker.scripts, dict)
    assert "dispatch" in broker.scripts
