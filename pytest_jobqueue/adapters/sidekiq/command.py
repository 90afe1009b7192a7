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

from redis.exceptions import ConnectionError, RedisError  # noqa: A004 (redis-py's name for it)

from pytest_jobqueue.adapters.sidekiq import bind
from pytest_jobqueue.adapters.sidekiq.link import Link
from pytest_jobqueue.errors import PoisonJobError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_jobqueue.adapters import Work

_LOOK_EVERY = 1  # seconds between two looks at what is due; as long does a fetch wait
_BEAT_EVERY = 5.0
_PAUSE = 1  # seconds until a lost connection is made anew, as in go-workers2


def command(app: Any, work: Work) -> Callable[[], object]:
    """Ready the process; what is returned works until a signal comes.

    Raises:
        UsageError: There are options; this worker has none.
    """
    if work.options:
        raise UsageError(f"the worker for handlers has no options, and these were given: {work.options!r}")
    return functools.partial(_work, app, work)


def _work(app: Any, work: Work) -> None:
    loop = _Loop(bind(app, work.url, work.settings), work)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, loop.end)
    try:
        loop.run()
    finally:
        loop.binding.close()


class _Loop:
    """Takes job after job, over a new connection when one is lost.

    The job that was being put away then stays with this worker's jobs in progress until its next start, as
    go-workers2 leaves it.
    """

    def __init__(self, binding: Any, work: Work) -> None:
        self.binding = binding
        self._url = work.url
        self._tell = work.telling
        self._stop = threading.Event()
        self._keys = map(str, count())
        self._waiting = 0
        self._beaten = 0.0

    def end(self, *_: object) -> None:
        """Handle a signal: take no more."""
        self._stop.set()
        with contextlib.suppress(RedisError):  # it would end a moment later by itself
            Link(self._url).call("CLIENT", "UNBLOCK", self._waiting)

    def run(self) -> None:
        """Work until the end is asked for."""
        self._waiting = self.binding.client_id()
        self.binding.recover()
        while not self._stop.is_set():
            self._turn()

    def _turn(self) -> None:
        try:
            self._next()
            self._waiting = self._waiting or self.binding.client_id()
        except ConnectionError as error:
            self._waiting = 0
            _log(f"{error}; the worker tries again in {_PAUSE} s")
            self._stop.wait(_PAUSE)

    def _next(self) -> None:
        if time.monotonic() - self._beaten > _BEAT_EVERY:
            self._beaten = time.monotonic()
            self.binding.beat()
        taken = self.binding.take(wait=_LOOK_EVERY)
        if taken is None:
            self._tick()
            return
        key, job = next(self._keys), self.binding.job(taken)
        self._tell.began(key, job)
        outcome = None
        try:
            outcome = self.binding.run_taken(taken)
            if outcome.exception is not None and not self._tell.is_heard:
                _log(f"{outcome}")
        finally:
            self._tell.ended(key, outcome)

    def _tick(self) -> None:
        try:
            self.binding.tick()
        except PoisonJobError as error:
            _log(f"{error}")


def _log(text: str) -> None:
    print(text, flush=True)  # noqa: T201 (the log of this process)
