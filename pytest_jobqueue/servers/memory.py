"""The memory backend: connections that run commands in this process, on the engine.

A connection reads what the socket has, runs every complete command in it and writes all replies at once. It
stops reading while a blocking command waits and while its client does not take its replies, so that neither
a slow client nor a flood of commands makes it hold more than a bounded amount.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from typing import TYPE_CHECKING, Any, cast

from pytest_jobqueue.servers.engine import Memory, Session
from pytest_jobqueue.servers.front import Client, Front
from pytest_jobqueue.wire.resp import RequestParser, UnfinishedError

if TYPE_CHECKING:
    from collections.abc import Sequence

_LOG = logging.getLogger("pytest_jobqueue.front")

# A batch of replies is written when it has so many pieces, or a piece of so many bytes: only then is it
# noticed that a client does not read.
MANY_PIECES = 512
LARGE_PIECE = 64 * 1024
# Pushed messages do not wait for a client that does not read: beyond this many bytes it is cut off, as Redis'
# default output-buffer limit for subscribers does.
MOST_UNREAD = 32 * 1024 * 1024
# While a command waits, what its client sends is kept; beyond this many bytes its socket is read no more.
MOST_UNASKED = 1024 * 1024


class MemoryBackend:
    """An imitated Redis in this process.

    Args:
        version: The Redis version to imitate.
        password: What AUTH must bring, or None.
    """

    def __init__(self, version: str = "7.4.0", password: str | None = None) -> None:
        self.memory = Memory(version, password)

    def describe(self) -> str:
        """One line for a header or a report."""
        return f"in-memory Redis {self.memory.version}"

    @property
    def untouched(self) -> bool:
        """Whether nobody has asked it anything since the last reset."""
        return self.memory.untouched

    def connection(self, front: Front, *, direct: bool) -> asyncio.Protocol:
        """A protocol for the next connection."""
        return MemoryConnection(self.memory, front, direct=direct)

    def reset(self) -> None:
        """Forget everything."""
        self.memory.reset()

    async def close(self) -> None:
        """Nothing is held outside the memory."""


class MemoryConnection(asyncio.Protocol):
    """One client of the memory."""

    peer = local = ""
    descriptor = -1

    def __init__(self, memory: Memory, front: Front, *, direct: bool) -> None:
        self._memory = memory
        self._front = front
        self._direct = direct
        self._parser = RequestParser(max_unfinished=int(memory.config[b"client-query-buffer-limit"]))
        self._queue: deque[list[bytes]] = deque()  # read, not run yet
        self._queued = 0  # about how many bytes of it came while something else was to be done first
        self._transport: asyncio.Transport | None = None
        self._session: Session | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._writable = True
        self._reading = True
        self._hanging_up = False
        self._running = False

    # From the transport.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Open a session."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is none by inheritance
        self.peer = _address(transport.get_extra_info("peername"))
        self.local = _address(transport.get_extra_info("sockname"))
        self.descriptor = transport.get_extra_info("socket").fileno()
        self._session = self._memory.open(self)
        self._front.joined(self, direct=self._direct)

    def data_received(self, data: bytes) -> None:
        """Run what is complete."""
        commands = self._parser.feed(data)
        if self._queue or not self._writable or self._session is None or self._session.waiter is not None:
            self._queue.extend(commands)
            self._queued += len(data)
            self._read_or_not()
        else:
            self._run(commands)
        if self._parser.violation is not None and not self._queue:
            self._refuse()

    def pause_writing(self) -> None:
        """The client does not take its replies: run nothing more for it."""
        self._writable = False
        self._read_or_not()

    def resume_writing(self) -> None:
        """It takes them again."""
        self._writable = True
        self._continue()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 (asyncio's name)
        """Close the session."""
        self._cancel_timer()
        self._queue.clear()
        if self._session is not None:
            self._session.close()
            self._session = None
        self._front.left(self)

    # From the session.

    def deliver(self, data: bytes) -> None:
        """Send a push, or the late reply of a blocking command."""
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        transport.write(data)
        if transport.get_write_buffer_size() > MOST_UNREAD:
            transport.abort()

    def waits(self, timeout: float | None) -> None:
        """A blocking command waits."""
        if timeout is not None and self._session is not None:
            self._timer = self._front.loop.call_later(timeout, self._session.time_out)
        self._read_or_not()

    def resumes(self) -> None:
        """Go on with what came in meanwhile, once the command that caused this is done."""
        self._cancel_timer()
        self._front.loop.call_soon(self._continue)

    def hang_up(self) -> None:
        """Close once what was written is out; while commands run, after their replies."""
        self._hanging_up = True
        self._queue.clear()
        if not self._running and self._transport is not None:
            self._transport.close()

    # From the front.

    def describe(self) -> Client:
        """Who it is."""
        session = self._session
        if session is None:
            return Client(self.peer)
        name = session.name.decode("utf-8", "replace")
        blocked = session.last_command.upper() if session.waiter is not None else ""
        keys = (
            " ".join(key.decode("utf-8", "replace") for key in session.waiter.keys) if session.waiter else ""
        )
        return Client(self.peer, name, f"{blocked} {keys}".strip())

    def abort(self) -> None:
        """Close at once; its session is gone from this moment on."""
        if self._transport is not None:
            self._transport.abort()
        self.connection_lost(None)

    # Within.

    def _run(self, commands: Sequence[list[bytes]]) -> None:
        """Run commands until one waits, the client is to be cut off, or it does not take its replies."""
        session, transport = self._session, self._transport
        if session is None or transport is None:
            return
        out: list[bytes] = []
        done = 0
        self._running = True
        try:
            for argv in commands:
                done += 1
                try:
                    if self._front.hooks and not self._direct:
                        for hook in self._front.hooks:
                            hook(self, argv)
                    session.execute(argv, out)
                except Exception as error:  # noqa: BLE001 - a mistake must not look like a lost server
                    out.append(_mistake(argv, error))
                if session.waiter is not None or self._hanging_up:
                    break
                if out and (len(out) > MANY_PIECES or len(out[-1]) > LARGE_PIECE):
                    transport.write(b"".join(out))
                    out.clear()
                    if not self._writable:
                        break
        finally:
            self._running = False
        if out:
            transport.write(out[0] if len(out) == 1 else b"".join(out))
        self._after(commands[done:])

    def _after(self, left: Sequence[list[bytes]]) -> None:
        """Hang up, or keep the commands that were not run."""
        if self._hanging_up and self._transport is not None:
            self._transport.close()
        elif left:
            self._queue.extendleft(reversed(left))
            self._read_or_not()

    def _continue(self) -> None:
        if self._session is not None and self._session.waiter is None and self._writable and self._queue:
            commands, self._queue, self._queued = list(self._queue), deque(), 0
            self._run(commands)
        self._read_or_not()
        if self._parser.violation is not None and not self._queue:
            self._refuse()

    def _read_or_not(self) -> None:
        """Read on only while what was read is being run: TCP then holds back the client."""
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        waits = self._session is not None and self._session.waiter is not None
        # While a client waits, only reading shows that it has gone, and a job must not go to it then.
        wanted = self._queued < MOST_UNASKED if waits else self._writable and not self._queue
        if wanted and not self._reading:
            transport.resume_reading()
        elif not wanted and self._reading:
            transport.pause_reading()
        self._reading = wanted

    def _refuse(self) -> None:
        if self._transport is None or self._transport.is_closing():
            return
        violation = self._parser.violation
        if isinstance(violation, UnfinishedError):
            _LOG.warning("the in-memory Redis hangs up on %s, which sent %s", self.describe(), violation)
        else:
            self._transport.write(f"-ERR {violation}\r\n".encode())
        self._transport.close()

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def _mistake(argv: list[bytes], error: Exception) -> bytes:
    """The error reply for a command that raised instead of answering; the traceback goes to the log."""
    command = argv[0].decode("utf-8", "replace").upper()
    _LOG.error("the in-memory Redis failed in %s", command, exc_info=error)
    text = " ".join(f"{type(error).__name__}: {error}".split())
    return f"-ERR the in-memory Redis failed in {command} ({text}); try --redis=server\r\n".encode()


def _address(name: Any) -> str:
    return f"{name[0]}:{name[1]}" if name else "?:0"
