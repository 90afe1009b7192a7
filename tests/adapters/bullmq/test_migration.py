"""What a mocked queue and a processor called by hand hide: the claims of docs/adapters/bullmq.md."""

from __future__ import annotations

import asyncio
import time
from types import SimpleNamespace
from unittest import mock

import pytest

bullmq = pytest.importorskip("bullmq")


def by_hand(processor, name, data):
    """As a test without Redis calls it."""
    return asyncio.run(processor(SimpleNamespace(name=name, data=data), "token"))


@pytest.fixture
def mocked():
    return mock.create_autospec(bullmq.Queue, instance=True)


def test_the_processor_gets_what_json_made_of_the_data(jobqueue, service):
    async def kinds(job, token):
        return [type(job.data["size"]).__name__, *(type(key).__name__ for key in job.data["prices"])]

    service.handlers["kinds"] = kinds
    data = {"size": (200, 100), "prices": {1: "one"}}
    assert by_hand(service.process, "kinds", data) == ["tuple", "int"]
    jobqueue.producer.enqueue("kinds", data)
    assert jobqueue.worker.drain().results == [["list", "str"]]


def test_data_that_is_no_json_is_refused(mocked, jobqueue, queue):
    asyncio.run(mocked.add("mail", {"to": {"ann"}}))
    with pytest.raises(TypeError, match="set"):
        jobqueue.run(queue.add("mail", {"to": {"ann"}}))


def test_a_result_that_is_no_json_fails_the_job(jobqueue, service):
    async def names(job, token):
        return {"ann"}

    service.handlers["names"] = names
    assert by_hand(service.process, "names", {}) == {"ann"}
    jobqueue.producer.enqueue("names")
    with pytest.raises(TypeError, match="set"):
        jobqueue.worker.drain()


def test_a_failure_is_tried_again_after_its_back_off(jobqueue, service, travel):
    async def flaky(job, token):
        if len(service.calls) % 2:
            raise ConnectionError("busy")
        return "sent"

    service.handlers["flaky"] = flaky
    with pytest.raises(ConnectionError):
        by_hand(service.process, "flaky", {})  # and that was all
    service.calls.clear()
    jobqueue.producer.set(attempts=2, backoff={"type": "fixed", "delay": 60_000}).enqueue("flaky")
    jobqueue.worker.drain(on_error="record")
    travel(61)
    assert jobqueue.worker.drain().results == ["sent"]


def test_a_job_for_later_runs_at_its_time(jobqueue, queue, service, travel):
    jobqueue.run(queue.add("add", [1, 2], {"delay": 3_600_000}))
    assert jobqueue.worker.drain() == []
    travel(3601)
    assert jobqueue.worker.drain().results == [3]


def test_a_job_that_is_a_duplicate_is_none(mocked, jobqueue, queue):
    for made in (mocked, queue):
        for _ in range(2):
            jobqueue.run(made.add("add", [1, 2], {"jobId": "once"}))
    assert mocked.add.call_count == 2
    assert jobqueue.worker.drain().results == [3]


def test_a_priority_changes_the_order(jobqueue, queue):
    for number, priority in ((1, 9), (2, 1)):
        jobqueue.run(queue.add("add", [number, 0], {"priority": priority}))
    assert jobqueue.worker.drain().results == [2, 1]


def test_a_name_without_a_handler_is_a_failure_of_its_job(mocked, jobqueue, queue):
    asyncio.run(mocked.add("ad", [1, 2]))
    jobqueue.run(queue.add("ad", [1, 2]))
    with pytest.raises(KeyError, match="ad"):
        jobqueue.worker.drain()


def test_a_job_of_a_dead_worker_comes_back(jobqueue, queue, travel):
    if jobqueue.server.mode != "fake":
        pytest.skip("its lock expires by the server's clock, which no test moves")
    jobqueue.run(queue.add("add", [1, 2]))
    jobqueue.worker.abandon_next()
    jobqueue.worker.recover()
    travel(31)
    assert jobqueue.worker.recover() == 1
    assert jobqueue.worker.drain().results == [3]


def test_it_is_dead_when_that_happens_too_often(jobqueue, queue, service, travel):
    if jobqueue.server.mode != "fake":
        pytest.skip("its lock expires by the server's clock, which no test moves; see test_stalled")
    jobqueue.run(queue.add("add", [1, 2]))
    for _ in range(2):
        jobqueue.worker.abandon_next()
        for _ in range(3):  # two checks, an interval apart
            if jobqueue.worker.recover():
                break
            travel(31)
    (outcome,) = jobqueue.worker.drain(on_error="record")
    assert outcome.status == "failed"
    jobqueue.assert_dead("add", 1, 2, error="stalled")
    assert service.calls == []


def test_nothing_is_waited_for(jobqueue, queue):
    started = time.monotonic()
    assert jobqueue.worker.drain() == []
    assert time.monotonic() - started < 4  # BullMQ's own worker waits five seconds for a job
