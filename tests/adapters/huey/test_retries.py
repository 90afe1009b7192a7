"""When a task runs again, as Huey says: its delays, its back-off, its own exceptions for it."""

from __future__ import annotations

import time

import pytest

huey = pytest.importorskip("huey")
registry = pytest.importorskip("huey.registry")
BACKOFF = pytest.mark.skipif(
    "retry_backoff" not in registry.Message._fields, reason="this Huey has no growing delay"
)


def failing(app, **options):
    @app.task(**options)
    def fail():
        raise ValueError("out of paper")

    return fail


def delays(jobqueue, travel):
    """Run all attempts; the seconds between them."""
    found = []
    while jobqueue.worker.run_next(on_error="record").status == "retrying":
        (job,) = jobqueue.binding.retrying()
        found.append(round(job.due_at - time.time()))
        travel(job.due_at - time.time() + 0.01)
    return found


def test_the_same_delay_each_time(app, jobqueue, travel):
    failing(app, retries=3, retry_delay=60)()
    assert delays(jobqueue, travel) == [60, 60, 60]
    jobqueue.assert_idle()


@BACKOFF
def test_a_growing_delay(app, jobqueue, travel):
    failing(app, retries=3, retry_delay=10, retry_backoff=3)()
    assert delays(jobqueue, travel) == [10, 30, 90]


def test_a_retry_shows_attempts_and_the_last_error(app, jobqueue, travel):
    failing(app, retries=2, retry_delay=60)()
    jobqueue.worker.drain(on_error="record")
    (job,) = jobqueue.assert_retrying(f"{__name__}.fail", error="out of paper")
    assert (job.attempts, job.error) == (1, "out of paper")


def test_retries_of_the_call_count_as_well_as_those_of_the_task(app, jobqueue, travel):
    failing(app)
    jobqueue.producer.set(retries=1, retry_delay=60).enqueue(f"{__name__}.fail")
    jobqueue.worker.drain(on_error="record")
    assert [job.attempts for job in jobqueue.binding.retrying()] == [1]
    assert jobqueue.binding.scheduled() == []


def test_without_a_delay_all_attempts_are_in_one_drain(app, jobqueue):
    failing(app, retries=2)()
    drained = jobqueue.worker.drain(on_error="record")
    assert [outcome.status for outcome in drained] == ["retrying", "retrying", "failed"]
    assert [outcome.job.attempts for outcome in drained] == [0, 1, 2]


def test_what_asks_for_a_retry_is_no_failure(app, jobqueue, travel):
    @app.task()
    def not_yet():
        raise huey.RetryTask("the file is not there", delay=300)

    not_yet()
    (outcome,) = jobqueue.worker.drain()
    assert (outcome.status, outcome.exception) == ("retrying", None)
    assert outcome.reason == "RetryTask: the file is not there"
    assert jobqueue.binding.next_due() == pytest.approx(time.time() + 300, abs=1)


def test_another_process_sees_a_retry_by_what_is_left(app, jobqueue, travel):
    from pytest_jobqueue.adapters.huey.binding import HueyBinding

    failing(app, retries=2, retry_delay=60)()
    jobqueue.worker.drain(on_error="record")
    jobqueue.binding._attempts.clear()
    assert [job.attempts for job in jobqueue.binding.retrying()] == [1]
    assert isinstance(jobqueue.binding, HueyBinding)
