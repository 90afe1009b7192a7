"""A job's time limit, in real seconds, by an alarm that is given back."""

from __future__ import annotations

import signal
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from pytest_jobqueue import DrainTimeoutError
from pytest_jobqueue.contracts import jobs

rq = pytest.importorskip("rq")

from rq.timeouts import JobTimeoutException

from pytest_jobqueue.adapters.rq.alarm import JobAlarm

HERE = "pytest_jobqueue.contracts.jobs"
pytestmark = pytest.mark.skipif(not hasattr(signal, "SIGALRM"), reason="there is no SIGALRM here")


@pytest.fixture
def bell():
    """A handler and a timer of the test's own; gives how many seconds are left of an hour."""
    rung = []
    before = signal.signal(signal.SIGALRM, lambda *_: rung.append(time.monotonic()))
    left, interval = signal.setitimer(signal.ITIMER_REAL, 3600)
    handler = signal.getsignal(signal.SIGALRM)
    yield rung
    assert signal.getsignal(signal.SIGALRM) is handler
    assert 3500 < signal.setitimer(signal.ITIMER_REAL, left, interval)[0] <= 3600
    signal.signal(signal.SIGALRM, before)


def hang():
    time.sleep(60)


def test_a_job_that_takes_too_long_fails_with_rqs_own_exception(jobqueue, queue, hook, bell):
    job = queue.enqueue(*hook(hang), job_timeout=1)

    with pytest.raises(JobTimeoutException, match=r"exceeded maximum timeout value \(1 seconds\)"):
        jobqueue.worker.drain()

    assert job.get_status() == "failed"
    assert "JobTimeoutException" in jobqueue.binding.failed()[0].error


def test_the_job_can_catch_it(jobqueue, queue, hook, bell):
    def careful():
        try:
            hang()
        except JobTimeoutException:
            return "tidied up"

    queue.enqueue(*hook(careful), job_timeout=1)
    assert jobqueue.worker.drain().results == ["tidied up"]


def test_the_drains_own_deadline_may_be_sooner(jobqueue, queue, hook, bell):
    queue.enqueue(*hook(hang), job_timeout=50)
    with pytest.raises(DrainTimeoutError, match=r"while .*hooked.* was running"):
        jobqueue.worker.drain(timeout=0.5)


def test_callbacks_have_limits_of_their_own(jobqueue, queue, bell):
    queue.enqueue(jobs.add, 1, 2, on_success=rq.Callback(slow_callback, timeout=1))
    outcome = jobqueue.worker.run_next(on_error="record")
    assert outcome.status == "failed"
    assert isinstance(outcome.exception, JobTimeoutException)


def slow_callback(job, connection, result):
    hang()


def test_in_another_thread_than_the_main_one_no_limit_is_kept(jobqueue, queue, hook):
    queue.enqueue(*hook(lambda: (time.sleep(1.1), "late")[1]), job_timeout=1)
    with ThreadPoolExecutor(1) as thread:
        assert thread.submit(jobqueue.worker.drain).result().results == ["late"]


def test_a_job_without_a_limit_runs(jobqueue, queue, bell):
    queue.enqueue(jobs.add, 1, 2, job_timeout=-1)
    assert jobqueue.worker.drain().results == [3]


def test_a_timer_of_the_tests_own_rings_during_the_job(jobqueue, queue, hook):
    rung = []
    before = signal.signal(signal.SIGALRM, lambda *_: rung.append("rung"))
    try:
        queue.enqueue(*hook(lambda: (signal.pause(), "woken")[1]))
        signal.setitimer(signal.ITIMER_REAL, 0.2)
        assert jobqueue.worker.drain().results == ["woken"]
        assert rung == ["rung"]
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def test_the_alarm_takes_what_rq_says_about_the_job():
    with JobAlarm(1, JobTimeoutException, job_id="x"):
        pass
    with pytest.raises(JobTimeoutException), JobAlarm(0.05, JobTimeoutException):
        hang()


def test_pytest_timeout_keeps_working(pytester):
    """Its timer survives the jobs before, and rings while a job hangs."""
    pytest.importorskip("pytest_timeout")
    pytester.makeconftest(
        """
        import pytest, redis, rq

        @pytest.fixture
        def jobqueue_app():
            return rq.Queue(connection=redis.Redis("redis.invalid"))
        """
    )
    pytester.makepyfile(
        f"""
        import pytest, time
        from pytest_jobqueue.contracts import jobs

        @pytest.mark.timeout(2, method="signal", func_only=True)
        def test_it(jobqueue):
            jobqueue.producer.enqueue("{HERE}.add", 1, 2)
            jobqueue.worker.drain()
            jobs.HOOKS["hang"] = lambda: time.sleep(60)
            jobqueue.producer.enqueue("{HERE}.hooked", "hang")
            jobqueue.worker.drain()
        """
    )
    result = pytester.runpytest_subprocess("-p", "no:randomly", "-p", "no:cacheprovider", timeout=60)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*Timeout*2.0*"])
