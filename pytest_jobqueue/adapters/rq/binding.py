"""The adapter itself: what a binding promises, each promise kept by the part that it belongs to.

A job of the service's and one of the producer's are the same here: both are put on a queue by RQ's own code,
and looked for in Redis.
"""

from __future__ import annotations

from dataclasses import replace
from importlib.util import find_spec
from inspect import signature
from typing import TYPE_CHECKING, Any

import redis
from redis.backoff import NoBackoff
from redis.connection import AbstractConnection
from redis.retry import Retry as Attempts
from rq.job import JobStatus, Retry

from pytest_jobqueue.adapters.gone import not_discarded, not_requeued
from pytest_jobqueue.adapters.rq import CAPS, hand
from pytest_jobqueue.adapters.rq.client import Client
from pytest_jobqueue.adapters.rq.place import Place, django_handlers
from pytest_jobqueue.adapters.rq.runner import Lost, Runner
from pytest_jobqueue.adapters.rq.store import Store, raw_retries
from pytest_jobqueue.adapters.rq.upkeep import Upkeep
from pytest_jobqueue.errors import JobQueueError
from pytest_jobqueue.job import Job, Outcome, error_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_jobqueue.adapters.rq.runner import Run
    from pytest_jobqueue.job import Call

# Without an introduction a connection neither reads metadata from disk nor says twice who it is.
_UNNAMED: dict[str, Any] = (
    {"driver_info": None}
    if "driver_info" in signature(AbstractConnection.__init__).parameters
    else {"lib_name": None, "lib_version": None}
)


class RetriesExhaustedError(JobQueueError):
    """A job returned `Retry` once more than that allows; RQ takes it as failed, and has no exception."""


class RQBinding:
    """RQ queues on one server.

    Args:
        app: As for `bind`.
        url: The server.
        queues: What to listen to, in this order. None is: the application's queues, then those that the
            producer named.
        default_queue: Where a job goes that names no queue, if the application has it; else its first one.

    Raises:
        UsageError: As for `bind`.
    """

    def __init__(
        self, app: Any, url: str, *, queues: Sequence[str] | None = None, default_queue: str = "default"
    ) -> None:
        self._place = Place(app, url)
        self.like = like = self._place.queues[0]
        self._only = None if queues is None else tuple(queues)
        self._redis = redis.Redis.from_url(url, retry=Attempts(NoBackoff(), 0), **_UNNAMED)
        self._client = Client(self._place, default_queue)
        self._store = Store(self._redis, like)
        self._runner = Runner(self._redis, like, django_handlers() if self._place.django else ())
        self._upkeep = Upkeep(self._store, self._runner, like.serializer)
        self.caps = replace(CAPS, periodic=find_spec("rq.repeat") is not None)

    # Enqueuing

    def enqueue(self, call: Call) -> Job:
        """Put one job on its queue, or among the scheduled ones when `call.at` is given.

        Options are those of `Queue.enqueue`: `retry`, `job_timeout`, `depends_on` (an id, a job of RQ's or of
        ours, or several), `at_front`, `job_id`, `on_success` and others.

        Raises:
            TypeError: An argument does not survive the queue's serializer.
            UsageError: RQ has no such option, or nothing can be imported under the job's name.
        """
        raw = self._client.enqueue(call)
        return self._store.job(raw, None if call.at is None else float(int(call.at)))

    def enqueue_many(self, calls: Sequence[Call]) -> list[Job]:
        """Put several jobs there; in one round trip, and none unless all can be, when they are for one queue.

        Raises:
            TypeError: As in `enqueue`.
            UsageError: As in `enqueue`; `unique` and `rate_limit` are for one job at a time.
        """
        if not calls:
            return []
        if len({call.queue for call in calls}) > 1 or any(call.at is not None for call in calls):
            return [self.enqueue(call) for call in calls]
        return [self._store.job(raw) for raw in self._client.enqueue_many(calls)]

    # Looking

    def queues(self) -> tuple[str, ...]:
        """The queues that the worker listens to, in its order."""
        return tuple(self._client.queues) if self._only is None else self._only

    def pending(self, queue: str | None = None) -> list[Job]:
        """The jobs on the queues, in the order in which they are taken."""
        return self._store.pending(self._names(queue))

    def scheduled(self) -> list[Job]:
        """Jobs that the scheduler is to enqueue and that did not fail before: repeated ones, too."""
        return [job for job in self._store.delayed(self.queues()) if not self._store.is_retry(job)]

    def retrying(self) -> list[Job]:
        """Jobs that failed and that the scheduler is to enqueue again."""
        return [job for job in self._store.delayed(self.queues()) if self._store.is_retry(job)]

    def running(self) -> list[Job]:
        """Jobs that a worker has started, and those that it took off a queue and did not start."""
        return self._store.running(self.queues())

    def waiting(self) -> list[Job]:
        """Jobs that depend on others, also on ones that failed; and those that a rate limit holds back."""
        return self._store.waiting(self.queues())

    def failed(self) -> list[Job]:
        """The registries of failed jobs."""
        return self._store.failed(self.queues())

    def next_due(self) -> float | None:
        """When the scheduler is to enqueue the next job; RQ keeps whole seconds."""
        return self._store.next_due(self.queues())

    def job(self, raw: Any) -> Job:
        """RQ's job as ours."""
        return self._store.job(raw)

    # Running

    def run_next(self, queue: str | None = None, *, more: bool = False) -> Outcome | None:  # noqa: ARG002
        """Take one job and run it here; None when nothing is ready.

        A job whose data has expired is `dropped`; RQ's worker passes over it in silence.

        Raises:
            redis.exceptions.RedisError: Redis failed while the job was taken or its end recorded.
        """
        names = self._names(queue)
        try:
            taken = self._runner.take(names)
        except Lost as lost:
            return _lost(lost)
        if taken is None:
            return None
        raw, on = taken
        job = self._store.job(raw)
        run = self._runner.run(names, raw, on)
        outcome = outcome_of(job, run)
        self._store.ran(job.id, None if outcome.exception is None else error_text(outcome.exception))
        return outcome

    def tick(self) -> int:
        """One step of RQ's scheduler: jobs that are due become ready."""
        return self._upkeep.tick(self.queues())

    def abandon_next(self, queue: str | None = None) -> Job | None:
        """Take one job, start it, and forget it: its lease ends a minute after its time limit."""
        names = self._names(queue)
        while True:
            try:
                taken = self._runner.take(names)
            except Lost:
                continue  # nothing that anybody could start
            if taken is None:
                return None
            job = self._store.job(taken[0])
            self._runner.start(names, taken[0])
            return job

    def recover(self) -> int:
        """The maintenance that RQ's worker does every ten minutes; returns how many jobs it made ready."""
        return self._upkeep.recover(self.queues())

    # Looking after jobs by hand

    def requeue(self, job: Job) -> None:
        """As RQ's scheduler does with a job that is due, or `FailedJobRegistry.requeue`.

        Raises:
            UsageError: It is not in the registries of these, or its data has expired.
        """
        if not hand.requeue(self._client.queue(job.queue), job.id):
            raise not_requeued(job)

    def discard(self, job: Job) -> None:
        """`Job.delete`: jobs that wait for it wait for ever, as in RQ.

        Raises:
            UsageError: It is on no queue and in no registry of jobs that wait or failed.
        """
        if not hand.discard(self._client.queue(job.queue), job.raw):
            raise not_discarded(job)

    def close(self) -> None:
        """Close the worker's connections, and lead the application's where they led before."""
        try:
            self._redis.close()
            self._redis.connection_pool.disconnect()
        finally:
            self._place.restore()

    def _names(self, queue: str | None) -> tuple[str, ...]:
        return self.queues() if queue is None else (queue,)


def outcome_of(job: Job, run: Run) -> Outcome:
    """What became of a job, from RQ's own and what was seen of its run."""
    raw = job.raw
    error = run.raised or run.handled
    status = raw.get_status(refresh=False)
    over = status in (JobStatus.FAILED, JobStatus.STOPPED)
    if error is None and isinstance(run.result, Retry) and status != JobStatus.FINISHED:
        if not over:
            return Outcome(job, "retrying", reason=f"it returned {_text(run.result)}", seconds=run.seconds)
        error = RetriesExhaustedError(
            f"{job.name} returned {_text(run.result)}, and was retried for that {raw_retries(raw)} times"
        )
    if error is None:
        return Outcome(job, "ok", run.result, seconds=run.seconds)
    reason = None if run.raised is not None else "this was raised after the job's function had returned"
    if not over:
        left = raw.retries_left
        reason = f"{left} {'retry' if left == 1 else 'retries'} left"
    return Outcome(job, "failed" if over else "retrying", exception=error, reason=reason, seconds=run.seconds)


def _text(retry: Any) -> str:
    return f"Retry(max={retry.max}, interval={retry.intervals})"


def _lost(lost: Lost) -> Outcome:
    job = Job(lost.job_id, "?", queue=lost.queue)
    if type(lost.cause).__name__ == "NoSuchJobError":
        return Outcome(job, "dropped", reason="expired: its id was on the queue, and its data was gone")
    reason = "RQ cannot read it, and its worker would stop at that"
    return Outcome(job, "dropped", exception=lost.cause, reason=reason)
