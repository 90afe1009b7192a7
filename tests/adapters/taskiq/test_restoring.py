"""After a test the broker, its middlewares and its sources are as they were, and so is the process."""

from __future__ import annotations

import signal
import time

import pytest

pytest.importorskip("taskiq_redis")

from taskiq import Context, SmartRetryMiddleware, TaskiqDepends, TaskiqEvents, TaskiqScheduler
from taskiq.schedule_sources import LabelScheduleSource
from taskiq_redis import ListRedisScheduleSource

from pytest_jobqueue import JobQueue


def looks(thing):
    """What a change would show in."""
    found = {name: value for name, value in vars(thing).items() if not name.startswith("_is_first")}
    for name, value in list(found.items()):
        if hasattr(value, "connection_kwargs"):
            found[name] = value, value.connection_class, dict(value.connection_kwargs)
        elif isinstance(value, (list, dict)):
            found[name] = (
                list(value)
                if isinstance(value, list)
                else {key: value[key] for key in value if value[key] != []}
            )
        elif name == "state":
            found[name] = dict(value.data)
    return found


def test_everything_is_as_before(broker, source, nowhere, jobqueue_server, jobqueue_url):
    other = ListRedisScheduleSource(nowhere, prefix="other")
    retry = SmartRetryMiddleware(schedule_source=other, default_delay=0)
    broker.add_middlewares(retry)
    broker.add_event_handler(TaskiqEvents.WORKER_STARTUP, lambda state: setattr(state, "ready", True))
    labels = LabelScheduleSource(broker)
    scheduler = TaskiqScheduler(broker, [source, labels])

    @broker.task("job", retry_on_error=True, schedule=[{"cron": "0 0 * * *"}])
    async def job(context: Context = TaskiqDepends()):
        assert context.state.ready
        raise ValueError("again")

    things = [broker, broker.result_backend, source, other, labels, retry, scheduler]
    before = [looks(thing) for thing in things]

    with JobQueue(scheduler, jobqueue_server) as jobqueue:
        jobqueue.producer.enqueue("job")
        jobqueue.producer.enqueue_in(3600, "job")
        jobqueue.worker.drain(on_error="record")
        assert broker.connection_pool.connection_kwargs["host"] == "127.0.0.1"

    for thing, was in zip(things, before, strict=True):
        assert looks(thing) == was


def test_a_broker_can_be_bound_again_and_again(broker, jobqueue_server, jobqueue_url):
    broker.register_task(lambda number: number, "job")
    for number in range(3):
        with JobQueue(broker, jobqueue_server) as jobqueue:
            jobqueue.producer.enqueue("job", number)
            assert jobqueue.worker.drain().results == [number]


def test_a_method_that_the_service_put_there_stays(broker, jobqueue_server, jobqueue_url):
    kicked = []
    original = broker.kick

    async def kick(message):
        kicked.append(message.task_name)
        await original(message)

    broker.kick = kick
    broker.register_task(lambda: None, "job")
    with JobQueue(broker, jobqueue_server) as jobqueue:
        jobqueue.producer.enqueue("job")
    assert kicked == ["job"]
    assert broker.kick is kick


def test_a_timer_of_pytest_timeout_goes_on_over_a_time_limit(jobqueue, broker):
    @broker.task("slow", timeout=0.05)
    def slow():
        while True:
            time.sleep(0.001)

    handler = signal.getsignal(signal.SIGALRM)
    left, _ = signal.setitimer(signal.ITIMER_REAL, 3600)
    try:
        jobqueue.producer.enqueue("slow")
        (outcome,) = jobqueue.worker.drain(on_error="record")
        assert outcome.status == "failed"
        assert 3000 < signal.getitimer(signal.ITIMER_REAL)[0] <= 3600
    finally:
        signal.setitimer(signal.ITIMER_REAL, left)
    assert signal.getsignal(signal.SIGALRM) == handler


def test_what_the_source_has_and_this_adapter_reads_is_still_there(source):
    """These are no public names of taskiq-redis; `schedule` says why they are used."""
    assert source._prefix == "schedule"
    assert source._serializer.loadb(source._serializer.dumpb([1])) == [1]
    assert source._skip_past_schedules is False
    assert source._get_data_key("one") == "schedule:data:one"
