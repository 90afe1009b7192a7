"""A worker process of BullMQ's own workers, one for each queue of the application, until SIGTERM or SIGINT.

BullMQ for Python has no worker command: a service starts `bullmq.Worker` in a script of its own, and this is
one. What is told comes from the workers' events. Told to stop, it closes its workers, which finishes jobs.
"""

from __future__ import annotations

import asyncio
import functools
import signal
from typing import TYPE_CHECKING, Any

import bullmq

from pytest_jobqueue.adapters.bullmq.store import read
from pytest_jobqueue.adapters.bullmq.workers import Led, WorkerOf, workers_of
from pytest_jobqueue.errors import UsageError
from pytest_jobqueue.job import Outcome

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_jobqueue.adapters import Work
    from pytest_jobqueue.adapters.telling import Telling


def command(app: Any, work: Work) -> Callable[[], object]:
    """Ready the process; what is returned runs the workers until a signal comes.

    Raises:
        UsageError: The application says what cannot be; or there are options, and this worker has none.
    """
    if work.options:
        raise UsageError(f"the worker for BullMQ has no options, and these were given: {work.options!r}")
    Led(workers_of(app, None), work.url)
    workers = workers_of(app, work.settings.queues)
    return lambda: asyncio.run(_work(workers, work))


async def _work(workers: list[WorkerOf], work: Work) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    running = [_started(of, work) for of in workers]
    await stop.wait()
    for worker in running:
        await worker.close()


def _started(of: WorkerOf, work: Work) -> bullmq.Worker:
    options = {**of.options, "connection": work.url}
    worker = bullmq.Worker(of.queue, _told(of, work.telling), options)
    worker.on("completed", functools.partial(_completed, of, work.telling))
    worker.on("failed", functools.partial(_failed, of, work.telling))
    worker.on("error", lambda error, _job=None: print(f"{of.queue}: {error!r}", flush=True))  # noqa: T201 (its log)
    if of.setup is not None:
        of.setup(worker)
    return worker


def _told(of: WorkerOf, telling: Telling) -> Callable[..., Any]:
    @functools.wraps(of.processor)
    async def told(job: bullmq.Job, *args: Any) -> Any:
        telling.began(str(job.id), read(job, of.queue))
        return await of.processor(job, *args)

    return told


def _completed(of: WorkerOf, telling: Telling, job: bullmq.Job, result: Any) -> None:
    telling.ended(str(job.id), Outcome(read(job, of.queue), "ok", result))


def _failed(of: WorkerOf, telling: Telling, job: bullmq.Job | None, error: Exception) -> None:
    print(f"{of.queue}: {error!r}", flush=True)  # noqa: T201 (the log of this process)
    if job is not None:
        status: Any = "failed" if job.finishedOn else "retrying"
        telling.ended(str(job.id), Outcome(read(job, of.queue), status, exception=error))
