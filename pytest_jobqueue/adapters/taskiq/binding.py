"""The adapter itself: what a binding promises, in calls of Taskiq's own client, receiver and scheduler.

Taskiq has no delayed jobs in a broker: what is for later waits in a schedule source until the scheduler sends
it. So a delay needs a source that takes schedules, in the scheduler or in a retry middleware.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
from dataclasses import is_dataclass, replace
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

import redis
from taskiq import ScheduledTask, TaskiqMessage
from taskiq.brokers.inmemory_broker import InmemoryResultBackend
from taskiq.result_backends.dummy import DummyResultBackend

from pytest_jobqueue.adapters.arguments import name_refused
from pytest_jobqueue.adapters.gone import not_discarded, not_requeued
from pytest_jobqueue.adapters.taskiq import CAPS
from pytest_jobqueue.adapters.taskiq.lanes import lane_for
from pytest_jobqueue.adapters.taskiq.messages import Messages
from pytest_jobqueue.adapters.taskiq.place import Place
from pytest_jobqueue.adapters.taskiq.run import Runner
from pytest_jobqueue.adapters.taskiq.schedule import Schedule, takes_schedules
from pytest_jobqueue.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from taskiq import AsyncTaskiqDecoratedTask, ScheduleSource

    from pytest_jobqueue.adapters import Caps
    from pytest_jobqueue.adapters.taskiq.lanes import Taken
    from pytest_jobqueue.job import Call, Job, Outcome


class TaskiqBinding:
    """A broker on one server.

    Args:
        app: The broker, or a scheduler with its broker.
        url: The server.
        queues: The queues to listen to, in this order; None for those of the broker.

    Attributes:
        caps: What can be done depends on broker, middlewares, sources and result backend.

    Raises:
        UsageError: The broker cannot be led to the server.
    """

    def __init__(self, app: Any, url: str, *, queues: Sequence[str] | None = None) -> None:
        self._place = Place(app, url)
        self._broker = self._place.broker
        self._client = redis.Redis.from_url(url)
        try:
            self._messages = Messages(self._broker)
            self._lane = lane_for(self._broker, self._client)
            self._queues = list(queues or self._lane.queues)
            self._lane.queues = self._queues
            self._lane.prepare(self._queues)
            self._schedule = Schedule(self._place, self._client)
            self.caps = self._caps()
            self._runner = Runner(self._place, self._messages)
        except BaseException:
            self.restore()
            raise
        self._listening: list[list[Any]] = []
        self._place.sent = self._note
        self._started: set[asyncio.AbstractEventLoop] = set()

    def _caps(self) -> Caps:
        nowhere = isinstance(self._broker.result_backend, (DummyResultBackend, InmemoryResultBackend))
        return replace(
            CAPS,
            acks=self._lane.acks,
            delays=self._schedule.keeper is not None,
            retries=any("Retry" in type(middleware).__name__ for middleware in self._broker.middlewares),
            results=not nowhere,
            periodic=bool(self._schedule.sources),
        )

    def _note(self, message: Any) -> None:
        for sent in self._listening:
            sent.append(message)
        self._runner.sent(message.task_id)

    @contextlib.contextmanager
    def _listen(self) -> Iterator[list[Any]]:
        """Whatever is sent meanwhile."""
        sent: list[Any] = []
        self._listening.append(sent)
        try:
            yield sent
        finally:
            self._listening.remove(sent)

    # Enqueuing

    moves_due = False  # that is another process's, `taskiq scheduler`; here `tick` does it

    async def enqueue(self, call: Call) -> Job:
        """Put one job on its queue, or into the first schedule source that takes it.

        Options are labels; `task_id` and `schedule_id` are those of the kicker.

        Raises:
            UsageError: There is no such task; or it is for later, and nothing takes schedules.
            TypeError: An argument does not survive the broker's serialiser.
        """
        return (await self.enqueue_many((call,)))[0]

    async def enqueue_many(self, calls: Sequence[Call]) -> list[Job]:
        """Put several jobs there, one by one, as Taskiq does; none if one is of no such task."""
        kickers = [self._kicker(call) for call in calls]
        return [await self._kick(kicker, call) for kicker, call in zip(kickers, calls, strict=True)]

    def _kicker(self, call: Call) -> Any:
        options = dict(call.options)
        kicker: Any = self._task(call.name).kicker().with_broker(self._broker)
        kicker.labels = dict(kicker.labels)  # up to 0.12 they are the task's own, and would stick to it
        if call.at is not None and self._schedule.keeper is None:
            raise UsageError(
                f"{call.name}: Taskiq keeps jobs for later in a schedule source, and here is none that takes "
                "them; give the TaskiqScheduler with a ListRedisScheduleSource as jobqueue_app"
            )
        kicker.with_task_id(options.pop("task_id", None) or self._broker.id_generator())
        if "schedule_id" in options:
            kicker.with_schedule_id(options.pop("schedule_id"))
        if call.queue is not None:
            options["queue_name"] = call.queue
        return kicker.with_labels(**options)

    def _task(self, name: str) -> AsyncTaskiqDecoratedTask[Any, Any]:
        task: AsyncTaskiqDecoratedTask[Any, Any] | None = self._broker.find_task(name)
        if task is None:
            names = list(self._broker.get_all_tasks())
            close = get_close_matches(name, names, 1)
            did_you_mean = f"; did you mean {close[0]!r}?" if close else ""
            raise UsageError(
                f"the broker has no task {name!r}{did_you_mean} (registered: {', '.join(names) or 'none'})"
            )
        return task

    async def _kick(self, kicker: Any, call: Call) -> Job:
        queue = str(kicker.labels.get("queue_name") or self._broker.queue_name)
        self._lane.prepare({queue} - set(self._queues))
        with self._listen() as sent:
            try:
                if call.at is None:
                    await kicker.kiq(*call.args, **call.kwargs)
                else:
                    moment = dt.datetime.fromtimestamp(call.at, dt.timezone.utc)
                    await kicker.schedule_by_time(self._schedule.keeper, moment, *call.args, **call.kwargs)
            except Exception as error:
                name_refused(call, error, "the broker's serialiser", self._dumps)
                raise
        (message,) = [one for one in sent if one.task_id == kicker.custom_task_id]
        if call.at is None:
            return self._messages.job(message.message, queue)
        return self._messages.scheduled(message, call.at)

    def _dumps(self, value: Any) -> None:
        if is_dataclass(value) or hasattr(value, "model_dump"):
            return  # these are taken apart first
        self._broker.formatter.dumps(
            TaskiqMessage(task_id="", task_name="", labels={}, args=[value], kwargs={})
        )

    # Looking

    def queues(self) -> list[str]:
        """The queues that are listened to."""
        return list(self._queues)

    def pending(self, queue: str | None = None) -> list[Job]:
        """What is on the queues."""
        names = self._queues if queue is None else [queue]
        return [self._job(taken) for name in names for taken in self._lane.ready(name)]

    def _job(self, taken: Taken) -> Job:
        return self._messages.job(taken.data, taken.queue, at=taken.at)

    def scheduled(self) -> list[Job]:
        """What waits in a schedule source for its first run."""
        return [job for job in self._waiting() if not job.attempts]

    def retrying(self) -> list[Job]:
        """What waits there and has run."""
        return [job for job in self._waiting() if job.attempts]

    def _waiting(self) -> list[Job]:
        return [self._messages.scheduled(task, due_at) for due_at, task in self._schedule.waiting()]

    def running(self) -> list[Job]:
        """What some worker has, or had when it died; a list does not know."""
        return [self._job(taken) for taken in self._lane.running()]

    def waiting(self) -> list[Job]:
        """None: no job of Taskiq waits for another."""
        return []

    def failed(self) -> list[Job]:
        """None: Taskiq keeps a failed job's result, and not the job."""
        return []

    def next_due(self) -> float | None:
        """When the scheduler will have something to send."""
        return self._schedule.next_due()

    # Running

    async def run_next(self, queue: str | None = None, *, more: bool = False) -> Outcome | None:
        """Take one message and let Taskiq's receiver run it; with `more`, acknowledging it takes the next."""
        await self._start()
        taken = await self._take(queue)
        if taken is None:
            return None
        first = self._queues[0] if queue is None else queue
        self._lane.reads_ahead = lambda on: more and on == first and self._runner.ran_well
        return await self._runner.run(taken)

    async def _take(self, queue: str | None) -> Taken | None:
        for name in self._queues if queue is None else [queue]:
            taken = await self._lane.take(name)
            if taken is not None:
                return taken
        return None

    async def tick(self) -> int:
        """One round of the scheduler."""
        if not self._schedule.sources:
            return 0
        await self._start()
        with self._listen() as sent:
            await self._schedule.step()
        return len(sent)

    async def abandon_next(self, queue: str | None = None) -> Job | None:
        """Take one message, and go no further; off a list it is lost."""
        await self._start()
        taken = await self._take(queue)
        return None if taken is None else self._job(taken)

    async def recover(self) -> int:
        """What a worker does between two fetches: take over what has been pending for too long."""
        await self._start()
        return await self._lane.recover()

    # Looking after jobs by hand

    async def requeue(self, job: Job) -> None:
        """Let the scheduler send now what a schedule source keeps for later.

        Taskiq's scheduler sends and then deletes. One in another process that does so at this very moment
        sends the job too: the sources know no owner.

        Raises:
            UsageError: No source keeps it, or one in code, or the source cancels it (`pre_send`).
        """
        source, task = self._kept(job) or (None, None)
        if source is None or task is None:
            raise not_requeued(job)
        await self._start()
        with self._listen() as sent:
            await self._schedule.send_now(source, task)
        if not sent:
            raise UsageError(f"{job} is not requeued: pre_send of its schedule source has cancelled it")
        self._schedule.was_sent(task)

    async def discard(self, job: Job) -> None:
        """Remove a message from its queue, or a schedule from its source.

        Raises:
            UsageError: It is on no queue and in no source, or in one that is in code.
        """
        await self._start()
        kept = self._kept(job)
        if kept is not None:
            await kept[0].delete_schedule(kept[1].schedule_id)
            return
        for taken in self._lane.ready(job.queue):
            found = self._job(taken)
            is_it = found.id == job.id if job.id else taken.data == job.raw
            if is_it and await self._lane.remove(taken):
                return
        raise not_discarded(job)

    def _kept(self, job: Job) -> tuple[ScheduleSource, ScheduledTask] | None:
        found = self._schedule.find(job.raw.schedule_id) if isinstance(job.raw, ScheduledTask) else None
        if found is not None and not takes_schedules(found[0]):
            raise UsageError(
                f"{job} is scheduled in code, by a label or a {type(found[0]).__name__}, and nothing but a "
                "change of the code takes it away from there"
            )
        return found

    # Living and leaving

    async def _start(self) -> None:
        """Start the broker as a worker does, and the sources as the scheduler does, once in each loop."""
        loop = asyncio.get_running_loop()
        if loop not in self._started:
            self._started.add(loop)
            with self._place.as_worker():
                await self._broker.startup()
            await self._schedule.start()

    async def release(self) -> None:
        """Shut them down, in the running loop."""
        loop = asyncio.get_running_loop()
        if loop in self._started:
            self._started.discard(loop)
            await self._schedule.stop()
            with self._place.as_worker():
                await self._broker.shutdown()

    def restore(self) -> None:
        """Leave the broker as it was."""
        self._client.close()
        self._place.restore()
