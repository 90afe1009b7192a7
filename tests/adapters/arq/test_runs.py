"""What becomes of a job: retries, time limits, aborted and expired ones, results, a worker that died."""

from __future__ import annotations

import asyncio
import time

import pytest

pytest.importorskip("arq")

from arq import Retry
from arq.jobs import Job
from arq.worker import JobExecutionFailed, func
from support.arq_service import boom, settings, sleep

from pytest_jobqueue.errors import DrainTimeoutError

DAY = 24 * 60 * 60


def recorded(jobqueue):
    (outcome,) = jobqueue.worker.drain(on_error="record")
    return outcome


# Again


def test_a_retry_waits_as_long_as_the_job_says(jobqueue, travel) -> None:
    job = jobqueue.producer.enqueue("flaky", 2)

    for attempt, wait in ((1, 5), (2, 10)):
        outcome = recorded(jobqueue)
        assert (outcome.status, outcome.reason) == ("retrying", f"<Retry defer {wait:.2f}s>")
        assert isinstance(outcome.exception, ConnectionError)
        (again,) = jobqueue.binding.retrying()
        assert (again.id, again.attempts) == (job.id, attempt)
        assert (again.due_at, again.error) == (time.time() + wait, "ConnectionError: busy")
        assert jobqueue.binding.scheduled() == []
        travel(wait)
    assert jobqueue.worker.drain().results == [3]


def test_by_default_the_reason_for_a_retry_is_raised(jobqueue) -> None:
    jobqueue.producer.enqueue("flaky", 1)
    with pytest.raises(ConnectionError, match="busy"):
        jobqueue.worker.drain()


def test_a_job_that_asks_to_be_run_later_has_not_failed(jobqueue, travel) -> None:
    jobqueue.producer.enqueue("not_yet")
    (outcome,) = jobqueue.worker.drain()
    assert (outcome.status, outcome.exception) == ("retrying", None)
    travel(30)
    assert jobqueue.worker.drain().results == ["now"]


@pytest.mark.jobqueue(app=settings(max_tries=2))
def test_arq_gives_up_after_its_tries(jobqueue, travel) -> None:
    jobqueue.producer.enqueue("flaky", 9)
    for _ in range(2):
        assert recorded(jobqueue).status == "retrying"
        travel(60)

    outcome = recorded(jobqueue)

    assert outcome.status == "failed"
    assert isinstance(outcome.exception, JobExecutionFailed)
    jobqueue.assert_dead("flaky", 9, error="max 2 retries exceeded")


async def _cancels_itself(ctx):
    raise asyncio.CancelledError


@pytest.mark.jobqueue(app=settings(functions=[func(_cancels_itself, name="cancels"), sleep], max_tries=2))
def test_a_cancelled_job_is_run_again_at_once(jobqueue) -> None:
    jobqueue.producer.enqueue("cancels")
    outcomes = jobqueue.worker.drain(on_error="record")
    assert [outcome.status for outcome in outcomes] == ["retrying", "retrying", "failed"]
    assert outcomes[0].reason == "it was cancelled"


@pytest.mark.jobqueue(app=settings(retry_jobs=False))
def test_or_nothing_is_run_again(jobqueue) -> None:
    jobqueue.producer.enqueue("not_yet")
    outcome = recorded(jobqueue)
    assert outcome.status == "failed"
    assert isinstance(outcome.exception, Retry)


# Time limits


@pytest.mark.parametrize("keep_result", [0, 60])
def test_a_time_limit_is_kept_in_real_seconds(jobqueue_server, jobqueue_url, travel, keep_result) -> None:
    from pytest_jobqueue import JobQueue

    app = settings(functions=[func(sleep, timeout=0.05, keep_result=keep_result)])
    with JobQueue(app, jobqueue_server) as jobqueue:
        jobqueue.producer.enqueue("sleep", 30)
        outcome = recorded(jobqueue)
        assert outcome.status == "failed"
        assert isinstance(outcome.exception, asyncio.TimeoutError)
        assert 0.04 < outcome.seconds < 5


async def _blocks(ctx, seconds):
    time.sleep(seconds)  # noqa: ASYNC251 (that is what is shown)


@pytest.mark.jobqueue(app=settings(functions=[func(_blocks, name="blocks"), func(sleep, name="sleep")]))
@pytest.mark.parametrize("name", ["blocks", "sleep"])
def test_a_job_that_hangs_is_named(jobqueue, name) -> None:
    jobqueue.producer.enqueue(name, 30)
    with pytest.raises(DrainTimeoutError, match=rf"\(0\.5 s\) was up while {name}\(30\)"):
        jobqueue.worker.drain(timeout=0.5)


@pytest.mark.jobqueue(app=settings(functions=[func(_blocks, name="blocks")]))
@pytest.mark.asyncio
async def test_even_one_that_keeps_the_tests_own_loop_from_running(jobqueue) -> None:
    await jobqueue.producer.aenqueue("blocks", 30)
    with pytest.raises(DrainTimeoutError, match=r"was up while blocks\(30\)"):
        await jobqueue.worker.adrain(timeout=0.5)


# Not run


def test_a_job_that_expired_is_dropped(jobqueue) -> None:
    job = jobqueue.producer.set(_expires=0.001).enqueue("add", 1, 2)
    while jobqueue.redis.exists(f"arq:job:{job.id}"):
        time.sleep(0.001)  # by the server's clock
    outcome = recorded(jobqueue)
    assert (outcome.job.id, outcome.status) == (job.id, "dropped")
    assert outcome.reason == "it expired before a worker took it"
    assert jobqueue.binding.pending() == []


@pytest.mark.jobqueue(redis="fake")
@pytest.mark.parametrize(("jump", "status"), [(DAY - 1, "ok"), (DAY + 1, "dropped")])
def test_in_the_fake_a_jump_past_its_definitions_expiry_drops_it(jobqueue, travel, jump, status) -> None:
    jobqueue.producer.enqueue_in(60, "add", 1, 2)
    travel(60 + jump)
    assert recorded(jobqueue).status == status
    jobqueue.assert_idle()


@pytest.mark.jobqueue(redis="fake", app=settings(expires_extra_ms=2 * DAY * 1000))
def test_unless_the_worker_keeps_definitions_for_longer(jobqueue, travel) -> None:
    jobqueue.producer.enqueue_in(60, "add", 1, 2)
    travel(60 + DAY + 1)
    assert jobqueue.worker.drain().results == [3]


@pytest.mark.jobqueue(app=settings(allow_abort_jobs=True))
@pytest.mark.asyncio
async def test_a_job_can_be_aborted_before_it_starts(jobqueue, service) -> None:
    job = await service.enqueue("add", 1, 2)
    abort = asyncio.ensure_future(job.abort(poll_delay=0.01))
    while not jobqueue.redis.zcard("arq:abort"):
        await asyncio.sleep(0)
    (outcome,) = await jobqueue.worker.adrain()
    assert await abort is True
    assert (outcome.status, outcome.reason) == ("dropped", "it was aborted before it started")
    assert service.calls == []


@pytest.mark.jobqueue(
    app=settings(functions=[func(sleep, name="sleep")], allow_abort_jobs=True, poll_delay=0.01)
)
@pytest.mark.asyncio
async def test_and_while_it_runs(jobqueue, service) -> None:
    job = await service.enqueue("sleep", 30)
    run = asyncio.ensure_future(jobqueue.worker.arun_next())
    while not jobqueue.binding.running():
        await asyncio.sleep(0)
    assert await job.abort(poll_delay=0.01) is True
    outcome = await run
    assert (outcome.status, outcome.reason) == ("dropped", "it was aborted")


def test_a_function_that_the_worker_does_not_know(jobqueue, service) -> None:
    jobqueue.run(service.enqueue("no_such_function"))
    with pytest.raises(JobExecutionFailed, match="function 'no_such_function' not found"):
        jobqueue.worker.drain()


def test_bytes_that_are_no_job(jobqueue) -> None:
    job = jobqueue.producer.enqueue("add", 1, 2)
    jobqueue.redis.set(f"arq:job:{job.id}", b"no pickle")

    (pending,) = jobqueue.binding.pending()
    assert (pending.id, pending.name, pending.raw) == (job.id, "<unknown>", b"no pickle")
    outcome = recorded(jobqueue)
    assert outcome.status == "failed"
    assert "unable to deserialize job" in str(outcome.exception)


# Results


def test_a_result_is_kept_where_arqs_own_client_finds_it(jobqueue, service) -> None:
    job = jobqueue.run(service.enqueue("add", 1, 2))
    jobqueue.worker.drain()
    assert jobqueue.run(job.result(timeout=1)) == 3
    assert jobqueue.binding.failed() == []


def test_an_exception_that_cannot_be_read_back_is_listed_all_the_same(jobqueue) -> None:
    job = jobqueue.producer.enqueue("boom")
    recorded(jobqueue)
    jobqueue.redis.set(f"arq:result:{job.id}", b"no pickle")
    assert jobqueue.binding.failed() == []  # whose queue it was on is not known either


async def _unpicklable(ctx):
    return lambda: None


@pytest.mark.jobqueue(app=settings(functions=[func(_unpicklable, name="unpicklable")]))
def test_a_result_that_cannot_be_kept_spoils_no_job(jobqueue) -> None:
    jobqueue.producer.enqueue("unpicklable")
    assert recorded(jobqueue).status == "ok"
    (dead,) = jobqueue.binding.failed()  # as arq stores it
    assert dead.error == "unable to serialize result"


@pytest.mark.jobqueue(app=settings(functions=[func(boom, name="boom", keep_result=0)]))
def test_without_a_result_the_exception_is_the_jobs_own_all_the_same(jobqueue) -> None:
    jobqueue.producer.enqueue("boom", "not kept")
    outcome = recorded(jobqueue)
    assert (outcome.status, str(outcome.exception)) == ("failed", "not kept")
    assert jobqueue.binding.failed() == []


# Exceptions that end a worker


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit])
def test_an_interrupt_reaches_the_test_and_the_loop_goes_on(jobqueue_server, jobqueue_url, kind) -> None:
    from pytest_jobqueue import JobQueue

    async def interrupt(ctx):
        raise kind("now")

    app = settings(functions=[func(interrupt, name="interrupt"), *settings()["functions"]])
    with JobQueue(app, jobqueue_server) as jobqueue:
        jobqueue.producer.enqueue("interrupt")
        with pytest.raises(kind, match="now"):
            jobqueue.worker.drain()
        assert [job.name for job in jobqueue.binding.running()] == ["interrupt"]
        jobqueue.producer.enqueue("add", 1, 2)
        assert jobqueue.worker.drain().results == [3]


# A worker that died


def test_an_abandoned_job_comes_back_when_its_key_expires(jobqueue) -> None:
    job = jobqueue.producer.enqueue("add", 1, 2)
    jobqueue.worker.abandon_next()
    assert jobqueue.worker.recover() == 0  # arq has no maintenance
    assert [found.id for found in jobqueue.binding.running()] == [job.id]
    assert jobqueue.worker.run_next() is None

    key = f"arq:in-progress:{job.id}"
    assert 9 < jobqueue.redis.ttl(key) <= 310  # the longest time limit, and ten seconds
    jobqueue.redis.pexpire(key, 1)
    while jobqueue.redis.exists(key):
        time.sleep(0.001)  # by the server's clock
    assert jobqueue.worker.drain().results == [3]


def test_or_when_its_key_is_deleted(jobqueue) -> None:
    job = jobqueue.producer.enqueue("add", 1, 2)
    jobqueue.worker.abandon_next()
    assert jobqueue.worker.drain() == []
    jobqueue.redis.delete(f"arq:in-progress:{job.id}")
    assert jobqueue.worker.drain().results == [3]
    jobqueue.assert_idle()


@pytest.mark.jobqueue(redis="fake")
def test_in_the_fake_it_expires_by_the_tests_clock(jobqueue, travel) -> None:
    jobqueue.producer.enqueue("add", 1, 2)
    jobqueue.worker.abandon_next()
    travel(311)
    assert jobqueue.worker.drain().results == [3]


def test_a_job_in_other_hands_does_not_hold_up_the_next(jobqueue) -> None:
    jobqueue.producer.enqueue_many("add", [(1, 1), (2, 2), (3, 3)])
    jobqueue.worker.abandon_next()
    jobqueue.worker.abandon_next()
    assert jobqueue.worker.drain().results == [6]


def test_a_second_worker_can_be_at_work(jobqueue, service) -> None:
    """Jobs that it takes between our look and our grasp are its own."""
    job = jobqueue.producer.enqueue("add", 1, 2)
    jobqueue.redis.set(f"arq:in-progress:{job.id}", b"1")
    assert jobqueue.worker.drain() == []
    assert isinstance(jobqueue.run(_status(jobqueue, job.id)), str)


async def _status(jobqueue, job_id):
    from support.arq_service import SERVICE

    await SERVICE.enqueue("add", 5, 6)
    return (await Job(job_id, SERVICE.pool).status()).value
