"""One clear error for each thing that cannot work."""

from __future__ import annotations

import warnings

import pytest

pytest.importorskip("taskiq_redis")

import taskiq_redis
from taskiq import AsyncBroker, InMemoryBroker, SimpleRetryMiddleware, TaskiqScheduler, async_shared_broker
from taskiq.exceptions import SendTaskError

from pytest_jobqueue.adapters.taskiq import bind
from pytest_jobqueue.errors import UsageError
from pytest_jobqueue.settings import Settings

URL = "redis://127.0.0.1:1/0"


class Amqp(AsyncBroker):
    async def kick(self, message):
        raise NotImplementedError

    async def listen(self):
        yield b""


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (InMemoryBroker, r"InMemoryBroker, .*it runs a task inside of kiq\(\), without Redis"),
        (lambda: taskiq_redis.PubSubBroker(URL), "PubSubBroker, .*it stores nothing"),
        (lambda: taskiq_redis.ListQueueSentinelBroker([("h", 1)], "m"), "its messages are in several Redis"),
        (lambda: taskiq_redis.PubSubSentinelBroker([("h", 1)], "m"), "it stores nothing"),
        (lambda: async_shared_broker, "it is a place for tasks, and has no queue"),
        (Amqp, "Amqp, .*its messages are not in a Redis"),
        (lambda: TaskiqScheduler(Amqp(), []), "Amqp, .*its messages are not in a Redis"),
    ],
)
def test_another_broker(make, why):
    with pytest.raises(UsageError, match=f"{why}.*Give the ListQueueBroker or RedisStreamBroker"):
        bind(make(), URL, Settings())


def test_results_or_schedules_of_several_servers(lists):
    lists.with_result_backend(taskiq_redis.RedisAsyncSentinelResultBackend([("h", 1)], "m"))
    with pytest.raises(UsageError, match="use RedisAsyncResultBackend in tests"):
        bind(lists, URL, Settings())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        source = taskiq_redis.RedisSentinelScheduleSource([("h", 1)], "m")
    with pytest.raises(UsageError, match="use RedisScheduleSource in tests"):
        bind(TaskiqScheduler(taskiq_redis.ListQueueBroker(URL), [source]), URL, Settings())
    assert lists.connection_pool.connection_kwargs["host"] == "nowhere.invalid"
    assert "kick" not in vars(lists)


def test_a_task_that_is_not_registered(jobqueue, broker):
    broker.register_task(lambda: None, "send_mail")
    with pytest.raises(UsageError) as caught:
        jobqueue.producer.enqueue("send_mall")
    assert str(caught.value) == (
        "the broker has no task 'send_mall'; did you mean 'send_mail'? (registered: send_mail)"
    )


def test_several_jobs_of_which_one_has_no_task(jobqueue, broker):
    broker.register_task(lambda: None, "send_mail")
    with pytest.raises(UsageError, match="no task 'receive'"):
        jobqueue.producer.enqueue_many("receive", [(), ()])
    assert jobqueue.binding.pending() == []


@pytest.mark.parametrize(
    ("args", "kwargs", "where"),
    [((1, object()), {}, "argument 2"), ((1,), {"extra": object()}, "argument 'extra'")],
)
def test_an_argument_that_cannot_be_sent(jobqueue, broker, args, kwargs, where):
    broker.register_task(lambda *args, **kwargs: None, "take")
    with pytest.raises(TypeError, match=f"{where} of take does not survive the broker's serialiser: <object"):
        jobqueue.producer.enqueue("take", *args, **kwargs)
    assert jobqueue.binding.pending() == []


class TestLater:
    @pytest.fixture
    def jobqueue_app(self, broker, source):
        return TaskiqScheduler(broker, [source])

    def test_an_argument_that_cannot_be_scheduled(self, jobqueue, broker):
        from taskiq.serializers import JSONSerializer

        broker.register_task(lambda *args: None, "take")
        with pytest.raises(TypeError, match="argument 1 of take does not survive"):
            jobqueue.producer.enqueue_in(5, "take", object())
        assert isinstance(broker.serializer, JSONSerializer)


def test_an_error_of_the_connection_is_taskiqs_own(jobqueue, broker, monkeypatch):
    broker.register_task(lambda number: number, "take")

    async def refused(*args, **kwargs):
        raise ConnectionError("gone")

    monkeypatch.setattr(type(broker.connection_pool), "get_connection", refused)
    with pytest.raises(SendTaskError):
        jobqueue.producer.enqueue("take", 1)


def test_options_are_labels_and_the_kickers_own(jobqueue, broker):
    broker.register_task(lambda: "done", "take")
    job = jobqueue.producer.set(task_id="t-1", tenant="acme", tries=3).enqueue("take")
    assert job.id == "t-1"
    labels = jobqueue.binding.pending()[0].raw.labels
    assert (labels["tenant"], labels["tries"]) == ("acme", 3)
    assert jobqueue.worker.drain().results == ["done"]


def test_options_of_one_job_do_not_stick_to_its_task(jobqueue, broker):
    broker.add_middlewares(SimpleRetryMiddleware())
    broker.register_task(lambda: None, "take", tenant="nobody")
    jobqueue.producer.set(tenant="acme").enqueue("take")
    jobqueue.producer.enqueue("take")
    assert [job.raw.labels["tenant"] for job in jobqueue.binding.pending()] == ["acme", "nobody"]
