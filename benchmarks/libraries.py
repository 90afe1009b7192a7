"""What does `run_next` cost against each library's own worker, and the fake against a real server?

The libraries exclude each other, so those are measured that are installed; `tox -e bench-redis8` and
`tox -e bench-redis5` together give the whole table. Each side has a process of its own with a front in it, as
a test has: the job library's client goes through that front, whoever calls it. What is compared is processor
time, a real server's with it, since a library's own worker also waits for its other threads; the clock stands
beside it.

Where `run_next` is dearer, it is because it takes one job and nothing ahead: streaQ's own worker reads the
next job while it ends one, and SAQ's waits for a job without asking whether there is one. Huey's job is so
cheap that the outcome and the journal's line show. On the fake, scripts cost most: BullMQ's run some thirty
commands for a job.
"""

from __future__ import annotations

import time
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks import needs, workers
from benchmarks.remote import Remote
from benchmarks.rows import BrokenError, Effort, NotMeasuredError, Row
from benchmarks.turns import in_turn, ratio, series

if TYPE_CHECKING:
    from collections.abc import Callable


class _Side(AbstractContextManager):
    def __init__(self, library: str, mode: str) -> None:
        self._stack = ExitStack()
        import pytest_jobqueue

        self.server = self._stack.enter_context(pytest_jobqueue.serve(mode))
        self._server_statistics = _statistics(self.server.direct_url) if mode == "server" else None
        self.library = workers.LIBRARIES[library](self.server.url)
        self._stack.callback(self.library.close)

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def clocks(self) -> tuple[float, float]:
        """The clock, and the processor's: this process' and that of a real server."""
        processor = time.process_time()
        if self._server_statistics is not None:
            processor += int(self._server_statistics.read_text().split()[0]) / 1e9
        return time.perf_counter(), processor

    def between(self, count: int) -> dict[str, float]:
        """Microseconds from one job to the next, by the clock and by the processor."""
        stamps = workers.STAMPS
        if len(stamps) != count:
            raise BrokenError(f"{len(stamps)} of {count} jobs ran on {type(self.library).__name__}")
        spent = [
            (last - first) / (count - 1) * 1e6 for first, last in zip(stamps[0], stamps[-1], strict=True)
        ]
        stamps.clear()
        return dict(zip(("wall", "cpu"), spent, strict=True))


class Own(_Side):
    """The library's own worker."""

    def round(self, count: int) -> dict[str, float]:
        """What its jobs cost."""
        self.library.work(count)
        return self.between(count)


class Ours(_Side):
    """The harness, as a test has it."""

    def __init__(self, library: str, mode: str) -> None:
        super().__init__(library, mode)
        import pytest_jobqueue

        self._queue = self._stack.enter_context(pytest_jobqueue.JobQueue(self.library.app, self.server))

    def round(self, count: int) -> dict[str, float]:
        """What jobs cost that `run_next` runs; and `whole_…`, what enqueuing and draining them costs."""
        self._enqueue(count)
        for _ in range(count):
            self._queue.worker.run_next()
        found = self.between(count)
        before = self.clocks()
        self._enqueue(count)
        self._queue.worker.drain(limit=count + 1)
        spent = [(now - then) / count * 1e6 for now, then in zip(self.clocks(), before, strict=True)]
        self.between(count)
        return found | dict(zip(("whole_wall", "whole_cpu"), spent, strict=True))

    def _enqueue(self, count: int) -> None:
        arguments: dict[str, Any] = {"left": 2, "right": 3} if self.library.words else {}
        for _ in range(count):
            self._queue.producer.enqueue(self.library.job, *(() if arguments else (2, 3)), **arguments)


def _statistics(url: str) -> Path | None:
    """Where Linux says how many nanoseconds a server has had; None where it does not."""
    import redis

    with redis.Redis.from_url(url) as client:
        found = Path(f"/proc/{client.info('server')['process_id']}/schedstat")
    return found if found.exists() else None


def _rows(library: str, modes: tuple[str, ...], effort: Effort) -> list[Row]:
    count = effort.of(60, least=20)
    with ExitStack() as stack:

        def side(kind: str, mode: str) -> Callable[[], Any]:
            remote = stack.enter_context(Remote(f"libraries:{kind}", library=library, mode=mode))
            return lambda: remote.ask("round", count=count)

        results = in_turn(
            3 * effort.rounds,
            {f"{library}, {kind}, {mode}": side(kind, mode) for mode in modes for kind in ("Own", "Ours")},
        )
    rows = [
        _compared(
            f"{library}: run_next, {mode}",
            (results[f"{library}, Ours, {mode}"], results[f"{library}, Own, {mode}"]),
            "times its own worker",
            bound=1.1,
        )
        for mode in modes
    ]
    if len(modes) == 2:
        both = results[f"{library}, Ours, fake"], results[f"{library}, Ours, server"]
        what = f"{library}: enqueue and drain, fake"
        rows.append(_compared(what, both, "times server", bound=1.5, prefix="whole_"))
    return rows


def _compared(
    what: str, both: tuple[list[Any], list[Any]], unit: str, *, bound: float, prefix: str = ""
) -> Row:
    wall, cpu = ([series(found, prefix + key) for found in both] for key in ("wall", "cpu"))
    best, middle = ratio(*cpu)
    text = (
        f"{cpu[0].best:.0f} and {cpu[1].best:.0f} us; "
        f"by the clock {wall[0].best / wall[1].best:.2f}: {wall[0].best:.0f} and {wall[1].best:.0f} us"
    )
    return Row(what, best, unit, middle, bound=bound, compared=text)


def measure(effort: Effort) -> list[Row]:
    modes: tuple[str, ...] = ("fake", "server")
    rows = []
    try:
        needs.redis_server()
    except NotMeasuredError as error:
        modes = ("fake",)
        rows.append(Row("libraries, server", None, compared=str(error)))
    found = workers.installed()
    if not found:
        raise NotMeasuredError("none of the job libraries is installed")
    for name in found:
        rows += _rows(name, modes, effort)
    return rows
