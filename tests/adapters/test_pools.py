"""A service's own client leads to the test's Redis, and afterwards where it led before."""

from __future__ import annotations

import asyncio

import pytest
import redis
import redis.asyncio

import pytest_jobqueue
from pytest_jobqueue.adapters.pools import Repointed

ELSEWHERE = "redis://:secret@no-such-host.invalid:7000/5?decode_responses=true"


@pytest.fixture(scope="module")
def server():
    with pytest_jobqueue.serve("fake") as server:
        yield server


def place(client):
    kwargs = client.connection_pool.connection_kwargs
    return client.connection_pool.connection_class, {**kwargs}


def test_a_synchronous_client_is_moved_and_moved_back(server) -> None:
    with redis.Redis.from_url(ELSEWHERE) as client:
        before = place(client)
        repointed = Repointed(client.connection_pool, server.url)
        assert client.set("key", "value") is True
        assert client.get("key") == "value"  # decoded, as the service had it
        assert client.connection_pool.connection_kwargs["db"] == 0
        repointed.restore()
        assert place(client) == before


def test_it_can_keep_its_database(server) -> None:
    with redis.Redis.from_url(ELSEWHERE) as client:
        repointed = Repointed(client.connection_pool, server.url, keep_db=True)
        client.ping()
        assert client.client_info()["db"] == 5
        repointed.restore()


def test_tls_and_unix_sockets_are_left_behind(server) -> None:
    for url in ("rediss://no-such-host.invalid", "unix:///no/such/socket?db=2"):
        with redis.Redis.from_url(url) as client:
            before = place(client)
            repointed = Repointed(client.connection_pool, server.url)
            assert client.ping()
            repointed.restore()
            assert place(client) == before


def test_an_asynchronous_client_is_moved_and_moved_back(server) -> None:
    async def test() -> None:
        client = redis.asyncio.Redis.from_url(ELSEWHERE)
        before = place(client)
        repointed = Repointed(client.connection_pool, server.url)
        assert await client.ping()
        await client.connection_pool.disconnect()
        repointed.restore()
        assert place(client) == before
        await client.aclose()

    asyncio.run(test())
