"""A child process of `jobqueue dev`: its output line by line, and its end, however this process ends.

Its parent is a tethered shell in a session of its own. When this process lets go, be it killed, the shell
kills every process of that session, so that what a child has started goes with it.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_jobqueue.cli.links import Link
from pytest_jobqueue.servers.tether import KILL_SESSION, Tether

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

# Standard error is the child's output and standard output says how it goes. Where there is no /proc, only the
# child itself is killed.
_SCRIPT = rf"""
trap : HUP INT TERM
(
  "$@" </dev/null >&2 &
  echo "$!"
  {{ wait "$!"; }} 2>/dev/null
  echo "ended $?"
) &
exec >/dev/null
read -r child
[ -e /proc/self/stat ] || kill -9 "$child"
exec 2>/dev/null
{KILL_SESSION}
wait
"""
_LAST_WORDS = 0.5  # seconds after its end until no more is read of its output
_LONGEST_LINE = 64 * 1024  # bytes; a longer one is printed in pieces


class Part:
    """A running child; made by `start`.

    Attributes:
        name: What its lines are tagged with.
        pid: Its process id.
        link: Messages to and from it, if it was started with them.
        is_stopping: Whether its end was asked for.
        ended: Its exit code, once it has one; 128 and the signal's number for one that was killed.
    """

    link: Link | None = None
    pid = 0
    is_stopping = False

    def __init__(self, name: str, on_line: Callable[[str, str], None]) -> None:
        self.name = name
        self.ended: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._on_line = on_line
        self._tasks: list[asyncio.Task[None]] = []
        self._started = self.ended.get_loop().create_future()
        self.last_line_at = 0.0

    @classmethod
    async def start(
        cls,
        name: str,
        command: Sequence[str],
        *,
        on_line: Callable[[str, str], None],
        env: Mapping[str, str],
        linked: bool = False,
    ) -> Part:
        """Start a command in this folder.

        Args:
            name: What its lines are tagged with.
            command: What is started, and its arguments.
            on_line: Called with the name and each line of its output.
            env: Its environment.
            linked: Whether it gets `--link DESCRIPTOR` as further arguments.
        """
        part = cls(name, on_line)
        await part._run(command, env, linked=linked)
        return part

    async def _run(self, command: Sequence[str], env: Mapping[str, str], *, linked: bool) -> None:
        output, output_end = os.pipe()
        status, status_end = os.pipe()
        ours, theirs = socket.socketpair() if linked else (None, None)
        passed = [] if theirs is None else [theirs.fileno()]
        try:
            self._tether = Tether(
                _SCRIPT,
                *command,
                *(["--link", str(passed[0])] if passed else []),
                stdout=status_end,
                stderr=output_end,
                env=dict(env),
                cwd=str(Path.cwd()),
                pass_fds=passed,
            )
        finally:
            os.close(output_end)
            os.close(status_end)
            if theirs is not None:
                theirs.close()
        for descriptor, read in ((status, self._read_status), (output, self._read_output)):
            self._tasks.append(asyncio.create_task(_read(descriptor, read)))
        if ours is not None:
            self.link = await Link.over(ours)
        self.pid = await self._started

    async def _read_status(self, reader: asyncio.StreamReader) -> None:
        self._started.set_result(int(await reader.readline() or 0))
        words = (await reader.readline()).split()
        self.ended.set_result(int(words[1]) if words else 128 + signal.SIGKILL)

    async def _read_output(self, reader: asyncio.StreamReader) -> None:
        rest = b""
        while piece := await reader.read(_LONGEST_LINE):
            *lines, rest = (rest + piece).split(b"\n")
            if len(rest) > _LONGEST_LINE:
                lines, rest = [*lines, rest], b""
            for line in lines:
                self._say(line)
        if rest:
            self._say(rest)

    def _say(self, line: bytes) -> None:
        self.last_line_at = self.ended.get_loop().time()
        self._on_line(self.name, line.decode("utf-8", "replace").rstrip("\r"))

    async def stop(self, grace: float) -> int:
        """End it: SIGTERM, so many seconds, then SIGKILL for it and all that it has started.

        Returns:
            Its exit code.
        """
        self.is_stopping = True
        if not self.ended.done():
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGTERM)
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(asyncio.shield(self.ended), grace)
        await asyncio.to_thread(self._tether.let_go, b"%d\n" % self.pid)
        code = await self.ended
        # What has put itself into a session of its own may hold the output open for ever.
        await asyncio.wait(self._tasks, timeout=_LAST_WORDS)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self.link is not None:
            await self.link.close()
        return code

    def kill(self) -> None:
        """End it at once; `stop` must still be called."""
        if not self.ended.done():
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)


async def _read(descriptor: int, read: Callable[[asyncio.StreamReader], Awaitable[None]]) -> None:
    """Have a pipe read, and close it."""
    reader = asyncio.StreamReader(limit=2 * _LONGEST_LINE)
    pipe: Any = os.fdopen(descriptor, "rb", buffering=0)
    loop = asyncio.get_running_loop()
    transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), pipe)
    try:
        await read(reader)
    finally:
        transport.close()
