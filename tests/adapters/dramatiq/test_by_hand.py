"""Messages in a worker's hands, inside of others, or unreadable, by hand."""

from __future__ import annotations

import pytest

from pytest_jobqueue.errors import UsageError

dramatiq = pytest.importorskip("dramatiq")


@pytest.fixture
def add(broker):
    return dramatiq.actor(lambda left, right=0: left + right, actor_name="add", broker=broker)


def test_the_others_of_a_delay_queue_stay(jobqueue, add):
    for number in range(3):
        add.send_with_options(args=(number,), delay=60_000)
    jobqueue.binding.requeue(jobqueue.binding.scheduled()[1])
    assert jobqueue.worker.drain().results == [1]
    assert [job.args for job in jobqueue.binding.scheduled()] == [(0,), (2,)]


def test_a_message_that_a_worker_holds_until_its_time_is_out_of_reach(jobqueue, broker, add):
    add.send_with_options(args=(1, 2), delay=60_000)
    (job,) = jobqueue.binding.scheduled()
    assert next(broker.consume("default.DQ", prefetch=1, timeout=0))
    with pytest.raises(UsageError, match="holds it until its time"):
        jobqueue.binding.requeue(job)
    with pytest.raises(UsageError, match="cannot be discarded"):
        jobqueue.binding.discard(job)
    assert len(jobqueue.binding.running()) == 1


def test_a_dead_letter_has_used_up_its_retries(jobqueue, broker):
    def fail():
        raise ValueError("no")

    dramatiq.actor(fail, actor_name="fail", broker=broker, max_retries=0)
    jobqueue.producer.enqueue("fail")
    jobqueue.worker.drain(on_error="record")
    jobqueue.binding.requeue(jobqueue.binding.failed()[0])
    assert [outcome.status for outcome in jobqueue.worker.drain(on_error="record")] == ["failed"]
    assert len(jobqueue.binding.failed()) == 1


def test_the_rest_of_a_pipeline_goes_with_its_first_message(jobqueue, broker, add):
    dramatiq.pipeline([add.message(1, 2), add.message(3)], broker=broker).run()
    (waiting,) = jobqueue.binding.waiting()
    with pytest.raises(UsageError, match="a part of the message add"):
        jobqueue.binding.discard(waiting)
    jobqueue.binding.discard(jobqueue.binding.pending()[0])
    assert list(jobqueue.binding.waiting()) == []
    assert jobqueue.worker.drain() == []


def test_what_dramatiq_cannot_read_can_only_be_discarded(jobqueue, broker, add):
    broker.do_enqueue("default", "1", b"strange")
    (job,) = jobqueue.binding.pending()
    with pytest.raises(UsageError, match="only discarded: Dramatiq cannot read it"):
        jobqueue.binding.requeue(job)
    jobqueue.binding.discard(job)
    assert jobqueue.redis.keys("dramatiq:default*") == []
