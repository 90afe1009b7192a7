"""What ends a task from outside: its time limit, the drain's, a Ctrl-C; and the alarm is given back."""

from __future__ import annotations

import signal
import time

import pytest

from pytest_jobqueue.errors import DrainTimeoutError

huey = pytest.importorskip("huey")
THREE = pytest.mark.skipif(
    not hasattr(huey.RedisHuey("probe"), "_timeout_handler"), reason="time limits are in Huey 3"
)


def spin():
    while True:
        time.sleep(0.01)


@pytest.fixture
def alarm():
    """An alarm of somebody else, which must be left as it is."""
    handler = signal.signal(signal.SIGALRM, lambda *_: pytest.fail("the alarm went off"))
    signal.setitimer(signal.ITIMER_REAL, 3600)
    mine = signal.getsignal(signal.SIGALRM)
    yield
    left = signal.setitimer(signal.ITIMER_REAL, 0)[0]
    assert 3000 < left <= 3600
    assert signal.signal(signal.SIGALRM, handler) is mine


@THREE
class TestTimeLimit:
    def test_a_consumer_with_processes_enforces_it_and_so_does_this_worker(self, app, request, alarm):
        @app.task(timeout=0.05)
        def slow():
            spin()

        app.create_consumer(worker_type="process")
        jobqueue = request.getfixturevalue("jobqueue")
        slow()
        (outcome,) = jobqueue.worker.drain(on_error="record")
        assert outcome.status == "failed"
        assert (type(outcome.exception).__name__, str(outcome.exception)) == (
            "TaskTimeout",
            "timeout (0.05s)",
        )
        assert 0.01 < outcome.seconds < 10  # the limit counts from a little before the task

    def test_a_task_in_its_time_is_left_alone(self, app, request, alarm):
        @app.task(timeout=30)
        def quick():
            return signal.getitimer(signal.ITIMER_REAL)[0]

        app.create_consumer(worker_type="process")
        jobqueue = request.getfixturevalue("jobqueue")
        quick()
        assert 0 < jobqueue.worker.run_next().result <= 30

    def test_with_threads_the_task_looks_at_it_itself(self, app, jobqueue, alarm):
        @app.task(timeout=0.05, context=True)
        def slow(task=None):
            while True:
                task.check_timeout()
                time.sleep(0.01)

        slow()
        (outcome,) = jobqueue.worker.drain(on_error="record")
        assert type(outcome.exception).__name__ == "TaskTimeout"


def test_a_drain_ends_in_time_and_names_the_task(app, jobqueue, alarm):
    @app.task()
    def slow():
        spin()

    slow()
    with pytest.raises(DrainTimeoutError, match=r"while \S+slow\(\) \["):
        jobqueue.worker.drain(timeout=0.5)
    jobqueue.assert_idle()


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(3)])
def test_what_is_no_exception_reaches_the_test_though_huey_keeps_it(app, jobqueue, error):
    @app.task(retries=3)
    def interrupted():
        raise error

    interrupted()
    with pytest.raises(type(error)) as caught:
        jobqueue.worker.drain()
    assert caught.value is error
    assert jobqueue.journal.outcomes[0].status == "failed"
