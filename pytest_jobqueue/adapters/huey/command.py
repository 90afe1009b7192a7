"""Huey's own consumer on the application: `huey_consumer module.huey`.

Huey acknowledges nothing, so what is told begins where a message leaves the queue (`storage.dequeue`), and
ends when `Huey.execute` returns. Both are replaced on this process' one Huey, before the consumer starts.
"""

from __future__ import annotations

import functools
import logging
import sys
import uuid
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from huey.bin import huey_consumer

from pytest_jobqueue.adapters.huey.messages import job_for, stand_in
from pytest_jobqueue.adapters.huey.place import Place
from pytest_jobqueue.adapters.huey.run import Run
from pytest_jobqueue.job import Outcome

if TYPE_CHECKING:
    from collections.abc import Callable

    from huey.api import Huey, Task

    from pytest_jobqueue.adapters import Work


def command(app: Any, work: Work) -> Callable[[], object]:
    """Ready the process; what is returned runs `huey_consumer`.

    Raises:
        UsageError: The Huey is too old, or keeps its tasks elsewhere than in Redis.
    """
    Place(app, work.url)
    _Told(app, work)
    return functools.partial(_run, [work.app_path.replace(":", "."), *work.options])


def _run(words: list[str]) -> None:
    sys.argv[:] = ["huey_consumer", *words]
    huey_consumer.consumer_main()


class _Told:
    def __init__(self, huey: Huey, work: Work) -> None:
        self._huey = huey
        self._tell = work.telling
        self._runs: list[Run] = []
        self._execute = huey.execute
        huey.storage.dequeue = functools.partial(self._dequeue, huey.storage.dequeue)
        huey.execute = self._executed
        huey.signal()(self._hear)

    def _dequeue(self, dequeue: Callable[[], bytes | None]) -> bytes | None:
        data = dequeue()
        if data is not None:
            try:
                task = self._huey.deserialize_task(data)
            except Exception as error:  # noqa: BLE001 (Huey says in its log what it is)
                key, job = str(uuid.uuid4()), stand_in(self._huey, data)
                self._tell.began(key, job)
                self._tell.ended(key, Outcome(job, "dropped", exception=error, reason="Huey cannot read it"))
            else:
                self._tell.began(task.id, job_for(self._huey, task))
        return data

    def _hear(self, signal: str, task: Task, *_: Any) -> None:
        for run in list(self._runs):
            if run.task is task:
                run.signals.append(signal)

    def _executed(self, task: Task, *args: Any, **kwargs: Any) -> Any:
        job = job_for(self._huey, task)
        run = Run(task)
        self._runs.append(run)
        try:
            run.go(SimpleNamespace(execute=lambda task: self._execute(task, *args, **kwargs)))
        finally:
            self._runs.remove(run)
            self._tell.ended(task.id, None if run.put_back else run.outcome(job))
        if run.unfinished:
            logging.getLogger("huey").error("the task %s could not be finished", job, exc_info=run.exception)
        return run.result
