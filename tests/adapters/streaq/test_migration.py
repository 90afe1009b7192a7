"""What a task that is called by hand, or a worker that runs for a while, hides: docs/adapters/streaq.md."""

from __future__ import annotations

import asyncio
import threading

import pytest

streaq = pytest.importorskip("streaq")


async def enqueued(worker, task, *args):
    async with worker:
        return await task.enqueue(*args)


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


def test_an_exception_is_raised_instead_of_logged(jobqueue, worker):
    @worker.task(name="boom")
    async def boom():
        raise ValueError("out of paper")

    jobqueue.run(enqueued(worker, boom))
    with pytest.raises(ValueError, match="out of paper"):
        jobqueue.worker.drain()


def test_a_job_for_later_and_a_periodic_one_run_at_their_time(travel, worker, add, request):
    worker.cron("0 4 * * *", name="sweep")(lambda: "swept")
    jobqueue = request.getfixturevalue("jobqueue")
    jobqueue.producer.enqueue_in(3600, add.fn_name, 1, 2)
    assert jobqueue.worker.drain() == []
    travel(3600)
    assert sorted(jobqueue.worker.drain().results, key=str) == [3, "swept"]


def test_a_synchronous_task_runs_in_the_tests_thread(jobqueue, worker):
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
