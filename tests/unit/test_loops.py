"""The synchronous face of an asynchronous binding, and what it closes where."""

from __future__ import annotations

import asyncio
import dataclasses
import datetime as dt
import gc
import signal
import time

import pytest
import redis.asyncio
from redis.asyncio.connection import AbstractConnection, ConnectionPool
from support.stubs import StubBinding

import pytest_jobqueue
from pytest_jobqueue import JobQueue, registry
from pytest_jobqueue.adapters.connections import Opened
from pytest_jobqueue.adapters.loops import SyncFace
from pytest_jobqueue.deadline import DeadlineExceeded
from pytest_jobqueue.errors import DrainTimeoutError, UsageError
from pytest_jobqueue.job import Call


class Twin:
    """An asynchronous binding over a stub, which notes where it was released."""

    def __init__(self):
        self.stub = StubBinding({"Add": lambda a, b: a + b})
        self.caps = self.stub.caps
        self.released = []
        self.restored = 0

    def __getattr__(self, name):
        return getattr(self.stub, name)

    async def enqueue(self, call):
        return self.stub.enqueue(call)

    async def enqueue_many(self, calls):
        return self.stub.enqueue_many(calls)

    async def run_next(self, queue=None, *, more=False):
        return self.stub.run_next(queue, more=more)

    async def tick(self):
        return self.stub.tick()

    async def abandon_next(self, queue=None):
        return self.stub.abandon_next(queue)

    async def recover(self):
        return self.stub.recover()

    async def release(self):
        self.released.append(asyncio.get_running_loop())

    def restore(self):
        self.restored += 1


@pytest.fixture(scope="module")
def server():
    with pytest_jobqueue.serve("fake") as server:
        yield server


@pytest.fixture
def twin():
    return Twin()


@pytest.fixture
def face(server, twin):
    face = SyncFace(twin, server.url)
    yield face
    face.close()


async def here():
    return asyncio.get_running_loop()


# Acting and looking


def test_what_acts_runs_in_one_loop_and_what_looks_in_none(face, twin) -> None:
    job = face.enqueue(Call("Add", (1, 2)))
    assert [*face.pending()] == [job]
    assert face.run_next().result == 3
    face.enqueue_many([Call("Add", (3, 4))])
    assert face.abandon_next().args == (3, 4)
    assert (len(face.running()), face.recover(), len(face.pending())) == (1, 1, 1)
    assert (face.tick(), face.next_due(), face.queues()) == (0, None, ["default"])
    assert face.scheduled() == face.retrying() == face.waiting() == face.failed() == []
    assert face.run(here()) is face.run(here())


def test_a_call_inside_a_running_loop_is_refused(face) -> None:
    async def test() -> None:
        with pytest.raises(UsageError, match=r"await jobqueue\.worker\.adrain\(\)"):
            face.run_next()

    asyncio.run(test())


def test_the_loop_is_released_restored_and_closed(server, twin) -> None:
    face = SyncFace(twin, server.url)
    loop = face.run(here())
    face.close()
    assert twin.released == [loop]
    assert (twin.restored, loop.is_closed()) == (1, True)


def test_one_that_was_never_used_is_restored_only(server, twin) -> None:
    SyncFace(twin, server.url).close()
    assert (twin.released, twin.restored) == ([], 1)


def test_a_task_that_was_left_running_is_cancelled(server, twin) -> None:
    face, ended = SyncFace(twin, server.url), []

    async def background() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(True)

    async def start() -> None:
        face.task = asyncio.ensure_future(background())
        await asyncio.sleep(0)

    face.run(start())
    face.close()
    assert ended == [True]


def test_a_failing_release_restores_all_the_same(server, twin) -> None:
    async def release() -> None:
        raise ConnectionError("gone")

    twin.release = release
    face = SyncFace(twin, server.url)
    loop = face.run(here())
    with pytest.raises(ConnectionError, match="gone"):
        face.close()
    assert (twin.restored, loop.is_closed()) == (1, True)


# Connections of the service


@pytest.fixture
def client(server):
    """A client that a service keeps for ever, and that nobody closes."""
    return redis.asyncio.Redis.from_url(server.url)


def is_connected(client):
    return [connection.is_connected for connection in client.connection_pool._available_connections]


def test_a_pool_works_in_one_loop_after_the_other(face, client) -> None:
    async def test() -> None:
        await client.set("key", "value")
        await face.release()
        assert is_connected(client) == [False]

    for _ in range(3):
        asyncio.run(test())


@pytest.mark.parametrize("kind", ["ConnectionPool", "BlockingConnectionPool"])
def test_also_when_many_had_to_wait_for_it(face, server, kind) -> None:
    """A lock for which somebody waited is bound to the loop in which that was."""
    pool = getattr(redis.asyncio, kind).from_url(server.url, max_connections=30)
    client = redis.asyncio.Redis(connection_pool=pool)

    async def test() -> None:
        await asyncio.gather(*(client.incr(kind) for _ in range(25)))
        await face.release()

    for _ in range(3):
        asyncio.run(test())
    assert face.run(client.get(kind)) == b"75"
    face.run(pool.disconnect())


def test_a_pool_in_use_is_disconnected_too(face, client) -> None:
    async def test() -> None:
        pubsub = client.pubsub()
        await pubsub.subscribe("channel")
        await face.release()
        assert not pubsub.connection.is_connected
        await pubsub.aclose()

    asyncio.run(test())


def test_what_was_opened_before_is_left_alone(server, twin, client) -> None:
    async def test() -> None:
        await client.ping()
        face = SyncFace(twin, server.url)
        await face.release()
        face.close()
        assert is_connected(client) == [True]
        await client.aclose()

    asyncio.run(test())


def test_close_works_in_every_loop_that_can_still_run(server, twin, client) -> None:
    face, loop = SyncFace(twin, server.url), asyncio.new_event_loop()
    loop.run_until_complete(client.ping())
    face.close()
    assert twin.released == [loop]
    assert is_connected(client) == [False]
    loop.close()


@pytest.mark.filterwarnings("ignore:(unclosed|loop is closed)")  # it is what the service did
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_after_a_loop_that_ended_by_itself_the_pool_works_again(server, twin, client) -> None:
    face = SyncFace(twin, server.url)
    asyncio.run(client.ping())
    face.run(here())
    face.close()
    assert is_connected(client) == [False]

    async def test() -> None:
        assert await client.ping()
        await client.aclose()

    asyncio.run(test())
    gc.collect()


def test_a_loop_in_which_somebody_acted_is_left_closed_by_its_end(face, twin, client) -> None:
    """Also what was opened after the test was released, by a fixture."""

    async def test() -> None:
        await face.enter()
        await client.ping()
        await face.release()
        await client.ping()
        assert is_connected(client) == [True]

    asyncio.run(test())
    assert is_connected(client) == [False]
    assert len(twin.released) == 2
    asyncio.run(test())


def test_a_close_inside_a_running_loop_says_what_to_do(server, twin, client) -> None:
    async def test() -> None:
        face = SyncFace(twin, server.url)
        await client.ping()
        with pytest.raises(UsageError, match="write 'async with JobQueue"):
            face.close()
        assert twin.restored == 1
        await client.aclose()

    asyncio.run(test())


def test_a_pool_of_another_test_is_led_to_the_redis_of_now(face, server) -> None:
    async def ping(client: redis.asyncio.Redis) -> bool:
        try:
            return await client.ping()
        finally:
            await face.release()

    with pytest_jobqueue.serve("fake") as former:
        client = redis.asyncio.Redis.from_url(former.url)
        SyncFace(Twin(), former.url).close()
    assert asyncio.run(ping(client))
    assert face.run(client.client_info())["laddr"].endswith(f":{server.port}")
    face.run(client.aclose())


def test_no_other_address_is_led_anywhere(face) -> None:
    client = redis.asyncio.Redis(host="127.0.0.1", port=1)
    with pytest.raises(redis.ConnectionError, match=r"127\.0\.0\.1:1"):
        face.run(client.ping())


def test_redis_py_is_as_it_was_when_nobody_watches(server) -> None:
    def names():
        return AbstractConnection.connect, ConnectionPool.ensure_connection

    before = names()
    first, second = Opened(server.url), Opened("")
    watched = names()
    first.stop()
    assert names() == watched != before
    second.stop()
    second.stop()
    assert names() == before


# Above the seam


class App:
    """What the adapter of these tests is for."""


def bind(app, url, settings):
    return SyncFace(Twin(), url)


@pytest.fixture
def jobqueue(server, monkeypatch):
    adapter = registry.Adapter("twin", (f"{__name__}.App",), "unused", lambda app: isinstance(app, App))
    monkeypatch.setattr(registry, "ADAPTERS", (adapter,))
    monkeypatch.setattr(registry, "load", lambda path, what: bind)
    with JobQueue(App(), server) as jobqueue:
        yield jobqueue


def test_the_harness_runs_a_coroutine_of_the_service(jobqueue) -> None:
    assert jobqueue.run(here()) is jobqueue.run(here())


def test_where_there_is_no_loop_of_the_jobs_it_says_so(server) -> None:
    with JobQueue({}, server) as jobqueue, pytest.raises(UsageError, match=r"use asyncio\.run"):
        jobqueue.run(here())


def test_everything_can_be_enqueued_inside_a_loop(jobqueue) -> None:
    moment = dt.datetime(2100, 1, 1, tzinfo=dt.timezone.utc)

    async def test() -> None:
        producer = jobqueue.producer.set(queue="q")
        await producer.aenqueue("Add", 1, 2)
        await producer.aenqueue_many("Add", [(3, 4), (5, 6)])
        await producer.aenqueue_at(moment, "Add", 7, 8)
        await producer.aenqueue_in(60, "Add", 9, 10)
        with pytest.raises(UsageError, match="has no time zone"):
            await producer.aenqueue_at(moment.replace(tzinfo=None), "Add", 7, 8)

    asyncio.run(test())
    assert [job.args[0] for job in jobqueue.journal.enqueued] == [1, 3, 5, 7, 9]
    assert max(job.due_at for job in jobqueue.binding.scheduled()) == moment.timestamp()


def test_the_end_of_an_asynchronous_with_releases_first(server, jobqueue) -> None:
    async def test() -> None:
        async with jobqueue:
            await jobqueue.producer.aenqueue("Add", 1, 2)
        assert jobqueue.binding.twin.released == [asyncio.get_running_loop()]

    asyncio.run(test())


# Loops of others


async def closed(jobqueue) -> None:
    jobqueue.close()


async def drained(jobqueue) -> None:
    jobqueue.worker.drain()


async def run(jobqueue) -> None:
    jobqueue.run(here())


@pytest.mark.parametrize(
    "act",
    [
        lambda jobqueue: jobqueue.producer.aenqueue("Add", 1, 2),
        lambda jobqueue: jobqueue.producer.aenqueue_many("Add", [(1, 2)]),
        lambda jobqueue: jobqueue.worker.adrain(),
        lambda jobqueue: jobqueue.worker.arecover(),
        drained,
        run,
        lambda jobqueue: jobqueue.release(),
        closed,
    ],
    ids=["aenqueue", "aenqueue_many", "adrain", "arecover", "drain", "run", "release", "close"],
)
def test_in_trio_an_asynchronous_library_is_refused_with_the_remedy(jobqueue, act) -> None:
    trio = pytest.importorskip("trio")
    jobqueue.producer.enqueue("Add", 1, 2)
    with pytest.raises(UsageError, match=r"is trio's.* anyio_backend that returns 'asyncio'"):
        trio.run(act, jobqueue)
    assert not jobqueue.journal.outcomes


def test_also_where_trio_runs_inside_of_a_loop_of_asyncio(jobqueue) -> None:
    trio = pytest.importorskip("trio")

    async def test() -> None:
        loop, ended = asyncio.get_running_loop(), asyncio.Event()
        outcomes = []

        def end(outcome) -> None:
            outcomes.append(outcome)
            ended.set()

        trio.lowlevel.start_guest_run(
            jobqueue.worker.adrain, run_sync_soon_threadsafe=loop.call_soon_threadsafe, done_callback=end
        )
        await ended.wait()
        with pytest.raises(UsageError, match="is trio's"):
            outcomes[0].unwrap()
        assert await jobqueue.worker.adrain() == []

    asyncio.run(test())


def test_in_any_other_loop_as_well(jobqueue) -> None:
    with pytest.raises(UsageError, match="one that is not asyncio's"):
        jobqueue.worker.adrain().send(None)


def test_a_synchronous_library_works_in_trio(server) -> None:
    trio = pytest.importorskip("trio")

    async def test() -> None:
        await jobqueue.producer.aenqueue("Add", 1, 2)
        jobqueue.producer.enqueue("Add", 3, 4)
        assert (await jobqueue.worker.arun_next()).result == 3
        assert jobqueue.worker.drain().results == [7]
        await jobqueue.producer.aenqueue_many("Add", [(5, 6), (7, 8)])
        await jobqueue.release()

    with JobQueue({"Add": lambda a, b: a + b}, server) as jobqueue:
        trio.run(test)
        assert trio.run(jobqueue.worker.adrain).results == [11, 15]


def test_what_trio_awaits_in_a_thread_of_its_own_is_in_no_loop(jobqueue) -> None:
    trio = pytest.importorskip("trio")
    jobqueue.producer.enqueue("Add", 1, 2)
    assert trio.run(trio.to_thread.run_sync, jobqueue.worker.drain).results == [3]


# Jobs that hang


async def blocks(seconds: float) -> None:
    time.sleep(seconds)  # noqa: ASYNC251 (that is what is shown)


@pytest.fixture
def hanging(jobqueue):
    """A job that gives its loop nothing to do, or one that keeps it from doing anything."""
    twin = jobqueue.binding.twin

    async def run_next(queue=None, *, more=False):
        outcome = twin.stub.run_next(queue, more=more)
        if outcome is None:
            return None
        try:
            await outcome.result
        except (asyncio.CancelledError, DeadlineExceeded) as error:  # as a library deals with it
            return dataclasses.replace(outcome, status="retrying", exception=error)
        return outcome

    twin.run_next = run_next
    twin.stub.handlers = {"Sleep": asyncio.sleep, "Block": blocks}
    return jobqueue


@pytest.mark.parametrize("name", ["Sleep", "Block"])
def test_a_job_that_hangs_is_ended_and_named(hanging, name) -> None:
    hanging.producer.enqueue(name, 30)
    with pytest.raises(DrainTimeoutError, match=rf"\(0\.05 s\) was up while {name}\(30\)"):
        hanging.worker.drain(timeout=0.05)
    assert hanging.worker.drain(timeout=0.05) == []


@pytest.mark.parametrize("name", ["Sleep", "Block"])
def test_in_a_loop_that_runs_too(hanging, name) -> None:
    async def test() -> None:
        await hanging.producer.aenqueue(name, 30)
        with pytest.raises(DrainTimeoutError, match=rf"was up while {name}\(30\)"):
            await hanging.worker.adrain(timeout=0.05)

    asyncio.run(test())


def test_two_that_are_awaited_at_once_give_the_alarm_back(hanging) -> None:
    def alarm():
        return signal.getsignal(signal.SIGALRM), bool(signal.getitimer(signal.ITIMER_REAL)[0])

    before = alarm()

    async def test() -> None:
        await hanging.producer.aenqueue_many("Sleep", [(0.02,), (0.05,), (0.02,)])
        drained = await asyncio.gather(*(hanging.worker.adrain() for _ in range(3)))
        assert sum(map(len, drained)) == 3

    asyncio.run(test())
    assert alarm() == before


def test_a_cancelled_job_can_be_recorded(hanging) -> None:
    async def cancelled() -> None:
        raise asyncio.CancelledError

    hanging.binding.twin.stub.handlers["Cancelled"] = cancelled
    hanging.producer.enqueue("Cancelled")
    (outcome,) = hanging.worker.drain(on_error="record")
    assert isinstance(outcome.exception, asyncio.CancelledError)
    hanging.producer.enqueue("Cancelled")
    with pytest.raises(asyncio.CancelledError):
        hanging.worker.drain()
