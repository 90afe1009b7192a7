"""After a binding's life the queue is as it was; the names that SAQ does not document are there."""

from __future__ import annotations

import signal

import pytest

pytest.importorskip("saq")

from support.saq_service import QUEUE, settings

from pytest_jobqueue import JobQueue


def state(app):
    pool = QUEUE.redis.connection_pool
    signals = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGALRM)]
    return dict(vars(QUEUE)), pool.connection_class, dict(pool.connection_kwargs), dict(app), signals


def test_everything_is_as_it_was(jobqueue_server, jobqueue_url) -> None:
    app = settings()
    before = state(app)
    with JobQueue(app, jobqueue_server) as jobqueue:
        jobqueue.producer.enqueue("add", 1, 2)
        jobqueue.worker.drain()
        assert (QUEUE.complete, jobqueue.run(QUEUE.version()) >= (6, 2)) == (1, True)
    assert state(app) == before


def test_also_after_an_error(jobqueue_server, jobqueue_url) -> None:
    app = settings()
    before = state(app)
    with JobQueue(app, jobqueue_server) as jobqueue:
        jobqueue.producer.enqueue("boom")
        with pytest.raises(ValueError, match="boom"):
            jobqueue.worker.drain()
    assert state(app) == before


def test_the_names_that_saq_does_not_document_are_there() -> None:
    assert [name for name in ("_version", "_pubsub", "_op_sem") if name not in vars(QUEUE)] == []
    assert callable(QUEUE._pubsub.close)
    assert QUEUE._pubsub.prefix.startswith("saq:job:")
    assert QUEUE._op_sem._value == 20


def test_an_alarm_of_the_tests_own_goes_off_as_ever(jobqueue) -> None:
    def ring(number, frame):
        raise InterruptedError("it rang")

    before = signal.signal(signal.SIGALRM, ring)
    left, _ = signal.setitimer(signal.ITIMER_REAL, 0.3)
    try:
        jobqueue.producer.enqueue("multiply", 1, 2)
        jobqueue.worker.drain()
        with pytest.raises(InterruptedError, match="it rang"):
            signal.pause()
    finally:
        signal.signal(signal.SIGALRM, before)
        signal.setitimer(signal.ITIMER_REAL, left)
