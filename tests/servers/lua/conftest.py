"""Scripts with the replies that a real Redis 7.0 gave, run on our engine and, if there is one, a real server.

A `.rows` file holds a script in lines that begin with `>` and, after `<`, its reply as it came over the wire
with the escapes of Python's bytes. SHA1s and addresses are replaced by a word. A script puts back what
settings it changes. Both sides see the same data: a list, a hash, a set and a sorted set.
"""

from __future__ import annotations

import re
import shutil
import socket
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
from support.tools import need

from pytest_jobqueue.servers.lua.engine import ScriptEngine
from pytest_jobqueue.wire.resp import Error, ReplyEncoder, ReplyParser, Simple, encode_command

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Answer = Callable[..., bytes]

NOT_ALLOWED = Error("ERR This Redis command is not allowed from scripts")
WRONG_TYPE = Error("WRONGTYPE Operation against a key holding the wrong kind of value")
NOT_AN_INTEGER = Error("ERR value is not an integer or out of range")

ARRANGE: list[tuple[bytes, ...]] = [
    (b"rpush", b"L", b"one", b"two"),
    (b"hset", b"H", b"field", b"value"),
    (b"sadd", b"S", b"member"),
    (b"zadd", b"Z", b"1.5", b"member"),
    (b"set", b"N", b"41"),
]


def call(argv: list[bytes]) -> Any:
    """The few commands that the rows use, on the data that ARRANGE makes."""
    name = argv[0].lower()
    if name in (b"eval", b"multi", b"subscribe", b"blpop") or argv[:2] == [b"config", b"get"]:
        return NOT_ALLOWED
    if name == b"hset" and len(argv) == 5:
        return Error("ERR wrong number of arguments for 'hset' command")
    if name in (b"incr", b"config", b"xgroup") and len(argv) == 1:
        return Error(f"ERR wrong number of arguments for '{name.decode()}' command")
    return {
        (b"echo", *argv[1:]): argv[-1],
        (b"ping",): Simple(b"PONG"),
        (b"get", b"nokey"): None,
        (b"get", b"N"): b"41",
        (b"get", b"L"): WRONG_TYPE,
        (b"incr", b"L"): WRONG_TYPE,
        (b"strlen", b"N"): 2,
        (b"lrange", b"L", b"0", b"-1"): [b"one", b"two"],
        (b"mget", b"N", b"nokey"): [b"41", None],
        (b"hgetall", b"H"): {b"field": b"value"},
        (b"smembers", b"S"): {b"member"},
        (b"zscore", b"Z", b"member"): 1.5,
        (b"set", b"x", b"y", b"px", b"abc"): NOT_AN_INTEGER,
    }.get((name, *argv[1:]), Error(f"ERR unknown command '{name.decode()}', with args beginning with: "))


def clean(reply: bytes) -> bytes:
    """A reply without what differs from run to run."""
    reply = re.sub(rb"script: [0-9a-f]{40}", b"script: <sha>", reply)
    return re.sub(rb"0x[0-9a-f]{8,}", b"<address>", reply)


class OnEngine:
    """Answers like a connection that sends EVAL, without one."""

    def __init__(self) -> None:
        self.engine = ScriptEngine(
            call, "7.0.15", is_write={b"set", b"incr"}.__contains__, is_command={b"get"}.__contains__
        )

    def __call__(self, script: bytes, *args: bytes) -> bytes:
        try:
            reply = self.engine.eval(script, [], args)
        except Error as error:
            reply = error
        return clean(ReplyEncoder(2).encode(reply))


class OnServer:
    """Sends EVAL to a real server and gives the reply's bytes."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=10)
        self._parser = ReplyParser()

    def command(self, *words: bytes) -> bytes:
        self._socket.sendall(encode_command(words))
        while True:
            data = self._socket.recv(1 << 20)
            assert data, "the server hung up"
            for reply in self._parser.feed(data):
                return reply.raw

    def __call__(self, script: bytes, *args: bytes) -> bytes:
        return clean(self.command(b"eval", script, b"0", *args))

    def close(self) -> None:
        self._socket.close()


@pytest.fixture(scope="session")
def on_engine() -> Answer:
    return OnEngine()


@pytest.fixture(scope="session")
def on_server() -> Iterator[Answer]:
    need("server")
    binary = shutil.which("redis-server")
    if binary is None:
        pytest.skip("the replies are those of redis-server, and there is only another server here")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [binary, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--loglevel", "notice"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            for line in process.stdout:
                if b"Ready to accept connections" in line:
                    break
            server = OnServer(port)
            for words in ARRANGE:
                server.command(*words)
            if b"redis_version:7.0." not in server.command(b"info", b"server"):
                pytest.skip("the replies are those of Redis 7.0, and this server is of another version")
            yield server
            server.close()
        finally:
            process.terminate()
            process.stdout.close()


@pytest.fixture(params=["on_engine", "on_server"])
def answer(request: pytest.FixtureRequest) -> Answer:
    """Either side, for tests that know what the reply is to be."""
    side: Answer = request.getfixturevalue(request.param)
    return side
