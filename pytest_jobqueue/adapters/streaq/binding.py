"""The adapter itself: what a binding promises, in calls of streaQ's own worker and tasks.

The queue is the worker's; its priorities are streams of that queue, chosen by the option `priority`.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import inspect
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from redis.exceptions import RedisError
from streaq import StreaqError

from pytest_jobqueue.adapters.arguments import name_refused
from pytest_jobqueue.adapters.gone import not_discarded, not_requeued
from pytest_jobqueue.adapters.running import asyncio_loop
from pytest_jobqueue.adapters.streaq import CAPS
from pytest_jobqueue.adapters.streaq.hand import Hand
from pytest_jobqueue.adapters.streaq.life import Life
from pytest_jobqueue.adapters.streaq.place import Place, inside
from pytest_jobqueue.adapters.streaq.run import escaped, judged
from pytest_jobqueue.adapters.streaq.store import Store
from pytest_jobqueue.adapters.witness import Witness
from pytest_jobqueue.errors import UsageError
from pytest_jobqueue.job import Call, error_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from streaq import Worker
    from streaq.task import Task
    from streaq.types import StreamMessage

    from pytest_jobqueue.job import Job, Outcome

_OPTIONS = ("after", "delay", "id", "priority", "schedule")


class StreaqBinding:
    """A worker of streaQ on one server.

    Periodic jobs count from the moment at which the binding was made, as if the worker had started then.

    Args:
        app: The `streaq.Worker`.
        url: The server.
        queues: None, or the worker's own queue.

    Raises:
        UsageError: `queues` names another queue.
    """

    caps = CAPS

    def __init__(self, app: Worker[Any], url: str, *, queues: Sequence[str] | None = None) -> None:
        self._worker, self._url = app, url
        for name in queues or ():
            self._check_queue(name)
        self._place = Place(app, self._entered)
        self._witness = Witness(lambda context: str(context.task_id))
        self._store = Store(app, url)
        self._lives: dict[asyncio.AbstractEventLoop, Life] = {}
        self._since: dt.datetime | None = dt.datetime.now(app.tz)

    # Enqueuing

    async def enqueue(self, call: Call) -> Job:
        """Put one job on the queue.

        Options are those of `Task.start`, `after`, `delay`, `priority` and `schedule`, and the task's `id`.
        A job whose id is taken is not enqueued again, and the one that is there is returned.

        Raises:
            UsageError: There is no such task, option or queue.
            StreaqError: streaQ's own, about the arguments.
        """
        return (await self.enqueue_many((call,)))[0]

    async def enqueue_many(self, calls: Sequence[Call]) -> list[Job]:
        """Put several jobs there, one by one; none if one is of no such task."""
        tasks = [self._task(call) for call in calls]
        await self._enter()
        with inside():
            for call, task in zip(calls, tasks, strict=True):
                await self._send(call, task)
        return [self._made(task) for task in tasks]

    async def _send(self, call: Call, task: Task[Any, Any]) -> None:
        dumps = self._worker.serializer
        try:
            await task
        except StreaqError as error:
            if not inspect.iscoroutinefunction(dumps):
                name_refused(call, error, "the worker's serialiser", dumps)
            raise

    def _task(self, call: Call) -> Task[Any, Any]:
        if call.queue is not None:
            self._check_queue(call.queue)
        registered = self._worker.registry.get(call.name)
        if registered is None:
            names = list(self._worker.registry)
            raise UsageError(
                f"the worker has no task {call.name!r}{_did_you_mean(call.name, names)} "
                f"(registered: {', '.join(names)})"
            )
        options = dict(call.options)
        for option in options:
            if option not in _OPTIONS:
                raise UsageError(
                    f"{call.name}: streaQ has no option {option!r}{_did_you_mean(option, _OPTIONS)} "
                    f"(there are {', '.join(_OPTIONS)})"
                )
        priority = options.get("priority")
        if priority is not None and priority not in self._worker.priorities:
            raise UsageError(
                f"{call.name}: the worker has no priority {priority!r}"
                f"{_did_you_mean(priority, self._worker.priorities)} "
                f"(there are {', '.join(self._worker.priorities)})"
            )
        if call.at is not None:
            if options.get("delay") or options.get("schedule"):
                raise UsageError(f"{call.name}: its time is given twice, by the option and by the call")
            options["schedule"] = dt.datetime.fromtimestamp(call.at, dt.timezone.utc)
        task_id = options.pop("id", None)
        task = registered.enqueue(*call.args, **call.kwargs).start(**options)
        if task_id is not None:
            task.id = task_id
        return task

    def _made(self, task: Task[Any, Any]) -> Job:
        later = {job.id: job for job in self._store.later()} if task.delay or task.schedule else {}
        return later.get(task.id) or self._store.job(task.id)

    def _check_queue(self, name: str) -> None:
        if name != self._worker.queue_name:
            raise UsageError(
                f"the queue {name!r} is not the worker's, which is {self._worker.queue_name!r}; what streaQ "
                "has within a queue are priorities: producer.set(priority=…)"
            )

    # Looking

    def queues(self) -> list[str]:
        """The worker's queue."""
        return [self._worker.queue_name]

    def pending(self, queue: str | None = None) -> list[Job]:
        """What the worker would take now."""
        if queue is not None:
            self._check_queue(queue)
        return self._store.pending()

    def scheduled(self) -> list[Job]:
        """What is for later and has not run, the next runs of periodic jobs among it."""
        return [job for job in self._store.later() if not job.attempts]

    def retrying(self) -> list[Job]:
        """What has run and is to run again."""
        return [job for job in self._store.later() if job.attempts]

    def running(self) -> list[Job]:
        """What some worker has, or had when it died."""
        return self._store.running()

    def waiting(self) -> list[Job]:
        """What waits for other jobs."""
        return self._store.waiting()

    def failed(self) -> list[Job]:
        """What failed for good, as long as its result is kept (`ttl`, by default for five minutes)."""
        return self._store.failed()

    def next_due(self) -> float | None:
        """When the next job is due, one that is enqueued or one that recurs."""
        times = [job.due_at for job in self._store.later() if job.due_at is not None]
        if self._since is not None:
            tabs = [task.crontab for task in self._worker.registry.values() if task.crontab]
            times += [self._worker.next_run(tab) / 1000 for tab in tabs]
        return min(times, default=None)

    # Running

    async def run_next(self, queue: str | None = None, *, more: bool = False) -> Outcome | None:  # noqa: ARG002
        """Let the worker take one job and run it here."""
        if queue is not None:
            self._check_queue(queue)
        life = await self._enter()
        while (message := await life.read_one()) is not None:
            outcome = await self._run(life, message)
            if outcome is not None:
                return outcome
        return None

    async def _run(self, life: Life, message: StreamMessage) -> Outcome | None:
        task_id = message.task_id
        try:
            finish = await life.run(message)
        except RedisError:
            raise
        except BaseException as error:
            seen = self._witness.take(task_id)
            if seen is None:
                raise
            return escaped(self._store.taken(task_id, life.read(task_id), None), seen, error)
        seen = self._witness.take(task_id)
        if finish is None:
            return None
        job = self._store.taken(task_id, life.read(task_id), finish.tries)
        outcome = judged(job, seen, finish)
        if outcome.exception is not None:
            self._store.errors[task_id] = error_text(outcome.exception)
        return outcome

    async def tick(self) -> int:
        """Let the worker's scheduler look once: what is due becomes ready."""
        life = await self._enter()
        before = self._store.ready()
        await life.schedule()
        return self._store.ready() - before

    async def abandon_next(self, queue: str | None = None) -> Job | None:
        """Let the worker take one job, and go no further."""
        if queue is not None:
            self._check_queue(queue)
        message = await (await self._enter()).read_one()
        return None if message is None else self._store.job(message.task_id)

    async def recover(self) -> int:
        """Nothing: a worker that looks for a job takes what has been idle for `idle_timeout`.

        That is by the server's clock. The fake's clock is the test's.
        """
        return 0

    # Looking after jobs by hand

    async def requeue(self, job: Job) -> None:
        """Make a job ready before its time, or enqueue one that failed again, with its id and arguments.

        Raises:
            UsageError: It neither is for later nor has failed; or it failed and was never seen here before,
                since streaQ keeps no arguments of it.
        """
        hand = Hand((await self._enter()).worker, self._store)
        if await hand.make_ready(job.id):
            return
        if not self._has_failed(job):
            raise not_requeued(job)
        known = self._store.known(job.id)
        if known is None:
            raise UsageError(
                f"{job} cannot be requeued: streaQ keeps the result of a job that failed, and not its "
                "arguments, and it was not seen here while it had them; enqueue it anew"
            )
        call = Call(known.name, known.args, known.kwargs, options={"id": job.id})
        task = self._task(call)
        if not await hand.forget(job.id):
            raise not_requeued(job)
        with inside():
            await self._send(call, task)

    async def discard(self, job: Job) -> None:
        """Delete a job; those that wait for it fail and its fallback runs, as when streaQ aborts one.

        Raises:
            UsageError: A worker has it, or it is not there.
        """
        hand = Hand((await self._enter()).worker, self._store)
        with inside():
            remove = hand.forget if self._has_failed(job) else hand.remove
            if not await remove(job.id):
                raise not_discarded(job)

    def _has_failed(self, job: Job) -> bool:
        return job.id in [failed.id for failed in self._store.failed()]

    # Leaving

    async def _enter(self) -> Life:
        loop = asyncio_loop()
        life = self._lives.get(loop)
        if life is not None and life.is_over:
            del self._lives[loop]
            await life.close()  # which says why it is
            life = None
        if life is None:
            life = self._lives[loop] = Life(self._worker, self._url, self._witness, self._since)
            self._since = None
        await life.open(self._place)
        return life

    async def _entered(self) -> Worker[Any]:
        return (await self._enter()).worker

    async def release(self) -> None:
        """Let the worker stop, in the running loop."""
        life = self._lives.pop(asyncio.get_running_loop(), None)
        if life is not None:
            await life.close()

    def restore(self) -> None:
        """Leave the worker as it was."""
        for loop, life in self._lives.items():
            if not loop.is_closed():  # it was not released; there is no waiting for it here
                loop.call_soon_threadsafe(life.end)
        self._store.close()
        self._place.restore()


def _did_you_mean(word: str, known: Iterable[str]) -> str:
    close = get_close_matches(word, list(known), 1)
    return f"; did you mean {close[0]!r}?" if close else ""
