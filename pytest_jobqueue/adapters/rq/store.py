"""Looking at what lies in Redis: queues and registries, as jobs. Nothing here writes.

RQ's registries clean themselves when they are asked for their jobs, which is maintenance behind the test's
back; so their keys are read, and RQ's own classes only turn what is there into jobs.
"""

from __future__ import annotations

from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from rq.intermediate_queue import IntermediateQueue
from rq.job import JobStatus
from rq.registry import DeferredJobRegistry, FailedJobRegistry, ScheduledJobRegistry, StartedJobRegistry
from rq.results import Result

from pytest_jobqueue.adapters.rq.place import error_on_the_job
from pytest_jobqueue.job import Job

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

try:
    from rq.rate_limit import RateLimitRegistry
except ImportError:  # before RQ 3.0
    RateLimitRegistry = None


class Store:
    """The read side of some queues.

    Args:
        connection: A client.
        like: A queue of the application, whose classes and serializer are used.
    """

    def __init__(self, connection: Any, like: Any) -> None:
        self.connection = connection
        self._like = like
        self._runs: dict[str, tuple[int, str | None]] = {}

    def ran(self, job_id: str, error: str | None) -> None:
        """Remember one more run of a job, and how it ended: RQ keeps neither for a job that it retries."""
        self._runs[job_id] = (self._runs.get(job_id, (0, None))[0] + 1, error)

    # Queues and registries

    def pending(self, names: Iterable[str]) -> list[Job]:
        """The jobs on the queues, in the order that a worker takes them."""
        keys = [self._queue(name).key for name in names]
        return self._jobs(entry for found in self._lists(keys) for entry in found)

    def delayed(self, names: Iterable[str]) -> list[Job]:
        """The jobs that the scheduler is to enqueue, soonest first."""
        found = self._registered(ScheduledJobRegistry, names)
        found.sort(key=lambda entry: entry[1])
        due = dict(found)
        return self._jobs((job_id for job_id, _ in found), due)

    def running(self, names: Iterable[str]) -> list[Job]:
        """The jobs that a worker started, or took and has not started yet."""
        names = list(names)
        started = [entry.rpartition(":")[0] for entry, _ in self._registered(StartedJobRegistry, names)]
        keys = [IntermediateQueue.get_intermediate_queue_key(self._queue(name).key) for name in names]
        taken = [entry for found in self._lists(keys) for entry in found]
        return self._jobs(dict.fromkeys([*started, *taken]))

    def waiting(self, names: Iterable[str]) -> list[Job]:
        """The jobs that wait for others: as their dependents, or for one to make room under a rate limit."""
        names = list(names)
        ids = [job_id for job_id, _ in self._registered(DeferredJobRegistry, names)]
        if RateLimitRegistry is not None:
            limits = RateLimitRegistry.all(self.connection)
            ids += [job_id for limit in limits for job_id in limit.get_rate_limited_job_ids()]
        return [job for job in self._jobs(dict.fromkeys(ids)) if job.queue in names]

    def failed(self, names: Iterable[str]) -> list[Job]:
        """The jobs that failed for good, in the order in which they will be forgotten."""
        return self._jobs(job_id for job_id, _ in self._registered(FailedJobRegistry, names))

    def count_scheduled(self, names: Iterable[str]) -> int:
        """How many jobs the scheduler is to enqueue."""
        with self.connection.pipeline(transaction=False) as pipeline:
            for name in names:
                pipeline.zcard(self._key(ScheduledJobRegistry, name))
            return sum(pipeline.execute())

    def next_due(self, names: Iterable[str]) -> float | None:
        """When the scheduler is to enqueue the next one."""
        found = self._registered(ScheduledJobRegistry, names, last=0)
        return min((score for _, score in found), default=None)

    # Reading

    def _queue(self, name: str) -> Any:
        return type(self._like)(name, connection=self.connection)

    def _key(self, registry: Any, name: str) -> Any:
        return registry(name, connection=self.connection).key

    def _lists(self, keys: Sequence[str]) -> list[list[str]]:
        with self.connection.pipeline(transaction=False) as pipeline:
            for key in keys:
                pipeline.lrange(key, 0, -1)
            return [[entry.decode() for entry in found] for found in pipeline.execute()]

    def _registered(self, registry: Any, names: Iterable[str], last: int = -1) -> list[tuple[str, float]]:
        with self.connection.pipeline(transaction=False) as pipeline:
            for name in names:
                pipeline.zrange(self._key(registry, name), 0, last, withscores=True)
            replies = pipeline.execute()
        return [(entry.decode(), float(score)) for found in replies for entry, score in found]

    def _jobs(self, ids: Iterable[str], due: dict[str, float] | None = None) -> list[Job]:
        """The jobs with these ids; those whose data has expired are left out, as RQ does."""
        ids = list(ids)
        if not ids:
            return []
        found = self._like.job_class.fetch_many(
            ids, connection=self.connection, serializer=self._like.serializer
        )
        return [self.job(raw, (due or {}).get(raw.id)) for raw in found if raw is not None]

    # Jobs

    def job(self, raw: Any, due_at: float | None = None) -> Job:
        """RQ's job as ours."""
        name, args, kwargs = _call(raw)
        runs: int | None = 0
        error = None
        if raw.started_at is not None:
            runs, error = self._runs.get(raw.id) or (raw_retries(raw), None)
        return Job(
            id=raw.id,
            name=name,
            args=args,
            kwargs=kwargs,
            queue=raw.origin,
            enqueued_at=_seconds(raw.enqueued_at or raw.created_at),
            due_at=due_at,
            attempts=runs,
            error=error or _failure(raw),
            raw=raw,
        )

    def is_retry(self, job: Job) -> bool:
        """Whether a delayed job failed before; one that is repeated ran well."""
        raw = job.raw
        if raw.started_at is None:
            return False
        if getattr(raw, "repeats_left", None) is None:
            return True
        if raw.retries_left is None and not raw_retries(raw):
            return False
        latest = raw.latest_result()
        return latest is None or latest.type != Result.Type.SUCCESSFUL


def raw_retries(raw: Any) -> int | None:
    """How often a job asked to be retried; None where RQ does not say."""
    retries: int | None = getattr(raw, "number_of_retries", None)
    return retries


def _call(raw: Any) -> tuple[str, tuple[Any, ...], dict[str, Any]]:
    try:
        name = raw.func_name
        if raw.instance is not None:
            kind = type(raw.instance)
            name = f"{kind.__module__}.{kind.__qualname__}.{name}"
        return name, tuple(raw.args), dict(raw.kwargs)
    except Exception:  # noqa: BLE001 (what cannot be read is shown by what RQ wrote beside it)
        return raw.description or "?", (), {}


def _seconds(moment: datetime | None) -> float | None:
    if moment is None:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)).timestamp()


def _failure(raw: Any) -> str | None:
    """What a failed job failed for, as RQ recorded it."""
    if raw.get_status(refresh=False) != JobStatus.FAILED:
        return None
    latest = raw.latest_result()
    return _last_line(error_on_the_job(raw) if latest is None else latest.exc_string)


def _last_line(text: str | None) -> str | None:
    """What a traceback says at its end: the exception's type and message."""
    lines = (text or "").rstrip().splitlines()
    frames = [number for number, line in enumerate(lines) if line.startswith("  ")]
    return "\n".join(lines[frames[-1] + 1 :] if frames else lines) or None
