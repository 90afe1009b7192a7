"""Do 1,000 idle connections and 50 busy ones lose a job, or leave anything behind when they go?

Half of the busy ones put jobs on a queue as go-workers2's client does, half take, count and acknowledge them
as its worker does. Every job has a number, and each number must come out once. A first, smaller crowd comes
and goes before anything is compared, since an interpreter keeps what it once needed.
"""

from __future__ import annotations

import asyncio
import contextlib
import resource
import socket
import time
from collections import Counter
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from benchmarks import needs
from benchmarks.front import front_process
from benchmarks.remote import Remote
from benchmarks.rows import BrokenError, Effort, NotMeasuredError, Row
from benchmarks.turns import progress
from pytest_jobqueue.wire.resp import Error, ReplyParser, encode_command

if TYPE_CHECKING:
    from collections.abc import Iterator

_QUEUE, _IN_PROGRESS, _DONE = b"queue:q", b"queue:q:1:inprogress", b"stat:processed"
_STOP = b"stop"
_PATIENCE = 60.0  # seconds until every leaving client must have been noticed
_KEPT = 1.15  # what a crowd may leave of memory, as a factor: allocators round up
_NEGLIGIBLE = 8.0  # megabytes


class _Line:
    """One busy connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self.writer = reader, writer
        self._parser = ReplyParser()

    async def ask(self, *commands: tuple[bytes, ...]) -> list[Any]:
        self.writer.write(b"".join(map(encode_command, commands)))
        values: list[Any] = []
        while len(values) < len(commands):
            data = await self._reader.read(65536)
            if not data:
                raise BrokenError("a busy connection was closed")
            values += [reply.value for reply in self._parser.feed(data)]
        for value in values:
            if isinstance(value, Error):
                raise BrokenError(f"an error reply: {value.text}")
        return values


class Crowd(AbstractContextManager):
    """The clients.

    Args:
        url: Where they go.
        busy: How many of them work.
    """

    def __init__(self, url: str, busy: int) -> None:
        _allow_many_files()
        parts = urlsplit(url)
        self._place = (parts.hostname or "", parts.port or 0)
        self._busy = busy
        self._idle: list[socket.socket] = []

    def arrive(self, idle: int) -> None:
        """Idle connections come; each has asked once and been answered."""
        for _ in range(idle):
            client = socket.create_connection(self._place)
            client.sendall(b"PING\r\n")
            if client.recv(64) != b"+PONG\r\n":
                raise BrokenError("an idle connection was not answered")
            self._idle.append(client)

    def work(self, jobs: int) -> dict[str, float]:
        """The busy ones come, work and go; how long it took."""
        return asyncio.run(self._work(jobs))

    async def _work(self, jobs: int) -> dict[str, float]:
        half = self._busy // 2
        lines = [_Line(*await asyncio.open_connection(*self._place)) for _ in range(2 * half)]
        seen: Counter[bytes] = Counter()
        started = time.perf_counter()
        takers = [asyncio.create_task(_take(line, seen)) for line in lines[half:]]
        shares = [range(number, jobs, half) for number in range(half)]
        await asyncio.gather(*(_put(line, share) for line, share in zip(lines, shares, strict=False)))
        await lines[0].ask((b"LPUSH", _QUEUE, *[_STOP] * half))
        await asyncio.gather(*takers)
        seconds = time.perf_counter() - started
        left = await lines[0].ask((b"LLEN", _QUEUE), (b"LLEN", _IN_PROGRESS), (b"GET", _DONE), (b"FLUSHALL",))
        if len(seen) != jobs or seen.total() != jobs or left[:3] != [0, 0, b"%d" % jobs]:
            raise BrokenError(
                f"{len(seen)} of {jobs} jobs came out, {seen.total()} times; the keys say {left}"
            )
        for line in lines:
            line.writer.close()
        return {"seconds": seconds}

    def leave(self) -> None:
        """The idle ones go."""
        for client in self._idle:
            client.close()
        self._idle.clear()

    def answered(self) -> None:
        """Each idle one is still there, and is answered."""
        for client in self._idle:
            client.sendall(b"PING\r\n")
            if client.recv(64) != b"+PONG\r\n":
                raise BrokenError("an idle connection was forgotten")

    def __exit__(self, *_: object) -> None:
        self.leave()


async def _put(line: _Line, share: range) -> None:
    for number in share:
        body = b'{"queue":"q","class":"Add","args":[2,3],"jid":"%024x"}' % number
        await line.ask((b"SADD", b"queues", b"q"), (b"LPUSH", _QUEUE, body))


async def _take(line: _Line, seen: Counter[bytes]) -> None:
    while True:
        (body,) = await line.ask((b"BRPOPLPUSH", _QUEUE, _IN_PROGRESS, b"0"))
        if body == _STOP:
            await line.ask((b"LREM", _IN_PROGRESS, b"-1", body))
            return
        seen[body] += 1
        await line.ask((b"INCR", _DONE), (b"INCR", _DONE + b":today"), (b"LREM", _IN_PROGRESS, b"-1", body))


def _allow_many_files() -> None:
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _state(front: Remote) -> dict[str, float]:
    """Threads, descriptors and resident megabytes of a process."""
    folder = Path(f"/proc/{front.pid}")
    if not folder.exists():
        raise NotMeasuredError("no /proc here")
    lines = dict(line.split(":", 1) for line in (folder / "status").read_text().splitlines())
    return {
        "threads": int(lines["Threads"]),
        "descriptors": len(list((folder / "fd").iterdir())),
        "memory": int(lines["VmRSS"].split()[0]) / 1024,
    }


def _visit(
    front: Remote, crowd: Remote, idle: int, jobs: int
) -> tuple[dict[str, float], dict[str, float], float]:
    """A crowd comes, works and goes: the front's state with it, its state after it left, and the seconds."""
    crowd.ask("arrive", idle=idle)
    seconds = crowd.ask("work", jobs=jobs)["seconds"]
    crowd.ask("answered")
    during = _state(front)
    crowd.ask("leave")
    ends = time.monotonic() + _PATIENCE
    while left := front.ask("clients"):
        if time.monotonic() > ends:
            raise BrokenError(f"{left} clients are gone and still counted")
    front.ask("settle")
    return during, _state(front), seconds


def _rows(mode: str, effort: Effort) -> list[Row]:
    idle, busy, jobs = effort.of(1000, least=50), 50, effort.of(100_000, least=500)
    with (
        front_process(mode, "uvloop") as front,
        Remote("crowd:Crowd", url=front.ask("urls")[0], busy=busy) as crowd,
    ):
        progress(f"{mode}: a first crowd")
        _, before, _ = _visit(front, crowd, idle, jobs // 10)
        progress(f"{mode}: {idle} idle, {busy} busy, {jobs} jobs")
        during, after, seconds = _visit(front, crowd, idle, jobs)
    what = f"{idle:,} idle and {busy} busy connections, {mode}"
    lost = Row(f"{what}: jobs lost of {jobs:,}", 0, bound=0, compared=f"{jobs / seconds:,.0f} jobs a second")
    rows = [lost]
    for name in ("threads", "descriptors", "memory"):
        unit = "MB" if name == "memory" else ""
        allowed = max(before[name] * _KEPT, before[name] + _NEGLIGIBLE) if name == "memory" else before[name]
        text = f"before {before[name]:.0f}, while they are there {during[name]:.0f}"
        rows.append(Row(f"{what}: {name} afterwards", after[name], unit, bound=allowed, compared=text))
    return rows


def measure(effort: Effort) -> Iterator[Row]:
    yield from _rows("fake", effort)
    needs.redis_server()
    yield from _rows("server", effort)
