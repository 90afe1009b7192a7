"""Retries and repeats, by RQ's own rules and at its own times."""

from __future__ import annotations

import time

import pytest

from pytest_jobqueue.adapters.rq.binding import RetriesExhaustedError
from pytest_jobqueue.contracts import jobs

rq = pytest.importorskip("rq")
repeats = pytest.mark.skipif(not hasattr(rq, "Repeat"), reason="this RQ has no Repeat")
returned = pytest.mark.skipif(
    not hasattr(rq.Worker, "handle_job_retry"), reason="this RQ has no retries by return value"
)


def wait(jobqueue, travel):
    """Travel to the next due job; returns how long that is."""
    seconds = jobqueue.binding.next_due() - time.time()
    travel(seconds + 0.5)
    return seconds


def test_a_list_of_intervals_is_rqs_own(jobqueue, queue, travel):
    """With more retries than intervals, RQ uses the first one more than once, not the last."""
    queue.enqueue(jobs.flaky, 3, retry=rq.Retry(max=3, interval=[60, 600]))

    waits = []
    for attempt in range(1, 4):
        (outcome,) = jobqueue.worker.drain(on_error="record")
        assert (outcome.status, outcome.job.attempts) == ("retrying", attempt - 1)
        assert outcome.reason == f"{3 - attempt} {'retry' if attempt == 2 else 'retries'} left"
        (again,) = jobqueue.binding.retrying()
        assert (again.attempts, again.error) == (attempt, "ValueError: not yet")
        waits.append(round(wait(jobqueue, travel), -1))

    assert waits == [60, 60, 600]
    assert jobqueue.worker.drain().results == ["at last"]


def test_the_last_retry_that_fails_makes_it_dead(jobqueue, queue, travel):
    queue.enqueue(jobs.boom, "always", retry=rq.Retry(max=1, interval=5))
    jobqueue.worker.drain(on_error="record")
    assert jobqueue.binding.failed() == []
    wait(jobqueue, travel)

    (outcome,) = jobqueue.worker.drain(on_error="record")

    assert outcome.status == "failed"
    (dead,) = jobqueue.binding.failed()
    assert (dead.error, dead.attempts) == ("ValueError: always", 2)


def test_a_retry_without_interval_is_ready_at_once(jobqueue, queue):
    queue.enqueue(jobs.flaky, 1, retry=rq.Retry(max=1))
    assert [outcome.status for outcome in jobqueue.worker.drain(on_error="record")] == ["retrying", "ok"]


@returned
def test_a_job_may_ask_for_a_retry_by_returning_it(jobqueue, queue, hook, travel):
    answers = [rq.Retry(max=2, interval=30), "done"]
    queue.enqueue(*hook(lambda: answers.pop(0)))

    (outcome,) = jobqueue.worker.drain()
    assert (outcome.status, outcome.exception) == ("retrying", None)
    assert outcome.reason == "it returned Retry(max=2, interval=[30])"
    (again,) = jobqueue.binding.retrying()
    assert again.attempts == 1
    assert round(wait(jobqueue, travel)) in (29, 30)
    assert jobqueue.worker.drain().results == ["done"]


@returned
def test_a_job_that_asks_too_often_fails_the_test(jobqueue, queue, hook):
    job = queue.enqueue(*hook(lambda: rq.Retry(max=1)))
    with pytest.raises(RetriesExhaustedError, match=r"interval=\[0\]\), and was retried for that 1 times"):
        jobqueue.worker.drain()
    assert job.get_status() == "failed"
    assert [outcome.status for outcome in jobqueue.journal.outcomes] == ["retrying", "failed"]


@repeats
def test_a_repeated_job_is_scheduled_not_retrying(jobqueue, queue, travel):
    queue.enqueue(jobs.add, 1, 2, repeat=rq.Repeat(times=2, interval=[10, 20]), retry=rq.Retry(max=1))

    for _ in range(2):
        assert jobqueue.worker.drain().results == [3]
        assert jobqueue.binding.retrying() == []
        (again,) = jobqueue.binding.scheduled()
        assert again.name.endswith(".add")
        wait(jobqueue, travel)

    assert jobqueue.worker.drain().results == [3]
    assert jobqueue.binding.scheduled() == []


@repeats
def test_a_repeated_job_that_fails_is_retrying(jobqueue, queue, travel):
    queue.enqueue(jobs.flaky, 1, repeat=rq.Repeat(times=1, interval=10), retry=rq.Retry(max=1, interval=5))
    jobqueue.worker.drain(on_error="record")
    assert len(jobqueue.binding.retrying()) == 1
    wait(jobqueue, travel)
    assert jobqueue.worker.drain().results == ["at last"]
    assert (len(jobqueue.binding.retrying()), len(jobqueue.binding.scheduled())) == (0, 1)


def test_a_retry_is_told_from_a_first_run_by_another_process_too(jobqueue, queue, jobqueue_url):
    from pytest_jobqueue.adapters.rq.binding import RQBinding

    queue.enqueue(jobs.boom, "no", retry=rq.Retry(max=1, interval=60))
    jobqueue.worker.drain(on_error="record")
    other = RQBinding(rq.Queue(connection=queue.connection), jobqueue_url)
    (again,) = other.retrying()
    assert again.attempts is None  # RQ does not count them
    other.close()
