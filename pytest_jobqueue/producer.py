"""The producer: puts jobs on queues as production does, and records them.

It adds nothing to what the adapter's library does but names that are the same for all libraries.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from pytest_jobqueue.errors import UsageError
from pytest_jobqueue.job import Call, Job
from pytest_jobqueue.journal import Enqueued, Journal

if TYPE_CHECKING:
    from pytest_jobqueue.adapters import Binding

Arguments = Iterable[Any]


class Producer:
    """Enqueues jobs by name.

    ```python
    producer.enqueue("Add", 2, 3)
    producer.enqueue_in(60, "Add", 2, 3, queue="slow")
    producer.set(retry=3).enqueue("Add", 2, 3)
    producer.enqueue_many("Add", [(1, 2), (3, 4)])
    ```
    """

    def __init__(
        self,
        binding: Binding,
        journal: Journal,
        *,
        queue: str | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> None:
        self._binding = binding
        self._journal = journal
        self._queue = queue
        self._options = dict(options or {})

    def set(self, *, queue: str | None = None, **options: Any) -> Producer:
        """A producer with these options: those of the job library, by its own names (`retry=3`)."""
        return Producer(
            self._binding,
            self._journal,
            queue=self._queue if queue is None else queue,
            options={**self._options, **options},
        )

    def enqueue(self, name: str, /, *args: Any, queue: str | None = None, **kwargs: Any) -> Job:
        """Put one job on a queue.

        Args:
            name: Which job: a Sidekiq class, a task's name, an import path, as the library has it.
            *args: Its arguments.
            queue: The queue, by default the producer's or the library's.
            **kwargs: Its keyword arguments, where the format has them.

        Raises:
            TypeError: An argument does not survive the library's serialiser; the message names its place.
        """
        return self._put(self._call(name, args, kwargs, queue, None))

    def enqueue_in(
        self, delay: float | timedelta, name: str, /, *args: Any, queue: str | None = None, **kwargs: Any
    ) -> Job:
        """Put one job on a queue, due after `delay` (seconds, or a timedelta)."""
        return self._put(self._call(name, args, kwargs, queue, time.time() + _seconds(delay)))

    def enqueue_at(
        self, when: float | datetime, name: str, /, *args: Any, queue: str | None = None, **kwargs: Any
    ) -> Job:
        """Put one job on a queue, due at `when` (seconds since the epoch, or an aware datetime).

        Raises:
            UsageError: The datetime has no time zone.
        """
        return self._put(self._call(name, args, kwargs, queue, _moment(when)))

    def enqueue_many(
        self, name: str, /, arguments: Iterable[Arguments], *, queue: str | None = None
    ) -> list[Job]:
        """Put one job on a queue for each group of arguments, in one round trip where the library can.

        Nothing is sent if any of them cannot be.

        Raises:
            TypeError: A group is a single value; one argument is written `(value,)`.
        """
        calls = [self._call(name, _group(name, group), {}, queue, None) for group in arguments]
        jobs = self._binding.enqueue_many(calls)
        for job in jobs:
            self._journal.append(Enqueued(job))
        return jobs

    async def aenqueue(self, name: str, /, *args: Any, queue: str | None = None, **kwargs: Any) -> Job:
        """`enqueue` inside a running event loop, where the job library is an asynchronous one."""
        return await self._aput(self._call(name, args, kwargs, queue, None))

    async def aenqueue_in(
        self, delay: float | timedelta, name: str, /, *args: Any, queue: str | None = None, **kwargs: Any
    ) -> Job:
        """`enqueue_in` inside a running event loop."""
        return await self._aput(self._call(name, args, kwargs, queue, time.time() + _seconds(delay)))

    async def aenqueue_at(
        self, when: float | datetime, name: str, /, *args: Any, queue: str | None = None, **kwargs: Any
    ) -> Job:
        """`enqueue_at` inside a running event loop."""
        return await self._aput(self._call(name, args, kwargs, queue, _moment(when)))

    async def aenqueue_many(
        self, name: str, /, arguments: Iterable[Arguments], *, queue: str | None = None
    ) -> list[Job]:
        """`enqueue_many` inside a running event loop."""
        calls = [self._call(name, _group(name, group), {}, queue, None) for group in arguments]
        twin = await self._twin_here()
        jobs = self._binding.enqueue_many(calls) if twin is None else await twin.enqueue_many(calls)
        for job in jobs:
            self._journal.append(Enqueued(job))
        return jobs

    def _call(
        self,
        name: str,
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
        queue: str | None,
        at: float | None,
    ) -> Call:
        return Call(name, args, kwargs, self._queue if queue is None else queue, at, self._options)

    async def _twin_here(self) -> Any:
        """The asynchronous side of the binding, if it has one, told that it is used in the running loop."""
        enter = getattr(self._binding, "enter", None)
        if enter is not None:
            await enter()
        return getattr(self._binding, "twin", None)

    async def _aput(self, call: Call) -> Job:
        twin = await self._twin_here()
        if twin is None:
            return self._put(call)
        job: Job = await twin.enqueue(call)
        self._journal.append(Enqueued(job))
        return job

    def _put(self, call: Call) -> Job:
        job = self._binding.enqueue(call)
        self._journal.append(Enqueued(job))
        return job


def _seconds(delay: float | timedelta) -> float:
    return delay.total_seconds() if isinstance(delay, timedelta) else delay


def _moment(when: float | datetime) -> float:
    if not isinstance(when, datetime):
        return when
    if when.tzinfo is None:
        raise UsageError(
            f"{when!r} has no time zone, so it names no moment; use e.g. datetime.now(timezone.utc)"
        )
    return when.timestamp()


def _group(name: str, group: Arguments) -> tuple[Any, ...]:
    if isinstance(group, (str, bytes, Mapping)) or not isinstance(group, Iterable):
        raise TypeError(
            f"enqueue_many({name!r}, …) takes a group of arguments for each job, and {group!r} is a single "
            f"value; write it as ({group!r},)"
        )
    return tuple(group)
