"""Messages of lists and streams, and schedules of sources, by hand."""

from __future__ import annotations

import datetime as dt

import pytest

taskiq = pytest.importorskip("taskiq")
taskiq_redis = pytest.importorskip("taskiq_redis")

from taskiq.exceptions import ScheduledTaskCancelledError
from taskiq.schedule_sources import LabelScheduleSource

from pytest_jobqueue.errors import UsageError


async def add(left: int, right: int) -> int:
    return left + right


def scheduled(broker, *sources, **labels):
    broker.register_task(add, "add", **labels)
    return taskiq.TaskiqScheduler(broker, list(sources))


@pytest.fixture
def kept(broker, source):
    return scheduled(broker, source)


@pytest.mark.parametrize("number", [0, 1, 2])
def test_one_of_several_messages_is_removed(broker, request, number):
    broker.register_task(add, "add")
    jobqueue = request.getfixturevalue("jobqueue")
    jobqueue.producer.enqueue_many("add", [(one, 0) for one in range(3)])
    jobqueue.binding.discard(jobqueue.binding.pending()[number])
    assert jobqueue.worker.drain().results == [one for one in range(3) if one != number]


class TestASource:
    @pytest.fixture
    def jobqueue_app(self, kept):
        return kept

    def test_what_it_keeps_is_sent_once_and_deleted(self, jobqueue, travel):
        jobqueue.producer.enqueue_in(3600, "add", 1, 2)
        jobqueue.producer.enqueue_in(7200, "add", 3, 4)
        jobqueue.binding.requeue(jobqueue.binding.scheduled()[0])
        assert jobqueue.worker.drain().results == [3]
        assert [job.args for job in jobqueue.binding.scheduled()] == [(3, 4)]
        travel(8000)
        assert jobqueue.worker.drain().results == [7]
        assert jobqueue.redis.keys("schedule:*") == []

    def test_what_it_keeps_is_deleted(self, jobqueue):
        jobqueue.producer.enqueue_in(3600, "add", 1, 2)
        jobqueue.binding.discard(jobqueue.binding.scheduled()[0])
        assert jobqueue.redis.keys("schedule:*") == []

    def test_what_it_cancels_is_not_sent(self, jobqueue, source, monkeypatch):
        def cancel(_task):
            raise ScheduledTaskCancelledError

        monkeypatch.setattr(source, "pre_send", cancel)
        jobqueue.producer.enqueue_in(3600, "add", 1, 2)
        with pytest.raises(UsageError, match="pre_send of its schedule source has cancelled it"):
            jobqueue.binding.requeue(jobqueue.binding.scheduled()[0])
        assert len(jobqueue.binding.scheduled()) == 1


class TestALabel:
    @pytest.fixture
    def jobqueue_app(self, lists, travel):
        at = dt.datetime(2026, 11, 24, 5, tzinfo=dt.timezone.utc)
        return scheduled(lists, LabelScheduleSource(lists), schedule=[{"time": at, "args": [1, 2]}])

    @pytest.mark.parametrize("action", ["requeue", "discard"])
    def test_what_stands_in_code_stays_there(self, jobqueue, action):
        (job,) = jobqueue.binding.scheduled()
        with pytest.raises(UsageError, match="is scheduled in code"):
            getattr(jobqueue.binding, action)(job)


class TestAStream:
    @pytest.fixture
    def jobqueue_app(self, streams):
        streams.register_task(add, "add")
        streams.idle_timeout = 0
        return streams

    def test_a_message_that_a_worker_has_is_the_workers(self, jobqueue):
        jobqueue.producer.enqueue("add", 1, 2)
        job = jobqueue.worker.abandon_next()
        with pytest.raises(UsageError, match="cannot be discarded"):
            jobqueue.binding.discard(job)
        assert [running.id for running in jobqueue.binding.running()] == [job.id]

    def test_a_message_that_was_taken_over_is_acknowledged_too(self, jobqueue):
        jobqueue.producer.enqueue("add", 1, 2)
        jobqueue.worker.abandon_next()
        assert jobqueue.worker.recover() == 1
        jobqueue.binding.discard(jobqueue.binding.pending()[0])
        assert jobqueue.worker.recover() == 0
        assert list(jobqueue.binding.running()) == []
        assert jobqueue.redis.xlen("taskiq") == 0


class TestAList:
    @pytest.fixture
    def jobqueue_app(self, lists):
        return lists

    def test_what_the_formatter_cannot_read_can_be_discarded(self, jobqueue):
        jobqueue.redis.lpush("taskiq", b"strange")
        jobqueue.binding.discard(jobqueue.binding.pending()[0])
        assert list(jobqueue.binding.pending()) == []
