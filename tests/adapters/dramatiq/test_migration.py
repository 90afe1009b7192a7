"""What `StubBroker` with a worker thread hides: the claims of docs/adapters/dramatiq.md, one test each."""

from __future__ import annotations

import threading
import time

import pytest

dramatiq = pytest.importorskip("dramatiq")
stub = pytest.importorskip("dramatiq.brokers.stub")


@pytest.fixture
def stubbed():
    """The broker, the worker and the join that tests of a service often have."""
    broker = stub.StubBroker()
    worker = dramatiq.Worker(broker, worker_timeout=10, worker_threads=1)
    worker.start()

    def run(function, *args, **options):
        declared = dramatiq.actor(broker=broker, actor_name="work", **options)(function)
        declared.send(*args)
        broker.join("default", fail_fast=False, timeout=5000)
        worker.join()

    yield run
    worker.stop()
    broker.close()


def test_an_exception_is_raised_at_the_actors_line(stubbed, actor, jobqueue):
    def fail():
        raise ValueError("out of paper")

    stubbed(fail, max_retries=0)  # nothing to see
    actor(max_retries=0)(fail).send()
    with pytest.raises(ValueError, match="out of paper") as caught:
        jobqueue.worker.drain()
    assert caught.traceback[-1].name == "fail"


def test_the_actor_runs_in_the_tests_own_thread(stubbed, actor, jobqueue):
    found = []

    def where():
        found.append(threading.get_ident())

    stubbed(where)
    actor()(where).send()
    jobqueue.worker.drain()
    assert [ident == threading.get_ident() for ident in found] == [False, True]


def test_a_delay_passes_when_the_clock_is_moved(actor, jobqueue, travel):
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
    runs = 0
    while jobqueue.worker.run_next(on_error="record") is not None:
        runs += 1
        for job in jobqueue.binding.retrying():
            travel(job.due_at - time.time() + 1)
    assert runs == 21
    jobqueue.assert_dead("fail", error="out of paper")


def test_a_dead_worker_can_be_had(actor, jobqueue, travel):
    actor(actor_name="work")(lambda: "done").send()
    jobqueue.worker.abandon_next()
    travel(61)
    assert jobqueue.worker.recover() == 1
    assert jobqueue.worker.drain().results == ["done"]


def test_one_message_at_a_time(actor, jobqueue):
    seen = []

    @actor()
    def step(number):
        seen.append(number)

    step.send(1)
    step.send(2)
    jobqueue.worker.run_next()
    assert seen == [1]
    assert [job.args for job in jobqueue.binding.pending()] == [(2,)]


def test_messages_are_what_lies_in_redis(actor, jobqueue):
    sent = actor(actor_name="work")(lambda: None).send()
    assert jobqueue.redis.lrange("dramatiq:default", 0, -1) == [sent.options["redis_message_id"].encode()]
