"""A server of each kind that is at hand, and a raw socket on it that speaks RESP without a client library."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from support.tools import need

import pytest_jobqueue
from pytest_jobqueue.wire.resp import ReplyParser, encode_command

PATIENCE = 10.0  # seconds until a reply that does not come fails the test


class Wire:
    """One raw connection: bytes out, bytes and replies in."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), PATIENCE)
        self._parser = ReplyParser()
        self._replies = []

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def reply(self):
        while not self._replies:
            data = self.socket.recv(65536)
            if not data:
                raise EOFError("the server closed the connection")
            self._replies += [reply.value for reply in self._parser.feed(data)]
        return self._replies.pop(0)

    def ask(self, *words: bytes | str | int):
        self.send(encode_command([word if isinstance(word, bytes) else str(word).encode() for word in words]))
        return self.reply()

    def rest(self) -> bytes:
        """Everything until the server hangs up."""
        found = b""
        while data := self.socket.recv(65536):
            found += data
        return found

    def close(self) -> None:
        self.socket.close()


@pytest.fixture(scope="module", params=["fake", "server"])
def any_server(request) -> Iterator[pytest_jobqueue.Server]:
    if request.param == "server":
        need("server")
    with pytest_jobqueue.serve(request.param) as server:
        yield server


@pytest.fixture(scope="module")
def fake_server() -> Iterator[pytest_jobqueue.Server]:
    with pytest_jobqueue.serve("fake") as server:
        yield server


@pytest.fixture
def server(any_server) -> pytest_jobqueue.Server:
    any_server.reset()
    return any_server


@pytest.fixture
def fake(fake_server) -> pytest_jobqueue.Server:
    fake_server.reset()
    return fake_server


@pytest.fixture
def connect(request) -> Iterator:
    """Make raw connections; they are closed with the test."""
    with ExitStack() as stack:

        def connect(server, *, direct: bool = False) -> Wire:
            port = int(server.direct_url.rpartition(":")[2].partition("/")[0]) if direct else server.port
            wire = Wire(port)
            stack.callback(wire.close)
            return wire

        yield connect
