"""Time limits interrupt a task as the prefork pool would, and give the alarm back."""

from __future__ import annotations

import signal
import time
import traceback

import pytest

celery = pytest.importorskip("celery")

# Celery's result backend calls what redis-py 8 has deprecated.
pytestmark = pytest.mark.filterwarnings("ignore:Call to deprecated setex:DeprecationWarning")
from celery.exceptions import SoftTimeLimitExceeded, TimeLimitExceeded

from pytest_jobqueue.errors import DrainTimeoutError


@pytest.fixture
def app(app):
    @app.task(name="waits", acks_late=True)
    def waits():
        time.sleep(30)

    @app.task(name="tidies_up")
    def tidies_up():
        try:
            time.sleep(30)
        except SoftTimeLimitExceeded:
            return "tidied up"

    @app.task(name="ignores_the_soft_one", soft_time_limit=0.02, time_limit=0.1)
    def ignores_the_soft_one():
        try:
            time.sleep(30)
        except SoftTimeLimitExceeded:
            time.sleep(30)

    return app


def failure(jobqueue):
    """What the one job raised, in time; it is gone."""
    (outcome,) = jobqueue.worker.drain(on_error="record")
    assert outcome.status == "failed"
    assert outcome.seconds < 10
    jobqueue.assert_idle()
    return outcome.exception


def test_a_soft_limit_of_the_call(jobqueue, app):
    job = jobqueue.producer.set(soft_time_limit=0.02).enqueue("waits")
    assert isinstance(failure(jobqueue), SoftTimeLimitExceeded)
    assert app.AsyncResult(job.id).state == "FAILURE"


def test_a_soft_limit_of_the_application(jobqueue, app):
    app.conf.task_soft_time_limit = 0.02
    jobqueue.producer.enqueue("waits")
    assert isinstance(failure(jobqueue), SoftTimeLimitExceeded)


def test_a_hard_limit_of_the_application(jobqueue, app):
    app.conf.task_time_limit = 0.02
    jobqueue.producer.enqueue("waits")
    assert isinstance(failure(jobqueue), TimeLimitExceeded)


def test_a_task_may_tidy_up_and_end_well(jobqueue):
    jobqueue.producer.set(soft_time_limit=0.02).enqueue("tidies_up")
    assert jobqueue.worker.drain().results == ["tidied up"]


def test_a_hard_limit_kills_the_task_and_shows_where_it_was(jobqueue, app):
    job = jobqueue.producer.set(time_limit=0.05).enqueue("waits")
    error = failure(jobqueue)
    assert isinstance(error, TimeLimitExceeded)
    assert "waits" in [frame.name for frame in traceback.extract_tb(error.__traceback__)]
    assert app.AsyncResult(job.id).state == "FAILURE"
    assert isinstance(app.AsyncResult(job.id).result, TimeLimitExceeded)


def test_what_the_hard_limit_calls_is_told_of_it(jobqueue, app):
    told = []

    @app.task(name="errback")
    def errback(request, error, traceback):
        told.append((request.task, repr(error)))

    jobqueue.producer.set(time_limit=0.05, link_error=app.tasks["errback"].s()).enqueue("waits")
    failure(jobqueue)
    assert [name for name, _ in told] == ["waits", "waits"]  # twice, as the prefork pool does
    assert all("0.05" in error for _, error in told)


def test_the_hard_limit_comes_after_the_soft_one(jobqueue):
    jobqueue.producer.enqueue("ignores_the_soft_one")
    assert isinstance(failure(jobqueue), TimeLimitExceeded)


def test_handler_and_timer_are_as_before(jobqueue):
    def handler(*_):
        raise AssertionError("too soon")

    before = signal.signal(signal.SIGALRM, handler)
    signal.setitimer(signal.ITIMER_REAL, 300)
    try:
        jobqueue.producer.set(soft_time_limit=0.02, time_limit=100).enqueue("tidies_up")
        jobqueue.worker.run_next()
        assert signal.getsignal(signal.SIGALRM) is handler
        assert 200 < signal.getitimer(signal.ITIMER_REAL)[0] <= 300
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def test_the_time_of_the_drain_goes_on_within(jobqueue):
    jobqueue.producer.set(soft_time_limit=20).enqueue("waits")
    with pytest.raises(DrainTimeoutError, match="while waits"):
        jobqueue.worker.drain(timeout=0.5)


def test_and_even_after_the_soft_limit_was_ignored(jobqueue):
    jobqueue.producer.set(time_limit=20).enqueue("ignores_the_soft_one")
    with pytest.raises(DrainTimeoutError, match="while ignores_the_soft_one"):
        jobqueue.worker.drain(timeout=0.5)


def test_in_another_thread_a_limit_limits_nothing(jobqueue, app):
    from concurrent.futures import ThreadPoolExecutor

    app.task(name="short")(_short)
    jobqueue.producer.set(soft_time_limit=0.01).enqueue("short")
    with ThreadPoolExecutor(1) as threads:
        assert threads.submit(jobqueue.binding.run_next).result().result == "done"


def _short():
    time.sleep(0.03)
    return "done"


def test_pytest_timeout_still_works(pytester):
    pytest.importorskip("pytest_timeout")
    pytester.makepyfile(
        """
        import time

        import celery
        import pytest


        @pytest.fixture
        def jobqueue_app():
            app = celery.Celery("service", broker="redis://redis.invalid", set_as_current=False)

            @app.task(name="quick", shared=False, soft_time_limit=60, time_limit=70)
            def quick():
                pass

            return app


        @pytest.mark.timeout(3, method="signal", func_only=True)
        def test_hangs(jobqueue):
            jobqueue.producer.enqueue("quick")
            jobqueue.worker.drain()
            time.sleep(30)
        """
    )
    result = pytester.runpytest_subprocess("-p", "no:cacheprovider", "--redis=fake")
    result.stdout.fnmatch_lines(["*Timeout*3*s*"])
    assert result.duration < 25
