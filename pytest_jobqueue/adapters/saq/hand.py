"""What can be done with one job by hand. SAQ can abort a job, which keeps it; and retry it, after a delay."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_jobqueue.adapters.saq.store import FAILED

if TYPE_CHECKING:
    from saq.queue.redis import RedisQueue

# As SAQ's scheduler does with a job that is due. What is in a list may have a time as well.
_MAKE_READY = (
    "if tonumber(redis.call('ZSCORE', KEYS[1], ARGV[1]) or 0) < 1 then return 0 end "
    "for _, key in ipairs({KEYS[2], KEYS[3]}) do "
    "  for _, id in ipairs(redis.call('LRANGE', key, 0, -1)) do if id == ARGV[1] then return 0 end end "
    "end "
    "redis.call('ZADD', KEYS[1], 0, ARGV[1]) "
    "return redis.call('RPUSH', KEYS[2], ARGV[1])"
)
# A job that was in neither is over; the caller says whether it failed.
_REMOVE = (
    "for _, id in ipairs(redis.call('LRANGE', KEYS[3], 0, -1)) do if id == ARGV[1] then return 0 end end "
    "local there = redis.call('LREM', KEYS[2], 0, ARGV[1]) + redis.call('ZREM', KEYS[1], ARGV[1]) "
    "if there == 0 and ARGV[2] == '0' then return 0 end "
    "return redis.call('DEL', ARGV[1]) + there"
)


async def requeue(queue: RedisQueue, key: str) -> bool:
    """Make a job ready that waits for its time, or enqueue one that failed; False when it is neither."""
    job_id = queue.job_id(key)
    if await queue.redis.eval(_MAKE_READY, 3, *_keys(queue), job_id):
        return True
    found = await queue.job(key)
    if found is None or found.status not in FAILED:
        return False
    # SAQ enqueues none whose key is taken.
    again = await queue.enqueue(found, scheduled=0, completed=0, started=0, progress=0.0, error=None)
    return again is not None


async def discard(queue: RedisQueue, key: str) -> bool:
    """Remove a job that no worker has, or one that failed; False when it is neither."""
    job_id = queue.job_id(key)
    found = await queue.job(key)
    failed = found is not None and found.status in FAILED
    return bool(await queue.redis.eval(_REMOVE, 3, *_keys(queue), job_id, int(failed)))


def _keys(queue: RedisQueue) -> list[str]:
    return [queue.namespace(name) for name in ("incomplete", "queued", "active")]
