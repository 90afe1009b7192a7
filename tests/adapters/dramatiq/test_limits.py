"""What ends an actor from outside: its time limit, the drain's, a Ctrl-C; nothing of it stays."""

from __future__ import annotations

import signal
import threading
import time

import pytest

from pytest_jobqueue.errors import DrainTimeoutError

dramatiq = pytest.importorskip("dramatiq")
middleware = pytest.importorskip("dramatiq.middleware")


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


def test_a_time_limit_interrupts(actor, jobqueue, alarm):
    actor(max_retries=0, time_limit=50, actor_name="slow")(spin).send()
    with pytest.raises(middleware.TimeLimitExceeded):
        jobqueue.worker.drain()
    (outcome,) = jobqueue.journal.outcomes
    assert outcome.status == "failed"
    assert 0.01 < outcome.seconds < 10  # the limit counts from a little before the actor
    jobqueue.assert_dead("slow", error="TimeLimitExceeded")


def test_it_can_be_recorded_as_the_failure_that_it_is_to_dramatiq(actor, jobqueue):
    """Though `TimeLimitExceeded` is no `Exception`."""
    assert not issubclass(middleware.TimeLimitExceeded, Exception)
    actor(max_retries=0, time_limit=50, actor_name="slow")(spin).send()
    actor(actor_name="quick")(lambda: "done").send()
    slow, quick = jobqueue.worker.drain(on_error="record")
    assert (slow.status, type(slow.exception)) == ("failed", middleware.TimeLimitExceeded)
    assert quick.result == "done"
    jobqueue.assert_dead("slow", error="TimeLimitExceeded")


def test_it_counts_as_a_failure_to_be_retried(actor, jobqueue):
    actor(time_limit=50, actor_name="slow")(spin).send()
    with pytest.raises(middleware.TimeLimitExceeded):
        jobqueue.worker.run_next()
    jobqueue.assert_retrying("slow")


def test_a_shorter_limit_after_a_longer_one(actor, jobqueue):
    actor(actor_name="quick", time_limit=600_000)(lambda: "done").send()
    actor(actor_name="slow", time_limit=50, max_retries=0)(spin).send()
    assert jobqueue.worker.run_next().result == "done"
    with pytest.raises(middleware.TimeLimitExceeded):
        jobqueue.worker.run_next()
    actor(actor_name="after", time_limit=float("inf"))(lambda: "done too").send()
    assert jobqueue.worker.run_next().result == "done too"


def test_the_thread_that_watches_ends_with_the_test(broker, actor, jobqueue_url):
    from pytest_jobqueue.adapters.dramatiq.binding import DramatiqBinding

    (limit,) = (one for one in broker.middleware if isinstance(one, middleware.TimeLimit))
    manager = limit.manager
    before = set(threading.enumerate())
    binding = DramatiqBinding(broker, jobqueue_url)
    actor(actor_name="quick")(lambda: None).send()
    binding.run_next()
    assert len(set(threading.enumerate()) - before) >= 1
    binding.close()
    assert set(threading.enumerate()) <= before
    assert limit.manager is manager
    assert not manager.is_alive()
    assert not manager.deadlines


def test_a_drain_ends_in_time_and_names_the_actor(actor, jobqueue, alarm):
    actor(actor_name="slow")(spin).send()
    with pytest.raises(DrainTimeoutError, match=r"while slow\(\) \["):
        jobqueue.worker.drain(timeout=0.5)


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(3)])
def test_what_is_no_exception_reaches_the_test_though_dramatiq_keeps_it(actor, jobqueue, error):
    @actor()
    def interrupted():
        raise error

    interrupted.send()
    with pytest.raises(type(error)) as caught:
        jobqueue.worker.drain(on_error="record")
    assert caught.value is error
    assert [job.name for job in jobqueue.binding.retrying()] == ["interrupted"]
