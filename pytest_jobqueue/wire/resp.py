"""RESP, the Redis protocol, as values: requests and replies from bytes, replies and requests to bytes.

No I/O and no Redis semantics. A parser is fed what came off a socket, in pieces of any size, and keeps what
is not complete. Limits and error texts are those of Redis 7.0 (`networking.c`); a violation is raised only
after the complete commands before it have been handed out, as a real server answers those first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

MAX_BULK = 512 * 1024 * 1024
MAX_ARGUMENTS = 2**31 - 1
MAX_INLINE = 64 * 1024
MAX_UNFINISHED = 1024 * 1024 * 1024
_LEAST = -(2**63)


class Simple(bytes):
    """A status reply: `+OK`."""

    __slots__ = ()


class Error(Exception):
    """An error reply; `text` includes the code: `WRONGTYPE Operation against …`."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text


class Push(list):  # type: ignore[type-arg]
    """Something that the server sends without having been asked; an ordinary array in RESP2."""

    __slots__ = ()


class Verbatim(bytes):
    """A bulk string for humans; RESP3 marks it as text."""

    __slots__ = ()


class NullArray:
    """The null that RESP2 writes as `*-1` (a blocking pop that timed out, an EXEC that was not run)."""

    __slots__ = ()


NULL_ARRAY = NullArray()


class ProtocolViolationError(Exception):
    """The peer does not speak RESP; the message is what a real server answers before it hangs up."""


class UnfinishedError(ProtocolViolationError):
    """More came of one command than a server keeps of it; a real one hangs up without a word."""


# The lengths that nearly all requests have; a look-up is cheaper than checking digits.
_KNOWN = {b"%d" % length: length for length in range(1024)}
_HEADERS = [b"$%d" % length for length in range(1024)]
_COUNTS = {b"*%d" % count: count for count in range(1, 1024)}


class RequestParser:
    """Commands from bytes.

    Args:
        max_bulk: The longest argument that is accepted, in bytes (`proto-max-bulk-len`).
        max_unfinished: About how many bytes of one command are kept while its end is missing
            (`client-query-buffer-limit`).
    """

    __slots__ = (
        "_args",
        "_chunks",
        "_have",
        "_left",
        "_length",
        "_max_bulk",
        "_max_unfinished",
        "_need",
        "_taken",
        "violation",
    )

    def __init__(self, max_bulk: int = MAX_BULK, max_unfinished: int = MAX_UNFINISHED) -> None:
        self._max_bulk = max_bulk
        self._max_unfinished = max_unfinished
        self._chunks: list[bytes] = []  # what was fed and not parsed yet
        self._have = 0
        self._need = 0  # parsing again is pointless with fewer bytes than this
        self._args: list[bytes] = []  # the command being read
        self._taken = 0  # how many bytes of it were parsed
        self._left = 0  # how many of its arguments are to come
        self._length = -1  # the next argument's length, once its header was read
        self.violation: ProtocolViolationError | None = None

    @property
    def buffered(self) -> int:
        """About how many bytes of an incomplete command are held."""
        return self._have + self._taken

    def feed(self, data: bytes) -> list[list[bytes]]:
        """The commands that `data` completes. After it, `violation` may be set: then nothing more comes."""
        if self.violation is not None:
            return []
        if not self._chunks:
            if not self._left and len(data) <= self._max_bulk:
                command = _whole_command(data)
                if command is not None:
                    return [command]
        else:
            self._chunks.append(data)
            self._have += len(data)
            if self._have < self._need:
                self._limit()
                return []
            data = b"".join(self._chunks)
            self._chunks = []
        commands: list[list[bytes]] = []
        try:
            position = self._parse(data, commands)
        except ProtocolViolationError as violation:
            self._give_up(violation)
            return commands
        self._have = len(data) - position
        if self._have:
            self._chunks = [data[position:] if position else data]
        if not self._left:
            self._taken = 0
        elif commands:
            self._taken = sum(map(len, self._args))
        else:
            self._taken += position
        self._limit()
        return commands

    def _limit(self) -> None:
        if self._have + self._taken > self._max_unfinished:
            self._give_up(UnfinishedError(f"more than {self._max_unfinished} bytes of one command"))

    def _give_up(self, violation: ProtocolViolationError) -> None:
        self.violation = violation
        self._chunks, self._have, self._args, self._taken = [], 0, [], 0

    def _parse(self, data: bytes, commands: list[list[bytes]]) -> int:  # noqa: C901, PLR0912, PLR0915 (one loop, for speed)
        position, end = 0, len(data)
        args, left, length = self._args, self._left, self._length
        self._need = 0
        known = _KNOWN.get
        while position < end:
            if left == 0:
                if data[position] != 0x2A:  # *
                    position_after = self._inline(data, position, commands)
                    if position_after < 0:
                        break
                    position = position_after
                    continue
                line_end = data.find(b"\r\n", position)
                if line_end < 0:
                    if end - position > MAX_INLINE:
                        raise ProtocolViolationError("Protocol error: too big mbulk count string")
                    break
                digits = data[position + 1 : line_end]
                left = known(digits, -2)
                if left == -2:
                    left = _count(digits, MAX_ARGUMENTS, "invalid multibulk length")
                position = line_end + 2
                left = max(left, 0)  # *0 and *-1 are commands of no arguments: ignored
                args, length = [], -1
                continue
            if length < 0:
                line_end = data.find(b"\r\n", position)
                if line_end < 0:
                    if end - position > MAX_INLINE:
                        raise ProtocolViolationError("Protocol error: too big bulk count string")
                    break
                if data[position] != 0x24:  # $
                    found = data[position : position + 1].decode("latin-1")
                    raise ProtocolViolationError(f"Protocol error: expected '$', got '{found}'")
                digits = data[position + 1 : line_end]
                length = known(digits, -2)
                if length == -2:
                    length = _count(digits, self._max_bulk, "invalid bulk length")
                if not 0 <= length <= self._max_bulk:
                    raise ProtocolViolationError("Protocol error: invalid bulk length")
                position = line_end + 2
            stop = position + length
            if stop + 2 > end:
                self._need = length + 2
                break
            args.append(data[position:stop])
            position = stop + 2
            length = -1
            left -= 1
            if left == 0:
                commands.append(args)
                args = []
        self._args, self._left, self._length = args, left, length
        return position

    @staticmethod
    def _inline(data: bytes, position: int, commands: list[list[bytes]]) -> int:
        line_end = data.find(b"\n", position)
        if line_end < 0:
            if len(data) - position > MAX_INLINE:
                raise ProtocolViolationError("Protocol error: too big inline request")
            return -1
        words = split_inline(data[position:line_end].rstrip(b"\r"))
        if words is None:
            raise ProtocolViolationError("Protocol error: unbalanced quotes in request")
        if words:
            commands.append(words)
        return line_end + 1


def _whole_command(data: bytes) -> list[bytes] | None:
    """The command that `data` is, if it is nothing else and all of it can be seen at a glance.

    Most requests of a client that waits for each reply are so: one command, and no line break in an argument.
    """
    lines = data.split(b"\r\n", 2 * len(_HEADERS) + 1)
    count = _COUNTS.get(lines[0])
    if count is None or len(lines) != 2 * count + 2 or lines[-1]:
        return None
    args = lines[2::2]
    try:
        headers = [_HEADERS[length] for length in map(len, args)]
    except IndexError:
        return None
    return args if lines[1:-1:2] == headers else None


def _count(digits: bytes, most: int, complaint: str) -> int:
    plain = digits.removeprefix(b"-")
    # One spelling each, as in `string2ll`, and no more digits than 64 bits can need.
    if digits == b"0" or (plain.isdigit() and plain[0] != 0x30 and len(plain) < 20):
        value = int(digits)
        if _LEAST <= value <= most:
            return value
    raise ProtocolViolationError(f"Protocol error: {complaint}")


_ESCAPES = {0x6E: 0x0A, 0x72: 0x0D, 0x74: 0x09, 0x62: 0x08, 0x61: 0x07}


def split_inline(line: bytes) -> list[bytes] | None:
    """The words of an inline command, quotes as in `sdssplitargs`; None when a quote is not closed."""
    words: list[bytes] = []
    position, end = 0, len(line)
    while True:
        while position < end and line[position : position + 1].isspace():
            position += 1
        if position >= end:
            return words
        word = bytearray()
        while position < end and not line[position : position + 1].isspace():
            char = line[position]
            if char in b"\"'":
                position = _quoted(line, position, word)
                if position < 0 or (position < end and not line[position : position + 1].isspace()):
                    return None
            else:
                word.append(char)
                position += 1
        words.append(bytes(word))


def _quoted(line: bytes, position: int, word: bytearray) -> int:
    """Read a quoted part into `word`; the position after it, or -1 when it is not closed."""
    quote, position = line[position], position + 1
    while position < len(line):
        char = line[position]
        following = line[position + 1] if position + 1 < len(line) else -1
        if char == quote:
            return position + 1
        if char == 0x5C and quote == 0x22:  # backslash in double quotes
            digits = line[position + 2 : position + 4]
            if following == 0x78 and len(digits) == 2 and _is_hex(digits):
                word.append(int(digits, 16))
                position += 4
                continue
            if following >= 0:
                word.append(_ESCAPES.get(following, following))
                position += 2
                continue
        if char == 0x5C and quote == 0x27 and following == 0x27:
            word.append(0x27)
            position += 2
            continue
        word.append(char)
        position += 1
    return -1


def _is_hex(digits: bytes) -> bool:
    return all(digit in b"0123456789abcdefABCDEF" for digit in digits)


def encode_command(args: Iterable[bytes]) -> bytes:
    """One command as an array of bulk strings."""
    words = list(args)
    return b"*%d\r\n" % len(words) + b"".join([b"$%d\r\n%s\r\n" % (len(word), word) for word in words])


Writer = Callable[[Any, list[bytes]], None]


class ReplyEncoder:
    """Reply values to bytes, for one version of the protocol.

    Args:
        protocol: 2 or 3.
        extra: Types besides the ones here, and what each is to be written as.
    """

    def __init__(self, protocol: int, extra: Mapping[type, Callable[[Any], Any]] | None = None) -> None:
        resp3 = protocol == 3
        self._writers: dict[type, Writer] = {
            bytes: _write_bulk,
            Simple: _write_simple,
            int: _write_int,
            type(None): _constant(b"_\r\n" if resp3 else b"$-1\r\n"),
            NullArray: _constant(b"_\r\n" if resp3 else b"*-1\r\n"),
            bool: _write_bool if resp3 else _write_bool_2,
            float: _write_double if resp3 else _write_double_2,
            str: _write_str,
            Verbatim: _write_verbatim if resp3 else _write_bulk,
            Error: _write_error,
            list: self._aggregate(b"*"),
            tuple: self._aggregate(b"*"),
            Push: self._aggregate(b">" if resp3 else b"*"),
            set: self._aggregate(b"~" if resp3 else b"*"),
            frozenset: self._aggregate(b"~" if resp3 else b"*"),
            dict: self._map if resp3 else self._flat_map,
        }
        for kind, convert in (extra or {}).items():
            self._writers[kind] = self._converted(convert)

    def write(self, value: Any, out: list[bytes]) -> None:
        """Append the bytes of `value` to `out`."""
        self._writers[type(value)](value, out)

    def encode(self, value: Any) -> bytes:
        """The bytes of `value`."""
        out: list[bytes] = []
        self._writers[type(value)](value, out)
        return b"".join(out)

    def _converted(self, convert: Callable[[Any], Any]) -> Writer:
        return lambda value, out: self.write(convert(value), out)

    def _aggregate(self, mark: bytes) -> Writer:
        header = mark + b"%d\r\n"

        def write(value: Any, out: list[bytes]) -> None:
            out.append(header % len(value))
            writers = self._writers
            for item in value:
                writers[type(item)](item, out)

        return write

    def _map(self, value: dict[Any, Any], out: list[bytes]) -> None:
        out.append(b"%%%d\r\n" % len(value))
        self._pairs(value, out)

    def _flat_map(self, value: dict[Any, Any], out: list[bytes]) -> None:
        out.append(b"*%d\r\n" % (2 * len(value)))
        self._pairs(value, out)

    def _pairs(self, value: dict[Any, Any], out: list[bytes]) -> None:
        for key, item in value.items():
            self.write(key, out)
            self.write(item, out)


def _constant(data: bytes) -> Writer:
    return lambda _value, out: out.append(data)


def _write_bulk(value: bytes, out: list[bytes]) -> None:
    out.append(b"$%d\r\n%s\r\n" % (len(value), value))


def _write_str(value: str, out: list[bytes]) -> None:
    _write_bulk(value.encode(), out)


def _write_verbatim(value: bytes, out: list[bytes]) -> None:
    out.append(b"=%d\r\ntxt:%s\r\n" % (len(value) + 4, value))


def _write_simple(value: bytes, out: list[bytes]) -> None:
    out.append(b"+%s\r\n" % value)


def _write_int(value: int, out: list[bytes]) -> None:
    out.append(b":%d\r\n" % value)


def _write_bool(value: bool, out: list[bytes]) -> None:
    out.append(b"#t\r\n" if value else b"#f\r\n")


def _write_bool_2(value: bool, out: list[bytes]) -> None:
    out.append(b":1\r\n" if value else b":0\r\n")


def _write_double(value: float, out: list[bytes]) -> None:
    out.append(b",%s\r\n" % format_double(value))


def _write_double_2(value: float, out: list[bytes]) -> None:
    _write_bulk(format_double(value), out)


def _write_error(value: Error, out: list[bytes]) -> None:
    # A line break inside an error would end the reply early; Redis writes a blank.
    text = value.text.replace("\r", " ").replace("\n", " ")
    out.append(b"-%s\r\n" % text.encode("utf-8", "surrogateescape"))


def format_double(value: float) -> bytes:
    """A double as Redis 7.0 prints it: `%.17g`, integral ones without a fraction."""
    return b"%.17g" % (value + 0.0)  # a small sorted set keeps no sign of zero


class Reply(NamedTuple):
    """One reply: its bytes as they came, and what they mean."""

    raw: bytes
    value: Any


class ReplyParser:
    """Replies from bytes, RESP2 and RESP3, for whoever looks at a connection from outside.

    An error reply is a value here (`Error`), a push is a `Push`, a null of either shape is None.
    """

    def __init__(self) -> None:
        self._buffer = b""

    def feed(self, data: bytes) -> list[Reply]:
        """The replies that `data` completes."""
        self._buffer += data
        replies: list[Reply] = []
        start = 0
        while start < len(self._buffer):
            try:
                value, stop = self._value(start)
            except IndexError:  # not all there yet
                break
            replies.append(Reply(self._buffer[start:stop], value))
            start = stop
        self._buffer = self._buffer[start:]
        return replies

    def _line(self, position: int) -> tuple[bytes, int]:
        stop = self._buffer.find(b"\r\n", position)
        if stop < 0:
            raise IndexError
        return self._buffer[position:stop], stop + 2

    def _bulk(self, length: int, position: int) -> tuple[bytes, int]:
        stop = position + length
        if stop + 2 > len(self._buffer):
            raise IndexError
        return self._buffer[position:stop], stop + 2

    def _value(self, position: int) -> tuple[Any, int]:
        mark = self._buffer[position : position + 1]
        if mark not in _MARKS:
            raise ProtocolViolationError(f"Protocol error: a reply cannot begin with {mark!r}")
        line, after = self._line(position + 1)
        try:
            value = _SCALARS.get(mark, int)(line)
        except ValueError:
            raise ProtocolViolationError(f"Protocol error: {mark + line!r} is no reply") from None
        if mark in _SCALARS:
            return value, after
        if mark not in b"$=!":
            return self._aggregate(mark, value, after)
        if value < 0:
            return None, after
        data, after = self._bulk(value, after)
        if mark == b"!":
            return Error(data.decode("utf-8", "surrogateescape")), after
        return (Verbatim(data[4:]) if mark == b"=" else data), after

    def _aggregate(self, mark: bytes, count: int, position: int) -> tuple[Any, int]:
        if count < 0:
            return None, position
        items = []
        for _ in range(count * 2 if mark in b"%|" else count):
            item, position = self._value(position)
            items.append(item)
        if mark == b"%":
            return list(zip(items[::2], items[1::2], strict=True)), position
        if mark == b"|":  # attributes describe the value that follows
            return self._value(position)
        return (Push(items) if mark == b">" else items), position


_SCALARS: dict[bytes, Callable[[bytes], Any]] = {
    b"+": Simple,
    b"-": lambda line: Error(line.decode("utf-8", "surrogateescape")),
    b":": int,
    b"(": int,
    b"_": lambda _line: None,
    b"#": lambda line: line == b"t",
    b",": float,
}
_MARKS = frozenset([b"", *_SCALARS, *(b"%c" % mark for mark in b"$=!*~>%|")])
