"""What calling a job's function and a worker in burst mode hide: the claims of docs/adapters/arq.md."""

from __future__ import annotations

import asyncio
from unittest.mock import AsyncMock

import pytest

pytest.importorskip("arq")
pytest_asyncio = pytest.importorskip("pytest_asyncio")

from arq import Retry, create_pool
from arq.connections import RedisSettings
from arq.jobs import SerializationError
from arq.worker import FailedJobs, Worker, func
from support.arq_service import FUNCTIONS, add, boom, flaky, settings, sleep

from pytest_jobqueue import JobQueue
from pytest_jobqueue.errors import UsageError

pytestmark = pytest.mark.asyncio


# You call the function yourself, and mock `enqueue_job`


async def test_a_name_that_no_worker_knows_is_refused(jobqueue) -> None:
    assert await AsyncMock().enqueue_job("ad", 1, 2)
    with pytest.raises(UsageError, match="did you mean 'add'"):
        await jobqueue.producer.aenqueue("ad", 1, 2)


async def test_arguments_must_survive_the_serialiser(jobqueue, service) -> None:
    assert await add({}, "a", "b") == "ab"
    with pytest.raises(SerializationError):
        await service.enqueue("add", lambda: 1, 2)


async def test_a_job_gets_a_copy_and_not_the_callers_own_list(jobqueue_server, jobqueue_url) -> None:
    async def grow(ctx, items):
        items.append("more")
        return items

    items = []
    await grow({}, items)
    assert items == ["more"]
    async with JobQueue(settings(functions=[func(grow, name="grow")]), jobqueue_server) as jobqueue:
        await jobqueue.producer.aenqueue("grow", items)
        assert (await jobqueue.worker.adrain()).results == [["more", "more"]]
    assert items == ["more"]


async def test_a_job_that_asks_to_be_run_again_is(jobqueue, travel) -> None:
    with pytest.raises(Retry):
        await flaky({"job_try": 1}, 1)
    await jobqueue.producer.aenqueue("flaky", 1)
    await jobqueue.worker.adrain(on_error="record")
    travel(5)
    assert (await jobqueue.worker.adrain()).results == [2]


async def test_an_id_that_is_taken_takes_no_second_job(jobqueue, service) -> None:
    assert await service.enqueue("add", 1, 2, _job_id="only") is not None
    assert await service.enqueue("add", 1, 2, _job_id="only") is None
    assert len(await jobqueue.worker.adrain()) == 1


async def test_a_deferred_job_waits(jobqueue, service, travel) -> None:
    await service.enqueue("add", 1, 2, _defer_by=60)
    assert await jobqueue.worker.adrain() == []
    travel(60)
    assert (await jobqueue.worker.adrain()).results == [3]


async def test_a_time_limit_is_kept(jobqueue) -> None:
    await sleep({}, 0.06)
    await jobqueue.producer.aenqueue("sleep", 0.06)
    with pytest.raises(asyncio.TimeoutError):
        await jobqueue.worker.adrain()


async def test_the_context_is_the_one_of_the_worker(jobqueue_server, jobqueue_url) -> None:
    async def on_startup(ctx):
        ctx["answer"] = 42

    async def answer(ctx):
        return ctx["answer"]

    with pytest.raises(KeyError):
        await answer({})
    app = settings(functions=[func(answer, name="answer")], on_startup=on_startup)
    async with JobQueue(app, jobqueue_server) as jobqueue:
        await jobqueue.producer.aenqueue("answer")
        assert (await jobqueue.worker.adrain()).results == [42]


# You run a worker in burst mode


@pytest_asyncio.fixture
async def pool(jobqueue_url):
    pool = await create_pool(RedisSettings.from_dsn(jobqueue_url))
    yield pool
    await pool.aclose()


def burst(pool, **more):
    return Worker(FUNCTIONS, redis_pool=pool, burst=True, poll_delay=0.01, handle_signals=False, **more)


async def test_the_exception_is_the_jobs_own(jobqueue, pool, service) -> None:
    await pool.enqueue_job("boom", "out of paper")
    with pytest.raises(FailedJobs, match="1 job failed") as caught:
        await burst(pool).run_check()
    assert caught.value.job_results[0].result.__traceback__ is None

    await service.enqueue("boom", "out of paper")
    with pytest.raises(ValueError, match="out of paper") as caught:
        await jobqueue.worker.adrain()
    assert caught.traceback[-1].name == boom.__name__


async def test_a_deferred_job_does_not_keep_the_test_waiting(jobqueue, pool, service) -> None:
    await service.enqueue("add", 1, 2, _defer_by=60)
    with pytest.raises(asyncio.TimeoutError):
        await asyncio.wait_for(burst(pool).async_run(), 0.1)
    assert await jobqueue.worker.adrain() == []


async def test_jobs_run_in_their_order_one_at_a_time(jobqueue, pool, service) -> None:
    async def order(run):
        service.calls.clear()
        for number in range(20):
            await service.enqueue("add", number, 0)
        await run()
        return [call[1] for call in service.calls]

    assert sorted(await order(burst(pool).async_run)) == [*range(20)]
    assert await order(jobqueue.worker.adrain) == [*range(20)]
