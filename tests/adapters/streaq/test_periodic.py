"""Periodic jobs count from the moment at which the test began."""

from __future__ import annotations

import time

import pytest

streaq = pytest.importorskip("streaq")


@pytest.fixture
def sweep(worker):
    @worker.cron("30 4 * * *", name="sweep")
    async def sweep():
        return time.strftime("%d. %H:%M", time.gmtime())

    return sweep


def test_it_runs_when_its_time_has_come_and_again(travel, sweep, jobqueue):
    due = jobqueue.binding.next_due()
    assert time.strftime("%H:%M", time.gmtime(due)) == "04:30"
    travel(due - time.time() + 5)
    assert jobqueue.worker.drain().results == ["24. 04:30"]
    assert jobqueue.worker.drain() == []
    assert jobqueue.binding.next_due() == due + 24 * 3600
    travel(24 * 3600)
    jobqueue.worker.tick()
    assert jobqueue.worker.drain().results == ["25. 04:30"]


def test_before_its_time_it_is_scheduled(travel, sweep, jobqueue):
    assert jobqueue.worker.drain() == []
    (job,) = jobqueue.assert_scheduled("sweep")
    assert job.due_at == jobqueue.binding.next_due()


def test_a_job_that_the_service_repeats(travel, jobqueue, add):
    jobqueue.producer.set(schedule="*/10 * * * *").enqueue(add.fn_name, 1, 2)
    travel(600)
    assert jobqueue.worker.drain().results == [3]


def test_it_runs_once_however_many_loops_there_are(travel, sweep, jobqueue):
    import asyncio

    travel(2 * 3600)
    assert jobqueue.worker.drain().results == ["24. 05:02"]

    async def other_loop():
        drained = await jobqueue.worker.adrain()
        await jobqueue.release()
        return drained

    assert asyncio.run(other_loop()) == []
