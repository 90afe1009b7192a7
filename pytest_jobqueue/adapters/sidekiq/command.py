"""A worker process for handlers: takes jobs in the dialect's way until SIGTERM or SIGINT.

There is no such command in Python, so this is one. It runs one job at a time. When told to stop it finishes
the job in its hands; whoever told it decides how long that may take.
"""

from __future__ import annotations

import contextlib
import functools
import signal
import threading
import time
from itertools import count
from typing import TYPE_CHECKING, Any

from redis.exceptions import RedisError

from pytest_jobqueue.adapters.sidekiq import bind
from pytest_jobqueue.adapters.sidekiq.link import Link
from pytest_jobqueue.errors import PoisonJobError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_jobqueue.adapters import Work

_LOOK_EVERY = 1  # seconds between two looks at what is due; as long does a fetch wait
_BEAT_EVERY = 5.0


def command(app: Any, work: Work) -> Callable[[], object]:
    """Ready the process; what is returned works until a signal comes.

    Raises:
        UsageError: There are options; this worker has none.
    """
    if work.options:
        raise UsageError(f"the worker for handlers has no options, and these were given: {work.options!r}")
    return functools.partial(_work, app, work)


def _work(app: Any, work: Work) -> None:
    stop = threading.Event()
    binding = bind(app, work.url, work.settings)
    waiting = binding.client_id()

    def end(*_: object) -> None:
        stop.set()
        with contextlib.suppress(RedisError):  # it would end a moment later by itself
            Link(work.url).call("CLIENT", "UNBLOCK", waiting)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)
    keys = count()
    beaten = 0.0
    binding.recover()
    try:
        while not stop.is_set():
            if time.monotonic() - beaten > _BEAT_EVERY:
                beaten = time.monotonic()
                binding.beat()
            taken = binding.take(wait=_LOOK_EVERY)
            if taken is None:
                _tick(binding)
                continue
            key, job = str(next(keys)), binding.job(taken)
            work.telling.began(key, job)
            outcome = binding.run_taken(taken)
            if outcome.exception is not None and not work.telling.is_heard:
                print(f"{outcome}", flush=True)  # noqa: T201 (the log of this process)
            work.telling.ended(key, outcome)
    finally:
        binding.close()


def _tick(binding: Any) -> None:
    try:
        binding.tick()
    except PoisonJobError as error:
        print(f"{error}", flush=True)  # noqa: T201 (the log of this process)
