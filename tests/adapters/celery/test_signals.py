"""What the service connects to Celery's signals and hooks is called as in production."""

from __future__ import annotations

import contextlib

import pytest

celery = pytest.importorskip("celery")

# Celery's result backend calls what redis-py 8 has deprecated.
pytestmark = pytest.mark.filterwarnings("ignore:Call to deprecated setex:DeprecationWarning")
from celery import signals


@contextlib.contextmanager
def connected(*names):
    """What these signals said while the block ran, in order."""
    heard = []
    receivers = []
    for name in names:

        def receiver(_heard_as=name, **told):
            heard.append((_heard_as, told))

        signal = getattr(signals, name)
        signal.connect(receiver, weak=False)
        receivers.append((signal, receiver))
    try:
        yield heard
    finally:
        for signal, receiver in receivers:
            signal.disconnect(receiver)


NAMES = (
    *("before_task_publish", "after_task_publish", "task_received", "task_prerun", "task_postrun"),
    *("task_success", "task_failure", "task_retry", "task_revoked", "task_unknown", "task_rejected"),
)


def test_of_a_task_that_runs_well(jobqueue):
    with connected(*NAMES) as heard:
        job = jobqueue.producer.enqueue("add", 1, 2)
        jobqueue.worker.drain()
    assert [name for name, _ in heard] == [
        *("before_task_publish", "after_task_publish", "task_received"),
        *("task_prerun", "task_success", "task_postrun"),
    ]
    told = dict(heard)
    assert told["task_received"]["request"].id == job.id
    assert told["task_prerun"]["args"] == [1, 2]
    assert told["task_success"]["result"] == 3
    assert told["task_postrun"]["state"] == "SUCCESS"


def test_of_a_task_that_fails(jobqueue):
    jobqueue.producer.enqueue("boom", "paper")
    with connected(*NAMES) as heard:
        jobqueue.worker.drain(on_error="record")
    assert [name for name, _ in heard] == ["task_received", "task_prerun", "task_failure", "task_postrun"]
    failure = dict(heard)["task_failure"]
    assert (str(failure["exception"]), failure["args"]) == ("paper", ["paper"])


def test_of_a_task_that_retries(jobqueue, app):
    @app.task(name="again", bind=True)
    def again(self):
        raise self.retry(countdown=60)

    jobqueue.producer.enqueue("again")
    with connected(*NAMES) as heard:
        jobqueue.worker.drain()
    names = [name for name, _ in heard]
    assert names == [
        *("task_received", "task_prerun", "before_task_publish", "after_task_publish"),
        *("task_retry", "task_postrun"),
    ]


def test_of_a_task_that_is_revoked_or_unknown(jobqueue, app):
    jobqueue.producer.enqueue("add", 1, 2).raw.revoke()
    app.send_task("nobody")
    with connected(*NAMES) as heard:
        jobqueue.worker.drain(on_error="record")
    assert [name for name, _ in heard] == ["task_revoked", "task_unknown"]


def test_of_a_worker_process(make_app, jobqueue_server):
    from pytest_jobqueue import JobQueue

    app = make_app()
    with connected("worker_process_init", "worker_process_shutdown", "worker_init", "worker_ready") as heard:
        with JobQueue(app, jobqueue_server) as jobqueue:
            jobqueue.producer.enqueue("add", 1, 2)
            assert heard == []
            jobqueue.worker.drain()
            jobqueue.producer.enqueue("add", 1, 2)
            jobqueue.worker.drain()
            assert [name for name, _ in heard] == ["worker_process_init"]
        assert [name for name, _ in heard] == ["worker_process_init", "worker_process_shutdown"]


def test_a_receiver_that_fails_does_not_disturb(jobqueue, caplog):
    def receiver(**_):
        raise RuntimeError("in the receiver")

    signals.task_prerun.connect(receiver)
    try:
        jobqueue.producer.enqueue("add", 1, 2)
        assert jobqueue.worker.drain().results == [3]
    finally:
        signals.task_prerun.disconnect(receiver)
    assert "in the receiver" in caplog.text


def test_the_hooks_of_a_task_class(jobqueue, app):
    called = []

    class Hooked(app.Task):
        def before_start(self, task_id, args, kwargs):
            called.append("before_start")

        def on_success(self, retval, task_id, args, kwargs):
            called.append(("on_success", retval))

        def on_failure(self, exc, task_id, args, kwargs, einfo):
            called.append(("on_failure", str(exc)))

        def after_return(self, status, retval, task_id, args, kwargs, einfo):
            called.append(("after_return", status))

    @app.task(name="odd", base=Hooked)
    def odd(number):
        return 1 // (number % 2)

    jobqueue.producer.enqueue("odd", 1)
    jobqueue.producer.enqueue("odd", 2)
    jobqueue.worker.drain(on_error="record")
    assert called == [
        *("before_start", ("on_success", 1), ("after_return", "SUCCESS")),
        *("before_start", ("on_failure", "integer division or modulo by zero"), ("after_return", "FAILURE")),
    ]


def test_what_a_bound_task_sees_of_its_request(jobqueue, app):
    seen = {}

    @app.task(name="looks", bind=True)
    def looks(self, *args):
        request = self.request
        seen.update(
            id=request.id,
            args=request.args,
            retries=request.retries,
            queue=request.delivery_info["routing_key"],
            eager=request.is_eager,
            called_directly=request.called_directly,
            current=celery.current_task.name,
            app=celery.current_app.main,
        )

    job = jobqueue.producer.enqueue("looks", 5, queue="special")
    jobqueue.worker.drain()
    assert seen == {
        "id": job.id,
        "args": [5],
        "retries": 0,
        "queue": "special",
        "eager": False,
        "called_directly": False,
        "current": "looks",
        "app": "service",
    }


def test_what_a_test_patches_on_a_task_is_what_runs(jobqueue, app, monkeypatch):
    jobqueue.producer.enqueue_many("add", [(1, 2), (1, 2)])
    assert jobqueue.worker.run_next().result == 3
    monkeypatch.setattr(app.tasks["add"], "run", lambda left, right: "patched")
    assert jobqueue.worker.run_next().result == "patched"


def test_a_task_may_call_others_on_the_spot(jobqueue, app):
    @app.task(name="outer")
    def outer():
        return app.tasks["add"].apply((1, 2)).get(disable_sync_subtasks=False) + 10

    jobqueue.producer.enqueue("outer")
    (outcome,) = jobqueue.worker.drain()
    assert (outcome.job.name, outcome.result) == ("outer", 13)


def test_a_task_may_run_the_worker(jobqueue, app):
    @app.task(name="outer")
    def outer():
        return jobqueue.worker.run_next().result + 10

    jobqueue.producer.enqueue("outer")
    jobqueue.producer.enqueue("add", 1, 2)
    assert jobqueue.worker.drain().results == [13]
