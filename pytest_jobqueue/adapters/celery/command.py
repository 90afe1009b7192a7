"""Celery's own worker command on the application: `celery worker`, with one process unless told otherwise.

The application is led to the Redis before Celery forks its pool. What is told comes from Celery's signals, in
the worker's own process (a message was received, revoked, refused) and in the pool's (a task runs, has run).
"""

from __future__ import annotations

import functools
import time
import uuid
from typing import TYPE_CHECKING, Any

from billiard.exceptions import Terminated, TimeLimitExceeded, WorkerLostError
from celery import signals

from pytest_jobqueue.adapters.celery.client import unknown_task
from pytest_jobqueue.adapters.celery.place import Place
from pytest_jobqueue.adapters.celery.store import due_time
from pytest_jobqueue.adapters.celery.worker import Report, verdict
from pytest_jobqueue.errors import PoisonJobError, UnknownJobError
from pytest_jobqueue.job import Job, Outcome

if TYPE_CHECKING:
    from collections.abc import Callable

    from celery import Celery

    from pytest_jobqueue.adapters import Work

_LOST = (Terminated, TimeLimitExceeded, WorkerLostError)  # what ends a task without its process saying so


def command(app: Any, work: Work) -> Callable[[], object]:
    """Ready the process; what is returned runs `celery worker`.

    Raises:
        UsageError: The application is configured for another kind of broker.
    """
    Place(app, work.url)
    told = _Told(app, work)
    told.connect()
    queues = ["--queues", ",".join(work.settings.queues)] if work.settings.queues else []
    words = ["worker", "--loglevel", "INFO", "--concurrency", "1", "--without-gossip", "--without-mingle"]
    return functools.partial(_run, app, told, [*words, *queues, *work.options])


def _run(app: Celery, _told: _Told, words: list[str]) -> None:
    app.worker_main(words)  # signals keep no reference to who hears them


class _Told:
    def __init__(self, app: Celery, work: Work) -> None:
        self._app = app
        self._tell = work.telling
        self._runs: dict[str, tuple[Report, Job, float]] = {}
        self._jobs: dict[str, Job] = {}

    def connect(self) -> None:
        """Hear the signals."""
        for signal, hear in (
            (signals.task_received, self._received),
            (signals.task_prerun, self._begins),
            (signals.task_postrun, self._ran),
            (signals.task_internal_error, self._broke),
            (signals.task_retry, self._retried),
            (signals.task_failure, self._failed),
            (signals.task_revoked, self._revoked),
            (signals.task_rejected, self._rejected),
            (signals.task_unknown, self._unknown),
        ):
            signal.connect(hear, weak=False)

    # In the worker's own process

    def _received(self, request: Any, **_: Any) -> None:
        job = _job_of(self._app, request)
        self._jobs[job.id] = job
        if job.due_at is None:  # else it is held, unacknowledged, until it is due
            self._tell.began(job.id, job, runs=False)

    def _revoked(self, request: Any, expired: bool, **_: Any) -> None:
        job = self._jobs.pop(request.id, None) or Job(request.id, str(request.name))
        self._tell.began(job.id, job, runs=False)
        self._tell.ended(job.id, Outcome(job, "dropped", reason="expired" if expired else "revoked"))

    def _failed(self, task_id: str, exception: BaseException, **_: Any) -> None:
        if isinstance(exception, _LOST):
            job = self._jobs.pop(task_id, None) or Job(task_id, "?")
            self._tell.ended(task_id, Outcome(job, "failed", exception=exception))

    def _rejected(self, exc: BaseException | None, **_: Any) -> None:
        error = PoisonJobError(f"no valid message of Celery: {exc}")
        self._refused(Job("", "(not a task)"), "dropped", error)

    def _unknown(self, name: str, id: str, **_: Any) -> None:  # noqa: A002 (Celery's name for it)
        self._refused(Job(id or "", name), "failed", UnknownJobError(unknown_task(self._app, name)))

    def _refused(self, job: Job, status: Any, error: BaseException) -> None:
        key = str(uuid.uuid4())
        self._tell.began(key, job, runs=False)
        self._tell.ended(key, Outcome(job, status, exception=error))

    # In a process of the pool

    def _begins(self, task_id: str, task: Any, args: Any, kwargs: Any, **_: Any) -> None:
        if task.request.is_eager:
            return
        queue = str((task.request.delivery_info or {}).get("routing_key") or "")
        job = Job(task_id, task.name, tuple(args), dict(kwargs), queue, attempts=task.request.retries)
        self._runs[task_id] = Report(task_id), job, time.perf_counter()
        self._tell.began(task_id, job)

    def _ran(self, task_id: str, state: str | None, retval: Any, **_: Any) -> None:
        found = self._runs.pop(task_id, None)
        if found is not None:
            report, job, started = found
            report.state, report.value = state, retval
            seconds = time.perf_counter() - started
            self._tell.ended(task_id, Outcome(job, seconds=seconds, **verdict(report, put_back=False)))

    def _broke(self, task_id: str, exception: BaseException, **_: Any) -> None:
        found = self._runs.pop(task_id, None)
        job = found[1] if found else self._jobs.get(task_id) or Job(task_id, "?")
        self._tell.ended(task_id, Outcome(job, "failed", exception=exception))

    def _retried(self, request: Any, **_: Any) -> None:
        found = self._runs.get(request.id)
        if found is not None:
            found[0].retried = True


def _job_of(app: Celery, request: Any) -> Job:
    due = due_time(app, request.request_dict)
    later = due is not None and due > time.time()
    queue = str((request.delivery_info or {}).get("routing_key") or "")
    try:
        args, kwargs = tuple(request.args), dict(request.kwargs)
    except Exception:  # noqa: BLE001 (the worker says what is wrong with it when it is its turn)
        args, kwargs = (), {}
    return Job(str(request.id), str(request.name), args, kwargs, queue, due_at=due if later else None)
