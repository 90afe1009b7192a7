"""The guard: which connections of redis-py it lets through, refuses and leads; and it leaves no trace."""

from __future__ import annotations

import asyncio
import contextlib
import threading

import fakeredis
import pytest
import redis
import redis.asyncio
from support.processes import foreign_server

from pytest_jobqueue import UsageError, serve
from pytest_jobqueue.errors import JobQueueError, StrayConnectionError
from pytest_jobqueue.guard import Guard, parse_addresses

FOREIGN = "another.invalid:6390"
METHODS = [
    (owner, name)
    for owner in (redis.connection.AbstractConnection, redis.asyncio.connection.AbstractConnection)
    for name in ("connect", "connect_check_health")
    if hasattr(owner, name)
]


@pytest.fixture
def server():
    with serve("fake") as server:
        yield server


@pytest.fixture
def guarded(server):
    """Make a guard for the server, active until the test ends."""
    with contextlib.ExitStack() as stack:
        yield lambda redirect="", allow="": stack.enter_context(
            Guard(server, parse_addresses(redirect, "redirect"), parse_addresses(allow, "allow"))
        )


def ping(url, **options):
    with redis.Redis.from_url(url, **options) as client:
        return client.ping()


async def ping_async(url, **options):
    async with redis.asyncio.Redis.from_url(url, **options) as client:
        return await client.ping()


def pings(url, **options):
    """Both ways."""
    return ping(url, **options) and asyncio.run(ping_async(url, **options))


# What is an address.


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("cache", "redis://cache:6379"),
        ("Cache:1", "redis://cache:1"),
        ("127.0.0.1:6379", "redis://localhost:6379"),
        ("[::1]:6379", "redis://localhost:6379"),
        ("[fe80::1]:6379", "redis://[fe80::1]:6379"),
        ("rediss://user:secret@cache/3", "redis://cache:6379/3"),
        ("redis://cache?db=4", "redis://cache:6379/4"),
        ("/run/redis.sock", "unix:///run/redis.sock"),
        ("unix:///run/redis.sock?db=2", "unix:///run/redis.sock?db=2"),
    ],
)
def test_an_address_can_be_written_in_several_ways(text, shown):
    (address,) = parse_addresses(text, "key")
    assert str(address) == shown


def test_several_stand_with_commas_or_on_lines_of_their_own():
    assert list(map(str, parse_addresses("\n a:1, b\n\tc:3 ", "key"))) == [
        "redis://a:1",
        "redis://b:6379",
        "redis://c:3",
    ]


@pytest.mark.parametrize(
    "text", ["a:b", "http://a", "amqp://u:secret@a", "a:1/x", "unix://", "redis://u:secret@a:b"]
)
def test_what_is_no_address_is_an_error_without_its_password(text):
    with pytest.raises(
        UsageError, match=r"^jobqueue_allow: '.*' is no address of a Redis; write host:port"
    ) as caught:
        parse_addresses(f"good:1,{text}", "jobqueue_allow")
    assert "secret" not in str(caught.value)


# What is refused.


@pytest.mark.parametrize(
    ("url", "options", "named"),
    [
        (f"redis://{FOREIGN}/3", {}, f"redis://{FOREIGN}/3"),
        (f"redis://user:secret@{FOREIGN}", {}, f"redis://{FOREIGN}/0"),
        (f"rediss://{FOREIGN}", {}, f"redis://{FOREIGN}/0"),
        ("unix:///run/nobody.sock?db=1", {}, "unix:///run/nobody.sock?db=1"),
        (f"redis://{FOREIGN}", {"protocol": 3}, f"redis://{FOREIGN}/0"),
    ],
)
@pytest.mark.parametrize("way", ["sync", "async"])
def test_a_connection_to_another_redis_is_refused(server, guarded, way, url, options, named):
    guard = guarded()
    with pytest.raises(StrayConnectionError) as caught:
        ping(url, **options) if way == "sync" else asyncio.run(ping_async(url, **options))
    message = str(caught.value)
    where = "ping" if way == "sync" else "ping_async"
    assert message.startswith(f"{where} (")
    assert f"connects to {named}, which is not the Redis of this test ({server.url})" in message
    assert "secret" not in message
    assert guard.refused == [caught.value]


def test_the_sentence_names_the_place_and_the_remedies(server, guarded):
    guarded()
    with pytest.raises(StrayConnectionError) as caught:
        ping(f"redis://{FOREIGN}/3")
    place, _, rest = str(caught.value).partition(")")
    assert place.startswith("ping (")
    assert "test_guard.py:" in place
    assert rest == (
        f" connects to redis://{FOREIGN}/3, which is not the Redis of this test ({server.url}). Give this "
        "client its URL from the fixture jobqueue_url, or its application to jobqueue_app; or list "
        f"{FOREIGN} in pytest's configuration: under jobqueue_redirect, and such connections lead to the "
        "test's Redis, or under jobqueue_allow, and they are left alone."
    )


def test_a_service_that_catches_every_exception_does_not_catch_it(guarded):
    guarded()
    assert not issubclass(StrayConnectionError, Exception)
    assert not issubclass(StrayConnectionError, JobQueueError)
    with pytest.raises(StrayConnectionError), contextlib.suppress(Exception):
        ping(f"redis://{FOREIGN}", retry_on_timeout=True, retry_on_error=[Exception])


def test_every_kind_of_client_is_seen(guarded):
    guarded()
    sentinel = redis.Sentinel([FOREIGN.split(":")])
    with pytest.raises(StrayConnectionError):
        sentinel.master_for("service").ping()
    with pytest.raises(StrayConnectionError):
        redis.RedisCluster.from_url(f"redis://{FOREIGN}")
    with redis.Redis.from_url(f"redis://{FOREIGN}") as client:
        with pytest.raises(StrayConnectionError):
            client.pubsub().subscribe("news")
        with pytest.raises(StrayConnectionError):
            client.pipeline().set("a", 1).execute()
    with pytest.raises(StrayConnectionError):
        redis.Redis.from_url(f"redis://{FOREIGN}", single_connection_client=True)


def test_a_connection_that_was_open_before_is_seen_when_its_pool_gives_it(guarded):
    with foreign_server() as path, redis.Redis(unix_socket_path=str(path)) as client:
        assert client.ping()
        guarded()
        with pytest.raises(StrayConnectionError, match=f"connects to unix://{path}"):
            client.ping()


def test_and_so_is_an_asynchronous_one(guarded):
    async def twice(path):
        async with redis.asyncio.Redis(unix_socket_path=path) as client:
            assert await client.ping()
            guarded()
            with pytest.raises(StrayConnectionError):
                await client.ping()

    with foreign_server() as path:
        asyncio.run(twice(str(path)))


def test_another_database_of_a_leased_server_is_another_redis(guarded):
    with foreign_server() as path, serve(f"unix://{path}?db=3") as leased, Guard(leased):
        assert pings(leased.url)
        assert pings(leased.direct_url)
        with pytest.raises(StrayConnectionError, match=r"db=4, which is not"):
            ping(f"unix://{path}?db=4")


# What is let through.


def test_servers_of_ours_are_let_through(server, guarded):
    guarded()
    assert pings(server.url)
    assert pings(server.direct_url)
    assert pings(f"redis://localhost:{server.port}/7")
    with serve("fake") as other:
        assert pings(other.url)


def test_a_server_of_ours_that_is_closed_is_none(guarded):
    guarded()
    with serve("fake") as other:
        pass
    with pytest.raises(StrayConnectionError):
        ping(other.url)


def test_our_own_servers_can_be_started_meanwhile(guarded):
    guarded()
    with foreign_server() as path, serve(f"unix://{path}") as leased:
        assert pings(leased.url)


@pytest.mark.parametrize("allow", ["{}", "{}?db=2", "nobody:1,{}", "*"])
def test_addresses_that_are_allowed_are_let_through(guarded, allow):
    with foreign_server() as path:
        guarded(allow=allow.format(f"unix://{path}"))
        assert pings(f"unix://{path}?db=2")


def test_one_database_can_be_allowed(guarded):
    with foreign_server() as path:
        guarded(allow=f"unix://{path}?db=2")
        with pytest.raises(StrayConnectionError):
            ping(f"unix://{path}?db=1")


def test_fakeredis_opens_nothing(guarded):
    guarded(redirect="*")
    assert fakeredis.FakeRedis().ping()
    assert asyncio.run(fakeredis.FakeAsyncRedis().ping())


# What is led.

PLACE = ("host", "_host", "port", "db", "username", "password", "credential_provider", "path", "socket_type")


def place_of(connection):
    return {name: getattr(connection, name) for name in PLACE if hasattr(connection, name)}


ELSEWHERE = [
    f"redis://{FOREIGN}",
    f"redis://user:secret@{FOREIGN}",
    f"rediss://:secret@{FOREIGN}",
    "unix://user:secret@/run/nobody.sock",
]


@pytest.mark.parametrize("url", ELSEWHERE)
def test_a_connection_is_led_to_the_tests_redis_and_stays_what_it_is(server, guarded, url):
    client = redis.Redis.from_url(url)
    kind = client.connection_pool.connection_class
    connection = client.connection_pool.make_connection()
    client.connection_pool.release(connection)
    before = place_of(connection)
    guarded(redirect=f"{FOREIGN}, /run/nobody.sock")

    client.set("name", "ann")

    with redis.Redis.from_url(server.url) as looking:
        assert looking.get("name") == b"ann"
    assert type(connection) is kind
    assert place_of(connection) == before
    client.close()


@pytest.mark.parametrize("url", ELSEWHERE)
def test_so_is_an_asynchronous_one(server, guarded, url):
    async def act():
        client = redis.asyncio.Redis.from_url(url)
        pool = client.connection_pool
        connection = pool.make_connection()
        before = place_of(connection)
        guarded(redirect=f"{FOREIGN}, /run/nobody.sock")
        await connection.connect()
        await connection.send_command("SET", "name", "ann")
        assert await connection.read_response() == b"OK"
        await connection.disconnect()
        assert type(connection) is pool.connection_class
        assert place_of(connection) == before
        assert await client.get("name") == b"ann"
        await client.aclose()

    asyncio.run(act())
    with redis.Redis.from_url(server.url) as looking:
        assert looking.get("name") == b"ann"


def test_what_was_open_to_another_redis_is_led_too_and_goes_back_there(server):
    with foreign_server() as path, redis.Redis(unix_socket_path=str(path)) as client:
        client.set("where", "there")
        with Guard(server, parse_addresses(str(path), "redirect")):
            assert client.get("where") is None
            client.set("where", "here")
            assert client.get("where") == b"here"
        assert client.get("where") == b"there"


def test_an_asynchronous_one_goes_back_when_it_connects_anew(server):
    async def act(path):
        async with redis.asyncio.Redis(unix_socket_path=path) as client:
            await client.set("where", "there")
            with Guard(server, parse_addresses(path, "redirect")):
                assert await client.get("where") is None
                assert await client.get("where") is None
            await client.connection_pool.disconnect()
            assert await client.get("where") == b"there"

    with foreign_server() as path:
        asyncio.run(act(str(path)))


def test_several_databases_stay_several(server, guarded):
    guarded(redirect=FOREIGN)
    for number in (0, 3):
        with redis.Redis.from_url(f"redis://{FOREIGN}/{number}") as client:
            client.set("number", number)
    for number in (0, 3):
        with redis.Redis("127.0.0.1", server.port, number) as looking:
            assert looking.get("number") == str(number).encode()


def test_a_database_that_is_named_is_the_tests_own(server, guarded):
    guarded(redirect=f"{FOREIGN}, redis://{FOREIGN}/3")
    with redis.Redis.from_url(f"redis://{FOREIGN}/3") as client:
        client.set("number", 3)
    with redis.Redis.from_url(server.url) as looking:
        assert looking.get("number") == b"3"


def test_where_one_database_is_leased_all_lead_there():
    with foreign_server() as path, serve(f"unix://{path}?db=3") as leased:
        guard = Guard(leased, parse_addresses(FOREIGN, "redirect"))
        with guard, redis.Redis.from_url(f"redis://{FOREIGN}/1") as client:
            client.set("name", "ann")
        with redis.Redis.from_url(leased.url) as looking:
            assert looking.get("name") == b"ann"


# What is left behind.


def methods():
    return [vars(owner)[name] for owner, name in METHODS]


def test_redis_py_is_as_it_was_afterwards(server):
    before = methods()
    with Guard(server):
        assert methods() != before
        with Guard(server):
            pass
        assert methods() != before
    assert methods() == before


def test_guards_can_end_in_any_order(server):
    before = methods()
    one, two = Guard(server), Guard(server, allow=parse_addresses("*", "allow"))
    one.__enter__()
    two.__enter__()
    with foreign_server() as path:
        one.__exit__(None, None, None)
        assert ping(f"unix://{path}")
        two.__exit__(None, None, None)
        assert ping(f"unix://{path}")
    assert methods() == before


def test_whoever_stands_around_it_is_left_alone(server, monkeypatch):
    owner, name = METHODS[-1]
    guard = Guard(server)
    with monkeypatch.context() as patched:
        guard.__enter__()
        inner = getattr(owner, name)

        def outer(self, *args, **kwargs):
            return inner(self, *args, **kwargs)

        patched.setattr(owner, name, outer)
        guard.__exit__(None, None, None)
        assert getattr(owner, name) is outer
        assert asyncio.run(ping_async(server.url))


# Whether the test knows.


class Node:
    """The function of a test, as pytest has it."""

    def __init__(self, function):
        self.obj = function
        self.originalname = function.__name__
        self.path = __file__


def test_a_refusal_that_comes_to_the_test_is_known(server):
    def stray():
        ping(f"redis://{FOREIGN}")

    with Guard(server) as guard, pytest.raises(StrayConnectionError):
        stray()
    assert guard.swallowed(Node(stray)) is None


def test_one_that_somebody_catches_is_not(server):
    def swallowing():
        with contextlib.suppress(BaseException):
            ping(f"redis://{FOREIGN}")

    def stray():
        swallowing()

    with Guard(server) as guard:
        stray()
    assert guard.swallowed(Node(stray)) is guard.refused[0]


def test_nor_one_in_another_thread(server):
    def elsewhere():
        with contextlib.suppress(StrayConnectionError):
            ping(f"redis://{FOREIGN}")

    def stray():
        thread = threading.Thread(target=elsewhere)
        thread.start()
        thread.join()

    with Guard(server) as guard:
        stray()
    assert guard.swallowed(Node(stray)) is guard.refused[0]
