"""A deadline that interrupts a call in the main thread, and gives back the alarm that it borrowed.

SIGALRM and its timer may be another's: pytest-timeout's, or a job library's. While a deadline runs, the sooner
of the two goes off first and goes to its owner; afterwards handler and remaining time are as they were. In
another thread, and where there is no SIGALRM, a deadline interrupts nothing; whoever set it looks at
`expired` between two steps.
"""

from __future__ import annotations

import signal
import threading
import time
from types import FrameType, TracebackType
from typing import Any

_SOON = 1e-6  # seconds; a timer of zero would be no timer


class DeadlineExceeded(BaseException):  # noqa: N818 (not an error: a signal to the code that set it)
    """The time is up. Not an `Exception`, so that a job's `except Exception` does not keep it."""


class Deadline:
    """Raise `DeadlineExceeded` in the `with` block after some real seconds.

    Args:
        seconds: How long the block may take.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._ends = 0.0
        self._alarm = hasattr(signal, "setitimer") and threading.current_thread() is threading.main_thread()
        self._handler: Any = None
        self._theirs_at: float | None = None
        self._interval = 0.0
        self._over = False

    @property
    def expired(self) -> bool:
        """Whether the time is up."""
        return time.monotonic() >= self._ends

    def __enter__(self) -> Deadline:
        now = time.monotonic()
        self._ends = now + self._seconds
        if self._alarm:
            self._handler = signal.signal(signal.SIGALRM, self._ring)
            remaining, self._interval = signal.setitimer(signal.ITIMER_REAL, max(self._seconds, _SOON))
            if remaining:
                self._theirs_at = now + remaining
                if self._theirs_at < self._ends:
                    signal.setitimer(signal.ITIMER_REAL, remaining)
        return self

    def _ring(self, number: int, frame: FrameType | None) -> None:
        if self._over:
            return
        if self._theirs_at is not None and self._theirs_at <= time.monotonic() + _SOON:
            self._theirs_at = time.monotonic() + self._interval if self._interval else None
            left = self._ends - time.monotonic()
            signal.setitimer(signal.ITIMER_REAL, max(left, _SOON))
            if callable(self._handler):
                self._handler(number, frame)
            return
        raise DeadlineExceeded

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if not self._alarm:
            return
        self._over = True  # from here on a late ring must not keep us from giving back
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, self._handler)
        if self._theirs_at is not None:
            left = max(self._theirs_at - time.monotonic(), _SOON)
            signal.setitimer(signal.ITIMER_REAL, left, self._interval)
