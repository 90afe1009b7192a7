"""Jobs that a worker takes and does not run, and jobs that it cannot run."""

from __future__ import annotations

import asyncio
import datetime as dt

import pytest

streaq = pytest.importorskip("streaq")


async def act(worker, coroutine):
    async with worker:
        return await coroutine


def only(drained):
    (outcome,) = drained
    return outcome.status, outcome.reason, outcome.exception


def test_one_that_expired(jobqueue, worker, travel):
    worker.task(name="note", expire=60)(lambda: None)
    job = jobqueue.producer.enqueue("note")
    jobqueue.redis.delete(worker.task_key + job.id)  # as the server does when its time is up
    assert only(jobqueue.worker.drain()) == ("dropped", "Task expired!", None)
    assert jobqueue.journal.outcomes[0].job.name == "note"


def test_one_that_was_aborted_before(jobqueue, worker, add):
    job = jobqueue.producer.enqueue(add.fn_name, 1, 2)
    jobqueue.run(act(worker, worker.abort_by_id(job.id, timeout=0)))
    assert only(jobqueue.worker.drain()) == ("dropped", "Task aborted prior to run!", None)


def test_one_that_is_aborted_while_it_runs(jobqueue, worker):
    started = asyncio.Event

    @worker.task(name="long")
    async def long():
        began.set()
        await asyncio.sleep(30)

    began = started()

    async def both():
        job = await jobqueue.producer.aenqueue("long")
        drain = asyncio.ensure_future(jobqueue.worker.adrain())
        await began.wait()
        async with worker:
            aborting = asyncio.ensure_future(worker.abort_by_id(job.id))
            while not aborting.done():
                await jobqueue.worker.atick()  # which is where a worker looks for what is aborted
            return await aborting, await drain

    aborted, drained = jobqueue.run(both())
    assert aborted
    assert only(drained) == ("dropped", "it was aborted", None)


def test_one_that_is_unique_and_runs_already(jobqueue, worker):
    worker.task(name="sole", unique=True, timeout=60)(lambda: None)
    jobqueue.redis.set(f"{worker.prefix}:task:lock:sole", "another")
    jobqueue.producer.enqueue("sole")
    status, reason, exception = only(jobqueue.worker.drain())
    assert (status, exception) == ("dropped", None)
    assert "Task is unique" in reason


def test_a_periodic_one_that_is_too_late(travel, worker, request):
    worker.cron("30 4 * * *", name="sweep", max_schedule_drift=dt.timedelta(minutes=5))(lambda: None)
    jobqueue = request.getfixturevalue("jobqueue")
    travel(3 * 3600)
    status, reason, exception = only(jobqueue.worker.drain())
    assert (status, exception) == ("dropped", None)
    assert "max schedule drift" in reason


def test_one_of_no_task_is_an_error(jobqueue, worker):
    jobqueue.run(act(worker, worker.enqueue_unsafe("elsewhere", 1)))
    (outcome,) = jobqueue.worker.drain(on_error="record")
    assert (outcome.status, outcome.job.name, outcome.job.args) == ("failed", "elsewhere", (1,))
    assert "Missing function elsewhere" in str(outcome.exception)


def test_one_that_cannot_be_read_is_an_error(jobqueue, worker, add):
    job = jobqueue.producer.enqueue(add.fn_name, 1, 2)
    jobqueue.redis.set(worker.task_key + job.id, b"\x80 no pickle")
    with pytest.raises(streaq.StreaqError, match="Failed to deserialize"):
        jobqueue.worker.drain()


def test_an_error_of_streaqs_kind_that_a_job_raises_is_its_own(jobqueue, worker):
    def boom():
        raise streaq.types.StreaqCancelled("by myself")

    worker.task(name="boom")(boom)
    jobqueue.producer.enqueue("boom")
    with pytest.raises(streaq.types.StreaqCancelled, match="by myself"):
        jobqueue.worker.drain()
