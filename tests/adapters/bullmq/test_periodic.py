"""Job schedulers: each run of a periodic job enqueues the next."""

from __future__ import annotations

import time

import pytest

bullmq = pytest.importorskip("bullmq")
AGAIN = hasattr(bullmq.Worker, "jobScheduler")  # from 3.1 on; before, a scheduler's first run is its last


@pytest.mark.skipif(not AGAIN, reason="this BullMQ does not enqueue the next run")
def test_every_so_often(jobqueue, queue, service, travel):
    async def sweep(job, token):
        return round(time.time())

    service.handlers["sweep"] = sweep
    jobqueue.run(queue.upsertJobScheduler("sweeper", {"every": 600_000}, "sweep", {"deep": True}))
    runs = []
    for _ in range(3):
        due = jobqueue.binding.next_due() or time.time()
        travel(max(due - time.time(), 0) + 0.01)
        runs += jobqueue.worker.drain().results
    assert len(runs) == 3
    assert runs[2] - runs[1] == pytest.approx(600, abs=2)
    jobqueue.assert_scheduled("sweep", {"deep": True}, count=1)


def test_by_a_pattern(jobqueue, queue, service, travel):
    async def sweep(job, token):
        return time.strftime("%H:%M", time.gmtime())

    service.handlers["sweep"] = sweep
    jobqueue.run(queue.upsertJobScheduler("sweeper", {"pattern": "30 4 * * *"}, "sweep"))
    assert jobqueue.worker.drain() == []
    travel(90 * 60)  # 04:32:41
    assert jobqueue.worker.drain().results == ["04:32"]
    assert jobqueue.binding.next_due() == (pytest.approx(time.time() + 24 * 3600, abs=200) if AGAIN else None)
