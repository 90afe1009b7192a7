"""What is there, looked at over a connection that needs no loop, and read by BullMQ's own `Job.fromJSON`.

The keys and their order are those of BullMQ's Lua scripts: `wait` is taken from its right end, then
`prioritized` from its lowest score, after what is due in `delayed` was moved to one of the two.
"""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import bullmq
import redis

from pytest_jobqueue.job import Job

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pytest_jobqueue.adapters.bullmq.workers import WorkerOf

_SCORE_OF_A_MILLISECOND = 0x1000  # the scores of `delayed` have room for as many jobs in each
_OF_ONE_PRIORITY = 0x100000000  # likewise in `prioritized`
_MARKER = "0:"  # what older versions put among the waiting jobs


def read(job: bullmq.Job, queue: str, due_at: float | None = None) -> Job:
    """A job of BullMQ in our words."""
    return Job(
        str(job.id),
        job.name,
        arguments(job.data),
        queue=queue,
        enqueued_at=job.timestamp / 1000,
        due_at=due_at,
        attempts=job.attemptsMade,
        error=job.failedReason or None,
        raw=job,
    )


def arguments(data: Any) -> tuple[Any, ...]:
    """A job's data as arguments: a list is several, `{}` is none."""
    if isinstance(data, list):
        return tuple(data)
    return () if data in ({}, None) else (data,)


class Store:
    """Looks at queues.

    Args:
        url: The server.
    """

    def __init__(self, url: str) -> None:
        self._client = redis.Redis.from_url(url, decode_responses=True)

    def pending(self, worker: WorkerOf) -> list[Job]:
        """What a worker would take now, in its order; nothing while the queue is paused."""
        key = _key(worker)
        if self._client.hexists(f"{key}:meta", "paused"):
            return []
        due = [(job, score) for job, score in self._delayed(worker) if job.due_at is None]
        waiting = [name for name in self._list(f"{key}:wait") if not name.startswith(_MARKER)]
        prioritized = self._sorted(f"{key}:prioritized")
        jobs = dict(self._jobs(worker, [*waiting, *(name for name, _ in prioritized)]))
        by_priority = [(score // _OF_ONE_PRIORITY, jobs[name]) for name, score in prioritized if name in jobs]
        by_priority += [(job.raw.priority, job) for job, _ in due if job.raw.priority]
        return [
            *(jobs[name] for name in waiting if name in jobs),
            *(job for job, _ in due if not job.raw.priority),
            *(job for _, job in sorted(by_priority, key=lambda pair: pair[0])),
        ]

    def later(self, worker: WorkerOf) -> list[Job]:
        """What is not due yet, soonest first."""
        return [job for job, _ in self._delayed(worker) if job.due_at is not None]

    def _delayed(self, worker: WorkerOf) -> list[tuple[Job, float]]:
        now = int(time.time() * 1000)
        found = self._sorted(f"{_key(worker)}:delayed")
        times = {name: score // _SCORE_OF_A_MILLISECOND for name, score in found}
        due_at = {name: None if at <= now else at / 1000 for name, at in times.items()}
        jobs = dict(self._jobs(worker, [name for name, _ in found], due_at))
        return [(jobs[name], score) for name, score in found if name in jobs]

    def running(self, worker: WorkerOf) -> list[Job]:
        """What some worker has, or had when it died."""
        return [job for _, job in self._jobs(worker, self._list(f"{_key(worker)}:active"))]

    def waiting(self, worker: WorkerOf) -> list[Job]:
        """Parents that wait for their children, and everything on a paused queue."""
        key = _key(worker)
        names = [name for name, _ in self._sorted(f"{key}:waiting-children")]
        names += self._list(f"{key}:paused")
        if self._client.hexists(f"{key}:meta", "paused"):
            names += self._list(f"{key}:wait") + [name for name, _ in self._sorted(f"{key}:prioritized")]
        return [job for _, job in self._jobs(worker, names)]

    def failed(self, worker: WorkerOf) -> list[Job]:
        """What failed for good and is kept, oldest first."""
        names = [name for name, _ in self._sorted(f"{_key(worker)}:failed")]
        return [job for _, job in self._jobs(worker, names)]

    def job(self, prefix: str, queue: str, job_id: str) -> Job | None:
        """One job, wherever it is."""
        data: Any = self._client.hgetall(f"{prefix}:{queue}:{job_id}")
        return read(_from_json(prefix, queue, data, job_id), queue) if data else None

    def _list(self, key: str) -> list[str]:
        found: Any = self._client.lrange(key, 0, -1)
        return list(reversed(found))

    def _sorted(self, key: str) -> list[tuple[str, float]]:
        found: Any = self._client.zrange(key, 0, -1, withscores=True)
        return [(name, score) for name, score in found]

    def _jobs(
        self, worker: WorkerOf, names: Iterable[str], due_at: dict[str, float | None] | None = None
    ) -> list[tuple[str, Job]]:
        names = list(names)
        if not names:
            return []
        pipe = self._client.pipeline(transaction=False)
        for name in names:
            pipe.hgetall(f"{_key(worker)}:{name}")
        return [
            (
                name,
                read(
                    _from_json(worker.prefix, worker.queue, data, name),
                    worker.queue,
                    (due_at or {}).get(name),
                ),
            )
            for name, data in zip(names, pipe.execute(), strict=True)
            if data
        ]

    def close(self) -> None:
        """Close the connection."""
        self._client.close()


def _key(worker: WorkerOf) -> str:
    return f"{worker.prefix}:{worker.queue}"


def _from_json(prefix: str, queue: str, data: Any, job_id: str) -> bullmq.Job:
    # A job that is only looked at: what it would do with its queue needs a connection in a loop.
    owner = SimpleNamespace(backend=None, qualifiedName=f"{prefix}:{queue}", opts={}, prefix=prefix)
    return bullmq.Job.fromJSON(owner, data, job_id)
