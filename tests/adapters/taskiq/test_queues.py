"""Queue names: the broker's, those of a label, and those that a test listens to."""

from __future__ import annotations

import pytest

pytest.importorskip("taskiq_redis")


@pytest.fixture
def add(broker):
    @broker.task("add")
    async def add(left: int, right: int):
        return left + right

    return add


def test_the_brokers_queue_is_listened_to(jobqueue, add):
    assert jobqueue.binding.queues() == ["taskiq"]


def test_a_label_leads_elsewhere_where_another_worker_listens(jobqueue, broker, add):
    job = jobqueue.producer.enqueue("add", 1, 1, queue="mail")
    jobqueue.run(add.kicker().with_labels(queue_name="mail").kiq(2, 2))

    assert job.queue == "mail"
    assert jobqueue.worker.drain() == []
    assert [job.args for job in jobqueue.binding.pending("mail")] == [(1, 1), (2, 2)]
    assert jobqueue.worker.drain(queue="mail").results == [2, 4]


def test_the_service_may_send_to_a_queue_that_nobody_has_heard_of(jobqueue, add):
    jobqueue.run(add.kicker().with_labels(queue_name="mail").kiq(2, 2))
    assert jobqueue.worker.drain(queue="mail").results == [4]


@pytest.mark.jobqueue(queues=("mail", "taskiq"))
def test_a_test_listens_to_several(jobqueue, add):
    jobqueue.producer.enqueue("add", 1, 1)
    jobqueue.producer.enqueue("add", 2, 2, queue="mail")
    assert jobqueue.worker.drain().results == [4, 2]


def test_a_job_of_a_list_is_lost_with_its_worker(jobqueue, lists, add):
    if jobqueue.binding.caps.acks:
        pytest.skip("this is about lists")
    jobqueue.producer.enqueue("add", 1, 1)
    assert jobqueue.worker.abandon_next().args == (1, 1)
    assert jobqueue.worker.recover() == 0
    assert jobqueue.worker.drain() == []
    assert jobqueue.binding.running() == []
