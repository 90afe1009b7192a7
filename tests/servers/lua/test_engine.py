"""What the engine keeps, what it forgets, and what it hands through; the rows show the rest."""

import re

import pytest

from pytest_jobqueue.servers.lua.engine import ScriptEngine
from pytest_jobqueue.wire.resp import Error, Simple, Verbatim


def make(call=lambda argv: argv[-1], **options):
    return ScriptEngine(call, "7.0.15", **options)


def fails(engine, script, match):
    with pytest.raises(Error) as caught:
        engine.eval(script, [], [])
    assert re.search(match, caught.value.text), caught.value.text


def test_keys_and_arguments():
    reply = make().eval(b"return {KEYS[1], KEYS[2], #KEYS, ARGV[1], #ARGV}", [b"a", b"b"], [b"\0\xff"])
    assert reply == [b"a", b"b", 2, b"\0\xff", 1]


def test_more_arguments_than_a_stack_holds():
    many = [b"%d" % number for number in range(20_000)]
    script = b"return {#KEYS, KEYS[#KEYS], #ARGV, ARGV[#ARGV]}"
    assert make().eval(script, many, many) == [20_000, b"19999", 20_000, b"19999"]


def test_a_reply_longer_than_a_stack():
    script = b"local t = {} for i = 1, 20000 do t[i] = i end return t"
    assert make().eval(script, [], []) == list(range(1, 20_001))


def test_a_deep_reply():
    script = b"local t = {} for i = 1, 300 do t = {t} end return t"
    depth, reply = 0, make().eval(script, [], [])
    while reply:
        depth, reply = depth + 1, reply[0]
    assert depth == 300


def test_a_reply_without_end():
    script = b"local t = {} t[1] = t return t"
    reply = make().eval(script, [], [])
    while isinstance(reply, list):
        (reply,) = reply
    assert reply.text == "ERR reached lua stack limit"


def test_load_exists_flush():
    engine = make()
    sha = engine.load(b"return 7")
    assert sha == b"4ca238f611c9d0ae4e9a75a5dbac22aedc1e44b5" or len(sha) == 40
    assert engine.exists(sha)
    assert engine.evalsha(sha, [], []) == 7
    assert engine.evalsha(sha.upper(), [], []) == 7
    engine.flush()
    assert not engine.exists(sha)
    with pytest.raises(Error, match=r"^NOSCRIPT No matching script\. Please use EVAL\.$"):
        engine.evalsha(sha, [], [])


def test_eval_keeps_the_script():
    engine = make()
    engine.eval(b"return 1", [], [])
    assert engine.exists(engine.load(b"return 1"))


def test_a_script_that_does_not_compile_is_not_kept():
    engine = make()
    with pytest.raises(Error, match="ERR Error compiling script"):
        engine.load(b"return (")
    assert not engine._scripts


@pytest.mark.parametrize(
    "script",
    [b"x = 1", b"redis.x = 1", b"_G.x = 1", b"string.x = 1", b"KEYS = 1", b"getmetatable('').x = 1"],
)
def test_a_script_leaves_nothing_behind(script):
    engine = make()
    fails(engine, script, "Attempt to modify a readonly table")
    assert engine.eval(b"return pcall(function() return x end)", [], []) is None
    assert engine.eval(b"return redis.x", [], []) is None
    assert engine.eval(b"return #KEYS", [b"k"], []) == 1


def test_changed_keys_and_protocol_end_with_the_script():
    engine = make(call=lambda _argv: {b"a": b"b"})
    engine.eval(b"KEYS[1] = 'changed' ARGV[5] = 1 redis.setresp(3)", [b"k"], [])
    assert engine.eval(b"return {KEYS[1], #ARGV, type(redis.call('x').map)}", [b"k"], []) == [b"k", 0, b"nil"]


def test_the_resp_that_a_script_chose_is_seen_by_call():
    seen = []
    engine = make(call=lambda _argv: seen.append(engine.resp))
    engine.eval(b"redis.call('x') redis.setresp(3) redis.call('x')", [], [])
    engine.eval(b"redis.call('x')", [], [])
    assert seen == [2, 3, 2]


@pytest.mark.parametrize(
    ("reply", "seen"),
    [
        (Simple(b"OK"), b"table:OK"),
        (b"", b"string:"),
        (5, b"number:5"),
        (None, b"boolean:false"),
        (True, b"number:1"),
        (1.5, b"string:1.5"),
        (Verbatim(b"txt"), b"string:txt"),
        ("text", b"string:text"),
    ],
)
def test_what_a_script_sees(reply, seen):
    engine = make(call=lambda _argv: reply)
    script = b"local r = redis.call('x') return type(r) .. ':' .. tostring(type(r) == 'table' and r.ok or r)"
    assert engine.eval(script, [], []) == seen


def test_what_a_script_sees_in_resp3():
    script = b"redis.setresp(3) return redis.call('x')"
    for reply in (None, True, False, 1.5, {b"a": 1}, frozenset([b"a"]), [None, 1.5], Verbatim(b"t")):
        engine = make(call=lambda _argv, reply=reply: reply)
        expected = [] if reply == [None, 1.5] else reply  # nil ends a Lua table
        assert engine.eval(script, [], []) == expected
        assert type(engine.eval(script, [], [])) is type(expected)


def test_errors_inside_arrays_are_values():
    engine = make(call=lambda _argv: [b"x", Error("ERR no"), [Error("ERR yes")]])
    _, first, (second,) = engine.eval(b"return redis.call('x')", [], [])
    assert (first.text, second.text) == ("ERR no", "ERR yes")


@pytest.mark.parametrize("raised", [True, False])
def test_an_error_may_be_raised_or_returned(raised):
    def call(_argv):
        error = Error("WRONGTYPE no")
        if raised:
            raise error
        return error

    fails(make(call), b"redis.call('x')", r"^WRONGTYPE no script: [0-9a-f]{40}, on @user_script:1\.$")
    assert make(call).eval(b"return redis.pcall('x').err", [], []) == b"WRONGTYPE no"


class Broken(BaseException):
    """Something that no script may swallow."""


def test_other_exceptions_pass_through_and_leave_the_engine_usable():
    def call(argv):
        if argv == [b"break"]:
            raise Broken
        return 1

    engine = make(call)
    with pytest.raises(Broken):
        engine.eval(b"pcall(redis.call, 'break') return 5", [], [])
    assert engine.eval(b"return redis.call('x')", [], []) == 1


@pytest.mark.parametrize(
    "script",
    [b"return redis.call('SET', 'k', 1)", b"#!lua flags=no-writes\nreturn redis.call('set', 'k', 1)"],
)
def test_read_only(script):
    called = []
    engine = make(called.append, is_write={b"set"}.__contains__)
    with pytest.raises(Error, match=r"^ERR Write commands are not allowed from read-only scripts\."):
        engine.eval(script, [], [], read_only=not script.startswith(b"#!"))
    assert not called
    engine.eval(b"redis.call('set', 'k', 1)", [], [])
    assert called == [[b"set", b"k", b"1"]]


def test_numbers_of_a_command_are_exact():
    seen = []
    make(seen.append).eval(b"redis.call('x', 1, 0.1, 1e15, 2^53, 1e20, -1/0)", [], [])
    assert seen == [
        [b"x", b"1", b"0.10000000000000001", b"1000000000000000", b"9007199254740992", b"1e+20", b"-inf"]
    ]


def test_a_log_line_reaches_logging(caplog):
    caplog.set_level("DEBUG", "pytest_jobqueue.lua")
    make().eval(b"redis.log(redis.LOG_WARNING, 'disk', 'full') redis.log(redis.LOG_DEBUG, 1)", [], [])
    assert [(record.levelname, record.message) for record in caplog.records] == [
        ("WARNING", "disk full"),
        ("DEBUG", "1"),
    ]


@pytest.mark.parametrize(
    ("version", "number", "has_clock"),
    [("7.0.15", 0x7000F, False), ("7.4.0", 0x70400, True), ("8.2", 0x80200, True)],
)
def test_version(version, number, has_clock):
    engine = ScriptEngine(lambda _argv: None, version)
    assert engine.eval(b"return {redis.REDIS_VERSION, redis.REDIS_VERSION_NUM}", [], []) == [
        version.encode(),
        number,
    ]
    clock = engine.eval(b"return {pcall(function() return os.clock() >= 0 end)}", [], [])
    assert clock[0] == (1 if has_clock else None)


def test_two_engines_do_not_share():
    one, two = make(), make()
    one.eval(b"cjson.encode_number_precision(3)", [], [])
    assert one.eval(b"return cjson.encode(1/3)", [], []) == b"0.333"
    assert two.eval(b"return cjson.encode(1/3)", [], []) == b"0.33333333333333"
