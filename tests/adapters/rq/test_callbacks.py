"""What RQ calls when a job has ended, and what becomes of the job when that fails."""

from __future__ import annotations

import pytest

from pytest_jobqueue.contracts import jobs

rq = pytest.importorskip("rq")

CALLED = []


@pytest.fixture(autouse=True)
def called():
    CALLED.clear()
    return CALLED


def on_success(job, connection, result):
    CALLED.append(("success", job.id, connection.ping(), result))


def on_failure(job, connection, kind, error, traceback):
    CALLED.append(("failure", job.id, kind, str(error)))


def broken(*args):
    raise RuntimeError("the callback is broken")


def test_success(jobqueue, queue, called):
    job = queue.enqueue(
        jobs.add, 1, 2, on_success=rq.Callback(on_success), on_failure=rq.Callback(on_failure)
    )
    jobqueue.worker.drain()
    assert called == [("success", job.id, True, 3)]


def test_failure(jobqueue, queue, called):
    job = queue.enqueue(
        jobs.boom, "no", on_success=rq.Callback(on_success), on_failure=rq.Callback(on_failure)
    )
    jobqueue.worker.drain(on_error="record")
    assert called == [("failure", job.id, ValueError, "no")]


def test_a_success_callback_that_raises_makes_the_job_fail(jobqueue, queue):
    job = queue.enqueue(jobs.add, 1, 2, on_success=rq.Callback(broken))
    with pytest.raises(RuntimeError, match="the callback is broken"):
        jobqueue.worker.drain()
    assert job.get_status() == "failed"
    (outcome,) = jobqueue.journal.outcomes
    assert outcome.reason == "this was raised after the job's function had returned"


def test_a_failure_callback_that_raises_does_not_hide_the_job_s_exception(jobqueue, queue):
    queue.enqueue(jobs.boom, "no", on_failure=rq.Callback(broken))
    with pytest.raises(ValueError, match="no"):
        jobqueue.worker.drain()
