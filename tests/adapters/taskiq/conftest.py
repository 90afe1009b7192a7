"""Brokers that lead nowhere, of both kinds, and a clock that moves when it is told."""

from __future__ import annotations

import datetime as dt

import pytest

NOWHERE = "redis://nowhere.invalid:6399/5"


@pytest.fixture
def nowhere():
    return NOWHERE


@pytest.fixture
def lists():
    """A `ListQueueBroker` with results."""
    taskiq_redis = pytest.importorskip("taskiq_redis")
    return taskiq_redis.ListQueueBroker(NOWHERE).with_result_backend(
        taskiq_redis.RedisAsyncResultBackend(NOWHERE, result_ex_time=600)
    )


@pytest.fixture
def streams():
    """A `RedisStreamBroker` with results."""
    taskiq_redis = pytest.importorskip("taskiq_redis")
    return taskiq_redis.RedisStreamBroker(NOWHERE).with_result_backend(
        taskiq_redis.RedisAsyncResultBackend(NOWHERE, result_ex_time=600)
    )


@pytest.fixture(params=["lists", "streams"])
def broker(request):
    """Either."""
    return request.getfixturevalue(request.param)


@pytest.fixture
def source():
    """A `ListRedisScheduleSource`."""
    return pytest.importorskip("taskiq_redis").ListRedisScheduleSource(NOWHERE)


@pytest.fixture
def jobqueue_app(broker):
    return broker


@pytest.fixture
def travel():
    """Move the clock forward by some seconds; it stands still otherwise."""
    time_machine = pytest.importorskip("time_machine")
    start = dt.datetime(2026, 11, 24, 3, 2, 41, tzinfo=dt.timezone.utc)
    with time_machine.travel(start, tick=False) as clock:
        yield clock.shift
