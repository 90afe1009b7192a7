"""A job's time limit, for RQ's `death_penalty_class`: the alarm that it borrows is given back.

RQ's own class for this ends with `alarm(0)` and `SIG_DFL`, which takes the timer away from whoever had it
(pytest-timeout, a drain). This one lets the sooner of the two ring and restores handler and remaining time.
"""

from __future__ import annotations

import math
from typing import Any

from rq.timeouts import BaseTimeoutException

from pytest_jobqueue.deadline import Deadline


class JobAlarm(Deadline):
    """Raise RQ's own exception in the `with` block after some real seconds.

    Args:
        timeout: How long the block may take; none or less for ever (RQ writes -1 for a job without a limit).
        exception: What to raise.
        **_about: What RQ says besides, such as the job's id.
    """

    def __init__(
        self, timeout: float, exception: type[BaseException] = BaseTimeoutException, **_about: Any
    ) -> None:
        message = f"Task exceeded maximum timeout value ({timeout:g} seconds)"  # in RQ's words
        super().__init__(timeout if timeout > 0 else math.inf, error=lambda: exception(message))
