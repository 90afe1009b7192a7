"""A middleware that notes what becomes of the message in hand; it changes nothing.

It is the last in the broker's list: closest to the actor before and after it runs. Dramatiq swallows every
exception of an actor, whatever its kind, and tells middleware about it.
"""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any

from dramatiq.errors import RateLimitExceeded, Retry
from dramatiq.middleware import Middleware

from pytest_jobqueue.job import Outcome

if TYPE_CHECKING:
    from dramatiq import Message
    from dramatiq.broker import Broker, MessageProxy

    from pytest_jobqueue.job import Job


class Run:
    """What was seen of one message, from the moment when a worker took it."""

    def __init__(self, message: MessageProxy) -> None:
        self.message = message
        self.result: Any = None
        self.exception: BaseException | None = None
        self.skipped: str | None = None
        self.again = False
        self.settled = False
        self.started: float | None = None
        self.seconds = 0.0

    def outcome(self, job: Job) -> Outcome:
        """What became of it. What Dramatiq does not call an error is the reason of a retry, not its cause."""
        if self.skipped is not None:
            return Outcome(job, "dropped", reason=self.skipped)
        error, seconds = self.exception, self.seconds
        loose = (
            "" if self.settled else "not acknowledged, so it will run again when this worker counts as dead"
        )
        if error is None:
            return Outcome(job, "ok", result=self.result, reason=loose or None, seconds=seconds)
        if self.again:
            if isinstance(error, (Retry, RateLimitExceeded)):
                reason = f"{type(error).__name__}: {error}"
                return Outcome(job, "retrying", reason=reason, seconds=seconds)
            return Outcome(job, "retrying", exception=error, reason=loose or None, seconds=seconds)
        if not self.message.failed and not loose:
            loose = "acknowledged, since no middleware asked for a retry or for the dead letters"
        return Outcome(job, "failed", exception=error, reason=loose or None, seconds=seconds)


# Where Dramatiq is not installed, its classes have no type.
class Recorder(Middleware):  # type: ignore[misc,unused-ignore]
    """Notes about the message in hand, and about those in whose course it is run."""

    def __init__(self) -> None:
        self._runs: list[Run] = []

    def begin(self, message: MessageProxy) -> Run:
        """Note what becomes of this message, until `end`."""
        self._runs.append(Run(message))
        return self._runs[-1]

    def end(self, run: Run) -> None:
        """Its part is over."""
        self._runs.remove(run)

    def run_of(self, message: MessageProxy) -> Run | None:
        """What was seen of it so far, if anybody asked for that."""
        return next((run for run in self._runs if run.message is message), None)

    def before_process_message(self, broker: Broker, message: MessageProxy) -> None:  # noqa: ARG002
        """The actor is called next."""
        run = self.run_of(message)
        if run is not None:
            run.started = time.perf_counter()

    def after_process_message(
        self,
        broker: Broker,  # noqa: ARG002
        message: MessageProxy,
        *,
        result: Any = None,
        exception: BaseException | None = None,
    ) -> None:
        """The actor returned or raised."""
        run = self.run_of(message)
        if run is not None:
            run.result, run.exception = result, exception
            if run.started is not None:
                run.seconds = time.perf_counter() - run.started

    def after_skip_message(self, broker: Broker, message: MessageProxy) -> None:  # noqa: ARG002
        """A middleware would not have the actor called."""
        run = self.run_of(message)
        if run is not None:
            run.skipped = f"skipped: {sys.exc_info()[1]}".removesuffix(": ").removesuffix(": None")

    def after_enqueue(self, broker: Broker, message: Message[Any], delay: int | None) -> None:  # noqa: ARG002
        """The message itself was enqueued again: a retry."""
        for run in self._runs:
            if run.message.message_id == message.message_id:
                run.again = True

    def after_ack(self, broker: Broker, message: MessageProxy) -> None:  # noqa: ARG002
        """It is off the server, or among the dead letters."""
        run = self.run_of(message)
        if run is not None:
            run.settled = True

    after_nack = after_ack
