"""What cannot work is refused in one sentence that says what to do."""

from __future__ import annotations

import threading

import pytest

streaq = pytest.importorskip("streaq")

from pytest_jobqueue import JobQueue, Settings
from pytest_jobqueue.errors import UsageError


def test_a_queue_that_is_another_workers(worker, jobqueue, jobqueue_server, add):
    with pytest.raises(UsageError, match="'other' is not the worker's, which is 'default'"):
        JobQueue(streaq.Worker(), jobqueue_server, Settings(queues=("other",)))
    for look in (
        jobqueue.worker.run_next,
        jobqueue.binding.pending,
        jobqueue.worker.abandon_next,
        lambda name: jobqueue.producer.enqueue(add.fn_name, 1, 2, queue=name),
    ):
        with pytest.raises(UsageError, match=r"producer.set\(priority=…\)"):
            look("other")


def test_a_task_that_is_not_there(jobqueue, worker):
    worker.task(name="service.resize")(lambda: None)
    worker.task(name="service.publish")(lambda: None)
    with pytest.raises(UsageError) as caught:
        jobqueue.producer.enqueue("service.resise")
    assert str(caught.value) == (
        "the worker has no task 'service.resise'; did you mean 'service.resize'? "
        "(registered: service.resize, service.publish)"
    )


def test_none_of_many_is_enqueued_if_one_cannot_be(jobqueue, add):
    with pytest.raises(UsageError, match="no option 'dealy'; did you mean 'delay'"):
        jobqueue.producer.set(dealy=3).enqueue_many(add.fn_name, [(1, 2), (3, 4)])
    assert jobqueue.binding.pending() == []


def test_a_priority_that_is_not_there(jobqueue, add):
    with pytest.raises(UsageError, match="no priority 'norm'; did you mean 'normal'"):
        jobqueue.producer.set(priority="norm").enqueue(add.fn_name, 1, 2)


def test_two_times(jobqueue, add):
    with pytest.raises(UsageError, match="its time is given twice"):
        jobqueue.producer.set(delay=5).enqueue_in(5, add.fn_name, 1, 2)
    with pytest.raises(streaq.StreaqError, match="not multiple"):
        jobqueue.producer.set(delay=5, after="x").enqueue(add.fn_name, 1, 2)


def test_arguments_that_the_serialiser_refuses(jobqueue, add):
    name = add.fn_name
    with pytest.raises(TypeError, match=f"argument 1 of {name} does not survive the worker's"):
        jobqueue.producer.enqueue(name, threading.Lock(), 2)


def test_a_serialiser_that_waits_says_only_that_it_refuses(jobqueue_server, jobqueue_url):
    async def refuse(data):
        raise ValueError(data)

    worker = streaq.Worker(serializer=refuse)
    worker.task(name="note")(lambda: None)
    with JobQueue(worker, jobqueue_server) as jobqueue, pytest.raises(streaq.StreaqError, match="task note"):
        jobqueue.producer.enqueue("note")


def test_a_deserialiser_that_waits_cannot_be_used_to_look(jobqueue_server, jobqueue_url):
    import asyncio
    import pickle

    async def wait(data):
        await asyncio.sleep(0)
        return pickle.loads(data)

    worker = streaq.Worker(deserializer=wait)
    worker.task(name="note")(lambda: None)
    look = pytest.raises(UsageError, match="give one that returns at once")
    with JobQueue(worker, jobqueue_server) as jobqueue, look:
        jobqueue.producer.enqueue("note")
