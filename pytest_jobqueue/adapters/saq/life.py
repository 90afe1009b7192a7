"""SAQ's own worker, in one event loop, from its first use there to the end; and what became of one job.

The worker is made as SAQ's command line makes it, and starts with the first thing that it is asked to do.
`process` takes and runs exactly one job; a hook of ours, which SAQ calls with each job's context, sees which.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
from typing import TYPE_CHECKING, Any

from redis.exceptions import RedisError
from saq.job import Status
from saq.worker import Worker

from pytest_jobqueue.adapters.saq.store import UNKNOWN
from pytest_jobqueue.adapters.witness import Escaped, Witness
from pytest_jobqueue.job import Outcome
from pytest_jobqueue.job import Status as Became

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine, Mapping

    from pytest_jobqueue.adapters.saq.place import Place
    from pytest_jobqueue.adapters.saq.store import Store

_HOOKS = ("startup", "shutdown", "before_process", "after_process")
_MOMENT = 0.01  # seconds to wait for a job that was there; SAQ has no way not to wait
_LEFT = "SAQ's worker did not catch it, and leaves the job with itself until that is swept"
_UNREADABLE = "its body is gone, or cannot be read; it stays with the worker until that is swept"


class Life:
    """A worker, once there is something to do.

    Args:
        place: The queue.
        settings: The worker's settings.
        store: Looks at the queue.
    """

    def __init__(self, place: Place, settings: Mapping[str, Any], store: Store) -> None:
        self._place = place
        self._settings = settings
        self._store = store
        self._witness = Witness(
            lambda context: str(context["job"].key), lambda context: context["job"].timeout
        )
        self._contexts: dict[asyncio.Task[Any] | None, dict[str, Any]] = {}
        self._worker: Worker[Any] | None = None
        self._unreadable: set[str] = set()  # the jobs that are stuck in its hands, as was said before
        self._shut_down = False

    async def worker(self) -> Worker[Any]:
        """The worker; start-up hooks have run."""
        if self._worker is None:
            hooks = {name: _in_this_thread(self._settings.get(name)) for name in _HOOKS}
            hooks["before_process"].insert(0, self._see)
            hooks["shutdown"].insert(0, self._see_the_end)
            own = {"queue": self._place.queue, "dequeue_timeout": _MOMENT}
            worker = Worker(**{"functions": (), **self._settings, **hooks, **own})
            worker.functions = {
                name: self._witness.around(function) for name, function in worker.functions.items()
            }
            self._worker = worker
            await self._place.queue.connect()
            for start in worker.startup or ():
                await start(worker.context)
        return self._worker

    async def _see(self, context: dict[str, Any]) -> None:
        self._contexts[asyncio.current_task()] = context

    async def _see_the_end(self, _context: dict[str, Any]) -> None:
        self._shut_down = True

    async def process(self) -> Outcome | None:
        """Let the worker take and run one job; None when it finds none."""
        worker = await self.worker()
        escaped: BaseException | None = None
        try:
            async with _aborting(worker):
                await worker.process()
        except RedisError:
            raise
        except asyncio.CancelledError:
            # Both can come at once: an alarm that struck a job, and the end of the time for a drain.
            escaped = self._struck()
            if escaped is None:
                raise
        except BaseException as error:  # noqa: BLE001 (it is handed over in the outcome)
            escaped = error.__cause__ if isinstance(error, Escaped) else error
        finally:
            context = self._contexts.pop(asyncio.current_task(), None)
        return self._taken_in_vain() if context is None else self._outcome(context, escaped)

    def _taken_in_vain(self) -> Outcome | None:
        """What became of a job that the worker took and could not read, if it did."""
        stuck = [job for job in self._store.active() if job.name == UNKNOWN]
        self._unreadable &= {job.id for job in stuck}
        found = next((job for job in stuck if job.id not in self._unreadable), None)
        if found is None:
            return None
        self._unreadable.add(found.id)
        return Outcome(found, "dropped", reason=_UNREADABLE)

    def _struck(self) -> BaseException | None:
        context = self._contexts.get(asyncio.current_task())
        return None if context is None else self._witness.struck(context["job"].key)

    def _outcome(self, context: dict[str, Any], escaped: BaseException | None) -> Outcome:
        found = context["job"]
        job = self._store.job(found, attempts=found.attempts - 1)
        seen = self._witness.take(found.key)
        seconds = seen.seconds if seen else 0.0
        error = escaped or context.get("exception") or (seen.exception if seen else None)
        if escaped is not None or found.status == Status.ACTIVE:  # so it leaves one that cancelled itself
            status: Became = "retrying" if found.retryable else "failed"
            return Outcome(job, status, exception=error, reason=_LEFT, seconds=seconds)
        if found.status == Status.COMPLETE:
            return Outcome(job, "ok", seen.result if seen else found.result, seconds=seconds)
        if found.status == Status.ABORTED:
            return Outcome(job, "dropped", reason=f"it was aborted: {found.error}", seconds=seconds)
        status = "failed" if found.status == Status.FAILED else "retrying"
        return Outcome(job, status, exception=error, seconds=seconds)

    async def close(self) -> None:
        """Stop the worker; shut-down hooks run."""
        worker, self._worker = self._worker, None
        if worker is None:
            return
        await worker.stop()
        if not self._shut_down:  # in SAQ before 0.25 it is whoever started the worker that calls them
            for shut in worker.shutdown or ():
                await shut(worker.context)


def _in_this_thread(hooks: Any) -> list[Callable[[Any], Coroutine[Any, Any, None]]]:
    """Hooks as coroutine functions, which SAQ awaits where it would send others to a thread."""
    return [_awaitable(hook) for hook in ([hooks] if callable(hooks) else hooks or ())]


def _awaitable(hook: Callable[[Any], Any]) -> Callable[[Any], Coroutine[Any, Any, None]]:
    if inspect.iscoroutinefunction(hook):
        return hook

    async def called(context: Any) -> None:
        hook(context)

    return called


@contextlib.asynccontextmanager
async def _aborting(worker: Worker[Any]) -> AsyncIterator[None]:
    """While this lasts, the worker looks for jobs to abort, as often as it does in production."""
    seconds = worker.timers["abort"]
    looking: list[asyncio.Task[None]] = []

    async def look() -> None:
        while True:
            await worker.abort(seconds)
            await asyncio.sleep(seconds)

    loop = asyncio.get_running_loop()
    first = loop.call_later(seconds, lambda: looking.append(loop.create_task(look())))
    try:
        yield
    finally:
        first.cancel()
        for task in looking:
            task.cancel()
            await asyncio.wait({task})
