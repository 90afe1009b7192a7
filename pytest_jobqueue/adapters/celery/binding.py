"""The adapter itself: what a binding promises, each promise kept by the part that it belongs to.

A message for later stays on its queue until its time has come (a running worker would take it at once and
hold it, unacknowledged). Nothing here waits, and no thread is started.
"""

from __future__ import annotations

import contextlib
from dataclasses import replace
from typing import TYPE_CHECKING

from celery.backends.base import DisabledBackend
from celery.beat import Scheduler
from celery.utils.nodenames import default_nodename

from pytest_jobqueue.adapters.celery import CAPS, hand
from pytest_jobqueue.adapters.celery.client import Client
from pytest_jobqueue.adapters.celery.fetch import Fetch
from pytest_jobqueue.adapters.celery.innards import current
from pytest_jobqueue.adapters.celery.place import Place
from pytest_jobqueue.adapters.celery.remote import Remote
from pytest_jobqueue.adapters.celery.store import Store, job_of
from pytest_jobqueue.adapters.celery.worker import Runner
from pytest_jobqueue.adapters.gone import not_discarded, not_requeued
from pytest_jobqueue.job import error_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from celery import Celery

    from pytest_jobqueue.adapters.celery.store import Found
    from pytest_jobqueue.job import Call, Job, Outcome

# Fail soon where Celery's worker would wait for ever.
_CONNECTING = {"max_retries": 2, "interval_start": 0, "interval_step": 0.1}


class CeleryBinding:
    """A Celery application on one server.

    While it lives, the application puts every task on a queue (`task_always_eager` is off) and is the current
    one of this thread.

    Args:
        app: The application.
        url: The server.
        queues: What to listen to, in this order; None for the application's own queues and those that
            somebody has published to.

    Raises:
        UsageError: The application is configured for another kind of broker.
    """

    def __init__(self, app: Celery, url: str, *, queues: Sequence[str] | None = None) -> None:
        self.app = app
        self._errors: dict[str, str] = {}
        self._place = Place(app, url)
        try:
            hostname = default_nodename(None)
            self._connection = app.connection_for_read(transport_options=_CONNECTING)
            self._channel = self._connection.default_channel
            self._channel.do_restore = False  # what is abandoned stays so
            self._store = Store(app, self._channel, queues)
            self._fetch = Fetch(self._store)
            self._client = Client(app)
            self._remote = Remote(app, self._connection, hostname)
            self._runner = Runner(app, hostname)
            self._scheduler = Scheduler(app) if app.conf.beat_schedule else None
        except BaseException:
            self._place.restore()
            raise
        self.caps = replace(
            CAPS,
            acks=bool(app.conf.task_acks_late),
            results=not isinstance(app.backend, DisabledBackend),
        )

    # Enqueuing

    def enqueue(self, call: Call) -> Job:
        """Put one task on its queue, as `apply_async` does, whose options these are.

        Raises:
            TypeError: The task does not take these arguments, or the serialiser refuses one.
            UsageError: There is no such task or option.
        """
        return self.enqueue_many((call,))[0]

    def enqueue_many(self, calls: Sequence[Call]) -> list[Job]:
        """Put several tasks on their queues, one by one, as Celery does; none if one of them cannot be.

        Raises:
            TypeError: As in `enqueue`.
            UsageError: As in `enqueue`.
        """
        with current(self.app):
            return self._client.push(calls)

    # Looking

    def queues(self) -> list[str]:
        """The queues that a worker looks at, in the order of its next look."""
        return self._store.queues()

    def pending(self, queue: str | None = None) -> list[Job]:
        """What is on the queues and not for later, in the order in which it will run."""
        return [self._job(found) for found in self._store.ready(self._among(queue))]

    def scheduled(self) -> list[Job]:
        """What is for later and has not run, soonest first."""
        return [job for job in self._later() if not job.attempts]

    def retrying(self) -> list[Job]:
        """What is for later and has run, soonest first."""
        return [job for job in self._later() if job.attempts]

    def running(self) -> list[Job]:
        """What workers have taken and not acknowledged."""
        return [job_of(found) for found in self._store.unacknowledged()]

    def waiting(self) -> list[Job]:
        """Nothing that could be seen: the next of a chain travels in the message before it."""
        return []

    def failed(self) -> list[Job]:
        """Nothing: Celery keeps a failure as a result, without the call."""
        return []

    def next_due(self) -> float | None:
        """When the next message for later is due, in seconds since the epoch."""
        return next((found.due for found in self._store.later(self.queues())), None)

    def _later(self) -> list[Job]:
        return [self._job(found) for found in self._store.later(self.queues())]

    def _job(self, found: Found) -> Job:
        """With the error that this binding saw last; Celery keeps it nowhere near the message."""
        job = job_of(found)
        return replace(job, error=self._errors.get(job.id)) if job.attempts else job

    def _among(self, queue: str | None) -> Sequence[str]:
        return self.queues() if queue is None else [queue]

    # Running

    def run_next(self, queue: str | None = None, *, more: bool = False) -> Outcome | None:  # noqa: ARG002
        """Take one message that is ready and run it here; None when there is none."""
        found = self._take(queue)
        if found is None:
            return None
        outcome = self._runner.run(found)
        if outcome.exception is not None:
            self._errors[outcome.job.id] = error_text(outcome.exception)
        return outcome

    def _take(self, queue: str | None) -> Found | None:
        known = self._store.known() if queue is None else [queue]
        found = self._fetch.take(known)
        if found is None and queue is None:
            others = self.queues()  # somebody may have published to a queue that was not there
            found = self._fetch.take(others) if set(others) - set(known) else None
        if found is None:
            return None
        try:
            self._remote.listen()
        except BaseException:
            self._fetch.put_back(found)
            raise
        self._store.turn(found.queue)
        return found

    def tick(self) -> int:
        """Nothing: that a message is due is read from the message. For periodic tasks see `beat`."""
        return 0

    def beat(self) -> int:
        """Let Celery's beat look at `beat_schedule` once: due tasks are put on their queues.

        Beat is a process of its own, so that no drain does this. The time that passed is counted from when
        the binding was made.

        Returns:
            How many tasks were sent.
        """
        if self._scheduler is None:
            return 0
        sent = 0
        with current(self.app):
            while self._scheduler.tick() == 0:
                sent += 1
        return sent

    def abandon_next(self, queue: str | None = None) -> Job | None:
        """Take one message and die while its task runs.

        It stays unacknowledged with `acks_late`. Without, a worker acknowledges before it runs the task, and
        the job is lost.
        """
        found = self._take(queue)
        if found is None:
            return None
        job, message = job_of(found), found.message
        if message is not None:
            self._channel.qos.append(message, message.delivery_tag)
            task = self.app.tasks.get(job.name)
            if task is not None and not task.acks_late:
                message.ack()
        return job

    def recover(self) -> int:
        """What a worker does now and then: what was unacknowledged for `visibility_timeout` is given back.

        Returns:
            How many.
        """
        count = self._store.abandoned()
        if count:
            self._channel.qos.restore_visible(num=count, interval=1)
        return count - self._store.abandoned()

    # Looking after jobs by hand

    def requeue(self, job: Job) -> None:
        """Take a message's `eta` away, and put it where one is that was just sent.

        Raises:
            UsageError: It is on no queue and for later; or a worker process took it and waits for its time;
                or it is of `task_protocol` 1, whose time is in the body.
        """
        if not hand.requeue(self._store, job):
            raise not_requeued(job)

    def discard(self, job: Job) -> None:
        """Remove a message from its queue; no result is stored.

        Raises:
            UsageError: It is on no queue; what a worker has can be revoked.
        """
        if not hand.discard(self._store, job):
            raise not_discarded(job)

    def close(self) -> None:
        """Close all connections, and leave the application and the process as they were."""
        try:
            self._remote.close()
            self._runner.close()
            if self._scheduler is not None:
                self._scheduler.close()
            with contextlib.suppress(*self._connection.connection_errors):
                self._connection.release()
        finally:
            self._place.restore()
