"""Tasks that Huey keeps inside of others or cannot read, and such as went through the queue, by hand."""

from __future__ import annotations

import pytest

from pytest_jobqueue.errors import UsageError


@pytest.fixture(params=["RedisHuey", "PriorityRedisHuey"])
def app(request):
    huey = pytest.importorskip("huey")
    return getattr(huey, request.param)("service", host="redis.invalid")


@pytest.fixture
def add(app):
    return app.task()(lambda left, right=0: left + right)


def test_a_task_goes_from_the_schedule_to_the_queue(jobqueue, add):
    add.schedule((1, 2), delay=60)
    assert jobqueue.worker.run_next() is None  # what takes it puts it into the schedule
    (job,) = jobqueue.binding.scheduled()
    jobqueue.binding.requeue(job)
    assert jobqueue.worker.drain().results == [3]
    with pytest.raises(UsageError, match="cannot be requeued"):
        jobqueue.binding.requeue(job)


def test_a_task_leaves_the_schedule(jobqueue, add):
    add.schedule((1, 2), delay=60)
    assert jobqueue.worker.run_next() is None
    jobqueue.binding.discard(jobqueue.binding.scheduled()[0])
    assert list(jobqueue.binding.scheduled()) == []


def test_the_others_stay_in_their_order(jobqueue, add):
    for number in range(4):
        add(number)
    jobqueue.binding.discard(jobqueue.binding.pending()[2])
    assert jobqueue.worker.drain().results == [0, 1, 3]


def test_the_rest_of_a_pipeline_goes_with_its_first_task(jobqueue, app, add):
    app.enqueue(add.s(1, 2).then(add, 3))
    (waiting,) = jobqueue.binding.waiting()
    with pytest.raises(UsageError, match="inside of the task that it waits for.*revoke_by_id"):
        jobqueue.binding.discard(waiting)
    jobqueue.binding.discard(jobqueue.binding.pending()[0])
    assert list(jobqueue.binding.waiting()) == []
    assert jobqueue.worker.drain() == []


def test_what_huey_cannot_read_can_only_be_discarded(jobqueue, app):
    app.storage.enqueue(b"strange")
    (job,) = jobqueue.binding.pending()
    with pytest.raises(UsageError, match="Huey cannot make a task of it"):
        jobqueue.binding.requeue(job)
    jobqueue.binding.discard(job)
    assert list(jobqueue.binding.pending()) == []
