"""Keyspace notifications: which events a command causes, by its name, and where they are published.

A command of fakeredis tells only which keys it changed. The events that a real server has for it are listed
here in their order; a value that is empty afterwards is followed by `del`, an expiry that was set by
`expire`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_jobqueue.servers.commands.registry import text

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

Event = tuple[str, bytes, bytes, int]  # class, name, key, database

_EVERYTHING = "g$lshzxetd"
_FLAGS = frozenset("KEA" + _EVERYTHING + "mn")


def parse_flags(value: bytes) -> bytes:
    """The value of notify-keyspace-events as CONFIG GET shows it afterwards.

    Raises:
        ValueError: A character is none of the classes.
    """
    given = set(text(value))
    if not given <= _FLAGS:
        raise ValueError("Invalid event class character. Use 'Ag$lshzxeKEtmdn'.")
    everything = "A" in given or set(_EVERYTHING) <= given
    classes = "A" if everything else "".join(flag for flag in _EVERYTHING if flag in given)
    rest = "".join(flag for flag in "KEmn" if flag in given)
    return (classes + rest).encode()


def event_messages(
    config: Mapping[bytes, bytes], kind: str, event: bytes, key: bytes, database: int
) -> Iterator[tuple[bytes, bytes]]:
    """The channels and messages of an event that the settings ask for."""
    flags = text(config[b"notify-keyspace-events"])
    if kind not in flags and not ("A" in flags and kind in _EVERYTHING):
        return
    if "K" in flags:
        yield b"__keyspace@%d__:%s" % (database, key), event
    if "E" in flags:
        yield b"__keyevent@%d__:%s" % (database, event), key


# Class and event of a command that changes one key, or several in the same way.
_PLAIN: dict[str, tuple[str, bytes]] = {
    **dict.fromkeys(["set", "mset", "msetnx", "getset", "setnx", "setex", "psetex"], ("$", b"set")),
    **dict.fromkeys(["incr", "decr", "incrby", "decrby"], ("$", b"incrby")),
    "append": ("$", b"append"),
    "setrange": ("$", b"setrange"),
    "setbit": ("$", b"setbit"),
    **dict.fromkeys(["lpush", "lpushx"], ("l", b"lpush")),
    **dict.fromkeys(["rpush", "rpushx"], ("l", b"rpush")),
    **{name: ("l", name.encode()) for name in ("lpop", "rpop", "lset", "linsert", "lrem", "ltrim")},
    **{
        name: ("s", name.encode())
        for name in ("sadd", "srem", "spop", "sunionstore", "sinterstore", "sdiffstore")
    },
    **{name: ("h", name.encode()) for name in ("hset", "hdel", "hincrby", "hincrbyfloat")},
    **dict.fromkeys(["hmset", "hsetnx"], ("h", b"hset")),
    "zincrby": ("z", b"zincr"),
    **{
        name: ("z", name.encode())
        for name in (
            "zadd",
            "zrem",
            "zpopmin",
            "zpopmax",
            "zunionstore",
            "zinterstore",
            "zdiffstore",
            "zrangestore",
            "zremrangebyscore",
            "zremrangebyrank",
            "zremrangebylex",
        )
    },
    **{name: ("t", name.encode()) for name in ("xadd", "xdel", "xtrim")},
    **dict.fromkeys(["xgroup setid"], ("t", b"xgroup-setid")),
    **dict.fromkeys(["del", "unlink", "getdel"], ("g", b"del")),
    **dict.fromkeys(["expire", "pexpire", "expireat", "pexpireat"], ("g", b"expire")),
    "persist": ("g", b"persist"),
    "restore": ("g", b"restore"),
}
EXPIRY_COMMANDS = frozenset({"expire", "pexpire", "expireat", "pexpireat"})
# Nothing but `del` is told when what they store is empty.
_STORES = frozenset(
    [
        "sunionstore",
        "sinterstore",
        "sdiffstore",
        "zunionstore",
        "zinterstore",
        "zdiffstore",
        "zrangestore",
        "expire",
        "pexpire",
        "expireat",
        "pexpireat",
        "del",
        "unlink",
        "getdel",
    ]
)
_EXPIRES = frozenset({b"ex", b"px", b"exat", b"pxat"})


def _ends(args: Sequence[bytes]) -> tuple[bytes, bytes]:
    if len(args) < 4:
        return b"rpop", b"lpush"
    return args[2][:1].lower() + b"pop", args[3][:1].lower() + b"push"


def _moves(name: str, args: Sequence[bytes], gone: Collection[bytes], database: int) -> Iterator[Event]:
    source, target = args[0], args[1]
    if name in ("lmove", "rpoplpush"):
        popped, pushed = _ends(args)
        yield "l", pushed, target, database
        yield "l", popped, source, database
        if source in gone:
            yield "g", b"del", source, database
    elif name == "smove":
        yield "s", b"srem", source, database
        if source in gone:
            yield "g", b"del", source, database
        yield "s", b"sadd", target, database
    elif name in ("rename", "renamenx"):
        yield "g", b"rename_from", source, database
        yield "g", b"rename_to", target, database
    elif name == "copy":
        words = [word.lower() for word in args]
        yield "g", b"copy_to", target, int(args[words.index(b"db") + 1]) if b"db" in words else database
    else:
        yield "g", b"move_from", source, database
        yield "g", b"move_to", source, int(target)


_TWO_KEYS = frozenset({"lmove", "rpoplpush", "smove", "rename", "renamenx", "copy", "move"})


def events(
    name: str, args: Sequence[bytes], keys: Sequence[bytes], gone: Collection[bytes], database: int
) -> Iterator[Event]:
    """What a command caused.

    Args:
        name: The command's.
        args: Its arguments.
        keys: The keys that it changed.
        gone: Those of them that are not there any more.
        database: The client's.
    """
    if name in _TWO_KEYS:
        yield from _moves(name, args, gone, database)
        return
    kind, event = _PLAIN.get(name, ("", b""))
    if not kind:
        return
    for key in keys:
        if name in _STORES and key in gone:
            yield "g", b"del", key, database
            continue
        yield kind, event, key, database
        if key in gone:
            yield "g", b"del", key, database
        elif name in ("setex", "psetex") or (
            name == "set" and not _EXPIRES.isdisjoint(map(bytes.lower, args[2:]))
        ):
            yield "g", b"expire", key, database
