"""The libraries inside of fakeredis' own engine for functions, which has its globals as an upvalue."""

import fakeredis
import pytest
import redis

from pytest_jobqueue.servers.lua.runtime import install


@pytest.fixture
def client():
    server = fakeredis.FakeServer(version=(7,))
    client = fakeredis.FakeRedis(server=server)
    client.function_load("#!lua name=first\nredis.register_function('first', function() return 1 end)")
    functions = server._lua_functions
    install(functions.runtime, functions._lua.end_load, b"run_globals")
    return client


def run(client, body):
    client.function_load(
        f"#!lua name=mine\nredis.register_function('mine', function(keys, args) {body} end)", replace=True
    )
    return client.fcall("mine", 0, "argument")


@pytest.mark.parametrize(
    ("body", "reply"),
    [
        ("return cjson.encode({})", b"{}"),
        ("return cjson.encode(cjson.decode('[[],1.5,null]'))", b"[{},1.5,null]"),
        ("return cmsgpack.unpack(cmsgpack.pack({'a', 2}))", [b"a", 2]),
        ("return struct.pack('>I2', 258)", b"\1\2"),
        ("return bit.band(7, 5)", 5),
        ("return tostring(pcall(function() cjson.x = 1 end))", b"false"),
    ],
)
def test_the_libraries_are_there(client, body, reply):
    assert run(client, body) == reply


def test_an_error_names_the_line_of_the_function(client):
    with pytest.raises(redis.ResponseError, match=r"user_function:2: Expected value but found invalid token"):
        run(client, "local x = cjson.decode('x') return x")


def test_what_was_loaded_before_goes_on(client):
    assert client.fcall("first", 0) == 1
