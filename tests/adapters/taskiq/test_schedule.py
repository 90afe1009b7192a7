"""What is for later waits in a schedule source, and the scheduler sends it; so does what recurs."""

from __future__ import annotations

import datetime as dt
import time
import warnings

import pytest

pytest.importorskip("taskiq_redis")

from taskiq import ScheduledTask, ScheduleSource, TaskiqScheduler
from taskiq.exceptions import ScheduledTaskCancelledError
from taskiq.schedule_sources import LabelScheduleSource
from taskiq_redis import ListRedisScheduleSource, RedisScheduleSource

from pytest_jobqueue.errors import UsageError

MINUTE, HOUR, DAY = 60.0, 3600.0, 86400.0


def plain(nowhere):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # newer versions call it deprecated
        return RedisScheduleSource(nowhere)


@pytest.fixture
def add(broker):
    @broker.task("add")
    async def add(left: int, right: int):
        return left + right

    return add


def at(text):
    return dt.datetime.fromisoformat(text).replace(tzinfo=dt.timezone.utc).timestamp()


class TestRedisSources:
    @pytest.fixture(params=["lists", "plain"])
    def source(self, request, nowhere):
        return ListRedisScheduleSource(nowhere) if request.param == "lists" else plain(nowhere)

    @pytest.fixture
    def jobqueue_app(self, broker, source):
        return TaskiqScheduler(broker, [source])

    def test_the_soonest_is_first(self, travel, jobqueue, add):
        for delay in (DAY, MINUTE, 7.0):
            jobqueue.producer.enqueue_in(delay, "add", int(delay), 0)
        assert [job.args[0] for job in jobqueue.binding.scheduled()] == [7, 60, 86400]
        assert jobqueue.binding.next_due() == time.time() + 7

    def test_what_the_service_schedules_is_seen_and_sent(self, travel, jobqueue, source, add):
        moment = dt.datetime.now(dt.timezone.utc) + dt.timedelta(hours=5)
        created = jobqueue.run(add.schedule_by_time(source, moment, 3, 4))

        (job,) = jobqueue.binding.scheduled()
        assert (job.id, job.args, job.due_at) == (created.schedule_id, (3, 4), moment.timestamp())
        assert job.queue == "taskiq"
        travel(5 * HOUR - 1)
        assert jobqueue.worker.tick() == 0
        travel(1)
        assert jobqueue.worker.tick() == 1
        assert jobqueue.binding.scheduled() == []
        assert jobqueue.worker.drain().results == [7]
        travel(DAY)
        assert jobqueue.worker.drain() == []

    def test_what_the_service_takes_back_is_gone(self, travel, jobqueue, source, add):
        created = jobqueue.run(add.schedule_by_time(source, dt.datetime(2026, 12, 1), 3, 4))  # noqa: DTZ001
        assert jobqueue.binding.next_due() == at("2026-12-01")
        jobqueue.run(created.unschedule())
        assert jobqueue.binding.scheduled() == []
        travel(30 * DAY)
        assert jobqueue.worker.drain() == []

    def test_a_queue_of_its_own(self, travel, jobqueue, add):
        jobqueue.producer.enqueue_in(5, "add", 1, 2, queue="slow")
        assert [job.queue for job in jobqueue.binding.scheduled()] == ["slow"]
        travel(6)
        assert jobqueue.worker.drain() == []
        assert jobqueue.worker.drain(queue="slow").results == [3]

    def test_a_cron_that_the_service_adds(self, travel, jobqueue, source, add):
        jobqueue.run(add.schedule_by_cron(source, "30 4 * * *", 1, 2))
        assert jobqueue.binding.next_due() == at("2026-11-24T04:30")
        assert jobqueue.worker.drain() == []
        travel(DAY)
        assert jobqueue.worker.drain().results == [3]
        assert jobqueue.worker.drain() == []
        assert jobqueue.binding.next_due() == at("2026-11-25T04:30")

    def test_a_cron_that_matches_now_is_sent_now(self, travel, jobqueue, source, add):
        jobqueue.run(add.schedule_by_cron(source, "* * * * *", 1, 2))
        assert jobqueue.worker.drain().results == [3]
        travel(MINUTE)
        assert jobqueue.worker.drain().results == [3]

    def test_an_interval_that_the_service_adds_begins_at_once(self, travel, jobqueue, source, add):
        if isinstance(source, ListRedisScheduleSource) and not hasattr(source, "_get_interval_key"):
            pytest.skip("this version's source keeps no intervals")
        jobqueue.run(add.schedule_by_interval(source, 90, 1, 2))
        assert jobqueue.worker.drain().results == [3]
        assert jobqueue.binding.next_due() == time.time() + 90
        travel(89)
        assert jobqueue.worker.drain() == []
        travel(1)
        assert jobqueue.worker.drain().results == [3]


class TestASourceThatSkipsThePast(TestRedisSources):
    """Whose scheduler still asks each minute in production, so nothing is skipped while it runs."""

    @pytest.fixture
    def source(self, nowhere):
        try:
            return ListRedisScheduleSource(nowhere, skip_past_schedules=True)
        except TypeError:
            pytest.skip("this version has no such option")

    def test_what_a_moved_clock_has_passed_is_not_the_past(self, travel, jobqueue, add):
        jobqueue.producer.enqueue_in(30, "add", 1, 2)
        travel(10 * MINUTE)
        assert jobqueue.worker.drain().results == [3]


class TestLabels:
    @pytest.fixture
    def jobqueue_app(self, broker):
        broker.register_task(lambda: "night", "night", schedule=[{"cron": "15 3 * * *"}])
        broker.register_task(lambda: "often", "often", schedule=[{"interval": 600}])
        broker.register_task(
            lambda: "once",
            "once",
            schedule=[{"time": dt.datetime(2026, 11, 24, 3, 20, tzinfo=dt.timezone.utc)}],
        )
        return TaskiqScheduler(broker, [LabelScheduleSource(broker)])

    def test_they_count_from_the_binding(self, travel, jobqueue):
        assert jobqueue.worker.drain() == []
        assert jobqueue.binding.next_due() == at("2026-11-24T03:12:41")

    def test_they_come_in_their_time(self, travel, jobqueue):
        seen = []
        for _ in range(5):
            due = jobqueue.binding.next_due()
            travel(due - time.time())
            seen += [(due, name) for name in jobqueue.worker.drain().results]
        assert seen == [
            (at("2026-11-24T03:12:41"), "often"),
            (at("2026-11-24T03:15"), "night"),
            (at("2026-11-24T03:20"), "once"),
            (at("2026-11-24T03:22:41"), "often"),
            (at("2026-11-24T03:32:41"), "often"),
        ]

    def test_a_clock_that_jumps_sends_each_of_them_once(self, travel, jobqueue):
        travel(3 * DAY)
        assert sorted(jobqueue.worker.drain().results) == ["night", "often", "once"]
        assert jobqueue.worker.drain() == []

    def test_what_is_for_one_moment_is_scheduled(self, travel, jobqueue):
        assert [job.name for job in jobqueue.binding.scheduled()] == ["once"]


class TestCancelling:
    @pytest.fixture
    def jobqueue_app(self, broker):
        class Cancelling(LabelScheduleSource):
            def pre_send(self, task):
                if task.task_name == "no":
                    raise ScheduledTaskCancelledError

        for name in ("yes", "no"):
            broker.register_task(lambda: None, name, schedule=[{"cron": "* * * * *"}])
        return TaskiqScheduler(broker, [Cancelling(broker)])

    def test_what_a_source_cancels_is_not_sent(self, travel, jobqueue):
        travel(MINUTE)
        assert jobqueue.worker.tick() == 1
        assert [job.name for job in jobqueue.binding.pending()] == ["yes"]


class TestOffsets:
    @pytest.mark.parametrize(
        ("offset", "due"),
        [
            ("Europe/Berlin", "2026-11-24T05:00"),
            ("Asia/Kathmandu", "2026-11-25T00:15"),
            (dt.timedelta(hours=2), "2026-11-24T04:00"),
        ],
    )
    def test_a_cron_is_meant_on_its_own_clock(
        self, travel, jobqueue_server, jobqueue_url, lists, offset, due
    ):
        from pytest_jobqueue import JobQueue

        lists.register_task(lambda: "done", "job", schedule=[{"cron": "0 6 * * *", "cron_offset": offset}])
        with JobQueue(TaskiqScheduler(lists, [LabelScheduleSource(lists)]), jobqueue_server) as jobqueue:
            assert jobqueue.binding.next_due() == at(due)
            travel(at(due) - time.time())
            assert jobqueue.worker.drain().results == ["done"]


class TestABadCron:
    @pytest.fixture
    def jobqueue_app(self, broker):
        broker.register_task(lambda: None, "job", schedule=[{"cron": "every day"}])
        return TaskiqScheduler(broker, [LabelScheduleSource(broker)])

    def test_is_named(self, jobqueue):
        assert jobqueue.binding.next_due() is None
        with pytest.raises(
            UsageError, match="job is scheduled by the cron 'every day', which .* never sends"
        ):
            jobqueue.worker.drain()


class Remote(ScheduleSource):
    """A source that has to wait for what it knows, and never forgets."""

    def __init__(self):
        self.trace = []

    async def startup(self):
        import asyncio

        await asyncio.sleep(0)
        self.trace.append("startup")

    async def shutdown(self):
        self.trace.append("shutdown")

    async def get_schedules(self):
        import asyncio

        await asyncio.sleep(0)
        moment = dt.datetime(2026, 11, 24, 4, tzinfo=dt.timezone.utc)
        return [
            ScheduledTask(schedule_id="one", task_name="job", labels={}, args=[1], kwargs={}, time=moment),
            ScheduledTask(schedule_id="two", task_name="job", labels={}, args=[2], kwargs={}, interval=60),
        ]


class TestASourceOfTheService:
    @pytest.fixture
    def remote(self):
        return Remote()

    @pytest.fixture
    def jobqueue_app(self, broker, remote):
        broker.register_task(lambda number: number, "job")
        return TaskiqScheduler(broker, [remote])

    def test_is_asked_by_the_scheduler_and_cannot_be_looked_at(self, travel, jobqueue, remote):
        assert jobqueue.binding.scheduled() == []
        assert jobqueue.worker.drain() == []
        travel(MINUTE)
        assert jobqueue.worker.drain().results == [2]
        travel(HOUR)
        assert jobqueue.worker.drain().results == [1, 2]
        assert jobqueue.worker.drain() == []
        jobqueue.close()
        assert remote.trace == ["startup", "shutdown"]


def test_without_a_source_nothing_is_for_later(jobqueue, add):
    with pytest.raises(UsageError, match="give the TaskiqScheduler with a ListRedisScheduleSource"):
        jobqueue.producer.enqueue_in(5, "add", 1, 2)
    assert not jobqueue.binding.caps.delays
    assert not jobqueue.binding.caps.periodic
