"""The two sentences about a job that is not where it was seen: a worker has it, or somebody was faster."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_jobqueue.errors import UsageError

if TYPE_CHECKING:
    from pytest_jobqueue.job import Job


def not_requeued(job: Job) -> UsageError:
    """What `requeue` raises."""
    return UsageError(
        f"{job} cannot be requeued: it is not scheduled, retrying or failed, or not any more; "
        "look again with binding.scheduled(), retrying() or failed()"
    )


def not_discarded(job: Job) -> UsageError:
    """What `discard` raises."""
    return UsageError(
        f"{job} cannot be discarded: it is not pending, scheduled, retrying, waiting or failed, or not any "
        "more; a job that is running is the worker's to end"
    )
