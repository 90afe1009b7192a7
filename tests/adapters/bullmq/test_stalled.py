"""A job whose worker died is found without its lock, put back, and given up when that happens too often.

Locks here live for so short a time that no clock need be moved, on any server.
"""

from __future__ import annotations

import time

import pytest

pytest.importorskip("bullmq")

from pytest_jobqueue import JobQueue


@pytest.fixture
def jobqueue(jobqueue_server, jobqueue_url, service):
    options = {"lockDuration": 500, "stalledInterval": 1, "maxStalledCount": 1}
    app = {"queue": "first", "processor": service.process, "options": options}
    with JobQueue(app, jobqueue_server) as made:
        yield made


def recovered(jobqueue):
    """How many jobs come back, once the lock has been given up."""
    for key in jobqueue.redis.scan_iter(match="*:lock"):
        jobqueue.redis.delete(key)
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:  # two looks, with the interval of a millisecond between them
        count = jobqueue.worker.recover()
        if count:
            return count
    return 0


def test_it_is_put_back_and_runs(jobqueue):
    job = jobqueue.producer.enqueue("add", 1, 2)
    jobqueue.producer.enqueue("add", 3, 4)
    assert jobqueue.worker.abandon_next().id == job.id
    assert [found.id for found in jobqueue.binding.running()] == [job.id]
    assert recovered(jobqueue) == 1
    assert jobqueue.worker.drain().results == [3, 7]  # it is the next one


def test_a_job_that_has_its_lock_is_left_alone(jobqueue, service):
    jobqueue.producer.enqueue("add", 1, 2)
    jobqueue.worker.abandon_next()
    (lock,) = jobqueue.redis.scan_iter(match="*:lock")
    jobqueue.redis.persist(lock)
    assert [jobqueue.worker.recover() for _ in range(3)] == [0, 0, 0]
    assert len(jobqueue.binding.running()) == 1


def test_a_job_that_stalls_twice_is_dead(jobqueue, service):
    jobqueue.producer.enqueue("add", 1, 2)
    for _ in range(2):
        jobqueue.worker.abandon_next()
        assert recovered(jobqueue) == 1
    (outcome,) = jobqueue.worker.drain(on_error="record")
    assert outcome.status == "failed"
    assert "stalled" in str(outcome.exception)
    assert service.calls == []
    jobqueue.assert_dead("add", 1, 2, error="stalled")
