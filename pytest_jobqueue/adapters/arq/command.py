"""arq's own worker command on the application: `arq module.WorkerSettings`.

The settings are led to the Redis, and a mapping of the same, with functions that are watched, is what the
command finds under their path. What is told begins and ends with the worker's `run_job`. Undocumented names
of arq's: `cli.import_string`, `Worker.run_job`.
"""

from __future__ import annotations

import functools
import pickle
from typing import TYPE_CHECKING, Any

from arq import cli
from arq.worker import Worker

from pytest_jobqueue.adapters.arq.binding import ArqBinding
from pytest_jobqueue.adapters.arq.run import ran, refused

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from pytest_jobqueue.adapters import Work


def command(app: Any, work: Work) -> Callable[[], object]:
    """Ready the process; what is returned runs `arq`.

    Raises:
        UsageError: arq cannot make a worker of the settings.
    """
    binding = ArqBinding(app, work.url, queues=work.settings.queues)
    told = _Told(binding, work)
    path = work.app_path.replace(":", ".")
    import_string = cli.import_string
    cli.import_string = lambda name: told.settings if name == path else import_string(name)
    run_job = Worker.run_job

    async def told_run(worker: Worker, job_id: str, *args: Any) -> None:
        await told.run(worker, job_id, functools.partial(run_job, worker, job_id, *args))

    Worker.run_job = told_run
    return functools.partial(cli.cli, [path, *work.options], prog_name="arq")


class _Told:
    def __init__(self, binding: ArqBinding, work: Work) -> None:
        self._binding = binding
        self._tell = work.telling
        self._results: dict[str, dict[str, Any]] = {}
        self._serializer = binding.kwargs.get("job_serializer") or pickle.dumps
        queue = {"queue_name": work.settings.queues[0]} if work.settings.queues else {}
        self.settings = {
            **binding.kwargs,
            "redis_settings": binding.redis_settings,
            **binding.watched,
            "job_serializer": self._serialize,
            **queue,
        }

    def _serialize(self, data: dict[str, Any]) -> bytes:
        if "id" in data:  # a result
            self._results.setdefault(data["id"], dict(data))
        found: bytes = self._serializer(data)
        return found

    async def run(self, worker: Worker, job_id: str, run_job: Callable[[], Awaitable[None]]) -> None:
        entry = self._binding.entry(worker.queue_name, job_id)
        self._tell.began(job_id, entry.job)
        outcome = None
        try:
            await run_job()
            seen, result = self._binding.witness.take(job_id), self._results.pop(job_id, None)
            if seen is None:
                outcome = refused(entry, result)
            else:
                again = seen.exception is not None and await self._is_queued(worker, job_id)
                outcome = ran(entry, seen, result, again=again, aborted=False)
        finally:
            self._tell.ended(job_id, outcome)

    @staticmethod
    async def _is_queued(worker: Worker, job_id: str) -> bool:
        return await worker.pool.zscore(worker.queue_name, job_id) is not None
