"""Both brokers of taskiq-redis through the door that is open to everybody's adapter."""

from __future__ import annotations

from types import FunctionType

import pytest

pytest.importorskip("taskiq_redis")

from taskiq import SimpleRetryMiddleware, SmartRetryMiddleware, TaskiqScheduler
from taskiq_redis import ListQueueBroker, ListRedisScheduleSource, RedisAsyncResultBackend, RedisStreamBroker

from pytest_jobqueue.contracts import jobs
from pytest_jobqueue.contracts.adapter import AdapterContract, Names

NOWHERE = "redis://nowhere.invalid:6399/5"


async def add(left: int, right: int):
    return jobs.add(left, right)


def copied(function):
    """A copy, since Taskiq gives another name to what it registers, and leaves that name in the module."""
    copy = FunctionType(function.__code__, function.__globals__, function.__name__)
    copy.__module__, copy.__annotations__ = __name__, function.__annotations__
    return copy


def registered(broker):
    broker.register_task(copied(add), "add")
    broker.register_task(copied(jobs.keywords), "keywords")
    broker.register_task(copied(jobs.boom), "boom")
    broker.register_task(copied(jobs.flaky), "flaky", retry_on_error=True)
    broker.register_task(copied(jobs.hooked), "hooked")
    return broker


class TestLists(AdapterContract):
    names = Names("add", "keywords", "boom", "flaky", "hooked", queue="taskiq")

    @pytest.fixture
    def jobqueue_app(self):
        source = ListRedisScheduleSource(NOWHERE)
        broker = ListQueueBroker(NOWHERE).with_result_backend(RedisAsyncResultBackend(NOWHERE))
        broker.add_middlewares(SmartRetryMiddleware(default_delay=60, schedule_source=source))
        return TaskiqScheduler(registered(broker), [source])


class TestStreams(AdapterContract):
    names = Names("add", "keywords", "boom", "flaky", "hooked", queue="taskiq")

    @pytest.fixture
    def jobqueue_app(self):
        # A message counts as abandoned at once, since the server's clock does not move with the test's.
        broker = RedisStreamBroker(NOWHERE, idle_timeout=0)
        broker.add_middlewares(SimpleRetryMiddleware())
        return registered(broker)
