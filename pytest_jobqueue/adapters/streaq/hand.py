"""What can be done with one job by hand. Of a job that is for later, streaQ itself can be told to abort it.

So what is discarded is first made one that is for later; then what depends on it fails as streaQ has it. Not
documented by streaQ: `_results_set`, `_retry_key`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from streaq.constants import REDIS_GROUP
from streaq.utils import now_ms

from pytest_jobqueue.adapters.streams import REMOVE

if TYPE_CHECKING:
    from streaq import Worker

    from pytest_jobqueue.adapters.streaq.store import Store

_NEVER = 1 << 52  # milliseconds since the epoch

# As streaQ's scheduler does with a job that is due.
_MAKE_READY = (
    "if redis.call('ZREM', KEYS[1], ARGV[1]) == 0 then return 0 end "
    "redis.call('XADD', KEYS[2], '*', 'task_id', ARGV[1], 'enqueue_time', ARGV[2]) "
    "return 1"
)
_WAIT_NO_MORE = (
    "local others = redis.call('SMEMBERS', KEYS[1]) "
    "for _, other in ipairs(others) do redis.call('SREM', ARGV[2] .. other, ARGV[1]) end "
    "return redis.call('DEL', KEYS[1])"
)


class Hand:
    """Looks after the jobs of one worker.

    Args:
        worker: One that is at work in the running loop.
        store: What is there.
    """

    def __init__(self, worker: Worker[Any], store: Store) -> None:
        self._worker: Any = worker
        self._store = store

    async def make_ready(self, task_id: str) -> bool:
        """Give a job for later to its stream; False when it is not for later."""
        worker = self._worker
        for priority in worker.priorities:
            keys = [worker.queue_key + priority, worker.stream_key + priority]
            if await worker.redis.eval(_MAKE_READY, keys, [task_id, now_ms()]):
                return True
        return False

    async def remove(self, task_id: str) -> bool:
        """Delete a job that is not over and that nobody has; False when it is no such job."""
        worker = self._worker
        later = [await worker.redis.zscore(worker.queue_key + name, task_id) for name in worker.priorities]
        if not any(score is not None for score in later):
            if not (await self._leave_stream(task_id) or await self._wait_no_more(task_id)):
                return False
            await worker.redis.zadd(worker.queue_key + worker.priorities[0], {task_id: _NEVER})
        removed: bool = await worker.abort_by_id(task_id, timeout=0)
        if removed:
            await worker.redis.delete([worker._retry_key + task_id])  # noqa: SLF001 (see the head)
        return removed

    async def forget(self, task_id: str) -> bool:
        """Delete the result of a job; False when there is none."""
        worker = self._worker
        if not await worker.redis.delete([worker.results_key + task_id]):
            return False
        await worker.redis.zrem(worker._results_set, [task_id])  # noqa: SLF001
        return True

    async def _leave_stream(self, task_id: str) -> bool:
        idle = self._worker.idle_timeout
        for stream, entry in self._store.entries(task_id):
            if await self._worker.redis.eval(REMOVE, [stream], [REDIS_GROUP, entry, idle]):
                return True
        return False

    async def _wait_no_more(self, task_id: str) -> bool:
        worker = self._worker
        keys, args = [worker.dependencies_key + task_id], [task_id, worker.dependents_key]
        return bool(await worker.redis.eval(_WAIT_NO_MORE, keys, args))
