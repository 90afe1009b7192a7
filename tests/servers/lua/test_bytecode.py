"""Chunks without tail calls do the same, and keep their frames."""

import pytest

from pytest_jobqueue.servers.lua.bytecode import without_tail_calls
from pytest_jobqueue.servers.lua.runtime import install, new_runtime


@pytest.fixture
def lua():
    return new_runtime()


def compile_without(lua, source):
    dump = lua.eval(b"function(s) return string.dump(assert(loadstring(s, '@here'))) end")
    load = lua.eval(b"function(code) return assert(loadstring(code)) end")
    return load(without_tail_calls(dump(source)))


@pytest.mark.parametrize(
    ("source", "result"),
    [
        (b"return 1", 1),
        (b"local function f(...) return select('#', ...) end return f(1, nil, nil)", 3),
        (
            b"local function f(n) if n == 0 then return 'end' end return nil or f(n - 1) end return f(100)",
            b"end",
        ),
        (b"local t = {f = function(self, a, b) return b, a end} return t:f(1, 2)", (2, 1)),
        (
            b"local x, y = 1.5, true return (function() return x, y, nil, 'text' end)()",
            (1.5, True, None, b"text"),
        ),
        (b"return pcall(error)", (False, None)),
    ],
)
def test_the_same_results(lua, source, result):
    assert compile_without(lua, source)() == result


def test_the_frame_stays(lua):
    where = b"local function where() return debug.getinfo(2, 'l').currentline end\n\nreturn where()"
    assert lua.execute(where) == -1
    assert compile_without(lua, where)() == 3


@pytest.mark.parametrize("code", [b"", b"return 1", b"\x1bLuaR" + bytes(20)])
def test_something_else(code):
    with pytest.raises((ValueError, IndexError)):
        without_tail_calls(code)


def test_install(lua):
    look = lua.eval(b"(function() local globals = {} return function(name) return globals[name] end end)()")
    install(lua, look, b"globals")
    assert look(b"cjson")[b"encode"](lua.table_from([1])) == b"[1]"
    with pytest.raises(LookupError):
        install(lua, look, b"others")
