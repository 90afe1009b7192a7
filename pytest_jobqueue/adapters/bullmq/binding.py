"""The adapter itself: what a binding promises, in calls of BullMQ's own queues and workers.

A job of BullMQ has a name and one value, its data. An argument is the data; several are a list of them, none
is `{}`. There is no list of names: whatever a queue's processor takes is a job.
"""

from __future__ import annotations

import asyncio
import json
import time
from typing import TYPE_CHECKING, Any

import bullmq

from pytest_jobqueue.adapters.arguments import name_refused
from pytest_jobqueue.adapters.bullmq import CAPS
from pytest_jobqueue.adapters.bullmq.life import Life
from pytest_jobqueue.adapters.bullmq.store import Store, read
from pytest_jobqueue.adapters.bullmq.workers import Led, did_you_mean, workers_of
from pytest_jobqueue.adapters.gone import not_discarded, not_requeued
from pytest_jobqueue.adapters.witness import Witness
from pytest_jobqueue.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_jobqueue.adapters.bullmq.workers import WorkerOf
    from pytest_jobqueue.job import Call, Job, Outcome

_OPTIONS = (
    "attempts",
    "backoff",
    "continueParentOnFailure",
    "deduplication",
    "delay",
    "failParentOnFailure",
    "ignoreDependencyOnFailure",
    "jobId",
    "keepLogs",
    "lifo",
    "parent",
    "priority",
    "removeDependencyOnFailure",
    "removeOnComplete",
    "removeOnFail",
    "stackTraceLimit",
    "timestamp",
)

_REQUEUE = {"delayed": bullmq.Job.promote, "failed": bullmq.Job.retry}  # by the state that it is in
_DISCARDED = ("delayed", "failed", "paused", "prioritized", "wait", "waiting", "waiting-children")


class BullMQBinding:
    """Workers of BullMQ on one server.

    Args:
        app: What stands for the application; see `workers`.
        url: The server.
        queues: The queues to look at, in this order; None for all, in the application's.

    Raises:
        UsageError: The application says what cannot be.
    """

    caps = CAPS

    def __init__(self, app: Any, url: str, *, queues: Sequence[str] | None = None) -> None:
        self._workers = {worker.queue: worker for worker in workers_of(app, queues)}
        self._url = url
        self._led = Led(workers_of(app, None), url)
        self._witness = Witness(lambda job: str(job.id))
        self._store = Store(url)
        self._lives: dict[asyncio.AbstractEventLoop, Life] = {}

    # Enqueuing

    async def enqueue(self, call: Call) -> Job:
        """Put one job on its queue.

        Options are those of `Queue.add`: `attempts`, `backoff`, `priority`, `jobId`, …, before those that
        the service's own `Queue` of that name gives by default, if it is among the producers.

        Raises:
            UsageError: There is no such option, or there are keyword arguments.
            TypeError: JSON has nothing for an argument.
        """
        return (await self.enqueue_many((call,)))[0]

    async def enqueue_many(self, calls: Sequence[Call]) -> list[Job]:
        """Put several jobs there, those of one queue in one transaction."""
        specs = [self._spec(call) for call in calls]
        by_queue: dict[str, list[int]] = {}
        for index, call in enumerate(calls):
            by_queue.setdefault(call.queue or next(iter(self._workers)), []).append(index)
        made: dict[int, Job] = {}
        for name, indices in by_queue.items():
            queue = self._life().queue(name, self._queue_options(name))
            try:
                if len(indices) == 1:
                    spec = specs[indices[0]]
                    found = [await queue.add(spec["name"], spec["data"], spec["opts"])]
                else:
                    found = await queue.addBulk([specs[index] for index in indices])
            except (TypeError, ValueError) as error:
                for index in indices:
                    name_refused(calls[index], error, "JSON", _json)
                raise
            for index, job in zip(indices, found, strict=True):
                made[index] = self._made(name, queue.prefix, job)
        return [made[index] for index in range(len(calls))]

    def _made(self, name: str, prefix: str, job: Any) -> Job:
        # With an id or a deduplication there may be another job already, which is the one that counts.
        if job.opts.get("jobId") or job.deduplication_id:
            found = self._store.job(prefix, name, str(job.id))
            if found is not None:
                return found
        due = (job.timestamp + job.delay) / 1000 if job.delay else None
        return read(job, name, due)

    def _spec(self, call: Call) -> dict[str, Any]:
        if call.kwargs:
            raise UsageError(
                f"{call.name}: a job of BullMQ has one value, its data, and no keyword arguments; write "
                f"enqueue({call.name!r}, {dict(call.kwargs)!r})"
            )
        options = dict(call.options)
        for option in options:
            if option not in _OPTIONS:
                raise UsageError(
                    f"{call.name}: BullMQ has no option {option!r}{did_you_mean(option, _OPTIONS)} "
                    f"(there are {', '.join(_OPTIONS)})"
                )
        if call.at is not None:
            if "delay" in options:
                raise UsageError(f"{call.name}: its time is given twice, by the option and by the call")
            now = int(options.setdefault("timestamp", round(time.time() * 1000)))
            options["delay"] = max(round(call.at * 1000) - now, 0)
        args = call.args
        data = args[0] if len(args) == 1 else list(args) if args else {}
        return {"name": call.name, "data": data, "opts": options}

    def _queue_options(self, name: str) -> dict[str, Any]:
        for worker in self._workers.values():
            for producer in worker.producers:
                if getattr(producer, "name", None) == name:
                    return dict(producer.opts)
        worker = self._workers.get(name) or next(iter(self._workers.values()))
        return {"prefix": worker.prefix}

    # Looking

    def queues(self) -> list[str]:
        """The queues that have a processor."""
        return list(self._workers)

    def pending(self, queue: str | None = None) -> list[Job]:
        """What a worker would take now."""
        return [job for worker in self._of(queue) for job in self._store.pending(worker)]

    def scheduled(self) -> list[Job]:
        """What is not due and has not run, the next runs of periodic jobs among it."""
        return [job for job in self._later() if not job.attempts]

    def retrying(self) -> list[Job]:
        """What failed and is not due again."""
        return [job for job in self._later() if job.attempts]

    def running(self) -> list[Job]:
        """What some worker has, or had when it died."""
        return [job for worker in self._of() for job in self._store.running(worker)]

    def waiting(self) -> list[Job]:
        """Parents that wait for their children, and what is on a paused queue."""
        return [job for worker in self._of() for job in self._store.waiting(worker)]

    def failed(self) -> list[Job]:
        """What failed for good, unless its `removeOnFail` says otherwise."""
        return [job for worker in self._of() for job in self._store.failed(worker)]

    def next_due(self) -> float | None:
        """When the next job is due."""
        return next((job.due_at for job in self._later()), None)

    def _of(self, queue: str | None = None) -> list[WorkerOf]:
        if queue is None:
            return list(self._workers.values())
        if queue not in self._workers:
            raise UsageError(
                f"the queue {queue!r} has no processor{did_you_mean(queue, self._workers)} "
                f"(there are {', '.join(self._workers)})"
            )
        return [self._workers[queue]]

    def _later(self) -> list[Job]:
        later = [job for worker in self._of() for job in self._store.later(worker)]
        return sorted(later, key=lambda job: job.due_at or 0.0)

    # Running

    async def run_next(self, queue: str | None = None, *, more: bool = False) -> Outcome | None:  # noqa: ARG002
        """Let the first queue's worker that finds a job take and process it."""
        for worker in self._of(queue):
            outcome = await self._life().run(worker)
            if outcome is not None:
                return outcome
        return None

    async def tick(self) -> int:
        """Nothing: a worker of BullMQ that looks for a job makes ready what is due."""
        return 0

    async def abandon_next(self, queue: str | None = None) -> Job | None:
        """Let a worker take one job, and go no further."""
        for worker in self._of(queue):
            job = await self._life().take(worker)
            if job is not None:
                return read(job, worker.queue)
        return None

    async def recover(self) -> int:
        """Let the workers look for stalled jobs.

        A job is stalled when two looks found it without its lock. Locks, and the time between two looks, are
        `lockDuration` and `stalledInterval`, by the server's clock. The fake's clock is the test's.
        """
        return sum([await self._life().recover(worker) for worker in self._of()])

    # Looking after jobs by hand

    async def requeue(self, job: Job) -> None:
        """`Job.promote` what is delayed, `Job.retry` what failed; its attempts so far stay counted.

        Raises:
            UsageError: It is neither.
        """
        found = await self._found(job)
        act = _REQUEUE.get(await found.getState()) if found is not None else None
        if act is None:
            raise not_requeued(job)
        try:
            await act(found)
        except TypeError:  # BullMQ's own, when it is not there or in another state by now
            raise not_requeued(job) from None

    async def discard(self, job: Job) -> None:
        """`Job.remove`, with its children, unless a worker has it.

        Raises:
            UsageError: A worker has it, or it is not there, or completed; or it is the next run of a job
                scheduler, which only goes with that.
        """
        found = await self._found(job)
        if found is None or await found.getState() not in _DISCARDED:
            raise not_discarded(job)
        try:
            await found.remove()
        except Exception as error:  # BullMQ has no other class for it
            if "locked" not in str(error):
                raise
            raise not_discarded(job) from None
        if await self._found(job) is not None:
            raise UsageError(
                f"{job} cannot be discarded: it is the next run of a job scheduler; remove that with the "
                "queue's removeJobScheduler(…)"
            )

    async def _found(self, job: Job) -> Any:
        self._of(job.queue)
        queue = self._life().queue(job.queue, self._queue_options(job.queue))
        return await bullmq.Job.fromId(queue, job.id)

    # Leaving

    def _life(self) -> Life:
        loop = asyncio.get_running_loop()
        if loop not in self._lives:
            self._lives[loop] = Life(self._url, self._witness)
        return self._lives[loop]

    async def release(self) -> None:
        """Close queues and workers, in the running loop."""
        life = self._lives.pop(asyncio.get_running_loop(), None)
        if life is not None:
            await life.close()

    def restore(self) -> None:
        """Lead the service's own clients where they led before."""
        self._store.close()
        self._led.restore()


def _json(value: Any) -> str:
    """As BullMQ has it: without NaN."""
    return json.dumps(value, allow_nan=False)
