"""One message through Celery's own consumer, request and tracer, and what became of it.

What Celery decides (acknowledge, retry, reject, revoke, store a result, call errbacks) it decides here as in
a worker. Only the pool is ours: it runs the task in this thread, and when the task leaves with something that
is no `Exception`, it reports a lost worker as the prefork pool does.
"""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING, Any

from billiard.einfo import ExceptionInfo
from billiard.exceptions import TimeLimitExceeded, WorkerLostError
from celery import signals, states
from celery.concurrency.base import apply_target
from celery.concurrency.solo import TaskPool
from celery.exceptions import Reject, TaskRevokedError
from celery.result import denied_join_result
from celery.utils.serialization import UnpickleableExceptionWrapper

from pytest_jobqueue.adapters.celery.client import unknown_task
from pytest_jobqueue.adapters.celery.innards import Intake, Tracers, current
from pytest_jobqueue.adapters.celery.limits import HardLimitReached, time_limits
from pytest_jobqueue.adapters.celery.store import job_of
from pytest_jobqueue.errors import PoisonJobError, UnknownJobError
from pytest_jobqueue.job import Outcome, error_text

if TYPE_CHECKING:
    from collections.abc import Callable

    from celery import Celery

    from pytest_jobqueue.adapters.celery.store import Found


class Report:
    """What was heard about one message while Celery dealt with it.

    Attributes:
        id: The task's id.
        state: Celery's word for how the task ended, or None when it did not get that far.
        value: With it, the result or the exception.
        left: What left the tracer, which lets through what is no `Exception`.
        retried: Whether it was sent again.
        dropped: Why it was not run, or "".
        error: What went wrong outside of the task.
        seconds: How long it ran.
    """

    def __init__(self, task_id: str) -> None:
        self.id = task_id
        self.state: str | None = None
        self.value: Any = None
        self.left: BaseException | None = None
        self.retried = False
        self.dropped = ""
        self.error: BaseException | None = None
        self.seconds = 0.0


class Runner:
    """Celery's worker, without what fetches and without processes.

    The pool announces a new worker process to the application (`worker_process_init`) when the first message
    is there, and its end (`worker_process_shutdown`) when it is closed.

    Args:
        app: The application.
        hostname: What the worker is called.
    """

    def __init__(self, app: Celery, hostname: str) -> None:
        self._app = app
        self._hostname = hostname
        self._tracers = Tracers(app)
        self._reports: list[Report] = []  # a task may run others in its own run
        self._intake: Intake | None = None
        self._uid = f"{__name__}:{id(self)}"  # Celery 5.4 takes methods of two objects for one
        self._receivers: dict[Any, Callable[..., None]] = {
            signals.task_postrun: self._ended,
            signals.task_internal_error: self._broke,
            signals.task_retry: self._retried,
            signals.task_revoked: self._revoked,
            signals.task_rejected: self._rejected,
            signals.task_unknown: self._unknown,
        }

    def run(self, found: Found) -> Outcome:
        """Run one message that was taken off its list."""
        job = job_of(found)
        message = found.message
        if message is None:
            error = PoisonJobError(f"these bytes on {found.queue!r} are no message of Celery: {found.raw!r}")
            return Outcome(job, "dropped", exception=error, reason="no message of Celery")
        message.channel.qos.append(message, message.delivery_tag)
        report = Report(job.id)
        intake = self._intake or self._start()
        self._reports.append(report)
        try:
            with (
                current(self._app),
                self._tracers.of(self._app.tasks.get(job.name)),
                denied_join_result(),
            ):
                intake.receive(message)
                intake.perform_pending_operations()
        finally:
            self._reports.remove(report)
        return Outcome(job, **verdict(report, put_back=message.put_back), seconds=report.seconds)

    def close(self) -> None:
        """The worker process ends."""
        if self._intake is None:
            return
        self._intake = None
        for signal, receiver in self._receivers.items():
            signal.disconnect(receiver, dispatch_uid=self._uid)
        with current(self._app):
            signals.worker_process_shutdown.send(sender=None, pid=None, exitcode=0)

    def _start(self) -> Intake:
        with current(self._app):
            pool = _Pool(self._app, self._hostname, lambda: self._reports[-1])
            self._intake = Intake(
                self._app,
                self._hostname,
                pool,
                on_request=lambda request: _hand_over(request, pool),
                on_undecodable=self._undecodable,
            )
        for signal, receiver in self._receivers.items():
            signal.connect(receiver, weak=False, dispatch_uid=self._uid)
        return self._intake

    # What Celery tells

    def _of(self, task_id: str) -> Report:
        """The report on this task; one on nothing, if it is another's, such as an eager call in the task."""
        return next((report for report in self._reports if report.id == task_id), Report(task_id))

    def _ended(self, task_id: str, state: str | None, retval: Any, **_: Any) -> None:
        report = self._of(task_id)
        report.state, report.value = state, retval

    def _broke(self, task_id: str, exception: BaseException, **_: Any) -> None:
        self._of(task_id).error = exception

    def _retried(self, request: Any, **_: Any) -> None:
        self._of(request.id).retried = True

    def _revoked(self, request: Any, expired: bool, **_: Any) -> None:
        self._of(request.id).dropped = "expired" if expired else "revoked"

    def _rejected(self, exc: BaseException | None, **_: Any) -> None:
        self._refused(exc, "no valid message of Celery")

    def _undecodable(self, error: Exception) -> None:
        self._refused(error, "a message that cannot be decoded")

    def _refused(self, error: BaseException | None, what: str) -> None:
        report = self._reports[-1]
        report.dropped = what
        report.error = PoisonJobError(what + (f": {error_text(error)}" if error is not None else ""))
        report.error.__cause__ = error

    def _unknown(self, name: str, exc: BaseException, **_: Any) -> None:
        report = self._reports[-1]
        report.error = UnknownJobError(unknown_task(self._app, name))
        report.error.__cause__ = exc


class _Pool(TaskPool):  # type: ignore[misc]
    """Celery's solo pool, which also keeps time limits and survives what is no `Exception`."""

    def __init__(self, app: Celery, hostname: str, report: Callable[[], Report]) -> None:
        super().__init__(app=app, initargs=(app, hostname))
        self._report = report
        self.on_apply = self._apply

    def _apply(
        self,
        target: Callable[..., Any],
        args: Any,
        kwargs: Any,
        *,
        error_callback: Callable[..., Any],
        timeout_callback: Callable[..., Any],
        soft_timeout: float | None = None,
        timeout: float | None = None,
        **options: Any,
    ) -> None:
        report = self._report()
        # A worker gives these to its pool; newer Celery gives them to each task as well.
        soft_timeout = soft_timeout or self.app.conf.task_soft_time_limit
        timeout = timeout or self.app.conf.task_time_limit

        def limited(*args: Any, **kwargs: Any) -> Any:
            started = time.perf_counter()
            try:
                with time_limits(
                    soft_timeout, timeout, lambda: timeout_callback(soft=True, timeout=soft_timeout)
                ):
                    return target(*args, **kwargs)
            except BaseException as error:
                report.left = error
                raise
            finally:
                report.seconds = time.perf_counter() - started

        try:
            apply_target(limited, args, kwargs, propagate=BaseException, **options)
        except BaseException as error:
            if error is not report.left:
                raise
            self._after(error, error_callback, timeout)
            if isinstance(error, HardLimitReached):
                report.left = TimeLimitExceeded(timeout).with_traceback(error.__traceback__)
                timeout_callback(soft=False, timeout=timeout)

    @staticmethod
    def _after(error: BaseException, error_callback: Callable[..., Any], timeout: float | None) -> None:
        """Tell the request what the prefork pool would tell it."""
        try:
            if isinstance(error, Exception):
                raise error  # noqa: TRY301 (an ExceptionInfo is made of what is being handled)
            if isinstance(error, HardLimitReached):
                raise TimeLimitExceeded(timeout) from None  # noqa: TRY301
            raise WorkerLostError(f"Worker exited prematurely: {error!r}") from None  # noqa: TRY301
        except Exception:  # noqa: BLE001
            error_callback(ExceptionInfo())


def _hand_over(request: Any, pool: TaskPool) -> None:
    """What Celery's worker does with a request: one that was revoked in the meantime has said so itself."""
    with contextlib.suppress(TaskRevokedError):
        request.execute_using_pool(pool)


def verdict(report: Report, *, put_back: bool) -> dict[str, Any]:
    """What became of it, as the fields of an outcome."""
    if report.error is not None or report.dropped:
        status = "dropped" if report.dropped else "failed"
        return {"status": status, "exception": report.error, "reason": report.dropped or None}
    if report.left is not None and not isinstance(report.left, Reject):
        again = put_back or report.retried
        reason = (
            "its time limit was over" if isinstance(report.left, TimeLimitExceeded) else "its worker was lost"
        )
        reason += ", and it is given out again" if again else ""
        return {"status": "retrying" if again else "failed", "exception": report.left, "reason": reason}
    value = report.left if report.left is not None else report.value
    if isinstance(value, Reject):
        return _rejection(value)
    if report.state == states.SUCCESS:
        return {"status": "ok", "result": value}
    if report.state == states.RETRY:
        return {"status": "retrying", "exception": _reason_of(value), "reason": str(value)}
    if report.state == states.IGNORED:
        return {"status": "dropped", "reason": f"ignored: {value}" if str(value) else "ignored"}
    if report.state is None:
        return {"status": "dropped", "reason": "it was given out again and has succeeded already"}
    return {"status": "failed", "exception": value}


def _rejection(reject: Reject) -> dict[str, Any]:
    """A rejected message goes back to its queue, or is gone: Redis has no dead-letter exchange."""
    cause = reject.reason if isinstance(reject.reason, BaseException) else None
    reason = f"rejected: {reject.reason}" if reject.reason else "rejected"
    if reject.requeue:
        return {"status": "retrying", "exception": cause, "reason": f"{reason} (it is back on its queue)"}
    return {"status": "dropped", "exception": cause, "reason": reason}


def _reason_of(retry: Any) -> BaseException | None:
    """The exception that made the task retry; None when it just asked for it.

    A `Retry` carries one that can be pickled, a stand-in if need be; what was being handled is its context.
    """
    given: BaseException | None = retry.exc
    context: BaseException | None = retry.__context__
    if context is not None and (
        given is None
        or isinstance(given, UnpickleableExceptionWrapper)
        or (type(given) in type(context).__mro__ and given.args == context.args)
    ):
        return context
    return given
