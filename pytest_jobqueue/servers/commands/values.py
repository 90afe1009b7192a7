"""Single commands on values and keys that fakeredis answers otherwise than a real server.

Each checks what a real server checks before the rest, or mends the reply; the work is fakeredis'.
"""

from __future__ import annotations

import re
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from pytest_jobqueue.servers.commands.registry import (
    ANY,
    SYNTAX_ERROR,
    WRONG_TYPE,
    Table,
    at_least_one,
    integer,
    text,
)
from pytest_jobqueue.wire.resp import Error, Simple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_jobqueue.servers.engine import Session

COMMANDS = Table()
OK = Simple(b"OK")
_ENDS = frozenset({b"left", b"right"})


@COMMANDS.add("lmove", 4)
def lmove(session: Session, args: Sequence[bytes]) -> Any:
    """LMOVE source destination LEFT|RIGHT LEFT|RIGHT."""
    if not {end.lower() for end in args[2:]} <= _ENDS:
        raise Error(SYNTAX_ERROR)
    return session.fake("lmove", args)


# Expiry ---------------------------------------------------------------------------------------------------

_UNITS = {b"ex": b"EXPIRE", b"px": b"PEXPIRE", b"exat": b"EXPIREAT", b"pxat": b"PEXPIREAT"}


@COMMANDS.add("getex", 1, ANY)
def getex(session: Session, args: Sequence[bytes]) -> Any:
    """GETEX key [EX s|PX ms|EXAT s|PXAT ms|PERSIST]."""
    option = args[1].lower() if len(args) > 1 else b""
    if len(args) == 3 and option in _UNITS:
        change = [_UNITS[option], args[0], args[2]]
    elif len(args) == 2 and option == b"persist":
        change = [b"PERSIST", args[0]]
    elif len(args) == 1:
        change = []
    else:
        raise Error(SYNTAX_ERROR)
    if session.type_name(args[0]) not in (b"none", b"string"):
        raise Error(WRONG_TYPE)
    value = session.value(args[0])
    if value is None or not change:
        return value
    if len(change) == 3 and integer(change[2]) <= 0:
        raise Error("ERR invalid expire time in 'getex' command")
    reply = session.call(change)
    if isinstance(reply, Error):
        raise Error("ERR invalid expire time in 'getex' command")
    return value


# Numbers with a point -------------------------------------------------------------------------------------

_FLOAT = re.compile(rb"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_INFINITE = re.compile(rb"[+-]?inf(inity)?", re.IGNORECASE)
_NOT_A_FLOAT = "ERR value is not a valid float"
_NOT_FINITE = "ERR increment would produce NaN or Infinity"
_MANTISSA = 64  # bits of a C long double on the machines that Redis usually runs on
_PLACES = 17


def _long_double(value: Fraction) -> Fraction:
    """The nearest number that a long double holds."""
    if value == 0:
        return value
    exponent = value.numerator.bit_length() - value.denominator.bit_length() - _MANTISSA
    scaled = abs(value) / Fraction(2) ** exponent
    if scaled >= 2**_MANTISSA:
        exponent += 1
    return Fraction(round(value / Fraction(2) ** exponent)) * Fraction(2) ** exponent


def _decimal(value: bytes, error: str) -> Fraction:
    if not _FLOAT.fullmatch(value):
        raise Error(_NOT_FINITE if _INFINITE.fullmatch(value) else error)
    return _long_double(Fraction(value.decode()))


def _written(value: Fraction) -> bytes:
    digits = round(abs(value) * 10**_PLACES)
    whole, rest = divmod(digits, 10**_PLACES)
    fraction = f"{rest:0{_PLACES}d}".rstrip("0")
    sign = "-" if value < 0 and digits else ""
    return f"{sign}{whole}{'.' if fraction else ''}{fraction}".encode()


@COMMANDS.add("incrbyfloat", 2)
def incrbyfloat(session: Session, args: Sequence[bytes]) -> Any:
    """INCRBYFLOAT key increment, in the arithmetic of C's long double."""
    key, increment = args
    if session.type_name(key) not in (b"none", b"string"):
        raise Error(WRONG_TYPE)
    current = session.value(key)
    start = _decimal(b"0" if current is None else current, _NOT_A_FLOAT)
    written = _written(_long_double(start + _decimal(increment, _NOT_A_FLOAT)))
    with session.unheard():
        session.done(b"SET", key, written, b"KEEPTTL")
    session.notify("$", b"incrbyfloat", key)
    return written


@COMMANDS.add("hincrbyfloat", 3)
def hincrbyfloat(session: Session, args: Sequence[bytes]) -> Any:
    """HINCRBYFLOAT key field increment, likewise."""
    key, field, increment = args
    if _INFINITE.fullmatch(increment):
        raise Error("ERR value is NaN or Infinity")
    added = _decimal(increment, _NOT_A_FLOAT)
    current = session.done(b"HGET", key, field)
    start = _decimal(b"0" if current is None else current, "ERR hash value is not a float")
    written = _written(_long_double(start + added))
    with session.unheard():
        session.done(b"HSET", key, field, written)
    session.notify("h", b"hincrbyfloat", key)
    return written


# Sets, which RESP3 marks as such --------------------------------------------------------------------------


def _set(name: str) -> None:
    @COMMANDS.add(name, 1, ANY if name != "smembers" else None)
    def members(session: Session, args: Sequence[bytes]) -> Any:
        return frozenset(session.fake(name, args))


for _name in ("smembers", "sinter", "sunion", "sdiff"):
    _set(_name)


@COMMANDS.add("spop", 1, ANY)
def spop(session: Session, args: Sequence[bytes]) -> Any:
    """SPOP key [count]."""
    if len(args) > 2:
        raise Error(SYNTAX_ERROR)
    found = session.fake("spop", args)
    return frozenset(found or ()) if len(args) == 2 else found


# Members by chance ----------------------------------------------------------------------------------------


def _random(name: str, option: bytes) -> None:
    @COMMANDS.add(name, 1, ANY)
    def random_members(session: Session, args: Sequence[bytes]) -> Any:
        if len(args) > 3 or (len(args) == 3 and args[2].lower() != option):
            raise Error(SYNTAX_ERROR)
        found = session.fake(name, args)
        if len(args) == 1:
            return found[0] if isinstance(found, list) and found else found or None
        return found or []


_random("hrandfield", b"withvalues")
_random("zrandmember", b"withscores")


@COMMANDS.add("zrank", 2, 3)
def zrank(session: Session, args: Sequence[bytes]) -> Any:
    """ZRANK key member [WITHSCORE]."""
    return _rank(session, "zrank", args)


@COMMANDS.add("zrevrank", 2, 3)
def zrevrank(session: Session, args: Sequence[bytes]) -> Any:
    """ZREVRANK key member [WITHSCORE]."""
    return _rank(session, "zrevrank", args)


def _rank(session: Session, name: str, args: Sequence[bytes]) -> Any:
    if len(args) == 3 and session.memory.release < (7, 2):
        raise Error(f"ERR wrong number of arguments for '{name}' command")
    return session.fake(name, args)


@COMMANDS.add("sintercard", 2, ANY)
def sintercard(session: Session, args: Sequence[bytes]) -> Any:
    """SINTERCARD numkeys key … [LIMIT n]."""
    count = at_least_one(args[0], "numkeys")
    if count > len(args) - 1:
        raise Error("ERR Number of keys can't be greater than number of args")
    limit, options = 0, args[count + 1 :]
    if options:
        if len(options) != 2 or options[0].lower() != b"limit":
            raise Error(SYNTAX_ERROR)
        limit = integer(options[1], "ERR LIMIT can't be negative")
        if limit < 0:
            raise Error("ERR LIMIT can't be negative")
    size = len(session.fake("sinter", args[1 : count + 1]))
    return min(size, limit) if limit else size


@COMMANDS.add("zrangestore", 4, ANY)
def zrangestore(session: Session, args: Sequence[bytes]) -> Any:
    """ZRANGESTORE destination source start stop …, whatever the destination was."""
    target = args[0]
    if any(word.lower() == b"withscores" for word in args[4:]):
        raise Error(SYNTAX_ERROR)
    found = session.fake("zrange", args[1:])
    pairs = [(b"%r" % session.fake("zscore", (args[1], member)), member) for member in found]
    was_there = session.type_name(target) != b"none"
    with session.unheard():
        if was_there:
            session.fake("del", (target,))
        if pairs:
            session.fake("zadd", (target, *(word for pair in pairs for word in pair)))
    if pairs:
        session.notify("z", b"zrangestore", target)
    elif was_there:
        session.notify("g", b"del", target)
    return len(found)


@COMMANDS.add("hincrby", 3)
def hincrby(session: Session, args: Sequence[bytes]) -> Any:
    """HINCRBY key field increment; the increment is looked at first."""
    integer(args[2])
    return session.fake("hincrby", args)


# Keys -----------------------------------------------------------------------------------------------------


@COMMANDS.add("copy", 2, ANY)
def copy(session: Session, args: Sequence[bytes]) -> Any:
    """COPY source destination [DB n] [REPLACE]; the copy is a value of its own."""
    done = session.fake("copy", args)
    if done:
        words = [word.lower() for word in args]
        session.detach(
            args[0], args[1], int(args[words.index(b"db") + 1]) if b"db" in words else session.database
        )
    return done


@COMMANDS.add("sort", 1, ANY)
def sort(session: Session, args: Sequence[bytes]) -> Any:
    """SORT key [BY pattern] [LIMIT offset count] [GET pattern …] [ASC|DESC] [ALPHA] [STORE destination]."""
    done = session.fake("sort", args)
    words = [word.lower() for word in args]
    if b"store" in words[1:-1]:
        target = args[words.index(b"store", 1) + 1]
        if done:
            session.notify("l", b"sortstore", target)
    return done


@COMMANDS.add("ttl", 1)
def ttl(session: Session, args: Sequence[bytes]) -> Any:
    """TTL key, rounded to the nearest second."""
    left = session.remaining_ms(args[0])
    return left if left < 0 else (left + 500) // 1000


@COMMANDS.add("pttl", 1)
def pttl(session: Session, args: Sequence[bytes]) -> Any:
    """PTTL key."""
    return session.remaining_ms(args[0])


_FARTHEST = 2**63 - 1


def _check_conditions(words: Sequence[bytes]) -> None:
    options = {word.upper() for word in words}
    for word in words:
        if word.upper() not in (b"NX", b"XX", b"GT", b"LT"):
            raise Error(f"ERR Unsupported option {text(word)}")
    if b"NX" in options and len(options) > 1:
        raise Error("ERR NX and XX, GT or LT options at the same time are not compatible")
    if {b"GT", b"LT"} <= options:
        raise Error("ERR GT and LT options at the same time are not compatible")


def _expires(name: str, unit: int, *, relative: bool) -> None:
    @COMMANDS.add(name, 2, ANY)
    def expire(session: Session, args: Sequence[bytes]) -> Any:
        if len(args) == 2 and args[1].isdigit() and len(args[1]) < 14 and args[1][:1] != b"0":
            return session.fake(name, args)  # the usual case, nothing to check
        if len(args) > 2:
            _check_conditions(args[2:])
        number = integer(args[1])
        limit = _FARTHEST // unit
        when = number * unit + (session.now_in_ms() if relative else 0)
        if not -limit <= number <= limit or when > _FARTHEST:
            raise Error(f"ERR invalid expire time in '{name}' command")
        return session.fake(name, args)


_expires("expire", 1000, relative=True)
_expires("pexpire", 1, relative=True)
_expires("expireat", 1000, relative=False)
_expires("pexpireat", 1, relative=False)


def _scan(name: str, keys: int) -> None:
    @COMMANDS.add(name, keys + 1, ANY)
    def scan(session: Session, args: Sequence[bytes]) -> Any:
        cursor = args[keys]
        if not cursor.isdigit() and not (cursor[:1] == b"-" and cursor[1:].isdigit()):
            raise Error("ERR invalid cursor")
        if abs(int(cursor)) >= 2**64:
            raise Error("ERR invalid cursor")
        if (len(args) - keys) % 2 == 0:
            raise Error(SYNTAX_ERROR)
        number = b"%d" % (int(cursor) % 2**63)
        return session.fake(name, [*args[:keys], number, *args[keys + 1 :]])


_scan("scan", 0)
_scan("hscan", 1)
_scan("sscan", 1)
_scan("zscan", 1)


@COMMANDS.add("select", 1)
def select(session: Session, args: Sequence[bytes]) -> Any:
    """SELECT index."""
    number = integer(args[0])
    if not 0 <= number < session.memory.databases:
        raise Error("ERR DB index is out of range")
    session.select_database(number)
    return OK


@COMMANDS.add("swapdb", 2)
def swapdb(session: Session, args: Sequence[bytes]) -> Any:
    """SWAPDB first second."""
    first = integer(args[0], "ERR invalid first DB index")
    second = integer(args[1], "ERR invalid second DB index")
    if not (0 <= first < session.memory.databases and 0 <= second < session.memory.databases):
        raise Error("ERR DB index is out of range")
    return session.fake("swapdb", args)


def _flush(name: str) -> None:
    @COMMANDS.add(name, 0, ANY)
    def flush(session: Session, args: Sequence[bytes]) -> Any:
        if len(args) > 1 or (args and args[0].lower() not in (b"sync", b"async")):
            raise Error(SYNTAX_ERROR)
        return session.fake(name, ())


_flush("flushdb")
_flush("flushall")
