"""Jobs that are enqueued and drained inside of a running loop, by pytest-asyncio and by anyio."""

from __future__ import annotations

import asyncio
import functools

import pytest

pytest.importorskip("taskiq_redis")

from taskiq import TaskiqEvents
from taskiq_redis import ListQueueBroker, RedisAsyncResultBackend, RedisStreamBroker

from pytest_jobqueue.errors import DrainTimeoutError, UsageError

NOWHERE = "redis://nowhere.invalid:6399/5"
TRACE: list[str] = []


@functools.lru_cache
def service(kind):
    """As a service has it: made once, in a module."""
    broker = kind(NOWHERE).with_result_backend(RedisAsyncResultBackend(NOWHERE))
    broker.add_event_handler(TaskiqEvents.WORKER_STARTUP, lambda state: TRACE.append("up"))
    broker.add_event_handler(TaskiqEvents.WORKER_SHUTDOWN, lambda state: TRACE.append("down"))

    @broker.task("add")
    async def add(left: int, right: int):
        await asyncio.sleep(0)
        return left + right

    @broker.task("parent")
    async def parent():
        await add.kiq(1, 1)

    @broker.task("sleep")
    async def sleep(seconds: float):
        await asyncio.sleep(seconds)

    return broker


@pytest.fixture(params=[ListQueueBroker, RedisStreamBroker])
def jobqueue_app(request):
    TRACE.clear()
    return service(request.param)


async def _a_service_at_work(jobqueue, broker):
    task = await broker.find_task("add").kiq(1, 2)
    await jobqueue.producer.aenqueue("parent")
    await jobqueue.producer.aenqueue_many("add", [(3, 4), (5, 6)])

    drained = await jobqueue.worker.adrain()

    assert drained.results == [3, None, 7, 11, 2]
    assert (await task.wait_result(timeout=5)).return_value == 3
    assert jobqueue.binding.pending() == []
    assert TRACE == ["up"]


@pytest.mark.parametrize("number", range(2))
@pytest.mark.asyncio
async def test_with_pytest_asyncio(number, jobqueue, jobqueue_app):
    pytest.importorskip("pytest_asyncio")
    await _a_service_at_work(jobqueue, jobqueue_app)


@pytest.fixture
def anyio_backend():
    return "asyncio"


@pytest.mark.parametrize("number", range(2))
@pytest.mark.anyio
async def test_with_anyio(number, jobqueue, jobqueue_app):
    await _a_service_at_work(jobqueue, jobqueue_app)


@pytest.mark.parametrize("number", range(2))
def test_without_a_loop(number, jobqueue, jobqueue_app):
    jobqueue.run(_without_a_loop(jobqueue_app))
    jobqueue.producer.enqueue("parent")
    assert jobqueue.worker.drain().results == [3, None, 2]
    jobqueue.close()
    assert TRACE == ["up", "down"]


async def _without_a_loop(broker):
    await broker.startup()  # as a client, which a worker's events are not for
    await broker.find_task("add").kiq(1, 2)


@pytest.mark.asyncio
async def test_the_synchronous_methods_are_refused_in_a_loop(jobqueue):
    for act in (jobqueue.worker.drain, jobqueue.worker.tick, lambda: jobqueue.producer.enqueue("add", 1, 2)):
        with pytest.raises(UsageError, match="await the method of the same name"):
            act()


@pytest.mark.asyncio
async def test_abandoning_and_ticking(jobqueue, jobqueue_app):
    await jobqueue.producer.aenqueue("add", 1, 2)
    assert (await jobqueue.worker.aabandon_next()).args == (1, 2)
    assert await jobqueue.worker.arecover() == 0
    assert await jobqueue.worker.atick() == 0
    assert len(jobqueue.binding.running()) == jobqueue.binding.caps.acks


@pytest.mark.asyncio
async def test_a_job_that_hangs_is_named(jobqueue):
    await jobqueue.producer.aenqueue("sleep", 3)
    with pytest.raises(DrainTimeoutError, match=r"\(0\.5 s\) was up while sleep\(3\)"):
        await jobqueue.worker.adrain(timeout=0.5)


def test_one_that_hangs_without_a_loop_too(jobqueue):
    jobqueue.producer.enqueue("sleep", 3)
    with pytest.raises(DrainTimeoutError, match=r"\(0\.5 s\) was up while sleep\(3\)"):
        jobqueue.worker.drain(timeout=0.5)
