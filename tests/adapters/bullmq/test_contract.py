"""BullMQ through the door that is open to everybody's adapter."""

from __future__ import annotations

import pytest

pytest.importorskip("bullmq")

from pytest_jobqueue.contracts import jobs
from pytest_jobqueue.contracts.adapter import AdapterContract, Names


async def process(job, token):
    data = job.data if isinstance(job.data, list) else [job.data]
    return {"add": jobs.add, "boom": jobs.boom, "flaky": jobs.flaky, "hooked": jobs.hooked}[job.name](*data)


class TestBullMQ(AdapterContract):
    names = Names(
        "add",
        "keywords",
        "boom",
        "flaky",
        "hooked",
        retry_options={"attempts": 3, "backoff": {"type": "fixed", "delay": 60_000}},
        queue="service",
    )

    @pytest.fixture
    def jobqueue_app(self):
        return {"queue": "service", "processor": process}

    def test_a_job_whose_worker_died_is_recovered(self, jobqueue, travel):
        if jobqueue.server.mode != "fake":
            pytest.skip("its lock expires by the server's clock, which no test moves; see test_stalled")
        super().test_a_job_whose_worker_died_is_recovered(jobqueue, travel)
