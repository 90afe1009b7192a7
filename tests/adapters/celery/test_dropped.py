"""Jobs that are consumed and not run, or not counted: expired, revoked, ignored, rejected, unreadable."""

from __future__ import annotations

import pytest

celery = pytest.importorskip("celery")

# Celery's result backend calls what redis-py 8 has deprecated.
pytestmark = pytest.mark.filterwarnings("ignore:Call to deprecated setex:DeprecationWarning")

import base64
import json

from pytest_jobqueue.errors import PoisonJobError, UnknownJobError


@pytest.fixture
def app(app):
    @app.task(name="ignores")
    def ignores():
        raise celery.exceptions.Ignore("not our business")

    @app.task(name="rejects", bind=True)
    def rejects(self, *, requeue=False):
        if self.request.delivery_info["redelivered"]:
            return "second time"
        raise celery.exceptions.Reject("no", requeue=requeue)

    @app.task(name="rejects_because")
    def rejects_because():
        try:
            raise MemoryError("too large")
        except MemoryError as error:
            raise celery.exceptions.Reject(error, requeue=False) from None

    app.conf.task_acks_late = True
    return app


def dropped(jobqueue):
    (outcome,) = jobqueue.worker.drain()
    assert outcome.status == "dropped"
    jobqueue.assert_idle()
    return outcome


def test_a_job_that_expired_is_not_run(jobqueue, travel, app):
    job = jobqueue.producer.set(expires=60).enqueue("add", 1, 2)
    travel(61)
    assert dropped(jobqueue).reason == "expired"
    assert app.AsyncResult(job.id).state == "REVOKED"


def test_a_job_that_was_revoked_is_not_run(jobqueue, travel):
    job = jobqueue.producer.enqueue_in(60, "add", 1, 2)
    job.raw.revoke()
    travel(61)
    assert dropped(jobqueue).reason == "revoked"


def test_one_can_be_revoked_by_a_stamp(jobqueue, app):
    app.tasks["add"].apply_async((1, 1), stamped_headers=["customer"], customer="ann")
    app.tasks["add"].apply_async((2, 2), stamped_headers=["customer"], customer="bob")
    app.control.revoke_by_stamped_headers({"customer": ["ann"]})
    assert [(o.status, o.result) for o in jobqueue.worker.drain()] == [("dropped", None), ("ok", 4)]


def test_other_broadcasts_are_heard_and_do_nothing(jobqueue, app):
    app.control.broadcast("shutdown")
    app.control.rate_limit("add", "1/h")
    jobqueue.producer.enqueue("add", 1, 2)
    assert jobqueue.worker.drain().results == [3]


def test_a_job_that_is_ignored(jobqueue):
    jobqueue.producer.enqueue("ignores")
    assert dropped(jobqueue).reason == "ignored: not our business"


def test_a_job_that_is_rejected(jobqueue):
    jobqueue.producer.enqueue("rejects")
    outcome = dropped(jobqueue)
    assert (outcome.reason, outcome.exception) == ("rejected: no", None)


def test_a_job_that_is_rejected_because_of_an_exception_shows_it(jobqueue):
    jobqueue.producer.enqueue("rejects_because")
    with pytest.raises(MemoryError, match="too large"):
        jobqueue.worker.drain()


def test_a_job_that_is_rejected_and_put_back_runs_again(jobqueue):
    jobqueue.producer.enqueue("rejects", requeue=True)
    first, second = jobqueue.worker.drain()
    assert (first.status, first.reason) == ("retrying", "rejected: no (it is back on its queue)")
    assert second.result == "second time"


def test_a_task_that_nobody_registered(jobqueue, app):
    app.send_task("ad", (1, 2))
    with pytest.raises(UnknownJobError, match="no task 'ad' is registered .* did you mean 'add'"):
        jobqueue.worker.drain()
    assert jobqueue.journal.outcomes[0].status == "failed"
    jobqueue.assert_idle()


@pytest.mark.parametrize("raw", [b"\xff\x00", b"{", b"[]", b'{"no": "message"}'])
def test_bytes_that_are_no_message(jobqueue, raw):
    jobqueue.redis.lpush("celery", raw)
    jobqueue.producer.enqueue("add", 1, 2)
    assert len(jobqueue.binding.pending()) == 2

    first, second = jobqueue.worker.drain(on_error="record")

    assert first.status == "dropped"
    assert isinstance(first.exception, PoisonJobError)
    assert repr(raw) in str(first.exception)
    assert second.result == 3


def test_a_message_that_is_no_task(jobqueue, app):
    with app.producer_or_acquire() as producer:
        producer.publish({"hello": "there"}, routing_key="celery", exchange="", serializer="json")
    (outcome,) = jobqueue.worker.drain(on_error="record")
    assert outcome.status == "dropped"
    assert isinstance(outcome.exception, PoisonJobError)
    jobqueue.assert_idle()


def test_a_message_whose_body_cannot_be_decoded(jobqueue):
    jobqueue.producer.enqueue("add", 1, 2)
    message = json.loads(jobqueue.redis.lpop("celery"))
    message["body"] = base64.b64encode(b"[no json").decode()
    jobqueue.redis.lpush("celery", json.dumps(message))
    (outcome,) = jobqueue.worker.drain(on_error="record")
    assert outcome.status == "dropped"
    assert "a message that cannot be decoded: DecodeError" in str(outcome.exception)
    jobqueue.assert_idle()


def test_a_message_that_the_application_does_not_accept(jobqueue, app):
    jobqueue.producer.set(serializer="pickle").enqueue("add", 1, 2)
    (outcome,) = jobqueue.worker.drain(on_error="record")
    assert outcome.exception is not None
    assert "pickle" in str(outcome.exception)
    jobqueue.assert_idle()


def test_a_job_that_is_given_out_again_after_it_succeeded(jobqueue, app):
    app.conf.worker_deduplicate_successful_tasks = True
    jobqueue.producer.enqueue("add", 1, 2)
    (raw,) = jobqueue.redis.lrange("celery", 0, -1)
    jobqueue.worker.drain()
    message = json.loads(raw)
    message["properties"]["delivery_info"]["redelivered"] = True
    jobqueue.redis.lpush("celery", json.dumps(message))
    assert dropped(jobqueue).reason == "it was given out again and has succeeded already"


def test_a_message_of_the_old_protocol(jobqueue, app):
    app.conf.task_protocol = 1
    job = jobqueue.producer.enqueue_in(0, "add", 1, right=2)
    (pending,) = jobqueue.binding.pending()
    assert (pending.id, pending.name, pending.args, pending.kwargs) == (job.id, "add", (1,), {"right": 2})
    assert jobqueue.worker.drain().results == [3]
