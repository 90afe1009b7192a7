"""A worker of streaQ at work in one event loop, from its first use there to the end.

It is a copy of the service's worker and shares its registry, and it runs as in production, by `run_async`:
life span, consumer groups, first runs of periodic jobs, renewal of what runs. Four parts of it act when they
are asked instead of by themselves: its producer, its scheduler, its signal handler, and the two methods by
which it finishes a job, which are watched. `run_async` has one task from beginning to end, as anyio wants it.

Not documented by streaQ, and used here: `Worker.run_async`, `producer`, `signal_handler`,
`schedule_delayed_tasks` and the `sleep` at its end, `run_task`, `finish_task`, `finish_failed_task`,
`_lib.read_streams` (7.0), `_read_streams_max_count`, `_read_streams_legacy` and `_supports_max_count` (7.2),
`run_consumers`, `deserialize`, `_next_datetime`, `_redis`, `_sentinel`, `_running`; nor by
Python: what a context manager of a generator is made of (`func`, `args`, `kwds`).
"""

from __future__ import annotations

import asyncio
import contextvars
import copy
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import streaq.worker
from anyio import sleep, sleep_forever
from coredis import Redis
from crontab import CronTab
from streaq.constants import REDIS_GROUP
from streaq.types import StreamMessage
from streaq.utils import to_seconds

from pytest_jobqueue.adapters.streaq.place import inside
from pytest_jobqueue.deadline import Deadline, DeadlineExceeded

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Generator, Sequence
    from datetime import datetime

    from streaq import Worker

    from pytest_jobqueue.adapters.streaq.place import Place
    from pytest_jobqueue.adapters.witness import Witness


_OF_ENTERING = ("__asynccontextmanager__", "_AsyncContextManagerMixin__cm")  # the latter is anyio's own


@dataclass(frozen=True)
class Finish:
    """What streaQ decided about a job.

    Attributes:
        ran: Whether it decided that after a call of the job's function, or in place of one.
        finished: Whether there is no further attempt.
        well: Whether it was a success.
        value: The result, or the exception.
        tries: How many tries there were, this one among them.
    """

    ran: bool
    finished: bool
    well: bool
    value: Any
    tries: int


_RUNNING: contextvars.ContextVar[str] = contextvars.ContextVar("_RUNNING")  # the id of the task that is run


class Life:
    """A copy of the service's worker, at work once `open` has been awaited.

    Args:
        worker: The service's.
        url: Where the copy leads.
        witness: Sees what the jobs' functions do.
        since: When periodic jobs began to count, if that was earlier.
    """

    def __init__(self, worker: Worker[Any], url: str, witness: Witness, since: datetime | None) -> None:
        self._service, self._witness, self._since = worker, witness, since
        self.worker: Worker[Any] = copy.copy(worker)
        for name in _OF_ENTERING:  # the copy is entered as streaQ means it, whether or not the service's is
            vars(self.worker).pop(name, None)
        self.worker._redis = Redis.from_url(url, decode_responses=True)  # noqa: SLF001 (see the head)
        self.worker._sentinel = None  # noqa: SLF001
        self._task: asyncio.Task[None] | None = None
        self._opening = asyncio.Lock()
        self._end = asyncio.Event()
        self._context = contextvars.copy_context()
        self._finishes: dict[str, Finish] = {}
        self._data: dict[str, dict[str, Any]] = {}  # of the tasks that are run, as the worker read it
        self._failed = False

    @property
    def is_over(self) -> bool:
        """Whether it was closed, or ended by itself."""
        return self._task is not None and self._task.done()

    async def open(self, place: Place) -> None:
        """Let the worker start, unless it has, and the service's use what it opened."""
        async with self._opening:
            if self._task is None:
                await self._start()
        place.lend(self.worker)

    async def _start(self) -> None:
        ready = asyncio.Event()
        at_work: Any = self.worker

        async def producer(queue: Any, _limiter: Any, scope: Any) -> None:
            self._context = contextvars.copy_context()
            with queue:
                ready.set()
                await self._end.wait()
            scope.cancel()

        async def run_consumers(queue: Any, *scopes: Any, **kwargs: Any) -> None:
            with queue:  # streaQ leaves that to the end of the process
                await type(self.worker).run_consumers(self.worker, queue, *scopes, **kwargs)

        async def nothing(*_: object) -> None:
            """Not by itself."""

        at_work.lifespan = _again(self.worker.lifespan)
        at_work.producer, at_work.run_consumers = producer, run_consumers
        at_work.signal_handler = at_work.schedule_delayed_tasks = nothing
        at_work.finish_task = self._finishing
        at_work.finish_failed_task = self._failing
        at_work.deserialize = self._reading
        if self._since is not None:
            since = self._since
            at_work._next_datetime = lambda tab: CronTab(tab).next(now=since, return_datetime=True)  # noqa: SLF001
        with inside():
            self._task = asyncio.ensure_future(self.worker.run_async())
        waiting = asyncio.ensure_future(ready.wait())
        await asyncio.wait({self._task, waiting}, return_when=asyncio.FIRST_COMPLETED)
        if self._task.done():
            waiting.cancel()
            await self.close()
        at_work._running = True  # noqa: SLF001 (streaQ sets it a moment later)
        if self._since is not None:
            del at_work._next_datetime  # noqa: SLF001

    # What streaQ decides

    async def _finishing(self, msg: StreamMessage, **kwargs: Any) -> None:
        value, tries = kwargs["return_value"], kwargs["tries"]
        found = Finish(ran=True, finished=kwargs["finish"], well=kwargs["success"], value=value, tries=tries)
        await type(self.worker).finish_task(self.worker, msg, **kwargs)
        self._finishes[msg.task_id] = found

    async def _failing(
        self, msg: StreamMessage, exc: BaseException, tries: int, *args: Any, **kwargs: Any
    ) -> None:
        await type(self.worker).finish_failed_task(self.worker, msg, exc, tries, *args, **kwargs)
        self._finishes[msg.task_id] = Finish(ran=False, finished=True, well=False, value=exc, tries=tries)

    async def _reading(self, data: Any) -> Any:
        found = await type(self.worker).deserialize(self.worker, data)
        task_id = _RUNNING.get(None)
        if task_id is not None:
            self._data.setdefault(task_id, found)  # what it reads first is the task
        return found

    # Acting

    async def read_one(self) -> StreamMessage | None:
        """Let the worker take the next message, and go no further."""
        worker: Any = self.worker
        if not hasattr(worker, "_read_streams_legacy"):  # 7.0
            found = await worker._lib.read_streams(  # noqa: SLF001
                worker.stream_key, REDIS_GROUP, worker.id, 1, worker.idle_timeout, *worker.priorities
            )
        elif worker._supports_max_count:  # noqa: SLF001
            found = await worker._read_streams_max_count(1)  # noqa: SLF001
        else:
            found = await worker._read_streams_legacy(1)  # noqa: SLF001
        for stream, messages in (found or {}).items():
            for entry in messages:
                fields = entry.field_values
                return StreamMessage(
                    message_id=entry.identifier,
                    task_id=fields["task_id"],
                    priority=stream.removeprefix(worker.stream_key),
                    enqueue_time=int(fields.get("enqueue_time", 0)),
                )
        return None

    async def run(self, message: StreamMessage) -> Finish | None:
        """Let the worker run the task; None when it found that the message is another worker's by now."""
        self._finishes.pop(message.task_id, None)
        self._data.pop(message.task_id, None)
        self.worker.middlewares = [*self._service.middlewares]
        self._watch()
        await self._within(self.worker.run_task(message), message.task_id)
        return self._finishes.pop(message.task_id, None)

    def read(self, task_id: str) -> dict[str, Any] | None:
        """The data of a task that was just run, unless the worker could not read it."""
        return self._data.pop(task_id, None)

    def _watch(self) -> None:
        """Add the innermost middleware: it sees the function itself, and calls a synchronous one here."""
        worker, witness = self.worker, self._witness

        def witnessed(runner: Callable[..., Any]) -> Callable[..., Any]:
            async def called(*args: Any, **kwargs: Any) -> Any:
                context = registered.context
                task = worker.registry[context.fn_name]
                call = _here(task.fn, to_seconds(context.timeout)) if _is_sync(task) else runner

                async def function(_context: Any, *args: Any, **kwargs: Any) -> Any:
                    return await call(*args, **kwargs)

                return await witness.around(function)(context, *args, **kwargs)

            return called

        registered = worker.middleware(witnessed)

    async def schedule(self) -> None:
        """Let the worker's scheduler look once: what is due becomes ready, what is aborted is cancelled."""
        await self._within(_one_step(self.worker))

    async def _within(self, coroutine: Coroutine[Any, Any, Any], task_id: str | None = None) -> Any:
        # In the context that streaQ gives its tasks, in which `worker.context` is the life span's.
        context = self._context.copy()
        if task_id is not None:
            context.run(_RUNNING.set, task_id)
        return await _Within(context, coroutine)

    def end(self) -> None:
        """Ask the worker to stop, once its loop runs again."""
        self._end.set()

    async def close(self) -> None:
        """Let the worker stop; what went wrong with it is raised once."""
        self._end.set()
        if self._task is None:
            return
        await asyncio.wait({self._task})
        error = None if self._task.cancelled() else self._task.exception()
        if error is not None and not self._failed:
            self._failed = True
            raise _only(error)


class _Within:
    """A coroutine that runs in this task and in another context; a task of its own would cost two turns."""

    def __init__(self, context: contextvars.Context, coroutine: Coroutine[Any, Any, Any]) -> None:
        self._context, self._coroutine = context, coroutine

    def __await__(self) -> Generator[Any, Any, Any]:
        run, coroutine = self._context.run, self._coroutine
        try:
            waits_for = run(coroutine.send, None)
            while True:
                try:
                    told = yield waits_for
                except BaseException as error:  # noqa: BLE001, PERF203 (it is the coroutine's)
                    waits_for = run(coroutine.throw, error)
                else:
                    waits_for = run(coroutine.send, told)
        except StopIteration as stop:
            return stop.value
        finally:
            coroutine.close()


def _only(error: BaseException) -> BaseException:
    """What a task group, by its nature, put into a group of one."""
    inner: Sequence[BaseException] = getattr(error, "exceptions", ())
    return _only(inner[0]) if len(inner) == 1 else error


class _Stepped(Exception):  # noqa: N818 (it says where the scheduler is)
    """The scheduler has looked once."""


async def _one_step(worker: Worker[Any]) -> None:
    here, module = asyncio.current_task(), _module()

    async def until_here(seconds: float) -> None:
        if asyncio.current_task() is here:
            raise _Stepped
        await sleep(seconds)

    was, module.sleep = module.sleep, until_here
    try:
        await type(worker).schedule_delayed_tasks(worker)
    except _Stepped:
        pass
    finally:
        module.sleep = was


def _module() -> Any:
    return streaq.worker


def _is_sync(task: Any) -> bool:
    return isinstance(task, streaq.task.SyncRegisteredTask)


def _here(function: Callable[..., Any], seconds: float | None) -> Callable[..., Any]:
    """A coroutine function that calls this one here and now, where streaQ uses a thread."""

    async def called(*args: Any, **kwargs: Any) -> Any:
        if not seconds:
            return function(*args, **kwargs)
        with Deadline(seconds) as deadline:
            try:
                return function(*args, **kwargs)
            except DeadlineExceeded as error:
                if error.deadline is not deadline:
                    raise
        await sleep_forever()  # for as long as streaQ's own limit takes to strike
        return None

    return called


def _again(lifespan: AbstractAsyncContextManager[Any]) -> AbstractAsyncContextManager[Any]:
    """The life span, to be entered once more if it is a generator's, which can be entered only once."""
    made_of: Any = getattr(lifespan, "gen", None) and lifespan
    if made_of is None:
        return lifespan

    @asynccontextmanager
    async def anew() -> Any:
        async with type(made_of)(made_of.func, made_of.args, made_of.kwds) as context:
            yield context

    return anew()
