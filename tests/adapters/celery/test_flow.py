"""Tasks that follow tasks: chain, group, chord, link, and what happens when one of them fails."""

from __future__ import annotations

import pytest

celery = pytest.importorskip("celery")

# Celery's result backend calls what redis-py 8 has deprecated.
pytestmark = pytest.mark.filterwarnings("ignore:Call to deprecated setex:DeprecationWarning")

from celery import chain, chord, group


@pytest.fixture
def app(app):
    @app.task(name="total")
    def total(numbers):
        return sum(numbers)

    @app.task(name="note", bind=True)
    def note(self, *args):
        return [str(arg) for arg in args]

    @app.task(name="twice", bind=True)
    def twice(self, number):
        raise self.replace(self.app.tasks["add"].s(number, number))

    return app


@pytest.fixture
def s(app):
    """Signatures by name."""
    return lambda name, *args: app.tasks[name].s(*args)


def names(drained):
    return [(outcome.job.name, outcome.status) for outcome in drained]


def test_a_chain_runs_step_by_step_in_one_drain(jobqueue, s):
    result = chain(s("add", 1, 1), s("add", 10), s("add", 100)).apply_async()

    jobqueue.assert_enqueued("add", 1, 1, count=1)
    assert jobqueue.worker.drain().results == [2, 12, 112]
    assert result.get() == 112


def test_the_rest_of_a_chain_does_not_run_when_a_step_fails(jobqueue, s):
    chain(s("add", 1, 1), s("boom"), s("add", 1)).apply_async()
    assert names(jobqueue.worker.drain(on_error="record")) == [("add", "ok"), ("boom", "failed")]
    jobqueue.assert_idle()


def test_a_group_has_its_results_in_order(jobqueue, s):
    result = group(s("add", number, 1) for number in range(4)).apply_async()
    jobqueue.worker.drain()
    assert result.get() == [1, 2, 3, 4]


def test_a_chord_runs_its_body_once_the_last_is_done(jobqueue, s):
    result = chord([s("add", number, 0) for number in range(4)])(s("total"))

    jobqueue.worker.drain(limit=10)
    assert [outcome.job.name for outcome in jobqueue.journal.outcomes] == ["add"] * 4 + ["total"]
    assert result.get() == 6


def test_a_chain_around_a_group_is_a_chord(jobqueue, s):
    result = chain(s("add", 1, 1), group(s("add", 10), s("add", 20)), s("total")).apply_async()
    assert jobqueue.worker.drain().results == [2, 12, 22, 34]
    assert result.get() == 34


def test_a_chord_whose_header_fails_calls_the_errback_of_its_body(jobqueue, s, app):
    called = []

    @app.task(name="chord_failed")
    def chord_failed(request, exc, traceback):
        called.append((request.task, str(exc)))

    body = s("total").on_error(app.tasks["chord_failed"].s())
    result = chord([s("add", 1, 1), s("boom", "no luck")])(body)

    assert names(jobqueue.worker.drain(on_error="record")) == [("add", "ok"), ("boom", "failed")]
    assert len(called) == 1
    assert "no luck" in called[0][1]
    assert isinstance(result.get(propagate=False), celery.exceptions.ChordError)


def test_link_and_link_error_are_called_for_what_happened(jobqueue, s):
    jobqueue.producer.set(link=s("add", 5)).enqueue("add", 1, 1)
    jobqueue.producer.set(link_error=s("note")).enqueue("boom", "text")

    drained = jobqueue.worker.drain(on_error="record")
    assert [outcome.job.name for outcome in drained] == ["add", "boom", "add", "note"]
    assert drained.results[:2] == [2, 7]


def test_a_task_that_is_replaced_is_dropped_and_its_replacement_runs_under_its_id(jobqueue, app):
    job = jobqueue.producer.enqueue("twice", 4)

    drained = jobqueue.worker.drain()

    assert names(drained) == [("twice", "dropped"), ("add", "ok")]
    assert "Replaced" in drained[0].reason
    assert app.AsyncResult(job.id).get() == 8
