"""What calling a job's function and a worker in burst mode hide: the claims of docs/adapters/saq.md."""

from __future__ import annotations

import asyncio
import datetime as dt
import threading
from unittest.mock import AsyncMock

import pytest

pytest.importorskip("saq")
pytest_asyncio = pytest.importorskip("pytest_asyncio")

from saq import Queue, Status, Worker
from support.saq_service import FUNCTIONS, QUEUE, add, boom, settings, sleep

from pytest_jobqueue import JobQueue
from pytest_jobqueue.errors import UsageError

pytestmark = pytest.mark.asyncio


# You call the function yourself, and mock `enqueue`


async def test_a_name_that_no_worker_knows_is_refused(jobqueue) -> None:
    assert await AsyncMock().enqueue("ad", left=1, right=2)
    with pytest.raises(UsageError, match="did you mean 'add'"):
        await jobqueue.producer.aenqueue("ad", left=1, right=2)


async def test_arguments_must_survive_the_serialiser(jobqueue) -> None:
    moment = dt.timedelta(1)
    assert await add({}, left=moment, right=moment) == 2 * moment
    with pytest.raises(TypeError, match="timedelta is not JSON serializable"):
        await QUEUE.enqueue("add", left=moment, right=moment)


async def test_so_must_what_it_returns(jobqueue_server, jobqueue_url) -> None:
    async def today(ctx):
        return dt.timedelta(1)

    assert await today({})
    async with JobQueue(settings(functions=[("today", today)]), jobqueue_server) as jobqueue:
        await jobqueue.producer.aenqueue("today")
        with pytest.raises(TypeError, match="timedelta is not JSON serializable"):
            await jobqueue.worker.adrain()


async def test_a_job_that_fails_is_run_again_when_it_has_retries(jobqueue, travel) -> None:
    await QUEUE.enqueue("flaky", times=1, retries=2, retry_delay=60)
    await jobqueue.worker.adrain(on_error="record")
    travel(60)
    assert (await jobqueue.worker.adrain()).results == [2]


async def test_a_key_that_is_taken_takes_no_second_job(jobqueue) -> None:
    assert await QUEUE.enqueue("add", left=1, right=2, key="only") is not None
    assert await QUEUE.enqueue("add", left=1, right=2, key="only") is None
    assert len(await jobqueue.worker.adrain()) == 1


async def test_a_scheduled_job_waits(jobqueue, travel) -> None:
    later = int(dt.datetime.now(dt.timezone.utc).timestamp()) + 60
    await QUEUE.enqueue("add", left=1, right=2, scheduled=later)
    assert await jobqueue.worker.adrain() == []
    travel(60)
    assert (await jobqueue.worker.adrain()).results == [3]


async def test_a_time_limit_is_kept_ten_seconds_if_nobody_says_otherwise(jobqueue) -> None:
    await sleep({}, seconds=0.06)
    job = await jobqueue.producer.set(timeout=0.05).aenqueue("sleep", seconds=0.06)
    with pytest.raises(asyncio.TimeoutError):
        await jobqueue.worker.adrain()
    assert job.raw.timeout == 0.05
    assert (await jobqueue.producer.aenqueue("add", 1, 2)).raw.timeout == 10


async def test_a_function_gets_nothing_by_position(jobqueue_server, jobqueue_url) -> None:
    async def only_by_position(ctx, value, /):
        return value

    assert await only_by_position({}, 1) == 1
    app = settings(functions=[("only_by_position", only_by_position)])
    async with JobQueue(app, jobqueue_server) as jobqueue:
        await jobqueue.producer.aenqueue("only_by_position", 1)
        with pytest.raises(TypeError, match="positional-only"):
            await jobqueue.worker.adrain()


# You run a worker in burst mode


@pytest_asyncio.fixture
async def queue(jobqueue_url):
    queue = Queue.from_url(jobqueue_url)
    yield queue
    await queue.disconnect()


async def burst(queue, **more):
    given = {"functions": FUNCTIONS, "dequeue_timeout": 0.1, "timers": {"schedule": 1}, **more}
    worker = Worker(queue, burst=True, **given)
    worker.SIGNALS = []
    await worker.start()


async def test_an_exception_is_raised_instead_of_logged(jobqueue, queue, caplog) -> None:
    await queue.enqueue("boom", message="out of paper")
    await burst(queue)  # nothing to see
    assert "out of paper" in caplog.text

    await QUEUE.enqueue("boom", message="out of paper")
    with pytest.raises(ValueError, match="out of paper") as caught:
        await jobqueue.worker.adrain()
    assert caught.traceback[-1].name == boom.__name__


async def test_jobs_run_in_their_order_one_at_a_time(jobqueue_server, queue) -> None:
    begun, all_have = set(), asyncio.Event()

    async def meet(ctx, *, number):
        begun.add(number)  # some begin twice, where the sweep comes between a worker's fetch and its start
        if len(begun) == 10:
            all_have.set()
        await all_have.wait()

    for number in range(10):
        await queue.enqueue("meet", number=number)
    await burst(queue, functions=[("meet", meet)], concurrency=20)
    assert all_have.is_set()  # and none of them was done before that

    ran = []

    async def slowly(ctx, *, number):
        await asyncio.sleep(0.01 * (3 - number))
        ran.append(number)

    async with JobQueue(settings(functions=[("slowly", slowly)]), jobqueue_server) as jobqueue:
        await jobqueue.producer.aenqueue_many("slowly", [(0,), (1,), (2,)])
        await jobqueue.worker.adrain()
    assert ran == [0, 1, 2]


async def test_an_ordinary_function_runs_in_the_tests_thread(jobqueue_server, queue) -> None:
    functions = [("where", lambda ctx: threading.get_ident())]
    job = await queue.enqueue("where")
    await burst(queue, functions=functions)
    await job.refresh()
    assert job.result != threading.get_ident()

    async with JobQueue(settings(functions=functions), jobqueue_server) as jobqueue:
        await jobqueue.producer.aenqueue("where")
        assert (await jobqueue.worker.adrain()).results == [threading.get_ident()]


async def test_a_worker_that_dies_can_be_shown(jobqueue) -> None:
    job = await QUEUE.enqueue("add", left=1, right=2)
    await jobqueue.worker.aabandon_next()
    await job.refresh()
    assert job.status == Status.QUEUED
    assert await jobqueue.worker.adrain() == []
    assert await jobqueue.worker.arecover() == 1
    assert (await jobqueue.worker.adrain()).results == [3]
