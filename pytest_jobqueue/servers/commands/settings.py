"""CONFIG: the settings that clients read, of which a few change anything here.

Values are checked and written back as a real server does it: bytes of memory in numbers, classes of events in
order. What a real server does not let anybody change stays as it is.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from pytest_jobqueue.servers.commands.events import parse_flags
from pytest_jobqueue.servers.commands.registry import ANY, Table, text
from pytest_jobqueue.wire.resp import Error, Simple

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pytest_jobqueue.servers.engine import Session

COMMANDS = Table()
OK = Simple(b"OK")


def default_config(password: str | None) -> dict[bytes, bytes]:
    """The settings that CONFIG GET shows at the start: Redis 7's defaults, persistence off."""
    settings = {
        "maxmemory": "0",
        "maxmemory-policy": "noeviction",
        "maxclients": "10000",
        "timeout": "0",
        "tcp-keepalive": "300",
        "databases": "16",
        "save": "",
        "appendonly": "no",
        "notify-keyspace-events": "",
        "requirepass": password or "",
        "lua-time-limit": "5000",
        "busy-reply-threshold": "5000",
        "slowlog-log-slower-than": "10000",
        "slowlog-max-len": "128",
        "latency-monitor-threshold": "0",
        "list-max-listpack-size": "-2",
        "list-max-ziplist-size": "-2",
        "hash-max-listpack-entries": "512",
        "hash-max-listpack-value": "64",
        "set-max-intset-entries": "512",
        "zset-max-listpack-entries": "128",
        "zset-max-listpack-value": "64",
        "stream-node-max-entries": "100",
        "stream-node-max-bytes": "4096",
        "proto-max-bulk-len": "536870912",
        "client-query-buffer-limit": "1073741824",
        "client-output-buffer-limit": "normal 0 0 0 slave 268435456 67108864 60 pubsub 33554432 8388608 60",
        "bind": "127.0.0.1",
        "protected-mode": "yes",
        "cluster-enabled": "no",
        "loglevel": "notice",
        "dir": "/",
        "dbfilename": "dump.rdb",
    }
    return {name.encode(): value.encode() for name, value in settings.items()}


_POLICIES = (
    *("volatile-lru", "volatile-lfu", "volatile-random", "volatile-ttl", "allkeys-lru", "allkeys-lfu"),
    *("allkeys-random", "noeviction"),
)
_UNITS = {"": 1, "b": 1, "k": 1000, "kb": 1024, "m": 1000**2, "mb": 1024**2, "g": 1000**3, "gb": 1024**3}
_NUMBERS = frozenset(
    b"maxclients timeout tcp-keepalive lua-time-limit busy-reply-threshold slowlog-max-len "
    b"slowlog-log-slower-than latency-monitor-threshold stream-node-max-entries".split()
)


def _memory(value: bytes) -> bytes:
    match = re.fullmatch(r"(\d+)([a-z]*)", text(value).lower())
    if match is None or match[2] not in _UNITS:
        raise ValueError("argument must be a memory value")
    return b"%d" % (int(match[1]) * _UNITS[match[2]])


def _query_buffer(value: bytes) -> bytes:
    size = _memory(value)
    if not 1024**2 <= int(size) < 2**63:
        raise ValueError(f"argument must be between {1024**2} and {2**63 - 1} inclusive")
    return size


def _policy(value: bytes) -> bytes:
    if text(value).lower() not in _POLICIES:
        raise ValueError(
            f"argument(s) must be one of the following: {', '.join(_POLICIES)}, ".removesuffix(", ")
        )
    return value.lower()


def _number(value: bytes) -> bytes:
    if not re.fullmatch(rb"-?\d+", value):
        raise ValueError("argument couldn't be parsed into an integer")
    return b"%d" % int(value)


def _fixed(_value: bytes) -> bytes:
    raise ValueError("can't set immutable config")


_CHECKS: dict[bytes, Callable[[bytes], bytes]] = {
    b"maxmemory": _memory,
    b"client-query-buffer-limit": _query_buffer,
    b"proto-max-bulk-len": _memory,
    b"stream-node-max-bytes": _memory,
    b"maxmemory-policy": _policy,
    b"notify-keyspace-events": parse_flags,
    **dict.fromkeys(_NUMBERS, _number),
    **dict.fromkeys([b"databases", b"cluster-enabled"], _fixed),
}


@COMMANDS.add("config get", 1, ANY, no_script=True)
def config_get(session: Session, args: Sequence[bytes]) -> Any:
    """CONFIG GET pattern …."""
    matchers = [session.matcher(pattern.lower()) for pattern in args]
    return {
        name: value
        for name, value in session.memory.config.items()
        if any(matches(name) for matches in matchers)
    }


@COMMANDS.add("config set", 2, ANY, no_script=True)
def config_set(session: Session, args: Sequence[bytes]) -> Any:
    """CONFIG SET name value …; all or nothing."""
    if len(args) % 2:
        raise Error("ERR wrong number of arguments for 'config|set' command")
    memory = session.memory
    changes: dict[bytes, bytes] = {}
    for word, value in zip(args[::2], args[1::2], strict=True):
        name = word.lower()
        if name not in memory.config:
            raise Error(f"ERR Unknown option or number of arguments for CONFIG SET - '{text(word)}'")
        try:
            changes[name] = _CHECKS[name](value) if name in _CHECKS else value
        except ValueError as error:
            raise Error(
                f"ERR CONFIG SET failed (possibly related to argument '{text(name)}') - {error}"
            ) from None
    memory.config.update(changes)
    memory.notifies = bool(memory.config[b"notify-keyspace-events"])
    if b"requirepass" in changes:
        memory.password = text(changes[b"requirepass"]) or None
        memory.guarded = memory.restricted or memory.password is not None
        session.authenticated = True
    return OK


@COMMANDS.add("config resetstat", no_script=True)
def config_resetstat(session: Session, _args: Sequence[bytes]) -> Any:
    """CONFIG RESETSTAT."""
    session.memory.total_commands = session.memory.total_connections = session.memory.expired_keys = 0
    return OK


@COMMANDS.add("config rewrite", no_script=True)
def config_rewrite(_session: Session, _args: Sequence[bytes]) -> Any:
    """CONFIG REWRITE: there is no file."""
    raise Error("ERR The server is running without a config file")
