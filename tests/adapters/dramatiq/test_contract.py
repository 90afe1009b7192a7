"""Dramatiq through the door that is open to every adapter."""

from __future__ import annotations

import pytest

from pytest_jobqueue.contracts import jobs
from pytest_jobqueue.contracts.adapter import AdapterContract, Names

dramatiq = pytest.importorskip("dramatiq")
redis_broker = pytest.importorskip("dramatiq.brokers.redis")


class TestDramatiq(AdapterContract):
    names = Names("add", "keywords", "boom", "flaky", "hooked")

    @pytest.fixture
    def jobqueue_app(self):
        broker = redis_broker.RedisBroker(host="redis.invalid")
        for function in (jobs.add, jobs.keywords, jobs.flaky):
            dramatiq.actor(broker=broker)(function)
        for function in (jobs.boom, jobs.hooked):  # by default, Dramatiq retries 20 times
            dramatiq.actor(broker=broker, max_retries=0)(function)
        return broker
