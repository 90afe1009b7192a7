"""The adapter itself: what a binding promises, in calls of SAQ's own queue and worker."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from saq.job import Job as SaqJob

from pytest_jobqueue.adapters.arguments import name_refused
from pytest_jobqueue.adapters.gone import not_discarded, not_requeued
from pytest_jobqueue.adapters.saq import CAPS, hand
from pytest_jobqueue.adapters.saq.calls import arguments, check_name, functions_of, options
from pytest_jobqueue.adapters.saq.life import Life
from pytest_jobqueue.adapters.saq.place import Place
from pytest_jobqueue.adapters.saq.store import Store
from pytest_jobqueue.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_jobqueue.job import Call, Job, Outcome

_MOMENT = 0.01  # seconds to wait for what is there, or for a worker that is none
_AHEAD = 16


class SaqBinding:
    """A queue on one server, and a worker's settings.

    Args:
        app: The queue, or the settings of a worker, which name it.
        url: The server.

    Raises:
        UsageError: The queue is not in Redis.
    """

    caps = CAPS

    def __init__(self, app: Any, url: str) -> None:
        self._settings = dict(app) if isinstance(app, Mapping) else {"queue": app}
        self._functions = functions_of(self._settings)
        self._place = Place(self._settings["queue"], url)
        self._queue = self._place.queue
        self._store = Store(url, self._queue)
        self._lives: dict[asyncio.AbstractEventLoop, Life] = {}
        self._ahead: list[bytes] = []  # what is next on the queue, as it was at the last look

    # Enqueuing

    async def enqueue(self, call: Call) -> Job:
        """Put one job on the queue, or into the schedule.

        Options are the properties of SAQ's job that it calls user specified: `key`, `timeout`, `heartbeat`,
        `retries`, `ttl`, `retry_delay`, `retry_backoff`, `scheduled`, `meta`. A job whose key is taken is not
        enqueued again, and the one that is there is returned.

        Raises:
            TypeError: Positional arguments have no names, or SAQ's serialiser refuses one.
            UsageError: There is no such function, queue or option.
        """
        return (await self.enqueue_many((call,)))[0]

    async def enqueue_many(self, calls: Sequence[Call]) -> list[Job]:
        """Put several jobs there, one by one, as SAQ does; none if one cannot be."""
        asked = [self._asked(call) for call in calls]
        self._life()
        jobs = []
        for call, (kwargs, properties, names) in zip(calls, asked, strict=True):
            try:
                made = await self._queue.enqueue(call.name, kwargs=kwargs, **properties)
            except Exception as error:
                name_refused(call, error, "the queue's serialiser", self._dumps)
                raise
            if made is None:
                jobs.append(await self._taken(call, properties["key"]))
                continue
            if names:
                self._store.positional[made.key] = names
            found = self._queue.deserialize(self._queue.serialize(made))
            jobs.append(self._store.job(found, made.scheduled or None))
        return jobs

    def _dumps(self, value: Any) -> None:
        self._queue.serialize(SaqJob("", kwargs={"value": value}, queue=self._queue))

    def _asked(self, call: Call) -> tuple[dict[str, Any], dict[str, Any], list[str]]:
        if call.queue not in (None, self._queue.name):
            raise UsageError(
                f"{call.name}: the application's queue is {self._queue.name!r}, and there is no "
                f"{call.queue!r}; leave the queue out, or give the settings of that one as jobqueue_app"
            )
        check_name(call.name, self._functions)
        properties = options(call)
        kwargs, names = arguments(call, self._functions)
        return kwargs, properties, names

    async def _taken(self, call: Call, key: str) -> Job:
        found = await self._queue.job(key)
        if found is None:
            raise UsageError(
                f"{call.name}: SAQ refuses the key {key!r} for some seconds after its job was aborted"
            )
        return self._store.job(found)

    # Looking

    def queues(self) -> list[str]:
        """The one queue."""
        return [self._queue.name]

    def pending(self, queue: str | None = None) -> list[Job]:
        """The list of what is ready; a job that is due joins it at the next `tick`."""
        return self._store.ready() if queue in (None, self._queue.name) else []

    def scheduled(self) -> list[Job]:
        """What waits for its time and has not run."""
        return [job for job in self._store.later() if not job.attempts]

    def retrying(self) -> list[Job]:
        """What waits for its time and has run."""
        return [job for job in self._store.later() if job.attempts]

    def running(self) -> list[Job]:
        """What some worker has, or had when it died."""
        return self._store.active()

    def waiting(self) -> list[Job]:
        """None: no job of SAQ waits for another."""
        return []

    def failed(self) -> list[Job]:
        """Failed and aborted jobs (for `ttl` seconds, by default ten minutes)."""
        return self._store.failed()

    def next_due(self) -> float | None:
        """When the next job is due, a periodic one too once the worker has scheduled it."""
        return min((job.due_at for job in self._store.later() if job.due_at is not None), default=None)

    # Running

    async def run_next(self, queue: str | None = None, *, more: bool = False) -> Outcome | None:  # noqa: ARG002
        """Let the worker take one job and run it here.

        What is next is looked up for several jobs at once. The worker itself takes one at a time, whatever it
        finds then; if it finds none where one was, another look says whether there is any.
        """
        if queue not in (None, self._queue.name):
            return None
        last = None
        ahead, self._ahead = self._ahead, []
        while ahead or (ahead := await self._heads(_AHEAD)):
            head = ahead.pop(0)
            outcome = await self._life().process()
            if outcome is not None:
                self._ahead = ahead
                return outcome
            if head == last:
                raise RuntimeError(f"SAQ's worker does not take {head!r}; its log says why")
            last, ahead = head, []
        return None

    async def _heads(self, count: int) -> list[bytes]:
        self._life()
        heads: list[bytes] = await self._queue.redis.lrange(self._queue.namespace("queued"), 0, count - 1)
        return heads

    async def tick(self) -> int:
        """One step of the worker's scheduler: periodic jobs are scheduled, due ones become ready."""
        await self._unlock("schedule")
        if not self._settings.get("cron_jobs"):
            return len(await self._queue.schedule(1))
        worker = await self._life().worker()
        before = await self._queue.count("queued")
        await worker.schedule(1)
        return int(await self._queue.count("queued") - before)

    async def abandon_next(self, queue: str | None = None) -> Job | None:
        """Take one job off the queue as a worker does, and do nothing with it."""
        if queue not in (None, self._queue.name) or not await self._heads(1):
            return None
        found = await self._queue.dequeue(timeout=_MOMENT)
        return None if found is None else self._store.job(found)

    async def recover(self) -> int:
        """Sweep: what a worker took and did not start, or not finish in time, is retried or aborted."""
        await self._unlock("sweep")
        swept = await self._queue.sweep(abort=_MOMENT)
        return len(
            {self._queue.job_key_from_id(job_id) for job_id in swept} & {job.id for job in self.pending()}
        )

    async def _unlock(self, name: str) -> None:
        """Let what a worker does once in a while be done now: a key keeps it for a second or a minute."""
        self._life()
        await self._queue.redis.delete(self._queue.namespace(name))

    # Looking after jobs by hand

    async def requeue(self, job: Job) -> None:
        """Make a job ready before its time, or enqueue a failed one again, with its attempts so far.

        SAQ's own retry, as on its web page, would have the job wait for its `retry_delay`.

        Raises:
            UsageError: It neither waits for its time nor has failed.
        """
        self._life()
        self._ahead = []
        if not await hand.requeue(self._queue, job.id):
            raise not_requeued(job)

    async def discard(self, job: Job) -> None:
        """Remove a job, which SAQ itself only aborts and keeps as such.

        Raises:
            UsageError: A worker has it, or it is over and has not failed.
        """
        self._life()
        self._ahead = []
        if not await hand.discard(self._queue, job.id):
            raise not_discarded(job)

    # Leaving

    def _life(self) -> Life:
        loop = asyncio.get_running_loop()
        if loop not in self._lives:
            self._lives[loop] = Life(self._place, self._settings, self._store)
        return self._lives[loop]

    async def release(self) -> None:
        """Stop the worker and disconnect the queue, in the running loop."""
        life = self._lives.pop(asyncio.get_running_loop(), None)
        if life is not None:
            try:
                await life.close()
            finally:
                await self._place.release()

    def restore(self) -> None:
        """Leave the queue as it was."""
        self._store.close()
        self._place.restore()
