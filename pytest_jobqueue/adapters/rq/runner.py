"""One job through RQ's own worker, in the calling thread, and what became of it.

`SimpleWorker.execute_job` does it all: start, time limit, callbacks, retries, repeats, results, dependents.
A subclass of the queue's job class watches: what the function returned or raised, for how long it ran, and
that a job's data was gone when its id was taken.

Not documented by RQ, the same in 2.0.0, 2.6.1 and 3.0.0: `Queue.dequeue_any` and the `job_id` that it puts
on an error, `Worker.execute_job`, `.prepare_execution`, `.prepare_job_execution` and `.procline`,
`Job.perform`, `Job.redis_server_version`.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rq import SimpleWorker
from rq.exceptions import NoSuchJobError
from rq.utils import get_version

from pytest_jobqueue.adapters.rq.alarm import JobAlarm

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import TracebackType

_WORKER = "pytest-jobqueue"


@dataclass(slots=True)
class Run:
    """What was seen of one run.

    Attributes:
        result: What the function returned.
        raised: What the function raised.
        handled: What RQ made the job fail for, which may be a callback's or the serializer's.
        seconds: How long the function ran.
    """

    result: Any = None
    raised: BaseException | None = None
    handled: BaseException | None = None
    seconds: float = 0.0


class Lost(Exception):  # noqa: N818 (it reports what RQ passes over)
    """A job's id was taken off a queue, and its data could not be had.

    Attributes:
        job_id: The id.
        queue: The queue's name.
        cause: Why: RQ's own error.
    """

    def __init__(self, job_id: str, queue: str, cause: Exception) -> None:
        super().__init__(job_id)
        self.job_id = job_id
        self.queue = queue
        self.cause = cause


class _Expired(Exception):  # noqa: N818 (not an error to RQ either)
    """Leaves RQ's loop where it would go on to the next id."""


class _Worker(SimpleWorker):  # type: ignore[misc]
    """RQ's worker for the calling process, without what it does besides running jobs."""

    death_penalty_class = JobAlarm

    def procline(self, message: str) -> None:
        """Leave the process's title alone."""


class Runner:
    """Takes jobs and runs them.

    Args:
        connection: A client for the worker alone.
        like: A queue of the application, whose classes and serializer the worker uses.
        handlers: The service's own exception handlers, outermost last.
    """

    def __init__(self, connection: Any, like: Any, handlers: Sequence[Callable[..., Any]] = ()) -> None:
        self._connection = connection
        self._like = like
        self._handlers = [*handlers, self._note]
        self._run = Run()
        self._taking = False
        self._job_class = self._watched(like.job_class)
        self._workers: dict[tuple[str, ...], Any] = {}

    def worker(self, names: tuple[str, ...]) -> Any:
        """The worker that listens to these queues, in this order."""
        worker = self._workers.get(names)
        if worker is None:
            kind = type(self._like)
            common = {"connection": self._connection, "serializer": self._like.serializer}
            queues = [
                kind(name, job_class=self._job_class, death_penalty_class=JobAlarm, **common)
                for name in names
            ]
            worker = self._workers[names] = _Worker(
                queues,
                name=_WORKER,
                job_class=self._job_class,
                queue_class=kind,
                exception_handlers=self._handlers,
                prepare_for_work=False,  # which only asks the server for this client's address
                **common,
            )
        return worker

    def take(self, names: tuple[str, ...]) -> tuple[Any, Any] | None:
        """Take the next job off the first of these queues that has one, as RQ's worker does.

        Raises:
            Lost: The job has expired, or cannot be read.
        """
        worker = self.worker(names)
        self._taking = True
        try:
            taken: tuple[Any, Any] | None = worker.queue_class.dequeue_any(
                worker.queues,
                None,
                connection=worker.connection,
                job_class=worker.job_class,
                serializer=worker.serializer,
                death_penalty_class=worker.death_penalty_class,
            )
        except Exception as error:
            job_id = getattr(error, "job_id", None)
            if job_id is None:
                raise
            cause = error.__cause__ if isinstance(error, _Expired) else error
            raise Lost(job_id, error.queue.name, cause) from cause  # type: ignore[attr-defined, arg-type]
        finally:
            self._taking = False
        if taken is not None:
            taken[0].redis_server_version = get_version(worker.connection)
        return taken

    def run(self, names: tuple[str, ...], job: Any, queue: Any) -> Run:
        """Run a job that was taken; RQ has recorded what became of it when this returns."""
        outer, self._run = self._run, Run()
        try:
            self.worker(names).execute_job(job, queue)
            run = self._run
        finally:
            self._run = outer
        for error in (run.raised, run.handled):
            if error is not None:
                error.__traceback__ = _at_the_job(error.__traceback__)
        return run

    def start(self, names: tuple[str, ...], job: Any) -> None:
        """Do what RQ's worker does before it calls the function, and no more."""
        worker = self.worker(names)
        worker.prepare_execution(job)
        worker.prepare_job_execution(job, len(names) == 1)
        worker.executions = {}  # RQ 3.0 keeps those of a live worker

    def _note(self, _job: Any, _kind: type[BaseException], error: BaseException, _traceback: Any) -> bool:
        self._run.handled = error
        return True  # the other handlers have their turn

    def _watched(self, job_class: Any) -> Any:
        runner = self

        class Watched(job_class):  # type: ignore[misc]
            @classmethod
            def fetch(cls, id: str, connection: Any = None, serializer: Any = None) -> Any:  # noqa: A002
                try:
                    return super().fetch(id, connection=connection, serializer=serializer)
                except NoSuchJobError as error:
                    if runner._taking:
                        raise _Expired from error
                    raise

            def perform(self) -> Any:
                run = runner._run
                started = time.perf_counter()
                try:
                    run.result = super().perform()
                except BaseException as error:
                    run.raised = error
                    raise
                finally:
                    run.seconds = time.perf_counter() - started
                return run.result

        Watched.__module__, Watched.__name__ = job_class.__module__, job_class.__name__
        Watched.__qualname__ = job_class.__qualname__
        return Watched


_MACHINERY = ("rq.", f"{__name__.rpartition('.')[0]}.")


def _at_the_job(traceback: TracebackType | None) -> TracebackType | None:
    """The traceback from the job's own frames on, where there are any."""
    frame = traceback
    while frame is not None and frame.tb_frame.f_globals.get("__name__", "").startswith(_MACHINERY):
        frame = frame.tb_next
    return traceback if frame is None else frame
