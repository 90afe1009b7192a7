"""Attempts and back-off are BullMQ's own, and so is what is done on purpose."""

from __future__ import annotations

import time

import pytest

bullmq = pytest.importorskip("bullmq")


def test_the_delays_of_an_exponential_back_off(jobqueue, travel):
    producer = jobqueue.producer.set(attempts=4, backoff={"type": "exponential", "delay": 1000})
    producer.enqueue("boom", "no")
    waited = []
    for attempt in range(3):
        (outcome,) = jobqueue.worker.drain(on_error="record")
        assert outcome.status == "retrying"
        (job,) = jobqueue.assert_retrying("boom", "no", error="no")
        assert job.attempts == attempt + 1
        assert job.due_at == jobqueue.binding.next_due()
        waited.append(round(job.due_at - time.time()))
        travel(job.due_at - time.time() + 0.001)
        assert [job.name for job in jobqueue.binding.pending()] == ["boom"]
    assert waited == [1, 2, 4]
    (outcome,) = jobqueue.worker.drain(on_error="record")
    assert outcome.status == "failed"
    jobqueue.assert_dead("boom", "no", error="no")


def test_without_a_back_off_the_retry_is_ready_at_once(jobqueue):
    jobqueue.producer.set(attempts=3).enqueue("boom", "no")
    drained = jobqueue.worker.drain(on_error="record")
    assert [outcome.status for outcome in drained] == ["retrying", "retrying", "failed"]


def test_a_strategy_of_the_workers_own(jobqueue_server, jobqueue_url, service, travel):
    from pytest_jobqueue import JobQueue

    options = {"settings": {"backoffStrategy": lambda made, *_: made * 30_000}}
    app = {"queue": "first", "processor": service.process, "options": options}
    with JobQueue(app, jobqueue_server) as jobqueue:
        jobqueue.producer.set(attempts=2, backoff={"type": "custom"}).enqueue("boom", "no")
        jobqueue.worker.drain(on_error="record")
        jobqueue.assert_retrying("boom", error="no")
        assert jobqueue.binding.next_due() == pytest.approx(time.time() + 30, abs=2)


def test_an_unrecoverable_error_is_the_last(jobqueue, service):
    async def give_up(job, token):
        raise bullmq.UnrecoverableError("for good")

    service.handlers["give up"] = give_up
    jobqueue.producer.set(attempts=5).enqueue("give up")
    (outcome,) = jobqueue.worker.drain(on_error="record")
    assert outcome.status == "failed"
    jobqueue.assert_dead("give up", error="for good")


def test_a_dead_job_that_is_not_kept(jobqueue):
    jobqueue.producer.set(removeOnFail=True).enqueue("boom", "no")
    (outcome,) = jobqueue.worker.drain(on_error="record")
    assert outcome.status == "failed"
    assert jobqueue.binding.failed() == []


def test_a_job_that_puts_itself_off(jobqueue, service, travel):
    from bullmq.worker import Worker

    if "DelayedError" not in Worker.processJob.__code__.co_names:
        pytest.skip("this BullMQ takes a DelayedError for a failure")

    async def later(job, token):
        if len(service.calls) == 1:
            await job.moveToDelayed(round(time.time() * 1000) + 60_000, token)
            raise bullmq.DelayedError
        return "now"

    service.handlers["later"] = later
    jobqueue.producer.enqueue("later")
    (outcome,) = jobqueue.worker.drain()
    assert (outcome.status, outcome.exception) == ("retrying", None)
    assert "DelayedError" in outcome.reason
    travel(61)
    assert jobqueue.worker.drain().results == ["now"]


def test_a_dead_job_is_put_back_by_the_service(jobqueue, queue, service):
    job = jobqueue.producer.enqueue("boom", "no")
    jobqueue.worker.drain(on_error="record")

    async def put_back():
        await (await bullmq.Job.fromId(queue, job.id)).retry()

    jobqueue.run(put_back())
    service.handlers["boom"] = service.add
    (again,) = jobqueue.binding.pending()
    assert again.id == job.id
