"""Retries, with Celery's own back-off."""

from __future__ import annotations

import pytest

celery = pytest.importorskip("celery")

# Celery's result backend calls what redis-py 8 has deprecated.
pytestmark = pytest.mark.filterwarnings("ignore:Call to deprecated setex:DeprecationWarning")

import time


class UnpicklableError(Exception):
    """It has an argument that its base class does not know of."""

    def __init__(self, code, *, hint):
        super().__init__(code)
        self.hint = hint


@pytest.fixture
def app(app):
    @app.task(
        name="backed_off", autoretry_for=(ValueError,), retry_backoff=3, retry_jitter=False, max_retries=3
    )
    def backed_off():
        raise ValueError("not yet")

    @app.task(name="by_hand", bind=True, max_retries=1, default_retry_delay=40)
    def by_hand(self):
        try:
            raise KeyError("missing")
        except KeyError as error:
            raise self.retry(exc=error) from None

    @app.task(name="polls", bind=True)
    def polls(self):
        if not self.request.retries:
            raise self.retry(countdown=7)
        return self.request.retries

    @app.task(name="odd", autoretry_for=(UnpicklableError,))
    def odd():
        raise UnpicklableError(7, hint="look here")

    @app.task(name="at_once", autoretry_for=(ValueError,), retry_kwargs={"countdown": 0, "max_retries": 2})
    def at_once():
        raise ValueError("again")

    return app


def test_the_delays_and_the_number_of_attempts_are_those_of_the_task(jobqueue, travel):
    jobqueue.producer.enqueue("backed_off")
    delays = []
    while True:
        (outcome,) = jobqueue.worker.drain(on_error="record")
        if outcome.status == "failed":
            break
        (job,) = jobqueue.assert_retrying("backed_off", error="ValueError: not yet")
        delays.append(round(job.due_at - time.time()))
        travel(job.due_at - time.time() + 1)
    assert delays == [3, 6, 12]
    assert outcome.job.attempts == 3
    jobqueue.assert_idle()


def test_self_retry_gives_the_exception_that_it_was_told(jobqueue, travel):
    jobqueue.producer.enqueue("by_hand")

    first = jobqueue.worker.run_next(on_error="record")
    assert (first.status, repr(first.exception)) == ("retrying", "KeyError('missing')")
    assert "40s" in first.reason
    travel(41)
    with pytest.raises(KeyError, match="missing"):
        jobqueue.worker.drain()
    assert jobqueue.journal.outcomes[-1].status == "failed"


def test_a_task_that_only_asks_to_run_again_is_no_failure(jobqueue, travel):
    jobqueue.producer.enqueue("polls")
    (outcome,) = jobqueue.worker.drain()
    assert (outcome.status, outcome.exception) == ("retrying", None)
    travel(8)
    assert jobqueue.worker.drain().results == [1]


def test_an_exception_that_cannot_be_pickled_is_the_original(jobqueue):
    jobqueue.producer.enqueue("odd")
    with pytest.raises(UnpicklableError) as caught:
        jobqueue.worker.drain()
    assert caught.value.hint == "look here"
    assert caught.traceback[-1].name == "odd"


def test_retries_without_delay_follow_in_the_same_drain(jobqueue):
    jobqueue.producer.enqueue("at_once")
    drained = jobqueue.worker.drain(on_error="record")
    assert [outcome.status for outcome in drained] == ["retrying", "retrying", "failed"]
    assert [outcome.job.attempts for outcome in drained] == [0, 1, 2]
