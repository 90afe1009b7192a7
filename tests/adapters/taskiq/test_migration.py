"""What `InMemoryBroker` hides and this catches: the claims of docs/adapters/taskiq.md, one test each."""

from __future__ import annotations

import asyncio
import datetime as dt
import threading

import pytest

pytest.importorskip("taskiq_redis")

from taskiq import InMemoryBroker, SimpleRetryMiddleware, SmartRetryMiddleware, TaskiqScheduler
from taskiq.schedule_sources import LabelScheduleSource

from pytest_jobqueue.errors import UsageError


@pytest.fixture
def memory():
    """The broker that tests of a service often have in place of the real one; it runs a task in `kiq`."""
    broker = InMemoryBroker(await_inplace=True)
    yield broker
    broker.executor.shutdown()


@pytest.fixture
def jobqueue_app(broker, source):
    return TaskiqScheduler(broker, [source, LabelScheduleSource(broker)])


def test_a_switch_to_another_broker_is_named(memory, jobqueue_server, jobqueue_url):
    from pytest_jobqueue import JobQueue

    with pytest.raises(UsageError, match="InMemoryBroker.*Give the ListQueueBroker or RedisStreamBroker"):
        JobQueue(memory, jobqueue_server)


def test_an_exception_is_raised_instead_of_logged(memory, broker, jobqueue):
    async def fail():
        raise ValueError("out of paper")

    asyncio.run(memory.register_task(fail, "fail").kiq())  # nothing to see
    jobqueue.run(broker.register_task(fail, "fail").kiq())
    with pytest.raises(ValueError, match="out of paper"):
        jobqueue.worker.drain()


def test_a_function_runs_in_the_tests_own_thread(memory, broker, jobqueue):
    def where():
        return threading.get_ident()

    async def elsewhere():
        task = await memory.register_task(where, "where").kiq()
        return (await task.wait_result()).return_value

    assert asyncio.run(elsewhere()) != threading.get_ident()
    jobqueue.run(broker.register_task(where, "where").kiq())
    assert jobqueue.worker.drain().results == [threading.get_ident()]


def test_a_task_for_later_runs_when_the_clock_reaches_its_time(travel, memory, broker, source, jobqueue):
    ran = []

    async def in_memory():
        task = memory.register_task(lambda: ran.append("in memory"), "task")
        created = await task.schedule_by_time(source, tomorrow)
        travel(86400)
        await memory.wait_all()
        await created.unschedule()
        travel(-86400)

    tomorrow = dt.datetime(2026, 11, 25, tzinfo=dt.timezone.utc)
    jobqueue.run(in_memory())
    task = broker.register_task(lambda: ran.append("ran"), "task")
    jobqueue.run(task.schedule_by_time(source, tomorrow))
    jobqueue.worker.drain()
    assert ran == []
    travel(86400)
    jobqueue.worker.drain()
    assert ran == ["ran"]


class TestPeriodic:
    @pytest.fixture
    def broker(self, lists):
        lists.register_task(lambda: "swept", "sweep", schedule=[{"cron": "0 4 * * *"}])
        return lists

    def test_periodic_tasks_run_in_their_minute(self, travel, memory, jobqueue):
        swept = []
        memory.register_task(lambda: swept.append("in memory"), "sweep", schedule=[{"cron": "0 4 * * *"}])

        async def in_memory():
            await memory.startup()
            travel(jobqueue.binding.next_due() - dt.datetime.now().timestamp())  # noqa: DTZ005 (a moment)
            await memory.wait_all()

        asyncio.run(in_memory())
        assert swept == []
        assert jobqueue.worker.drain().results == ["swept"]


def _failing_once():
    attempts = []

    async def flaky():
        attempts.append(1)
        if len(attempts) == 1:
            raise OSError("not yet")
        return "at last"

    return flaky


class TestRetries:
    @pytest.fixture
    def broker(self, lists, source):
        lists.add_middlewares(SmartRetryMiddleware(schedule_source=source, default_delay=300))
        return lists

    def test_a_retry_waits_for_its_delay(self, travel, memory, broker, source, jobqueue):
        attempts = []

        async def flaky():
            attempts.append(1)
            raise OSError("not yet")

        async def in_memory():
            memory.add_middlewares(SmartRetryMiddleware(schedule_source=source, default_delay=300))
            await memory.register_task(flaky, "in_memory", retry_on_error=True).kiq()
            travel(301)
            await memory.wait_all()
            (schedule,) = await source.get_schedules()
            await source.delete_schedule(schedule.schedule_id)

        jobqueue.run(in_memory())
        assert attempts == [1]
        broker.register_task(_failing_once(), "flaky", retry_on_error=True)
        jobqueue.producer.enqueue("flaky")
        jobqueue.worker.drain(on_error="record")
        jobqueue.assert_retrying("flaky", error="OSError: not yet")
        travel(301)
        assert jobqueue.worker.drain().results == ["at last"]


def test_each_attempt_is_seen_and_not_only_the_last(memory, broker, jobqueue):
    async def in_memory():
        memory.add_middlewares(SimpleRetryMiddleware())
        task = await memory.register_task(_failing_once(), "flaky", retry_on_error=True).kiq()
        return (await task.wait_result()).return_value

    assert asyncio.run(in_memory()) == "at last"
    broker.add_middlewares(SimpleRetryMiddleware())
    broker.register_task(_failing_once(), "flaky", retry_on_error=True)
    jobqueue.producer.enqueue("flaky")
    drained = jobqueue.worker.drain(on_error="record")
    assert [outcome.status for outcome in drained] == ["retrying", "ok"]


def test_a_task_runs_when_the_test_says_so_and_not_inside_of_kiq(memory, broker, jobqueue):
    seen = []

    async def note():
        seen.append("task")

    asyncio.run(memory.register_task(note, "note").kiq())
    assert seen == ["task"]
    jobqueue.run(broker.register_task(note, "note").kiq())
    assert seen == ["task"]
    jobqueue.worker.drain()
    assert seen == ["task", "task"]


def test_a_job_for_another_workers_queue_is_left_to_it(memory, broker, jobqueue):
    seen = []

    async def note():
        seen.append("ran")

    asyncio.run(memory.register_task(note, "note").kicker().with_labels(queue_name="mail").kiq())
    assert seen == ["ran"]
    jobqueue.run(broker.register_task(note, "note").kicker().with_labels(queue_name="mail").kiq())
    jobqueue.worker.drain()
    assert seen == ["ran"]
    assert [job.name for job in jobqueue.binding.pending("mail")] == ["note"]


def test_a_result_must_survive_the_serialiser(memory, broker, jobqueue):
    async def odd():
        return object()

    async def in_memory():
        task = await memory.register_task(odd, "odd").kiq()
        return (await task.wait_result()).return_value

    assert type(asyncio.run(in_memory())) is object
    jobqueue.run(broker.register_task(odd, "odd").kiq())
    (outcome,) = jobqueue.worker.drain()
    assert "its result could not be saved" in outcome.reason


def test_what_a_worker_had_when_it_died_can_be_looked_at(memory, broker, jobqueue):
    with pytest.raises(RuntimeError, match="cannot listen"):
        memory.listen()  # so there is none
    broker.register_task(lambda: "ran", "task")
    jobqueue.producer.enqueue("task")
    jobqueue.worker.abandon_next()
    assert jobqueue.worker.drain() == []
    assert [job.name for job in jobqueue.binding.running()] == ["task"] * jobqueue.binding.caps.acks
