"""What is asked of SAQ's client, and what is refused before it is asked."""

from __future__ import annotations

import time

import pytest

pytest.importorskip("saq")

from saq import Job, Queue
from support.saq_service import QUEUE, add, settings

from pytest_jobqueue import JobQueue
from pytest_jobqueue.errors import UsageError


def test_what_the_service_enqueues_is_seen_as_what_the_test_does(jobqueue) -> None:
    jobqueue.run(QUEUE.enqueue("add", left=1, right=2))
    made = jobqueue.producer.enqueue("add", left=3, right=4)

    first, second = jobqueue.assert_enqueued("add", count=2)
    assert (dict(first.kwargs), second) == ({"left": 1, "right": 2}, made)
    assert isinstance(made.raw, Job)
    assert made.enqueued_at == pytest.approx(time.time(), abs=5)
    assert (made.attempts, made.queue, made.args) == (0, "default", ())


def test_positional_arguments_get_the_names_of_the_parameters(jobqueue) -> None:
    jobqueue.producer.enqueue("multiply", 3, right=4)
    (job,) = jobqueue.binding.pending()
    assert (job.args, dict(job.kwargs), job.raw.kwargs) == ((3,), {"right": 4}, {"left": 3, "right": 4})
    assert jobqueue.worker.drain().results == [12]
    jobqueue.assert_performed("multiply", 3, right=4)


def test_a_job_whose_key_is_taken_is_not_enqueued_again(jobqueue) -> None:
    once = jobqueue.producer.set(key="only")
    first = once.enqueue("add", left=1, right=2)
    assert once.enqueue("add", left=3, right=4) == first
    assert first.id == "only"
    assert jobqueue.worker.drain().results == [3]
    once.enqueue("add", left=5, right=6)  # a finished one does not stand in the way
    assert jobqueue.worker.drain().results == [11]


def test_nor_is_one_that_was_just_aborted(jobqueue) -> None:
    once = jobqueue.producer.set(key="only")
    jobqueue.run(once.enqueue("add", left=1, right=2).raw.abort("never mind"))
    (dead,) = jobqueue.binding.failed()
    assert (dead.id, dead.error) == ("only", "never mind")


def test_properties_of_the_job_are_options(jobqueue) -> None:
    job = jobqueue.producer.set(timeout=3, retries=4, ttl=5, meta={"who": "me"}).enqueue("add", 1, 2)
    found = job.raw
    assert (found.timeout, found.retries, found.ttl, found.meta) == (3, 4, 5, {"who": "me"})


def test_a_job_for_later_waits_in_the_schedule(jobqueue, travel) -> None:
    late = jobqueue.producer.enqueue_in(60, "add", 1, 2)
    soon = jobqueue.producer.set(scheduled=int(time.time()) + 30).enqueue("add", 3, 4)

    assert [job.due_at for job in jobqueue.binding.scheduled()] == [soon.due_at, late.due_at]
    travel(30)
    assert jobqueue.worker.tick() == 1
    assert jobqueue.worker.drain().results == [7]
    assert jobqueue.binding.next_due() == late.due_at == time.time() + 30


def test_hooks_of_the_queue_see_every_job(jobqueue) -> None:
    seen = []

    async def see(job):
        seen.append(job.function)

    QUEUE.register_before_enqueue(see)
    try:
        jobqueue.producer.enqueue("add", 1, 2)
    finally:
        QUEUE.unregister_before_enqueue(see)
    assert seen == ["add"]


def test_a_queue_alone_can_be_the_application(jobqueue_server, jobqueue_url) -> None:
    with JobQueue(QUEUE, jobqueue_server) as jobqueue:
        jobqueue.producer.enqueue("anything", colour="red")
        jobqueue.assert_enqueued("anything", colour="red")
        with pytest.raises(KeyError, match="anything"):  # SAQ's own, where there is no function
            jobqueue.worker.drain()


# Refused


def test_a_function_that_is_not_registered(jobqueue) -> None:
    with pytest.raises(UsageError) as caught:
        jobqueue.producer.enqueue("ad", 1, 2)
    assert str(caught.value) == (
        "the worker's settings have no function 'ad'; did you mean 'add'? "
        "(registered: add, multiply, boom, twice, flaky, sleep)"
    )


def test_an_option_that_saq_does_not_have(jobqueue) -> None:
    with pytest.raises(UsageError, match=r"^add: SAQ has no option 'retry'.*did you mean 'retries'\?"):
        jobqueue.producer.set(retry=1).enqueue("add", 1, 2)
    with pytest.raises(UsageError, match="no option 'priority' for a job in Redis"):
        jobqueue.producer.set(priority=1).enqueue("add", 1, 2)


def test_two_times_for_one_job(jobqueue) -> None:
    with pytest.raises(UsageError, match="its time is given twice"):
        jobqueue.producer.set(scheduled=1).enqueue_in(5, "add", 1, 2)


def test_another_queue(jobqueue) -> None:
    with pytest.raises(UsageError, match="queue is 'default', and there is no 'mail'"):
        jobqueue.producer.enqueue("add", 1, 2, queue="mail")
    assert jobqueue.binding.pending("mail") == []
    assert jobqueue.worker.drain("mail") == []


@pytest.mark.parametrize(
    ("args", "kwargs", "message"),
    [
        ((1, 2, 3), {}, "3 positional arguments were given, and the function takes left, right"),
        ((1,), {"left": 2}, "the argument 'left' was given twice"),
        ((1, lambda: 2), {}, "argument 2 of add does not survive the queue's serialiser: <function"),
    ],
)
def test_arguments_that_cannot_be(jobqueue, args, kwargs, message) -> None:
    with pytest.raises(TypeError, match=message):
        jobqueue.producer.enqueue("add", *args, **kwargs)
    assert jobqueue.binding.pending() == []


def test_positional_arguments_of_a_function_that_is_not_known(jobqueue_server, jobqueue_url) -> None:
    with (
        JobQueue(QUEUE, jobqueue_server) as jobqueue,
        pytest.raises(TypeError, match="the names of positional ones are known only of"),
    ):
        jobqueue.producer.enqueue("add", 1, 2)


def test_a_queue_that_is_not_in_redis(jobqueue_server, jobqueue_url) -> None:
    pytest.importorskip("aiohttp")
    for app in (queue := Queue.from_url("http://localhost"), {"queue": queue, "functions": [add]}):
        with pytest.raises(UsageError, match=r"is a HttpQueue, which is not in Redis.*Queue\.from_url"):
            JobQueue(app, jobqueue_server)


def test_a_queue_in_postgres(jobqueue_server, jobqueue_url) -> None:
    from saq.queue import base

    class PostgresQueue(base.Queue):  # its driver need not be here
        info = count = sweep = job = jobs = iter_jobs = abort = dequeue = write_worker_info = None
        disconnect = _retry = _finish = _enqueue = _update = None

    with pytest.raises(UsageError, match="the queue 'default' is a PostgresQueue, which is not in Redis"):
        JobQueue(settings(queue=PostgresQueue("default", None, None)), jobqueue_server)
