"""Tests that are coroutines, each in a loop of its own, with one queue in a module for all of them."""

from __future__ import annotations

import asyncio

import pytest

pytest.importorskip("saq")

from pytest_jobqueue import JobQueue
from pytest_jobqueue.errors import UsageError


async def _a_service_at_work(jobqueue, service):
    await service.QUEUE.enqueue("add", left=1, right=2)
    await jobqueue.producer.aenqueue("twice", number=5)
    await jobqueue.producer.aenqueue_many("multiply", [(3, 4), (5, 6)])

    drained = await jobqueue.worker.adrain()

    assert drained.results == [3, None, 12, 30, 5, 6]
    assert jobqueue.binding.pending() == []


@pytest.mark.parametrize("number", range(3))
@pytest.mark.asyncio
async def test_with_pytest_asyncio(number, jobqueue, service):
    await _a_service_at_work(jobqueue, service)


@pytest.fixture
def anyio_backend():
    return "asyncio"


@pytest.mark.parametrize("number", range(3))
@pytest.mark.anyio
async def test_with_anyio(number, jobqueue, service):
    await _a_service_at_work(jobqueue, service)


@pytest.mark.parametrize("number", range(2))
def test_without_a_loop(number, jobqueue, service):
    jobqueue.run(service.QUEUE.enqueue("add", left=1, right=2))
    jobqueue.producer.enqueue("twice", number=5)
    assert jobqueue.worker.drain().results == [3, None, 5, 6]


@pytest.mark.parametrize("number", range(3))
@pytest.mark.asyncio
async def test_who_waits_for_a_job_listens_in_the_same_loop(number, jobqueue, service):
    """Its subscription, and the task that listens, end with the test."""
    job = await service.QUEUE.enqueue("add", left=1, right=2)
    waiting = asyncio.ensure_future(job.refresh(5))
    while not jobqueue.redis.pubsub_numpat():
        await asyncio.sleep(0)
    await jobqueue.worker.adrain()
    await waiting
    assert job.result == 3


@pytest.mark.parametrize("number", range(3))
@pytest.mark.asyncio
async def test_and_who_waits_for_many(number, jobqueue, service):
    mapped = asyncio.ensure_future(
        service.QUEUE.map(
            "add", [{"left": number, "right": 1} for number in range(30)], timeout=5, poll_interval=0.01
        )
    )
    while len(jobqueue.binding.pending()) < 30:
        await asyncio.sleep(0)
    await jobqueue.worker.adrain()
    assert await mapped == [*range(1, 31)]


@pytest.mark.parametrize("number", range(2))
@pytest.mark.asyncio
async def test_more_calls_at_once_than_the_queue_lets_through(number, jobqueue, service):
    """The semaphore in front of its connections belongs to one loop as well."""
    await asyncio.gather(*(service.QUEUE.enqueue("add", left=n, right=0) for n in range(50)))
    assert sorted((await jobqueue.worker.adrain()).results) == [*range(50)]


@pytest.mark.asyncio
async def test_the_synchronous_methods_are_refused_in_a_loop(jobqueue):
    with pytest.raises(UsageError, match="await the method of the same name"):
        jobqueue.worker.drain()


@pytest.mark.asyncio
async def test_a_queue_of_ones_own_is_closed_in_its_loop(jobqueue_server, jobqueue_url, service):
    async with JobQueue(service.settings(), jobqueue_server) as jobqueue:
        await jobqueue.producer.aenqueue("add", 1, 2)
        assert (await jobqueue.worker.adrain()).results == [3]
