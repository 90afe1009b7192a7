"""The memory without a network: sessions whose owner writes down what it is told.

What commands answer is compared with a real server elsewhere (`tests/differential`); here is what only the
memory has: the clock, being emptied, waiting, and the imitated release.
"""

from __future__ import annotations

import ast
import re
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import time_machine

from pytest_jobqueue.servers import engine
from pytest_jobqueue.servers.engine import Memory

if TYPE_CHECKING:
    from collections.abc import Iterator


class Client:
    """A session and its owner in one."""

    peer, local, descriptor = "127.0.0.1:50000", "127.0.0.1:6379", 7

    def __init__(self, memory: Memory) -> None:
        self.delivered = b""
        self.waiting: float | bool | None = False
        self.gone = False
        self.session = memory.open(self)

    def __call__(self, *argv: str) -> bytes:
        out: list[bytes] = []
        self.session.execute([word.encode() for word in argv], out)
        return b"".join(out)

    def deliver(self, data: bytes) -> None:
        self.delivered += data

    def waits(self, timeout: float | None) -> None:
        self.waiting = timeout

    def resumes(self) -> None:
        self.waiting = False

    def hang_up(self) -> None:
        self.gone = True


@pytest.fixture
def memory() -> Memory:
    return Memory("7.4.0")


@pytest.fixture
def client(memory) -> Client:
    return Client(memory)


@pytest.fixture
def other(memory) -> Client:
    return Client(memory)


def test_a_key_expires_by_the_clock_of_the_process(client):
    with time_machine.travel("2030-01-01T00:00:00+00:00", tick=False) as clock:
        assert client("SET", "key", "value", "EX", "10") == b"+OK\r\n"
        clock.shift(timedelta(seconds=9.5))
        assert client("TTL", "key") == b":1\r\n"
        assert client("PTTL", "key") == b":500\r\n"
        clock.shift(timedelta(seconds=0.5))
        assert client("GET", "key") == b"$-1\r\n"
        assert client("DBSIZE") == b":0\r\n"


def test_the_idle_time_of_an_entry_goes_by_the_same_clock(client):
    with time_machine.travel("2030-01-01T00:00:00+00:00", tick=False) as clock:
        client("XGROUP", "CREATE", "stream", "group", "0", "MKSTREAM")
        client("XADD", "stream", "1-1", "field", "value")
        client("XREADGROUP", "GROUP", "group", "dead", "STREAMS", "stream", ">")
        assert b"1-1" not in client("XAUTOCLAIM", "stream", "group", "alive", "60000", "0", "JUSTID")
        clock.shift(timedelta(minutes=1))
        assert b"1-1" in client("XAUTOCLAIM", "stream", "group", "alive", "60000", "0", "JUSTID")


@pytest.mark.parametrize(
    ("argv", "timeout"),
    [
        (("BLPOP", "list", "0"), None),
        (("BRPOP", "list", "1.5"), 1.5),
        (("BLMOVE", "list", "there", "LEFT", "LEFT", "2"), 2.0),
        (("BLMPOP", "3", "1", "list", "LEFT"), 3.0),
        (("BZPOPMIN", "zset", "0.25"), 0.25),
        (("XREAD", "BLOCK", "50", "STREAMS", "stream", "$"), 0.05),
        (("DEBUG", "SLEEP", "0.5"), 0.5),
    ],
)
def test_the_owner_is_told_how_long_a_command_waits(client, argv, timeout):
    assert client(*argv) == b""
    assert client.waiting == timeout
    assert client.session.waiter is not None


def test_what_comes_late_is_delivered_and_the_waiting_is_over(client, other):
    client("BLPOP", "list", "0")
    assert other("RPUSH", "list", "job") == b":1\r\n"
    assert client.delivered == b"*2\r\n$4\r\nlist\r\n$3\r\njob\r\n"
    assert client.waiting is False
    assert client.session.waiter is None


def test_a_session_waits_in_the_database_that_it_had_selected(client, other):
    client("SELECT", "3")
    client("BLPOP", "list", "0")
    other("RPUSH", "list", "wrong")
    assert client.delivered == b""
    other("SELECT", "3")
    other("RPUSH", "list", "right")
    assert client.delivered.endswith(b"right\r\n")


def test_a_session_that_has_gone_takes_nothing(memory, client, other):
    client("BLPOP", "list", "0")
    client.session.close()
    other("RPUSH", "list", "job")
    assert client.delivered == b""
    assert other("LLEN", "list") == b":1\r\n"
    assert memory.store.dbs[0].waiting == {}


def test_emptying_the_memory_ends_the_waiting(memory, client, other):
    client("BLPOP", "list", "0")
    memory.reset()
    assert client.delivered == b"-UNBLOCKED the in-memory Redis was emptied\r\n"
    assert client.waiting is False
    other("RPUSH", "list", "job")
    assert client("LPOP", "list") == b"$3\r\njob\r\n"


def test_nothing_of_a_session_outlives_an_emptying(memory, client, other):
    client("SELECT", "3")
    client("WATCH", "key")
    client("MULTI")
    other("SUBSCRIBE", "channel")
    other.delivered = b""
    memory.reset()
    assert client("PUBLISH", "channel", "message") == b":0\r\n"
    assert other.delivered == b""
    assert b" db=0 " in client("CLIENT", "INFO")
    assert other("GET", "key") == b"$-1\r\n", "it is no subscriber any more"


@pytest.mark.parametrize(
    "change", [("EVAL", "return 1", "0"), ("CONFIG", "SET", "timeout", "9"), ("SET", "a", "b")]
)
def test_an_emptied_memory_is_as_new(memory, client, change):
    client(*change)
    memory.reset()
    assert client("SCRIPT", "EXISTS", "e0e1f9fabfc9d4800c877a703b823ac0578ff8db") == b"*1\r\n:0\r\n"
    assert client("CONFIG", "GET", "timeout") == b"*2\r\n$7\r\ntimeout\r\n$1\r\n0\r\n"
    assert client("DBSIZE") == b":0\r\n"


def test_an_emptied_memory_runs_scripts_in_another_lua(memory, client):
    """What a script can leave behind in one, such as a setting of cjson, is gone with it."""
    encode = ("EVAL", "return cjson.encode(1/3)", "0")
    client("EVAL", "cjson.encode_number_precision(3)", "0")
    assert client(*encode) == b"$5\r\n0.333\r\n"
    before = memory.scripts()
    memory.reset()
    assert client(*encode) == b"$16\r\n0.33333333333333\r\n"
    assert memory.scripts() is not before


def test_an_emptied_memory_runs_functions_in_another_lua(client, memory):
    library = (
        "#!lua name=lib\nlocal calls = 0\n"
        "redis.register_function('count', function() calls = calls + 1 return calls end)\n"
        "redis.register_function('encode', function() return cjson.encode(1/3) end)\n"
        "redis.register_function('set', function() return cjson.encode_number_precision(3) end)"
    )
    client("FUNCTION", "LOAD", library)
    assert [client("FCALL", "count", "0") for _ in range(2)] == [b":1\r\n", b":2\r\n"]
    client("FCALL", "set", "0")
    assert client("FCALL", "encode", "0") == b"$5\r\n0.333\r\n"
    memory.reset()
    assert client("FCALL", "count", "0").startswith(b"-ERR Function not found")
    client("FUNCTION", "LOAD", library)
    assert client("FCALL", "count", "0") == b":1\r\n"
    assert client("FCALL", "encode", "0") == b"$16\r\n0.33333333333333\r\n"


@pytest.mark.parametrize("active", ["0", "1"])
def test_an_expired_key_is_never_seen_whatever_debug_says(client, active):
    assert client("DEBUG", "SET-ACTIVE-EXPIRE", active) == b"+OK\r\n"
    with time_machine.travel(2_000_000_000) as clock:
        client("SET", "key", "value", "PX", "100")
        clock.shift(timedelta(seconds=1))
        assert client("DBSIZE") == b":0\r\n"
        assert client("GET", "key") == b"$-1\r\n"


@pytest.mark.parametrize(
    ("version", "argv", "known"),
    [
        ("7.0.15", ("HEXPIRE", "h", "9", "FIELDS", "1", "f"), False),
        ("7.4.0", ("HEXPIRE", "h", "9", "FIELDS", "1", "f"), True),
        ("7.0.15", ("CLIENT", "SETINFO", "LIB-NAME", "me"), False),
        ("7.2.0", ("CLIENT", "SETINFO", "LIB-NAME", "me"), True),
        ("7.4.0", ("LMOVEM", "a", "b", "LEFT", "LEFT"), False),
    ],
)
def test_a_command_is_there_from_the_release_that_brought_it(version, argv, known):
    assert (b"unknown" not in Client(Memory(version))(*argv)) == known


def test_a_library_that_says_its_name_is_shown_with_it(client, other):
    assert library_in(client("CLIENT", "INFO")) == b" lib-name= lib-ver="
    assert client("CLIENT", "SETINFO", "LIB-NAME", "redis-py(arq_v0.26)") == b"+OK\r\n"
    assert client("CLIENT", "SETINFO", "lib-ver", "8.1.0") == b"+OK\r\n"
    shown = b" lib-name=redis-py(arq_v0.26) lib-ver=8.1.0"
    assert library_in(client("CLIENT", "INFO")) == shown
    rows = [row for row in other("CLIENT", "LIST").splitlines() if b"id=" in row]
    assert [library_in(row) for row in rows] == [shown, b" lib-name= lib-ver="]


@pytest.mark.parametrize(
    ("attribute", "value", "complaint"),
    [
        ("LIB-NAME", "redis py", "lib-name cannot contain spaces, newlines or special characters."),
        ("lib-ver", "8\n1", "lib-ver cannot contain spaces, newlines or special characters."),
        ("LIB-VER", "8é", "lib-ver cannot contain spaces, newlines or special characters."),
        ("LIB-AGE", "8", "Unrecognized option 'LIB-AGE'"),
    ],
)
def test_a_library_that_says_nonsense_is_refused(client, attribute, value, complaint):
    before = client("CLIENT", "INFO")
    assert client("CLIENT", "SETINFO", attribute, value) == f"-ERR {complaint}\r\n".encode()
    assert library_in(client("CLIENT", "INFO")) == library_in(before)


def library_in(info: bytes) -> bytes:
    return re.findall(rb" lib-name=.* lib-ver=\S*", info)[0]


def test_reset_forgets_the_clients_name_and_keeps_its_librarys(client):
    client("CLIENT", "SETNAME", "worker")
    client("CLIENT", "SETINFO", "LIB-NAME", "redis-py")
    client("CLIENT", "SETINFO", "LIB-VER", "8.1.0")
    assert client("RESET") == b"+RESET\r\n"
    info = client("CLIENT", "INFO")
    assert b" name= " in info
    assert library_in(info) == b" lib-name=redis-py lib-ver=8.1.0"
    client("CLIENT", "SETINFO", "LIB-NAME", "")
    assert library_in(client("CLIENT", "INFO")) == b" lib-name= lib-ver=8.1.0"


def test_a_mistake_in_a_script_leaves_the_session_as_it_was(client):
    client("HELLO", "3")
    client("HSET", "hash", "field", "value")
    assert client("EVAL", "redis.setresp(2) redis.call('NOTHING')", "0").startswith(b"-ERR")
    assert client("HGETALL", "hash").startswith(b"%1\r\n")


def test_a_script_selects_a_database_for_itself_only(client):
    client("EVAL", "redis.call('SELECT', 5) redis.call('SET', 'key', 'value')", "0")
    assert client("GET", "key") == b"$-1\r\n"
    client("SELECT", "5")
    assert client("GET", "key") == b"$5\r\nvalue\r\n"


def test_a_copy_is_a_value_of_its_own(client):
    client("RPUSH", "list", "a")
    client("COPY", "list", "copy")
    client("RPUSH", "copy", "b")
    assert client("LLEN", "list") == b":1\r\n"


@pytest.mark.parametrize(
    "argv",
    [("MONITOR",), ("CLIENT", "TRACKING", "ON"), ("REPLICAOF", "host", "6379"), ("SCRIPT", "DEBUG", "YES")],
)
def test_what_is_not_there_says_what_to_do(client, argv):
    reply = client(*argv)
    assert reply.startswith(b"-ERR ")
    assert b"the in-memory Redis" in reply
    assert reply.endswith(b"run with --redis=server\r\n")


def test_debug_sleep_holds_up_its_own_client_only(client, other):
    client("DEBUG", "SLEEP", "5")
    assert other("PING") == b"+PONG\r\n"
    client.session.time_out()
    assert client.delivered == b"+OK\r\n"


def test_one_file_alone_touches_fakeredis():
    package = Path(engine.__file__).parents[1]
    touching = {
        path.relative_to(package).as_posix()
        for path in package.rglob("*.py")
        for name in imported_by(ast.parse(path.read_text(encoding="utf-8")))
        if name.partition(".")[0] == "fakeredis"
    }
    assert touching == {"servers/engine.py"}


def imported_by(tree: ast.AST) -> Iterator[str]:
    """The modules that a file imports, by a statement or by their names as text."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield node.module or ""
        elif isinstance(node, ast.Call):
            arguments = (argument for argument in node.args if isinstance(argument, ast.Constant))
            name = getattr(node.func, "id", "") or getattr(node.func, "attr", "")
            if name in ("import_module", "__import__"):
                yield from (str(argument.value) for argument in arguments)
