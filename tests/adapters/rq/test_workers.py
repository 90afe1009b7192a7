"""RQ's own workers on the test's Redis: in this process, and with a process for each job."""

from __future__ import annotations

import os
import signal

import pytest

from pytest_jobqueue.contracts import jobs

redis = pytest.importorskip("redis")
rq = pytest.importorskip("rq")

from rq.worker import WorkerStatus

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="RQ's workers fork"),
    # A worker of RQ forks the process of the tests, which has threads.
    pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning"),
]


@pytest.fixture(autouse=True)
def _signals(monkeypatch):
    """RQ's workers leave handlers, and names in the environment, behind."""
    numbers = signal.SIGINT, signal.SIGTERM, signal.SIGALRM
    before = [signal.getsignal(number) for number in numbers]
    for name in ("RQ_WORKER_ID", "RQ_JOB_ID", "RQ_EXECUTION_ID"):
        monkeypatch.setenv(name, "")
    left, interval = signal.setitimer(signal.ITIMER_REAL, 0)
    yield
    for number, handler in zip(numbers, before, strict=True):
        signal.signal(number, handler)
    signal.setitimer(signal.ITIMER_REAL, left, interval)


@pytest.fixture
def connection(jobqueue):
    with redis.Redis.from_url(jobqueue.url) as connection:
        yield connection


@pytest.mark.parametrize("kind", ["SimpleWorker", "Worker", "SpawnWorker"])
def test_a_worker_works_off_the_queue(jobqueue, queue, connection, kind):
    worker_class = getattr(rq, kind, None) or getattr(rq.worker, kind, None)
    if worker_class is None:
        pytest.skip(f"this RQ has no {kind}")
    job = queue.enqueue(jobs.add, 2, 3)
    failing = queue.enqueue(os.getpid, 4, 5)

    assert worker_class([queue.name], connection=connection).work(burst=True, logging_level="ERROR")

    assert job.return_value() == 5
    assert failing.get_status(refresh=True) == "failed"
    assert jobqueue.binding.pending() == []
    assert [dead.id for dead in jobqueue.binding.failed()] == [failing.id]
    assert len(jobs.CALLS) == (kind == "SimpleWorker")  # the others ran it in a process of its own


def test_a_work_horse_that_is_killed_fails_its_job(jobqueue, queue, connection):
    queue.enqueue(os.kill, 0, signal.SIGKILL)
    rq.Worker([queue.name], connection=connection).work(burst=True, logging_level="CRITICAL")
    (dead,) = jobqueue.binding.failed()
    assert "Work-horse terminated unexpectedly" in dead.error


def test_what_another_worker_left_over_is_run_here(jobqueue, queue, connection):
    for number in range(3):
        queue.enqueue(jobs.add, number, 0)
    rq.SimpleWorker([queue.name], connection=connection).work(burst=True, max_jobs=2, logging_level="ERROR")
    assert jobqueue.worker.drain().results == [2]


def test_a_registered_worker_is_seen_by_the_service(queue, connection, jobqueue):
    worker = rq.SimpleWorker([queue.name], connection=connection)
    worker.register_birth()
    worker.set_state(WorkerStatus.IDLE)
    (seen,) = rq.Worker.all(connection=queue.connection)
    assert (seen.name, seen.get_state()) == (worker.name, "idle")
    worker.register_death()
    assert jobqueue.redis.scard("rq:workers") == 0


def test_where_a_worker_process_is_heard_to_fetch():
    """Read the head of `command` when this fails."""
    assert callable(rq.Queue.lpop)
    assert callable(rq.Queue.lmove)
