"""A job's time limit, for RQ's `death_penalty_class`: the alarm that it borrows is given back.

RQ's own class for this ends with `alarm(0)` and `SIG_DFL`, which takes the timer away from whoever had it
(pytest-timeout, a drain). This one lets the sooner of the two ring and restores handler and remaining time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rq.timeouts import BaseTimeoutException

from pytest_jobqueue.deadline import Deadline, DeadlineExceeded

if TYPE_CHECKING:
    from types import FrameType

_NEVER = 1e9  # seconds; RQ writes -1 for a job without a limit


class JobAlarm(Deadline):
    """Raise RQ's own exception in the `with` block after some real seconds.

    Args:
        timeout: How long the block may take; none or less for ever.
        exception: What to raise.
        **_about: What RQ says besides, such as the job's id.
    """

    def __init__(
        self, timeout: float, exception: type[BaseException] = BaseTimeoutException, **_about: Any
    ) -> None:
        super().__init__(timeout if timeout > 0 else _NEVER)
        self._exception = exception

    def _ring(self, number: int, frame: FrameType | None) -> None:
        __tracebackhide__ = True
        try:
            super()._ring(number, frame)
        except DeadlineExceeded as error:
            if error.deadline is not self:
                raise
        else:
            return
        raise self._exception(f"Task exceeded maximum timeout value ({self.seconds:g} seconds)")
