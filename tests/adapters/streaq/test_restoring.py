"""The worker is as it was, and is led to the test's Redis in whichever loop it is used."""

from __future__ import annotations

import asyncio
import signal
from importlib import metadata

import pytest
import redis

coredis = pytest.importorskip("coredis")
streaq = pytest.importorskip("streaq")

import pytest_jobqueue
from pytest_jobqueue import JobQueue, Settings
from pytest_jobqueue.errors import UsageError


def state(worker):
    names = {*vars(worker), *getattr(type(worker), "__slots__", ())}
    found = {name: getattr(worker, name) for name in names if hasattr(worker, name)}
    return {name: dict(value) if name == "counters" else value for name, value in found.items()}


WORKER = streaq.Worker("redis://user:secret@redis.invalid:7000/5")


@WORKER.task(name="add")
async def add(left, right):
    return left + right


@pytest.fixture
def jobqueue_app():
    return WORKER


async def serve(*args):
    """As the web part of the service does."""
    async with WORKER:
        return await add.enqueue(*args)


def test_everything_is_as_before(jobqueue_server, jobqueue_url):
    WORKER.counters["completed"] = 3
    before = state(WORKER)
    with JobQueue(WORKER, jobqueue_server) as jobqueue:
        jobqueue.run(serve(1, 2))
        jobqueue.producer.enqueue("add", 3, 4)
        assert jobqueue.worker.drain().results == [3, 7]
    assert state(WORKER) == before
    WORKER.counters.clear()


def test_unused_as_well(jobqueue_server, jobqueue_url):
    before = state(WORKER)
    JobQueue(WORKER, jobqueue_server).close()
    assert state(WORKER) == before


@pytest.mark.parametrize("number", range(3))
def test_test_after_test(number, jobqueue):
    jobqueue.run(serve(number, 0))
    assert jobqueue.worker.drain().results == [number]


@pytest.mark.parametrize("number", range(3))
@pytest.mark.asyncio
async def test_coroutine_after_coroutine(number, jobqueue):
    pytest.importorskip("pytest_asyncio")
    await serve(number, 0)
    await jobqueue.producer.aenqueue_many("add", [(1, 1), (2, 2)])
    assert (await jobqueue.worker.adrain()).results == [number, 2, 4]
    assert await jobqueue.worker.atick() == 0


@pytest.fixture
def anyio_backend():
    return "asyncio"


@pytest.mark.parametrize("number", range(2))
@pytest.mark.anyio
async def test_with_anyio(number, jobqueue):
    await serve(number, 0)
    assert (await jobqueue.worker.adrain()).results == [number]


class TestTrio:
    @pytest.fixture(params=["trio"])
    def anyio_backend(self, request):
        pytest.importorskip("trio")
        return request.param

    @pytest.mark.anyio
    async def test_its_loop_is_refused_with_the_remedy(self, jobqueue):
        with pytest.raises(UsageError, match="anyio_backend that returns 'asyncio'"):
            await jobqueue.producer.aenqueue("add", 1, 2)
        with pytest.raises(UsageError, match="anyio_backend that returns 'asyncio'"):
            await serve(1, 2)
        with pytest.raises(UsageError, match="anyio_backend that returns 'asyncio'"):
            await jobqueue.worker.adrain()

    @pytest.mark.anyio
    async def test_one_may_look_in_it(self, jobqueue):
        jobqueue.assert_idle()


def test_a_worker_that_names_trio_is_run_on_asyncio(jobqueue_server, jobqueue_url):
    loops = []

    async def note():
        loops.append(asyncio.get_running_loop())

    worker = streaq.Worker(anyio_backend="trio")
    worker.task(name="note")(note)
    with JobQueue(worker, jobqueue_server) as jobqueue:
        jobqueue.producer.enqueue("note")
        assert len(jobqueue.worker.drain().ok) == 1
    assert [isinstance(loop, asyncio.AbstractEventLoop) for loop in loops] == [True]


ON_TRIO = """
import sys
from streaq import Worker

worker = Worker(anyio_backend="trio")

@worker.task(name="is_on_trio")
async def is_on_trio():
    return sys.modules["trio"].lowlevel.in_trio_task()
"""


def test_in_a_process_of_its_own_it_is_run_on_trio(jobqueue_server, jobqueue_url, tmp_path, monkeypatch):
    pytest.importorskip("trio")
    if metadata.version("streaq").startswith("7.0."):
        pytest.skip("the worker of streaQ 7.0, run by itself, does not understand what coredis 6.9 answers")
    (tmp_path / "on_trio.py").write_text(ON_TRIO)
    monkeypatch.syspath_prepend(str(tmp_path))
    with JobQueue("on_trio:worker", jobqueue_server, Settings(worker_mode="process")) as jobqueue:
        jobqueue.producer.enqueue("is_on_trio")
        assert jobqueue.worker.drain().results == [True]


@pytest.mark.asyncio
async def test_the_worker_is_entered_around_a_drain(jobqueue):
    async with WORKER:  # as long as the service runs
        await add.enqueue(1, 2)
        assert (await jobqueue.worker.adrain()).results == [3]
        await add.enqueue(3, 4)
        assert (await jobqueue.worker.adrain()).results == [7]


def test_a_service_that_does_not_enter_its_worker_is_told_so(jobqueue):
    async def forget():
        await add.enqueue(1, 2)

    for _ in range(2):
        with pytest.raises(streaq.StreaqError, match="use the async context manager"):
            jobqueue.run(forget())
        jobqueue.worker.drain()


def test_a_service_in_a_thread_of_its_own_that_goes_on_between_drains(jobqueue):
    """As the test client of a web framework has it."""
    from anyio.from_thread import start_blocking_portal

    with start_blocking_portal() as portal, portal.wrap_async_context_manager(WORKER):
        for number in range(3):
            portal.call(_enqueue, number)
            jobqueue.producer.enqueue("add", number, 1)
            assert jobqueue.worker.drain().results == [number, number + 1]


async def _enqueue(number):
    await add.enqueue(number, 0)


def test_one_that_is_closed_in_its_loop_is_not_left_running(jobqueue_server, jobqueue_url):
    async def main():
        before = asyncio.all_tasks()
        jobqueue = JobQueue(WORKER, jobqueue_server)
        await jobqueue.producer.aenqueue("add", 1, 2)
        assert (await jobqueue.worker.adrain()).results == [3]
        try:
            jobqueue.close()
        except UsageError:
            await jobqueue.release()
        while asyncio.all_tasks() - before:
            await asyncio.sleep(0)

    asyncio.run(asyncio.wait_for(main(), 10))


def test_a_service_that_runs_loops_of_its_own(jobqueue):
    for number in range(2):
        asyncio.run(serve(number, 0))
    assert jobqueue.worker.drain().results == [0, 1]
    asyncio.run(serve(5, 5))
    assert jobqueue.worker.drain().results == [10]


@pytest.mark.asyncio
async def test_the_synchronous_methods_are_refused_in_a_loop(jobqueue):
    with pytest.raises(UsageError, match="await the method of the same name"):
        jobqueue.worker.drain()


@pytest.mark.asyncio
async def test_a_queue_of_ones_own_is_closed_in_its_loop(jobqueue_server, jobqueue_url):
    async with JobQueue(WORKER, jobqueue_server) as jobqueue:
        await jobqueue.producer.aenqueue("add", 1, 2)
        assert (await jobqueue.worker.adrain()).results == [3]


def test_signals_and_alarms_are_left_alone(jobqueue):
    handlers = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGALRM)]
    left, _ = signal.setitimer(signal.ITIMER_REAL, 1000)
    jobqueue.producer.enqueue("add", 1, 1)
    jobqueue.worker.drain()
    assert signal.setitimer(signal.ITIMER_REAL, left)[0] > 900
    assert handlers == [
        signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGALRM)
    ]


def test_a_start_that_fails_is_said(jobqueue_server, jobqueue_url):
    from contextlib import asynccontextmanager

    @asynccontextmanager
    async def lifespan():
        raise ConnectionError("no database")
        yield

    worker = streaq.Worker(lifespan=lifespan)
    worker.task(name="note")(lambda: None)
    with JobQueue(worker, jobqueue_server) as jobqueue:
        for _ in range(2):
            with pytest.raises(ConnectionError, match="no database"):
                jobqueue.worker.drain()


def test_a_worker_of_a_cluster_or_with_sentinels_is_led_to_a_single_redis(jobqueue_server, jobqueue_url):
    worker = streaq.Worker(sentinel_nodes=[("redis.invalid", 26379)])
    worker.task(name="note")(lambda: "ran")
    worker._sentinel.__asynccontextmanager__ = lambda: pytest.fail("the sentinels were asked")
    before = state(worker)
    with JobQueue(worker, jobqueue_server) as jobqueue:
        jobqueue.producer.enqueue("note")
        assert jobqueue.worker.drain().results == ["ran"]
    assert state(worker) == before


def test_a_pool_that_the_worker_shares_leads_only_the_worker_elsewhere(jobqueue_server, jobqueue_url):
    with pytest_jobqueue.serve("fake") as elsewhere:
        pool = coredis.ConnectionPool.from_url(elsewhere.url, decode_responses=True)
        worker = streaq.Worker(redis_pool=pool)
        client = coredis.Redis(connection_pool=pool, decode_responses=True)

        @worker.task(name="note")
        async def note():
            async with client:
                await client.set("note", "from the job")

        with JobQueue(worker, jobqueue_server) as jobqueue:
            jobqueue.producer.enqueue("note")
            assert len(jobqueue.worker.drain().ok) == 1
            assert jobqueue.redis.exists("note") == 0
        with redis.Redis.from_url(elsewhere.direct_url) as theirs:
            assert theirs.keys() == [b"note"]


def test_the_names_by_which_one_message_is_fetched_are_still_there(worker):
    """Read the head of `life` when this fails; which of them is used is decided by the server."""
    names = ("_supports_max_count", "_read_streams_max_count", "_read_streams_legacy")
    there = [name for name in names if hasattr(worker, name)]
    assert there == ([] if metadata.version("streaq").startswith("7.0.") else list(names))
