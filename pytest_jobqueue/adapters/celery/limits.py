"""The time limits of a task, which Celery's prefork pool enforces from outside and which ring here inside.

Both are real seconds, and give back the alarm that they borrowed. Where no alarm can ring (not in the main
thread) a limit limits nothing, as in Celery's solo pool.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from celery.exceptions import SoftTimeLimitExceeded

from pytest_jobqueue.deadline import Deadline, DeadlineExceeded

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

_NEVER = 10.0**8  # seconds; a timer cannot be set to infinity


class HardLimitReached(BaseException):
    """The hard limit is over: where it is raised, the prefork pool would have killed the process."""


class _Limit(Deadline):
    """A deadline that raises what it is told, once, and lets the other owners of the alarm have it then."""

    def __init__(self, seconds: float, error: type[BaseException], tell: Callable[[], object]) -> None:
        super().__init__(seconds)
        self._error = error
        self._tell = tell

    def _ring(self, number: int, frame: FrameType | None) -> None:
        try:
            super()._ring(number, frame)
        except DeadlineExceeded as exceeded:
            if exceeded.deadline is not self:
                raise
            self.seconds = _NEVER
            self.start()
            self._wind()
            self._tell()
            raise self._error from None


@contextlib.contextmanager
def time_limits(soft: float | None, hard: float | None, on_soft: Callable[[], object]) -> Iterator[None]:
    """Interrupt the block by `SoftTimeLimitExceeded` after `soft` seconds, by the hard limit after `hard`."""
    with contextlib.ExitStack() as limits:
        if hard:
            limits.enter_context(_Limit(hard, HardLimitReached, lambda: None))
        if soft:
            limits.enter_context(_Limit(soft, SoftTimeLimitExceeded, on_soft))
        yield
