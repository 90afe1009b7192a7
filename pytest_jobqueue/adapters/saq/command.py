"""SAQ's own worker command on the application: `saq module.settings`.

The queue is led to the Redis, and the settings get two hooks more, before each job and after it.
"""

from __future__ import annotations

import functools
import sys
import time
from typing import TYPE_CHECKING, Any

from saq import __main__ as saq_main
from saq.job import Status

from pytest_jobqueue.adapters.saq.place import Place
from pytest_jobqueue.adapters.saq.store import Store
from pytest_jobqueue.errors import UsageError, WorkerJobError
from pytest_jobqueue.job import Outcome

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_jobqueue.adapters import Work
    from pytest_jobqueue.job import Status as Became

_BECAME: dict[Any, Became] = {Status.COMPLETE: "ok", Status.ABORTED: "dropped", Status.FAILED: "failed"}


def command(app: Any, work: Work) -> Callable[[], object]:
    """Ready the process; what is returned runs `saq`.

    Raises:
        UsageError: It is a queue alone, or one that is not in Redis.
    """
    if not isinstance(app, dict):
        raise UsageError(
            f"{work.app_path} is a {type(app).__name__}, and SAQ's worker is made of settings: give the dict "
            "of settings, which names the queue, as jobqueue_app"
        )
    Place(app["queue"], work.url)
    told = _Told(work, Store(work.url, app["queue"]))
    for name, hook in (("before_process", told.before), ("after_process", told.after)):
        own = app.get(name) or ()
        app[name] = [hook, *([own] if callable(own) else own)]
    return functools.partial(_run, [work.app_path.replace(":", "."), "--verbose", *work.options])


def _run(words: list[str]) -> None:
    sys.argv[:] = ["saq", *words]
    saq_main.main()


class _Told:
    def __init__(self, work: Work, store: Store) -> None:
        self._tell = work.telling
        self._store = store
        self._started: dict[str, float] = {}

    async def before(self, context: dict[str, Any]) -> None:
        job = context["job"]
        self._started[job.key] = time.perf_counter()
        self._tell.began(job.key, self._store.job(job, attempts=job.attempts - 1))

    async def after(self, context: dict[str, Any]) -> None:
        found = context["job"]
        job = self._store.job(found, attempts=found.attempts - 1)
        seconds = time.perf_counter() - self._started.pop(found.key, time.perf_counter())
        status = _BECAME.get(found.status, "retrying")
        if status == "ok":
            outcome = Outcome(job, status, found.result, seconds=seconds)
        elif status == "dropped":
            outcome = Outcome(job, status, reason=f"it was aborted: {found.error}", seconds=seconds)
        else:
            said = str(found.error or "it failed").strip().rpartition("\n")[2]
            error = context.get("exception") or WorkerJobError(said)
            outcome = Outcome(job, status, exception=error, seconds=seconds)
        self._tell.ended(found.key, outcome)
