"""What is there, looked at over a connection that needs no loop, with arq's own deserialisers.

One sorted set is queue and schedule in one: the score says when a job is due. What is being run stays in it,
beside a key that says so and that expires.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import redis
from arq.constants import in_progress_key_prefix, job_key_prefix, result_key_prefix, retry_key_prefix
from arq.jobs import DeserializationError, deserialize_job, deserialize_result
from arq.utils import timestamp_ms

from pytest_jobqueue.job import Job, error_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

_UNKNOWN = "<unknown>"  # as arq calls a function whose job it cannot read


@dataclass(frozen=True, slots=True)
class Entry:
    """One member of a queue.

    Attributes:
        job: The job.
        is_due: Whether its time has come.
        is_running: Whether a worker has it.
        is_there: Whether its definition is; it expires.
    """

    job: Job
    is_due: bool
    is_running: bool
    is_there: bool


class Store:
    """Looks at queues.

    Args:
        url: The server.
        deserializer: The service's own, or None for arq's.
    """

    def __init__(self, url: str, deserializer: Callable[[bytes], dict[str, Any]] | None) -> None:
        self._client = redis.Redis.from_url(url)
        self._deserializer = deserializer
        self.errors: dict[str, str] = {}  # the last attempts', by job; arq keeps none until a job is finished

    def entries(self, queue: str) -> list[Entry]:
        """Everything on a queue, in the order in which a worker takes it."""
        found: Any = self._client.zrange(queue, 0, -1, withscores=True)
        return self._read(queue, [(key.decode(), score) for key, score in found])

    def entry(self, queue: str, job_id: str) -> Entry:
        """One job of a queue, or what is known of it."""
        score: Any = self._client.zscore(queue, job_id)
        return self._read(queue, [(job_id, score or 0)])[0]

    def _read(self, queue: str, scores: Sequence[tuple[str, float]]) -> list[Entry]:
        if not scores:
            return []
        prefixes = job_key_prefix, retry_key_prefix, in_progress_key_prefix
        keys = [prefix + job_id for prefix in prefixes for job_id, _ in scores]
        values: Any = self._client.mget(keys)
        count, now = len(scores), timestamp_ms()
        return [
            self._entry(queue, job_id, score, now, values[number::count])
            for number, (job_id, score) in enumerate(scores)
        ]

    def _entry(
        self, queue: str, job_id: str, score: float, now: int, values: Sequence[bytes | None]
    ) -> Entry:
        data, tries, progress = values
        due, running = score <= now, progress is not None
        due_at = None if due or running else score / 1000
        job = self._job(queue, job_id, data, int(tries or 0), due_at)
        return Entry(job, due, running, data is not None)

    def _job(self, queue: str, job_id: str, data: bytes | None, tries: int, due_at: float | None) -> Job:
        error = self.errors.get(job_id)
        try:
            found = deserialize_job(data or b"", deserializer=self._deserializer)
        except DeserializationError:
            return Job(job_id, _UNKNOWN, queue=queue, due_at=due_at, attempts=tries, error=error, raw=data)
        found.job_id = job_id
        return Job(
            job_id,
            found.function,
            tuple(found.args),
            dict(found.kwargs),
            queue,
            enqueued_at=found.enqueue_time.timestamp(),
            due_at=due_at,
            attempts=max(tries, (found.job_try or 1) - 1),
            error=error,
            raw=found,
        )

    def result(self, job_id: str) -> Job | None:
        """A finished job, as long as its result is kept."""
        data: Any = self._client.get(result_key_prefix + job_id)
        return None if data is None else self._finished(job_id, data)[1]

    def failed(self, queues: Iterable[str]) -> list[Job]:
        """Jobs whose result is a failure, oldest first."""
        keys = list(self._client.scan_iter(match=f"{result_key_prefix}*"))
        values: Any = self._client.mget(keys) if keys else []
        found = [
            self._finished(key.decode()[len(result_key_prefix) :], data)
            for key, data in zip(keys, values, strict=True)
            if data is not None
        ]
        failures = [(at, job) for at, job in found if job.error is not None and job.queue in queues]
        return [job for _, job in sorted(failures, key=lambda pair: pair[0])]

    def _finished(self, job_id: str, data: bytes) -> tuple[float, Job]:
        try:
            found = deserialize_result(data, deserializer=self._deserializer)
        except DeserializationError as unreadable:
            text = f"its result cannot be read: {error_text(unreadable.__cause__ or unreadable)}"
            return 0.0, Job(job_id, _UNKNOWN, error=text, raw=data)
        error = None
        if not found.success:
            error = error_text(found.result) if isinstance(found.result, BaseException) else str(found.result)
        job = Job(
            job_id,
            found.function,
            tuple(found.args),
            dict(found.kwargs),
            found.queue_name,
            enqueued_at=found.enqueue_time.timestamp(),
            attempts=found.job_try,
            error=error,
            raw=found,
        )
        return found.finish_time.timestamp(), job

    def close(self) -> None:
        """Close the connection."""
        self._client.close()
