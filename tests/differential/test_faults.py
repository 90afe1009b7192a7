"""The faults of fakeredis' engine that job libraries fell over, each with the question that showed it.

Both servers are asked, and have to answer alike; where a client read one field of a reply, that is looked at.
"""

from __future__ import annotations

import re
from contextlib import ExitStack

import pytest
from support.wire import TreeWire, words


class Both:
    """The same question to both servers."""

    def __init__(self, ports, stack: ExitStack, protocol: int) -> None:
        self.wires = [TreeWire(port) for port in ports]
        for wire in self.wires:
            stack.callback(wire.close)
            wire.ask("HELLO", protocol)

    def ask(self, *argv):
        """The reply, which is the same from both."""
        ours, theirs = [wire.ask(*argv) for wire in self.wires]
        assert ours == theirs, argv
        return ours

    def each(self, *argv):
        return [wire.ask(*argv) for wire in self.wires]

    def next(self):
        """What comes next without a question."""
        ours, theirs = [wire.reply() for wire in self.wires]
        assert ours == theirs
        return ours


@pytest.fixture
def clients(fresh):
    """Make clients of both servers."""
    with ExitStack() as stack:
        yield lambda protocol=2: Both(fresh.ports, stack, protocol)


@pytest.fixture(params=[2, 3])
def both(request, clients):
    return clients(request.param)


def test_1_client_info_tells_the_address_as_redis_py_parses_it(both):
    for wire, reply in zip(both.wires, both.each("CLIENT", "INFO"), strict=True):
        fields = dict(word.split("=", 1) for word in reply.content.decode().split())
        assert fields["addr"] == f"127.0.0.1:{wire.socket.getsockname()[1]}"
        assert re.fullmatch(r"127\.0\.0\.1:\d+", fields["laddr"])
        assert fields["fd"].isdigit()


# Fields that redis-py, RQ, arq, SAQ, huey, BullMQ and Celery read.
READ = {
    "server": [
        "redis_version",
        "redis_mode",
        "os",
        "arch_bits",
        "process_id",
        "run_id",
        "tcp_port",
        "uptime_in_seconds",
    ],
    "clients": ["connected_clients", "blocked_clients", "maxclients"],
    "memory": ["used_memory", "used_memory_human", "maxmemory", "maxmemory_policy", "mem_allocator"],
    "persistence": ["loading", "rdb_bgsave_in_progress", "aof_enabled"],
    "stats": ["total_connections_received", "total_commands_processed", "expired_keys", "keyspace_hits"],
    "replication": ["role", "connected_slaves", "master_replid", "master_repl_offset"],
    "cpu": ["used_cpu_sys", "used_cpu_user"],
    "cluster": ["cluster_enabled"],
    "keyspace": ["db0"],
}


@pytest.mark.parametrize("section", READ)
def test_2_info_has_what_clients_read(both, section):
    both.ask("SET", "key", "value")
    told = []
    for reply in both.each("INFO", section):
        lines = reply.content.decode().splitlines()
        told.append((reply.mark, lines[0], {line.partition(":")[0] for line in lines[1:] if line}))
    (our_mark, our_title, ours), (their_mark, their_title, theirs) = told
    assert (our_mark, our_title) == (their_mark, their_title)
    assert set(READ[section]) <= theirs, "the real server has them all"
    assert set(READ[section]) <= ours
    assert ours - theirs <= {"total_error_replies"}, "nothing is told that a real server does not know"


def test_3_hello_tells_the_version_that_is_imitated(both):
    for reply in both.each("HELLO"):
        told = dict(zip(reply.content[::2], reply.content[1::2], strict=True))
        told = {name.content: value.content for name, value in told.items()}
        assert (told[b"server"], told[b"role"]) == (b"redis", b"master")
    ours, theirs = both.each("HELLO")
    assert ours.content[3] == theirs.content[3], "the version"


def test_4_a_message_is_a_push_in_resp3(clients):
    listener, speaker = clients(3), clients(3)
    assert listener.ask("SUBSCRIBE", "channel").mark == ">"
    speaker.ask("PUBLISH", "channel", "hello")
    assert listener.next().mark == ">"


def test_5_xreadgroup_in_a_script_has_the_shape_of_the_script(both):
    both.ask("XGROUP", "CREATE", "stream", "group", "0", "MKSTREAM")
    both.ask("XADD", "stream", "1-1", "field", "value")
    script = "return redis.call('XREADGROUP', 'GROUP', 'group', 'me', 'STREAMS', 'stream', '>')"
    reply = both.ask("EVAL", script, 0)
    assert reply.mark == "*"
    assert reply.content[0].mark == "*", "a list of streams, not a stream"


@pytest.mark.parametrize("count", [(), ("COUNT", 5)])
def test_6_xreadgroup_waits_and_gives_what_it_took(clients, count):
    reader, writer = clients(), clients()
    reader.ask("XGROUP", "CREATE", "stream", "group", "0", "MKSTREAM")
    reader.ask("XADD", "stream", "1-1", "field", "value")
    read = ("XREADGROUP", "GROUP", "group", "me", *count, "BLOCK", 0, "STREAMS", "stream", ">")
    assert b"1-1" in str(reader.ask(*read)).encode(), "what is there is given at once"
    assert reader.ask("XACK", "stream", "group", "1-1").content == b"1"
    for wire in reader.wires:
        wire.send(words(*read))
    writer.ask("PING")
    assert not [wire for wire in reader.wires if wire.readable()]
    writer.ask("XADD", "stream", "1-2", "field", "value")
    reader.next()


def test_7_blmove_waits(clients):
    waiter, pusher = clients(), clients()
    for wire in waiter.wires:
        wire.send(words("BLMOVE", "from", "to", "LEFT", "RIGHT", 0))
    pusher.ask("PING")
    assert not [wire for wire in waiter.wires if wire.readable()]
    pusher.ask("RPUSH", "from", "job")
    assert waiter.next().content == b"job"
    assert pusher.ask("LLEN", "to").content == b"1"


def test_8_an_error_of_two_lines_is_one_reply(both):
    reply = both.ask("EVAL", "error('two\\r\\nlines')", 0)
    assert reply.mark == "-"
    both.ask("PING")


def test_9_scripts_have_the_libraries(both):
    both.ask("EVAL", "return cmsgpack.pack({1, 'two', {three = 3}})", 0)
    both.ask("EVAL", "return {bit.band(12, 10), struct.pack('>I2', 258), redis.sha1hex('')}", 0)


def test_10_an_empty_table_is_a_json_object(both):
    assert both.ask("EVAL", "return cjson.encode({})", 0).content == b"{}"


def test_11_xinfo_stream_full(both):
    both.ask("XGROUP", "CREATE", "stream", "group", "0", "MKSTREAM")
    for number in range(1, 13):
        both.ask("XADD", "stream", f"1-{number}", "field", "value")
    both.ask("XREADGROUP", "GROUP", "group", "me", "COUNT", 3, "STREAMS", "stream", ">")

    def timeless(reply):
        return re.sub(r":'1\d{12}'", "<time>", str(reply))

    for more in ((), ("COUNT", 2), ("COUNT", 0)):
        ours, theirs = both.each("XINFO", "STREAM", "stream", "FULL", *more)
        assert timeless(ours) == timeless(theirs)


def test_12_a_script_that_sets_a_global_harms_no_other(both):
    assert both.ask("EVAL", "mine = 1", 0).mark == "-"
    assert both.ask("EVAL", "return 'fine'", 0).content == b"fine"


def test_13_an_error_table_has_the_code_that_it_was_given(both):
    assert both.ask("EVAL", "return {err = 'MY problem'}", 0).content == b"MY problem"


def test_13_a_subscriber_in_resp3_may_ask_anything(clients):
    both = clients(3)
    both.ask("SUBSCRIBE", "channel")
    both.ask("SET", "key", "value")
    assert both.ask("GET", "key").content == b"value"


def test_13_commands_that_were_missing(both):
    both.ask("RPUSH", "list", "a")
    for question in (
        "CONFIG GET maxmemory",
        "OBJECT REFCOUNT list",
        "WAIT 0 0",
        "CLUSTER INFO",
        "COMMAND DOCS nothing",
    ):
        both.ask(*question.split())
    assert {reply.mark for reply in both.each("MEMORY", "USAGE", "list")} == {":"}


def test_an_expired_event_comes_without_anybody_asking_for_the_key(clients):
    both, listener = clients(), clients()
    both.ask("CONFIG", "SET", "notify-keyspace-events", "Ex")
    try:
        listener.ask("SUBSCRIBE", "__keyevent@0__:expired")
        both.ask("SET", "key", "value", "PX", 1)
        for wire, waiting in zip(both.wires, listener.wires, strict=True):
            while not waiting.readable():  # the memory looks for what has expired with the next command
                wire.ask("PING")
        assert listener.next().content[-1].content == b"key"
    finally:
        both.ask("CONFIG", "SET", "notify-keyspace-events", "")
