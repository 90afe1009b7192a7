"""arq's own pool and worker, in one event loop, from their first use there to the end.

The worker is made as arq's command line makes it, and starts with the first thing that it is asked to do.
Names of arq's `Worker` that it does not document, all of them used here: `start_jobs`, `tasks`, `queue_name`,
`heart_beat`, `poll_delay_s`, `allow_abort_jobs`, and the private `_cancel_aborted_jobs`.
"""

from __future__ import annotations

import asyncio
import contextlib
import pickle
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from arq.connections import ArqRedis, create_pool
from arq.constants import abort_jobs_ss, default_queue_name
from arq.utils import timestamp_ms
from arq.worker import Worker

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from pytest_jobqueue.adapters.arq.place import Place


@dataclass
class Started:
    """A job in the worker's hands.

    Attributes:
        job_id: Which.
        task: The worker's, about to run it.
        was_aborted: Whether the worker cancelled it because somebody asked for that.
    """

    job_id: str
    task: asyncio.Task[None]
    was_aborted: bool = False


class Life:
    """A pool, and a worker once there is something to do.

    Args:
        place: Where both lead, and the worker's settings.
        functions: What the worker gets besides: its functions and periodic jobs.
    """

    def __init__(self, place: Place, functions: dict[str, Any]) -> None:
        self._place = place
        self._functions = functions
        self._pool: ArqRedis | None = None
        self._worker: Worker | None = None
        self.results: dict[str, dict[str, Any]] = {}  # what the worker was about to store, by job

    async def pool(self) -> ArqRedis:
        """The worker's pool, with which it enqueues as well."""
        if self._pool is None:
            kwargs = self._place.kwargs
            self._pool = kwargs.get("redis_pool") or await create_pool(
                self._place.redis_settings,
                **{name: kwargs[name] for name in _OF_THE_POOL if kwargs.get(name) is not None},
                default_queue_name=kwargs.get("queue_name") or default_queue_name,
            )
        return self._pool

    async def worker(self) -> Worker:
        """The worker; `on_startup` has run."""
        if self._worker is None:
            pool = await self.pool()
            own = {"redis_pool": pool, "handle_signals": False, "job_serializer": self._serialize}
            worker = Worker(**{**self._place.kwargs, **self._functions, **own})
            worker.ctx["redis"] = pool
            self._worker = worker
            if worker.on_startup:
                await worker.on_startup(worker.ctx)
        return self._worker

    def _serialize(self, data: dict[str, Any]) -> bytes:
        # arq changes the dict, and calls again, when the first call raises.
        self.results.setdefault(data["id"], dict(data))
        return (self._place.kwargs.get("job_serializer") or pickle.dumps)(data)

    @contextlib.asynccontextmanager
    async def on(self, queue: str) -> AsyncIterator[Worker]:
        """The worker as one of this queue: it finishes jobs there, and its pool enqueues there."""
        worker = await self.worker()
        was = worker.queue_name, worker.pool.default_queue_name
        worker.queue_name = worker.pool.default_queue_name = queue
        try:
            yield worker
        finally:
            worker.queue_name, worker.pool.default_queue_name = was

    async def start_one(self, worker: Worker) -> Started | None:
        """Let the worker take the first job of its queue that is due and that no worker has."""
        offset = 0
        while ids := await self._due(worker, offset):
            await worker.start_jobs(ids)
            job_id = ids[0].decode()
            task = worker.tasks.pop(job_id, None)
            if task is not None:
                return Started(job_id, task)
            offset += 1
        return None

    @staticmethod
    async def _due(worker: Worker, offset: int) -> list[bytes]:
        found: list[bytes] = await worker.pool.zrangebyscore(
            worker.queue_name, min=float("-inf"), max=timestamp_ms(), start=offset, num=1
        )
        return found

    @staticmethod
    async def finish(worker: Worker, started: Started) -> None:
        """Wait for it; meanwhile the worker looks for aborted jobs, if it is one that does."""
        aborts = asyncio.ensure_future(_look_for_aborts(worker, started)) if worker.allow_abort_jobs else None
        try:
            await started.task
        except asyncio.CancelledError:
            # Both can come at once: an alarm that struck a job, and the end of the time for a drain.
            if started.task.done() and not started.task.cancelled() and started.task.exception():
                await started.task
            raise
        finally:
            if aborts is not None:
                aborts.cancel()
                await asyncio.wait({aborts})

    async def close(self) -> None:
        """Let the worker shut down, which closes the pool; or close that."""
        worker, self._worker = self._worker, None
        pool, self._pool = self._pool, None
        if worker is not None:
            worker_pool: Any = worker.pool
            # arq calls a method that redis-py has renamed, and redis-py would warn.
            worker_pool.close = worker_pool.aclose
            try:
                await worker.close()
            finally:
                del worker_pool.close
        elif pool is not None:
            await pool.aclose(close_connection_pool=True)


_OF_THE_POOL = ("job_serializer", "job_deserializer", "expires_extra_ms")


async def _look_for_aborts(worker: Worker, started: Started) -> None:
    while True:
        await asyncio.sleep(worker.poll_delay_s)
        started.was_aborted = await worker.pool.zscore(abort_jobs_ss, started.job_id) is not None
        await worker._cancel_aborted_jobs()  # noqa: SLF001 (see the head of this file)
