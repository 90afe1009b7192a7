"""A job is run again if it asks for that, or after a time-out if its task says so."""

from __future__ import annotations

import asyncio
import datetime as dt
import inspect
import time

import pytest

streaq = pytest.importorskip("streaq")


def test_the_delays_grow_with_the_tries(jobqueue, worker, travel):
    @worker.task(name="busy", max_tries=None)
    async def busy():
        raise streaq.StreaqRetry("busy")

    jobqueue.producer.enqueue("busy")
    waited = []
    for attempt in range(3):
        (outcome,) = jobqueue.worker.drain()
        assert (outcome.status, outcome.exception) == ("retrying", None)
        (job,) = jobqueue.binding.retrying()
        assert job.attempts == attempt + 1
        waited.append(round(job.due_at - time.time()))
        travel(job.due_at - time.time() + 0.01)
    assert waited == [1, 4, 9]


def test_at_a_moment(jobqueue, worker, travel):
    when = dt.datetime(2027, 1, 1, tzinfo=dt.timezone.utc)

    @worker.task(name="wait")
    async def wait():
        raise streaq.StreaqRetry(schedule=when)

    jobqueue.producer.enqueue("wait")
    jobqueue.worker.drain()
    assert jobqueue.binding.next_due() == when.timestamp()


def test_the_reason_for_it_is_the_jobs_exception(jobqueue, worker):
    @worker.task(name="fetch")
    async def fetch():
        try:
            raise ConnectionError("no answer")
        except ConnectionError as error:
            raise streaq.StreaqRetry(delay=60) from error

    jobqueue.producer.enqueue("fetch")
    with pytest.raises(ConnectionError, match="no answer"):
        jobqueue.worker.drain()
    jobqueue.assert_retrying("fetch", error="no answer")


def test_too_many_tries(jobqueue, worker, travel):
    @worker.task(name="busy", max_tries=2)
    async def busy():
        raise streaq.StreaqRetry(delay=1)

    jobqueue.producer.enqueue("busy")
    for _ in range(2):
        jobqueue.worker.drain()
        travel(2)
    with pytest.raises(streaq.StreaqError, match="Max retry attempts"):
        jobqueue.worker.drain()
    jobqueue.assert_dead("busy", error="Max retry attempts")


@pytest.mark.parametrize("is_async", [True, False])
def test_a_time_limit(is_async, jobqueue, worker):
    async def sleep():
        await asyncio.sleep(30)

    def spin():
        while True:
            pass

    worker.task(name="slow", timeout=dt.timedelta(milliseconds=50))(sleep if is_async else spin)
    jobqueue.producer.enqueue("slow")
    with pytest.raises(TimeoutError, match="Task timed out"):
        jobqueue.worker.drain()
    jobqueue.assert_dead("slow", error="timed out")


@pytest.mark.skipif(
    "retry_timeouts" not in inspect.signature(streaq.Worker.cron).parameters,
    reason="this streaQ tries no time-out again",
)
@pytest.mark.parametrize("is_async", [True, False])
def test_a_time_limit_that_is_tried_again(is_async, jobqueue, worker):
    async def sleep():
        await asyncio.sleep(30)

    def spin():
        while True:
            pass

    limit = dt.timedelta(milliseconds=50)
    worker.task(name="slow", timeout=limit, retry_timeouts=True)(sleep if is_async else spin)
    jobqueue.producer.enqueue("slow")
    (outcome,) = jobqueue.worker.drain(on_error="record")
    assert outcome.status == "retrying"
    assert isinstance(outcome.exception, TimeoutError)
    jobqueue.assert_retrying("slow", error="timed out")
