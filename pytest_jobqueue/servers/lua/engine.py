"""Runs scripts as EVAL and EVALSHA of a real Redis do, whatever the memory behind it is.

A script is compiled once and kept by its SHA1; nothing that it does outlives it: its globals are read-only.
The engine knows commands only through the one function that it is given, and replies only as values of the
wire. Error texts, conversions and their order are those of Redis 7.0 (`script_lua.c`, `eval.c`).
"""

from __future__ import annotations

import hashlib
import math
from typing import TYPE_CHECKING, Any

from pytest_jobqueue.servers.lua.replies import reply_of, to_lua
from pytest_jobqueue.servers.lua.runtime import Sandbox, is_table, to_bytecode
from pytest_jobqueue.servers.lua.shebang import read_shebang
from pytest_jobqueue.wire.resp import Error, Simple

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

NOSCRIPT = "NOSCRIPT No matching script. Please use EVAL."
NO_COMMAND = "ERR Please specify at least one argument for this redis lib call"
BAD_ARGUMENT = "ERR Lua redis lib command arguments must be strings or integers"
UNKNOWN_COMMAND = "ERR Unknown Redis command called from script"
WRONG_ARITY = "ERR Wrong number of args calling Redis command from script"
NOT_ALLOWED = "ERR This Redis command is not allowed from script"
READ_ONLY = "ERR Write commands are not allowed from read-only scripts."

# With as many words these pass the arity check, and what is wrong with them is the command's own error.
_ODD_WORDS = {b"hset": 4, b"hmset": 4, b"mset": 3, b"msetnx": 3, b"xadd": 5}

# More arguments than this travel in tables, as a C function has no room for them.
_ROW = 200
# As many values of a reply come in one step.
_SLICE = 4000

_Lua = Any


class _Script:
    __slots__ = ("chunk", "no_writes")

    def __init__(self, chunk: _Lua, *, no_writes: bool) -> None:
        self.chunk = chunk
        self.no_writes = no_writes


class ScriptEngine:
    """The scripts of one server, and the Lua that they run in.

    Lua itself starts with the first script. One engine serves any number of connections, one at a time.

    Args:
        call: Runs a command in the current session. Its reply is a value of `wire.resp`; an error is returned
            or raised as `Error`. Any other exception ends the script and reaches the caller of `eval`.
        version: What `redis.REDIS_VERSION` says, such as `7.0.15`.
        is_write: Whether a command, given in lower case, writes. Needed for read-only scripts.
        is_command: Whether there is a command of that name in lower case. Needed for `redis.acl_check_cmd`.

    Attributes:
        call: The function above; may be set anew at any time.
        resp: The protocol that the running script wants replies in: 2, or 3 after `redis.setresp(3)`. A
            `call` that gives maps, sets and doubles as such need not look at it.
    """

    def __init__(
        self,
        call: Callable[[list[bytes]], Any],
        version: str,
        *,
        is_write: Callable[[bytes], bool] = lambda _name: False,
        is_command: Callable[[bytes], bool] = lambda _name: True,
    ) -> None:
        self.call = call
        self.resp = 2
        self._version = version
        self._is_write = is_write
        self._is_command = is_command
        self._scripts: dict[bytes, _Script] = {}
        self._read_only = False
        self._failure: BaseException | None = None
        self._sandbox: Sandbox | None = None

    # Scripts ----------------------------------------------------------------------------------------------

    def eval(
        self, script: bytes, keys: Sequence[bytes], args: Sequence[bytes], *, read_only: bool = False
    ) -> Any:
        """Run a script, as EVAL does (EVAL_RO with `read_only`).

        Returns:
            Its reply, a value of `wire.resp`. Errors inside of arrays are `Error` values.

        Raises:
            Error: It does not compile, it failed, or its reply is an error.
        """
        sha = hashlib.sha1(script, usedforsecurity=False).hexdigest().encode()
        known = self._scripts.get(sha) or self._compile(sha, script)
        return self._run(known, sha, keys, args, read_only=read_only)

    def evalsha(
        self, sha: bytes, keys: Sequence[bytes], args: Sequence[bytes], *, read_only: bool = False
    ) -> Any:
        """Run a script that was loaded or run before, as EVALSHA does.

        Raises:
            Error: `NOSCRIPT`, or whatever `eval` raises.
        """
        sha = sha.lower()
        known = self._scripts.get(sha)
        if known is None:
            raise Error(NOSCRIPT)
        return self._run(known, sha, keys, args, read_only=read_only)

    def load(self, script: bytes) -> bytes:
        """Compile and keep a script; its SHA1 in lower-case hex.

        Raises:
            Error: It does not compile.
        """
        sha = hashlib.sha1(script, usedforsecurity=False).hexdigest().encode()
        if sha not in self._scripts:
            self._compile(sha, script)
        return sha

    def exists(self, sha: bytes) -> bool:
        """Whether a script of that SHA1 is kept."""
        return sha.lower() in self._scripts

    def flush(self) -> None:
        """Forget all scripts."""
        self._scripts.clear()

    def _compile(self, sha: bytes, script: bytes) -> _Script:
        source, no_writes = read_shebang(script)
        code, problem = to_bytecode(source)
        if problem is not None:
            text = problem.decode("utf-8", "surrogateescape")
            raise Error(f"ERR Error compiling script (new function): {text}")
        known = self._scripts[sha] = _Script(self._lua().load(code), no_writes=no_writes)
        return known

    def _lua(self) -> Sandbox:
        if self._sandbox is None:
            self._sandbox = Sandbox(self._version, self._invoke, self._setresp, self._is_command)
        return self._sandbox

    def _run(
        self, script: _Script, sha: bytes, keys: Sequence[bytes], args: Sequence[bytes], *, read_only: bool
    ) -> Any:
        sandbox = self._lua()
        self.resp = 2
        self._read_only = read_only or script.no_writes
        if len(keys) + len(args) <= _ROW:
            result = sandbox.run(script.chunk, len(keys), *keys, *args)
        else:
            result = sandbox.run_with(script.chunk, sandbox.table_from(keys), sandbox.table_from(args))
        if self._failure is not None:
            failure, self._failure = self._failure, None
            raise failure
        if type(result) is not tuple:
            return result
        if result[0] is False:
            raise Error(_failed(sha, *result[1:]))
        if is_table(result[0]):
            result = self._long_row(*result)
        reply = reply_of(iter(result).__next__)
        if type(reply) is Error:
            raise reply
        return reply

    def _long_row(self, row: _Lua, size: int) -> list[Any]:
        values: list[Any] = []
        assert self._sandbox is not None
        for first in range(1, size + 1, _SLICE):
            last = min(first + _SLICE - 1, size)
            piece = self._sandbox.slice(row, first, last)
            values.extend(piece if type(piece) is tuple else [piece])
        return values

    # What a script calls ----------------------------------------------------------------------------------

    def _setresp(self, resp: int) -> None:
        self.resp = resp

    def _invoke(self, *words: Any) -> Any:
        """Run a command for Lua; for what it gives see `Sandbox`."""
        if not words:
            return None, NO_COMMAND.encode(), False
        try:
            argv = [word if type(word) is bytes else _format_number(word) for word in words]
        except TypeError:
            return None, BAD_ARGUMENT.encode(), False
        if self._read_only and self._is_write(argv[0].lower()):
            return None, READ_ONLY.encode(), True
        try:
            reply = self.call(argv)
        except Error as error:
            reply = error
        except BaseException as failure:  # noqa: BLE001 (raised again once Lua has unwound)
            self._failure = failure
            return None, b"ERR internal error", False
        kind = type(reply)
        if kind is bytes or kind is int:
            return reply
        if kind is Simple:
            return None, None, bytes(reply)
        if kind is Error:
            return None, _in_script(argv, reply.text).encode("utf-8", "surrogateescape"), True
        assert self._sandbox is not None
        return to_lua(reply, self.resp, self._sandbox.table_from)


def _format_number(word: Any) -> bytes:
    if type(word) is int:
        return b"%.17g" % word
    if type(word) is float:
        return b"-nan" if math.isnan(word) and math.copysign(1, word) < 0 else b"%.17g" % word
    raise TypeError(word)


def _in_script(argv: list[bytes], text: str) -> str:
    """What a script is told where a client is told `text`: name and arity are checked before the command."""
    if text.startswith(("ERR unknown command", "ERR unknown subcommand")):
        return UNKNOWN_COMMAND
    if text.startswith("ERR This Redis command is not allowed from script"):
        return NOT_ALLOWED  # later versions say "scripts"
    if text.startswith("ERR wrong number of arguments for"):
        least = _ODD_WORDS.get(argv[0].lower())
        if least is None or len(argv) < least:
            return WRONG_ARITY
    return text


def _failed(sha: bytes, text: bytes, source: bytes | None = None, line: int | None = None) -> str:
    message = text.decode("utf-8", "surrogateescape").replace("\r", " ").replace("\n", " ")
    if source is None:
        return message
    where = source.decode("utf-8", "surrogateescape").replace("\r", " ").replace("\n", " ")
    return f"{message} script: {sha.decode()}, on {where}:{line}."
