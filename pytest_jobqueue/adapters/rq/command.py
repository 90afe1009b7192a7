"""RQ's own worker command on the application: `rq worker --with-scheduler`, forking as it does in production.

The application's queues are led to the Redis before RQ forks, so each work horse inherits that. What is told
stands around what RQ's worker calls in each process: `Queue.lpop` and `Queue.lmove` fetch an id, in the work
horse `Worker.perform_job` runs the job and records its end, `Worker.handle_exception` has the exception.
`Worker.execute_job`, `Job.perform` and the first three are not documented by RQ.
"""

from __future__ import annotations

import functools
import time
from typing import TYPE_CHECKING, Any

import rq
from rq.cli import main
from rq.job import Job as RQJob

from pytest_jobqueue.adapters.rq.binding import RQBinding, outcome_of
from pytest_jobqueue.adapters.rq.runner import Run
from pytest_jobqueue.job import Job

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_jobqueue.adapters import Work


def command(app: Any, work: Work) -> Callable[[], object]:
    """Ready the process; what is returned runs `rq worker`."""
    settings = work.settings
    binding = RQBinding(app, work.url, queues=settings.queues, default_queue=settings.default_queue)
    _Told(binding, work).stand_around()
    like = binding.like
    serializer = f"{like.serializer.__module__}.{like.serializer.__qualname__}"
    words = ["--url", work.url, "--serializer", serializer, "--with-scheduler"]
    return functools.partial(main, ["worker", *words, *work.options, *binding.queues()], prog_name="rq")


class _Told:
    """What the worker does, told as it happens, in whichever process it does."""

    def __init__(self, binding: RQBinding, work: Work) -> None:
        self._binding = binding
        self._tell = work.telling
        self._run = Run()

    def stand_around(self) -> None:
        """Replace what RQ's worker calls by itself and what is told of it."""
        for name in ("lpop", "lmove"):
            if hasattr(rq.Queue, name):
                fetch = getattr(rq.Queue, name)
                setattr(rq.Queue, name, staticmethod(functools.partial(self._fetched, fetch)))
        for name, around in (
            ("perform_job", self._performed),
            ("execute_job", self._executed),
            ("handle_exception", self._handled),
        ):
            kinds = {_definer(kind, name) for kind in (rq.Worker, rq.SimpleWorker)}
            for kind in kinds:
                setattr(kind, name, _method(getattr(kind, name), around))
        RQJob.perform = _method(RQJob.perform, self._ran)

    def _fetched(self, fetch: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        found = fetch(*args, **kwargs)
        if found is not None:
            key, job_id = found
            text = job_id.decode() if isinstance(job_id, bytes) else str(job_id)
            self._tell.began(text, Job(text, "?", queue=str(key).rpartition(":")[2]), runs=False)
        return found

    def _performed(self, perform: Callable[..., Any], raw: Any, *args: Any) -> Any:
        job = self._binding.job(raw)
        self._tell.began(raw.id, job)
        self._run = run = Run()
        done = perform(raw, *args)
        self._tell.ended(raw.id, outcome_of(job, run))
        return done

    def _executed(self, execute: Callable[..., Any], raw: Any, *args: Any) -> Any:
        try:
            return execute(raw, *args)
        finally:
            self._tell.ended(raw.id)  # for a work horse that was killed

    def _ran(self, perform: Callable[..., Any]) -> Any:
        started = time.perf_counter()
        try:
            self._run.result = perform()
        except BaseException as error:
            self._run.raised = error
            raise
        finally:
            self._run.seconds = time.perf_counter() - started
        return self._run.result

    def _handled(self, handle: Callable[..., Any], job: Any, *exc_info: Any) -> Any:
        self._run.handled = exc_info[1]
        return handle(job, *exc_info)


def _definer(kind: Any, name: str) -> Any:
    return next(base for base in kind.__mro__ if name in vars(base))


def _method(original: Callable[..., Any], around: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def told(self: Any, *args: Any) -> Any:
        return around(functools.partial(original, self), *args)

    return told
