"""What became of one job, from what its function did and what streaQ's worker decided.

A job is run again only if it asks for that, by a `StreaqRetry`, or after a time-out with `retry_timeouts`.
Where it asks because of another exception, that one is the job's own.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from streaq.types import StreaqCancelled, StreaqRetry

from pytest_jobqueue.adapters.witness import Escaped, Seen
from pytest_jobqueue.job import Job, Outcome

if TYPE_CHECKING:
    from pytest_jobqueue.adapters.streaq.life import Finish

_LEFT_OPEN = "it went through streaQ's worker, which ends there; the job is taken again after idle_timeout"
_NOT_FINISHED = "streaQ could not finish it, and it is taken again after idle_timeout"
# What streaQ says of a job that it means not to run; what else it does not run is an error.
_ON_PURPOSE = ("Task expired!", "Task aborted prior to run!", "Cron task exceeded", "Task is unique")


def escaped(job: Job, seen: Seen | None, error: BaseException) -> Outcome:
    """What streaQ's worker does not catch ends it, and leaves the job as if the worker had died."""
    seconds = seen.seconds if seen else 0.0
    if isinstance(error, Escaped):
        return Outcome(job, "retrying", exception=error.__cause__, reason=_LEFT_OPEN, seconds=seconds)
    if seen is not None and seen.exception is error:
        return Outcome(job, "retrying", exception=error, reason=_LEFT_OPEN, seconds=seconds)
    own = seen.exception if seen and seen.exception else error
    return Outcome(job, "retrying", exception=own, reason=f"{_NOT_FINISHED}: {error}", seconds=seconds)


def judged(job: Job, seen: Seen | None, finish: Finish) -> Outcome:
    """What streaQ's worker decided."""
    value = finish.value
    if not finish.ran:
        on_purpose = str(value).startswith(_ON_PURPOSE)
        return (
            Outcome(job, "dropped", reason=str(value))
            if on_purpose
            else Outcome(job, "failed", exception=value)
        )
    if seen is None:
        return Outcome(job, "dropped", reason="what it is a fallback for ran well")
    if finish.finished:
        if finish.well:
            return Outcome(job, "ok", value, seconds=seen.seconds)
        if isinstance(value, StreaqCancelled) and isinstance(seen.exception, asyncio.CancelledError):
            return Outcome(job, "dropped", reason="it was aborted", seconds=seen.seconds)
        return Outcome(job, "failed", exception=value, seconds=seen.seconds)
    error = seen.exception
    if isinstance(error, StreaqRetry):
        return Outcome(
            job, "retrying", exception=_reason_for(error), reason=repr(error), seconds=seen.seconds
        )
    if isinstance(error, asyncio.CancelledError):
        error = TimeoutError("Task timed out!")  # as streaQ calls it where it does not try again
    return Outcome(job, "retrying", exception=error, seconds=seen.seconds)


def _reason_for(retry: BaseException) -> BaseException | None:
    if retry.__cause__ is not None or retry.__suppress_context__:
        return retry.__cause__
    return retry.__context__
