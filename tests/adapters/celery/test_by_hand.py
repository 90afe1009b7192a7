"""Messages on queues of several priorities, in a worker's hands, or of a strange kind, by hand."""

from __future__ import annotations

import pytest

from pytest_jobqueue.errors import UsageError

# Celery's result backend calls what redis-py 8 has deprecated.
pytestmark = pytest.mark.filterwarnings("ignore:Call to deprecated setex:DeprecationWarning")


def test_a_message_stays_on_its_queue_with_its_priority(jobqueue):
    jobqueue.producer.set(priority=9).enqueue_in(60, "add", 1, 2, queue="slow")
    jobqueue.producer.set(priority=9).enqueue("add", 3, 4, queue="slow")
    jobqueue.producer.set(priority=9).enqueue_in(60, "add", 5, 6, queue="slow")
    first, _ = jobqueue.binding.scheduled()
    jobqueue.binding.requeue(first)
    assert [job.args for job in jobqueue.binding.pending("slow")] == [(3, 4), (1, 2)]
    assert jobqueue.worker.drain().results == [7, 3]
    assert [job.args for job in jobqueue.binding.scheduled()] == [(5, 6)]


def test_what_the_service_sent_along_stays(jobqueue, app):
    app.send_task("add", (1, 2), countdown=60, expires=90, link=app.signature("add", (10,)))
    jobqueue.binding.requeue(jobqueue.binding.scheduled()[0])
    assert jobqueue.worker.drain().results == [3, 13]


def test_a_message_that_a_worker_holds_until_its_time_is_out_of_reach(jobqueue, app):
    jobqueue.producer.enqueue_in(60, "add", 1, 2)
    (job,) = jobqueue.binding.scheduled()
    with app.connection_for_read() as connection:
        assert connection.default_channel.basic_get("celery")
        with pytest.raises(UsageError, match="holds it until its time, and would run it then all the same"):
            jobqueue.binding.requeue(job)
        with pytest.raises(UsageError, match="cannot be discarded"):
            jobqueue.binding.discard(job)
        assert len(jobqueue.binding.running()) == 1


def test_the_old_protocol_keeps_its_time(jobqueue, app):
    app.conf.task_protocol = 1
    jobqueue.producer.enqueue_in(60, "add", 1, 2)
    (job,) = jobqueue.binding.scheduled()
    with pytest.raises(UsageError, match="task_protocol 1"):
        jobqueue.binding.requeue(job)
    jobqueue.binding.discard(job)
    assert list(jobqueue.binding.scheduled()) == []


def test_what_is_no_message_can_be_discarded(jobqueue):
    jobqueue.redis.lpush("celery", b"strange")
    (job,) = jobqueue.binding.pending()
    jobqueue.binding.discard(job)
    assert list(jobqueue.binding.pending()) == []
