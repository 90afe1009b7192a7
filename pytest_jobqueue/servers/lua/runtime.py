"""Builds a Lua runtime in which scripts find what a real Redis gives them.

Lua files and scripts are compiled once in a process, since a test may want a runtime of its own.
"""

from __future__ import annotations

import hashlib
import logging
from functools import cache, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lupa import lua51

from pytest_jobqueue.servers.lua.bytecode import without_tail_calls

if TYPE_CHECKING:
    from collections.abc import Callable

_LOGGER = logging.getLogger("pytest_jobqueue.lua")
_LEVELS = (logging.DEBUG, logging.DEBUG, logging.INFO, logging.WARNING)  # debug, verbose, notice, warning

# A real cjson.null is a null pointer, which Lua prints so.
_NULL = b"""
local null = newproxy(true)
getmetatable(null).__tostring = function() return "userdata: (nil)" end
getmetatable(null).__metatable = false
return null
"""


@cache
def _bytecode(name: str) -> bytes:
    source = Path(__file__).with_name(f"{name}.lua").read_bytes()
    dump = new_runtime().eval(
        b"function(source) return string.dump(assert(loadstring(source, '=redis'))) end"
    )
    code: bytes = dump(source)
    return code


def new_runtime() -> Any:
    """A Lua 5.1 runtime that gives and takes bytes."""
    return lua51.LuaRuntime(encoding=None, unpack_returned_tuples=True, register_eval=False)


@cache
def _compiler() -> Any:
    return new_runtime().eval(
        b"function(source) local f, e = loadstring(source, '@user_script') return f and string.dump(f), e end"
    )


@lru_cache(maxsize=256)
def to_bytecode(source: bytes) -> tuple[bytes, bytes | None]:
    """Compile a script: its bytecode, for `Sandbox.load`, and what is wrong with it, if anything.

    What was compiled is kept: a library sends the same scripts in every test.
    """
    code, problem = _compiler()(source)
    return (b"", problem) if code is None else (without_tail_calls(code), None)


def is_table(value: Any) -> bool:
    """Whether something that came from Lua is a table."""
    return bool(lua51.lua_type(value) == "table")


def _load(runtime: Any, name: str, *args: Any) -> Any:
    return runtime.globals().loadstring(_bytecode(name))(*args)


def _sha1hex(text: bytes) -> bytes:
    return hashlib.sha1(text, usedforsecurity=False).hexdigest().encode()


def _log(level: float, message: bytes) -> None:
    _LOGGER.log(_LEVELS[int(level)], "%s", message.decode("utf-8", "replace"))


class Libraries:
    """The libraries that need no server: `cjson`, `cmsgpack`, `struct` and `bit`, as Lua tables."""

    names = ("cjson", "cmsgpack", "struct", "bit")

    def __init__(self, runtime: Any) -> None:
        self.runtime = runtime
        self.base = _load(runtime, "base")
        ieee754 = _load(runtime, "ieee754")
        self.bit = _load(runtime, "bit", self.base)
        self.struct = _load(runtime, "struct", self.base, ieee754, self.bit)
        self.cmsgpack = _load(runtime, "cmsgpack", self.base, ieee754)
        self.cjson = _load(runtime, "cjson", self.base, runtime.execute(_NULL))

    def table(self) -> Any:
        """All of them in one new table, by name."""
        return self.runtime.table_from({name.encode(): getattr(self, name) for name in self.names})


# Functions of fakeredis live in a runtime of its own, whose globals are an upvalue of its closures.
_INSTALL = b"""
local libraries, closure, upvalue = ...
for index = 1, 255 do
  local name, globals = debug.getupvalue(closure, index)
  if name == nil then
    return false
  elseif name == upvalue then
    for library, functions in pairs(libraries) do
      rawset(globals, library, setmetatable({}, {
        __index = functions,
        __newindex = function() error("Attempt to modify a readonly table", 2) end,
        __metatable = false,
      }))
    end
    return true
  end
end
"""


def install(runtime: Any, closure: Any, upvalue: bytes) -> None:
    """Put the libraries among globals that are out of reach but for a Lua function that uses them.

    Args:
        runtime: A runtime of Lua 5.1 that gives and takes bytes.
        closure: The function.
        upvalue: What it calls the table of globals.

    Raises:
        LookupError: The function has no such upvalue.
    """
    if not runtime.execute(_INSTALL, Libraries(runtime).table(), closure, upvalue):
        raise LookupError(f"the Lua function has no upvalue {upvalue.decode()!r}")


# Compiles as before, with calls for tail calls.
_KEEP_FRAMES = b"""
local without_tail_calls, closure = ...
for index = 1, 255 do
  local name, load = debug.getupvalue(closure, index)
  if name == nil then
    return false
  elseif name == "loadstring" then
    debug.setupvalue(closure, index, function(source, chunk_name)
      local chunk, problem = load(source, chunk_name)
      if not chunk then return nil, problem end
      return load(without_tail_calls(string.dump(chunk)), chunk_name)
    end)
    return true
  end
end
"""


def keep_frames(runtime: Any, compiler: Any) -> None:
    """Let a function that compiles others by `loadstring` leave their frames where an error looks for them.

    Args:
        runtime: A runtime of Lua 5.1 that gives and takes bytes.
        compiler: The function.

    Raises:
        LookupError: The function has no such upvalue.
    """
    if not runtime.execute(_KEEP_FRAMES, without_tail_calls, compiler):
        raise LookupError("the Lua function has no upvalue 'loadstring'")


class Sandbox:
    """A runtime with the globals of a Redis script, and the functions that compile and run one.

    Args:
        version: The Redis that scripts are told they run on, such as `7.0.15`.
        invoke: Runs a command, given what the script gave (bytes and numbers; all else is its mistake).
            Gives the reply; or None, an error text and whether the command itself raised it; or None, None
            and the text of a status.
        setresp: Told 2 or 3 when a script chooses the shape of the replies that it gets.
        is_command: Whether there is a command of that name.
    """

    def __init__(
        self,
        version: str,
        invoke: Callable[..., Any],
        setresp: Callable[[int], None],
        is_command: Callable[[bytes], bool],
    ) -> None:
        runtime = new_runtime()
        self.table_from = runtime.table_from
        libraries = Libraries(runtime)
        major, minor, patch = ([int(part) for part in version.split(".")[:3]] + [0, 0])[:3]
        python = runtime.table_from(
            {
                b"invoke": invoke,
                b"sha1hex": _sha1hex,
                b"log": _log,
                b"is_command": is_command,
                b"version": version.encode(),
                b"version_number": major << 16 | minor << 8 | patch,
            }
        )
        tables = libraries.table()
        tables[b"redis"] = _load(runtime, "api", libraries.base, python)
        sandbox = _load(runtime, "sandbox", libraries.base, tables)
        runner = _load(runtime, "runner", libraries.base, sandbox)
        self.run = runner[b"run"]
        self.run_with = runner[b"run_with"]
        self.slice = runner[b"slice"]
        self.load = sandbox[b"compile"]
        tell_runner = runner[b"setresp"]

        def tell(resp: float) -> None:
            tell_runner(resp)
            setresp(int(resp))

        python[b"setresp"] = tell
