"""Results: where they are, and what AsyncResult makes of them."""

from __future__ import annotations

import pytest

celery = pytest.importorskip("celery")

# Celery's result backend calls what redis-py 8 has deprecated.
pytestmark = pytest.mark.filterwarnings("ignore:Call to deprecated setex:DeprecationWarning")


def test_the_result_is_there_after_the_drain(jobqueue, app):
    result = app.tasks["add"].delay(1, 2)
    assert result.state == "PENDING"
    jobqueue.worker.drain()
    assert (result.state, result.get()) == ("SUCCESS", 3)


def test_a_failure_is_raised_by_get(jobqueue, app):
    result = app.tasks["boom"].delay("paper")
    jobqueue.worker.drain(on_error="record")
    assert result.state == "FAILURE"
    assert "boom" in result.traceback
    with pytest.raises(ValueError, match="paper"):
        result.get()


def test_the_enqueued_job_has_it_as_its_raw_object(jobqueue):
    job = jobqueue.producer.enqueue("add", 1, 2)
    jobqueue.worker.drain()
    assert job.raw.get() == 3


def test_the_outcome_has_the_object_that_the_task_returned(jobqueue, app):
    @app.task(name="pair")
    def pair():
        return (1, 2)

    job = jobqueue.producer.enqueue("pair")
    assert jobqueue.worker.drain().results == [(1, 2)]
    assert job.raw.get() == [1, 2]


def test_a_result_that_cannot_be_serialised_is_a_failure(jobqueue, app):
    @app.task(name="thing")
    def thing():
        return object()

    jobqueue.producer.enqueue("thing")
    with pytest.raises(Exception, match="not JSON serializable"):
        jobqueue.worker.drain()
    assert jobqueue.journal.outcomes[0].status == "failed"


def test_a_task_that_waits_for_another_is_told_not_to(jobqueue, app):
    @app.task(name="waits")
    def waits():
        return app.tasks["add"].delay(1, 2).get()

    jobqueue.producer.enqueue("waits")
    with pytest.raises(RuntimeError, match="Never call result.get"):
        jobqueue.worker.drain()


def test_an_ignored_result_is_not_kept(jobqueue, app):
    result = app.tasks["add"].apply_async((1, 2), ignore_result=True)
    assert jobqueue.worker.drain().results == [3]
    assert result.get() is None
    assert not jobqueue.redis.keys("celery-task-meta-*")


class TestWithoutABackend:
    @pytest.fixture
    def jobqueue_app(self, make_app):
        return make_app(backend=None)

    def test_there_are_none_as_in_production(self, jobqueue, app):
        assert jobqueue.binding.caps.results is False
        job = jobqueue.producer.enqueue("add", 1, 2)
        assert jobqueue.worker.drain().results == [3]
        with pytest.raises(NotImplementedError, match="No result backend"):
            job.raw.get()


class TestWithAnotherBackend:
    @pytest.fixture
    def jobqueue_app(self, make_app, tmp_path):
        return make_app(backend=f"file://{tmp_path}")

    def test_it_stays_where_it_is(self, jobqueue, tmp_path):
        job = jobqueue.producer.enqueue("add", 1, 2)
        jobqueue.worker.drain()
        assert job.raw.get() == 3
        assert [path.name for path in tmp_path.iterdir()] == [f"celery-task-meta-{job.id}"]


def test_results_that_outlive_the_test_do_not_connect_again(make_app, jobqueue_server):
    import gc

    from pytest_jobqueue import JobQueue

    app = make_app()
    with JobQueue(app, jobqueue_server) as jobqueue:
        kept = [app.tasks["add"].delay(1, 2)]
        jobqueue.worker.drain()
    jobqueue_server.reset()
    kept.clear()
    gc.collect()
    assert list(jobqueue_server.clients()) == []
