"""A worker process seen from the test: waiting, bounds, ends that are none, and what is left behind."""

from __future__ import annotations

import asyncio
import os
import signal
import tempfile
import time
from pathlib import Path

import pytest
from support.processes import descriptors, program, wait_gone

from pytest_jobqueue import (
    DrainLimitError,
    DrainTimeoutError,
    JobQueue,
    Settings,
    UsageError,
    WorkerEndedError,
)


@pytest.fixture
def jobqueue(harness, service):
    return harness(service("handlers").app)


@pytest.fixture
def unruly(harness, service):
    return harness(service("unruly").app)


def enqueue(jobqueue, *names):
    for name in names:
        jobqueue.producer.enqueue(name)


def test_a_failure_can_be_recorded(jobqueue):
    enqueue(jobqueue, "Boom", "More")
    drained = jobqueue.worker.drain(on_error="record")
    assert [outcome.status for outcome in drained] == ["failed", "ok"]
    assert isinstance(drained.failed[0].exception, ValueError)


def test_a_worker_whose_connection_is_lost_connects_again(jobqueue, notes):
    enqueue(jobqueue, "More")
    jobqueue.worker.drain()
    pid = jobqueue.worker.start().pid
    while not (fetching := [one["id"] for one in jobqueue.redis.client_list() if one["cmd"] == "brpoplpush"]):
        pass  # it has just looked for what is due
    jobqueue.redis.client_kill_filter(_id=fetching[0])
    enqueue(jobqueue, "More")
    jobqueue.worker.run_until(lambda: len(notes()) == 2)
    assert jobqueue.worker.start().pid == pid
    assert "the worker tries again" in jobqueue.worker.log_tail()


def test_until_something_is_true(jobqueue, notes):
    enqueue(jobqueue, "More", "More")
    jobqueue.worker.run_until(notes)
    with pytest.raises(DrainTimeoutError, match="nothing left to run and the predicate is still false"):
        jobqueue.worker.run_until(lambda: False)


def test_waiting_leaves_the_loop_to_others(jobqueue):
    async def main():
        turns = 0

        async def others():
            nonlocal turns
            while True:
                await asyncio.sleep(0)
                turns += 1

        task = asyncio.ensure_future(others())
        enqueue(jobqueue, "More")
        drained = await jobqueue.worker.adrain()
        task.cancel()
        return drained, turns

    drained, turns = asyncio.run(main())
    assert [outcome.job.name for outcome in drained] == ["More"]
    assert turns > 10


def test_what_a_process_cannot_do_is_refused(jobqueue):
    with pytest.raises(UsageError, match="exactly one job"):
        jobqueue.worker.run_next()
    with pytest.raises(UsageError, match="takes jobs by itself"):
        jobqueue.worker.abandon_next()
    with pytest.raises(UsageError, match="leave the queue out"):
        jobqueue.worker.drain("default")


def test_an_application_that_nobody_else_can_import(server):
    with pytest.raises(UsageError, match="in no module that it could import: assign it to a name"):
        JobQueue({"Add": int}, server, Settings(worker_mode="process"))


def test_a_command_that_dies_at_the_start(harness, service, monkeypatch):
    jobqueue = harness(service("handlers").app, worker_options=("--nonsense",))
    enqueue(jobqueue, "More")
    with pytest.raises(WorkerEndedError, match=r"code 1\. (?s:.*)1 ready: More(?s:.*)has no options"):
        jobqueue.worker.drain()


def test_a_job_that_takes_the_process_with_it(unruly):
    enqueue(unruly, "Exit")
    with pytest.raises(WorkerEndedError, match=r"with code 3\. (?s:.*)running: Exit(?s:.*)before it went"):
        unruly.worker.drain()


def test_a_job_that_hangs(unruly):
    enqueue(unruly, "Hang")
    with pytest.raises(DrainTimeoutError, match=r"while Hang\(\) .* was running in the worker process"):
        unruly.worker.drain(timeout=2)


def test_a_job_that_enqueues_itself(unruly, monkeypatch):
    monkeypatch.setenv("QUEUE", unruly.url)
    enqueue(unruly, "Again")
    with pytest.raises(DrainLimitError, match="most often ran 'Again'"):
        unruly.worker.drain(limit=5)


def test_an_exception_that_does_not_travel(unruly):
    enqueue(unruly, "Local")
    with pytest.raises(Exception, match="cannot travel") as raised:
        unruly.worker.drain()
    assert type(raised.value).__name__ == "WorkerJobError"
    assert "on_unruly.py" in str(raised.value.__cause__)


def test_after_a_crash_the_next_process_finds_the_job(unruly, notes):
    enqueue(unruly, "Once")
    unruly.worker.run_until(lambda: "first" in notes())
    pid = unruly.worker.start().pid
    unruly.worker.kill()
    wait_gone(pid)
    assert [job.name for job in unruly.binding.running()] == ["Once"]

    unruly.worker.drain()
    assert notes() == ["first", "second"]


def test_what_the_worker_forked_goes_with_it_in_whatever_group(unruly, notes):
    enqueue(unruly, "Fork")
    unruly.worker.drain()
    (forked,) = notes()
    unruly.worker.stop()
    wait_gone(int(forked))


def test_a_worker_is_gone_when_the_test_process_is_killed():
    source = f"""
import os, sys, time
sys.path.insert(0, {str(Path(__file__).parent / "services")!r})
import on_unruly
from pytest_jobqueue import JobQueue, Settings, serve
with serve("fake") as server, JobQueue(on_unruly.app, server, Settings(worker_mode="process")) as jobqueue:
    jobqueue.producer.enqueue("Fork")
    jobqueue.worker.drain()
    print(jobqueue.worker.start().pid, open(os.environ["NOTES"]).read(), flush=True)
    time.sleep(60)
"""
    with program(source, NOTES=os.environ["NOTES"]) as (process, words):
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        for word in words:
            wait_gone(int(word))


def test_nothing_is_left(harness, service, monkeypatch, tmp_path):
    def there():
        return descriptors(), list(folder.iterdir())

    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    jobqueue = harness(service("handlers").app)
    jobqueue.binding.pending()
    jobqueue.redis.ping()
    before = there()
    enqueue(jobqueue, "More")
    jobqueue.worker.drain()
    jobqueue.worker.stop()
    assert there() == before


def test_waiting_works_in_trio_as_well(jobqueue):
    trio = pytest.importorskip("trio")
    jobqueue.producer.enqueue("Add", 2, 3)
    assert trio.run(jobqueue.worker.adrain).results == [5]


def test_the_clock_of_this_process_is_not_the_workers(jobqueue):
    jobqueue.producer.enqueue_in(3600, "More")
    started = time.monotonic()
    assert list(jobqueue.worker.drain()) == []
    assert time.monotonic() - started < 5
