"""One certain message made ready or taken away; Celery itself has no command for either.

A message is taken by its very bytes: who removes them from their list has it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kombu.utils.encoding import bytes_to_str
from kombu.utils.json import dumps, loads

from pytest_jobqueue.adapters.gone import held_by_a_worker
from pytest_jobqueue.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pytest_jobqueue.adapters.celery.store import Found, Store
    from pytest_jobqueue.job import Job

# In one step, so that the message is always in one place.
_REPLACE = (
    "if redis.call('LREM', KEYS[1], -1, ARGV[1]) == 0 then return 0 end "
    "return redis.call('LPUSH', KEYS[1], ARGV[2])"
)


def requeue(store: Store, job: Job) -> bool:
    """Publish a message for later again, without its `eta`; False when it is not there.

    Raises:
        UsageError: A worker holds it, or it is of the old protocol.
    """
    for found in _these(store.later(_queues(store, job)), job):
        payload = loads(bytes_to_str(found.raw))
        if "eta" not in payload["headers"]:
            raise UsageError(
                f"{job} cannot be requeued: with task_protocol 1 its time is in the encoded body; "
                "discard it and send it again, or use protocol 2"
            )
        payload["headers"]["eta"] = None
        if store.client.eval(_REPLACE, 1, found.key, found.raw, dumps(payload)):
            return True
    if any(_these(store.unacknowledged(), job)):
        raise held_by_a_worker(job)
    return False


def discard(store: Store, job: Job) -> bool:
    """Remove a message from its list; False when it is not there."""
    queues = _queues(store, job)
    there = _these([*store.ready(queues), *store.later(queues)], job)
    return any(store.client.lrem(found.key, -1, found.raw) for found in there)


def _queues(store: Store, job: Job) -> list[str]:
    return list(dict.fromkeys([job.queue, *store.queues()]))


def _these(among: Iterable[Found], job: Job) -> Iterator[Found]:
    return (
        found
        for found in among
        if (str(found.fields.get("id") or "") == job.id if job.id else found.raw == job.raw)
    )
