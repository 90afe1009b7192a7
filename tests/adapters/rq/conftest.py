"""A service with one queue, configured for a Redis that is not there; the contract's jobs; a clock."""

from __future__ import annotations

import datetime as dt

import pytest

from pytest_jobqueue.contracts import jobs


@pytest.fixture
def client():
    """The service's own client, as its configuration has it."""
    redis = pytest.importorskip("redis")
    return redis.Redis("redis.invalid", 6390, db=3)


@pytest.fixture
def queue(client):
    rq = pytest.importorskip("rq")
    return rq.Queue(connection=client)


@pytest.fixture
def jobqueue_app(queue):
    return queue


@pytest.fixture
def travel():
    """Move the time forward by some seconds."""
    time_machine = pytest.importorskip("time_machine")
    with time_machine.travel(dt.datetime.now(dt.timezone.utc), tick=True) as traveller:
        yield traveller.shift


@pytest.fixture(autouse=True)
def _empty():
    jobs.CALLS.clear()
    jobs.HOOKS.clear()
    yield
    jobs.CALLS.clear()
    jobs.HOOKS.clear()


@pytest.fixture
def hook():
    """Let the job `hooked` call a function: returns the arguments to enqueue it with."""

    def give(function, name="it"):
        jobs.HOOKS[name] = function
        return "pytest_jobqueue.contracts.jobs.hooked", name

    return give
