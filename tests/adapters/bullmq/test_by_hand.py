"""Jobs of several states, priorities and families, by hand."""

from __future__ import annotations

import pytest

from pytest_jobqueue.errors import UsageError

bullmq = pytest.importorskip("bullmq")


def test_a_promoted_job_keeps_its_queue_and_priority(jobqueue):
    jobqueue.producer.set(priority=2).enqueue("add", 1, 0, queue="second")
    jobqueue.producer.set(priority=1).enqueue_in(60, "add", 2, 0, queue="second")
    jobqueue.binding.requeue(jobqueue.binding.scheduled()[0])
    assert jobqueue.worker.drain().results == [2, 1]


def test_a_job_with_a_priority_can_be_discarded(jobqueue):
    jobqueue.producer.set(priority=2).enqueue("add", 1, 0)
    jobqueue.binding.discard(jobqueue.binding.pending()[0])
    assert jobqueue.worker.drain() == []


def test_a_dead_job_keeps_its_attempts(jobqueue):
    jobqueue.producer.enqueue("boom", "no")
    jobqueue.worker.drain(on_error="record")
    jobqueue.binding.requeue(jobqueue.binding.failed()[0])
    assert [job.attempts for job in jobqueue.binding.pending()] == [1]
    assert [outcome.status for outcome in jobqueue.worker.drain(on_error="record")] == ["failed"]


def test_what_is_on_a_paused_queue_can_be_discarded(jobqueue, queue):
    job = jobqueue.producer.enqueue("add", 1, 2, queue="first")
    jobqueue.run(queue.pause())
    assert [waiting.id for waiting in jobqueue.binding.waiting()] == [job.id]
    jobqueue.binding.discard(job)
    assert list(jobqueue.binding.waiting()) == []


def test_a_parent_goes_with_its_children(jobqueue):
    async def flow():
        producer = bullmq.FlowProducer({"connection": jobqueue.url})
        child = {"name": "add", "queueName": "second", "data": [1, 2]}
        await producer.add({"name": "add", "queueName": "first", "data": [3, 4], "children": [child]})
        await producer.close()

    jobqueue.run(flow())
    jobqueue.binding.discard(jobqueue.binding.waiting()[0])
    assert list(jobqueue.binding.pending()) == []


def test_the_next_run_of_a_scheduler_goes_with_that(jobqueue, queue):
    jobqueue.run(queue.upsertJobScheduler("nightly", {"pattern": "30 4 * * *"}, "add", [1, 2]))
    (job,) = jobqueue.binding.scheduled()
    with pytest.raises(UsageError, match="removeJobScheduler"):
        jobqueue.binding.discard(job)
