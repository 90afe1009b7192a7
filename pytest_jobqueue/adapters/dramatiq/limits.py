"""Time limits: what Dramatiq's `TimeLimit` middleware asks for, by a thread that ends with the binding.

Dramatiq's own thread, one for each broker, never ends and can be started once. This stands in for it, as the
middleware's `manager` (an attribute without a promise; 1.17.0 to 2.2.1), and interrupts by Dramatiq's own
function: an exception that the job's thread meets at its next step in Python. So here, as in production, a
job that sleeps in one long system call is interrupted only after it.
"""

from __future__ import annotations

import math
import threading
import time

from dramatiq.middleware import TimeLimitExceeded, raise_thread_exception


class Limits:
    """Deadlines of threads, by real time; the exception comes at the deadline, not up to a second later."""

    def __init__(self) -> None:
        self._deadlines: dict[int, float] = {}
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._awake_at = math.inf
        self._stopped = False

    def start(self) -> None:
        """Nothing: the thread starts with the first deadline."""

    def add_timeout(self, thread_id: int, ttl: float) -> None:
        """Interrupt a thread after `ttl` milliseconds."""
        with self._changed:
            self._deadlines[thread_id] = deadline = time.monotonic() + ttl / 1000
            if math.isinf(deadline):
                return
            if self._thread is None:
                self._thread = threading.Thread(target=self._watch, name="jobqueue-limits", daemon=True)
                self._thread.start()
            elif deadline < self._awake_at:
                self._changed.notify()

    def remove_timeout(self, thread_id: int) -> None:
        """Leave a thread alone from now on."""
        with self._changed:
            self._deadlines.pop(thread_id, None)

    def stop(self) -> None:
        """End the thread."""
        with self._changed:
            self._stopped = True
            self._changed.notify()
        if self._thread is not None:
            self._thread.join()

    def _watch(self) -> None:
        with self._changed:
            while not self._stopped:
                now = time.monotonic()
                for thread_id, deadline in list(self._deadlines.items()):
                    if deadline <= now:
                        del self._deadlines[thread_id]
                        raise_thread_exception(thread_id, TimeLimitExceeded)
                self._awake_at = min(self._deadlines.values(), default=math.inf)
                wait = self._awake_at - time.monotonic()
                self._changed.wait(None if math.isinf(wait) else max(wait, 0))
