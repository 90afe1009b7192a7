"""What does a job cost from `enqueue` to the end of `drain`, on `fake` and on `server`?

Everything here is made of round trips, so one round trip of redis-py to the same place is measured beside it,
and so is RQ's own in-process worker, on the same server and, for `fake`, on fakeredis. Each has a process of
its own; the front shares its process with the job queue, as it does in a test.
"""

from __future__ import annotations

import logging
import time
from contextlib import AbstractContextManager, ExitStack
from typing import TYPE_CHECKING, Any

from benchmarks import needs
from benchmarks.front import LOOPS
from benchmarks.remote import Remote
from benchmarks.rows import BrokenError, Effort, NotMeasuredError, Row
from benchmarks.turns import in_turn, series

if TYPE_CHECKING:
    from collections.abc import Callable


def trivial(left: int, right: int) -> int:
    """The job."""
    return left + right


class _Side(AbstractContextManager):
    """Something that runs jobs, in a process of its own."""

    def __init__(self) -> None:
        self.stack = ExitStack()

    def __exit__(self, *_: object) -> None:
        self.stack.close()

    def round(self, count: int) -> dict[str, float]:
        """Microseconds per job: by the clock, by the processor, and by the processor in this thread alone."""
        clocks = time.perf_counter, time.process_time, time.thread_time
        before = [clock() for clock in clocks]
        done = self.run(count)
        spent = [(clock() - start) / count * 1e6 for clock, start in zip(clocks, before, strict=True)]
        if done != count:
            raise BrokenError(f"{done} of {count} jobs ran on {type(self).__name__}")
        return dict(zip(("wall", "cpu", "thread"), spent, strict=True))

    def run(self, count: int) -> int:
        """Run `count` jobs; returns how many were run."""
        raise NotImplementedError


class Ours(_Side):
    """The harness, as a test has it."""

    def __init__(self, mode: str) -> None:
        super().__init__()
        import pytest_jobqueue

        server = self.stack.enter_context(pytest_jobqueue.serve(mode))
        self._queue = self.stack.enter_context(pytest_jobqueue.JobQueue({"Add": trivial}, server))

    def run(self, count: int) -> int:
        for _ in range(count):
            self._queue.producer.enqueue("Add", 2, 3)
        return len(self._queue.worker.drain(limit=count + 1).ok)


class Trips(_Side):
    """Round trips of redis-py, in the place of jobs."""

    def __init__(self, mode: str) -> None:
        super().__init__()
        import redis

        import pytest_jobqueue

        server = self.stack.enter_context(pytest_jobqueue.serve(mode))
        self._client = self.stack.enter_context(redis.Redis.from_url(server.url))

    def run(self, count: int) -> int:
        return sum(self._client.get("key") is None for _ in range(count))


class Rq(_Side):
    """RQ's SimpleWorker."""

    def __init__(self, mode: str) -> None:
        super().__init__()
        import redis
        import rq

        logging.getLogger("rq").setLevel(logging.CRITICAL)
        if mode == "fake":
            import fakeredis

            connection: Any = fakeredis.FakeStrictRedis()
        else:
            from pytest_jobqueue.servers.process import start_process

            provider = start_process()
            self.stack.callback(provider.close)
            connection = redis.Redis.from_url(provider.url)
        self._queue = rq.Queue("bench", connection=connection)
        self._worker: Callable[[], Any] = lambda: rq.SimpleWorker([self._queue], connection=connection)

    def run(self, count: int) -> int:
        jobs = [self._queue.enqueue(trivial, 2, 3) for _ in range(count)]
        self._worker().work(burst=True, logging_level=logging.CRITICAL)
        return sum(job.is_finished for job in jobs)


def _rows(mode: str, effort: Effort) -> list[Row]:
    jobs, fewer = effort.of(1000), effort.of(100)
    with ExitStack() as stack:

        def side(kind: str, count: int, without: tuple[str, ...] = ()) -> Callable[[], Any]:
            remote = stack.enter_context(Remote(f"jobs:{kind}", without=without, mode=mode))
            return lambda: remote.ask("round", count=count)

        sides = {}
        for loop, without in LOOPS.items():
            sides[loop] = side("Ours", jobs, without)
            sides[f"trips {loop}"] = side("Trips", jobs, without)
        try:
            needs.module("rq")
            sides["RQ"] = side("Rq", fewer)
        except NotMeasuredError:
            pass
        results = in_turn(effort.rounds, sides)
    peer = "RQ: not installed"
    if "RQ" in results:
        place = "fakeredis" if mode == "fake" else "the same server"
        peer = f"RQ SimpleWorker on {place}: {series(results['RQ'], 'wall').best:,.0f} us"
    rows = []
    for loop in LOOPS:
        wall, cpu, thread = (series(results[loop], key) for key in ("wall", "cpu", "thread"))
        trip = series(results[f"trips {loop}"], "wall")
        text = (
            f"{peer}; processor {cpu.best:.0f} us, {thread.best:.0f} of it in the test's thread; "
            f"one round trip of redis-py to it: {trip.best:.0f} us"
        )
        what = f"enqueue and drain a job, {mode}, {loop}"
        rows.append(Row(what, wall.best, "us", wall.median, bound=500, compared=text))
    return rows


def measure(effort: Effort) -> list[Row]:
    rows = _rows("fake", effort)
    try:
        needs.redis_server()
    except NotMeasuredError as error:
        return [*rows, Row("enqueue and drain a job, server", None, compared=str(error))]
    return rows + _rows("server", effort)
