"""SAQ's own worker command on the application: `saq module.settings`.

The queue is led to the Redis, and the settings get three hooks more: before each job, after it, and at the
start. The last one sweeps before anything is fetched. SAQ's worker makes its first sweep and its first
fetches at the same time, and a job between its fetch and its start looks like one whose worker died (tried on
SAQ 0.24.0 and 0.26.4): it would be enqueued anew and run twice. Until the lock of a sweep ends there is no
other one.
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

    from saq.queue.redis import RedisQueue

    from pytest_jobqueue.adapters import Work
    from pytest_jobqueue.job import Status as Became

_SWEEP = 60  # seconds between two sweeps, unless the settings say otherwise
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
        app[name] = [hook, *_hooks(app, name)]
    every = (app.get("timers") or {}).get("sweep", _SWEEP)
    app["startup"] = [*_hooks(app, "startup"), functools.partial(_sweep, app["queue"], every)]
    return functools.partial(_run, [work.app_path.replace(":", "."), "--verbose", *work.options])


def _hooks(app: dict[str, Any], name: str) -> list[Any]:
    own = app.get(name) or ()
    return [own] if callable(own) else list(own)


async def _sweep(queue: RedisQueue, lock: int, _: dict[str, Any]) -> None:
    await queue.sweep(lock)


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
