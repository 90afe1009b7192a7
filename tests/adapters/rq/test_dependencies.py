"""Jobs that wait for others."""

from __future__ import annotations

import pytest

from pytest_jobqueue.contracts import jobs

rq = pytest.importorskip("rq")

HERE = "pytest_jobqueue.contracts.jobs"


def test_a_dependent_waits_then_runs_in_the_same_drain(jobqueue, queue):
    first = queue.enqueue(jobs.add, 1, 2)
    second = queue.enqueue(jobs.add, 3, 4, depends_on=first)

    assert [job.id for job in jobqueue.binding.waiting()] == [second.id]
    assert [job.id for job in jobqueue.binding.pending()] == [first.id]
    assert jobqueue.worker.drain().results == [3, 7]
    assert jobqueue.binding.waiting() == []


def test_the_producers_job_can_be_depended_on(jobqueue):
    first = jobqueue.producer.enqueue(f"{HERE}.add", 1, 2)
    second = jobqueue.producer.enqueue(f"{HERE}.add", 3, 4)
    jobqueue.producer.set(depends_on=[first, second.id]).enqueue(f"{HERE}.keywords", a=1)
    assert [job.name for job in jobqueue.binding.waiting()] == [f"{HERE}.keywords"]
    assert jobqueue.worker.drain().results == [3, 7, ["a"]]


def test_a_dependent_of_a_failed_job_waits_on(jobqueue, queue):
    """As in production: RQ never runs it, and never says so."""
    first = queue.enqueue(jobs.boom, "no")
    queue.enqueue(jobs.add, 1, 2, depends_on=first)
    jobqueue.worker.drain(on_error="record")
    assert len(jobqueue.binding.waiting()) == 1
    assert jobqueue.worker.drain() == []


def test_unless_it_allows_failure(jobqueue, queue):
    first = queue.enqueue(jobs.boom, "no")
    queue.enqueue(jobs.add, 1, 2, depends_on=rq.job.Dependency(jobs=[first], allow_failure=True))
    assert jobqueue.worker.drain(on_error="record").results == [3]


def test_a_retry_that_runs_well_releases_the_dependents(jobqueue, queue):
    first = queue.enqueue(jobs.flaky, 1, retry=rq.Retry(max=1))
    queue.enqueue(jobs.add, 1, 2, depends_on=first)
    assert jobqueue.worker.drain(on_error="record").results == ["at last", 3]


def test_a_job_under_a_rate_limit_waits_for_its_turn(jobqueue, queue):
    if not hasattr(rq, "RateLimit"):
        pytest.skip("this RQ has no rate limits")
    for number in range(2):
        queue.enqueue(jobs.add, number, 0, rate_limit=rq.RateLimit("one", concurrency=1))
    assert [job.args for job in jobqueue.binding.waiting()] == [(1, 0)]
    assert jobqueue.worker.drain().results == [0, 1]
