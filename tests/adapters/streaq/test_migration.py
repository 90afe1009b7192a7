"""What a task that is called by hand, or a worker that runs for a while, hides: docs/adapters/streaq.md."""

from __future__ import annotations

import asyncio
import gc
import threading
import warnings
from importlib import metadata

import pytest

streaq = pytest.importorskip("streaq")

from anyio import create_task_group


async def enqueued(worker, task, *args):
    async with worker:
        return await task.enqueue(*args)


@pytest.fixture
def lone(jobqueue_url):
    """A worker that runs for a while, as in a test without a plugin."""
    if metadata.version("streaq").startswith("7.0."):
        pytest.skip("the worker of streaQ 7.0, run by itself, does not understand what coredis 6.9 answers")
    return streaq.Worker(jobqueue_url, queue_name="lone", handle_signals=False)


def for_a_while(worker, test):
    """Await `test()` while the worker runs."""

    async def run():
        async with create_task_group() as group:
            await group.start(worker.run_async)
            await test()
            group.cancel_scope.cancel()

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # of what streaQ leaves to the end of the process
        asyncio.run(run())
        gc.collect()


def test_arguments_must_survive_the_serialiser(jobqueue, worker):
    @worker.task(name="hold")
    async def hold(lock):
        return lock.locked()

    assert asyncio.run(hold(threading.Lock())) is False  # a task is called like its function
    with pytest.raises(streaq.StreaqError, match="Unable to serialize"):
        jobqueue.run(enqueued(worker, hold, threading.Lock()))


def test_a_task_gets_a_copy_and_not_the_callers_own_list(jobqueue, worker):
    @worker.task(name="grow")
    async def grow(items):
        items.append("more")

    items = []
    asyncio.run(grow(items))
    assert items == ["more"]
    jobqueue.run(enqueued(worker, grow, items))
    jobqueue.worker.drain()
    assert items == ["more"]


def test_a_retry_runs_after_its_delay(jobqueue, worker, travel):
    seen = []

    @worker.task(name="flaky")
    async def flaky():
        seen.append("run")
        if flaky.context.tries == 1:
            raise streaq.StreaqRetry(delay=60)
        return "at last"

    with pytest.raises(streaq.StreaqError, match="only available in running tasks"):
        asyncio.run(flaky())
    jobqueue.run(enqueued(worker, flaky))
    jobqueue.worker.drain()
    travel(61)
    assert jobqueue.worker.drain().results == ["at last"]


def test_middleware_runs(jobqueue, worker, add):
    @worker.middleware
    def negate(task):
        async def wrapped(*args, **kwargs):
            return -await task(*args, **kwargs)

        return wrapped

    assert asyncio.run(add(1, 2)) == 3
    jobqueue.run(enqueued(worker, add, 1, 2))
    assert jobqueue.worker.drain().results == [-3]


def test_a_time_limit_is_enforced(jobqueue, worker):
    @worker.task(name="slow", timeout=1)
    async def slow():
        await asyncio.sleep(0 if slow_enough.is_set() else 30)

    slow_enough = threading.Event()
    slow_enough.set()
    asyncio.run(slow())
    slow_enough.clear()
    jobqueue.run(enqueued(worker, slow))
    with pytest.raises(TimeoutError, match="timed out"):
        jobqueue.worker.drain()


def test_an_exception_is_raised_instead_of_logged(jobqueue, worker, lone, caplog):
    async def boom():
        raise ValueError("out of paper")

    async def by_itself():
        await (await lone.task(name="boom")(boom).enqueue()).result(timeout=30)  # nothing to see

    for_a_while(lone, by_itself)
    assert "out of paper" in caplog.text

    boom = worker.task(name="boom")(boom)
    jobqueue.run(enqueued(worker, boom))
    with pytest.raises(ValueError, match="out of paper"):
        jobqueue.worker.drain()


def test_a_job_for_later_and_a_periodic_one_run_at_their_time(travel, worker, add, lone, request):
    swept = []
    lone.cron("0 4 * * *", name="sweep")(lambda: swept.append("by itself"))

    async def by_itself():
        note = lone.task(name="note")(lambda: None)
        later = await note.enqueue().start(delay=3600)
        await (await note.enqueue()).result(timeout=30)
        assert await later.status() == streaq.TaskStatus.SCHEDULED  # for an hour

    for_a_while(lone, by_itself)
    assert swept == []

    worker.cron("0 4 * * *", name="sweep")(lambda: "swept")
    jobqueue = request.getfixturevalue("jobqueue")
    jobqueue.producer.enqueue_in(3600, add.fn_name, 1, 2)
    assert jobqueue.worker.drain() == []
    travel(3600)
    assert sorted(jobqueue.worker.drain().results, key=str) == [3, "swept"]


def test_a_synchronous_task_runs_in_the_tests_thread(jobqueue, worker, lone):
    found = []

    async def by_itself():
        task = await lone.task(name="where")(threading.get_ident).enqueue()
        found.append((await task.result(timeout=30)).result)

    for_a_while(lone, by_itself)
    assert found != [threading.get_ident()]
    worker.task(name="where")(threading.get_ident)
    jobqueue.producer.enqueue("where")
    assert jobqueue.worker.drain().results == [threading.get_ident()]


def test_what_hangs_on_a_failure_is_seen(jobqueue, worker, add):
    @worker.task(name="boom")
    async def boom():
        raise ValueError("no")

    async def pipeline():
        async with worker:
            await (boom.enqueue() | add)

    jobqueue.run(pipeline())
    jobqueue.worker.drain(on_error="record")
    jobqueue.assert_not_performed(add.fn_name)
    assert len(jobqueue.binding.failed()) == 2
