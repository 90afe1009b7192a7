"""streaQ through the door that is open to everybody's adapter."""

from __future__ import annotations

import pytest

streaq = pytest.importorskip("streaq")

from pytest_jobqueue.contracts import jobs
from pytest_jobqueue.contracts.adapter import AdapterContract, Names


async def add(left, right):
    return jobs.add(left, right)


async def flaky(times):
    try:
        return jobs.flaky(times)
    except ValueError as error:
        raise streaq.StreaqRetry("busy", delay=60) from error


class TestStreaq(AdapterContract):
    names = Names("add", "keywords", "boom", "flaky", "hooked")

    @pytest.fixture
    def jobqueue_app(self):
        worker = streaq.Worker("redis://redis.invalid")
        # Some are coroutine functions and some are not.
        for function in (add, jobs.keywords, jobs.boom, flaky, jobs.hooked):
            worker.task(function)
        return worker

    def test_a_job_whose_worker_died_is_recovered(self, jobqueue, travel):
        if jobqueue.server.mode != "fake":
            pytest.skip("it becomes idle by the server's clock, which no test moves; see test_abandoned")
        super().test_a_job_whose_worker_died_is_recovered(jobqueue, travel)
