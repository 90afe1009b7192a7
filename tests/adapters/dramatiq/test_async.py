"""Async actors: in the test's own thread, in an async test too, and interrupted in time."""

from __future__ import annotations

import asyncio
import threading

import pytest

dramatiq = pytest.importorskip("dramatiq")
aio = pytest.importorskip("dramatiq.asyncio")


def test_in_the_tests_own_thread(actor, jobqueue):
    @actor()
    async def where():
        await asyncio.sleep(0)
        return threading.get_ident()

    where.send()
    where.send()
    assert jobqueue.worker.drain().results == [threading.get_ident()] * 2


def test_an_exception_keeps_its_traceback(actor, jobqueue):
    @actor(max_retries=0)
    async def fail():
        raise ValueError("out of paper")

    fail.send()
    with pytest.raises(ValueError, match="out of paper") as caught:
        jobqueue.worker.drain()
    assert caught.traceback[-1].name == "fail"


def test_what_is_no_exception_reaches_the_test(actor, jobqueue):
    @actor(max_retries=0)
    async def interrupted():
        raise KeyboardInterrupt

    interrupted.send()
    with pytest.raises(KeyboardInterrupt):
        jobqueue.worker.drain(on_error="record")
    interrupted.send()
    with pytest.raises(KeyboardInterrupt):
        jobqueue.worker.drain(on_error="record")


def test_a_time_limit_cancels_and_lets_clean_up(actor, jobqueue):
    cleaned = []

    @actor(max_retries=0, time_limit=50)
    async def slow():
        try:
            await asyncio.sleep(30)
        finally:
            cleaned.append("up")

    slow.send()
    with pytest.raises(dramatiq.middleware.TimeLimitExceeded):
        jobqueue.worker.drain()
    assert cleaned == ["up"]
    assert 0.01 < jobqueue.journal.outcomes[0].seconds < 5


def test_a_drain_ends_in_time(actor, jobqueue):
    from pytest_jobqueue.errors import DrainTimeoutError

    @actor()
    async def slow():
        await asyncio.sleep(30)

    slow.send()
    with pytest.raises(DrainTimeoutError, match=r"while slow\(\) \["):
        jobqueue.worker.drain(timeout=0.5)


def test_within_a_running_loop_it_is_in_dramatiqs_thread(actor, jobqueue):
    @actor()
    async def where():
        await asyncio.sleep(0)
        return threading.get_ident()

    async def test():
        where.send()
        return (await jobqueue.worker.adrain()).results

    (found,) = asyncio.run(test())
    assert found != threading.get_ident()


def test_the_loop_and_its_thread_are_gone_afterwards(actor, broker, jobqueue_url):
    from pytest_jobqueue.adapters.dramatiq.binding import DramatiqBinding

    before = {thread for thread in threading.enumerate() if isinstance(thread, aio.EventLoopThread)}
    mine = object()
    aio.set_event_loop_thread(mine)
    try:
        binding = DramatiqBinding(broker, jobqueue_url)

        @actor()
        async def nap():
            await asyncio.sleep(0)

        nap.send()
        binding.run_next()
        binding.close()
        assert aio.get_event_loop_thread() is mine
        now = {thread for thread in threading.enumerate() if isinstance(thread, aio.EventLoopThread)}
        assert now == before
    finally:
        aio.set_event_loop_thread(None)


def test_without_the_middleware_it_fails_as_in_production(jobqueue_url):
    from dramatiq.brokers.redis import RedisBroker

    from pytest_jobqueue.adapters.dramatiq.binding import DramatiqBinding

    broker = RedisBroker(host="redis.invalid")
    binding = DramatiqBinding(broker, jobqueue_url)

    @dramatiq.actor(broker=broker)
    async def nap():
        """Do nothing."""

    nap.send()
    outcome = binding.run_next()
    assert "Have you added the AsyncIO middleware" in str(outcome.exception)
    binding.close()
