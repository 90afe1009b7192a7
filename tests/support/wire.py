"""A raw connection that speaks RESP without a client library, and replies that keep how they were written.

`Wire` gives values for tests of one server; `Reply` trees compare two servers byte by byte: two trees are
equal exactly when the bytes are.
"""

from __future__ import annotations

import contextlib
import select
import socket
import sys
from typing import Any, NamedTuple

from pytest_jobqueue.wire.resp import ReplyParser, encode_command

PATIENCE = 10.0  # seconds until a reply that does not come fails the test


def words(*parts: bytes | str | int) -> list[bytes]:
    return [part if isinstance(part, bytes) else str(part).encode() for part in parts]


class Reply(NamedTuple):
    """One reply as it was written.

    Attributes:
        mark: The byte that it begins with: `+`, `-`, `:`, `$`, `*`, `_`, `#`, `,`, `%`, `~`, `>`, `=`.
        content: Its text; or the replies in it (of a map, keys and values in turn); None for a null of RESP2.
    """

    mark: str
    content: bytes | tuple[Reply, ...] | None

    def __str__(self) -> str:
        if isinstance(self.content, tuple):
            return f"{self.mark}[{', '.join(map(str, self.content))}]"
        return self.mark + ("nil" if self.content is None else repr(self.content)[1:])


def read_reply(data: bytes, position: int = 0) -> tuple[Reply, int]:
    """The reply that begins at `position` of `data`, and where it ends; IndexError while it is incomplete."""
    line_end = data.find(b"\r\n", position)
    if line_end < 0:
        raise IndexError
    mark, line, position = chr(data[position]), data[position + 1 : line_end], line_end + 2
    if mark in "+-:_#,(":
        return Reply(mark, line), position
    size = int(line)
    if size < 0:
        return Reply(mark, None), position
    if mark in "$=":
        if position + size + 2 > len(data):
            raise IndexError
        return Reply(mark, data[position : position + size]), position + size + 2
    assert mark in "*%~>", data[position - 20 : position + 20]
    items = []
    for _ in range(size * 2 if mark == "%" else size):
        item, position = read_reply(data, position)
        items.append(item)
    return Reply(mark, tuple(items)), position


class Wire:
    """One raw connection: bytes out, bytes and replies in."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), PATIENCE)
        self._parser = ReplyParser()
        self._replies: list[Any] = []

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def reply(self):
        while not self._replies:
            data = self.socket.recv(65536)
            if not data:
                raise EOFError("the server closed the connection")
            self._replies += [reply.value for reply in self._parser.feed(data)]
        return self._replies.pop(0)

    def ask(self, *parts: bytes | str | int):
        self.send(encode_command(words(*parts)))
        return self.reply()

    def rest(self) -> bytes:
        """Everything until the server hangs up."""
        found = b""
        while data := self.socket.recv(65536):
            found += data
        return found

    def close(self) -> None:
        self.socket.close()


class TreeWire:
    """One raw connection whose replies are `Reply` trees, and which can be looked at without waiting."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), PATIENCE)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.over = False
        self._data = b""

    def send(self, *commands: list[bytes]) -> None:
        self.socket.sendall(b"".join(map(encode_command, commands)))

    def _take(self) -> bool:
        try:
            data = self.socket.recv(1 << 20)
        except ConnectionResetError:
            data = b""
        self._data += data
        self.over = not data
        return bool(data)

    def reply(self) -> Reply:
        """The next reply; EOFError when the server hung up."""
        return self.replies(1)[0]

    def replies(self, count: int) -> list[Reply]:
        """The next `count` replies."""
        found = self._parsed(count)
        while len(found) < count:
            if not self._take():
                raise EOFError("the server closed the connection")
            found += self._parsed(count - len(found))
        return found

    def _parsed(self, most: int) -> list[Reply]:
        found: list[Reply] = []
        position = 0
        with contextlib.suppress(IndexError):  # the rest is not here yet
            while len(found) < most:
                reply, position = read_reply(self._data, position)
                found.append(reply)
        self._data = self._data[position:]
        return found

    def readable(self) -> bool:
        """Whether something has come that was not read."""
        return bool(self._data) or bool(select.select([self.socket], [], [], 0)[0])

    def at_hand(self) -> list[Reply]:
        """The replies that are here already."""
        while not self.over and select.select([self.socket], [], [], 0)[0]:
            self._take()
        return self._parsed(sys.maxsize)

    def ask(self, *parts: bytes | str | int) -> Reply:
        self.send(words(*parts))
        return self.reply()

    def close(self) -> None:
        self.socket.close()
