"""arq through the door that is open to everybody's adapter."""

from __future__ import annotations

import pytest

pytest.importorskip("arq")

from arq import Retry
from arq.worker import func

from pytest_jobqueue.contracts import jobs
from pytest_jobqueue.contracts.adapter import AdapterContract, Names


async def add(ctx, left, right):
    return jobs.add(left, right)


async def keywords(ctx, **kwargs):
    return jobs.keywords(**kwargs)


async def boom(ctx, message):
    jobs.boom(message)


async def flaky(ctx, times):
    try:
        return jobs.flaky(times)
    except ValueError as error:
        raise Retry(defer=60) from error


async def hooked(ctx, name):
    return jobs.hooked(name)


class TestArq(AdapterContract):
    names = Names("add", "keywords", "boom", "flaky", "hooked", queue="arq:queue")

    @pytest.fixture
    def jobqueue_app(self):
        class WorkerSettings:
            functions = (add, keywords, func(boom, max_tries=1), flaky, hooked)
            expires_extra_ms = 30 * 24 * 60 * 60 * 1000  # a contract's test moves time by a day and more

        return WorkerSettings

    def test_a_job_whose_worker_died_is_recovered(self, jobqueue, travel):
        if jobqueue.server.mode != "fake":
            pytest.skip("its in-progress key expires by the server's clock, which no test moves")
        super().test_a_job_whose_worker_died_is_recovered(jobqueue, travel)
