"""The parts of the commands that are functions of their arguments."""

from __future__ import annotations

from fractions import Fraction

import pytest

from pytest_jobqueue.servers.commands import COMMANDS, unknown_command, unknown_subcommand
from pytest_jobqueue.servers.commands.blocking import timeout_of
from pytest_jobqueue.servers.commands.events import event_messages, events, parse_flags
from pytest_jobqueue.servers.commands.facts import reworded
from pytest_jobqueue.servers.commands.registry import integer
from pytest_jobqueue.servers.commands.values import _long_double, _written
from pytest_jobqueue.wire.resp import Error


def test_every_command_says_what_it_is():
    assert not [name for name in COMMANDS if name != name.lower() or len(name.split()) > 2]
    assert not [name for name, command in COMMANDS.items() if command.least > command.most]


@pytest.mark.parametrize(
    ("argv", "text"),
    [
        ([b"X"], "ERR unknown command 'X', with args beginning with: "),
        ([b"X", b"a", b"b"], "ERR unknown command 'X', with args beginning with: 'a' 'b' "),
        ([b"X" * 200], f"ERR unknown command '{'X' * 128}', with args beginning with: "),
    ],
)
def test_an_unknown_command_is_quoted(argv, text):
    assert unknown_command(argv) == text


def test_an_unknown_subcommand_is_quoted():
    assert unknown_subcommand([b"client", b"x"]) == "ERR unknown subcommand 'x'. Try CLIENT HELP."
    assert unknown_subcommand([b"CLIENT"]) == "ERR wrong number of arguments for 'client' command"


@pytest.mark.parametrize("written", ["0", "-1", "9223372036854775807", "-9223372036854775808"])
def test_an_integer_as_redis_writes_it(written):
    assert integer(written.encode()) == int(written)


@pytest.mark.parametrize(
    "written", ["", " 1", "1 ", "+1", "01", "-0", "1_0", "1.0", "9223372036854775808", "\u0661"]
)
def test_no_integer(written):
    with pytest.raises(Error, match=r"^ERR value is not an integer or out of range$"):
        integer(written.encode())


@pytest.mark.parametrize(("written", "seconds"), [("0", 0.0), ("0.5", 0.5), ("1e2", 100.0)])
def test_a_timeout(written, seconds):
    assert timeout_of(written.encode()) == seconds


@pytest.mark.parametrize(
    ("written", "what"),
    [
        ("x", "not a float or out of range"),
        ("nan", "not a float or out of range"),
        (" 1", "not a float or out of range"),
        ("-1", "negative"),
        ("inf", "negative"),
        ("1e400", "negative"),
    ],
)
def test_no_timeout(written, what):
    with pytest.raises(Error, match=f"^ERR timeout is {what}$"):
        timeout_of(written.encode())


@pytest.mark.parametrize(
    ("given", "kept"),
    [("", ""), ("KEA", "AKE"), ("Kg$lshzxetd", "AK"), ("xE", "xE"), ("El$", "$lE"), ("Km", "Km")],
)
def test_classes_of_events_are_kept_in_order(given, kept):
    assert parse_flags(given.encode()) == kept.encode()


def test_an_unknown_class_of_events_is_refused():
    with pytest.raises(ValueError, match="Invalid event class character"):
        parse_flags(b"K?")


@pytest.mark.parametrize(
    ("flags", "channels"),
    [
        ("", []),
        ("K", []),
        ("Kl", [b"__keyspace@2__:k"]),
        ("El", [b"__keyevent@2__:lpush"]),
        ("Kg", []),
        ("AKE", [b"__keyspace@2__:k", b"__keyevent@2__:lpush"]),
    ],
)
def test_an_event_is_published_where_it_was_asked_for(flags, channels):
    config = {b"notify-keyspace-events": flags.encode()}
    assert [channel for channel, _ in event_messages(config, "l", b"lpush", b"k", 2)] == channels


@pytest.mark.parametrize(
    ("name", "args", "keys", "gone", "told"),
    [
        ("set", [b"k", b"v"], [b"k"], (), ["set k"]),
        ("set", [b"k", b"v", b"EX", b"9"], [b"k"], (), ["set k", "expire k"]),
        ("lpop", [b"k"], [b"k"], (b"k",), ["lpop k", "del k"]),
        ("lmove", [b"a", b"b", b"LEFT", b"RIGHT"], [b"a", b"b"], (b"a",), ["rpush b", "lpop a", "del a"]),
        ("rename", [b"a", b"b"], [b"a", b"b"], (b"a",), ["rename_from a", "rename_to b"]),
        ("del", [b"a", b"b"], [b"a"], (b"a",), ["del a"]),
        ("expire", [b"a", b"-1"], [b"a"], (b"a",), ["del a"]),
        ("smove", [b"a", b"b", b"m"], [b"a", b"b"], (b"a",), ["srem a", "del a", "sadd b"]),
        ("get", [b"a"], [], (), []),
    ],
)
def test_the_events_of_a_command(name, args, keys, gone, told):
    found = [f"{event.decode()} {key.decode()}" for _, event, key, _ in events(name, args, keys, gone, 0)]
    assert found == told


@pytest.mark.parametrize(
    ("theirs", "name", "ours"),
    [
        ("ERR invalid expire time in setex", "setex", "ERR invalid expire time in 'setex' command"),
        ("ERR BUSYGROUP Consumer", "xgroup create", "BUSYGROUP Consumer"),
        ("ERR syntax error", "lpop", "ERR wrong number of arguments for 'lpop' command"),
        ("ERR syntax error", "set", "ERR syntax error"),
    ],
)
def test_fakeredis_in_other_words(theirs, name, ours):
    assert reworded(theirs, name) == ours


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (Fraction("10.6"), "10.6"),
        (Fraction("-1.4"), "-1.4"),
        (Fraction("0"), "0"),
        (Fraction("100000000000000003.00001"), "100000000000000003"),
        (Fraction("0.1") + Fraction("5005.5"), "5005.60000000000000009"),
    ],
)
def test_a_number_as_a_long_double_prints(value, written):
    assert _written(_long_double(value)) == written.encode()
