"""One job: its order, its surroundings, what becomes of it."""

from __future__ import annotations

import asyncio
import json
import threading
from contextlib import asynccontextmanager

import pytest

streaq = pytest.importorskip("streaq")

from pytest_jobqueue.errors import DrainTimeoutError


async def enqueued(worker, task, *args, **kwargs):
    """As the web part of a service does."""
    async with worker:
        return await task.enqueue(*args, **kwargs)


def test_a_job_of_the_services_own(jobqueue, worker, add):
    task = jobqueue.run(enqueued(worker, add, 2, right=3))
    (job,) = jobqueue.assert_enqueued(add.fn_name, 2, right=3)
    assert (job.id, job.queue) == (task.id, "default")
    assert jobqueue.worker.drain().results == [5]


def test_its_result_and_its_status_are_streaqs(jobqueue, worker, add):
    task = jobqueue.run(enqueued(worker, add, 2, 3))

    async def ask(coroutine):
        async with worker:
            return await coroutine

    assert jobqueue.run(ask(task.status())) == streaq.TaskStatus.QUEUED
    jobqueue.worker.drain()
    assert jobqueue.run(ask(task.status())) == streaq.TaskStatus.DONE
    result = jobqueue.run(ask(task.result(timeout=5)))
    assert (result.success, result.result, result.tries) == (True, 5, 1)
    assert worker.counters["completed"] == 1


def test_a_result_is_waited_for_while_a_drain_makes_it(jobqueue, worker, add):
    async def both():
        async with worker:
            task = await add.enqueue(2, 3)
            waiting = asyncio.ensure_future(task.result(timeout=10))
            await asyncio.sleep(0)
            await jobqueue.worker.adrain()
            return (await waiting).result

    assert jobqueue.run(both()) == 5


def test_priorities(jobqueue_server, jobqueue_url):
    from pytest_jobqueue import JobQueue

    worker = streaq.Worker(priorities=["low", "high"])

    @worker.task(name="note")
    async def note(number):
        return number

    with JobQueue(worker, jobqueue_server) as jobqueue:
        for number, priority in enumerate(["low", "high", None]):
            jobqueue.producer.set(priority=priority).enqueue("note", number)
        assert [job.args for job in jobqueue.binding.pending()] == [(1,), (0,), (2,)]
        assert jobqueue.worker.drain().results == [1, 0, 2]


def test_a_function_that_is_no_coroutine_runs_in_the_tests_thread(jobqueue, worker):
    worker.task(name="where")(threading.get_ident)
    jobqueue.producer.enqueue("where")
    assert jobqueue.worker.drain().results == [threading.get_ident()]


def test_life_span_and_contexts(jobqueue_server, jobqueue_url):
    from pytest_jobqueue import JobQueue

    entered = []

    @asynccontextmanager
    async def lifespan():
        entered.append("in")
        yield {"database": 5}
        entered.append("out")

    worker = streaq.Worker(lifespan=lifespan)

    @worker.task(name="look")
    async def look():
        return worker.context["database"], look.context.tries

    for _ in range(2):  # a worker is run once in production, and a test after another
        with JobQueue(worker, jobqueue_server) as jobqueue:
            jobqueue.producer.enqueue("look")
            assert jobqueue.worker.drain().results == [(5, 1)]
            assert entered[-1] == "in"
    assert entered == ["in", "out"] * 2


def test_middleware(jobqueue, worker, add):
    @worker.middleware
    def twice(task):
        async def wrapped(*args, **kwargs):
            return twice.context.fn_name, 2 * await task(*args, **kwargs)

        return wrapped

    before = list(worker.middlewares)
    jobqueue.producer.enqueue(add.fn_name, 1, 2)
    assert jobqueue.worker.drain().results == [(add.fn_name, 6)]
    assert worker.middlewares == before


def test_an_exception_that_a_middleware_makes_is_the_outcomes(jobqueue, worker):
    @worker.task(name="boom")
    async def boom():
        raise ValueError("inner")

    @worker.middleware
    def translate(task):
        async def wrapped(*args, **kwargs):
            try:
                return await task(*args, **kwargs)
            except ValueError as error:
                raise LookupError("outer") from error

        return wrapped

    jobqueue.producer.enqueue("boom")
    with pytest.raises(LookupError, match="outer"):
        jobqueue.worker.drain()


def test_a_job_that_enqueues_by_awaiting(jobqueue, worker, add):
    @worker.task(name="more")
    async def more(number):
        await add.enqueue(number, 1)

    jobqueue.producer.enqueue("more", 4)
    assert jobqueue.worker.drain().results == [None, 5]


def test_an_id_that_is_taken_is_the_job_that_is_there(jobqueue, add):
    for number in (1, 2):
        job = jobqueue.producer.set(id="once").enqueue(add.fn_name, number, 0)
        assert (job.id, job.args) == ("once", (1, 0))
    assert jobqueue.worker.drain().results == [1]


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, asyncio.CancelledError])
@pytest.mark.parametrize("is_async", [True, False])
def test_what_ends_a_worker_reaches_the_test(error, is_async, jobqueue, worker, add):
    def end():
        raise error

    async def aend():
        raise error

    worker.task(name="end")(aend if is_async else end)
    jobqueue.producer.enqueue("end")
    with pytest.raises(error):
        jobqueue.worker.drain()
    (outcome,) = jobqueue.journal.outcomes
    assert outcome.status == "retrying"
    assert "idle_timeout" in outcome.reason
    assert [job.name for job in jobqueue.binding.running()] == ["end"]
    jobqueue.producer.enqueue(add.fn_name, 1, 1)
    assert jobqueue.worker.drain().results == [2]


def test_a_job_that_hangs_is_named_and_the_next_drain_works(jobqueue, worker, add):
    @worker.task(name="hang")
    async def hang(number):
        await asyncio.Event().wait()

    jobqueue.producer.enqueue("hang", 7)
    with pytest.raises(DrainTimeoutError, match=r"while hang\(7\)"):
        jobqueue.worker.drain(timeout=0.5)
    jobqueue.producer.enqueue(add.fn_name, 1, 1)
    assert jobqueue.worker.drain().results == [2]


def test_a_result_that_cannot_be_stored(jobqueue, worker):
    worker.task(name="opaque")(lambda: threading.Lock())
    jobqueue.producer.enqueue("opaque")
    (outcome,) = jobqueue.worker.drain(on_error="record")
    assert outcome.status == "retrying"
    assert "could not finish" in outcome.reason
    assert isinstance(outcome.exception, streaq.StreaqError)


@pytest.mark.parametrize(
    "options",
    [
        {"signing_secret": "a secret of some length"},
        {"serializer": json.dumps, "deserializer": json.loads},
    ],
    ids=["signed", "json"],
)
def test_the_workers_own_serialiser(options, jobqueue_server, jobqueue_url):
    from pytest_jobqueue import JobQueue

    worker = streaq.Worker(queue_name="mine", **options)
    worker.task(name="add")(lambda left, right: left + right)
    with JobQueue(worker, jobqueue_server) as jobqueue:
        jobqueue.producer.enqueue("add", 1, right=2)
        jobqueue.assert_enqueued("add", 1, right=2, queue="mine")
        assert jobqueue.worker.drain().results == [3]


def test_a_worker_that_includes_another(jobqueue, worker):
    other = streaq.Worker("redis://redis.invalid")

    @other.task(name="theirs")
    async def theirs():
        return "ran"

    worker.include(other)
    jobqueue.run(enqueued(worker, theirs))
    assert jobqueue.worker.drain().results == ["ran"]
