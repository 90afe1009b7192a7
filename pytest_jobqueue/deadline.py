"""A deadline that interrupts a call in the main thread, and gives back the alarm that it borrowed.

SIGALRM and its timer may be another's: pytest-timeout's, or a job library's. While a deadline runs, the
sooner of the two goes off first and goes to its owner; afterwards handler and remaining time are as they
were. In another thread, and where there is no SIGALRM, a deadline interrupts nothing; whoever set it looks at
`expired` between two steps.
"""

from __future__ import annotations

import contextlib
import math
import signal
import threading
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType, TracebackType

    from typing_extensions import Self

_SOON = 1e-6  # seconds; a timer of zero would be no timer
_AGAIN = 1e-3  # seconds until a ring is tried again that came where it must not interrupt
_GRACE = 0.25  # seconds that an event loop gets to end in its own way what it awaits


class DeadlineExceeded(BaseException):
    """The time is up. Not an `Exception`, so that a job's `except Exception` does not keep it.

    Attributes:
        deadline: Whose time it is; deadlines can be nested.
    """

    def __init__(self, deadline: Deadline) -> None:
        super().__init__("the time is up")
        self.deadline = deadline


class Deadline:
    """Raise `DeadlineExceeded` in the `with` block after some real seconds, once.

    Args:
        seconds: How long the block may take; `math.inf` for ever.
        in_loop: What takes the time is awaited in an event loop, by somebody who looks at `left`. The alarm
            is then for code that keeps the loop from running: it goes off a moment later, and only there.
        error: Called when the time is up, in the interrupted thread; gives what is raised there instead, such
            as a job library's own exception for a job's time limit.

    Attributes:
        seconds: As given.
        stopped: Whether what follows is no longer measured.
    """

    def __init__(
        self,
        seconds: float,
        *,
        in_loop: bool = False,
        error: Callable[[], BaseException] | None = None,
    ) -> None:
        self.seconds = seconds
        self.stopped = False
        self._error = error or (lambda: DeadlineExceeded(self))
        self._in_loop = in_loop
        self._rings = 0.0
        self._ends = 0.0
        self._handler: Any = None
        self._theirs_at: float | None = None
        self._interval = 0.0
        self._over = False

    @property
    def expired(self) -> bool:
        """Whether the time is up."""
        return time.monotonic() >= self._ends

    @property
    def left(self) -> float:
        """How many seconds are left; none or less when the time is up."""
        return self._ends - time.monotonic()

    def start(self) -> None:
        """Count from now, without an alarm: for whoever looks at `left`."""
        self._ends = time.monotonic() + self.seconds
        self._rings = self._ends + (_GRACE if self._in_loop else 0)

    def stop(self) -> None:
        """What follows is not measured: to say what was there when the time was up."""
        self.stopped = True

    @contextlib.contextmanager
    def alone(self) -> Iterator[Self]:
        """The block in time, without an alarm when another deadline has it.

        Two that are awaited at once do not end in turn, so only one of them can borrow it.
        """
        holder = getattr(signal.getsignal(signal.SIGALRM), "__self__", None) if _can_ring() else self
        if isinstance(holder, Deadline):
            self.start()
            yield self
        else:
            with self:
                yield self

    def __enter__(self) -> Self:
        self.start()
        self._alarm = _can_ring()
        if self._alarm:
            remaining, self._interval = signal.setitimer(signal.ITIMER_REAL, 0)
            if remaining:
                self._theirs_at = time.monotonic() + remaining
            self._handler = signal.signal(signal.SIGALRM, self._ring)
            self._wind()
        return self

    def _wind(self) -> None:
        """Set the timer for whoever comes first."""
        first = self._rings if self._theirs_at is None else min(self._rings, self._theirs_at)
        if first < math.inf:
            signal.setitimer(signal.ITIMER_REAL, max(first - time.monotonic(), _SOON))

    def _ring(self, number: int, frame: FrameType | None) -> None:
        __tracebackhide__ = True
        if self._over:
            return
        now = time.monotonic()
        if self._theirs_at is not None and self._theirs_at <= now + _SOON:
            self._lend(number, frame)
        elif self.stopped:
            if self._theirs_at is not None:
                signal.setitimer(signal.ITIMER_REAL, max(self._theirs_at - now, _SOON))
        elif _among_ours(frame) or (self._in_loop and _loop_is_running(frame)):
            signal.setitimer(signal.ITIMER_REAL, _AGAIN)
        elif now >= self._rings:
            self._rings = math.inf  # from here on the alarm is theirs alone
            self._wind()
            raise self._error()
        else:
            self._wind()

    def _lend(self, number: int, frame: FrameType | None) -> None:
        """Let their handler have the alarm, and borrow it again with the time that it sets."""
        __tracebackhide__ = True
        self._theirs_at = time.monotonic() + self._interval if self._interval else None
        signal.setitimer(signal.ITIMER_REAL, self._interval, self._interval)
        try:
            if callable(self._handler):
                self._handler(number, frame)
        finally:
            remaining, self._interval = signal.setitimer(signal.ITIMER_REAL, 0)
            self._theirs_at = time.monotonic() + remaining if remaining else None
            self._wind()

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


_BRACKETS = frozenset({Deadline.__enter__.__code__, Deadline.__exit__.__code__})


def _can_ring() -> bool:
    """Whether this thread gets signals, and a handler of another can be put back (one set in C cannot)."""
    return (
        hasattr(signal, "setitimer")
        and threading.current_thread() is threading.main_thread()
        and signal.getsignal(signal.SIGALRM) is not None
    )


def _among_ours(frame: FrameType | None) -> bool:
    """Whether a deadline is being set or given back: an exception there would leave the alarm borrowed."""
    while frame is not None:
        if frame.f_code in _BRACKETS:
            return True
        frame = frame.f_back
    return False


def _loop_is_running(frame: FrameType | None) -> bool:
    """Whether the event loop's own code was interrupted, which then does its work or waits for some."""
    package = "" if frame is None else str(frame.f_globals.get("__name__", "")).partition(".")[0]
    return package in ("asyncio", "selectors", "uvloop")
