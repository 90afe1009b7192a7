"""What can be done with one job by hand; arq has commands for some of it, and transactions like its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from arq.constants import in_progress_key_prefix, job_key_prefix, result_key_prefix, retry_key_prefix
from arq.jobs import JobResult
from arq.utils import timestamp_ms
from redis.exceptions import WatchError

from pytest_jobqueue.errors import UsageError

if TYPE_CHECKING:
    from arq.connections import ArqRedis

    from pytest_jobqueue.job import Job


async def requeue(pool: ArqRedis, job: Job) -> bool:
    """Make a job due, or enqueue a failed one again under its id; False when it is neither.

    Raises:
        UsageError: It failed, and what it was called with cannot be read.
    """
    # Only lower: of a job that is due, or that a worker has, the time is over.
    if await pool.zadd(job.queue, {job.id: timestamp_ms()}, xx=True, lt=True, ch=True):
        return True
    if not await pool.exists(result_key_prefix + job.id) or not _is_failure(job):
        return False
    if not isinstance(job.raw, JobResult):
        raise UsageError(f"{job} cannot be requeued, only discarded: arq cannot read its result")
    if not await pool.delete(result_key_prefix + job.id):
        return False
    made: Any = await pool.enqueue_job(
        job.raw.function, *job.raw.args, _job_id=job.id, _queue_name=job.queue, **job.raw.kwargs
    )
    return made is not None


async def discard(pool: ArqRedis, job: Job) -> bool:
    """Remove a job that no worker has, or the result of one that failed; False when it is neither."""
    if _is_failure(job):
        return bool(await pool.delete(result_key_prefix + job.id))
    in_progress = in_progress_key_prefix + job.id
    async with pool.pipeline(transaction=True) as pipe:
        await pipe.watch(in_progress)  # by which a worker says that it has it
        if await pipe.exists(in_progress):
            return False
        pipe.multi()
        pipe.zrem(job.queue, job.id)
        pipe.delete(job_key_prefix + job.id, retry_key_prefix + job.id)
        try:
            removed, _ = await pipe.execute()
        except WatchError:
            return False
    return bool(removed)


def _is_failure(job: Job) -> bool:
    """Whether it was listed as a result; one that cannot be read counts as failed."""
    if isinstance(job.raw, JobResult):
        return not job.raw.success
    return isinstance(job.raw, bytes) and job.error is not None
