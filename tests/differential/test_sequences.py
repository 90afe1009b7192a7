"""Sequences of commands that nobody thought of: each is sent to both servers, and every reply compared.

Keys, members and numbers come from small alphabets, so that commands meet each other's values, of the right
type and of the wrong one. After each sequence the whole keyspace is read and compared: types, values, and
whether there is an expiry. What cannot be equal is normalised by its command, in `TOLERANT`.

In a sequence of several clients, whoever does not wait says the next command, and what each of them receives
is compared after it: a reply, a message, or the end of a wait.
"""

from __future__ import annotations

import hashlib
import os
import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test
from support.scenarios import TOLERANCES
from support.wire import TreeWire, words

EXAMPLES = int(os.environ.get("PYTEST_JOBQUEUE_EXAMPLES", "60"))

bounded = settings(
    derandomize=True,
    max_examples=EXAMPLES,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)

key = st.sampled_from(["a", "b", "c"])
member = st.sampled_from(["x", "y", "z", "1", "2", "10"])
value = st.sampled_from(["", "0", "1", "-1", "7", "x", "3.5", "9223372036854775807", "two\r\nlines", "\xff"])
index = st.sampled_from([-3, -2, -1, 0, 1, 2, 3, "x"])
count = st.sampled_from([-2, -1, 0, 1, 2, 5, "x"])
score = st.sampled_from(["0", "1", "2", "-1", "1.5", "inf", "-inf", "x"])
limit = st.sampled_from(["-inf", "+inf", "0", "1", "(1", "2", "(x", "x"])
proper = st.sampled_from(["-inf", "+inf", "0", "1", "(1", "2"])
stream_id = st.sampled_from(["0", "1", "1-1", "1-2", "2-1", "3-0", "5", "x"])
group = st.sampled_from(["g", "h"])
consumer = st.sampled_from(["c", "d"])
end = st.sampled_from(["LEFT", "RIGHT"])


def command(name, *parts, more=None):
    """A command with these arguments, and perhaps with one of the options."""
    fixed = st.tuples(*(part if isinstance(part, st.SearchStrategy) else st.just(part) for part in parts))
    options = st.just(()) if more is None else st.sampled_from(more)
    return st.builds(lambda args, extra: (name, *args, *extra), fixed, options)


STRINGS = [
    command(
        "SET", key, value, more=[(), ("NX",), ("XX",), ("GET",), ("EX", 100), ("KEEPTTL",), ("XX", "GET")]
    ),
    command("GET", key),
    command("GETSET", key, value),
    command("GETDEL", key),
    command("GETEX", key, more=[(), ("EX", 100), ("PERSIST",), ("EX", 0)]),
    command("SETNX", key, value),
    command("SETEX", key, count, value),
    command("APPEND", key, value),
    command("STRLEN", key),
    command("SETRANGE", key, index, value),
    command("GETRANGE", key, index, index),
    command("INCR", key),
    command("DECR", key),
    command("INCRBY", key, value),
    command("INCRBYFLOAT", key, score),
    command("MGET", key, key),
    command("MSET", key, value, key, value),
    command("MSETNX", key, value, key, value),
]
LISTS = [
    command("LPUSH", key, member, more=[(), ("p",), ("p", "q")]),
    command("RPUSH", key, member, more=[(), ("p",), ("p", "q")]),
    command("LPUSHX", key, member),
    command("RPUSHX", key, member),
    command("LPOP", key),
    command("RPOP", key, count),
    command("LLEN", key),
    command("LRANGE", key, index, index),
    command("LINDEX", key, index),
    command("LSET", key, index, member),
    command("LREM", key, index, member),
    command("LTRIM", key, index, index),
    command("LINSERT", key, st.sampled_from(["BEFORE", "AFTER"]), member, member),
    command("LPOS", key, member, more=[(), ("RANK", -1), ("COUNT", 0), ("RANK", 2, "COUNT", 1)]),
    command("LMOVE", key, key, end, end),
    command("RPOPLPUSH", key, key),
    command("BRPOPLPUSH", key, key, "0.001"),
    command("BLPOP", key, key, "0.001"),
    command("BRPOP", key, key, "0.001"),
    command("BLMOVE", key, key, end, end, "0.001"),
    command("LMPOP", 2, key, key, end, more=[(), ("COUNT", 2), ("COUNT", 0)]),
    command("BLMPOP", "0.001", 2, key, key, end),
]
SETS = [
    command("SADD", key, member, more=[(), ("x",), ("x", "y")]),
    command("SREM", key, member, more=[(), ("x",)]),
    command("SISMEMBER", key, member),
    command("SMISMEMBER", key, member, member),
    command("SMEMBERS", key),
    command("SCARD", key),
    command("SMOVE", key, key, member),
    command("SINTER", key, key),
    command("SUNION", key, key),
    command("SDIFF", key, key),
    command("SINTERSTORE", key, key, key),
    command("SUNIONSTORE", key, key, key),
    command("SDIFFSTORE", key, key, key),
    command("SINTERCARD", 2, key, key),
    command("SPOP", key, 9),
    command("SSCAN", key, 0),
]
SORTED_SETS = [
    command("ZADD", key, score, member, more=[(), (1, "x"), (3, "y")]),
    command("ZADD", key, st.sampled_from(["NX", "XX", "GT", "LT", "CH", "INCR"]), score, member),
    command("ZREM", key, member),
    command("ZSCORE", key, member),
    command("ZMSCORE", key, member, member),
    command("ZINCRBY", key, score, member),
    command("ZCARD", key),
    command("ZCOUNT", key, limit, limit),
    command("ZRANK", key, member),
    command("ZREVRANK", key, member),
    command("ZRANGE", key, st.sampled_from([-2, -1, 0, 1, 2]), st.sampled_from([-2, -1, 0, 1, 2])),
    command("ZRANGE", key, 0, -1, more=[("WITHSCORES",), ("REV",), ("REV", "WITHSCORES")]),
    # Limits that are none, on a key of another type: the two servers tell a different one of the two errors.
    command("ZRANGE", key, proper, proper, "BYSCORE", more=[(), ("LIMIT", 0, 1), ("REV",), ("LIMIT", 1, -1)]),
    command("ZRANGEBYSCORE", key, limit, limit, more=[(), ("WITHSCORES",), ("LIMIT", 0, 1), ("LIMIT", 1, 2)]),
    command("ZREVRANGEBYSCORE", key, limit, limit),
    command("ZREMRANGEBYSCORE", key, limit, limit),
    command("ZREMRANGEBYRANK", key, index, index),
    command("ZPOPMIN", key, more=[(), (2,), (0,)]),
    command("ZPOPMAX", key, more=[(), (2,), (-1,)]),
    command("ZMPOP", 2, key, key, st.sampled_from(["MIN", "MAX"]), more=[(), ("COUNT", 2)]),
    command("BZPOPMIN", key, key, "0.001"),
    command("BZPOPMAX", key, "0.001"),
    command("ZUNIONSTORE", key, 2, key, key, more=[(), ("WEIGHTS", 2, 3), ("AGGREGATE", "MAX")]),
    command("ZINTERSTORE", key, 2, key, key, more=[(), ("AGGREGATE", "MIN")]),
    command("ZDIFFSTORE", key, 2, key, key),
    command("ZRANGESTORE", key, key, 0, 1),
]
HASHES = [
    command("HSET", key, member, value, more=[(), ("x", 1), ("x",)]),
    command("HMSET", key, member, value),
    command("HSETNX", key, member, value),
    command("HGET", key, member),
    command("HMGET", key, member, member),
    command("HGETALL", key),
    command("HDEL", key, member, more=[(), ("x",)]),
    command("HLEN", key),
    command("HKEYS", key),
    command("HVALS", key),
    command("HEXISTS", key, member),
    command("HSTRLEN", key, member),
    command("HINCRBY", key, member, value),
    command("HINCRBYFLOAT", key, member, score),
    command("HSCAN", key, 0),
]
KEYS = [
    command("DEL", key, more=[(), ("a",)]),
    command("UNLINK", key),
    command("EXISTS", key, key),
    command("TYPE", key),
    command("RENAME", key, key),
    command("RENAMENX", key, key),
    command("COPY", key, key, more=[(), ("REPLACE",), ("DB", 1)]),
    command("MOVE", key, st.sampled_from([0, 1])),
    command(
        "EXPIRE", key, st.sampled_from([100, 1000, 0, -1, "x"]), more=[(), ("NX",), ("XX",), ("GT",), ("LT",)]
    ),
    command("PEXPIREAT", key, 4000000000123),
    command("PERSIST", key),
    command("EXPIRETIME", key),
    command("TTL", key),
    command("TOUCH", key, key),
    command(
        "SORT",
        key,
        more=[(), ("ALPHA",), ("DESC", "ALPHA"), ("ALPHA", "STORE", "c"), ("BY", "nosort", "ALPHA")],
    ),
    command("SELECT", st.sampled_from([0, 1])),
    command("SWAPDB", 0, 1),
    command("DBSIZE"),
    command("KEYS", st.sampled_from(["*", "[ab]", "?"])),
    command("SCAN", 0),
    command("OBJECT", "ENCODING", "nokey"),
    command("FLUSHDB"),
]
STREAMS = [
    command("XADD", key, stream_id, "f", value),
    command("XADD", key, "MAXLEN", 2, stream_id, "f", "1"),
    command("XADD", key, "NOMKSTREAM", stream_id, "f", "1", "g", "2"),
    command("XLEN", key),
    command(
        "XRANGE", key, st.sampled_from(["-", "1", "1-1", "(1-1", "x"]), st.sampled_from(["+", "1", "2-1"])
    ),
    command("XREVRANGE", key, "+", "-", more=[(), ("COUNT", 1)]),
    command("XDEL", key, stream_id),
    command("XTRIM", key, "MAXLEN", count),
    # The same stream twice would be a map with the same key twice, which no client can read.
    command("XREAD", "STREAMS", "a", st.sampled_from(["b", "c"]), stream_id, stream_id),
    command("XREAD", "COUNT", 1, "BLOCK", 1, "STREAMS", key, st.sampled_from(["0", "$", "1-1"])),
    command("XGROUP", "CREATE", key, group, st.sampled_from(["0", "$", "1-1"]), more=[(), ("MKSTREAM",)]),
    command("XGROUP", "DESTROY", key, group),
    command("XGROUP", "SETID", key, group, st.sampled_from(["0", "$", "1-1"])),
    command("XGROUP", "CREATECONSUMER", key, group, consumer),
    command("XGROUP", "DELCONSUMER", key, group, consumer),
    command("XREADGROUP", "GROUP", group, consumer, "STREAMS", key, st.sampled_from([">", "0", "1-1"])),
    command("XREADGROUP", "GROUP", group, consumer, "COUNT", 1, "BLOCK", 1, "STREAMS", key, ">"),
    command("XREADGROUP", "GROUP", group, consumer, "COUNT", 1, "NOACK", "STREAMS", key, ">"),
    command("XACK", key, group, stream_id),
    command("XPENDING", key, group),
    command(
        "XCLAIM", key, group, consumer, 0, stream_id, more=[(), ("JUSTID",), ("FORCE",), ("RETRYCOUNT", 3)]
    ),
    command("XAUTOCLAIM", key, group, consumer, 0, "0", more=[(), ("COUNT", 1), ("JUSTID",)]),
    command("XINFO", "GROUPS", key),
    command("XINFO", "STREAM", key),
    command("XSETID", key, stream_id),
]
CONNECTION = [
    command("MULTI"),
    command("EXEC"),
    command("DISCARD"),
    command("WATCH", key),
    command("UNWATCH"),
    command("EVAL", "return redis.call(unpack(ARGV))", 0, "GET", key),
    command("EVAL", "return redis.pcall(unpack(ARGV))", 0, "RPUSH", key, member),
    command("EVAL", "return redis.call(unpack(ARGV))", 0, "LRANGE", key, 0, -1),
    command("NOTHING", key),
    command("GET"),
    command("PUBLISH", key, value),
    command("CLIENT", "GETNAME"),
]
FAMILIES = {
    "strings": STRINGS + KEYS,
    "lists": LISTS + KEYS,
    "sets": SETS + KEYS,
    "sorted sets": SORTED_SETS + KEYS,
    "hashes": HASHES + KEYS,
    "streams": STREAMS,
    "transactions": CONNECTION + STRINGS[:4] + LISTS[:6] + KEYS[:4],
    "all": STRINGS + LISTS + SETS + SORTED_SETS + HASHES + KEYS + STREAMS + CONNECTION,
}
deep = TOLERANCES["deep"]
TOLERANT = {
    **dict.fromkeys(
        ["SMEMBERS", "SINTER", "SUNION", "SDIFF", "SPOP", "SSCAN", "HSCAN", "KEYS", "SCAN"], deep
    ),
    **dict.fromkeys(["HKEYS", "HVALS", "HGETALL"], deep),
    "TTL": TOLERANCES["seconds"],
    "EXPIRETIME": TOLERANCES["presence"],
    "EXEC": deep,
    # SORT without an order that is total gives what the hash table gives.
    "SORT": deep,
    # How the real server keeps the entries of a stream is its own affair.
    "XINFO": lambda reply: TOLERANCES["count"](reply) if len(reply.content) == 20 else reply,
}
DUMPS = {
    b"string": [("GET",)],
    b"list": [("LRANGE", 0, -1)],
    b"set": [("SMEMBERS",)],
    b"zset": [("ZRANGE", 0, -1, "WITHSCORES")],
    b"hash": [("HGETALL",)],
    b"stream": [("XRANGE", "-", "+"), ("XINFO", "GROUPS")],
}


def dump(wire):
    """Everything that is there, in an order of its own."""
    found = []
    for database in (0, 1):
        wire.ask("SELECT", database)
        for name in sorted(reply.content for reply in wire.ask("KEYS", "*").content):
            kind = wire.ask("TYPE", name).content
            values = []
            for first, *rest in DUMPS[kind]:
                argv = (first, *rest[:1], name) if rest == ["GROUPS"] else (first, name, *rest)
                values.append(deep(wire.ask(*argv)) if kind in (b"set", b"hash") else wire.ask(*argv))
            found.append((database, name, kind, values, wire.ask("TTL", name).content == b"-1"))
    return found


def told_another_error(ours, theirs):
    """Whether a command was wrong in two ways, in one by the type of a key, and each server told another."""
    return ours.mark == theirs.mark == "-" and (
        ours.content.startswith(b"WRONGTYPE") != theirs.content.startswith(b"WRONGTYPE")
    )


@pytest.mark.parametrize("protocol", [2, 3])
@pytest.mark.parametrize("family", FAMILIES)
def test_a_sequence_has_the_same_replies_and_leaves_the_same_data(pair, family, protocol):
    wires = [TreeWire(port) for port in pair.ports]

    @bounded
    @given(st.lists(st.one_of(FAMILIES[family]), min_size=1, max_size=25))
    def compare(commands):
        argv = [words(*command) for command in commands]
        answers = []
        for wire in wires:
            wire.send(words("RESET"), words("FLUSHALL"), words("HELLO", protocol), *argv, words("RESET"))
            answers.append(wire.replies(len(argv) + 4)[3:-1])
        for position, (ours, theirs) in enumerate(zip(*answers, strict=True)):
            tolerant = TOLERANT.get(commands[position][0], lambda reply: reply)
            same = tolerant(ours) == tolerant(theirs) or told_another_error(ours, theirs)
            assert same, "\n".join(
                [f"{' '.join(map(str, one))}" for one in commands[: position + 1]]
                + [f"fake: {ours}", f"real: {theirs}"]
            )
        assert dump(wires[0]) == dump(wires[1]), "\n".join(" ".join(map(str, one)) for one in commands)

    try:
        compare()
    finally:
        for wire in wires:
            wire.close()


CLIENTS = 3
STEPS = 20
LOOKS = 5000  # at how many wait, until a command without a reply fails the test
SCRIPTS = [
    "return redis.call('RPUSH', KEYS[1], 'x', 'y')",
    "return redis.call('LPOP', KEYS[1])",
    "return redis.call('PUBLISH', KEYS[1], 'said')",
    "return redis.call('XADD', KEYS[1], '*', 'f', '1')",
    "return {redis.call('INCR', KEYS[1]), redis.call('GET', KEYS[1])}",
    "return redis.call('BLPOP', KEYS[1], 0)",
    "redis.call('SET', KEYS[1], '1') return redis.error_reply('MY fault')",
    "return nothing",
]
script = st.sampled_from(SCRIPTS)
sha = script.map(lambda text: hashlib.sha1(text.encode()).hexdigest())
channel = st.sampled_from(["a", "b", "news"])
pattern = st.sampled_from(["*", "[ab]", "n*"])
client = st.sampled_from([f"<{number}>" for number in range(CLIENTS)])
timestamp = st.sampled_from(["*", "1-1", "2-1"])

MESSAGES = [
    command("SUBSCRIBE", channel),
    command("PSUBSCRIBE", pattern),
    command("UNSUBSCRIBE", channel),
    command("PUNSUBSCRIBE", pattern),
    command("PUBLISH", channel, member),
    command("PUBLISH", channel, member),
    command("PUBSUB", "NUMSUB", channel),
    command("PUBSUB", "NUMPAT"),
    command("PING"),
]
WAITS = [
    command("BLPOP", key, 0),
    command("BLPOP", key, key, 0),
    command("BRPOP", key, 0),
    command("BLMOVE", key, key, end, end, 0),
    command("BLMPOP", 0, 2, key, key, end, more=[(), ("COUNT", 2)]),
    command("BZPOPMIN", key, 0),
    command("CLIENT", "UNBLOCK", client, more=[(), ("TIMEOUT",), ("ERROR",)]),
]
PUSHES = [
    command("RPUSH", key, member, more=[(), ("p",), ("p", "q")]),
    command("LPUSH", key, member, more=[(), ("p", "q")]),
    command("ZADD", key, 1, member),
    command("LMOVE", key, key, end, end),
    command("RENAME", key, key),
    command("SET", key, value),
    command("DEL", key),
    command("LRANGE", key, 0, -1),
]
GROUPS = [
    command("XGROUP", "CREATE", key, group, "0", "MKSTREAM"),
    command("XGROUP", "CREATE", key, group, "$", "MKSTREAM"),
    command("XGROUP", "DESTROY", key, group),
    command("XREADGROUP", "GROUP", group, consumer, "BLOCK", 0, "STREAMS", key, ">"),
    command("XREADGROUP", "GROUP", group, consumer, "BLOCK", 0, "STREAMS", key, ">"),
    command("XREADGROUP", "GROUP", group, consumer, "COUNT", 1, "NOACK", "BLOCK", 0, "STREAMS", key, ">"),
    command("XREADGROUP", "GROUP", group, consumer, "BLOCK", 0, "STREAMS", "a", "b", ">", ">"),
    command("XREAD", "BLOCK", 0, "STREAMS", key, st.sampled_from(["$", "0"])),
    command("XADD", key, timestamp, "f", member),
    command("XADD", key, timestamp, "f", member),
    command("XLEN", key),
    command("XPENDING", key, group),
    command("XINFO", "GROUPS", key),
    command("DEL", key),
    command("SET", key, value),
]
TRANSACTIONS = [
    command("WATCH", key),
    command("UNWATCH"),
    command("MULTI"),
    command("MULTI"),
    command("EXEC"),
    command("EXEC"),
    command("DISCARD"),
    command("GET", key),
    command("INCR", key),
    command("SET", key, member),
    command("DEL", key),
    command("FLUSHDB"),
]
CALLS = [
    command("EVAL", script, 1, key),
    command("EVALSHA", sha, 1, key),
    command("EVALSHA", sha, 1, key),
    # One that publishes, or that is wrong in waiting too, is told another error or none.
    command("EVAL_RO", script.filter(lambda text: "PUBLISH" not in text and "BLPOP" not in text), 1, key),
    command("SCRIPT", "LOAD", script),
    command("SCRIPT", "EXISTS", sha, sha),
    command("SCRIPT", "FLUSH"),
]
COMPANIES = {
    "messages": MESSAGES + TRANSACTIONS[2:6],
    "waiting": WAITS + PUSHES,
    "groups": GROUPS,
    "transactions": TRANSACTIONS + PUSHES + WAITS[:1],
    "scripts": CALLS + WAITS[:1] + MESSAGES[:1] + GROUPS[:1] + GROUPS[3:4],
    "all": MESSAGES + WAITS + PUSHES + GROUPS + TRANSACTIONS + CALLS,
}
KINDS = (b"message", b"pmessage")
same_ids = TOLERANCES["ids"]


def may_wait(command):
    return command[0].startswith("B") or "BLOCK" in command


def comparable(number, command, received):
    """What was received, without what may differ.

    The order of several messages to one client. And a real server counts a message that a client sends itself
    in a transaction as one of EXEC's replies.
    """
    found = list(map(in_order, received))
    if command == ("EXEC",):
        own = list(flat(received[number]))
        if any(is_message(reply) or reply.content in KINDS for reply in own):
            found[number] = sorted(map(str, own))
    return found


def in_order(replies):
    """The replies, with the messages among them in an order of their own."""
    messages = sorted((reply for reply in replies if is_message(reply)), key=str)
    return [messages.pop(0) if is_message(reply) else reply for reply in replies]


def is_message(reply):
    return isinstance(reply.content, tuple) and any(part.content in KINDS for part in reply.content[:1])


def flat(replies):
    for reply in replies:
        yield from flat(reply.content) if reply.mark == "*" and reply.content else (reply,)


class Company:
    """One server's clients, and which of them wait."""

    def __init__(self, port):
        self.waiting = set()
        self._control = TreeWire(port)
        self._wires = [TreeWire(port) for _ in range(CLIENTS)]
        self._ids = {f"<{place}>": wire.ask("CLIENT", "ID").content for place, wire in enumerate(self._wires)}

    def begin(self, protocol):
        for name in ("FLUSHALL", "SCRIPT FLUSH"):
            self._control.ask(*name.split())
        for wire in self._wires:
            wire.ask("HELLO", protocol)

    def say(self, number, command):
        """What each client receives because one says this."""
        wire = self._wires[number]
        wire.send(words(*(self._ids.get(part, part) for part in command)))
        for _ in range(LOOKS):
            if wire.readable() or self._blocked() > len(self.waiting):
                break
        self._control.ask("PING")  # its answer comes after all that the command caused
        received = [[same_ids(reply) for reply in wire.at_hand()] for wire in self._wires]
        self.waiting -= {place for place, got in enumerate(received) if any(one.mark != ">" for one in got)}
        if not received[number]:
            self.waiting.add(number)
        return received

    def end(self):
        """Nobody waits, listens or is in a transaction any more."""
        for number in self.waiting:
            self._control.ask("CLIENT", "UNBLOCK", self._ids[f"<{number}>"])
            self._wires[number].reply()
        self.waiting.clear()
        for wire in self._wires:
            wire.at_hand()
            assert wire.ask("RESET").content == b"RESET"

    def close(self):
        for wire in (self._control, *self._wires):
            wire.close()

    def _blocked(self):
        return int(re.search(rb"blocked_clients:(\d+)", self._control.ask("INFO", "clients").content)[1])


def conversation(both, family, protocol):
    """Whoever does not wait says something."""

    class Conversation(RuleBasedStateMachine):
        def __init__(self):
            super().__init__()
            self.said = []
            for company in both:
                company.begin(protocol)

        @rule(turn=st.integers(0, CLIENTS - 1), command=st.one_of(COMPANIES[family]))
        def say(self, turn, command):
            free = sorted({*range(CLIENTS)} - both[0].waiting)
            if len(free) == 1 and may_wait(command):
                return  # nobody would be left to say something
            number = free[turn % len(free)]
            self.said.append(f"{number}: {' '.join(map(str, command))}")
            ours, theirs = [company.say(number, command) for company in both]
            same = comparable(number, command, ours) == comparable(number, command, theirs)
            assert same, "\n".join([*self.said, f"fake: {shown(ours)}", f"real: {shown(theirs)}"])
            assert both[0].waiting == both[1].waiting, "\n".join(self.said)

        def teardown(self):
            for company in both:
                company.end()

    return Conversation


@pytest.mark.parametrize("protocol", [2, 3])
@pytest.mark.parametrize("family", COMPANIES)
def test_several_clients_receive_the_same(pair, family, protocol):
    both = [Company(port) for port in pair.ports]
    some = settings(bounded, max_examples=max(1, EXAMPLES // 2), stateful_step_count=STEPS)
    try:
        run_state_machine_as_test(conversation(both, family, protocol), settings=some)
    finally:
        for company in both:
            company.close()


def shown(received):
    return "; ".join(f"{number} <- {' '.join(map(str, got))}" for number, got in enumerate(received) if got)
