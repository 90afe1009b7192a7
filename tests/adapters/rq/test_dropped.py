"""Jobs that are consumed and not run."""

from __future__ import annotations

import pytest

from pytest_jobqueue.contracts import jobs

rq = pytest.importorskip("rq")


def test_an_expired_job_is_reported_where_rq_passes_over_it(jobqueue, queue):
    gone = queue.enqueue(jobs.add, 1, 2, ttl=500)
    queue.enqueue(jobs.add, 3, 4)
    assert 0 < jobqueue.redis.ttl(gone.key) <= 500
    jobqueue.redis.delete(gone.key)  # what Redis does when the time is up

    dropped, ran = jobqueue.worker.drain()

    assert (dropped.status, dropped.job.id, dropped.job.queue) == ("dropped", gone.id, "default")
    assert dropped.reason == "expired: its id was on the queue, and its data was gone"
    assert ran.result == 7
    assert jobqueue.binding.running() == []


def test_a_worker_that_dies_has_a_job_that_is_there(jobqueue, queue):
    jobqueue.redis.delete(queue.enqueue(jobs.add, 1, 2).key)
    job = queue.enqueue(jobs.add, 3, 4)
    assert jobqueue.worker.abandon_next().id == job.id


def test_a_canceled_job_is_nobodys(jobqueue, queue):
    job = queue.enqueue(jobs.add, 1, 2)
    job.cancel()
    assert jobqueue.binding.pending() == []
    assert jobqueue.worker.drain() == []


def test_a_job_that_rq_cannot_read_is_raised(jobqueue, queue):
    job = queue.enqueue(jobs.add, 1, 2)
    jobqueue.redis.hset(job.key, "created_at", "yesterday")
    with pytest.raises(ValueError, match="yesterday"):
        jobqueue.worker.drain()
    (outcome,) = jobqueue.journal.outcomes
    assert (outcome.status, outcome.job.id) == ("dropped", job.id)
    assert outcome.reason == "RQ cannot read it, and its worker would stop at that"


def test_a_job_whose_call_cannot_be_read_is_shown_and_fails(jobqueue, queue):
    job = queue.enqueue(jobs.add, 1, 2, description="add two numbers")
    jobqueue.redis.hset(job.key, "data", b"not a pickle")
    (shown,) = jobqueue.binding.pending()
    assert (shown.id, shown.name) == (job.id, "add two numbers")
    outcome = jobqueue.worker.run_next(on_error="record")
    assert (outcome.status, type(outcome.exception).__name__) == ("failed", "DeserializationError")
