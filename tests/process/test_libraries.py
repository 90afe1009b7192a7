"""Each library's own worker, as a process, runs what was enqueued and what that enqueues, and tells of it."""

from __future__ import annotations

import pytest
from support.processes import wait_gone
from support.services import HERE, arguments, load

from pytest_jobqueue import JobQueue, UsageError
from pytest_jobqueue.adapters.telling import RemoteTraceback
from pytest_jobqueue.applications import load_app


@pytest.fixture(params=HERE)
def name(request):
    return request.param


@pytest.fixture
def app(name):
    return load(name)


def enqueue_add(jobqueue, app, name):
    args, kwargs = arguments(name, 2, 3)
    return jobqueue.producer.enqueue(app.ADD, *args, **kwargs)


def test_a_worker_process_from_its_first_job_to_its_end(harness, app, name, notes):
    jobqueue = harness(app.app)
    assert list(jobqueue.worker.drain()) == []
    assert jobqueue.worker.log_tail() == ""  # nothing to do, so nothing was started

    added = enqueue_add(jobqueue, app, name)
    jobqueue.producer.enqueue(app.MORE)
    drained = jobqueue.worker.drain()

    assert {"2 + 3", "more"} <= set(notes())
    assert ("1 + 1" in notes()) is (name != "handlers")
    assert all(outcome.status == "ok" for outcome in drained)
    assert 5 in drained.results
    assert added.id in [outcome.job.id for outcome in jobqueue.journal.outcomes]
    jobqueue.assert_idle()

    jobqueue.producer.enqueue(app.BOOM)
    with pytest.raises(ValueError, match="the job's own error") as raised:
        jobqueue.worker.drain()
    assert isinstance(raised.value.__cause__, RemoteTraceback)
    assert "noted.py" in str(raised.value.__cause__)
    assert f"{app.BOOM}() " in jobqueue.report()

    pid = jobqueue.worker.start().pid
    jobqueue.worker.stop()
    wait_gone(pid)


def test_the_modules_path_is_enough_for_its_one_application(app, name):
    assert load_app(f"on_{name}") is app.app


@pytest.mark.filterwarnings("ignore:Call to deprecated setex:DeprecationWarning")  # Celery's backend
def test_one_application_is_in_one_harness_at_a_time(server, app, name):
    if name == "handlers":
        pytest.skip("nothing of handlers leads to a Redis, so these can be in several")
    server.reset()
    with JobQueue(app.app, server) as first:
        enqueue_add(first, app, name)
        with pytest.raises(UsageError, match="is in another JobQueue already, which leads it to") as caught:
            JobQueue(app.app, server)
        assert server.url in str(caught.value)
        assert first.worker.drain().results == [5]  # the first is as it was
    with JobQueue(app.app, server) as second:
        enqueue_add(second, app, name)
        assert second.worker.drain().results == [5]
