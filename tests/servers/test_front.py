"""What every front does, whatever stands behind it: accept, count, name, close, leave nothing behind.

Each test runs on the memory and, where a server binary is at hand, on a real Redis behind the same front.
"""

from __future__ import annotations

import contextlib
import select
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import redis
from support.processes import descriptors, resident_megabytes

import pytest_jobqueue
from pytest_jobqueue.wire.resp import Error, Simple, encode_command

if TYPE_CHECKING:
    from collections.abc import Iterator


def test_it_answers_at_its_url_and_at_its_direct_url(server) -> None:
    with redis.Redis.from_url(server.url) as through, redis.Redis.from_url(server.direct_url) as direct:
        through.set("greeting", "hello")
        assert direct.get("greeting") == b"hello"


def test_it_listens_on_loopback_only(server) -> None:
    lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()]
    listening = [line[1] for line in lines if line[3] == "0A"]
    hosts = {
        host
        for host, _, port in (address.partition(":") for address in listening)
        if int(port, 16) == server.port
    }
    assert hosts == {"0100007F"}


def test_a_taken_port_is_one_clear_error() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(
            pytest_jobqueue.UsageError, match=rf"cannot listen on 127\.0\.0\.1:{port}: .*another port"
        ):
            pytest_jobqueue.serve("fake", port=port)


def test_a_port_can_be_chosen_and_is_free_again_afterwards() -> None:
    with pytest_jobqueue.serve("fake") as first:
        port = first.port
    with pytest_jobqueue.serve("fake", port=port) as second:
        assert second.port == port


def test_reset_closes_the_services_connections_and_names_them(server, connect) -> None:
    wire = connect(server)
    assert wire.ask("PING") == Simple(b"PONG")
    (client,) = server.reset()
    assert client.address == f"127.0.0.1:{wire.socket.getsockname()[1]}"
    assert wire.rest() == b""
    assert server.clients() == []


def test_reset_leaves_a_direct_client_connected(server) -> None:
    with redis.Redis.from_url(server.direct_url, single_connection_client=True) as direct:
        direct.set("key", "value")
        number = direct.client_id()
        server.reset()
        assert direct.client_id() == number
        assert direct.dbsize() == 0


def test_a_reset_server_has_no_scripts_or_functions(server) -> None:
    with redis.Redis.from_url(server.direct_url) as client:
        sha = client.script_load("return 1")
        client.function_load("#!lua name=lib\nredis.register_function('one', function() return 1 end)")
        server.reset()
        assert client.script_exists(sha) == [False]
        assert client.function_list() == []


def test_a_client_that_waits_is_named_with_what_it_waits_for(fake, connect) -> None:
    wire, other = connect(fake), connect(fake)
    wire.ask("CLIENT", "SETNAME", "worker-7")
    wire.send(encode_command([b"BRPOP", b"queue:mail", b"0"]))
    wait_until_blocked(other)
    (waiting,) = [client for client in fake.clients() if client.blocked_on]
    assert (waiting.name, waiting.blocked_on) == ("worker-7", "BRPOP queue:mail")
    assert str(waiting).startswith("worker-7 at 127.0.0.1:")


def wait_until_blocked(wire, count: int = 1) -> None:
    """Commands are answered in order of arrival, so a few questions are enough to let a sent one be read."""
    for _ in range(1000):
        if f"blocked_clients:{count}".encode() in wire.ask("INFO", "clients"):
            return
    raise AssertionError("no client is blocked")


def test_a_client_that_waited_and_has_gone_gets_no_job_whatever_it_sent_after_that(server, connect) -> None:
    wire, other = connect(server), connect(server)
    wire.send(encode_command([b"BLPOP", b"queue", b"0"]) + encode_command([b"PING"]))
    wait_until_blocked(other)
    wire.send(encode_command([b"PING"]))
    wire.close()
    wait_until_blocked(other, 0)
    other.ask("RPUSH", "queue", "job")
    assert other.ask("LPOP", "queue") == b"job"


def test_what_a_client_sends_while_it_waits_is_held_back_and_then_answered_in_order(server, connect) -> None:
    wire, other = connect(server), connect(server)
    wire.send(encode_command([b"BLPOP", b"queue", b"0"]))
    wait_until_blocked(other)
    count = 40
    sender = threading.Thread(
        target=wire.send, args=(encode_command([b"ECHO", b"x" * 100_000]) * count + b"PING\r\n",)
    )
    sender.start()
    assert other.ask("RPUSH", "queue", "job") == 1
    assert wire.reply() == [b"queue", b"job"]
    assert {len(wire.reply()) for _ in range(count)} == {100_000}
    assert wire.reply() == b"PONG"
    sender.join()


def test_a_hook_sees_each_command_of_the_services_and_none_of_the_direct_ones(server, connect) -> None:
    seen = []
    remove = server.add_hook(lambda _connection, argv: seen.append(argv))
    wire, direct = connect(server), connect(server, direct=True)
    wire.send(encode_command([b"SET", b"a", b"1"]) + encode_command([b"GET", b"a"]))
    assert [wire.reply(), wire.reply()] == [b"OK", b"1"]
    direct.ask("GET", "a")
    remove()
    wire.ask("GET", "b")
    assert seen == [[b"SET", b"a", b"1"], [b"GET", b"a"]]


def test_a_mistake_inside_is_an_error_reply_and_the_connection_stays(fake, connect, caplog) -> None:
    def mistaken(_connection, argv) -> None:
        if argv == [b"GET", b"a"]:
            raise ZeroDivisionError("two\r\nlines")

    remove = fake.add_hook(mistaken)
    wire = connect(fake)
    reply = wire.ask("GET", "a")
    remove()
    assert isinstance(reply, Error)
    assert reply.text == (
        "ERR the in-memory Redis failed in GET (ZeroDivisionError: two lines); try --redis=server"
    )
    assert wire.ask("GET", "a") is None
    assert "ZeroDivisionError" in caplog.text


def test_closing_leaves_no_thread_no_descriptor_and_no_listener(server) -> None:
    def held() -> tuple[set[str], int]:
        return {thread.name for thread in threading.enumerate()}, len(list(Path("/proc/self/fd").iterdir()))

    with pytest_jobqueue.serve(server.mode):
        pass  # what is imported and opened once for good is not counted
    before = held()
    for _ in range(3):
        with pytest_jobqueue.serve(server.mode) as another:
            clients = [redis.Redis.from_url(another.url) for _ in range(5)]
            for client in clients:
                client.ping()
            port = another.port
        for client in clients:
            client.close()
    assert held() == before
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port))


def test_closing_twice_is_harmless() -> None:
    server = pytest_jobqueue.serve("fake")
    server.close()
    server.close()


def test_a_script_that_forgets_to_close_still_ends() -> None:
    script = (
        "import pytest_jobqueue as p, redis; s = p.serve('fake'); print(redis.Redis.from_url(s.url).ping())"
    )
    ended = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=30, check=True
    )
    assert (ended.stdout, ended.stderr) == ("True\n", "")


def test_many_clients_at_once(server) -> None:
    with redis.Redis.from_url(server.url) as client:
        wires = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(300)]
        try:
            for wire in wires:
                wire.sendall(encode_command([b"INCR", b"hits"]))
            replies = sorted(int(wire.recv(100)[1:-2]) for wire in wires)
        finally:
            for wire in wires:
                wire.close()
        assert replies == list(range(1, 301))
        assert client.get("hits") == b"300"


def test_idle_clients_cost_no_thread_and_no_time(server, connect) -> None:
    threads = threading.active_count()
    wires = [connect(server) for _ in range(300)]
    for wire in wires:
        wire.ask("PING")
    assert threading.active_count() == threads
    used = time.process_time()
    # Nothing is to happen, so there is no event to wait for.
    assert select.select([wire.socket for wire in wires], [], [], 0.33) == ([], [], [])
    assert time.process_time() - used < 0.01


# Bad input: what a real Redis answers, on both.


@pytest.mark.parametrize(
    ("sent", "answer"),
    [
        (b"*1\r\n+PING\r\n", b"-ERR Protocol error: expected '$', got '+'\r\n"),
        (b"*x\r\n", b"-ERR Protocol error: invalid multibulk length\r\n"),
        (b"*2147483648\r\n", b"-ERR Protocol error: invalid multibulk length\r\n"),
        (b"*1\r\n$-5\r\n", b"-ERR Protocol error: invalid bulk length\r\n"),
        (b"*1\r\n$536870913\r\n", b"-ERR Protocol error: invalid bulk length\r\n"),
        (b"*1\r\n$abc\r\n", b"-ERR Protocol error: invalid bulk length\r\n"),
        (b'set "open\r\n', b"-ERR Protocol error: unbalanced quotes in request\r\n"),
        (b"x" * 70_000, b"-ERR Protocol error: too big inline request\r\n"),
        (b"*" + b"1" * 70_000, b"-ERR Protocol error: too big mbulk count string\r\n"),
        (b"*1\r\n$" + b"1" * 70_000, b"-ERR Protocol error: too big bulk count string\r\n"),
    ],
)
def test_malformed_input_is_answered_as_redis_does_and_hurts_nobody_else(
    server, connect, sent, answer
) -> None:
    wire, other = connect(server), connect(server)
    wire.send(encode_command([b"SET", b"before", b"1"]) + sent)
    assert wire.rest() == b"+OK\r\n" + answer
    assert other.ask("GET", "before") == b"1"


def test_empty_commands_and_blank_lines_are_ignored(server, connect) -> None:
    wire = connect(server)
    wire.send(b"*0\r\n\r\n*-1\r\nPING\r\n")
    assert wire.reply() == b"PONG"


def test_an_error_reply_leaves_the_connection_open(server, connect) -> None:
    wire = connect(server)
    assert isinstance(wire.ask("NO-SUCH-COMMAND"), Error)
    assert wire.ask("PING") == b"PONG"


def test_a_command_in_single_bytes(server, connect) -> None:
    wire = connect(server)
    wire.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for byte in encode_command([b"SET", b"key", b"value"]):
        wire.send(bytes([byte]))
    assert wire.reply() == b"OK"


def test_half_a_command_then_silence_keeps_nobody_waiting(server, connect) -> None:
    wire, other = connect(server), connect(server)
    wire.send(b"*3\r\n$3\r\nSET\r\n$1\r\na\r\n$536870912\r\nhalf")
    assert other.ask("PING") == b"PONG"
    wire.close()
    assert other.ask("EXISTS", "a") == 0


@pytest.mark.parametrize(
    "sent",
    [
        b"*1\r\n+PING\r\n",
        b"\xff\x00" * 70_000,
        b"*3\r\n$3\r\nSET\r\n$1\r\na\r\n$536870912\r\n",
        b"*2\r\n$3\r\nGET\r\n$3\r\nb",
        encode_command([b"GET", b"big"]) * 100,
        encode_command([b"BLPOP", b"nothing", b"0"]) + encode_command([b"GET", b"big"]) * 100,
    ],
    ids=["malformed", "binary", "512 MB announced", "half a command", "never reads", "waits, never reads"],
)
def test_bad_input_leaves_nothing_behind(server, connect, sent) -> None:
    other = connect(server)
    other.ask("SET", "big", b"x" * 1_000_000)

    def held() -> tuple[list[str], int, int]:
        clients = [client.address for client in server.clients()]
        return clients, descriptors(), threading.active_count()

    before = held()
    for _ in range(5):
        wire = connect(server)
        wire.send(sent)
        other.ask("PING")
        wire.close()
    for _ in range(1000):
        if held() == before:
            break
        other.ask("PING")
    assert held() == before


@pytest.fixture
def small_query_buffer(server, connect) -> Iterator[None]:
    """A server that keeps a megabyte of an unfinished command."""
    client = connect(server, direct=True)
    (name, usual) = client.ask("CONFIG", "GET", "client-query-buffer-limit")
    assert usual == b"1073741824"
    client.ask("CONFIG", "SET", name, "1mb")
    yield
    client.ask("CONFIG", "SET", name, usual)


@pytest.mark.usefixtures("small_query_buffer")
def test_a_command_that_does_not_end_costs_its_client_the_connection(server, connect, caplog) -> None:
    wire, other = connect(server), connect(server)
    assert wire.ask("SET", "a", b"x" * 1_000_000) == b"OK"
    with pytest.raises((ConnectionError, EOFError)):
        wire.ask("SET", "a", b"x" * 3_000_000)
    assert other.ask("STRLEN", "a") == 1_000_000
    assert ("which sent more than 1048576 bytes of one command" in caplog.text) == (server.mode == "fake")


def test_a_flood_of_commands_whose_replies_nobody_reads_is_held_back(fake, connect) -> None:
    reader, flooder = connect(fake), connect(fake)
    reader.ask("SET", "big", b"x" * 1_000_000)
    flooder.socket.settimeout(0.5)
    request = encode_command([b"GET", b"big"]) * 100
    sent = 0
    with contextlib.suppress(TimeoutError):
        for _ in range(100_000):
            sent += flooder.socket.send(request)
    # Between them the kernel's buffers and ours hold the requests; the replies would be a million times more.
    assert sent < 50_000_000
    assert reader.ask("PING") == b"PONG"
    assert resident_megabytes() < 1_000
    flooder.close()
    assert reader.ask("PING") == b"PONG"


def test_what_was_held_back_is_answered_in_full_once_the_client_reads(fake, connect) -> None:
    wire = connect(fake)
    wire.ask("SET", "big", b"x" * 300_000)
    count = 200
    wire.send(encode_command([b"GET", b"big"]) * count + encode_command([b"PING"]))
    assert {len(wire.reply()) for _ in range(count)} == {300_000}
    assert wire.reply() == b"PONG"


def test_a_subscriber_that_does_not_read_is_cut_off(fake, connect) -> None:
    sleeper, publisher = connect(fake), connect(fake)
    sleeper.ask("SUBSCRIBE", "news")
    message = b"x" * 1_000_000
    for _ in range(200):
        if publisher.ask("PUBLISH", "news", message) == 0:
            break
    else:
        raise AssertionError("the subscriber took 200 MB without reading")
    assert publisher.ask("PING") == b"PONG"
