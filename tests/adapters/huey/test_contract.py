"""Huey through the door that is open to every adapter, with each of its Redis storages."""

from __future__ import annotations

import pytest

from pytest_jobqueue.contracts import jobs
from pytest_jobqueue.contracts.adapter import AdapterContract, Names

huey = pytest.importorskip("huey")

# Huey 3.0 stores an expiring result by a method that newer versions of redis-py call deprecated.
pytestmark = pytest.mark.filterwarnings("ignore:Call to deprecated setex:DeprecationWarning")

HERE = "pytest_jobqueue.contracts.jobs"


class TestRedisHuey(AdapterContract):
    kind = huey.RedisHuey
    options = {}  # noqa: RUF012 (none is ever added)
    names = Names(
        *(f"{HERE}.{name}" for name in ("add", "keywords", "boom", "flaky", "hooked")),
        retry_options={"retries": 2, "retry_delay": 60},
        queue="service",
    )

    @pytest.fixture
    def jobqueue_app(self):
        app = self.kind("service", host="redis.invalid", **self.options)
        for function in (jobs.add, jobs.keywords, jobs.boom, jobs.flaky, jobs.hooked):
            app.task()(function)
        return app


class TestPriorityRedisHuey(TestRedisHuey):
    kind = huey.PriorityRedisHuey


class TestRedisExpireHuey(TestRedisHuey):
    kind = huey.RedisExpireHuey


class TestPriorityRedisExpireHuey(TestRedisHuey):
    kind = huey.PriorityRedisExpireHuey


class TestLocalTime(TestRedisHuey):
    options = {"utc": False}  # noqa: RUF012


class TestWithoutResults(TestRedisHuey):
    options = {"results": False}  # noqa: RUF012
