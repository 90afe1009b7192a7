"""What became of one job: what its function did, and what arq's worker made of that.

arq counts a `Retry` as no failure. Where a job raises one because of another exception, that one is the job's
own; a `Retry` for no such reason is a job that asks to be run again later.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from arq.worker import Retry, RetryJob

from pytest_jobqueue.adapters.witness import Escaped, Seen
from pytest_jobqueue.job import Outcome

if TYPE_CHECKING:
    from pytest_jobqueue.adapters.arq.store import Entry

_LEFT_OPEN = (
    "it went through arq's worker, which ends there; the job is run again when its in-progress key expires"
)


def escaped(entry: Entry, seen: Seen | None, error: BaseException) -> Outcome:
    """What arq's worker does not catch ends it, and leaves the job as if the worker had died."""
    original = error.__cause__ if isinstance(error, Escaped) else error
    seconds = seen.seconds if seen else 0.0
    return Outcome(entry.job, "retrying", exception=original, reason=_LEFT_OPEN, seconds=seconds)


def refused(entry: Entry, result: dict[str, Any] | None) -> Outcome:
    """The worker finished the job without calling its function."""
    error = result["r"] if result else None
    if not entry.is_there:
        return Outcome(entry.job, "dropped", reason="it expired before a worker took it")
    if isinstance(error, asyncio.CancelledError):
        return Outcome(entry.job, "dropped", reason="it was aborted before it started")
    return Outcome(entry.job, "failed", exception=error)


def ran(entry: Entry, seen: Seen, result: dict[str, Any] | None, *, again: bool, aborted: bool) -> Outcome:
    """The worker called the job's function.

    Args:
        entry: The job.
        seen: What the function did.
        result: What arq stored, or would have.
        again: Whether the job is still on its queue.
        aborted: Whether arq cancelled it because somebody asked for that.
    """
    job, seconds = entry.job, seen.seconds
    error = result["r"] if result and not result["s"] else seen.exception
    if error is None:
        return Outcome(job, "ok", seen.result, seconds=seconds)
    if aborted or (result and isinstance(error, asyncio.CancelledError)):
        return Outcome(job, "dropped", reason="it was aborted", seconds=seconds)
    if not again:
        if isinstance(error, asyncio.CancelledError):  # no result is kept, in which arq would say so
            error = asyncio.TimeoutError()
        return Outcome(job, "failed", exception=error, seconds=seconds)
    if isinstance(error, (Retry, RetryJob)):
        return Outcome(job, "retrying", exception=_reason_for(error), reason=repr(error), seconds=seconds)
    return Outcome(job, "retrying", exception=error, reason="it was cancelled", seconds=seconds)


def _reason_for(retry: BaseException) -> BaseException | None:
    if retry.__cause__ is not None or retry.__suppress_context__:
        return retry.__cause__
    return retry.__context__
