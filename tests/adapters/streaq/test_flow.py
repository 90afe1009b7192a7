"""Jobs that wait for others, and get what these returned."""

from __future__ import annotations

import pytest

streaq = pytest.importorskip("streaq")


@pytest.fixture
def tasks(worker):
    @worker.task(name="double")
    async def double(number):
        return 2 * number

    @worker.task(name="boom")
    async def boom(number):
        raise ValueError(number)

    return {"double": double, "boom": boom}


async def enqueued(worker, task):
    async with worker:
        return await task


def test_a_pipeline(jobqueue, worker, tasks):
    double = tasks["double"]
    jobqueue.run(enqueued(worker, double.enqueue(1) | double | double))
    assert len(jobqueue.binding.pending()) == 1
    assert len(jobqueue.binding.waiting()) == 2
    drained = jobqueue.worker.drain()
    assert drained.results == [2, 4, 8]
    jobqueue.assert_idle()


def test_what_hangs_on_a_failure_fails_with_it(jobqueue, worker, tasks):
    jobqueue.run(enqueued(worker, tasks["boom"].enqueue(1) | tasks["double"]))
    drained = jobqueue.worker.drain(on_error="record")
    assert [(outcome.job.name, outcome.status) for outcome in drained] == [("boom", "failed")]
    dead = {job.name: job.error for job in jobqueue.binding.failed()}
    assert dead["boom"] == "ValueError: 1"
    assert len(dead) == 2
    assert any("Dependency failed" in error for error in dead.values())
    jobqueue.assert_idle()


def test_a_dependency_by_id(jobqueue, tasks):
    first = jobqueue.producer.enqueue("double", 1)
    second = jobqueue.producer.set(after=first.id).enqueue("double", 5)
    assert [job.id for job in jobqueue.binding.waiting()] == [second.id]
    assert jobqueue.worker.run_next().result == 2
    assert jobqueue.binding.waiting() == []
    assert jobqueue.worker.drain().results == [10]


@pytest.mark.skipif(
    not hasattr(streaq.task.Task, "otherwise"), reason="streaQ has fallbacks from a later version on"
)
@pytest.mark.parametrize("first", ["double", "boom"])
def test_a_fallback(first, jobqueue, worker, tasks):
    jobqueue.run(enqueued(worker, tasks[first].enqueue(1).otherwise(tasks["double"])))
    outcomes = [(outcome.job.name, outcome.status) for outcome in jobqueue.worker.drain(on_error="record")]
    if first == "double":
        assert outcomes == [("double", "ok"), ("double", "dropped")]
        assert "fallback" in jobqueue.journal.outcomes[1].reason
    else:
        assert outcomes == [("boom", "failed"), ("double", "ok")]
