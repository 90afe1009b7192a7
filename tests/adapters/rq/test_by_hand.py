"""Jobs that wait for others or for room, and such as RQ has lost, by hand."""

from __future__ import annotations

import pytest

from pytest_jobqueue.errors import UsageError

rq = pytest.importorskip("rq")

ADD = "pytest_jobqueue.contracts.jobs.add"
FLAKY = "pytest_jobqueue.contracts.jobs.flaky"


def test_a_job_that_waits_for_another_can_be_discarded(jobqueue):
    first = jobqueue.producer.enqueue(ADD, 1, 2)
    jobqueue.producer.set(depends_on=first).enqueue(ADD, 3, 4)
    (waiting,) = jobqueue.binding.waiting()
    with pytest.raises(UsageError, match="cannot be requeued"):
        jobqueue.binding.requeue(waiting)
    jobqueue.binding.discard(waiting)
    assert list(jobqueue.binding.waiting()) == []
    assert jobqueue.worker.drain().results == [3]
    assert not jobqueue.redis.exists(f"rq:job:{waiting.id}")


def test_a_job_that_a_limit_holds_back_can_be_discarded(jobqueue):
    limits = pytest.importorskip("rq.rate_limit", reason="RQ has limits from 3.0 on")
    producer = jobqueue.producer.set(rate_limit=limits.RateLimit("one", 1))
    for number in range(3):
        producer.enqueue(ADD, number, 0)
    held, other = jobqueue.binding.waiting()  # of one moment, so in no order
    jobqueue.binding.discard(held)
    assert held.id not in [job.id for job in jobqueue.binding.waiting()]
    assert jobqueue.worker.drain().results == [0, other.args[0]]


def test_a_job_that_gave_its_place_back_makes_room(jobqueue):
    limits = pytest.importorskip("rq.rate_limit", reason="RQ has limits from 3.0 on")
    producer = jobqueue.producer.set(rate_limit=limits.RateLimit("one", 1))
    for number in range(2):
        producer.enqueue(ADD, number, 0)
    jobqueue.binding.discard(jobqueue.binding.pending()[0])
    assert jobqueue.worker.drain().results == [1]


def test_a_retry_of_a_job_that_depended_on_another_is_ready(jobqueue):
    first = jobqueue.producer.enqueue(ADD, 1, 2)
    jobqueue.producer.set(depends_on=first, retry=rq.Retry(max=2, interval=60)).enqueue(FLAKY, 1)
    jobqueue.worker.run_next()
    jobqueue.worker.run_next(on_error="record")
    jobqueue.binding.requeue(jobqueue.binding.retrying()[0])
    assert jobqueue.worker.drain().results == ["at last"]


def test_a_job_whose_data_has_expired_is_there_no_longer(jobqueue):
    jobqueue.producer.enqueue_in(60, ADD, 1, 2)
    (job,) = jobqueue.binding.scheduled()
    jobqueue.redis.delete(f"rq:job:{job.id}")
    with pytest.raises(UsageError, match="not scheduled, retrying or failed, or not any more"):
        jobqueue.binding.requeue(job)


def test_a_job_that_is_running_is_the_workers(jobqueue):
    jobqueue.producer.enqueue(ADD, 1, 2)
    job = jobqueue.worker.abandon_next()
    with pytest.raises(UsageError, match="cannot be discarded"):
        jobqueue.binding.discard(job)
    assert [running.id for running in jobqueue.binding.running()] == [job.id]
