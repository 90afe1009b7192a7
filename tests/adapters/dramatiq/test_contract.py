"""Dramatiq through the door that is open to every adapter."""

from __future__ import annotations

import pytest

from pytest_jobqueue.contracts import jobs
from pytest_jobqueue.contracts.adapter import AdapterContract, Names

dramatiq = pytest.importorskip("dramatiq")
redis_broker = pytest.importorskip("dramatiq.brokers.redis")


class TestDramatiq(AdapterContract):
    names = Names(
        "add",
        "keywords",
        "boom",
        "flaky",
        "hooked",
        retry_options={"max_retries": 3},
        once_options={"max_retries": 0},
    )

    @pytest.fixture
    def jobqueue_app(self):
        broker = redis_broker.RedisBroker(host="redis.invalid")
        for function in (jobs.add, jobs.keywords, jobs.boom, jobs.flaky, jobs.hooked):
            dramatiq.actor(broker=broker)(function)
        return broker
