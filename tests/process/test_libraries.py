"""Each library's own worker, as a process, runs what was enqueued and what that enqueues, and tells of it."""

from __future__ import annotations

from importlib.metadata import version
from importlib.util import find_spec

import pytest
from support.processes import wait_gone

from pytest_jobqueue.adapters.telling import RemoteTraceback

LIBRARIES = {
    "handlers": "redis",
    "rq": "rq",
    "celery": "celery",
    "dramatiq": "dramatiq",
    "huey": "huey",
    "arq": "arq",
    "saq": "saq",
    "taskiq": "taskiq_redis",
    "taskiq_stream": "taskiq_redis",
    "bullmq": "bullmq",
    "streaq": "streaq",
}
HERE = [name for name, module in LIBRARIES.items() if find_spec(module)]


@pytest.fixture(params=HERE)
def name(request):
    return request.param


@pytest.fixture
def app(service, name):
    if name == "streaq" and version("streaq").startswith("7.0."):
        pytest.skip("the worker of streaQ 7.0 does not understand what coredis 6.9 answers")
    return service(name)


def enqueue_add(jobqueue, app, name):
    if name == "saq":
        return jobqueue.producer.enqueue(app.ADD, a=2, b=3)
    return jobqueue.producer.enqueue(app.ADD, 2, 3)


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
