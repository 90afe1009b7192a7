"""RQ through the door that is open to every adapter: one queue, and several."""

from __future__ import annotations

import pytest

from pytest_jobqueue.contracts.adapter import AdapterContract, Names

rq = pytest.importorskip("rq")
redis = pytest.importorskip("redis")

HERE = "pytest_jobqueue.contracts.jobs"


class TestOneQueue(AdapterContract):
    names = Names(
        *(f"{HERE}.{name}" for name in ("add", "keywords", "boom", "flaky", "hooked")),
        retry_options={"retry": rq.Retry(max=2, interval=60)},
    )

    @pytest.fixture
    def jobqueue_app(self):
        return rq.Queue(connection=redis.Redis("redis.invalid"))


class TestSeveralQueues(TestOneQueue):
    @pytest.fixture
    def jobqueue_app(self):
        client = redis.Redis("redis.invalid")
        return [rq.Queue(name, connection=client) for name in ("high", "default", "low")]


class TestRetriesAtOnce(TestOneQueue):
    names = Names(
        *(f"{HERE}.{name}" for name in ("add", "keywords", "boom", "flaky", "hooked")),
        retry_options={"retry": rq.Retry(max=2)},
    )


class TestJson(TestOneQueue):
    @pytest.fixture
    def jobqueue_app(self):
        return rq.Queue(connection=redis.Redis("redis.invalid"), serializer="rq.serializers.JSONSerializer")
