"""Async actors: in the test's own thread, in an async test too, and interrupted in time."""

from __future__ import annotations

import asyncio
import threading

import pytest

dramatiq = pytest.importorskip("dramatiq")
aio = pytest.importorskip("dramatiq.asyncio")


@pytest.fixture(params=["drain", "adrain"])
def drain(request, jobqueue):
    """A drain in the test, and one that a coroutine of the test awaits."""
    if request.param == "drain":
        return jobqueue.worker.drain
    return lambda **options: asyncio.run(jobqueue.worker.adrain(**options))


def test_in_the_tests_own_thread(actor, jobqueue):
    @actor()
    async def where():
        await asyncio.sleep(0)
        return threading.get_ident()

    where.send()
    where.send()
    assert jobqueue.worker.drain().results == [threading.get_ident()] * 2


@pytest.fixture
def fail(actor):
    @actor(max_retries=0)
    async def fail():
        raise ValueError("out of paper")

    return fail


def test_an_exception_keeps_its_traceback(fail, jobqueue):
    fail.send()
    with pytest.raises(ValueError, match="out of paper") as caught:
        jobqueue.worker.drain()
    assert caught.traceback[-1].name == "fail"


def test_an_exception_has_no_other_behind_it(fail, drain):
    fail.send()
    with pytest.raises(ValueError, match="out of paper") as caught:
        drain()
    assert caught.value.__context__ is None


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(3), pytest.fail.Exception("no")], ids=repr)
def test_what_is_no_exception_reaches_the_test(actor, jobqueue, drain, error):
    @actor(max_retries=0)
    async def interrupted():
        raise error

    @actor()
    async def fine():
        await asyncio.sleep(0)
        return "done"

    for _ in range(2):
        interrupted.send()
        with pytest.raises(type(error)) as caught:
            drain(on_error="record", timeout=5)
        assert caught.value is error
    fine.send()
    assert drain().results == ["done"]
    jobqueue.assert_dead("interrupted", count=2)


def test_so_does_what_is_none_in_a_task_of_the_actors_own(actor, drain):
    @actor(max_retries=0)
    async def interrupted():
        async def child():
            raise KeyboardInterrupt

        await asyncio.gather(child(), asyncio.sleep(30))

    @actor()
    async def fine():
        return "done"

    interrupted.send()
    with pytest.raises(KeyboardInterrupt):
        drain(on_error="record", timeout=5)
    fine.send()
    assert drain().results == ["done"]


def test_a_time_limit_cancels_and_lets_clean_up(actor, jobqueue, drain):
    cleaned = []

    @actor(max_retries=0, time_limit=50)
    async def slow():
        try:
            await asyncio.sleep(30)
        finally:
            await asyncio.sleep(0)
            cleaned.append("up")

    slow.send()
    with pytest.raises(dramatiq.middleware.TimeLimitExceeded):
        drain()
    assert cleaned == ["up"]
    assert 0.01 < jobqueue.journal.outcomes[0].seconds < 5


def test_a_drain_ends_in_time(actor, drain):
    from pytest_jobqueue.errors import DrainTimeoutError

    cleaned = []

    @actor()
    async def slow():
        try:
            await asyncio.sleep(30)
        finally:
            cleaned.append("up")

    slow.send()
    with pytest.raises(DrainTimeoutError, match=r"while slow\(\) \["):
        drain(timeout=0.5)
    assert cleaned == ["up"]


def test_an_actor_that_runs_another(actor, jobqueue, drain):
    @actor()
    async def inner(level):
        await asyncio.sleep(0)
        if level:
            inner.send(level - 1)
            return jobqueue.worker.run_next().result + 1
        return 1

    inner.send(2)
    assert drain(timeout=5).results == [3]


def test_the_current_message(actor, drain):
    @actor()
    async def who():
        return dramatiq.middleware.CurrentMessage.get_current_message().message_id

    sent = who.send()
    assert drain().results == [sent.message_id]


def test_within_a_running_loop_it_is_in_another_thread(actor, jobqueue):
    @actor()
    async def where():
        await asyncio.sleep(0)
        return threading.current_thread()

    async def test():
        where.send()
        return (await jobqueue.worker.adrain()).results

    (found,) = asyncio.run(test())
    assert found is not threading.current_thread()
    assert not found.is_alive()


def test_wherever_it_runs_it_is_in_the_same_loop(actor, jobqueue):
    """So that a pool of connections that an actor keeps is of use in each."""

    @actor()
    async def which():
        return id(asyncio.get_running_loop())

    which.send()
    (here,) = jobqueue.worker.drain().results
    which.send()
    assert asyncio.run(jobqueue.worker.adrain()).results == [here]


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
