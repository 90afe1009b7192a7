"""From a call to a message: `Task.apply_async` of a registered task, and what it published as a `Job`.

Celery takes any option and makes an unknown one a property of the message that nobody reads; here it is an
error. Nothing is sent before everything is known to be sendable.
"""

from __future__ import annotations

import inspect
import time
from datetime import datetime, timezone
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from celery import signals
from kombu.exceptions import EncodeError
from kombu.serialization import dumps, loads
from kombu.utils.uuid import uuid

from pytest_jobqueue.adapters.arguments import name_refused
from pytest_jobqueue.adapters.celery.store import broadcasts, due_time
from pytest_jobqueue.errors import UsageError
from pytest_jobqueue.job import Job

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from celery import Celery
    from celery.app.task import Task

    from pytest_jobqueue.job import Call

_LISTED = 10
# What `apply_async` hands on to the publisher and names in no signature; from its documentation.
_PUBLISHING = frozenset(
    (
        *("queue", "exchange", "routing_key", "exchange_type", "priority", "headers", "declare", "timeout"),
        *("serializer", "compression", "retry", "retry_policy", "delivery_mode", "mandatory", "immediate"),
        *("expiration", "ignore_result", "stamped_headers", "confirm_timeout"),
    )
)


class Client:
    """Enqueues one application's tasks.

    Args:
        app: The application.
    """

    def __init__(self, app: Celery) -> None:
        self._app = app
        sending = inspect.signature(app.send_task).parameters
        taking = inspect.signature(app.Task.apply_async).parameters
        self._options = (_PUBLISHING | set(sending) | set(taking)) - {
            "self",
            "name",
            "options",
            "kwargs",
            "args",
        }

    def push(self, calls: Sequence[Call]) -> list[Job]:
        """Enqueue them, one by one over one connection; none if one of them cannot be.

        Raises:
            TypeError: The task does not take these arguments, or the serialiser refuses one.
            UsageError: There is no such task or option.
        """
        ready = [(call, self._task(call), self._checked(call)) for call in calls]
        for call, task, options in ready:
            self._survive(call, task, options)
        published: list[dict[str, Any]] = []

        def publishing(**message: Any) -> None:
            published.append(message)

        jobs = []
        signals.before_task_publish.connect(publishing, weak=False)
        try:
            with self._app.producer_or_acquire() as producer:
                for call, task, options in ready:
                    published.clear()
                    settings = {"task_id": uuid(), "producer": producer, **options}
                    result = task.apply_async(call.args, dict(call.kwargs), **settings)
                    jobs.append(self._job(call, result, published))
        finally:
            signals.before_task_publish.disconnect(publishing)
        return jobs

    def _task(self, call: Call) -> Task:
        tasks = self._app.tasks
        if call.name in tasks:
            return tasks[call.name]
        raise UsageError(unknown_task(self._app, call.name))

    def _checked(self, call: Call) -> dict[str, Any]:
        """The call's options, with its queue and time as Celery has them."""
        options = dict(call.options)
        stamps = set(options.get("stamped_headers") or ())
        for name in options:
            if name not in self._options and name not in stamps:
                raise UsageError(f"apply_async has no option {name!r}{_did_you_mean(name, self._options)}")
        if call.queue is not None:
            options["queue"] = call.queue
        if call.at is not None:
            options["eta"] = datetime.fromtimestamp(call.at, timezone.utc)
        return options

    def _survive(self, call: Call, task: Task, options: dict[str, Any]) -> None:
        """Raise an error that names the argument which the serialiser refuses."""
        serializer = options.get("serializer") or task.serializer or self._app.conf.task_serializer

        def dumped(value: Any) -> None:
            if not hasattr(value, "model_dump"):  # a pydantic task's, which Celery itself makes plain
                dumps(value, serializer)

        try:
            dumps((call.args, dict(call.kwargs)), serializer)
        except EncodeError as error:
            name_refused(call, error, f"the serializer {serializer!r}", dumped)

    def _job(self, call: Call, result: Any, published: list[dict[str, Any]]) -> Job:
        message = published[-1] if published else {}
        headers, body = message.get("headers") or {}, message.get("body")
        fields = body if isinstance(body, dict) else headers
        queue = message.get("routing_key") or call.queue or self._app.conf.task_default_queue
        exchange = message.get("exchange")
        if exchange in broadcasts(self._app).values():
            queue = exchange  # whose queues have names that nobody gave
        elif exchange and message.get("declare"):
            queue = message["declare"][0].name
        due = due_time(self._app, fields)
        args, kwargs = _round_trip(call, self._app.tasks[call.name].serializer)
        return Job(
            result.id,
            call.name,
            tuple(args),
            kwargs,
            queue,
            due_at=due if due is not None and due > time.time() else None,
            attempts=int(fields.get("retries") or 0),
            raw=result,
        )


def unknown_task(app: Celery, name: str) -> str:
    """What there is to say about a task that nobody registered."""
    known = sorted(task for task in app.tasks if not task.startswith("celery."))
    listed = ", ".join(known[:_LISTED]) + (
        f" and {len(known) - _LISTED} more" if len(known) > _LISTED else ""
    )
    return (
        f"no task {name!r} is registered with the Celery application {app.main or app!r}; "
        f"there {'are' if known else 'is'} {listed or 'none'}{_did_you_mean(name, known) or '.'} "
        "A worker imports the modules in `imports`, `include` and autodiscover_tasks()."
    )


def _did_you_mean(name: str, known: Iterable[str]) -> str:
    known = sorted(known)
    close = get_close_matches(name, known, 1) or [one for one in known if one.rpartition(".")[2] == name][:1]
    return f"; did you mean {close[0]!r}?" if close else ""


def _round_trip(call: Call, serializer: str) -> tuple[Any, Any]:
    """The arguments as the worker will see them; as they are where only the call's own options can tell."""
    try:
        kind, encoding, data = dumps(
            (call.args, dict(call.kwargs)), call.options.get("serializer") or serializer
        )
        args, kwargs = loads(data, kind, encoding, accept=[kind])
    except Exception:  # noqa: BLE001 (it was sent, so another serialiser made it plain)
        return call.args, dict(call.kwargs)
    return args, kwargs
