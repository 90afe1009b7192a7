"""What RQ's dashboards let a person do with one job. Who removes it from its list or registry has it."""

from __future__ import annotations

from typing import Any

from rq.exceptions import InvalidJobOperation, NoSuchJobError
from rq.registry import DeferredJobRegistry, FailedJobRegistry, ScheduledJobRegistry


def requeue(queue: Any, job_id: str) -> bool:
    """Enqueue a job that is scheduled, is to be retried or failed; False when it is none of these."""
    try:
        raw = queue.job_class.fetch(job_id, connection=queue.connection, serializer=queue.serializer)
    except NoSuchJobError:
        return False
    if _registry(ScheduledJobRegistry, queue).remove(raw):
        queue.enqueue_job(raw, at_front=bool(raw.enqueue_at_front))
        return True
    try:
        _registry(FailedJobRegistry, queue).requeue(raw)
    except InvalidJobOperation:
        return False
    return True


def discard(queue: Any, raw: Any) -> bool:
    """Delete a job that nobody has started; False when somebody has."""
    kinds = ScheduledJobRegistry, DeferredJobRegistry, FailedJobRegistry
    if not (
        queue.remove(raw)
        or any(_registry(kind, queue).remove(raw) for kind in kinds)
        or _no_longer_held_back(queue, raw)
    ):
        return False
    raw.delete()
    return True


def _registry(kind: Any, queue: Any) -> Any:
    return kind(
        queue.name, connection=queue.connection, job_class=queue.job_class, serializer=queue.serializer
    )


def _no_longer_held_back(queue: Any, raw: Any) -> bool:
    """Take a job from those that a rate limit holds back."""
    if not getattr(raw, "has_rate_limit", False):
        return False
    from rq.rate_limit import RateLimitRegistry  # RQ 3 alone has limits

    return bool(queue.connection.zrem(RateLimitRegistry.from_job(raw).rate_limited_key, raw.id))
