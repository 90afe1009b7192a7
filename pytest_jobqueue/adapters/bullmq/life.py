"""BullMQ's own queues and workers in one event loop, from their first use there to the end.

A worker is made as the service makes it, but for its loop (`autorun`): it takes a job when it is asked to.
Used here and not documented by BullMQ: `Worker.getNextJob` and `drained` (which, when false, keeps it from
waiting for a job), `processJob`, `lockManager.start`, `runStalledJobsCheck`, and what it does at the end of a
job: `Job.finishedOn`.
"""

from __future__ import annotations

import asyncio
import functools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import bullmq

from pytest_jobqueue.adapters.bullmq.store import read
from pytest_jobqueue.adapters.witness import Escaped
from pytest_jobqueue.job import Outcome, Status

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_jobqueue.adapters.bullmq.workers import WorkerOf
    from pytest_jobqueue.adapters.witness import Witness

_LEFT_OPEN = "it went through BullMQ's worker, which ends there; the job is found when its lock has expired"


@dataclass
class _At:
    """A worker, and what it said of the job that it has."""

    worker: bullmq.Worker
    taken: int = 0
    events: dict[str, Exception | None] = field(default_factory=dict)
    stalled: int = 0


class Life:
    """Queues and workers in the running loop.

    Args:
        url: Where they lead.
        witness: Sees what the processors do.
    """

    def __init__(self, url: str, witness: Witness) -> None:
        self._url = url
        self._witness = witness
        self._queues: dict[tuple[str, str], bullmq.Queue] = {}
        self._workers: dict[str, _At] = {}

    def queue(self, name: str, options: dict[str, Any]) -> bullmq.Queue:
        """A queue, to put jobs on."""
        key = options.get("prefix", "bull"), name
        if key not in self._queues:
            self._queues[key] = bullmq.Queue(name, {**options, "connection": self._url})
        return self._queues[key]

    def _at(self, of: WorkerOf) -> _At:
        if of.queue not in self._workers:
            options = {**of.options, "connection": self._url, "autorun": False}
            worker = bullmq.Worker(of.queue, _witnessed(self._witness, of.processor), options)
            at = self._workers[of.queue] = _At(worker)
            worker.on("completed", lambda _job, _result: at.events.update(completed=None))
            worker.on("failed", lambda _job, error: at.events.update(failed=error))
            worker.on("error", lambda error, _job=None: _note_error(at, error))
            worker.on("stalled", lambda _job_id: setattr(at, "stalled", at.stalled + 1))
            if of.setup is not None:
                of.setup(worker)
            worker.lockManager.start()
        return self._workers[of.queue]

    async def _take(self, at: _At) -> bullmq.Job | None:
        """The next job; what BullMQ only tells of as an event, that it cannot be fetched, is raised."""
        at.taken += 1
        at.events.clear()
        at.worker.drained = False
        job = await at.worker.getNextJob(f"{at.worker.id}:{at.taken}")
        problem = at.events.get("error")
        if problem is not None and job is None:
            raise problem
        return job

    async def take(self, of: WorkerOf) -> bullmq.Job | None:
        """Let the worker take one job, and go no further."""
        return await self._take(self._at(of))

    async def run(self, of: WorkerOf) -> Outcome | None:
        """Let the worker take one job and process it."""
        at = self._at(of)
        job = await self._take(at)
        if job is None:
            return None
        seen_before = read(job, of.queue)
        # A task of its own: what cancels the test's must find the job ended, and be able to name it.
        task = asyncio.ensure_future(at.worker.processJob(job, job.token))
        try:
            await task
        except BaseException as error:
            seen = self._witness.take(str(job.id))
            if seen is None or seen.exception is None:
                raise
            original = error.__cause__ if isinstance(error, Escaped) else error
            return Outcome(
                seen_before, "retrying", exception=original, reason=_LEFT_OPEN, seconds=seen.seconds
            )
        seen = self._witness.take(str(job.id))
        seconds = seen.seconds if seen else 0.0
        problem = at.events.get("error")
        if problem is not None:
            own = seen.exception if seen and seen.exception else problem
            stuck = f"BullMQ could not finish it, and it is found when its lock has expired: {problem}"
            return Outcome(seen_before, "retrying", exception=own, reason=stuck, seconds=seconds)
        if "completed" in at.events:
            return Outcome(seen_before, "ok", seen.result if seen else None, seconds=seconds)
        if "failed" in at.events:
            status: Status = "failed" if job.finishedOn else "retrying"
            return Outcome(seen_before, status, exception=at.events["failed"], seconds=seconds)
        reason = f"{type(seen.exception).__name__}: it put itself back" if seen else None
        return Outcome(seen_before, "retrying", reason=reason, seconds=seconds)

    async def recover(self, of: WorkerOf) -> int:
        """Let the worker look for stalled jobs; how many it found."""
        at = self._at(of)
        at.stalled = 0
        at.events.clear()
        await at.worker.runStalledJobsCheck()
        problem = at.events.get("error")
        if problem is not None:
            raise problem
        return at.stalled

    async def close(self) -> None:
        """Close all of them."""
        workers, self._workers = self._workers, {}
        queues, self._queues = self._queues, {}
        for at in workers.values():
            await at.worker.close()
        for queue in queues.values():
            await queue.close()


def _witnessed(witness: Witness, processor: Callable[..., Any]) -> Callable[..., Any]:
    # Awaited as BullMQ awaits it, whatever it returns; the names of its arguments are looked at by BullMQ.
    @functools.wraps(processor)
    async def awaited(*args: Any) -> Any:
        return await processor(*args)

    return witness.around(awaited)


def _note_error(at: _At, error: Exception) -> None:
    """Keep what a fetch or an end met; that the lock of a job which has just ended is not renewed is none."""
    if not str(error).startswith("could not renew lock"):
        at.events.update(error=error)
