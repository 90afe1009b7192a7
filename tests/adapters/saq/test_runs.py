"""What becomes of a job: retries, time limits, aborted ones, results, a worker that died."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest

pytest.importorskip("saq")

from saq import Status
from support.saq_service import QUEUE, settings

from pytest_jobqueue import JobQueue
from pytest_jobqueue.errors import DrainTimeoutError


def recorded(jobqueue):
    (outcome,) = jobqueue.worker.drain(on_error="record")
    return outcome


# Again


def test_a_retry_waits_for_its_delay(jobqueue, travel) -> None:
    job = jobqueue.producer.set(retries=3, retry_delay=60).enqueue("flaky", times=2)

    for attempt in (1, 2):
        outcome = recorded(jobqueue)
        assert (outcome.status, type(outcome.exception)) == ("retrying", ConnectionError)
        (again,) = jobqueue.binding.retrying()
        assert (again.id, again.attempts) == (job.id, attempt)
        assert (again.due_at, again.error) == (time.time() + 60, "ConnectionError: busy")
        travel(60)
    assert jobqueue.worker.drain().results == [3]


def test_a_back_off_grows_and_is_jittered(jobqueue, travel) -> None:
    jobqueue.producer.set(retries=4, retry_delay=100, retry_backoff=True).enqueue("flaky", times=9)
    for attempt in (1, 2, 3):
        recorded(jobqueue)
        due = jobqueue.binding.next_due() - time.time()
        assert 0 < due <= 100 * 2 ** (attempt - 1)
        travel(due)


def test_without_a_delay_it_is_ready_at_once(jobqueue) -> None:
    jobqueue.producer.set(retries=2).enqueue("flaky", times=1)
    outcome = jobqueue.worker.run_next(on_error="record")
    assert outcome.status == "retrying"
    assert [job.attempts for job in jobqueue.binding.pending()] == [1]
    assert jobqueue.binding.retrying() == []
    assert jobqueue.worker.drain().results == [2]


def test_the_last_failure_is_kept_with_its_whole_traceback(jobqueue) -> None:
    jobqueue.producer.enqueue("boom", message="out of paper")
    recorded(jobqueue)
    (dead,) = jobqueue.assert_dead("boom", message="out of paper", error="ValueError: out of paper")
    assert dead.error == "ValueError: out of paper"
    assert "in boom" in dead.raw.error


async def _cancels_itself(ctx):
    raise asyncio.CancelledError


@pytest.mark.jobqueue(app=settings(functions=[("cancels", _cancels_itself)]))
def test_a_job_that_cancels_itself_is_seen_to(jobqueue) -> None:
    """SAQ 0.24 runs it again; a newer one leaves it to the sweep."""
    job = jobqueue.producer.enqueue("cancels")
    outcome = jobqueue.worker.run_next(on_error="record")
    assert isinstance(outcome.exception, asyncio.CancelledError)
    if outcome.status == "retrying":
        assert [found.id for found in jobqueue.binding.pending()] == [job.id]
    else:
        assert outcome.reason.endswith("until that is swept")
        assert [found.id for found in jobqueue.binding.running()] == [job.id]


# Time limits


@pytest.mark.parametrize("function", ["sleeps", "blocks"])
def test_a_time_limit_is_kept_in_real_seconds(jobqueue_server, jobqueue_url, travel, function) -> None:
    async def sleeps(ctx):
        await asyncio.sleep(30)

    def blocks(ctx):
        time.sleep(30)

    app = settings(functions=[("sleeps", sleeps), ("blocks", blocks)])
    with JobQueue(app, jobqueue_server) as jobqueue:
        jobqueue.producer.set(timeout=0.05).enqueue(function)
        outcome = recorded(jobqueue)
        assert outcome.status == "failed"
        assert isinstance(outcome.exception, asyncio.TimeoutError)
        assert 0.04 < outcome.seconds < 5


async def _blocks(ctx, *, seconds):
    time.sleep(seconds)  # noqa: ASYNC251 (that is what is shown)


def _blocks_plainly(ctx, *, seconds):
    time.sleep(seconds)


HANGING = settings(functions=[*settings()["functions"], ("blocks", _blocks), ("plainly", _blocks_plainly)])


@pytest.mark.jobqueue(app=HANGING)
@pytest.mark.parametrize("name", ["sleep", "blocks", "plainly"])
def test_a_job_that_hangs_is_named(jobqueue, name) -> None:
    jobqueue.producer.enqueue(name, 30)
    with pytest.raises(DrainTimeoutError, match=rf"\(0\.5 s\) was up while {name}\(30\)"):
        jobqueue.worker.drain(timeout=0.5)


@pytest.mark.jobqueue(app=HANGING)
@pytest.mark.parametrize("name", ["sleep", "blocks", "plainly"])
@pytest.mark.asyncio
async def test_in_the_tests_own_loop_too(jobqueue, name) -> None:
    await jobqueue.producer.aenqueue(name, 30)
    with pytest.raises(DrainTimeoutError, match=rf"was up while {name}\(30\)"):
        await jobqueue.worker.adrain(timeout=0.5)


# Here


@pytest.mark.jobqueue(
    app=settings(functions=[("where", lambda ctx: threading.get_ident())])  # no coroutine function
)
def test_an_ordinary_function_runs_in_the_tests_thread(jobqueue) -> None:
    jobqueue.producer.enqueue("where")
    assert jobqueue.worker.drain().results == [threading.get_ident()]


# Not run


def test_a_job_can_be_aborted_before_it_starts(jobqueue, service) -> None:
    job = jobqueue.producer.enqueue("add", 1, 2)
    jobqueue.run(job.raw.abort("never mind"))
    assert jobqueue.worker.drain() == []
    assert service.CALLS == []
    jobqueue.assert_dead("add", error="never mind")


@pytest.mark.jobqueue(app=settings(timers={"abort": 0.01}))
@pytest.mark.asyncio
async def test_and_while_it_runs(jobqueue) -> None:
    job = await QUEUE.enqueue("sleep", seconds=30)
    run = asyncio.ensure_future(jobqueue.worker.arun_next())
    while not jobqueue.binding.running() or jobqueue.binding.running()[0].raw.status != Status.ACTIVE:
        await asyncio.sleep(0)
    await job.abort("never mind")
    outcome = await run
    assert (outcome.status, outcome.reason) == ("dropped", "it was aborted: never mind")


@pytest.mark.parametrize("body", [None, b"no job", b'{"queue": "other", "function": "add"}'])
def test_a_body_that_is_none(jobqueue, body) -> None:
    job = jobqueue.producer.enqueue("add", 1, 2)
    key = QUEUE.job_id(job.id)
    jobqueue.redis.delete(key) if body is None else jobqueue.redis.set(key, body)

    (pending,) = jobqueue.binding.pending()
    assert (pending.id, pending.name, pending.raw) == (job.id, "<unknown>", body)
    outcome = recorded(jobqueue)
    assert (outcome.job.id, outcome.status) == (job.id, "dropped")
    assert "its body is gone, or cannot be read" in outcome.reason
    assert jobqueue.worker.run_next() is None


def test_a_body_that_is_gone_since_the_last_job(jobqueue) -> None:
    _first, second, third = (jobqueue.producer.enqueue("add", number, 0) for number in range(3))
    jobqueue.worker.run_next()
    jobqueue.redis.delete(QUEUE.job_id(second.id), QUEUE.job_id(third.id))
    outcomes = jobqueue.worker.drain()
    assert [(outcome.job.id, outcome.status) for outcome in outcomes] == [
        (second.id, "dropped"),
        (third.id, "dropped"),
    ]
    assert jobqueue.worker.run_next() is None


def test_a_job_that_somebody_else_took_since_the_last_one(jobqueue) -> None:
    jobqueue.producer.enqueue("add", 1, 2)
    second = jobqueue.producer.enqueue("add", 3, 4)
    jobqueue.worker.run_next()
    assert jobqueue.worker.abandon_next().id == second.id
    assert jobqueue.worker.run_next() is None
    assert [job.id for job in jobqueue.binding.running()] == [second.id]


def test_a_function_that_the_worker_does_not_know(jobqueue) -> None:
    jobqueue.run(QUEUE.enqueue("no_such_function"))
    with pytest.raises(KeyError, match="no_such_function"):
        jobqueue.worker.drain()


# Results


def test_a_result_is_kept_where_saqs_own_client_finds_it(jobqueue) -> None:
    job = jobqueue.run(QUEUE.enqueue("add", left=1, right=2))
    jobqueue.worker.drain()
    jobqueue.run(job.refresh())
    assert (job.status, job.result) == (Status.COMPLETE, 3)


@pytest.mark.jobqueue(app=settings(functions=[("odd", lambda ctx: {1, 2})]))
def test_a_result_that_json_refuses_is_a_failure(jobqueue) -> None:
    jobqueue.producer.enqueue("odd")
    with pytest.raises(TypeError, match="set is not JSON serializable"):
        jobqueue.worker.drain()


# Exceptions that end a worker


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("retries", [1, 2])
def test_an_interrupt_reaches_the_test_and_the_loop_goes_on(
    jobqueue_server, jobqueue_url, kind, retries
) -> None:
    async def interrupt(ctx):
        raise kind("now")

    app = settings(functions=[("interrupt", interrupt), *settings()["functions"]])
    with JobQueue(app, jobqueue_server) as jobqueue:
        jobqueue.producer.set(retries=retries).enqueue("interrupt")
        with pytest.raises(kind, match="now"):
            jobqueue.worker.drain()
        assert jobqueue.journal.outcomes[0].status == ("failed" if retries == 1 else "retrying")
        assert [job.name for job in jobqueue.binding.running()] == ["interrupt"]
        jobqueue.producer.enqueue("add", 1, 2)
        assert jobqueue.worker.drain().results == [3]


# A worker that died


def test_a_job_that_was_taken_and_not_started_is_swept_at_once(jobqueue) -> None:
    jobqueue.producer.enqueue_many("add", [(1, 2), (3, 4)])
    job = jobqueue.worker.abandon_next()
    assert [found.id for found in jobqueue.binding.running()] == [job.id]
    assert jobqueue.worker.recover() == 1
    assert jobqueue.worker.recover() == 0
    assert jobqueue.worker.drain().results == [7, 3]


def test_one_that_was_started_is_swept_after_its_time_limit(jobqueue, travel) -> None:
    job = jobqueue.producer.set(timeout=10, retries=2).enqueue("add", 1, 2)
    jobqueue.worker.abandon_next()
    started = {"status": Status.ACTIVE, "started": int(time.time() * 1000), "attempts": 1}
    jobqueue.run(job.raw.update(**started))

    assert jobqueue.worker.recover() == 0
    travel(11)
    assert jobqueue.worker.recover() == 1
    assert jobqueue.worker.drain().results == [3]


def test_or_once_its_heartbeat_is_missed(jobqueue, travel) -> None:
    """A worker that is alive tells so by updating the job."""
    job = jobqueue.producer.set(timeout=60, heartbeat=10, retries=2).enqueue("add", 1, 2)
    assert job.raw.heartbeat == 10
    jobqueue.worker.abandon_next()
    jobqueue.run(job.raw.update(status=Status.ACTIVE, started=int(time.time() * 1000), attempts=1))

    travel(9)
    jobqueue.run(job.raw.update())
    travel(9)
    assert jobqueue.worker.recover() == 0
    travel(2)
    assert jobqueue.worker.recover() == 1
    assert jobqueue.worker.drain().results == [3]


def test_without_a_retry_left_it_is_aborted(jobqueue, travel) -> None:
    job = jobqueue.producer.set(timeout=10).enqueue("add", 1, 2)
    jobqueue.worker.abandon_next()
    jobqueue.run(job.raw.update(status=Status.ACTIVE, started=int(time.time() * 1000), attempts=1))
    travel(11)
    assert jobqueue.worker.recover() == 0
    jobqueue.assert_dead("add", error="swept")


def test_a_second_worker_can_be_at_work(jobqueue, monkeypatch) -> None:
    """Jobs that it takes between our look and our grasp are its own."""
    jobqueue.producer.enqueue_many("add", [(1, 1), (2, 2)])
    lrange, stolen = QUEUE.redis.lrange, []

    async def look_and_be_slow(name, start, end):
        heads = await lrange(name, start, end)
        if not stolen:
            stolen.append(jobqueue.redis.lpop(name))
        return heads

    monkeypatch.setattr(QUEUE.redis, "lrange", look_and_be_slow)
    assert jobqueue.worker.drain().results == [4]


async def _abort_the_next(ctx):
    (job,) = [job async for job in QUEUE.iter_jobs([Status.QUEUED])]
    await job.abort("by the first")


@pytest.mark.jobqueue(app=settings(functions=[*settings()["functions"], ("abort_the_next", _abort_the_next)]))
def test_what_was_next_may_not_be_there_any_more(jobqueue) -> None:
    jobqueue.producer.enqueue("abort_the_next")
    jobqueue.producer.enqueue("add", 1, 2)
    assert jobqueue.worker.drain().results == [None]
    jobqueue.assert_dead("add", error="by the first")
