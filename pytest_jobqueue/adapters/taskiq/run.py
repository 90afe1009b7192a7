"""One message through Taskiq's own receiver, and what became of it.

The receiver keeps what a task raised to itself, so a middleware of ours hears it. A task that was sent again
under the same id while it ran is retried, whoever sent it: a retry middleware, the service's own one, or the
task (`Context.requeue`).
"""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import Executor, Future
from typing import TYPE_CHECKING, Any

from redis.exceptions import RedisError
from taskiq import TaskiqMiddleware
from taskiq.exceptions import NoResultError, TaskRejectedError
from taskiq.receiver import Receiver

from pytest_jobqueue.adapters.taskiq.messages import UNREADABLE, Messages
from pytest_jobqueue.deadline import Deadline, DeadlineExceeded
from pytest_jobqueue.job import Job, Outcome, Status, error_text

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_jobqueue.adapters.taskiq.lanes import Taken
    from pytest_jobqueue.adapters.taskiq.place import Place

_LEFT_OPEN = (
    "it went through Taskiq's receiver; the message stays unacknowledged until another worker claims it"
)


class Here(Executor):
    """Calls a synchronous task here and now, where Taskiq's worker has threads.

    Attributes:
        limit: How many seconds the call may take; none for no limit.
    """

    limit: float | None = None

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Call it."""
        future: Future[Any] = Future()
        try:
            future.set_result(self._call(fn, *args, **kwargs))
        except BaseException as error:  # noqa: BLE001 (the receiver waits for it)
            future.set_exception(error)
        return future

    def _call(self, fn: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        if not self.limit:
            return fn(*args, **kwargs)
        with Deadline(self.limit) as deadline:
            try:
                return fn(*args, **kwargs)
            except DeadlineExceeded as error:
                if error.deadline is not deadline:
                    raise
                raise asyncio.TimeoutError from None


class Recorder(TaskiqMiddleware):  # type: ignore[misc, unused-ignore]
    """Hears what the receiver does with one message."""

    def __init__(self, here: Here) -> None:
        super().__init__()
        self._here = here
        self.forget()

    def forget(self) -> None:
        """Be ready for the next message."""
        self.exception: BaseException | None = None
        self.result: Any = None
        self.started: float | None = None
        self.seconds = 0.0
        self.sent_again = False
        self.unsaved: BaseException | None = None

    def pre_execute(self, message: Any) -> Any:
        """The task is about to run."""
        limit = message.labels.get("timeout")
        self._here.limit = None if limit is None else float(limit)
        self.started = time.perf_counter()
        return message

    def on_error(self, message: Any, result: Any, exception: BaseException) -> None:  # noqa: ARG002
        """It, or what it depends on, raised."""
        self.exception = exception

    def post_execute(self, message: Any, result: Any) -> None:  # noqa: ARG002
        """It is over."""
        self.seconds = time.perf_counter() - (self.started or 0.0)
        self.result = result


class Runner:
    """Taskiq's receiver, with our middleware last in the broker's row.

    Args:
        place: The broker.
        messages: Where the errors of retried tasks are kept.
    """

    def __init__(self, place: Place, messages: Messages) -> None:
        self._place = place
        self._messages = messages
        self._here = Here()
        self._recorder = Recorder(self._here)
        self._running: Job | None = None
        place.broker.add_middlewares(self._recorder)
        place.unsaved = self._unsaved
        self._receiver: Receiver | None = None

    def sent(self, task_id: str | None) -> None:
        """A message or a schedule was put on the server."""
        if self._running is not None and task_id == self._running.id:
            self._recorder.sent_again = True

    @property
    def ran_well(self) -> bool:
        """Whether the task is over, and nothing is amiss."""
        return self._recorder.result is not None and self._recorder.exception is None

    def _unsaved(self, error: BaseException) -> None:
        self._recorder.unsaved = error

    async def run(self, taken: Taken) -> Outcome:
        """Let the receiver run it."""
        job = self._messages.job(taken.data, taken.queue, at=taken.at)
        recorder = self._recorder
        recorder.forget()
        if self._receiver is None:
            self._receiver = Receiver(
                self._place.broker, executor=self._here, max_async_tasks=1, run_startup=False
            )
        self._running = job
        escaped = None
        try:
            with self._place.as_worker():
                await self._receiver.callback(taken.message)
        except (RedisError, asyncio.CancelledError):
            raise
        except BaseException as error:  # noqa: BLE001 (it is handed over in the outcome)
            escaped = error
        finally:
            self._running = None
        outcome = outcome_of(
            job, self._recorder, escaped, acks=taken.id is not None, why_not=why_not(self._place.broker, job)
        )
        if outcome.exception is not None:
            self._messages.errors[job.id] = error_text(outcome.exception)
        return outcome


def outcome_of(
    job: Job, seen: Recorder, escaped: BaseException | None, *, acks: bool, why_not: str
) -> Outcome:
    """What became of a message, from what was heard of it.

    Args:
        job: The message.
        seen: What was heard.
        escaped: What left the receiver.
        acks: Whether the broker is one that acknowledges.
        why_not: Why it was not run, if it was not.
    """
    error, seconds = seen.exception or escaped, seen.seconds
    if escaped is not None:  # not from the task: from a middleware, or from the end of a dependency
        status: Status = "retrying" if acks or seen.sent_again else "failed"
        return Outcome(job, status, exception=error, reason=_LEFT_OPEN if acks else None, seconds=seconds)
    if seen.result is None:
        return Outcome(job, "dropped", reason=why_not)
    if seen.sent_again:
        by_itself = isinstance(error, NoResultError)
        reason = "it put itself back on its queue" if by_itself else None
        return Outcome(
            job, "retrying", exception=None if by_itself else error, reason=reason, seconds=seconds
        )
    if isinstance(error, TaskRejectedError):
        return Outcome(job, "dropped", reason="it rejected itself (TaskRejectedError)", seconds=seconds)
    if isinstance(error, NoResultError):
        return Outcome(job, "ok", reason="it wants no result kept (NoResultError)", seconds=seconds)
    reason = f"its result could not be saved: {error_text(seen.unsaved)}" if seen.unsaved else None
    if error is not None:
        return Outcome(job, "failed", exception=error, reason=reason, seconds=seconds)
    return Outcome(job, "ok", seen.result.return_value, reason=reason, seconds=seconds)


def why_not(broker: Any, job: Job) -> str:
    """Why a message cannot be run, if it cannot."""
    if job.name == UNREADABLE:
        return "the broker's formatter cannot read it"
    known = ", ".join(broker.get_all_tasks()) or "none"
    return f"the broker has no task {job.name!r} (registered: {known})"
