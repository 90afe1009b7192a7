"""One held connection to Redis, for batches of commands in one round trip.

Rule 1: only redis-py's public calls, and only those that its version 5.0.1 has. Rule 2: every reply of a
batch is read before an error among them is raised, so no connection is left in the middle of an answer.
Rule 3: nothing is sent twice; a lost connection is an error here, and the next batch connects anew.

Why not a client and its pipeline: making a client reads package metadata from disk (2 ms), and a pipeline
costs about as much again as the work that it carries.
"""

from __future__ import annotations

import threading
from inspect import signature
from typing import TYPE_CHECKING, Any

from redis.connection import AbstractConnection, ConnectionPool
from redis.exceptions import ResponseError

from pytest_jobqueue import kept

if TYPE_CHECKING:
    import redis

Command = tuple[bytes | str | int, ...]

# Without an introduction a connection neither reads metadata nor sends CLIENT SETINFO twice.
_UNNAMED: dict[str, Any] = (
    {"driver_info": None}
    if "driver_info" in signature(AbstractConnection.__init__).parameters
    else {"lib_name": None, "lib_version": None}
)


class Link:
    """A connection that is made on first use, and that threads take in turn.

    Replies are waited for without a time limit unless the URL sets one (`?socket_timeout=5`): a limit costs a
    further system call each time, and no command that is sent here blocks.
    """

    def __init__(self, where: str | redis.Redis) -> None:
        self._where = where
        self._connection: Any = None  # redis-py's types differ from version to version
        self._lock = threading.Lock()

    def send(self, *commands: Command) -> list[Any]:
        """Send commands in one write and read all their replies, as bytes, numbers and lists.

        Raises:
            redis.exceptions.ResponseError: The first command that Redis refused; the others were carried out.
            redis.exceptions.ConnectionError: The connection was lost; what was carried out is not known.
        """
        with self._lock:
            connection = self._connection
            if connection is None:
                connection = self._connection = self._made()
            replies = _exchange(connection, commands)
        for reply in replies:
            if isinstance(reply, ResponseError):
                raise reply
        return replies

    def call(self, *command: Any) -> Any:
        """Send one command and return its reply; the errors are those of `send`."""
        return self.send(command)[0]

    def _made(self) -> Any:
        if isinstance(self._where, str):
            connection = kept.take(self._where)
            if connection is not None:
                return connection
            pool = ConnectionPool.from_url(self._where, protocol=2, socket_timeout=None, **_UNNAMED)
        else:
            pool = self._where.connection_pool
        return pool.make_connection()

    def close(self) -> None:
        """Part with the connection, which is kept for the next test; the next batch would make a new one."""
        with self._lock:
            connection, self._connection = self._connection, None
        if connection is None:
            return
        if isinstance(self._where, str):
            kept.keep(self._where, connection)
        else:
            connection.disconnect()


def _exchange(connection: Any, commands: tuple[Command, ...]) -> list[Any]:
    try:
        connection.send_packed_command([_packed(commands)])
        return [_reply(connection) for _ in commands]
    except BaseException:
        # A handler's time-out may strike here; half an answer must not meet the next question.
        connection.disconnect()
        raise


def _packed(commands: tuple[Command, ...]) -> bytes:
    # What redis-py's packer does at half the cost: words here are only bytes, text and whole numbers.
    parts: list[bytes] = []
    for command in commands:
        parts.append(b"*%d\r\n" % len(command))
        for word in command:
            data = word if type(word) is bytes else str(word).encode()
            parts.append(b"$%d\r\n%b\r\n" % (len(data), data))
    return b"".join(parts)


def _reply(connection: Any) -> Any:
    try:
        return connection.read_response(disable_decoding=True)
    except ResponseError as error:
        return error
