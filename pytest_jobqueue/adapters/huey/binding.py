"""The adapter itself: what a binding promises, in calls of Huey's own client, scheduler and worker.

Huey has one queue, no acknowledgements and no store of dead tasks; a task for later goes through the queue
first, and whoever takes it puts it into the schedule. What is ready and what is not is told by its time.
"""

from __future__ import annotations

import inspect
import threading
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from huey import signals as S  # noqa: N812 (as Huey does)
from huey.consumer import Worker

from pytest_jobqueue.adapters.gone import not_discarded, not_requeued
from pytest_jobqueue.adapters.huey import CAPS
from pytest_jobqueue.adapters.huey.hand import stored
from pytest_jobqueue.adapters.huey.messages import followers, job_for, stand_in, task_for
from pytest_jobqueue.adapters.huey.place import Place
from pytest_jobqueue.adapters.huey.run import Run
from pytest_jobqueue.errors import UsageError
from pytest_jobqueue.job import Outcome

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any

    from huey.api import Huey, Task

    from pytest_jobqueue.adapters.huey.hand import Stored
    from pytest_jobqueue.job import Call, Job

_MINUTE = 60


class HueyBinding:
    """A Huey on one server.

    Periodic tasks are looked at once a minute, as Huey's scheduler does; the minute in which the binding was
    made counts as looked at, so that a drain runs them only after the clock was moved.

    Args:
        huey: The application; its eager mode is off as long as the binding lives.
        url: The server.

    Raises:
        UsageError: It keeps its tasks elsewhere than in Redis.
    """

    def __init__(self, huey: Huey, url: str) -> None:
        self._huey = huey
        self._place = Place(huey, url)
        self.caps = replace(CAPS, results=bool(huey.results), priorities=bool(huey.storage.priority))
        self._runs: list[Run] = []  # a task may run others in its own run
        self._attempts: dict[str, int] = {}
        self._errors: dict[str, str | None] = {}
        self._worker: Worker | None = None
        self._minute = _minute()
        huey.signal()(self._hear)

    def _hear(self, signal: str, task: Task, *_: Any) -> None:
        if signal == S.SIGNAL_EXECUTING:
            self._attempts[task.id] = self._attempts.get(task.id, 0) + 1
        for run in self._runs:
            if run.task is task:
                run.signals.append(signal)

    # Enqueuing

    def enqueue(self, call: Call) -> Job:
        """Put one task on the queue.

        Options are those of `task.schedule(…)`: `id`, `priority`, `retries`, `retry_delay`, `expires`, in
        Huey 3 `retry_backoff` and `timeout`.

        Raises:
            UsageError: There is no such task, queue or option.
            NotImplementedError: Huey's own, about a priority where the storage has none.
        """
        return self.enqueue_many((call,))[0]

    def enqueue_many(self, calls: Sequence[Call]) -> list[Job]:
        """Put several tasks on the queue, one by one, as Huey does; none if one of them cannot be."""
        tasks = [task_for(self._huey, call) for call in calls]
        for task in tasks:
            self._huey.enqueue(task)
        return [self._job(task) for task in tasks]

    # Looking

    def queues(self) -> list[str]:
        """The one queue, which has the Huey's name."""
        return [self._huey.name]

    def pending(self, queue: str | None = None) -> list[Job]:
        """What is on the queue and not for later, in its order; what Huey cannot read is among it."""
        if queue not in (None, self._huey.name):
            return []
        return [job for job in self._queued() if job.due_at is None]

    def scheduled(self) -> list[Job]:
        """What is for later and has not run, soonest first, on the queue or in the schedule."""
        return [job for job in self._later() if not job.attempts]

    def retrying(self) -> list[Job]:
        """What failed and is to run again later, soonest first; a retry without delay is pending."""
        return [job for job in self._later() if job.attempts]

    def running(self) -> list[Job]:
        """What this binding runs at the moment; Huey itself keeps no list."""
        return [self._job(run.task) for run in self._runs]

    def waiting(self) -> list[Job]:
        """The rest of each pipeline, and the callbacks of chords: Huey keeps them in the task before."""
        there = [job.raw for job in (*self._queued(), *self._scheduled()) if not isinstance(job.raw, bytes)]
        found = {after.id: after for task in there for after in followers(task)}
        return [self._job(task) for task in found.values()]

    def failed(self) -> list[Job]:
        """None: Huey keeps an error as a result, and no failed task."""
        return []

    def next_due(self) -> float | None:
        """When the soonest task is due that is for later; a periodic task is none before its minute."""
        return min((job.due_at or 0.0 for job in self._later()), default=None)

    def _queued(self) -> list[Job]:
        return [self._read(data) for data in self._huey.storage.enqueued_items()]

    def _scheduled(self) -> list[Job]:
        return [self._read(data) for data in self._huey.storage.scheduled_items()]

    def _later(self) -> list[Job]:
        # What is in the schedule and due becomes ready by the next `tick`; until then it is for later.
        on_queue = [job for job in self._queued() if job.due_at is not None]
        return sorted([*on_queue, *self._scheduled()], key=lambda job: job.due_at or 0.0)

    def _read(self, data: bytes) -> Job:
        try:
            return self._job(self._huey.deserialize_task(data))
        except Exception:  # noqa: BLE001 (not registered, or no task at all)
            return stand_in(self._huey, data)

    def _job(self, task: Task) -> Job:
        return job_for(self._huey, task, self._attempts.get(task.id, 0), self._errors.get(task.id))

    # Running

    def run_next(self, queue: str | None = None, *, more: bool = False) -> Outcome | None:  # noqa: ARG002
        """Take one task and run it here; a task for later goes into the schedule, and on to the next.

        Start-up hooks run before the first one. What Huey cannot make a task of is an outcome, `dropped`,
        with Huey's own exception: its consumer writes a line to the log, and the task is gone.
        """
        while (data := self._take(queue)) is not None:
            try:
                task = self._huey.deserialize_task(data)
            except Exception as error:  # noqa: BLE001 (as Huey's worker does)
                return Outcome(
                    stand_in(self._huey, data), "dropped", exception=error, reason="Huey cannot read it"
                )
            outcome = self._run(task)
            if outcome is not None:
                return outcome
        return None

    def _take(self, queue: str | None) -> bytes | None:
        if queue not in (None, self._huey.name):
            return None
        storage = self._huey.storage
        was, storage.blocking = storage.blocking, False
        try:
            data: bytes | None = storage.dequeue()
        finally:
            storage.blocking = was
        return data

    def _run(self, task: Task) -> Outcome | None:
        job = self._job(task)
        if job.due_at is None:
            self._start_up()
        run = Run(task)
        self._runs.append(run)
        try:
            run.go(self._huey)
        finally:
            self._runs.remove(run)
        if run.put_back:
            return None
        self._errors[task.id] = run.error_text
        return run.outcome(job)

    def _start_up(self) -> None:
        if self._worker is None:
            options: dict[str, Any] = {"default_delay": 0.1, "max_delay": 10.0, "backoff": 1.15}
            if "stop_flag" in inspect.signature(Worker).parameters:  # Huey 3
                options["stop_flag"] = threading.Event()
            self._worker = Worker(self._huey, **options)
            self._worker.initialize()

    def tick(self) -> int:
        """What Huey's scheduler does: due tasks go to the queue, and this minute's periodic ones."""
        huey = self._huey
        ready = list(huey.read_schedule())
        if (minute := _minute()) != self._minute:
            self._minute = minute
            ready += huey.read_periodic(None)
        for task in ready:
            huey.enqueue(task)
        return len(ready)

    def abandon_next(self, queue: str | None = None) -> Job | None:
        """Take one task and forget it: Huey has no acknowledgements, so it is lost."""
        while (data := self._take(queue)) is not None:
            job = self._read(data)
            if job.due_at is None:
                return job
            self._run(job.raw)
        return None

    def recover(self) -> int:
        """Nothing: what a worker took with it is lost."""
        return 0

    # Looking after jobs by hand

    def requeue(self, job: Job) -> None:
        """Put a task that is for later onto the queue, without its time.

        Raises:
            UsageError: It is neither in the schedule, nor on the queue for later; or it cannot be read.
        """
        for item in self._stored(job):
            found = self._read(item.data)
            if isinstance(found.raw, bytes):
                raise UsageError(f"{job} cannot be requeued, only discarded: Huey cannot make a task of it")
            if (item.scheduled or found.due_at is not None) and item.remove():
                found.raw.eta = None
                self._huey.enqueue(found.raw)
                return
        raise not_requeued(job)

    def discard(self, job: Job) -> None:
        """Remove a task from the queue or the schedule, and with it those that wait for it.

        Raises:
            UsageError: It is in neither, or waits for another task and is a part of that.
        """
        if any(item.remove() for item in self._stored(job)):
            return
        if any(follower.id == job.id for follower in self.waiting()):
            raise UsageError(
                f"{job} cannot be discarded: Huey keeps it inside of the task that it waits for; discard "
                f"that one, or have this one dropped when its turn comes with huey.revoke_by_id({job.id!r})"
            )
        raise not_discarded(job)

    def _stored(self, job: Job) -> Iterator[Stored]:
        for item in stored(self._huey.storage):
            if item.data == job.raw or (job.id and self._read(item.data).id == job.id):
                yield item

    def close(self) -> None:
        """Run shut-down hooks if start-up hooks ran, and leave the application as it was."""
        try:
            if self._worker is not None:
                self._worker.shutdown()
        finally:
            self._worker = None
            self._huey.disconnect_signal(self._hear)
            self._place.restore()


def _minute() -> int:
    return int(time.time() // _MINUTE)
