"""Tests that are coroutines, each in a loop of its own, with a pool of the service that outlives them all."""

from __future__ import annotations

import asyncio

import pytest

pytest.importorskip("arq")
pytest_asyncio = pytest.importorskip("pytest_asyncio")

from pytest_jobqueue import JobQueue
from pytest_jobqueue.errors import DrainTimeoutError, UsageError


async def _a_service_at_work(jobqueue, service):
    await service.enqueue("add", 1, 2)
    await jobqueue.producer.aenqueue("twice", 5)
    await jobqueue.producer.aenqueue_many("add", [(3, 4), (5, 6)])

    drained = await jobqueue.worker.adrain()

    assert drained.results == [3, None, 7, 11, 5, 6]
    assert jobqueue.binding.pending() == []


@pytest.mark.parametrize("number", range(3))
@pytest.mark.asyncio
async def test_with_pytest_asyncio(number, jobqueue, service):
    pytest.importorskip("pytest_asyncio")
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
    jobqueue.run(service.enqueue("add", 1, 2))
    jobqueue.producer.enqueue("twice", 5)
    assert jobqueue.worker.drain().results == [3, None, 5, 6]


@pytest.mark.asyncio
async def test_the_synchronous_methods_are_refused_in_a_loop(jobqueue):
    with pytest.raises(UsageError, match="await the method of the same name"):
        jobqueue.worker.drain()
    with pytest.raises(UsageError, match="await the method of the same name"):
        jobqueue.producer.enqueue("add", 1, 2)


@pytest.mark.asyncio
async def test_a_queue_of_ones_own_is_closed_in_its_loop(jobqueue_server, jobqueue_url, service):
    from support.arq_service import settings

    async with JobQueue(settings(), jobqueue_server) as jobqueue:
        await jobqueue.producer.aenqueue("add", 1, 2)
        assert (await jobqueue.worker.adrain()).results == [3]


@pytest.mark.asyncio
async def test_or_it_is_said_how(jobqueue_server, jobqueue_url, service):
    from support.arq_service import settings

    jobqueue = JobQueue(settings(), jobqueue_server)
    await jobqueue.producer.aenqueue("add", 1, 2)
    with pytest.raises(UsageError, match="write 'async with JobQueue"):
        jobqueue.close()
    await jobqueue.release()


def test_a_service_that_ends_its_loop_by_itself_does_not_spoil_the_next_test(jobqueue, service):
    async def main():
        await service.enqueue("add", 1, 2)
        await jobqueue.worker.adrain()
        await jobqueue.release()

    asyncio.run(main())
    asyncio.run(main())
    assert service.calls == [("add", 1, 2)] * 2


async def hang(ctx):
    await asyncio.Event().wait()


@pytest.mark.jobqueue(app={"functions": [hang]})
@pytest.mark.asyncio
async def test_a_job_that_hangs_is_named(jobqueue):
    await jobqueue.producer.aenqueue("hang")
    with pytest.raises(DrainTimeoutError, match=r"\(0\.5 s\) was up while hang\(\)"):
        await jobqueue.worker.adrain(timeout=0.5)


@pytest_asyncio.fixture
async def at_work(jobqueue, service):
    """A fixture that uses the service before and after the test, in the loop of both."""
    await service.enqueue("add", 1, 1)
    yield
    await service.enqueue("add", 2, 2)
    assert (await jobqueue.worker.adrain()).results == [4]


@pytest.mark.parametrize("number", range(2))
@pytest.mark.asyncio
async def test_a_fixture_can_go_on_after_the_test(number, jobqueue, at_work):
    assert (await jobqueue.worker.adrain()).results == [2]


def test_a_fixture_of_a_test_that_is_no_coroutine(jobqueue, at_work):
    assert len(jobqueue.binding.pending()) == 1
    assert jobqueue.worker.drain().results == [2]


@pytest.mark.asyncio(loop_scope="module")
class TestInOneLoop:
    """Several tests can share a loop."""

    @pytest.mark.parametrize("number", range(3))
    async def test_each_leaves_nothing_to_the_next(self, number, jobqueue, service):
        await _a_service_at_work(jobqueue, service)


@pytest.mark.asyncio
async def test_two_drains_at_once_share_the_jobs(jobqueue, service):
    await jobqueue.producer.aenqueue_many("sleep", [(0.01,)] * 4)
    drained = await asyncio.gather(jobqueue.worker.adrain(), jobqueue.worker.adrain())
    assert sum(map(len, drained)) == 4
    assert min(map(len, drained)) > 0
