"""A message of a broker, or a schedule of a source, as a `Job`; read with the service's own formatter."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_jobqueue.job import Job

if TYPE_CHECKING:
    from collections.abc import Mapping

    from taskiq import AsyncBroker, ScheduledTask

UNREADABLE = "<unreadable>"


class Messages:
    """Reads what a broker wrote.

    Args:
        broker: The broker.

    Attributes:
        errors: What the last attempt of a job raised, by its id; Taskiq's messages do not say.
    """

    def __init__(self, broker: AsyncBroker) -> None:
        self._broker = broker
        self.errors: dict[str, str] = {}

    def job(self, data: bytes, queue: str, *, at: float | None = None) -> Job:
        """A message; one that the formatter cannot read has no name, as the receiver could not run it.

        Args:
            data: The message.
            queue: Where it is.
            at: When it came there, where that is known.
        """
        try:
            message = self._broker.formatter.loads(message=data)
            message.parse_labels()
        except Exception:  # noqa: BLE001 (whatever the service's formatter raises)
            return Job("", UNREADABLE, (data,), queue=queue, enqueued_at=at, raw=data)
        return Job(
            message.task_id,
            message.task_name,
            tuple(message.args),
            dict(message.kwargs),
            queue,
            enqueued_at=at,
            attempts=attempts(message.labels),
            error=self.errors.get(message.task_id),
            raw=message,
        )

    def scheduled(self, task: ScheduledTask, due_at: float | None) -> Job:
        """A task in a schedule source; without an id of its own it goes by its schedule's."""
        job_id = task.task_id or task.schedule_id
        return Job(
            job_id,
            task.task_name,
            tuple(task.args),
            dict(task.kwargs),
            str(task.labels.get("queue_name") or getattr(self._broker, "queue_name", "")),
            due_at=due_at,
            attempts=attempts(task.labels),
            error=self.errors.get(job_id),
            raw=task,
        )


def attempts(labels: Mapping[str, Any]) -> int:
    """How often a task has run: what the retry middlewares count, and `Context.requeue`."""
    return sum(int(labels.get(label) or 0) for label in ("_retries", "X-Taskiq-requeue"))
