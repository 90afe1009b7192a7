"""After a binding's life settings and arq are as they were; names that arq does not promise are there."""

from __future__ import annotations

import signal

import pytest

pytest.importorskip("arq")

from arq import connections
from arq.connections import RedisSettings, create_pool
from arq.worker import Worker, func
from support.arq_service import FUNCTIONS, SETTINGS, settings

from pytest_jobqueue import JobQueue


def state():
    functions = [vars(function) for function in map(func, FUNCTIONS)]
    signals = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGALRM)]
    return dict(vars(SETTINGS)), functions, connections.uuid4, signals


def test_everything_is_as_it_was(jobqueue_server, jobqueue_url, service) -> None:
    before = state()
    with JobQueue(settings(), jobqueue_server) as jobqueue:
        assert SETTINGS.host == jobqueue_server.host
        jobqueue.producer.enqueue("add", 1, 2)
        jobqueue.worker.drain()
    assert state() == before


def test_also_after_an_error(jobqueue_server, jobqueue_url, service) -> None:
    before = state()
    with JobQueue(settings(), jobqueue_server) as jobqueue:
        jobqueue.producer.enqueue("boom")
        with pytest.raises(ValueError, match="boom"):
            jobqueue.worker.drain()
    assert state() == before


def test_two_that_do_not_end_in_turn(jobqueue_server, jobqueue_url) -> None:
    before = connections.uuid4
    first = JobQueue({"functions": FUNCTIONS}, jobqueue_server)
    second = JobQueue({"functions": FUNCTIONS}, jobqueue_server)
    first.close()
    second.close()
    assert connections.uuid4 is before


def test_what_is_about_the_connection_itself_is_the_services(jobqueue_server, jobqueue_url) -> None:
    own = RedisSettings(
        host=[("sentinel.invalid", 26379)], sentinel=True, ssl=True, conn_timeout=7, max_connections=3
    )
    with JobQueue(settings(redis_settings=own), jobqueue_server) as jobqueue:
        assert (own.sentinel, own.ssl, own.conn_timeout, own.max_connections) == (False, False, 7, 3)
        pool = jobqueue.run(create_pool(own))
        assert pool.connection_pool.max_connections == 3
        jobqueue.run(pool.aclose())
    assert own.host == [("sentinel.invalid", 26379)]


def test_settings_as_a_class_are_taken_as_arq_takes_them(jobqueue_server, jobqueue_url, service) -> None:
    class WorkerSettings:
        functions = FUNCTIONS
        redis_settings = SETTINGS
        queue_name = "mine"

    with JobQueue(WorkerSettings, jobqueue_server) as jobqueue:
        assert jobqueue.producer.enqueue("add", 1, 2).queue == "mine"
        assert jobqueue.worker.drain().results == [3]


def test_settings_without_a_redis_are_led_to_ours_as_well(jobqueue_server, jobqueue_url, service) -> None:
    with JobQueue({"functions": FUNCTIONS}, jobqueue_server) as jobqueue:
        jobqueue.producer.enqueue("add", 1, 2)
        assert jobqueue.worker.drain().results == [3]


def test_serialisers_of_the_service_are_used(jobqueue_server, jobqueue_url, service) -> None:
    import json

    app = settings(
        job_serializer=lambda value: json.dumps(value, default=str).encode(), job_deserializer=json.loads
    )
    with JobQueue(app, jobqueue_server) as jobqueue:
        job = jobqueue.producer.enqueue("add", 1, 2)
        assert jobqueue.redis.get(f"arq:job:{job.id}").startswith(b"{")
        assert jobqueue.worker.drain().results == [3]
        jobqueue.producer.enqueue("boom", "in words")
        jobqueue.worker.drain(on_error="record")
        assert [dead.error for dead in jobqueue.binding.failed()] == ["in words"]


def test_the_names_that_arq_does_not_document_are_there() -> None:
    names = ("start_jobs", "heart_beat", "_cancel_aborted_jobs")
    assert [name for name in names if not callable(getattr(Worker, name, None))] == []
    assert callable(connections.uuid4)


def test_an_alarm_of_the_tests_own_goes_off_as_ever(jobqueue) -> None:
    def ring(number, frame):
        raise InterruptedError("it rang")

    before = signal.signal(signal.SIGALRM, ring)
    left, _ = signal.setitimer(signal.ITIMER_REAL, 0.3)
    try:
        jobqueue.producer.enqueue("add", 1, 2)
        jobqueue.worker.drain()
        with pytest.raises(InterruptedError, match="it rang"):
            signal.pause()
    finally:
        signal.signal(signal.SIGALRM, before)
        signal.setitimer(signal.ITIMER_REAL, left)
