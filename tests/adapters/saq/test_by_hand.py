"""Jobs that a worker has, were aborted, or have lost their body, by hand."""

from __future__ import annotations

import pytest

from pytest_jobqueue.errors import UsageError

pytest.importorskip("saq")


def test_a_dead_job_keeps_its_attempts_and_has_no_delay(jobqueue):
    jobqueue.producer.set(key="one", retry_delay=60).enqueue("boom", message="no")
    jobqueue.worker.drain(on_error="record")
    jobqueue.binding.requeue(jobqueue.binding.failed()[0])
    (job,) = jobqueue.binding.pending()
    assert (job.id, job.attempts, job.error) == ("one", 1, None)
    assert [outcome.status for outcome in jobqueue.worker.drain(on_error="record")] == ["failed"]
    assert [job.attempts for job in jobqueue.binding.failed()] == [2]


def test_a_retry_that_is_ready_though_it_has_a_time_is_not_doubled(jobqueue, travel):
    jobqueue.producer.set(retries=2).enqueue_in(60, "flaky", times=1)
    travel(61)
    jobqueue.worker.tick()
    jobqueue.worker.run_next(on_error="record")
    (job,) = jobqueue.binding.pending()
    with pytest.raises(UsageError, match="cannot be requeued"):
        jobqueue.binding.requeue(job)


def test_a_job_without_its_body_can_be_discarded(jobqueue):
    jobqueue.producer.set(key="one").enqueue("add", 1, 2)
    jobqueue.redis.delete("saq:job:default:one")
    jobqueue.binding.discard(jobqueue.binding.pending()[0])
    assert list(jobqueue.binding.pending()) == []
    assert jobqueue.worker.drain() == []


def test_a_job_that_the_worker_would_have_taken_next(jobqueue):
    for number in range(3):
        jobqueue.producer.enqueue("add", number, 0)
    assert jobqueue.worker.run_next().result == 0
    jobqueue.binding.discard(jobqueue.binding.pending()[0])
    assert jobqueue.worker.drain().results == [2]


def test_an_aborted_job_runs_after_all(jobqueue):
    job = jobqueue.producer.enqueue("add", 1, 2)

    async def abort():
        found = await jobqueue.binding.twin._queue.job(job.id)
        await found.abort("not now")

    jobqueue.run(abort())
    jobqueue.binding.requeue(jobqueue.binding.failed()[0])
    assert jobqueue.worker.drain().results == [3]
