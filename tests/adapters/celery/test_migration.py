"""What docs/adapters/celery.md says about task_always_eager and the other aids: each claim, shown."""

from __future__ import annotations

import pytest

celery = pytest.importorskip("celery")

# Celery's result backend calls what redis-py 8 has deprecated.
pytestmark = pytest.mark.filterwarnings("ignore:Call to deprecated setex:DeprecationWarning")
from celery.exceptions import AlwaysEagerIgnored, SoftTimeLimitExceeded


@pytest.fixture
def app(app):
    @app.task(name="kind_of")
    def kind_of(value):
        return type(value).__name__

    @app.task(name="attempts", bind=True, max_retries=2, default_retry_delay=300)
    def attempts(self):
        raise self.retry(exc=ValueError("not yet"))

    @app.task(name="slow", soft_time_limit=0.02)
    def slow():
        import time

        time.sleep(30)

    @app.task(name="total")
    def total(numbers):
        return sum(numbers)

    return app


@pytest.fixture
def eager(app):
    """The same tasks in an application of which nobody has made a queue."""
    app.conf.task_always_eager = True
    return app


class TestEagerMode:
    """What it says, and what happens on a queue."""

    def test_the_setting_may_stay(self, jobqueue, app):
        app.conf.task_always_eager = True
        result = app.tasks["add"].delay(1, 2)
        assert result.state == "PENDING"
        jobqueue.worker.drain()
        assert result.get() == 3

    def test_routing_is_skipped(self, eager):
        assert eager.tasks["add"].apply_async((1, 2), queue="no such queue", priority=5).get() == 3

    def test_routing_is_seen(self, jobqueue, app):
        app.tasks["add"].apply_async((1, 2), queue="maths")
        jobqueue.assert_enqueued("add", 1, 2, queue="maths")

    def test_a_countdown_is_ignored(self, eager):
        assert eager.tasks["add"].apply_async((1, 2), countdown=3600).get() == 3

    def test_a_countdown_is_kept(self, jobqueue, app):
        app.tasks["add"].apply_async((1, 2), countdown=3600)
        assert jobqueue.worker.drain() == []
        jobqueue.assert_scheduled("add", 1, 2)

    def test_retries_are_made_at_once(self, eager):
        assert eager.tasks["attempts"].delay().state == "FAILURE"

    def test_retries_wait(self, jobqueue, app, travel):
        app.tasks["attempts"].delay()
        for _ in range(2):
            assert jobqueue.worker.drain(on_error="record")[0].status == "retrying"
            jobqueue.assert_retrying("attempts")
            travel(301)
        assert jobqueue.worker.drain(on_error="record")[0].status == "failed"

    def test_expiry_is_ignored(self, eager):
        assert eager.tasks["add"].apply_async((1, 2), expires=-1).get() == 3

    def test_expiry_is_kept(self, jobqueue, app, travel):
        app.tasks["add"].apply_async((1, 2), expires=10)
        travel(11)
        assert jobqueue.worker.drain()[0].reason == "expired"

    def test_time_limits_are_ignored(self, eager, monkeypatch):
        slept = []
        monkeypatch.setattr("time.sleep", slept.append)
        eager.tasks["slow"].delay()
        assert slept == [30]

    def test_time_limits_are_kept(self, jobqueue, app):
        app.tasks["slow"].delay()
        with pytest.raises(SoftTimeLimitExceeded):
            jobqueue.worker.drain()

    def test_results_are_objects_and_not_what_json_makes_of_them(self, eager):
        assert eager.tasks["kind_of"].delay({1: 2}).get() == "dict"
        eager.task(name="pair")(_pair)
        assert eager.tasks["pair"].delay().get() == (1, 2)

    def test_results_are_what_json_makes_of_them(self, jobqueue, app):
        app.task(name="pair")(_pair)
        result = app.tasks["pair"].delay()
        jobqueue.worker.drain()
        assert result.get() == [1, 2]

    def test_signatures_that_nobody_registered_are_missed_by_nobody(self, make_app):
        eager = make_app(broker="memory://", backend=None, task_always_eager=True)
        with pytest.warns(AlwaysEagerIgnored):
            eager.send_task("no.such.task")

    def test_signatures_that_nobody_registered_are_seen(self, jobqueue, app):
        app.send_task("no.such.task")
        with pytest.raises(Exception, match=r"no task 'no.such.task' is registered"):
            jobqueue.worker.drain()

    def test_a_task_that_is_sent_too_early_is_run_in_the_middle_of_the_caller(self, eager):
        order, reads = _reader(eager)
        result = reads.delay()
        order.append("written after the task was sent")
        assert result.get() == []

    def test_a_task_that_is_sent_too_early_is_seen(self, jobqueue, app):
        """The order of the service's own steps is the one of production: the caller is done first."""
        order, reads = _reader(app)
        reads.delay()
        order.append("written after the task was sent")
        assert jobqueue.worker.drain().results == [["written after the task was sent"]]


def _reader(app):
    """What the service writes, and a task that reads it."""
    order = []

    @app.task(name="reads")
    def reads():
        return list(order)

    return order, reads


def _pair():
    return (1, 2)


class TestCeleryWorker:
    """What the thread of `celery_worker` needs, and nobody needs here."""

    def test_no_ping_task_and_no_thread(self, jobqueue, app):
        import threading

        before = threading.active_count()
        assert "celery.ping" not in app.tasks
        jobqueue.producer.enqueue("add", 1, 2)
        jobqueue.worker.drain()
        assert threading.active_count() == before

    def test_no_second_to_stop(self, jobqueue, app):
        import time

        app.tasks["add"].delay(1, 2)
        jobqueue.worker.drain()
        started = time.perf_counter()
        jobqueue.close()
        assert time.perf_counter() - started < 0.5

    def test_a_failure_is_raised_in_the_test(self, jobqueue):
        jobqueue.producer.enqueue("boom", "paper")
        with pytest.raises(ValueError, match="paper") as caught:
            jobqueue.worker.drain()
        assert caught.traceback[-1].name == "boom"

    def test_nothing_runs_until_it_is_told_to(self, jobqueue, app):
        result = app.tasks["add"].delay(1, 2)
        jobqueue.assert_enqueued("add", 1, 2, count=1)
        assert result.state == "PENDING"


class TestApply:
    """`task.apply()` and a call of the function still do what they did."""

    def test_they_run_on_the_spot(self, jobqueue, app):
        assert app.tasks["add"].apply((1, 2)).get() == 3
        assert app.tasks["add"](1, 2) == 3
        jobqueue.assert_idle()

    def test_a_chord_needs_no_polling(self, jobqueue, app):
        from celery import chord

        add = app.tasks["add"]
        result = chord([add.s(1, 1), add.s(2, 2)])(app.tasks["total"].s())
        jobqueue.worker.drain()
        assert result.get() == 6
