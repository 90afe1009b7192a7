"""The adapter itself: what a binding promises, in calls of arq's own client and worker.

arq keeps a job in its queue until it is finished, and has no scheduler but for periodic jobs: a job is due
when its score says so.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import pickle
from dataclasses import replace
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from arq.constants import default_queue_name
from arq.jobs import SerializationError
from arq.utils import timestamp_ms
from arq.worker import func
from redis.exceptions import RedisError

from pytest_jobqueue.adapters.arguments import name_refused
from pytest_jobqueue.adapters.arq import CAPS, hand
from pytest_jobqueue.adapters.arq.life import Life, Started
from pytest_jobqueue.adapters.arq.place import Place
from pytest_jobqueue.adapters.arq.run import escaped, ran, refused
from pytest_jobqueue.adapters.arq.store import Store
from pytest_jobqueue.adapters.gone import not_discarded, not_requeued
from pytest_jobqueue.adapters.witness import Witness
from pytest_jobqueue.errors import UsageError
from pytest_jobqueue.job import error_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from arq.cron import CronJob
    from arq.worker import Function, Worker

    from pytest_jobqueue.adapters.arq.store import Entry
    from pytest_jobqueue.job import Call, Job, Outcome

_OPTIONS = ("_job_id", "_queue_name", "_defer_until", "_defer_by", "_expires", "_job_try")


class ArqBinding:
    """Worker settings on one server.

    Periodic jobs count from the moment at which the binding was made, as if the worker had started then.

    Args:
        app: The `WorkerSettings`, a class or a mapping.
        url: The server.
        queues: The queues to listen to, in this order; None for the one of the settings.

    Raises:
        UsageError: arq cannot make a worker of the settings.
    """

    caps = CAPS

    def __init__(self, app: Any, url: str, *, queues: Sequence[str] | None = None) -> None:
        self._witness = Witness(lambda context: str(context["job_id"]))
        self._place = Place(app, url)
        try:
            self._functions = self._witnessed(self._place.kwargs.get("functions") or ())
            self._periodic = self._started(self._place.kwargs.get("cron_jobs") or ())
            _check_some(*self._functions, *self._periodic)
        except Exception as error:
            self._place.restore()
            raise UsageError(f"arq cannot make a worker of {app!r}: {error_text(error)}") from error
        self._queue = str(self._place.kwargs.get("queue_name") or default_queue_name)
        self._queues = list(queues or (self._queue,))
        self._store = Store(url, self._place.kwargs.get("job_deserializer"))
        self._lives: dict[asyncio.AbstractEventLoop, Life] = {}

    # For a worker process

    @property
    def kwargs(self) -> dict[str, Any]:
        """What the settings give to arq's worker."""
        return self._place.kwargs

    @property
    def redis_settings(self) -> Any:
        """Where they lead."""
        return self._place.redis_settings

    @property
    def watched(self) -> dict[str, Any]:
        """The functions and periodic jobs, each with a witness around it."""
        found = {"functions": self._functions, "cron_jobs": self._periodic}
        return {name: some for name, some in found.items() if some}

    @property
    def witness(self) -> Witness:
        """Who sees them called."""
        return self._witness

    def entry(self, queue: str, job_id: str) -> Entry:
        """A job as it is on the server."""
        return self._store.entry(queue, job_id)

    def _witnessed(self, functions: Sequence[Any]) -> list[Function]:
        return [
            replace(function, coroutine=self._witness.around(function.coroutine))
            for function in map(func, functions)
        ]

    def _started(self, cron_jobs: Sequence[CronJob]) -> list[CronJob]:
        # Copies: the service's own keep no time of ours.
        copies = [replace(cron, coroutine=self._witness.around(cron.coroutine)) for cron in cron_jobs]
        zone = self._place.kwargs.get("timezone")
        now = dt.datetime.now(zone) if zone else dt.datetime.now().astimezone()
        for cron in copies:
            if cron.run_at_startup:
                cron.next_run = now
            else:
                cron.calculate_next(now)
        return copies

    # Enqueuing

    async def enqueue(self, call: Call) -> Job:
        """Put one job on its queue.

        Options are those of `enqueue_job`: `_job_id`, `_expires`, `_job_try`, `_defer_by`, `_defer_until`,
        `_queue_name`. A job whose id is taken is not enqueued again, and the one that is there is returned.

        Raises:
            UsageError: There is no such function or option.
            TypeError: The serialiser refuses an argument.
        """
        return (await self.enqueue_many((call,)))[0]

    async def enqueue_many(self, calls: Sequence[Call]) -> list[Job]:
        """Put several jobs there, one by one, as arq does; none if one is of no such function."""
        options = [self._options(call) for call in calls]
        pool = await self._life().pool()
        jobs = []
        for call, kwargs in zip(calls, options, strict=True):
            queue = kwargs.get("_queue_name") or self._queue
            try:
                made = await pool.enqueue_job(call.name, *call.args, **{**kwargs, **call.kwargs})
            except SerializationError as error:
                dumps = self._place.kwargs.get("job_serializer") or pickle.dumps
                name_refused(call, error, "arq's serialiser", lambda value: dumps({"value": value}))  # noqa: B023 (it is called at once)
                raise
            job_id = made.job_id if made is not None else kwargs["_job_id"]
            found = None if made is not None else self._store.result(job_id)
            jobs.append(found or self._store.entry(queue, job_id).job)
        return jobs

    def _options(self, call: Call) -> dict[str, Any]:
        options = {"_queue_name": call.queue or self._queue, **call.options}
        for option in options:
            if option not in _OPTIONS:
                raise UsageError(
                    f"{call.name}: arq has no option {option!r}{_did_you_mean(option, _OPTIONS)} "
                    f"(there are {', '.join(_OPTIONS)})"
                )
        if options["_queue_name"] in self._queues:  # another queue is another worker's, who knows what
            self._check_name(call.name)
        if call.at is not None:
            if "_defer_by" in options or "_defer_until" in options:
                raise UsageError(f"{call.name}: its time is given twice, by the option and by the call")
            options["_defer_until"] = dt.datetime.fromtimestamp(call.at, dt.timezone.utc)
        return options

    def _check_name(self, name: str) -> None:
        names = [known.name for known in (*self._functions, *self._periodic)]
        if name not in names:
            raise UsageError(
                f"the worker settings have no function {name!r}{_did_you_mean(name, names)} "
                f"(registered: {', '.join(names)})"
            )

    # Looking

    def queues(self) -> list[str]:
        """The queues that are listened to."""
        return list(self._queues)

    def pending(self, queue: str | None = None) -> list[Job]:
        """What is due and in no worker's hands."""
        return [entry.job for entry in self._entries(queue) if entry.is_due and not entry.is_running]

    def scheduled(self) -> list[Job]:
        """What is not due and has not run."""
        return [job for job in self._later() if not job.attempts]

    def retrying(self) -> list[Job]:
        """What is not due and has run."""
        return [job for job in self._later() if job.attempts]

    def running(self) -> list[Job]:
        """What some worker has, or had when it died."""
        return [entry.job for entry in self._entries() if entry.is_running]

    def waiting(self) -> list[Job]:
        """None: no job of arq waits for another."""
        return []

    def failed(self) -> list[Job]:
        """Failed jobs whose result is kept (`keep_result`, by default for an hour)."""
        return self._store.failed(self._queues)

    def next_due(self) -> float | None:
        """When the next job is due, one that is enqueued or one that recurs."""
        times = [job.due_at for job in self._later() if job.due_at is not None]
        times += [cron.next_run.timestamp() for cron in self._periodic if cron.next_run is not None]
        return min(times, default=None)

    def _entries(self, queue: str | None = None) -> list[Entry]:
        names = self._queues if queue is None else [queue]
        return [entry for name in names for entry in self._store.entries(name)]

    def _later(self) -> list[Job]:
        later = [entry.job for entry in self._entries() if not entry.is_due and not entry.is_running]
        return sorted(later, key=lambda job: job.due_at or 0.0)

    # Running

    async def run_next(self, queue: str | None = None, *, more: bool = False) -> Outcome | None:  # noqa: ARG002
        """Let the worker take one job and run it here."""
        for name in self._queues if queue is None else [queue]:
            async with self._life().on(name) as worker:
                started = await self._life().start_one(worker)
                if started is not None:
                    return await self._run(worker, started)
        return None

    async def _run(self, worker: Worker, started: Started) -> Outcome:
        job_id, life = started.job_id, self._life()
        entry = self._store.entry(worker.queue_name, job_id)  # as it is before its task has begun
        try:
            await life.finish(worker, started)
        except (RedisError, asyncio.CancelledError):
            raise
        except BaseException as error:  # noqa: BLE001 (it is handed over in the outcome)
            return escaped(entry, self._witness.take(job_id), error)
        seen, result = self._witness.take(job_id), life.results.pop(job_id, None)
        if seen is None:
            return refused(entry, result)
        again = seen.exception is not None and await self._is_queued(worker, job_id)
        outcome = ran(entry, seen, result, again=again, aborted=started.was_aborted)
        if outcome.exception is not None:
            self._store.errors[job_id] = error_text(outcome.exception)
        return outcome

    @staticmethod
    async def _is_queued(worker: Worker, job_id: str) -> bool:
        return await worker.pool.zscore(worker.queue_name, job_id) is not None

    async def tick(self) -> int:
        """One heart-beat of the worker: periodic jobs whose time has come become ready."""
        if not self._periodic:
            return 0
        worker = await self._life().worker()
        before = await self._ready(worker)
        await worker.heart_beat()
        return await self._ready(worker) - before

    @staticmethod
    async def _ready(worker: Worker) -> int:
        return int(await worker.pool.zcount(worker.queue_name, float("-inf"), timestamp_ms()))

    async def abandon_next(self, queue: str | None = None) -> Job | None:
        """Let the worker take one job, and go no further."""
        for name in self._queues if queue is None else [queue]:
            async with self._life().on(name) as worker:
                started = await self._life().start_one(worker)
                if started is not None:
                    job = self._store.entry(name, started.job_id).job
                    started.task.cancel()
                    await asyncio.wait({started.task})
                    return job
        return None

    async def recover(self) -> int:
        """Nothing: arq has no maintenance.

        An abandoned job is ready again once its in-progress key has expired, ten seconds after the longest
        time limit, by the server's clock. The fake's clock is the test's.
        """
        return 0

    # Looking after jobs by hand

    async def requeue(self, job: Job) -> None:
        """Set a job's time to now, or enqueue a failed one again: with its id, and its tries counted anew.

        Raises:
            UsageError: It is not for later, and no result says that it failed.
        """
        if not await hand.requeue(await self._life().pool(), job):
            raise not_requeued(job)

    async def discard(self, job: Job) -> None:
        """Remove a job from its queue, or a failed one's result.

        Raises:
            UsageError: It is not there, or a worker has it.
        """
        if not await hand.discard(await self._life().pool(), job):
            raise not_discarded(job)

    # Leaving

    def _life(self) -> Life:
        loop = asyncio.get_running_loop()
        if loop not in self._lives:
            functions = {"functions": self._functions, "cron_jobs": self._periodic}
            self._lives[loop] = Life(self._place, functions)
        return self._lives[loop]

    async def release(self) -> None:
        """Shut the worker down and close its pool, in the running loop."""
        life = self._lives.pop(asyncio.get_running_loop(), None)
        if life is not None:
            await life.close()

    def restore(self) -> None:
        """Leave the settings as they were."""
        self._store.close()
        self._place.restore()


def _check_some(*functions: Any) -> None:
    if not functions:
        raise RuntimeError("at least one function or cron_job must be registered")  # in arq's words


def _did_you_mean(word: str, known: Sequence[str] | Mapping[str, Any]) -> str:
    close = get_close_matches(word, list(known), 1)
    return f"; did you mean {close[0]!r}?" if close else ""
