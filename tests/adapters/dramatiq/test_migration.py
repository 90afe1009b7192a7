"""What `StubBroker` with a worker thread hides: the claims of docs/adapters/dramatiq.md, one test each."""

from __future__ import annotations

import threading
import time
from functools import partial

import pytest

dramatiq = pytest.importorskip("dramatiq")
errors = pytest.importorskip("dramatiq.errors")
stub = pytest.importorskip("dramatiq.brokers.stub")


@pytest.fixture
def broker_in_memory():
    broker = stub.StubBroker()
    yield broker
    broker.close()


@pytest.fixture
def works(broker_in_memory):
    """Start the worker that tests of a service often have."""
    workers = []

    def start():
        workers.append(dramatiq.Worker(broker_in_memory, worker_timeout=10, worker_threads=1))
        workers[-1].start()

    yield start
    for worker in workers:
        worker.stop()


@pytest.fixture
def stubbed(broker_in_memory, works):
    """`dramatiq.actor`, whose messages that worker runs."""
    works()
    return partial(dramatiq.actor, broker=broker_in_memory)


@pytest.fixture
def join(broker_in_memory):
    return partial(broker_in_memory.join, "default", timeout=5000)


def test_an_exception_is_raised_at_the_actors_line(stubbed, join, actor, jobqueue):
    def fail():
        raise ValueError("out of paper")

    stubbed(max_retries=0)(fail).send()
    join(fail_fast=False)  # nothing to see
    actor(max_retries=0)(fail).send()
    with pytest.raises(ValueError, match="out of paper") as caught:
        jobqueue.worker.drain()
    assert caught.traceback[-1].name == "fail"


def test_it_is_raised_before_anything_else_runs(broker_in_memory, works, join, actor, jobqueue):
    seen = []

    def fail():
        seen.append("fail")
        raise ValueError("out of paper")

    def work():
        seen.append("work")

    def send(declare):
        declare(max_retries=1, min_backoff=1, max_backoff=2)(fail).send()
        declare()(work).send()

    send(partial(dramatiq.actor, broker=broker_in_memory))
    works()
    with pytest.raises(ValueError, match="out of paper"):
        join(fail_fast=True)
    assert sorted(seen) == ["fail", "fail", "work"]

    seen.clear()
    send(actor)
    with pytest.raises(ValueError, match="out of paper"):
        jobqueue.worker.drain()
    assert seen == ["fail"]


def test_the_actor_runs_in_the_tests_own_thread(stubbed, join, actor, jobqueue):
    found = []

    def where():
        found.append(threading.get_ident())

    stubbed()(where).send()
    join()
    actor()(where).send()
    jobqueue.worker.drain()
    assert [ident == threading.get_ident() for ident in found] == [False, True]


def test_a_delay_passes_when_the_clock_is_moved(stubbed, join, actor, jobqueue, travel):
    began = time.monotonic()
    stubbed(actor_name="remind")(lambda: None).send_with_options(delay=200)
    join()
    assert time.monotonic() - began >= 0.2

    remind = actor(actor_name="remind")(lambda: "reminded")
    remind.send_with_options(delay=3_600_000)
    assert jobqueue.worker.drain() == []
    travel(3601)
    assert jobqueue.worker.drain().results == ["reminded"]


def test_twenty_retries_take_no_time(actor, jobqueue, travel):
    @actor()
    def fail():
        raise ValueError("out of paper")

    fail.send()
    runs, began = 0, time.time()
    while jobqueue.worker.run_next(on_error="record") is not None:
        runs += 1
        for job in jobqueue.binding.retrying():
            travel(job.due_at - time.time() + 1)
    assert runs == 21
    assert time.time() - began > 14 * 24 * 60 * 60  # what a `join` would have taken
    jobqueue.assert_dead("fail", error="out of paper")


def test_a_dead_worker_can_be_had(broker_in_memory, works, join, actor, jobqueue, travel):
    dramatiq.actor(broker=broker_in_memory, actor_name="work")(lambda: None).send()
    assert next(broker_in_memory.consume("default")) is not None  # by one that dies
    works()
    with pytest.raises(errors.QueueJoinTimeout):
        join(timeout=100)

    actor(actor_name="work")(lambda: "done").send()
    jobqueue.worker.abandon_next()
    travel(61)
    assert jobqueue.worker.recover() == 1
    assert jobqueue.worker.drain().results == ["done"]


def test_one_message_at_a_time(broker_in_memory, works, join, actor, jobqueue):
    seen = []

    def step(number):
        seen.append(number)

    theirs = dramatiq.actor(broker=broker_in_memory)(step)
    theirs.send(1)
    theirs.send(2)
    works()
    join()
    assert sorted(seen) == [1, 2]  # in Dramatiq 1, in no order

    seen.clear()
    ours = actor()(step)
    ours.send(1)
    ours.send(2)
    jobqueue.worker.run_next()
    assert seen == [1]
    assert [job.args for job in jobqueue.binding.pending()] == [(2,)]


def test_messages_are_what_lies_in_redis(broker_in_memory, actor, jobqueue):
    dramatiq.actor(broker=broker_in_memory, actor_name="work")(lambda: None).send()
    assert broker_in_memory.queues["default"].qsize() == 1
    assert jobqueue.redis.dbsize() == 0

    sent = actor(actor_name="work")(lambda: None).send()
    assert jobqueue.redis.lrange("dramatiq:default", 0, -1) == [sent.options["redis_message_id"].encode()]
