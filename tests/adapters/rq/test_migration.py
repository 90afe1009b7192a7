"""What other ways of testing RQ hide and this catches: the claims of docs/adapters/rq.md, one test each."""

from __future__ import annotations

import signal
import time

import pytest

from pytest_jobqueue.contracts import jobs

redis = pytest.importorskip("redis")
rq = pytest.importorskip("rq")

HERE = "pytest_jobqueue.contracts.jobs"


def grow(items):
    items.append("more")
    return items


class TestIsAsyncFalse:
    """`Queue(is_async=False)`, on the same Redis."""

    @pytest.fixture
    def eager(self, jobqueue):
        with redis.Redis.from_url(jobqueue.url) as connection:
            yield rq.Queue("eager", connection=connection, is_async=False)

    @pytest.fixture(autouse=True)
    def _alarm(self):
        """Its callbacks take the alarm away."""
        before = signal.getsignal(signal.SIGALRM)
        left, interval = signal.setitimer(signal.ITIMER_REAL, 0)
        yield
        signal.signal(signal.SIGALRM, before)
        signal.setitimer(signal.ITIMER_REAL, left, interval)

    def test_an_exception_is_raised_instead_of_kept(self, jobqueue, queue, eager):
        eager.enqueue(jobs.boom, "out of paper")  # nothing to see
        queue.enqueue(jobs.boom, "out of paper")
        with pytest.raises(ValueError, match="out of paper"):
            jobqueue.worker.drain()

    def test_a_failed_assertion_in_a_job_fails_the_test(self, jobqueue, queue, eager, hook):
        job = hook(lambda: pytest.fail("seen in the job"))
        eager.enqueue(*job)  # nothing to see
        queue.enqueue(*job)
        with pytest.raises(pytest.fail.Exception):
            jobqueue.worker.drain()

    def test_a_job_gets_a_copy_and_not_the_callers_own_list(self, jobqueue, queue, eager):
        items = []
        eager.enqueue(grow, items)
        assert items == ["more"]
        queue.enqueue(grow, items)
        assert jobqueue.worker.drain().results == [["more", "more"]]
        assert items == ["more"]

    def test_a_retry_takes_place(self, jobqueue, queue, eager):
        assert eager.enqueue(jobs.flaky, 1, retry=rq.Retry(max=1)).get_status() == "failed"
        assert jobqueue.worker.drain("eager") == []
        jobs.CALLS.clear()
        queue.enqueue(jobs.flaky, 1, retry=rq.Retry(max=1))
        assert jobqueue.worker.drain(on_error="record").results == ["at last"]

    def test_a_time_limit_holds(self, jobqueue, queue, eager, hook):
        job = hook(lambda: time.sleep(1.2))
        assert eager.enqueue(*job, job_timeout=1).get_status() == "finished"
        queue.enqueue(*job, job_timeout=1)
        with pytest.raises(rq.timeouts.JobTimeoutException):
            jobqueue.worker.drain()

    def test_a_job_for_later_runs_when_its_time_comes(self, jobqueue, queue, eager, travel):
        import datetime as dt

        never = eager.enqueue_in(dt.timedelta(hours=1), jobs.add, 3, 4)
        queue.enqueue_in(dt.timedelta(hours=1), jobs.add, 1, 2)
        assert jobqueue.worker.drain() == []
        travel(3601)
        eager.enqueue(jobs.add, 5, 6)  # whatever else happens on its queue
        assert never.get_status() == "scheduled"
        assert jobqueue.worker.drain().results == [3]

    def test_a_dependent_runs_after_the_job_it_depends_on(self, jobqueue, queue, eager):
        first = eager.enqueue(jobs.boom, "no")
        assert eager.enqueue(jobs.add, 1, 2, depends_on=first).get_status() == "deferred"  # for ever
        first = queue.enqueue(jobs.flaky, 1, retry=rq.Retry(max=1))
        queue.enqueue(jobs.add, 1, 2, depends_on=first)
        jobs.CALLS.clear()
        assert jobqueue.worker.drain(on_error="record").results == ["at last", 3]

    def test_a_job_runs_when_the_test_says_so(self, jobqueue, queue, eager):
        eager.enqueue(jobs.add, 1, 2)
        assert len(jobs.CALLS) == 1
        queue.enqueue(jobs.add, 1, 2)
        assert len(jobs.CALLS) == 1
        jobqueue.worker.drain()
        assert len(jobs.CALLS) == 2


@pytest.mark.parametrize("is_async", [False])
def test_a_queue_that_runs_its_jobs_at_once_is_taken_as_in_production(client, is_async, request):
    queue = rq.Queue(connection=client, is_async=is_async)
    request.applymarker(pytest.mark.jobqueue(app=queue))
    jobqueue = request.getfixturevalue("jobqueue")

    queue.enqueue(jobs.add, 1, 2)
    assert jobs.CALLS == []
    assert jobqueue.worker.drain().results == [3]
    jobqueue.close()
    assert queue.is_async is False


class TestBurstWorker:
    """`SimpleWorker([queue]).work(burst=True)` in the test, on the same Redis."""

    @pytest.fixture
    def work(self, jobqueue):
        numbers = signal.SIGINT, signal.SIGTERM, signal.SIGALRM
        before = [signal.getsignal(number) for number in numbers]
        left, interval = signal.setitimer(signal.ITIMER_REAL, 0)
        with redis.Redis.from_url(jobqueue.url) as connection:
            worker = rq.SimpleWorker(["default"], connection=connection)
            yield lambda: worker.work(burst=True, logging_level="CRITICAL")
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)
        signal.setitimer(signal.ITIMER_REAL, left, interval)

    def test_an_exception_is_raised_instead_of_kept(self, jobqueue, queue, work):
        queue.enqueue(jobs.boom, "out of paper")
        work()  # nothing to see
        queue.enqueue(jobs.boom, "out of paper")
        with pytest.raises(ValueError, match="out of paper"):
            jobqueue.worker.drain()

    def test_the_time_out_of_the_test_stays(self, jobqueue, queue, work):
        signal.setitimer(signal.ITIMER_REAL, 3600)
        queue.enqueue(jobs.add, 1, 2)
        jobqueue.worker.drain()
        assert signal.getitimer(signal.ITIMER_REAL)[0] > 3000
        queue.enqueue(jobs.add, 1, 2)
        work()
        assert signal.getitimer(signal.ITIMER_REAL)[0] == 0

    def test_ctrl_c_stays(self, jobqueue, queue, work):
        before = signal.getsignal(signal.SIGINT)
        queue.enqueue(jobs.add, 1, 2)
        jobqueue.worker.drain()
        assert signal.getsignal(signal.SIGINT) is before
        work()
        assert signal.getsignal(signal.SIGINT) is not before

    def test_a_retry_after_a_while_is_run_without_waiting(self, jobqueue, queue, work, travel):
        queue.enqueue(jobs.flaky, 1, retry=rq.Retry(max=1, interval=3600))
        work()
        travel(3601)
        work()
        assert len(jobs.CALLS) == 1  # the scheduler is another process, and looks by its own clock
        assert jobqueue.worker.drain().results == ["at last"]


def test_a_forked_worker_sees_the_jobs_where_fakeredis_has_them_to_itself(jobqueue, queue):
    """Here even the memory is behind an address, so another process can be the worker."""
    import subprocess
    import sys

    queue.enqueue(jobs.add, 1, 2)
    command = [sys.executable, "-m", "rq.cli", "worker", "--burst", "--url", jobqueue.url, "--quiet"]
    done = subprocess.run(command, capture_output=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert jobqueue.binding.pending() == []
    assert jobqueue.redis.zcard("rq:finished:default") == 1
