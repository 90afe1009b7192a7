"""Streams: the commands whose options, errors and replies fakeredis has otherwise than a real server.

Entries, groups and pending lists are fakeredis' objects, reached through what `Session.value` gives; an ID is
a pair of numbers. A client that waits is served from the stream that got an entry, as with lists.
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pytest_jobqueue.servers.commands.registry import (
    ANY,
    NOT_AN_INTEGER,
    SYNTAX_ERROR,
    WRONG_TYPE,
    Table,
    integer,
    text,
)
from pytest_jobqueue.wire.resp import NULL_ARRAY, Error, Simple

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pytest_jobqueue.servers.engine import Session

COMMANDS = Table()
OK = Simple(b"OK")

_ID = re.compile(rb"(\d+)(?:-(\d+))?")
_LARGEST = 2**64 - 1
INVALID_ID = "ERR Invalid stream ID specified as stream command argument"
NO_KEY = "ERR no such key"
NO_STREAM = (
    "ERR The XGROUP subcommand requires the key to exist. Note that for CREATE you may want to use the "
    "MKSTREAM option to create an empty stream automatically."
)
_DOLLAR_IN_GROUP = (
    "ERR The $ ID is meaningless in the context of XREADGROUP: you want to read the history of this consumer "
    "by specifying a proper ID, or use the > ID to get new messages. The $ ID would just return an empty "
    "result set."
)
_NEW_WITHOUT_GROUP = (
    "ERR The > ID can be specified only when calling XREADGROUP using the GROUP <group> <consumer> option."
)
_GROUP_GONE = "NOGROUP the consumer group this client was blocked on no longer exists"
_STREAM_GONE = "UNBLOCKED the stream key no longer exists"
_NEW = b">"


def _id(session: Session, value: bytes, error: str = INVALID_ID) -> Any:
    match = _ID.fullmatch(value)
    if match is None:
        raise Error(error)
    parts = int(match[1]), int(match[2] or 0)
    if max(parts) > _LARGEST:
        raise Error(error)
    return session.stream_id(*parts)


def _stream(session: Session, key: bytes) -> Any:
    """The stream, or None when there is none."""
    kind = session.type_name(key)
    if kind == b"none":
        return None
    if kind != b"stream":
        raise Error(WRONG_TYPE)
    return session.value(key)


def _group(session: Session, key: bytes, name: bytes, error: str) -> Any:
    stream = _stream(session, key)
    group = None if stream is None else stream.group_get(name)
    if group is None:
        raise Error(error)
    return group


# XREAD and XREADGROUP -------------------------------------------------------------------------------------


@dataclass
class _Reading:
    command: str
    group: bytes | None = None
    consumer: bytes = b""
    count: int | None = None
    block: float | None = None
    noack: bool = False
    keys: Sequence[bytes] = ()
    ids: Sequence[bytes] = ()


def _milliseconds(value: bytes) -> float:
    number = integer(value, "ERR timeout is not an integer or out of range")
    if number < 0:
        raise Error("ERR timeout is negative")
    return number / 1000


def _parse_reading(command: str, args: Sequence[bytes]) -> _Reading:
    reading = _Reading(command)
    position = 0
    while position < len(args):
        taken = _take_option(reading, args[position:])
        if not taken:
            raise Error(SYNTAX_ERROR)
        position += taken
    if not reading.keys:
        raise Error(SYNTAX_ERROR)
    if command == "XREADGROUP" and reading.group is None:
        raise Error("ERR Missing GROUP option for XREADGROUP")
    if reading.count is not None and reading.count <= 0:
        reading.count = None
    return reading


def _take_option(reading: _Reading, args: Sequence[bytes]) -> int:
    """Read the option that comes next; how many words it took."""
    option, more = args[0].lower(), len(args) - 1
    if option == b"block" and more:
        reading.block = _milliseconds(args[1])
        return 2
    if option == b"count" and more:
        reading.count = integer(args[1])
        return 2
    if option == b"streams" and more:
        reading.keys, reading.ids = _halves(reading.command, args[1:])
        return len(args)
    if option == b"group" and more >= 2:
        _only_in_groups(reading, "GROUP")
        reading.group, reading.consumer = args[1], args[2]
        return 3
    if option == b"noack":
        _only_in_groups(reading, "NOACK")
        reading.noack = True
        return 1
    return 0


def _halves(command: str, rest: Sequence[bytes]) -> tuple[Sequence[bytes], Sequence[bytes]]:
    if len(rest) % 2:
        symbol = ">" if command == "XREADGROUP" else "$"
        raise Error(
            f"ERR Unbalanced {command} list of streams: for each stream key an ID or '{symbol}' must be "
            "specified."
        )
    return rest[: len(rest) // 2], rest[len(rest) // 2 :]


def _only_in_groups(reading: _Reading, option: str) -> None:
    if reading.command != "XREADGROUP":
        raise Error(f"ERR The {option} option is only supported by XREADGROUP. You called XREAD instead.")


def _starts(session: Session, reading: _Reading) -> list[tuple[bytes, Any]]:
    """Where to read on in each stream: an ID, or `>`."""
    found: list[tuple[bytes, Any]] = []
    for key, value in zip(reading.keys, reading.ids, strict=True):
        stream = _stream(session, key)
        if reading.group is not None and (stream is None or stream.group_get(reading.group) is None):
            raise Error(
                f"NOGROUP No such key '{text(key)}' or consumer group '{text(reading.group)}' in XREADGROUP "
                "with GROUP option"
            )
        if value == b"$":
            if reading.group is not None:
                raise Error(_DOLLAR_IN_GROUP)
            found.append((key, session.stream_id(0, 0) if stream is None else stream.last_id))
        elif value == _NEW:
            if reading.group is None:
                raise Error(_NEW_WITHOUT_GROUP)
            found.append((key, _NEW))
        else:
            found.append((key, _id(session, value)))
    return found


def _read(session: Session, reading: _Reading, key: bytes, start: Any) -> list[Any] | None:
    """The entries of one stream; None for none."""
    stream = session.value(key)
    if stream is None:
        return None
    if reading.group is None:
        return [stream.format_record(one) for one in stream.stream_read(start, reading.count)] or None
    if start != _NEW:
        return _history(stream, reading, start)
    group = stream.group_get(reading.group)
    if stream.last_id <= group.last_delivered_key:
        return None
    return group.group_read(reading.consumer, _NEW, reading.count, reading.noack) or None


def _history(stream: Any, reading: _Reading, start: Any) -> list[Any]:
    found = stream.group_get(reading.group).group_read(reading.consumer, start.encode(), reading.count, False)
    return [[number, NULL_ARRAY if fields is None else fields] for number, fields in found]


def _shaped(session: Session, found: list[list[Any]]) -> Any:
    return {pair[0]: pair[1] for pair in found} if session.reply_protocol == 3 else found


def _waiting(
    session: Session, reading: _Reading, starts: list[tuple[bytes, Any]]
) -> Callable[[bytes | None], Any]:
    def attempt(changed: bytes | None) -> Any:
        if changed is not None:
            if session.type_name(changed) != b"stream":
                return Error(_STREAM_GONE) if reading.group is not None else None
            if reading.group is not None and session.value(changed).group_get(reading.group) is None:
                return Error(_GROUP_GONE)
        found = []
        for key, start in starts:
            if changed is None or key == changed:
                entries = _read(session, reading, key, start)
                if entries is not None:
                    found.append([key, entries])
        return _shaped(session, found) if found else None

    return attempt


def _xread(session: Session, command: str, args: Sequence[bytes]) -> Any:
    reading = _parse_reading(command, args)
    if reading.block is not None and session.in_script:
        raise Error(f"ERR {command} command is not allowed with BLOCK option from scripts")
    starts = _starts(session, reading)
    if reading.group is not None and session.memory.release >= (7, 2):
        for key, _ in starts:  # before, only a consumer that was given something came to be
            session.value(key).group_get(reading.group).add_consumer(reading.consumer)
    attempt = _waiting(session, reading, starts)
    if reading.block is None:
        found = attempt(None)
        return NULL_ARRAY if found is None else found
    return session.wait_for([key for key, _ in starts], reading.block, attempt)


@COMMANDS.add("xread", 3, ANY)
def xread(session: Session, args: Sequence[bytes]) -> Any:
    """XREAD [COUNT n] [BLOCK ms] STREAMS key … id …."""
    return _xread(session, "XREAD", args)


@COMMANDS.add("xreadgroup", 6, ANY)
def xreadgroup(session: Session, args: Sequence[bytes]) -> Any:
    """XREADGROUP GROUP group consumer [COUNT n] [BLOCK ms] [NOACK] STREAMS key … id …."""
    return _xread(session, "XREADGROUP", args)


def _range(name: str) -> None:
    @COMMANDS.add(name, 3, ANY)
    def xrange(session: Session, args: Sequence[bytes]) -> Any:
        found = session.fake(name, args)
        # COUNT 0 has the null of an array, which no other way of finding nothing has.
        if not found and len(args) == 5 and integer(args[4]) <= 0 and session.value(args[0]) is not None:
            return NULL_ARRAY
        return found


_range("xrange")
_range("xrevrange")


# Groups ---------------------------------------------------------------------------------------------------


def _entries_read(value: bytes) -> int | None:
    number = integer(value)
    if number < -1:
        raise Error("ERR value for ENTRIESREAD must be positive or -1")
    return None if number == -1 else number


@COMMANDS.add("xgroup create", 3, ANY)
def xgroup_create(session: Session, args: Sequence[bytes]) -> Any:
    """XGROUP CREATE key group id|$ [MKSTREAM] [ENTRIESREAD n]; a watched stream is not touched by it."""
    key, name, start = args[:3]
    make, entries_read, rest = False, None, list(args[3:])
    while rest:
        option = rest.pop(0).lower()
        if option == b"mkstream":
            make = True
        elif option == b"entriesread" and rest:
            entries_read = _entries_read(rest.pop(0))
        else:
            raise Error("ERR unknown subcommand or wrong number of arguments for 'CREATE'. Try XGROUP HELP.")
    stream = _stream(session, key)
    if stream is None and not make:
        raise Error(NO_STREAM)
    last = None if start == b"$" else _id(session, start)
    if stream is None:
        stream = session.new_stream()
        session.store(key, stream)
    if stream.group_get(name) is not None:
        raise Error("BUSYGROUP Consumer Group name already exists")
    stream.group_add(name, stream.last_id if last is None else last, entries_read)
    session.notify("t", b"xgroup-create", key)
    return OK


@COMMANDS.add("xgroup destroy", 2)
def xgroup_destroy(session: Session, args: Sequence[bytes]) -> Any:
    """XGROUP DESTROY key group; clients that wait in the group are told."""
    done = session.fake("xgroup destroy", args)
    if done:
        session.store(args[0], session.value(args[0]))
        session.notify("t", b"xgroup-destroy", args[0])
    return done


@COMMANDS.add("xdel", 2, ANY)
def xdel(session: Session, args: Sequence[bytes]) -> Any:
    """XDEL key id …; without a stream the IDs are not looked at."""
    if _stream(session, args[0]) is None:
        return 0
    for value in args[1:]:
        _id(session, value)
    return session.fake("xdel", args)


@COMMANDS.add("xack", 3, ANY)
def xack(session: Session, args: Sequence[bytes]) -> Any:
    """XACK key group id …."""
    stream = _stream(session, args[0])
    group = None if stream is None else stream.group_get(args[1])
    if group is None:
        return 0
    for value in args[2:]:
        _id(session, value)
    return group.ack(args[2:])


def _no_group(key: bytes, group: bytes) -> str:
    return f"NOGROUP No such key '{text(key)}' or consumer group '{text(group)}'"


def _now() -> int:
    return int(time.time() * 1000)


def _bound(session: Session, value: bytes, missing: int) -> tuple[Any, bool]:
    """One end of a range, and whether it is left out itself."""
    if value == b"-":
        return session.stream_id(0, 0), False
    if value == b"+":
        return session.stream_id(_LARGEST, _LARGEST), False
    without = value[:1] == b"("
    value = value[1:] if without else value
    found = _id(session, value)
    return (found if b"-" in value else session.stream_id(found.ts, missing)), without


@COMMANDS.add("xpending", 2, ANY)
def xpending(session: Session, args: Sequence[bytes]) -> Any:
    """XPENDING key group [[IDLE ms] start end count [consumer]]."""
    (key, name), rest = args[:2], list(args[2:])
    if not rest:
        return _pending_summary(_group(session, key, name, _no_group(key, name)))
    idle = 0
    if len(rest) >= 5 and rest[0].lower() == b"idle":
        idle = integer(rest[1])
        del rest[:2]
    if len(rest) not in (3, 4):
        raise Error(SYNTAX_ERROR)
    count = integer(rest[2])
    (first, after), (last, before) = _bound(session, rest[0], 0), _bound(session, rest[1], _LARGEST)
    group = _group(session, key, name, _no_group(key, name))
    now = _now()
    found = []
    for number in sorted(group.pel):
        entry = group.pel[number]
        inside = (
            first <= number <= last and not (after and number == first) and not (before and number == last)
        )
        mine = len(rest) == 3 or entry.consumer_name == rest[3]
        if inside and mine and now - entry.time_read >= idle:
            age = max(now - entry.time_read, 0)
            found.append([number.encode(), entry.consumer_name, age, entry.times_delivered])
    return found[: max(count, 0)]


def _pending_summary(group: Any) -> list[Any]:
    if not group.pel:
        return [0, None, None, NULL_ARRAY]
    counts: dict[bytes, int] = {}
    for entry in group.pel.values():
        counts[entry.consumer_name] = counts.get(entry.consumer_name, 0) + 1
    consumers = [[name, b"%d" % counts[name]] for name in sorted(counts)]
    return [len(group.pel), min(group.pel).encode(), max(group.pel).encode(), consumers]


@COMMANDS.add("xclaim", 5, ANY)
def xclaim(session: Session, args: Sequence[bytes]) -> Any:
    """XCLAIM key group consumer min-idle id … [IDLE ms|TIME ms] [RETRYCOUNT n] [FORCE] [JUSTID] …."""
    key, name, consumer = args[:3]
    group = _group(session, key, name, _no_group(key, name))
    min_idle = max(integer(args[3], "ERR Invalid min-idle-time argument for XCLAIM"), 0)
    rest = list(args[4:])
    ids = []
    while rest and _ID.fullmatch(rest[0]):
        ids.append(_id(session, rest.pop(0)))
    options: dict[bytes, Any] = {}
    while rest:
        word = rest.pop(0)
        option = word.lower()
        if option in (b"force", b"justid"):
            options[option] = True
        elif option in (b"idle", b"time", b"retrycount") and rest:
            options[option] = integer(
                rest.pop(0), f"ERR Invalid {text(option).upper()} option argument for XCLAIM"
            )
        elif option == b"lastid" and rest:
            group.last_delivered_key = max(group.last_delivered_key, _id(session, rest.pop(0)))
        else:
            raise Error(f"ERR Unrecognized XCLAIM option '{text(word)}'")
    delivered = options.get(b"time", _now() - options.get(b"idle", 0))
    justid = b"justid" in options
    is_new = consumer not in group.consumers
    claimed, _ = group.claim(
        min_idle, ids, consumer, delivered, b"force" in options, justid, options.get(b"retrycount")
    )
    if is_new and not claimed and session.memory.release < (7, 2):
        group.consumers.pop(consumer, None)
    stream = session.value(key)
    return [number.encode() if justid else stream.format_record(number) for number in claimed]


@COMMANDS.add("xautoclaim", 5, ANY)
def xautoclaim(session: Session, args: Sequence[bytes]) -> Any:
    """XAUTOCLAIM key group consumer min-idle start [COUNT n] [JUSTID]."""
    key, name, consumer = args[:3]
    min_idle = max(integer(args[3], "ERR Invalid min-idle-time argument for XAUTOCLAIM"), 0)
    start, without = _bound(session, args[4], 0)
    count, justid, rest = 100, False, list(args[5:])
    while rest:
        option = rest.pop(0).lower()
        if option == b"count" and rest:
            count = integer(rest.pop(0), "ERR COUNT must be > 0")
            if not 0 < count < 2**58:
                raise Error("ERR COUNT must be > 0")
        elif option == b"justid":
            justid = True
        else:
            raise Error(SYNTAX_ERROR)
    group = _group(session, key, name, _no_group(key, name))
    stream, now = session.value(key), _now()
    claimed, gone, cursor = [], [], b"0-0"
    attempts = count * 10  # as a real server looks at no more
    for number in [one for one in sorted(group.pel) if one > start or (one == start and not without)]:
        if not attempts or not count:
            cursor = number.encode()
            break
        attempts -= 1
        if number not in stream:
            del group.pel[number]
            gone.append(number.encode())
            count -= 1
        elif now - group.pel[number].time_read >= min_idle:
            group.claim(0, [number], consumer, now, False, justid)
            claimed.append(number.encode() if justid else stream.format_record(number))
            count -= 1
    if session.memory.release >= (7, 2):
        group.add_consumer(consumer)
    return [cursor, claimed, gone]


# What a stream tells of itself ----------------------------------------------------------------------------

_SHORT = "ERR unknown subcommand or wrong number of arguments for 'STREAM'. Try XINFO HELP."


def _told(session: Session, key: bytes) -> Any:
    stream = _stream(session, key)
    if stream is None:
        raise Error(NO_KEY)
    return stream


def _lag(session: Session, group: Any) -> int | None:
    lag: int | None = group.lag(session.memory.release >= (7, 4))
    return lag


@COMMANDS.add("xinfo stream", 1, ANY)
def xinfo_stream(session: Session, args: Sequence[bytes]) -> Any:
    """XINFO STREAM key [FULL [COUNT n]]."""
    stream = _told(session, args[0])
    nodes = len(stream._nodes)  # noqa: SLF001 (fakeredis shows it in no other way)
    ids = list(stream._ids)  # noqa: SLF001
    told: dict[str, Any] = {
        "length": len(ids),
        "radix-tree-keys": nodes,
        "radix-tree-nodes": nodes + 1,
        "last-generated-id": stream.last_id.encode(),
        "max-deleted-entry-id": stream.max_deleted_id.encode(),
        "entries-added": stream.entries_added,
        "recorded-first-entry-id": stream.first_id.encode(),
    }
    groups = list(stream._groups.values())  # noqa: SLF001
    if len(args) == 1:
        told["groups"] = len(groups)
        told["first-entry"] = stream.format_record(ids[0]) if ids else None
        told["last-entry"] = stream.format_record(ids[-1]) if ids else None
        return told
    if args[1].lower() != b"full" or len(args) not in (2, 4):
        raise Error(_SHORT)
    count = 10
    if len(args) == 4:
        if args[2].lower() != b"count":
            raise Error(_SHORT)
        count = max(integer(args[3]), 0)
    most = count or None
    told["entries"] = [stream.format_record(one) for one in ids[:most]]
    told["groups"] = [_full_group(session, group, most) for group in groups]
    return told


def _full_group(session: Session, group: Any, most: int | None) -> dict[str, Any]:
    pending = sorted(group.pel)
    return {
        "name": group.name,
        "last-delivered-id": group.last_delivered_key.encode(),
        "entries-read": group.entries_read,
        "lag": _lag(session, group),
        "pel-count": len(pending),
        "pending": [
            [
                one.encode(),
                group.pel[one].consumer_name,
                group.pel[one].time_read,
                group.pel[one].times_delivered,
            ]
            for one in pending[:most]
        ],
        "consumers": [_full_consumer(session, group, name, most) for name in sorted(group.consumers)],
    }


def _full_consumer(session: Session, group: Any, name: bytes, most: int | None) -> dict[str, Any]:
    pending = [one for one in sorted(group.pel) if group.pel[one].consumer_name == name]
    told: dict[str, Any] = {"name": name, "seen-time": group.consumers[name].last_attempt}
    if session.memory.release >= (7, 2):
        told["active-time"] = group.consumers[name].last_success
    told["pel-count"] = len(pending)
    told["pending"] = [
        [one.encode(), group.pel[one].time_read, group.pel[one].times_delivered] for one in pending[:most]
    ]
    return told


@COMMANDS.add("xinfo groups", 1)
def xinfo_groups(session: Session, args: Sequence[bytes]) -> Any:
    """XINFO GROUPS key."""
    groups = _told(session, args[0])._groups  # noqa: SLF001 (as above)
    return [
        {
            "name": name,
            "consumers": len(groups[name].consumers),
            "pending": len(groups[name].pel),
            "last-delivered-id": groups[name].last_delivered_key.encode(),
            "entries-read": groups[name].entries_read,
            "lag": _lag(session, groups[name]),
        }
        for name in sorted(groups)
    ]


@COMMANDS.add("xinfo consumers", 2)
def xinfo_consumers(session: Session, args: Sequence[bytes]) -> Any:
    """XINFO CONSUMERS key group."""
    group = _told(session, args[0]).group_get(args[1])
    if group is None:
        raise Error(f"NOGROUP No such consumer group '{text(args[1])}' for key name '{text(args[0])}'")
    now, found = _now(), []
    for name in sorted(group.consumers):
        consumer = group.consumers[name]
        told: dict[str, Any] = {
            "name": name,
            "pending": sum(entry.consumer_name == name for entry in group.pel.values()),
            "idle": max(now - consumer.last_attempt, 0),
        }
        if session.memory.release >= (7, 2):
            told["inactive"] = max(now - consumer.last_success, 0)
        found.append(told)
    return found


@COMMANDS.add("xsetid", 2, 6)
def xsetid(session: Session, args: Sequence[bytes]) -> Any:
    """XSETID key last-id [ENTRIESADDED n MAXDELETEDID id]."""
    last, added, deleted = _id(session, args[1]), None, None
    if len(args) > 2:
        if len(args) != 6 or args[2].lower() != b"entriesadded" or args[4].lower() != b"maxdeletedid":
            raise Error(SYNTAX_ERROR)
        added, deleted = integer(args[3], NOT_AN_INTEGER), _id(session, args[5])
        if added < 0:
            raise Error("ERR entries_added must be positive")
        if last < deleted:
            raise Error("ERR The ID specified in XSETID is smaller than the provided max_deleted_entry_id")
    stream = _stream(session, args[0])
    if stream is None:
        raise Error(NO_KEY)
    if last < stream.max_deleted_id or (len(stream) and last < max(stream._ids)):  # noqa: SLF001 (as above)
        raise Error("ERR The ID specified in XSETID is smaller than the target stream top item")
    stream._last_id = last  # noqa: SLF001
    if added is not None:
        stream._entries_added, stream._max_deleted_id = added, deleted  # noqa: SLF001
    session.store(args[0], stream)
    session.notify("t", b"xsetid", args[0])
    return OK
