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


def held_by_a_worker(job: Job) -> UsageError:
    """What `requeue` raises about a job for later that a worker process took to wait with it."""
    return UsageError(
        f"{job} cannot be requeued: a worker has taken it already and holds it until its time, and would run "
        "it then all the same; stop the worker first, which gives it back"
    )
