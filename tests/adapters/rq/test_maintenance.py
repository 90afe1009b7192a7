"""RQ's maintenance: what it does with abandoned jobs, and that it happens when a test asks for it only."""

from __future__ import annotations

import signal

import pytest

from pytest_jobqueue.contracts import jobs

rq = pytest.importorskip("rq")

from rq.registry import BaseRegistry

DAY = 24 * 60 * 60
ALARMS = []


def on_failure(job, connection, kind, error, traceback):
    ALARMS.append((kind.__name__, signal.getsignal(signal.SIGALRM)))


def test_a_started_job_is_running_until_its_lease_ends(jobqueue, queue, travel):
    job = queue.enqueue(jobs.add, 1, 2, job_timeout=100)
    jobqueue.worker.abandon_next()

    assert [one.id for one in jobqueue.binding.running()] == [job.id]
    assert job.get_status() == "started"
    travel(100)
    assert jobqueue.worker.recover() == 0
    assert len(jobqueue.binding.running()) == 1
    travel(70)
    assert jobqueue.worker.recover() == 0
    assert jobqueue.binding.running() == []
    (dead,) = jobqueue.binding.failed()
    assert "AbandonedJobError" in dead.error


def test_one_with_retries_left_is_retried(jobqueue, queue, travel):
    queue.enqueue(jobs.add, 1, 2, retry=rq.Retry(max=1))
    jobqueue.worker.abandon_next()
    travel(DAY)
    assert jobqueue.worker.recover() == 1
    assert jobqueue.worker.drain().results == [3]


def test_or_later_when_the_retry_has_an_interval(jobqueue, queue, travel):
    queue.enqueue(jobs.add, 1, 2, retry=rq.Retry(max=1, interval=60))
    jobqueue.worker.abandon_next()
    travel(DAY)
    assert jobqueue.worker.recover() == 1
    assert len(jobqueue.binding.retrying()) == 1


def test_a_job_that_was_taken_and_not_started_fails_a_minute_after_it_was_noted(jobqueue, queue, travel):
    """As when a worker dies between its fetch and the start, which leaves the id in a list of its own."""
    job = queue.enqueue(jobs.add, 1, 2)
    jobqueue.redis.lmove(queue.key, f"{queue.key}:intermediate")

    assert [one.id for one in jobqueue.binding.running()] == [job.id]
    assert jobqueue.binding.pending() == []
    jobqueue.worker.recover()
    travel(30)
    jobqueue.worker.recover()
    assert len(jobqueue.binding.running()) == 1
    travel(40)
    jobqueue.worker.recover()
    assert jobqueue.binding.running() == []
    assert "stuck in intermediate queue" in jobqueue.binding.failed()[0].error


def test_running_and_looking_do_no_maintenance(jobqueue, queue, travel):
    """Not even after a day, and not by asking a registry, which in RQ cleans up."""
    queue.enqueue(jobs.boom, "no", failure_ttl=60)
    queue.enqueue(jobs.add, 1, 2)
    jobqueue.worker.run_next(on_error="record")
    jobqueue.worker.abandon_next()
    travel(DAY)
    queue.enqueue(jobs.add, 3, 4)
    jobqueue.worker.drain()

    assert len(jobqueue.binding.running()) == 1
    assert jobqueue.redis.zcard("rq:failed:default") == 1
    jobqueue.worker.recover()
    assert jobqueue.redis.zcard("rq:failed:default") == 1  # the abandoned one, instead of the old one
    assert jobqueue.binding.running() == []


def test_failure_callbacks_of_abandoned_jobs_give_the_alarm_back(jobqueue, queue, travel):
    ALARMS.clear()
    queue.enqueue(jobs.add, 1, 2, on_failure=rq.Callback(on_failure))
    jobqueue.worker.abandon_next()
    travel(DAY)
    mine = lambda *_: None  # noqa: E731 (a handler with an identity)
    before = signal.signal(signal.SIGALRM, mine)
    left, interval = signal.setitimer(signal.ITIMER_REAL, 3600)
    penalty = BaseRegistry.death_penalty_class
    try:
        jobqueue.worker.recover()
        assert signal.getsignal(signal.SIGALRM) is mine
        assert signal.getitimer(signal.ITIMER_REAL)[0] > 3000
    finally:
        signal.setitimer(signal.ITIMER_REAL, left, interval)
        signal.signal(signal.SIGALRM, before)
    assert [name for name, _ in ALARMS] == ["AbandonedJobError"]
    assert BaseRegistry.death_penalty_class is penalty


def test_another_workers_maintenance_is_not_interrupted(jobqueue, queue, travel):
    """RQ takes a lock for it; who does not get the lock leaves it alone."""
    queue.enqueue(jobs.add, 1, 2)
    jobqueue.worker.abandon_next()
    travel(DAY)
    queue.acquire_maintenance_lock()
    jobqueue.worker.recover()
    assert len(jobqueue.binding.running()) == 1
    queue.release_maintenance_lock()
    jobqueue.worker.recover()
    assert jobqueue.binding.running() == []
