"""The time limits of a task, which Celery's prefork pool enforces from outside and which ring here inside.

Both are real seconds, and give back the alarm that they borrowed. Where no alarm can ring (not in the main
thread) a limit limits nothing, as in Celery's solo pool.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from celery.exceptions import SoftTimeLimitExceeded

from pytest_jobqueue.deadline import Deadline

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class HardLimitReached(BaseException):
    """The hard limit is over: where it is raised, the prefork pool would have killed the process."""


@contextlib.contextmanager
def time_limits(soft: float | None, hard: float | None, on_soft: Callable[[], object]) -> Iterator[None]:
    """Interrupt the block by `SoftTimeLimitExceeded` after `soft` seconds, by the hard limit after `hard`."""

    def soft_limit() -> BaseException:
        on_soft()
        error: BaseException = SoftTimeLimitExceeded()
        return error

    with contextlib.ExitStack() as limits:
        if hard:
            limits.enter_context(Deadline(hard, error=HardLimitReached))
        if soft:
            limits.enter_context(Deadline(soft, error=soft_limit))
        yield
