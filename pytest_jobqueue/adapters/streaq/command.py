"""streaQ's own worker command on the application: `streaq run module:worker`.

The worker is led to the Redis by a client of its own library. What is told stands around what it calls to run
one task and to finish it. Undocumented names of streaQ's: those at the head of `life`.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from coredis import Redis
from streaq.cli import cli

from pytest_jobqueue.adapters.streaq.life import Finish
from pytest_jobqueue.adapters.streaq.run import judged
from pytest_jobqueue.adapters.streaq.store import Store
from pytest_jobqueue.adapters.witness import Seen

if TYPE_CHECKING:
    from collections.abc import Callable

    from streaq import Worker
    from streaq.types import StreamMessage

    from pytest_jobqueue.adapters import Work


def command(app: Any, work: Work) -> Callable[[], object]:
    """Ready the process; what is returned runs `streaq run`."""
    app._redis = Redis.from_url(work.url, decode_responses=True)  # noqa: SLF001 (see the head)
    app._sentinel = None  # noqa: SLF001
    _Told(app, work).stand_around()
    return functools.partial(cli, ["run", work.app_path, "--verbose", *work.options], prog_name="streaq")


class _Told:
    def __init__(self, worker: Worker[Any], work: Work) -> None:
        self._worker: Any = worker
        self._middleware: Any = None
        self._finish_task = self._fail_task = worker.finish_task
        self._tell = work.telling
        self._store = Store(worker, work.url)
        self._seen: dict[str, Seen] = {}
        self._finishes: dict[str, Finish] = {}

    def stand_around(self) -> None:
        """Replace what the worker calls by itself and what is told of it."""
        worker = self._worker
        worker.run_task = functools.partial(self._run, worker.run_task)
        self._finish_task, worker.finish_task = worker.finish_task, self._finish
        self._fail_task, worker.finish_failed_task = worker.finish_failed_task, self._fail
        self._middleware = worker.middleware(self._watched)

    def _watched(self, runner: Callable[..., Any]) -> Callable[..., Any]:
        async def called(*args: Any, **kwargs: Any) -> Any:
            seen = self._seen[self._middleware.context.task_id] = Seen()
            try:
                seen.result = await runner(*args, **kwargs)
            except BaseException as error:
                seen.exception = error
                raise
            return seen.result

        return called

    async def _run(self, run_task: Callable[..., Any], msg: StreamMessage) -> Any:
        task_id = msg.task_id
        job = self._store.job(task_id)
        self._tell.began(task_id, job)
        outcome = None
        try:
            done = await run_task(msg)
            finish = self._finishes.pop(task_id, None)
            if finish is not None:
                outcome = judged(job, self._seen.pop(task_id, None), finish)
        finally:
            self._tell.ended(task_id, outcome)
        return done

    async def _finish(self, msg: StreamMessage, **kwargs: Any) -> None:
        value, tries = kwargs["return_value"], kwargs["tries"]
        found = Finish(ran=True, finished=kwargs["finish"], well=kwargs["success"], value=value, tries=tries)
        await self._finish_task(msg, **kwargs)
        self._finishes[msg.task_id] = found

    async def _fail(
        self, msg: StreamMessage, exc: BaseException, tries: int, *args: Any, **kwargs: Any
    ) -> None:
        await self._fail_task(msg, exc, tries, *args, **kwargs)
        self._finishes[msg.task_id] = Finish(ran=False, finished=True, well=False, value=exc, tries=tries)
