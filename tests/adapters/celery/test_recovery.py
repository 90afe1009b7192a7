"""A worker that dies: what is lost, what comes back, and when."""

from __future__ import annotations

import threading

import pytest

celery = pytest.importorskip("celery")

# Celery's result backend calls what redis-py 8 has deprecated.
pytestmark = pytest.mark.filterwarnings("ignore:Call to deprecated setex:DeprecationWarning")
from pytest_jobqueue import JobQueue


@pytest.fixture
def app(app):
    @app.task(name="late", acks_late=True)
    def late(text):
        return text

    @app.task(name="dies", acks_late=True)
    def dies():
        raise SystemExit(3)

    @app.task(name="dies_again", bind=True, acks_late=True, reject_on_worker_lost=True)
    def dies_again(self):
        if not self.request.delivery_info["redelivered"]:
            raise KeyboardInterrupt
        return "redelivered"

    @app.task(name="fails_the_test")
    def fails_the_test():
        pytest.fail("seen in the task")

    @app.task(name="late_failure", acks_late=True)
    def late_failure():
        raise ValueError("too late")

    @app.task(name="late_failure_kept", acks_late=True, acks_on_failure_or_timeout=False)
    def late_failure_kept():
        raise ValueError("too late")

    return app


def test_without_acks_late_a_running_job_is_lost(jobqueue, travel):
    job = jobqueue.producer.enqueue("add", 1, 2)
    assert jobqueue.worker.abandon_next().id == job.id
    assert jobqueue.binding.running() == []
    travel(24 * 3600)
    assert jobqueue.worker.recover() == 0
    assert jobqueue.worker.drain() == []


def test_with_acks_late_it_comes_back_after_the_visibility_timeout(jobqueue, travel):
    jobs = [jobqueue.producer.enqueue("late", text) for text in "abcdefghijklm"]
    for _ in jobs:
        jobqueue.worker.abandon_next()
    assert {job.id for job in jobqueue.binding.running()} == {job.id for job in jobs}

    travel(3500)
    assert jobqueue.worker.recover() == 0
    travel(101)
    assert jobqueue.worker.recover() == len(jobs)
    assert jobqueue.binding.running() == []
    assert sorted(jobqueue.worker.drain().results) == list("abcdefghijklm")


class TestAShorterTimeout:
    @pytest.fixture
    def jobqueue_app(self, make_app):
        return make_app(broker_transport_options={"visibility_timeout": 30}, task_acks_late=True)

    def test_is_obeyed(self, jobqueue, travel):
        assert jobqueue.binding.caps.acks
        jobqueue.producer.enqueue("add", 1, 2)
        jobqueue.worker.abandon_next()
        travel(31)
        assert jobqueue.worker.recover() == 1


def test_a_job_that_waits_for_its_time_is_given_out_once(jobqueue, travel):
    jobqueue.producer.enqueue_in(2 * 3600, "late", "once")
    assert jobqueue.worker.drain() == []
    travel(2 * 3600 + 1)
    jobqueue.worker.recover()
    assert jobqueue.worker.drain().results == ["once"]


def test_while_a_late_job_runs_it_is_unacknowledged(jobqueue, app):
    seen = []

    @app.task(name="looks_late", acks_late=True)
    def looks_late():
        seen.append([job.name for job in jobqueue.binding.running()])

    jobqueue.producer.enqueue("looks_late")
    jobqueue.worker.drain()
    assert seen == [["looks_late"]]
    assert jobqueue.binding.running() == []


def test_a_task_that_ends_its_process_fails_and_is_acknowledged(jobqueue, app):
    job = jobqueue.producer.enqueue("dies")
    with pytest.raises(SystemExit) as caught:
        jobqueue.worker.drain(on_error="record")
    assert caught.value.code == 3
    assert caught.traceback[-1].name == "dies"
    result = app.AsyncResult(job.id)
    assert (result.state, type(result.result).__name__) == ("FAILURE", "WorkerLostError")
    jobqueue.assert_idle()


def test_or_is_given_out_again_where_the_task_says_so(jobqueue):
    jobqueue.producer.enqueue("dies_again")
    with pytest.raises(KeyboardInterrupt):
        jobqueue.worker.drain()
    assert jobqueue.journal.outcomes[0].status == "retrying"
    assert jobqueue.worker.drain().results == ["redelivered"]


def test_a_failure_of_the_test_itself_reaches_it_and_leaves_celery_in_order(jobqueue):
    jobqueue.producer.enqueue("fails_the_test")
    jobqueue.producer.enqueue("add", 1, 2)
    with pytest.raises(pytest.fail.Exception, match="seen in the task"):
        jobqueue.worker.drain(on_error="record")
    assert celery.current_task._get_current_object() is None
    assert jobqueue.worker.drain().results == [3]


@pytest.mark.parametrize("name", ["late_failure", "late_failure_kept"])
def test_a_failure_is_acknowledged_or_rejected_but_never_kept(jobqueue, name):
    jobqueue.producer.enqueue(name)
    (outcome,) = jobqueue.worker.drain(on_error="record")
    assert outcome.status == "failed"
    jobqueue.assert_idle()


def test_closing_leaves_what_was_abandoned(make_app, jobqueue_server, capfd):
    jobqueue_server.reset()
    app = make_app(task_acks_late=True)
    with JobQueue(app, jobqueue_server) as jobqueue:
        jobqueue.producer.enqueue("add", 1, 2)
        jobqueue.worker.abandon_next()
    with JobQueue(app, jobqueue_server) as jobqueue:
        assert [job.name for job in jobqueue.binding.running()] == ["add"]
        assert jobqueue.binding.pending() == []
    assert "Restoring" not in capfd.readouterr().err


def test_no_thread_is_started(jobqueue):
    before = set(threading.enumerate())
    jobqueue.producer.enqueue("late", "text").raw.revoke()
    jobqueue.producer.enqueue("late", "text")
    jobqueue.worker.drain()
    assert set(threading.enumerate()) == before
