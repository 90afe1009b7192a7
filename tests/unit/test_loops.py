"""The synchronous face of an asynchronous binding, and what it closes where."""

from __future__ import annotations

import asyncio
import gc

import pytest
import redis.asyncio
from redis.asyncio.connection import AbstractConnection, ConnectionPool
from support.stubs import StubBinding

import pytest_jobqueue
from pytest_jobqueue.adapters.connections import Opened
from pytest_jobqueue.adapters.loops import SyncFace
from pytest_jobqueue.errors import UsageError
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
