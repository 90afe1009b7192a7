"""The producer: puts jobs on queues as production does, and records them.

It adds nothing to what the adapter's library does but names that are the same for all libraries.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from pytest_jobqueue.adapters import Binding
from pytest_jobqueue.errors import UsageError
from pytest_jobqueue.job import Call, Job
from pytest_jobqueue.journal import Enqueued, Journal

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
        self, binding: Binding, journal: Journal, *, queue: str | None = None, options: Mapping[str, Any] | None = None
    ) -> None:
        self._binding = binding
        self._journal = journal
        self._queue = queue
        self._options = dict(options or {})

    def set(self, *, queue: str | None = None, **options: Any) -> Producer:
        """A producer with these options: those of the job library, by its own names (`retry=3`)."""
        return Producer(
            self._binding, self._journal, queue=queue or self._queue, options={**self._options, **options}
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
        return self._put(Call(name, args, kwargs, queue or self._queue, None, self._options))

    def enqueue_in(
        self, delay: float | timedelta, name: str, /, *args: Any, queue: str | None = None, **kwargs: Any
    ) -> Job:
        """Put one job on a queue, due after `delay` (seconds, or a timedelta)."""
        seconds = delay.total_seconds() if isinstance(delay, timedelta) else delay
        return self._put(Call(name, args, kwargs, queue or self._queue, time.time() + seconds, self._options))

    def enqueue_at(
        self, when: float | datetime, name: str, /, *args: Any, queue: str | None = None, **kwargs: Any
    ) -> Job:
        """Put one job on a queue, due at `when` (seconds since the epoch, or an aware datetime).

        Raises:
            UsageError: The datetime has no time zone.
        """
        if isinstance(when, datetime):
            if when.tzinfo is None:
                raise UsageError(
                    f"{when!r} has no time zone, so it names no moment; use e.g. datetime.now(timezone.utc)"
                )
            when = when.timestamp()
        return self._put(Call(name, args, kwargs, queue or self._queue, when, self._options))

    def enqueue_many(self, name: str, /, arguments: Iterable[Arguments], *, queue: str | None = None) -> list[Job]:
        """Put one job on a queue for each group of arguments, in one round trip where the library can.

        Nothing is sent if any of them cannot be.
        """
        calls = [Call(name, tuple(group), {}, queue or self._queue, None, self._options) for group in arguments]
        jobs = self._binding.enqueue_many(calls)
        for job in jobs:
            self._journal.append(Enqueued(job))
        return jobs

    def _put(self, call: Call) -> Job:
        job = self._binding.enqueue(call)
        self._journal.append(Enqueued(job))
        return job
