"""The byte pump: bytes pass unread and unchanged, both ends close together, nobody is left waiting."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import socket
import ssl
import threading
import time
from typing import TYPE_CHECKING

import pytest
import redis
from support.processes import foreign_server, resident_megabytes
from support.tools import need

import pytest_jobqueue
from pytest_jobqueue.servers import loop, upstream
from pytest_jobqueue.servers.front import Front
from pytest_jobqueue.servers.process import _free_port
from pytest_jobqueue.servers.upstream import UpstreamBackend, target_of
from pytest_jobqueue.wire.resp import encode_command

if TYPE_CHECKING:
    from collections.abc import Iterator


class Somewhere:
    """A provider of an address at which this test listens itself."""

    mode, version = "url", "0"

    def __init__(self, url: str) -> None:
        self.url = self.nearest = url

    def describe(self) -> str:
        return "a listener"


@pytest.fixture
def peer():
    """A listening socket, and a front before it."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(10)
        front = Front(UpstreamBackend(Somewhere(f"redis://127.0.0.1:{listening.getsockname()[1]}")))
        yield listening, front
        front.close()


def test_bytes_pass_unchanged_in_both_directions(peer) -> None:
    listening, front = peer
    with socket.create_connection(("127.0.0.1", front.port), 10) as client:
        client.sendall(b"\x00not RESP at all\xff")
        there, _ = listening.accept()
        with there:
            assert there.recv(100) == b"\x00not RESP at all\xff"
            there.sendall(b"\r\nneither\r\n")
            assert client.recv(100) == b"\r\nneither\r\n"


def test_a_server_that_speaks_first_and_hangs_up_is_heard_whenever_it_does(peer) -> None:
    listening, front = peer
    for _ in range(200):
        with socket.create_connection(("127.0.0.1", front.port), 10) as client:
            there, _ = listening.accept()
            there.sendall(b"hello")
            there.close()
            assert read_exactly(client, 5) == b"hello"
            assert hung_up(client)


def test_a_megabyte_in_each_direction_at_once(peer) -> None:
    listening, front = peer
    data = bytes(range(256)) * 4096 * 8
    with socket.create_connection(("127.0.0.1", front.port), 10) as client:
        there, _ = listening.accept()
        with there:
            there.settimeout(10)
            writers = [threading.Thread(target=end.sendall, args=(data,)) for end in (client, there)]
            for writer in writers:
                writer.start()
            received = [read_exactly(end, len(data)) for end in (there, client)]
            for writer in writers:
                writer.join(10)
    assert received == [data, data]


@pytest.mark.parametrize("who", ["client", "redis"])
def test_who_does_not_read_holds_back_the_other_end_and_nobody_else(peer, who) -> None:
    listening, front = peer
    before = resident_megabytes()
    with socket.create_connection(("127.0.0.1", front.port), 10) as client:
        there, _ = listening.accept()
        with there:
            sender, reader = (there, client) if who == "client" else (client, there)
            sent = send_until_it_blocks(sender)
            # The kernel holds some megabytes in each socket, the front some kilobytes.
            assert 0 < sent < 100_000_000
            assert resident_megabytes() - before < 50
            with socket.create_connection(("127.0.0.1", front.port), 10) as second:
                other, _ = listening.accept()
                with other:
                    second.sendall(b"PING")
                    assert read_exactly(other, 4) == b"PING"
                    other.sendall(b"PONG")
                    assert read_exactly(second, 4) == b"PONG"
            assert read_exactly(reader, sent) == bytes(sent)


def send_until_it_blocks(end: socket.socket) -> int:
    """Send zeros until nobody takes more for half a second; returns how many bytes were taken."""
    end.settimeout(0.5)
    sent = 0
    with contextlib.suppress(TimeoutError):
        while sent < 1_000_000_000:
            sent += end.send(bytes(65536))
    return sent


def read_exactly(end: socket.socket, count: int) -> bytes:
    found = bytearray()
    while len(found) < count:
        chunk = end.recv(65536)
        assert chunk, f"closed after {len(found)} of {count} bytes"
        found += chunk
    return bytes(found)


def test_when_redis_hangs_up_so_does_the_front(peer) -> None:
    listening, front = peer
    with socket.create_connection(("127.0.0.1", front.port), 10) as client:
        there, _ = listening.accept()
        there.close()
        assert client.recv(10) == b""


def hung_up(end: socket.socket) -> bool:
    try:
        return end.recv(10) == b""
    except ConnectionResetError:
        return True


def test_when_the_client_hangs_up_redis_is_told(peer) -> None:
    listening, front = peer
    with socket.create_connection(("127.0.0.1", front.port), 10):
        there, _ = listening.accept()
    with there:
        there.settimeout(10)
        assert there.recv(10) == b""


def test_clients_that_come_and_go_leave_nothing_behind() -> None:
    need("server")
    with pytest_jobqueue.serve("server") as server, redis.Redis.from_url(server.direct_url) as direct:
        for _ in range(20):
            with redis.Redis.from_url(server.url) as client:
                client.incr("visits")
        assert direct.get("visits") == b"20"
        with redis.Redis.from_url(server.url) as last:
            last.ping()
            # What this client asks is answered after the goodbyes of those before it have been read.
            for _ in range(1000):
                if len(server.clients()) == 1:
                    break
                last.ping()
            assert len(server.clients()) == 1
            assert len(direct.client_list()) <= 3


def test_a_redis_that_is_not_there_closes_the_clients_connection() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    front = Front(UpstreamBackend(Somewhere(f"redis://127.0.0.1:{port}")))
    try:
        with socket.create_connection(("127.0.0.1", front.port), 10) as client:
            assert hung_up(client)
    finally:
        front.close()


def test_hooks_see_commands_that_come_in_pieces_and_the_bytes_stay_the_same(peer) -> None:
    listening, front = peer
    seen = []
    front.add_hook(lambda _connection, argv: seen.append(argv))
    sent = encode_command([b"SET", b"a", b"1"]) * 2
    with socket.create_connection(("127.0.0.1", front.port), 10) as client:
        there, _ = listening.accept()
        with there:
            there.settimeout(10)
            client.sendall(sent[:13])
            assert read_exactly(there, 13) == sent[:13]
            assert seen == []
            client.sendall(sent[13:])
            assert read_exactly(there, len(sent) - 13) == sent[13:]
    assert seen == [[b"SET", b"a", b"1"]] * 2


@pytest.mark.parametrize(
    ("url", "host", "port", "path"),
    [
        ("redis://example.test", "example.test", 6379, ""),
        ("redis://user:secret@example.test:7000/3", "example.test", 7000, ""),
        ("redis://[::1]:7000", "::1", 7000, ""),
        ("unix:///run/redis/redis%20one.sock?db=2", "", 0, "/run/redis/redis one.sock"),
    ],
)
def test_where_a_url_leads(url, host, port, path) -> None:
    target = target_of(url)
    assert (target.host, target.port, target.path, target.tls) == (host, port, path, None)


def test_a_rediss_url_checks_certificates_unless_told_not_to() -> None:
    strict = target_of("rediss://example.test").tls
    assert strict is not None
    assert (strict.verify_mode, strict.check_hostname) == (ssl.CERT_REQUIRED, True)
    lax = target_of("rediss://example.test?ssl_cert_reqs=none").tls
    assert lax is not None
    assert (lax.verify_mode, lax.check_hostname) == (ssl.CERT_NONE, False)


def test_a_real_servers_death_closes_the_clients_connections() -> None:
    need("server")
    with pytest_jobqueue.serve("server") as server, redis.Redis.from_url(server.url) as client:
        client.ping()
        with redis.Redis.from_url(server.direct_url) as direct:
            direct.shutdown(nosave=True)
        with pytest.raises(redis.ConnectionError):
            client.execute_command("PING")


@pytest.fixture
def tls_url(certificate) -> Iterator[str]:
    """A real Redis that speaks TLS only."""
    need("server")
    cert, key = certificate
    port = str(_free_port())
    options = ["--tls-port", port, "--tls-cert-file", cert, "--tls-key-file", key]
    with foreign_server(*options, "--tls-ca-cert-file", cert, "--tls-auth-clients", "no"):
        yield f"rediss://localhost:{port}?ssl_ca_certs={cert}"


def test_jobs_and_large_values_pass_through_tls(tls_url) -> None:
    large = b"x" * 500_000
    with (
        pytest_jobqueue.serve(tls_url) as server,
        pytest_jobqueue.JobQueue({"Add": lambda a, b: a + b}, server) as jobqueue,
        redis.Redis.from_url(server.url) as client,
    ):
        client.set("large", large)
        assert client.get("large") == large
        jobqueue.producer.enqueue("Add", 2, 3)
        assert jobqueue.worker.drain().results == [5]


@pytest.fixture(params=["usual", "asyncio"])
def each_loop(request, monkeypatch) -> None:
    """The loop that is chosen here, which is uvloop's where that is installed, and asyncio's own."""
    if request.param == "asyncio":
        monkeypatch.setattr(loop, "_new_loop", asyncio.SelectorEventLoop)


# A transport that nobody closed warns when it is collected, and a warning is an error here.


@pytest.mark.usefixtures("each_loop")
def test_closing_leaves_no_tls_connection_half_closed(tls_url) -> None:
    for _ in range(20):
        with pytest_jobqueue.serve(tls_url) as server:
            clients = [redis.Redis.from_url(server.url) for _ in range(5)]
            for client in clients:
                client.set("greeting", "hello")
            for client in clients:
                client.close()
    gc.collect()


@pytest.mark.usefixtures("each_loop")
def test_closing_while_a_tls_handshake_hangs_leaves_nothing() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(10)
        url = f"rediss://127.0.0.1:{listening.getsockname()[1]}"
        for _ in range(10):
            front = Front(UpstreamBackend(Somewhere(url)))
            with socket.create_connection(("127.0.0.1", front.port), 10):
                there, _ = listening.accept()
                with there:
                    assert there.recv(5)  # the client's hello, which is never answered
                    front.close()
    gc.collect()


@pytest.mark.usefixtures("each_loop")
def test_closing_does_not_wait_for_ever_for_a_goodbye(certificate, monkeypatch) -> None:
    monkeypatch.setattr(upstream, "GOODBYE_TIMEOUT", 0.05)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*certificate)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(10)
        url = f"rediss://127.0.0.1:{listening.getsockname()[1]}?ssl_ca_certs={certificate[0]}"
        front = Front(UpstreamBackend(Somewhere(url)))
        with socket.create_connection(("127.0.0.1", front.port), 10) as client:
            accepted, _ = listening.accept()
            accepted.settimeout(10)
            there = context.wrap_socket(accepted, server_side=True)
            client.sendall(b"PING")
            assert there.recv(4) == b"PING"
        with there:
            assert there.recv(1) == b""  # the front's goodbye, which is never answered
            began = time.perf_counter()
            front.close()
            assert time.perf_counter() - began < 1
    gc.collect()
