"""Jobs of several priorities, that wait for others, or whose arguments streaQ has dropped, by hand."""

from __future__ import annotations

import pytest

streaq = pytest.importorskip("streaq")

from pytest_jobqueue.errors import UsageError


@pytest.fixture
def worker():
    return streaq.Worker("redis://redis.invalid:7000/5", priorities=["low", "high"])


@pytest.fixture
def boom(worker):
    async def boom(text):
        raise ValueError(text)

    return worker.task(boom)


def test_a_job_keeps_its_priority(jobqueue, add):
    jobqueue.producer.set(priority="low").enqueue(add.fn_name, 1, 0)
    jobqueue.producer.set(priority="high").enqueue_in(60, add.fn_name, 2, 0)
    jobqueue.binding.requeue(jobqueue.binding.scheduled()[0])
    assert jobqueue.worker.drain().results == [2, 1]


@pytest.mark.parametrize("number", [0, 1, 2])
def test_one_of_several_is_removed(jobqueue, add, number):
    for one, priority in enumerate(["high", "low", "low"]):
        jobqueue.producer.set(priority=priority).enqueue(add.fn_name, one, 0)
    jobqueue.binding.discard(jobqueue.binding.pending()[number])
    assert jobqueue.worker.drain().results == [one for one in range(3) if one != number]


def test_what_depends_on_a_discarded_job_fails(jobqueue, add):
    first = jobqueue.producer.enqueue(add.fn_name, 1, 2)
    jobqueue.producer.set(after=first.id).enqueue(add.fn_name, 3, 4)
    (waiting,) = jobqueue.binding.waiting()
    jobqueue.binding.discard(first)
    assert jobqueue.worker.drain() == []
    (failed,) = jobqueue.binding.failed()
    assert (failed.id, list(jobqueue.binding.waiting())) == (waiting.id, [])
    assert "Dependency failed" in failed.error


def test_a_job_that_waits_for_another_can_be_discarded(jobqueue, add):
    first = jobqueue.producer.enqueue(add.fn_name, 1, 2)
    jobqueue.producer.set(after=first.id).enqueue(add.fn_name, 3, 4)
    jobqueue.binding.discard(jobqueue.binding.waiting()[0])
    assert list(jobqueue.binding.waiting()) == []
    assert jobqueue.worker.drain().results == [3]


def test_a_job_that_failed_unseen_has_no_arguments(jobqueue, boom):
    jobqueue.producer.enqueue(boom.fn_name, "no")
    jobqueue.worker.drain(on_error="record")
    jobqueue.binding.twin._store._known.clear()
    (job,) = jobqueue.binding.failed()
    with pytest.raises(UsageError, match="and not its arguments"):
        jobqueue.binding.requeue(job)
    jobqueue.binding.discard(job)
    assert list(jobqueue.binding.failed()) == []


def test_a_result_is_kept(jobqueue, add):
    job = jobqueue.producer.enqueue(add.fn_name, 1, 2)
    jobqueue.worker.drain()
    with pytest.raises(UsageError, match="cannot be discarded"):
        jobqueue.binding.discard(job)
    assert jobqueue.redis.keys(f"*result*{job.id}")
