"""RESP both ways: one table feeds writer and reader; the reader also gets single bytes and trailing bytes.

What a violation is answered, and how an inline command is split, is asked of a real server where one is here.
"""

from __future__ import annotations

import contextlib
import itertools
import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.processes import foreign_server
from support.tools import need

from pytest_jobqueue.wire.resp import (
    MAX_BULK,
    MAX_INLINE,
    NULL_ARRAY,
    Error,
    ProtocolViolationError,
    Push,
    ReplyEncoder,
    ReplyParser,
    RequestParser,
    Simple,
    UnfinishedError,
    Verbatim,
    encode_command,
    format_double,
    split_inline,
)

# Requests

REQUESTS = [
    (b"*1\r\n$4\r\nPING\r\n", [b"PING"]),
    (b"*2\r\n$3\r\nGET\r\n$0\r\n\r\n", [b"GET", b""]),
    (b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$4\r\n\r\n*1\r\n", [b"SET", b"k", b"\r\n*1"]),
    (b"*2\r\n$4\r\nECHO\r\n$6\r\n\x00\xff$1\r\n\r\n", [b"ECHO", b"\x00\xff$1\r\n"]),
    (b"*2\r\n$4\r\nECHO\r\n$1024\r\n" + b"x" * 1024 + b"\r\n", [b"ECHO", b"x" * 1024]),
    (
        b"*12\r\n" + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in [b"a" * n for n in range(12)]),
        [b"a" * n for n in range(12)],
    ),
]

INLINE = [
    (b"PING", [b"PING"]),
    (b"  SET   key\tvalue  ", [b"SET", b"key", b"value"]),
    (b"\x0b\x0cPING\x0b", [b"PING"]),
    (b'SET key "two words"', [b"SET", b"key", b"two words"]),
    (b"SET key 'two words'", [b"SET", b"key", b"two words"]),
    (b'SET key ""', [b"SET", b"key", b""]),
    (b"SET key ''", [b"SET", b"key", b""]),
    (b'"a"', [b"a"]),
    (b'a"b c"', [b"ab c"]),
    (b"it's 'it\\'s'", None),
    (b"'it\\'s'", [b"it's"]),
    (b"'a\\nb'", [b"a\\nb"]),
    (rb'"\n\r\t\b\a\\\"\q"', [b'\n\r\t\x08\x07\\"q']),
    (rb'"\x41\xfF\x4"', [b"A\xffx4"]),
    (rb"\x41", [rb"\x41"]),
    (b'"a"b', None),
    (b"'a'b", None),
    (b'"a', None),
    (b"'a", None),
    (rb'"a\"', None),
    (b'"a\\', None),
    (b"", []),
    (b"   ", []),
]

EXPECTED = "Protocol error: "
VIOLATIONS = [
    (b"*x\r\n", "invalid multibulk length"),
    (b"*\r\n", "invalid multibulk length"),
    (b"*+1\r\n", "invalid multibulk length"),
    (b"*01\r\n", "invalid multibulk length"),
    (b"*-0\r\n", "invalid multibulk length"),
    (b"*1 \r\n", "invalid multibulk length"),
    (b"*2147483648\r\n", "invalid multibulk length"),
    (b"*9223372036854775808\r\n", "invalid multibulk length"),
    (b"*-9223372036854775809\r\n", "invalid multibulk length"),
    (b"*" + b"9" * 5000 + b"\r\n", "invalid multibulk length"),
    (b"*" + b"1" * (MAX_INLINE + 1), "too big mbulk count string"),
    (b"*1\r\n$x\r\n", "invalid bulk length"),
    (b"*1\r\n$\r\n", "invalid bulk length"),
    (b"*1\r\n$-1\r\n", "invalid bulk length"),
    (b"*1\r\n$-0\r\n", "invalid bulk length"),
    (b"*1\r\n$00\r\n", "invalid bulk length"),
    (b"*1\r\n$%d\r\n" % (MAX_BULK + 1), "invalid bulk length"),
    (b"*1\r\n$" + b"9" * 5000 + b"\r\n", "invalid bulk length"),
    (b"*1\r\n$" + b"1" * (MAX_INLINE + 1), "too big bulk count string"),
    (b"*1\r\n:4\r\n", "expected '$', got ':'"),
    (b"*2\r\n$4\r\nECHO\r\nx\r\n", "expected '$', got 'x'"),
    (b"a" * (MAX_INLINE + 1), "too big inline request"),
    (b'SET k "v\r\n', "unbalanced quotes in request"),
    (b"SET k 'v'w\n", "unbalanced quotes in request"),
]
IGNORED = [b"*0\r\n", b"*-1\r\n", b"*-5\r\n", b"\r\n", b"\n", b"  \r\n"]


def short(value):
    return repr(value)[:40]


@pytest.mark.parametrize(("data", "args"), REQUESTS, ids=short)
def test_a_command_is_written_and_read(data, args):
    assert encode_command(args) == data
    assert RequestParser().feed(data) == [args]


def in_pieces(parser, data):
    """Feed single bytes; each command must appear with its last byte and not before."""
    found = []
    for position in range(len(data)):
        found += [(position, command) for command in parser.feed(data[position : position + 1])]
    return found


@pytest.mark.parametrize(("data", "args"), REQUESTS, ids=short)
def test_a_command_is_read_byte_by_byte_and_with_more_behind_it(data, args):
    parser = RequestParser()
    assert in_pieces(parser, data + data) == [(len(data) - 1, args), (2 * len(data) - 1, args)]
    assert parser.buffered == 0
    for cut in range(1, min(len(data), 60)):
        assert parser.feed(data + data[:cut]) == [args]
        assert parser.feed(data[cut:] + data) == [args, args]
    assert parser.violation is None


@pytest.mark.parametrize(("line", "words"), INLINE, ids=short)
def test_an_inline_command_is_split(line, words):
    assert split_inline(line) == words
    for end in (b"\r\n", b"\n"):
        parser = RequestParser()
        found = [command for _, command in in_pieces(parser, line + end)]
        assert found == ([words] if words else [])
        assert (parser.violation is not None) is (words is None)


@pytest.mark.parametrize(("data", "message"), VIOLATIONS, ids=short)
def test_a_violation_comes_after_the_commands_before_it(data, message):
    parser = RequestParser()
    assert parser.feed(encode_command([b"PING"]) + data) == [[b"PING"]]
    assert isinstance(parser.violation, ProtocolViolationError)
    assert str(parser.violation) == EXPECTED + message
    assert parser.feed(encode_command([b"PING"])) == []  # nothing more comes


@pytest.mark.parametrize(("data", "message"), [row for row in VIOLATIONS if len(row[0]) < 100], ids=short)
def test_a_violation_in_single_bytes_is_the_same(data, message):
    parser = RequestParser()
    assert in_pieces(parser, data) == []
    assert str(parser.violation) == EXPECTED + message


@pytest.mark.parametrize("data", IGNORED, ids=short)
def test_an_empty_command_is_passed_over(data):
    parser = RequestParser()
    assert parser.feed(data + encode_command([b"PING"])) == [[b"PING"]]
    assert parser.violation is None


def test_the_longest_argument_can_be_set():
    for most in (10, 2000):
        parser = RequestParser(max_bulk=most)
        assert parser.feed(encode_command([b"x" * most])) == [[b"x" * most]]
        assert parser.feed(b"*1\r\n$%d\r\n" % (most + 1)) == []
        assert str(parser.violation) == "Protocol error: invalid bulk length"


def test_the_longest_argument_of_all_is_waited_for():
    parser = RequestParser()
    begun = b"*1\r\n$%d\r\nx" % MAX_BULK
    assert parser.feed(begun) == []
    assert (parser.violation, parser.buffered) == (None, len(begun))


def test_what_is_held_is_counted():
    parser = RequestParser()
    begun = b"*3\r\n$4\r\nMSET\r\n$2\r\nkk\r\n$9\r\nabc"
    for end in range(len(begun)):
        parser.feed(begun[end : end + 1])
        assert parser.buffered == end + 1
    assert parser.feed(b"defghi\r\n*0\r\n*2\r\n$4\r\nLLEN\r\n$1") == [[b"MSET", b"kk", b"abcdefghi"]]
    assert parser.buffered == len(b"LLEN") + len(b"$1")


@pytest.mark.parametrize("size", [1, 7, 64, 1000])
@pytest.mark.parametrize(
    "begun",
    [b"*3\r\n$3\r\nSET\r\n$1\r\na\r\n$5000\r\n" + b"x" * 999, b"*9000\r\n" + b"$1\r\nx\r\n" * 999],
    ids=["one long argument", "many short ones"],
)
def test_a_command_that_does_not_end_is_given_up(begun, size):
    parser = RequestParser(max_unfinished=900)
    whole = encode_command([b"SET", b"a", b"x" * 850])
    for piece in pieces(whole * 3 + begun[:899], [size]):
        parser.feed(piece)
        assert parser.violation is None
    for piece in pieces(begun[899:], [size]):
        assert parser.feed(piece) == []
    assert isinstance(parser.violation, UnfinishedError)
    assert str(parser.violation) == "more than 900 bytes of one command"
    assert parser.buffered == 0


def test_a_command_that_is_all_there_may_be_longer_than_what_is_kept_of_one():
    command = [b"SET", b"a", b"x" * 5000]
    assert RequestParser(max_unfinished=900).feed(encode_command(command)) == [command]


words = st.lists(st.binary(max_size=40), min_size=1, max_size=6)


sizes = st.lists(st.integers(1, 30), min_size=1, max_size=8)


def pieces(stream, sizes):
    """The stream in pieces of these sizes, over and over."""
    start = 0
    for size in itertools.cycle(sizes):
        if start >= len(stream):
            return
        yield stream[start : start + size]
        start += size


@given(st.lists(words, max_size=5), sizes)
def test_commands_survive_a_round_trip_in_any_pieces(commands, sizes):
    parser, found = RequestParser(), []
    for piece in pieces(b"".join(map(encode_command, commands)), sizes):
        found += parser.feed(piece)
    assert found == commands
    assert (parser.violation, parser.buffered) == (None, 0)


nearly_requests = st.lists(
    st.sampled_from([b"*", b"$", b"-", b"1", b"2", b"0", b"\r\n", b"\n", b'"', b"a"]), max_size=30
).map(b"".join)


@given(st.binary(max_size=50) | nearly_requests, sizes)
def test_no_bytes_break_the_reader(stream, sizes):
    whole = RequestParser()
    commands = whole.feed(stream)
    parser, found = RequestParser(), []
    for piece in pieces(stream, sizes):
        found += parser.feed(piece)
    assert found == commands
    assert str(parser.violation) == str(whole.violation)


# Replies: value · RESP2 · RESP3 · what is read back from RESP2 · from RESP3

REPLIES = [
    (b"", b"$0\r\n\r\n", b"$0\r\n\r\n", b"", b""),
    (b"a\r\nb", b"$4\r\na\r\nb\r\n", b"$4\r\na\r\nb\r\n", b"a\r\nb", b"a\r\nb"),
    ("gr\u00fcn", b"$5\r\ngr\xc3\xbcn\r\n", b"$5\r\ngr\xc3\xbcn\r\n", b"gr\xc3\xbcn", b"gr\xc3\xbcn"),
    (Simple(b"OK"), b"+OK\r\n", b"+OK\r\n", Simple(b"OK"), Simple(b"OK")),
    (7, b":7\r\n", b":7\r\n", 7, 7),
    (-(2**63), b":-9223372036854775808\r\n", b":-9223372036854775808\r\n", -(2**63), -(2**63)),
    (None, b"$-1\r\n", b"_\r\n", None, None),
    (NULL_ARRAY, b"*-1\r\n", b"_\r\n", None, None),
    (True, b":1\r\n", b"#t\r\n", 1, True),
    (False, b":0\r\n", b"#f\r\n", 0, False),
    (1.5, b"$3\r\n1.5\r\n", b",1.5\r\n", b"1.5", 1.5),
    (float("inf"), b"$3\r\ninf\r\n", b",inf\r\n", b"inf", float("inf")),
    (float("-inf"), b"$4\r\n-inf\r\n", b",-inf\r\n", b"-inf", float("-inf")),
    (Verbatim(b"hi"), b"$2\r\nhi\r\n", b"=6\r\ntxt:hi\r\n", b"hi", Verbatim(b"hi")),
    ([], b"*0\r\n", b"*0\r\n", [], []),
    ([1, [b"a", None]], b"*2\r\n:1\r\n*2\r\n$1\r\na\r\n$-1\r\n", b"*2\r\n:1\r\n*2\r\n$1\r\na\r\n_\r\n",
     [1, [b"a", None]], [1, [b"a", None]]),
    ((1, 2), b"*2\r\n:1\r\n:2\r\n", b"*2\r\n:1\r\n:2\r\n", [1, 2], [1, 2]),
    ({b"a"}, b"*1\r\n$1\r\na\r\n", b"~1\r\n$1\r\na\r\n", [b"a"], [b"a"]),
    (frozenset(), b"*0\r\n", b"~0\r\n", [], []),
    ({b"k": [1]}, b"*2\r\n$1\r\nk\r\n*1\r\n:1\r\n", b"%1\r\n$1\r\nk\r\n*1\r\n:1\r\n",
     [b"k", [1]], [(b"k", [1])]),
    (Push([b"message", b"c"]), b"*2\r\n$7\r\nmessage\r\n$1\r\nc\r\n", b">2\r\n$7\r\nmessage\r\n$1\r\nc\r\n",
     [b"message", b"c"], Push([b"message", b"c"])),
]  # fmt: skip

READ_ONLY = [
    (b"(3492890328409238509324850943850943825024385\r\n", 3492890328409238509324850943850943825024385),
    (b"=-1\r\n", None),
    (b"|1\r\n+key\r\n:1\r\n:42\r\n", 42),
    (b"*2\r\n|1\r\n+ttl\r\n:3\r\n+a\r\n+b\r\n", [Simple(b"a"), Simple(b"b")]),
    (b"%2\r\n+a\r\n:1\r\n+b\r\n%0\r\n", [(Simple(b"a"), 1), (Simple(b"b"), [])]),
]


def same(found, wanted):
    """Equal in type too, all the way down: a push is no list, `1` is not `True`."""
    if isinstance(wanted, (list, tuple)):
        return type(found) is type(wanted) and len(found) == len(wanted) and all(map(same, found, wanted))
    return type(found) is type(wanted) and found == wanted


@pytest.mark.parametrize(("value", "resp2", "resp3", "read2", "read3"), REPLIES, ids=short)
def test_a_reply_is_written_and_read(value, resp2, resp3, read2, read3):
    for protocol, data, wanted in ((2, resp2, read2), (3, resp3, read3)):
        assert ReplyEncoder(protocol).encode(value) == data
        ((raw, found),) = ReplyParser().feed(data)
        assert raw == data
        assert same(found, wanted)


@pytest.mark.parametrize(
    ("data", "value"),
    [(row[2], row[4]) for row in REPLIES] + [(row[1], row[3]) for row in REPLIES] + READ_ONLY,
    ids=short,
)
def test_a_reply_is_read_byte_by_byte_and_with_more_behind_it(data, value):
    parser = ReplyParser()
    found = []
    for position in range(2 * len(data)):
        at = position % len(data)
        found += [(position, reply) for reply in parser.feed(data[at : at + 1])]
    assert [position for position, _ in found] == [len(data) - 1, 2 * len(data) - 1]
    assert all(reply.raw == data and same(reply.value, value) for _, reply in found)
    for cut in range(1, len(data)):
        assert [reply.raw for reply in parser.feed(data + data[:cut])] == [data]
        assert [reply.raw for reply in parser.feed(data[cut:])] == [data]


def test_an_error_is_a_value_and_stays_one_line():
    for protocol in (2, 3):
        data = ReplyEncoder(protocol).encode(Error("ERR two\r\nlines \udcff"))
        assert data == b"-ERR two  lines \xff\r\n"
        ((_, error),) = ReplyParser().feed(data)
        assert isinstance(error, Error)
        assert error.text == "ERR two  lines \udcff"
    ((_, error),) = ReplyParser().feed(b"!8\r\nERR a\r\nb\r\n")
    assert isinstance(error, Error)
    assert error.text == "ERR a\r\nb"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"?1\r\n", "Protocol error: a reply cannot begin with b'?'"),
        (b"\r\n", "Protocol error: a reply cannot begin with b'\\r'"),
        (b":x\r\n", "Protocol error: b':x' is no reply"),
        (b"$x\r\n", "Protocol error: b'$x' is no reply"),
        (b"*1\r\n,x\r\n", "Protocol error: b',x' is no reply"),
        (b"*x\r\n", "Protocol error: b'*x' is no reply"),
    ],
    ids=short,
)
def test_what_is_no_reply_is_said(data, message):
    with pytest.raises(ProtocolViolationError) as caught:
        ReplyParser().feed(data)
    assert str(caught.value) == message


def test_a_type_can_be_written_as_another():
    encoder = ReplyEncoder(2, {complex: lambda value: [value.real, value.imag]})
    assert encoder.encode([1j]) == b"*1\r\n*2\r\n$1\r\n0\r\n$1\r\n1\r\n"
    out = [b"+before\r\n"]
    encoder.write(1, out)
    assert b"".join(out) == b"+before\r\n:1\r\n"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, b"0"),
        (-0.0, b"0"),
        (3.0, b"3"),
        (-1.0, b"-1"),
        (0.1, b"0.10000000000000001"),
        (1e16, b"10000000000000000"),
        (1e17, b"1e+17"),
        (1e-7, b"9.9999999999999995e-08"),
        (123456789.125, b"123456789.125"),
        (float("nan"), b"nan"),
    ],
)
def test_a_double_is_printed_as_redis_does(value, text):
    assert format_double(value) == text


scalars = (
    st.binary(max_size=20)
    | st.binary(max_size=20).map(Verbatim)
    | st.text("abc", max_size=5).map(lambda text: Simple(text.encode()))
    | st.integers(-(2**63), 2**63 - 1)
    | st.booleans()
    | st.none()
    | st.floats(allow_nan=False)
)
replies = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.lists(inner, max_size=4).map(Push),
    max_leaves=10,
)


def in_resp2(value):
    """What is left of a value that went through RESP2."""
    if isinstance(value, list):
        return [in_resp2(item) for item in value]
    if type(value) is float:
        return format_double(value)
    if type(value) is bool:
        return int(value)
    return bytes(value) if isinstance(value, Verbatim) else value


@given(st.lists(replies, max_size=3), sizes)
def test_replies_survive_a_round_trip_in_any_pieces(values, sizes):
    for protocol, wanted in ((2, [in_resp2(value) for value in values]), (3, values)):
        parser, found = ReplyParser(), []
        for piece in pieces(b"".join(map(ReplyEncoder(protocol).encode, values)), sizes):
            found += [reply.value for reply in parser.feed(piece)]
        assert same(found, wanted)


# What a real server says


@pytest.fixture(scope="module")
def real():
    need("server")
    with foreign_server() as path:
        yield str(path)


@contextlib.contextmanager
def raw_socket(path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.settimeout(20)
        client.connect(path)
        yield client


def answer(client, request):
    client.sendall(request)
    parser, found = ReplyParser(), []
    while not found:
        found = parser.feed(client.recv(65536))
    return found[0].value


@pytest.mark.parametrize(("data", "message"), VIOLATIONS, ids=short)
def test_a_real_server_says_the_same_and_hangs_up(real, data, message):
    with raw_socket(real) as client:
        assert answer(client, b"PING\r\n") == b"PONG"
        client.sendall(data)
        said = b""
        with contextlib.suppress(ConnectionResetError):  # it may hang up before it has read everything
            while piece := client.recv(65536):
                said += piece
        assert said == f"-ERR {EXPECTED}{message}\r\n".encode()


@pytest.mark.parametrize("data", IGNORED, ids=short)
def test_a_real_server_passes_over_the_same(real, data):
    with raw_socket(real) as client:
        assert answer(client, data + b"PING\r\n") == b"PONG"


def test_a_real_server_splits_inline_commands_the_same_way(real):
    pushed = 0
    with raw_socket(real) as client:

        @given(st.text(" \tabx4'\"\\nrt", max_size=30).map(str.encode))
        def split(line):
            nonlocal pushed
            words = split_inline(b"RPUSH key " + line)
            if words is None:
                with raw_socket(real) as other:
                    other.sendall(b"RPUSH key " + line + b"\r\n")
                    assert other.recv(100) == b"-ERR Protocol error: unbalanced quotes in request\r\n"
            elif len(words) > 2:
                answer(client, b"DEL key\r\n")
                assert answer(client, b"RPUSH key " + line + b"\r\n") == len(words) - 2
                assert answer(client, b"LRANGE key 0 -1\r\n") == words[2:]
                pushed += 1

        split()
    assert pushed > 10


@pytest.mark.parametrize("value", [0.0, -0.0, 3.0, 0.1, 1e16, 1e17, 1e-7, 123456789.125, float("inf")])
def test_a_real_server_prints_doubles_the_same_way(real, value):
    with raw_socket(real) as client:
        version = answer(client, b"INFO server\r\n").partition(b"redis_version:")[2]
        if not version.startswith((b"6.", b"7.0.")):
            pytest.skip("newer servers print the shortest digits that mean the same")
        answer(client, encode_command([b"ZADD", b"z", repr(value).encode(), b"member"]))
        assert answer(client, b"ZSCORE z member\r\n") == format_double(value)
