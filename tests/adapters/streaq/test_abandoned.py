"""A job whose worker died is taken again once it has been idle for long enough.

That is so short a time here that no clock need be moved, on any server. A worker says that it is alive when
nine tenths of it are over, so where that counts the last tenth is long enough for a busy machine.
"""

from __future__ import annotations

import time

import pytest

streaq = pytest.importorskip("streaq")


@pytest.fixture
def worker(request):
    return streaq.Worker("redis://redis.invalid", idle_timeout=getattr(request, "param", 0.05))


def test_it_is_running_and_then_ready_and_runs(jobqueue, add):
    job = jobqueue.producer.enqueue(add.fn_name, 1, 2)
    jobqueue.producer.enqueue(add.fn_name, 3, 4)
    assert jobqueue.worker.abandon_next().id == job.id
    deadline = time.monotonic() + 10
    while jobqueue.binding.running() and time.monotonic() < deadline:
        pass
    assert [found.args for found in jobqueue.binding.pending()] == [(1, 2), (3, 4)]
    assert jobqueue.worker.recover() == 0  # the worker's own look is enough
    assert jobqueue.worker.drain().results == [3, 7]


@pytest.mark.parametrize("worker", [2.0], indirect=True)
def test_a_job_that_runs_for_longer_is_not_taken_from_its_worker(jobqueue, worker):
    import asyncio

    @worker.task(name="long")
    async def long():
        await asyncio.sleep(2.5)
        return [job.name for job in jobqueue.binding.running()]

    jobqueue.producer.enqueue("long")
    assert jobqueue.worker.drain().results == [["long"]]
