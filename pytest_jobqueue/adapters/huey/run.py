"""One task through `Huey.execute`, and what became of it.

Huey says what it does by signals; what the task raised is noted where the task itself is called, since Huey
keeps a Ctrl-C to itself and tells a hook about some exceptions only.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from huey import signals as S  # noqa: N812 (as Huey does)
from huey.exceptions import RetryTask, TaskLockedException
from redis.exceptions import RedisError

from pytest_jobqueue.adapters.huey.messages import text_of
from pytest_jobqueue.job import Outcome

if TYPE_CHECKING:
    from huey.api import Huey, Task

    from pytest_jobqueue.job import Job

_LIMITED = "rate-limited"  # a signal of Huey 3
# Never run at all, by the signal that says so.
_REFUSED = {S.SIGNAL_REVOKED: "revoked", S.SIGNAL_EXPIRED: "expired"}


class Run:
    """One run of a task: the signals about it, what it raised, how long it took."""

    def __init__(self, task: Task) -> None:
        self.task = task
        self.signals: list[str] = []
        self.exception: BaseException | None = None
        self.seconds = 0.0
        self.result: Any = None
        self.called = False
        self.unfinished = False

    def go(self, huey: Huey) -> None:
        """Let Huey execute the task.

        Raises:
            BaseException: What is not about the task: Redis that fails, an alarm between two jobs.
        """
        inner = self.task.execute
        self.task.execute = lambda: self._call(inner)
        try:
            self.result = huey.execute(self.task)
        except BaseException as error:
            if error is not self.exception:
                if isinstance(error, RedisError) or not isinstance(error, Exception):
                    raise
                self.exception = error  # a result that cannot be serialised, for example
                self.unfinished = True
        finally:
            del self.task.execute

    def _call(self, inner: Any) -> Any:
        self.called = True
        started = time.perf_counter()
        try:
            return inner()
        except BaseException as error:
            self.exception = error
            raise
        finally:
            self.seconds = time.perf_counter() - started

    @property
    def put_back(self) -> bool:
        """Whether Huey only found that the task's time is yet to come."""
        return self.signals == [S.SIGNAL_SCHEDULED]

    def outcome(self, job: Job) -> Outcome:
        """What became of it. What Huey counts as no failure, a lock for example, is told as the reason."""
        seen, error = self.signals, self.exception
        for signal, reason in _REFUSED.items():
            if signal in seen:
                return Outcome(job, "dropped", reason=reason)
        if S.SIGNAL_CANCELED in seen and not self.called:
            return Outcome(job, "dropped", reason="canceled by a pre-execute hook")
        if error is None:
            return Outcome(job, "ok", result=self.result, seconds=self.seconds)
        reason = f"{type(error).__name__}: {error}".removesuffix(": ")
        limited = _LIMITED in seen
        if S.SIGNAL_RETRYING in seen:
            if limited or isinstance(error, (RetryTask, TaskLockedException)):
                return Outcome(job, "retrying", reason=reason, seconds=self.seconds)
            return Outcome(job, "retrying", exception=error, seconds=self.seconds)
        if limited or S.SIGNAL_LOCKED in seen or S.SIGNAL_CANCELED in seen:
            return Outcome(job, "dropped", reason=reason, seconds=self.seconds)
        why = "Huey could not finish it after it ran" if self.unfinished else None
        return Outcome(job, "failed", exception=error, reason=why, seconds=self.seconds)

    @property
    def error_text(self) -> str | None:
        """What the task raised, in words."""
        return None if self.exception is None else text_of(self.exception)
