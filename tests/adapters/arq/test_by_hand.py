"""Jobs that a worker has, or that arq cannot read, by hand; and in a loop."""

from __future__ import annotations

import pytest

from pytest_jobqueue.errors import UsageError

pytest.importorskip("arq")


def test_a_dead_job_counts_its_tries_anew(jobqueue):
    jobqueue.producer.set(_job_id="one").enqueue("boom", message="no")
    jobqueue.worker.drain(on_error="record")
    jobqueue.binding.requeue(jobqueue.binding.failed()[0])
    (job,) = jobqueue.binding.pending()
    assert (job.id, job.args, job.kwargs, job.attempts) == ("one", (), {"message": "no"}, 0)
    jobqueue.worker.drain(on_error="record")
    assert [job.id for job in jobqueue.binding.failed()] == ["one"]


def test_a_job_that_has_run_well_since_keeps_its_result(jobqueue, travel):
    jobqueue.producer.enqueue("flaky", 1)
    jobqueue.worker.drain(on_error="record")
    (job,) = jobqueue.binding.retrying()
    travel(10)
    assert jobqueue.worker.drain().results == [2]
    with pytest.raises(UsageError, match="cannot be discarded"):
        jobqueue.binding.discard(job)
    assert jobqueue.redis.exists(f"arq:result:{job.id}")


def test_what_arq_cannot_read_can_be_discarded(jobqueue):
    jobqueue.redis.set("arq:job:one", b"strange")
    jobqueue.redis.zadd("arq:queue", {"one": 1})
    jobqueue.redis.set("arq:result:two", b"strange")
    jobqueue.binding.discard(jobqueue.binding.pending()[0])
    assert jobqueue.redis.keys("*") == [b"arq:result:two"]


def test_in_a_loop_both_are_awaited(jobqueue):
    async def look_after():
        await jobqueue.producer.aenqueue_in(60, "add", 1, 2)
        with pytest.raises(UsageError, match="a loop is running"):
            jobqueue.binding.requeue(jobqueue.binding.scheduled()[0])
        await jobqueue.binding.twin.requeue(jobqueue.binding.scheduled()[0])
        await jobqueue.binding.twin.discard(jobqueue.binding.pending()[0])
        return await jobqueue.worker.adrain()

    assert jobqueue.run(look_after()) == []
