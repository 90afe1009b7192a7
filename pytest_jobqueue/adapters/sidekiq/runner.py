"""Running one job: which function, what is around it, and an exception that points at the job.

It calls functions and catches what they raise. It knows no Redis and decides nothing about failures.
"""

from __future__ import annotations

from functools import partial
from inspect import iscoroutine
from typing import TYPE_CHECKING, Any

from pytest_jobqueue.errors import UnknownJobError, UsageError
from pytest_jobqueue.handlers import Handlers
from pytest_jobqueue.wire.dialects import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from types import TracebackType

    from pytest_jobqueue.handlers import Handler, Middleware
    from pytest_jobqueue.job import Job

_OURS = f"{__name__.partition('.')[0]}."


class Runner:
    """The handlers of one application and the middleware around them, outermost first.

    A plain dict is read at each job, so a test may replace an entry.

    Raises:
        UsageError: An entry of a plain dict cannot be called.
    """

    def __init__(self, handlers: Handlers | Mapping[str, Handler], middleware: Sequence[Middleware]) -> None:
        for name, handler in () if isinstance(handlers, Handlers) else handlers.items():
            if not callable(handler):
                raise UsageError(f"the handler for {name!r} is {handler!r}, which cannot be called")
        self._handlers = handlers
        self._middleware = tuple(middleware)

    @property
    def queues(self) -> tuple[str, ...]:
        """The queues that have a handler of their own."""
        return self._handlers.queues if isinstance(self._handlers, Handlers) else ()

    def run(self, job: Job) -> Any:
        """Run the job, and return what its handler returned.

        Raises:
            BaseException: Whatever the handler or a middleware raised.
            UnknownJobError: There is no handler for it.
            UsageError: The handler is an async function, which nothing here awaits.
        """
        call = self._call_for(job)
        for one in reversed(self._middleware):
            call = partial(one, job, call)
        result = call()
        if iscoroutine(result):
            result.close()
            raise UsageError(
                f"the handler of {job.name!r} is an async function, and this worker runs jobs in the test's "
                "own thread; register a function that calls asyncio.run(…)"
            )
        return result

    def _call_for(self, job: Job) -> Callable[[], Any]:
        handlers = self._handlers
        if isinstance(handlers, Handlers):
            return handlers.call(job) or partial(self._unknown, job)
        handler = handlers.get(job.name)
        return partial(self._unknown, job) if handler is None else partial(handler, *job.args)

    def _unknown(self, job: Job) -> Any:
        names = (
            self._handlers.names if isinstance(self._handlers, Handlers) else tuple(sorted(self._handlers))
        )
        known = ", ".join(names)
        remedy = (
            f"registered: {known}{did_you_mean(job.name, names)}"
            if known
            else ("none is registered: override the fixture jobqueue_app, or set the option jobqueue_app")
        )
        raise UnknownJobError(
            f"there is no handler for class {job.name!r} (job {job.id} on queue {job.queue!r}); {remedy}"
        )


def at_the_job(error: BaseException) -> BaseException:
    """The same exception, its traceback starting at the job's own frames where there are any."""
    frame: TracebackType | None = error.__traceback__
    while frame is not None and frame.tb_frame.f_globals.get("__name__", "").startswith(_OURS):
        frame = frame.tb_next
    return error if frame is None else error.with_traceback(frame)
