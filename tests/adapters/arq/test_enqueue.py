"""What is asked of arq's client, and what is refused before it is asked."""

from __future__ import annotations

import datetime as dt
import time

import pytest

pytest.importorskip("arq")

from arq.jobs import JobDef
from support.arq_service import SETTINGS, settings

from pytest_jobqueue.errors import UsageError


def test_what_the_service_enqueues_is_seen_as_what_the_test_does(jobqueue, service) -> None:
    jobqueue.run(service.enqueue("add", 1, 2))
    made = jobqueue.producer.enqueue("add", 3, right=4)

    first, second = jobqueue.assert_enqueued("add", count=2)
    assert (first.args, second.args, second.kwargs) == ((1, 2), (3,), {"right": 4})
    assert second == made
    assert isinstance(made.raw, JobDef)
    assert made.enqueued_at == pytest.approx(time.time(), abs=5)
    assert (made.attempts, made.queue) == (0, "arq:queue")


def test_jobs_of_one_millisecond_keep_their_order(jobqueue, service, travel) -> None:
    async def several():
        for number in range(10):
            await service.enqueue("add", number, 0)

    jobqueue.run(several())  # the clock stands still
    jobqueue.producer.enqueue_many("add", [(number, 0) for number in range(10, 20)])

    assert [job.args[0] for job in jobqueue.binding.pending()] == [*range(20)]
    assert jobqueue.worker.drain().results == [*range(20)]


def test_a_job_whose_id_is_taken_is_not_enqueued_again(jobqueue) -> None:
    once = jobqueue.producer.set(_job_id="only")
    first = once.enqueue("add", 1, 2)

    assert once.enqueue("add", 3, 4) == first
    assert jobqueue.worker.drain().results == [3]
    again = once.enqueue("add", 5, 6)  # as long as the result is kept
    assert (again.id, again.args, again.error) == ("only", (1, 2), None)
    assert jobqueue.worker.drain() == []


def test_it_can_be_deferred_by_arqs_own_options(jobqueue, travel) -> None:
    by = jobqueue.producer.set(_defer_by=60).enqueue("add", 1, 2)
    moment = dt.datetime.now(dt.timezone.utc) + dt.timedelta(seconds=30)
    until = jobqueue.producer.set(_defer_until=moment).enqueue("add", 3, 4)

    assert [job.due_at for job in jobqueue.binding.scheduled()] == [until.due_at, by.due_at]
    travel(30)
    assert jobqueue.worker.drain().results == [7]
    assert jobqueue.binding.next_due() == by.due_at == time.time() + 30


def test_the_number_of_the_try_can_be_given(jobqueue) -> None:
    assert jobqueue.producer.set(_job_try=3).enqueue("flaky", 2).attempts == 2
    assert jobqueue.worker.drain().results == [3]


def test_another_queue_is_another_workers(jobqueue) -> None:
    job = jobqueue.producer.enqueue("function_of_theirs", queue="elsewhere")
    assert job.queue == "elsewhere"
    assert jobqueue.worker.drain() == []
    assert jobqueue.binding.pending("elsewhere") == [job]


@pytest.mark.jobqueue(queues=("urgent", "arq:queue"))
def test_several_queues_are_served_in_their_order(jobqueue) -> None:
    jobqueue.producer.enqueue("add", 1, 1)
    jobqueue.producer.enqueue("twice", 5, queue="urgent")

    assert [job.name for job in jobqueue.binding.pending()] == ["twice", "add"]
    assert jobqueue.worker.drain("urgent").results == [None, 5]  # its own job enqueues where it came from
    assert jobqueue.worker.drain().results == [2, 6]


@pytest.mark.jobqueue(app=settings(queue_name="mine"))
def test_the_queue_of_the_settings_is_used(jobqueue) -> None:
    assert jobqueue.producer.enqueue("add", 1, 2).queue == "mine"
    assert jobqueue.binding.queues() == ["mine"]
    assert jobqueue.worker.drain().results == [3]


def test_a_pool_that_the_settings_have_is_used(jobqueue_server, jobqueue_url, service) -> None:
    from arq.connections import ArqRedis
    from redis.asyncio import ConnectionPool

    from pytest_jobqueue import JobQueue

    pool = ArqRedis(ConnectionPool.from_url("redis://no-such-host.invalid:7000/5"))
    kwargs = dict(pool.connection_pool.connection_kwargs)
    with JobQueue(settings(redis_pool=pool), jobqueue_server) as jobqueue:
        jobqueue.run(pool.enqueue_job("add", 1, 2))
        assert jobqueue.worker.drain().results == [3]
    assert pool.connection_pool.connection_kwargs == kwargs


# Refused


def test_a_function_that_is_not_registered(jobqueue) -> None:
    with pytest.raises(UsageError) as caught:
        jobqueue.producer.enqueue("ad", 1, 2)
    assert str(caught.value) == (
        "the worker settings have no function 'ad'; did you mean 'add'? "
        "(registered: add, boom, twice, flaky, not_yet, sleep)"
    )


def test_an_option_that_arq_does_not_have(jobqueue) -> None:
    with pytest.raises(
        UsageError, match=r"^add: arq has no option 'job_id'; did you mean '_job_id'\? \(there"
    ):
        jobqueue.producer.set(job_id="x").enqueue("add", 1, 2)


def test_two_times_for_one_job(jobqueue) -> None:
    with pytest.raises(UsageError, match="its time is given twice"):
        jobqueue.producer.set(_defer_by=5).enqueue_in(5, "add", 1, 2)


def test_an_argument_that_cannot_be_pickled(jobqueue) -> None:
    with pytest.raises(TypeError, match="argument 2 of add does not survive arq's serialiser: <function"):
        jobqueue.producer.enqueue("add", 1, lambda: 2)
    assert jobqueue.binding.pending() == []


@pytest.mark.parametrize(
    ("app", "message"),
    [
        ({"functions": []}, "at least one function or cron_job must be registered"),
        ({"functions": [print]}, "is not a coroutine function"),
        ({"functions": ["no_such_module.function"]}, "No module named 'no_such_module'"),
        ({"cron_jobs": ["noon"]}, "'str' object has no attribute"),
    ],
)
def test_settings_of_which_arq_makes_no_worker(jobqueue_server, jobqueue_url, app, message) -> None:
    from pytest_jobqueue import JobQueue

    before = dict(vars(SETTINGS))
    with pytest.raises(UsageError, match=r"^arq cannot make a worker of") as caught:
        JobQueue({**app, "redis_settings": SETTINGS}, jobqueue_server)
    assert message in str(caught.value)
    assert vars(SETTINGS) == before
