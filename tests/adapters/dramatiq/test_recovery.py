"""Messages of a worker that died: fetched, and found by the broker's maintenance after a silent minute."""

from __future__ import annotations

import pytest

dramatiq = pytest.importorskip("dramatiq")


@pytest.fixture
def add(actor):
    @actor()
    def add(left, right):
        return left + right

    return add


def test_not_before_a_minute_of_silence(add, jobqueue, travel):
    sent = add.send(1, 2)
    assert jobqueue.worker.abandon_next().id == sent.message_id
    assert [job.id for job in jobqueue.binding.running()] == [sent.message_id]
    assert jobqueue.worker.recover() == 0
    travel(30)
    assert jobqueue.worker.recover() == 0
    travel(31)
    assert jobqueue.worker.recover() == 1
    assert jobqueue.binding.running() == []
    assert jobqueue.worker.drain().results == [3]


def test_the_living_keep_theirs(actor, add, jobqueue, travel):
    @actor()
    def patient():
        travel(120)
        return jobqueue.worker.recover()

    add.send(1, 2)
    jobqueue.worker.abandon_next()
    patient.send()
    assert jobqueue.worker.drain().results == [1, 3]  # its own is not among what it recovered


def test_the_brokers_own_timeout_counts(add, broker, jobqueue, travel):
    broker.heartbeat_timeout = 5_000
    add.send(1, 2)
    jobqueue.worker.abandon_next()
    travel(6)
    assert jobqueue.worker.recover() == 1


def test_maintenance_is_not_left_to_chance(add, broker, jobqueue, travel):
    assert broker.maintenance_chance == 0
    add.send(1, 2)
    jobqueue.worker.abandon_next()
    travel(120)
    assert jobqueue.worker.drain() == []
    assert jobqueue.worker.recover() == 1
    assert broker.maintenance_chance == 0


def test_a_delayed_message_in_the_hands_of_a_dead_worker(add, broker, jobqueue, travel):
    sent = add.send_with_options(args=(1, 2), delay=1000)
    living, broker.broker_id = broker.broker_id, "dead"
    assert next(broker.consume("default.DQ", timeout=0)).message_id == sent.message_id
    broker.broker_id = living

    assert jobqueue.binding.scheduled() == []
    assert [job.id for job in jobqueue.binding.running()] == [sent.message_id]
    travel(120)
    assert jobqueue.worker.recover() == 1
    assert jobqueue.worker.drain().results == [3]


def test_an_empty_queue_has_nobody_to_abandon(add, jobqueue):
    assert jobqueue.worker.abandon_next() is None


def test_dead_letters_are_forgotten_after_a_week(actor, jobqueue, travel):
    @actor(max_retries=0)
    def fail():
        raise ValueError

    fail.send()
    jobqueue.worker.drain(on_error="record")
    assert len(jobqueue.binding.failed()) == 1
    travel(7 * 24 * 60 * 60 + 1)
    jobqueue.worker.recover()
    assert jobqueue.binding.failed() == []
