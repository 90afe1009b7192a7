"""Commands about the server: INFO, CONFIG, COMMAND, OBJECT, MEMORY, WAIT, SLOWLOG, LATENCY, DEBUG.

They answer what clients read in order to adapt themselves, in a real server's words.
"""

from __future__ import annotations

import os
import platform
import re
import time
from typing import TYPE_CHECKING, Any

from pytest_jobqueue.servers.commands.registry import ANY, SYNTAX_ERROR, Table, integer, text
from pytest_jobqueue.wire.resp import Error, Simple, Verbatim

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pytest_jobqueue.servers.engine import Session

COMMANDS = Table()
OK = Simple(b"OK")
_USED_MEMORY = 1_048_576  # what is reported; nothing here measures it


def _server(session: Session) -> dict[str, Any]:
    memory = session.memory
    port = session.owner.local.rpartition(":")[2]
    return {
        "redis_version": memory.version,
        "redis_git_sha1": "00000000",
        "redis_git_dirty": 0,
        "redis_build_id": "0",
        "redis_mode": "standalone",
        "os": f"{platform.system()} {platform.release()} {platform.machine()}",
        "arch_bits": 64,
        "multiplexing_api": "epoll",
        "process_id": os.getpid(),
        "run_id": memory.run_id,
        "tcp_port": port,
        "server_time_usec": int(time.time() * 1e6),
        "uptime_in_seconds": int(time.time() - memory.started),
        "uptime_in_days": int(time.time() - memory.started) // 86400,
        "hz": 10,
        "executable": "pytest-jobqueue",
        "config_file": "",
    }


def _clients(session: Session) -> dict[str, Any]:
    sessions = session.memory.sessions.values()
    return {
        "connected_clients": len(sessions),
        "cluster_connections": 0,
        "maxclients": 10000,
        "client_recent_max_input_buffer": 0,
        "client_recent_max_output_buffer": 0,
        "blocked_clients": sum(other.waiter is not None for other in sessions),
        "tracking_clients": 0,
        "clients_in_timeout_table": sum(
            other.waiter is not None and other.waiter.timeout is not None for other in sessions
        ),
    }


def _memory(session: Session) -> dict[str, Any]:
    return {
        "used_memory": _USED_MEMORY,
        "used_memory_human": "1.00M",
        "used_memory_rss": _USED_MEMORY,
        "used_memory_rss_human": "1.00M",
        "used_memory_peak": _USED_MEMORY,
        "used_memory_peak_human": "1.00M",
        "total_system_memory": 0,
        "total_system_memory_human": "0B",
        "used_memory_lua": 32768,
        "used_memory_lua_human": "32.00K",
        "maxmemory": int(session.memory.config.get(b"maxmemory", b"0")),
        "maxmemory_human": "0B",
        "maxmemory_policy": text(session.memory.config.get(b"maxmemory-policy", b"noeviction")),
        "mem_fragmentation_ratio": "1.00",
        "mem_allocator": "python",
    }


def _persistence(session: Session) -> dict[str, Any]:
    return {
        "loading": 0,
        "async_loading": 0,
        "rdb_changes_since_last_save": session.memory.dirty,
        "rdb_bgsave_in_progress": 0,
        "rdb_last_save_time": int(session.memory.started),
        "rdb_last_bgsave_status": "ok",
        "aof_enabled": 0,
        "aof_rewrite_in_progress": 0,
        "aof_last_write_status": "ok",
    }


def _stats(session: Session) -> dict[str, Any]:
    memory = session.memory
    return {
        "total_connections_received": memory.total_connections,
        "total_commands_processed": memory.total_commands,
        "instantaneous_ops_per_sec": 0,
        "rejected_connections": 0,
        "expired_keys": memory.expired_keys,
        "evicted_keys": 0,
        "keyspace_hits": 0,
        "keyspace_misses": 0,
        "pubsub_channels": len(memory.channels.kinds[0]),
        "pubsub_patterns": len(memory.channels.kinds[1]),
        "total_error_replies": 0,
    }


def _replication(_session: Session) -> dict[str, Any]:
    return {
        "role": "master",
        "connected_slaves": 0,
        "master_failover_state": "no-failover",
        "master_replid": "0" * 40,
        "master_repl_offset": 0,
        "repl_backlog_active": 0,
    }


def _cpu(_session: Session) -> dict[str, Any]:
    spent = os.times()
    return {"used_cpu_sys": f"{spent.system:.6f}", "used_cpu_user": f"{spent.user:.6f}"}


def _cluster(_session: Session) -> dict[str, Any]:
    return {"cluster_enabled": 0}


def _keyspace(session: Session) -> dict[str, Any]:
    return {
        f"db{number}": f"keys={keys},expires={expires},avg_ttl=0"
        for number, (keys, expires) in session.sizes().items()
    }


def _nothing(_session: Session) -> dict[str, Any]:
    return {}


_SECTIONS: dict[str, Callable[[Session], dict[str, Any]]] = {
    "Server": _server,
    "Clients": _clients,
    "Memory": _memory,
    "Persistence": _persistence,
    "Stats": _stats,
    "Replication": _replication,
    "CPU": _cpu,
    "Modules": _nothing,
    "Errorstats": _nothing,
    "Cluster": _cluster,
    "Keyspace": _keyspace,
}


@COMMANDS.add("info", 0, ANY)
def info(session: Session, args: Sequence[bytes]) -> Any:
    """INFO [section …]."""
    wanted = {text(name).lower() for name in args} or {"default"}
    everything = wanted & {"default", "all", "everything"}
    chunks = []
    for title, section in _SECTIONS.items():
        if everything or title.lower() in wanted:
            lines = "".join(f"{name}:{value}\r\n" for name, value in section(session).items())
            chunks.append(f"# {title}\r\n{lines}")
    return Verbatim("\r\n".join(chunks).encode())


@COMMANDS.add("command docs", 0, ANY)
def command_docs(_session: Session, _args: Sequence[bytes]) -> Any:
    """COMMAND DOCS: none are kept; an empty map, as for commands that do not exist."""
    return {}


@COMMANDS.add("command list", 0, ANY)
def command_list(session: Session, _args: Sequence[bytes]) -> Any:
    """COMMAND LIST."""
    return sorted({name.partition(" ")[0].encode() for name in session.memory.table})


@COMMANDS.add("command count")
def command_count(session: Session, _args: Sequence[bytes]) -> Any:
    """COMMAND COUNT."""
    return len({name.partition(" ")[0] for name in session.memory.table})


_OPERANDS = {  # commands with a count of keys: where the count stands, and a key before it
    **dict.fromkeys(["eval", "evalsha", "eval_ro", "evalsha_ro", "fcall", "fcall_ro"], (2, False)),
    **dict.fromkeys(["zunionstore", "zinterstore", "zdiffstore"], (2, True)),
    **dict.fromkeys(["lmpop", "zmpop", "sintercard", "zunion", "zinter", "zdiff", "zintercard"], (1, False)),
    **dict.fromkeys(["blmpop", "bzmpop"], (2, False)),
}


_LAST = {  # where the last key stands, counted from the end, in what fakeredis describes with one key
    **dict.fromkeys(["mset", "msetnx", "mget", "del", "unlink", "exists", "touch", "watch"], -1),
    **dict.fromkeys(["sinter", "sunion", "sdiff", "sinterstore", "sunionstore", "sdiffstore"], -1),
    **dict.fromkeys(["blpop", "brpop", "bzpopmin", "bzpopmax"], -2),
}


def _keys_of(name: str, args: Sequence[bytes], details: Sequence[Any]) -> list[bytes]:
    lower = [word.lower() for word in args]
    if name in ("xread", "xreadgroup"):
        rest = args[lower.index(b"streams") + 1 :] if b"streams" in lower else ()
        return list(rest[: len(rest) // 2])
    if name in _OPERANDS:
        position, with_target = _OPERANDS[name]
        count = integer(args[position])
        return [*args[1 : 1 + with_target], *args[position + 1 : position + 1 + count]]
    if name == "sort" and b"store" in lower[:-1]:
        return [args[1], args[lower.index(b"store") + 1]]
    first, last, step = details[3], _LAST.get(name, details[4]), details[5]
    stop = last if last >= 0 else len(args) + last
    return list(args[first : stop + 1 : step]) if first else []


@COMMANDS.add("command getkeys", 2, ANY)
def command_getkeys(session: Session, args: Sequence[bytes]) -> Any:
    """COMMAND GETKEYS command arg …."""
    described = session.call([b"COMMAND", b"INFO", args[0].lower()])
    details = described[0] if isinstance(described, list) and described else None
    if not details:
        raise Error("ERR Invalid command specified")
    arity = details[1]
    if len(args) != arity if arity > 0 else len(args) < -arity:
        raise Error("ERR Invalid number of arguments specified for command")
    name = text(args[0]).lower()
    keys = _keys_of(name, args, details)
    if not keys:
        raise Error("ERR The command has no key arguments")
    return keys


@COMMANDS.add("touch", 1, ANY)
def touch(session: Session, args: Sequence[bytes]) -> Any:
    """TOUCH key …: how many of them exist."""
    return sum(session.value(key) is not None for key in args)


def _existing(session: Session, key: bytes) -> Any:
    value = session.value(key)
    if value is None:
        raise Error("ERR no such key")
    return value


@COMMANDS.add("object encoding", 1)
def object_encoding(session: Session, args: Sequence[bytes]) -> Any:
    """OBJECT ENCODING key, as Redis 7.2 would store what is there."""
    value = session.value(args[0])
    if value is None:
        return None
    kind = session.type_name(args[0])
    if kind == b"string":
        return _string_encoding(value)
    if kind == b"stream":
        return b"stream"
    size, release = len(value), session.memory.release
    members = _members(session, args[0], kind)
    short = all(len(member) <= 64 for member in members)
    if kind == b"list":
        return b"listpack" if release >= (7, 2) and size <= 128 and short else b"quicklist"
    if kind == b"set" and size <= 512 and all(re.fullmatch(rb"0|-?[1-9]\d{0,18}", one) for one in members):
        return b"intset"
    limit = 512 if kind == b"hash" else 128
    if size <= limit and short and (kind != b"set" or release >= (7, 2)):
        return b"listpack"
    return b"skiplist" if kind == b"zset" else b"hashtable"


def _members(session: Session, key: bytes, kind: bytes) -> list[bytes]:
    if kind == b"hash":
        return [word for pair in session.done(b"HGETALL", key).items() for word in pair]
    if kind == b"zset":
        return list(session.done(b"ZRANGE", key, b"0", b"-1"))
    return list(session.value(key))


def _string_encoding(value: bytes) -> bytes:
    if re.fullmatch(rb"0|-?[1-9]\d{0,18}", value):
        return b"int"
    return b"embstr" if len(value) <= 44 else b"raw"


@COMMANDS.add("object refcount", 1)
def object_refcount(session: Session, args: Sequence[bytes]) -> Any:
    """OBJECT REFCOUNT key."""
    return None if session.value(args[0]) is None else 1


@COMMANDS.add("object idletime", 1)
def object_idletime(session: Session, args: Sequence[bytes]) -> Any:
    """OBJECT IDLETIME key: use is not recorded, so a key was always just used."""
    return None if session.value(args[0]) is None else 0


@COMMANDS.add("object freq", 1)
def object_freq(session: Session, args: Sequence[bytes]) -> Any:
    """OBJECT FREQ key: only with an LFU policy."""
    if session.value(args[0]) is None:
        return None
    raise Error(
        "ERR An LFU maxmemory policy is not selected, access frequency not tracked. Please note that when "
        "switching between policies at runtime LRU and LFU data will take some time to adjust."
    )


@COMMANDS.add("memory usage", 1, 3)
def memory_usage(session: Session, args: Sequence[bytes]) -> Any:
    """MEMORY USAGE key [SAMPLES n]: an estimate in bytes."""
    if len(args) > 1 and (len(args) != 3 or args[1].lower() != b"samples" or integer(args[2]) < 0):
        raise Error(SYNTAX_ERROR)
    value = session.value(args[0])
    if value is None:
        return None
    return 56 + len(args[0]) + (len(value) if isinstance(value, bytes) else 64 * len(value))


@COMMANDS.add("memory doctor")
def memory_doctor(_session: Session, _args: Sequence[bytes]) -> Any:
    """MEMORY DOCTOR, in our own words, for people."""
    return Verbatim(b"So little memory is used that there is nothing to say about it.\n")


@COMMANDS.add("memory purge")
def memory_purge(_session: Session, _args: Sequence[bytes]) -> Any:
    """MEMORY PURGE: Python keeps its memory."""
    return OK


@COMMANDS.add("wait", 2, no_script=True)
def wait(_session: Session, args: Sequence[bytes]) -> Any:
    """WAIT numreplicas timeout: there are no replicas, and waiting for one would be in vain."""
    integer(args[0])
    if integer(args[1], "ERR timeout is not an integer or out of range") < 0:
        raise Error("ERR timeout is negative")
    return 0


@COMMANDS.add("slowlog get", 0, 1)
def slowlog_get(_session: Session, args: Sequence[bytes]) -> Any:
    """SLOWLOG GET [count]: nothing is logged."""
    error = "ERR count should be greater than or equal to -1"
    if args and integer(args[0], error) < -1:
        raise Error(error)
    return []


@COMMANDS.add("slowlog len")
def slowlog_len(_session: Session, _args: Sequence[bytes]) -> Any:
    """SLOWLOG LEN."""
    return 0


@COMMANDS.add("slowlog reset")
def slowlog_reset(_session: Session, _args: Sequence[bytes]) -> Any:
    """SLOWLOG RESET."""
    return OK


@COMMANDS.add("latency latest")
def latency_latest(_session: Session, _args: Sequence[bytes]) -> Any:
    """LATENCY LATEST: nothing is measured."""
    return []


@COMMANDS.add("latency history", 1)
def latency_history(_session: Session, _args: Sequence[bytes]) -> Any:
    """LATENCY HISTORY event."""
    return []


@COMMANDS.add("latency reset", 0, ANY)
def latency_reset(_session: Session, _args: Sequence[bytes]) -> Any:
    """LATENCY RESET [event …]."""
    return 0


@COMMANDS.add("role")
def role(_session: Session, _args: Sequence[bytes]) -> Any:
    """ROLE: always a master without replicas."""
    return [b"master", 0, []]


def _replica_of(name: str) -> None:
    @COMMANDS.add(name, 2, no_script=True)
    def replica_of(_session: Session, args: Sequence[bytes]) -> Any:
        if [word.lower() for word in args] == [b"no", b"one"]:
            return OK
        raise Error("ERR replication is not part of the in-memory Redis; run with --redis=server")


_replica_of("replicaof")
_replica_of("slaveof")


@COMMANDS.add("module list")
def module_list(_session: Session, _args: Sequence[bytes]) -> Any:
    """MODULE LIST: none."""
    return []


@COMMANDS.add("monitor", no_script=True)
def monitor(_session: Session, _args: Sequence[bytes]) -> Any:
    """MONITOR is refused; the journal of the test holds every command."""
    raise Error(
        "ERR MONITOR is not part of the in-memory Redis; look at jobqueue.journal, or run with --redis=server"
    )


@COMMANDS.add("lolwut", 0, ANY)
def lolwut(session: Session, _args: Sequence[bytes]) -> Any:
    """LOLWUT: the version, without the art."""
    return Verbatim(f"Redis ver. {session.memory.version}\n".encode())


@COMMANDS.add("latency histogram", 0, ANY)
def latency_histogram(_session: Session, _args: Sequence[bytes]) -> Any:
    """LATENCY HISTOGRAM [command …]: nothing is measured."""
    return {}


@COMMANDS.add("latency doctor")
def latency_doctor(_session: Session, _args: Sequence[bytes]) -> Any:
    """LATENCY DOCTOR."""
    return Verbatim(b"Nothing is measured in the in-memory Redis.\n")


@COMMANDS.add("debug sleep", 1, no_script=True)
def debug_sleep(session: Session, args: Sequence[bytes]) -> Any:
    """DEBUG SLEEP seconds: this client waits; unlike a real server, the others do not."""
    try:
        seconds = float(args[0])
    except ValueError:
        raise Error("ERR value is not a valid float") from None
    if seconds <= 0:
        return OK
    return session.wait_for((), seconds, lambda _changed: None, nothing=OK, too_late=OK)


@COMMANDS.add("debug set-active-expire", 1)
def debug_set_active_expire(_session: Session, _args: Sequence[bytes]) -> Any:
    """DEBUG SET-ACTIVE-EXPIRE 0|1: expired keys are never seen either way."""
    return OK


@COMMANDS.add("debug jmap", no_script=True)
def debug_jmap(_session: Session, _args: Sequence[bytes]) -> Any:
    """DEBUG JMAP, the probe of some clients for a server that is not Redis."""
    raise Error("ERR unknown subcommand 'jmap'. Try DEBUG HELP.")
