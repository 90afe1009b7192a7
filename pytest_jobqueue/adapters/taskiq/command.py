"""Taskiq's own worker command on the application: `taskiq worker module:broker`, by default with one process.

The broker is led to the Redis before Taskiq forks its processes; what it spawns is led by `work`. What is
told begins where a message comes from the broker (`listen`), before the next is fetched, and ends with the
receiver's `callback`, which Taskiq does not document.
"""

from __future__ import annotations

import functools
import os
import sys
from contextvars import ContextVar
from itertools import count
from typing import TYPE_CHECKING, Any

from taskiq import TaskiqMiddleware
from taskiq.cli.worker.cmd import WorkerCMD
from taskiq.receiver import Receiver

from pytest_jobqueue.adapters.taskiq.messages import Messages
from pytest_jobqueue.adapters.taskiq.place import Place
from pytest_jobqueue.adapters.taskiq.run import Here, Recorder, outcome_of, why_not

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from pytest_jobqueue.adapters import Work
    from pytest_jobqueue.job import Job

_RUN: ContextVar[tuple[Job, Recorder] | None] = ContextVar("_RUN", default=None)


def command(app: Any, work: Work) -> Callable[[], object]:
    """Ready the process; what is returned runs `taskiq worker`.

    Raises:
        UsageError: The broker cannot be led to the Redis.
    """
    place = Place(app, work.url)
    _Told(place, work).stand_around()
    path = work.app_path + (".broker" if place.broker is not app else "")
    words = [path, "--workers", "1", *work.options]
    return functools.partial(_run, words)


def _run(words: list[str]) -> None:
    sys.exit(WorkerCMD().exec(words))


class _Told(TaskiqMiddleware):  # type: ignore[misc, unused-ignore]
    """Tells of each message, whichever of several runs at a time it belongs to."""

    def __init__(self, place: Place, work: Work) -> None:
        super().__init__()
        self._place = place
        self._tell = work.telling
        self._messages = Messages(place.broker)
        self._taken: dict[bytes, list[str]] = {}
        self._keys = count()

    def stand_around(self) -> None:
        """Replace what Taskiq's worker calls by itself and what is told of it."""
        broker = self._place.broker
        broker.add_middlewares(self)
        broker.listen = functools.partial(self._listening, broker.listen)
        self._place.sent = self._sent
        self._place.unsaved = self._unsaved
        callback = Receiver.callback

        async def told(receiver: Any, message: Any, *args: Any, **kwargs: Any) -> None:
            await self._called_back(functools.partial(callback, receiver, message, *args, **kwargs), message)

        Receiver.callback = told

    async def _listening(self, listen: Callable[[], AsyncIterator[Any]]) -> AsyncIterator[Any]:
        async for message in listen():
            data = _data(message)
            key = f"{os.getpid()}-{next(self._keys)}"
            self._taken.setdefault(data, []).append(key)
            self._tell.began(key, self._job(data))
            yield message

    def _job(self, data: bytes) -> Job:
        return self._messages.job(data, str(self._place.broker.queue_name))

    async def _called_back(self, callback: Callable[[], Awaitable[None]], message: Any) -> None:
        data = _data(message)
        key = self._taken[data].pop(0) if self._taken.get(data) else ""
        job, seen, escaped = self._job(data), Recorder(Here()), None
        token = _RUN.set((job, seen))
        try:
            await callback()
        except BaseException as error:
            escaped = error
            raise
        finally:
            _RUN.reset(token)
            reason = why_not(self._place.broker, job)
            acks = not isinstance(message, bytes)
            self._tell.ended(key, outcome_of(job, seen, escaped, acks=acks, why_not=reason))
            if not self._taken.get(data):
                self._taken.pop(data, None)

    def _sent(self, message: Any) -> None:
        run = _RUN.get()
        if run is not None and message.task_id == run[0].id:
            run[1].sent_again = True

    def _unsaved(self, error: BaseException) -> None:
        run = _RUN.get()
        if run is not None:
            run[1].unsaved = error

    def pre_execute(self, message: Any) -> Any:
        """The task is about to run."""
        run = _RUN.get()
        return message if run is None else run[1].pre_execute(message)

    def on_error(self, message: Any, result: Any, exception: BaseException) -> None:
        """It, or what it depends on, raised."""
        run = _RUN.get()
        if run is not None:
            run[1].on_error(message, result, exception)

    def post_execute(self, message: Any, result: Any) -> None:
        """It is over."""
        run = _RUN.get()
        if run is not None:
            run[1].post_execute(message, result)


def _data(message: Any) -> bytes:
    data: bytes = getattr(message, "data", message)
    return data
