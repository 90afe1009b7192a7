"""The values that pass between producer, worker, journal and assertions.

They are frozen. `raw` is always the job library's own object (for the Sidekiq formats: the payload's bytes),
for what these values do not say; it takes no part in comparison.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

Status = Literal["ok", "failed", "retrying", "dropped"]

_LONGEST_ARGUMENT = 60


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= _LONGEST_ARGUMENT else text[: _LONGEST_ARGUMENT - 1] + "…"


def error_text(error: BaseException) -> str:
    """An exception as a traceback's last line names it, even one whose class cannot print it."""
    try:
        text = str(error)
    except Exception:  # noqa: BLE001 (the service's own class; what it hides must not hide the failure)
        text = "<it cannot be printed>"
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


@dataclass(frozen=True, slots=True)
class Call:
    """What a producer asks for, before the job library has seen it.

    Attributes:
        name: The job's name: a Sidekiq class, a Celery task name, an import path for RQ.
        args: Positional arguments.
        kwargs: Keyword arguments; empty for formats that have none.
        queue: The queue's name, or None for the library's default.
        at: When it is due, in seconds since the epoch; None for at once.
        options: What only this library knows (`retry`, `priority`, …), by the library's own names.
    """

    name: str
    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    queue: str | None = None
    at: float | None = None
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Job:
    """One job as it was seen on the server.

    Attributes:
        id: The library's identifier (`jid`, task id, message id, …).
        name: What the job is called: see `Call.name`.
        args: Positional arguments, after the serialiser's round trip.
        kwargs: Keyword arguments, likewise.
        queue: The queue it is on, or was taken from.
        enqueued_at: Seconds since the epoch, or None where the library does not record it.
        due_at: When it is due, in seconds since the epoch; None when it is ready.
        attempts: How many times it has run already, or None where the library does not say.
        error: The last attempt's error message, or None.
        raw: The library's own object.
    """

    id: str
    name: str
    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    queue: str = "default"
    enqueued_at: float | None = None
    due_at: float | None = None
    attempts: int | None = None
    error: str | None = None
    raw: Any = field(default=None, repr=False, compare=False)

    @property
    def call_string(self) -> str:
        """The job as a call, arguments shortened: `Add(2, 3)`."""
        parts = [_short(value) for value in self.args]
        parts += [f"{key}={_short(value)}" for key, value in self.kwargs.items()]
        return f"{self.name}({', '.join(parts)})"

    def __str__(self) -> str:
        return f"{self.call_string} [{self.id} on {self.queue}]"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one job that a worker took off a queue.

    Attributes:
        job: The job as it was when it was taken.
        status: `ok`; `failed` (no further attempt); `retrying` (will run again); `dropped` (consumed, not
            run).
        result: What the handler returned; None unless `status` is `ok`.
        exception: The job's own exception with its traceback; None when it ran well.
        reason: Why it was dropped, or what the library does with it now.
        seconds: How long the handler ran, in real seconds.
    """

    job: Job
    status: Status
    result: Any = None
    exception: BaseException | None = None
    reason: str | None = None
    seconds: float = 0.0

    def __str__(self) -> str:
        text = f"{self.status}: {self.job}"
        if self.exception is not None:
            text += f" raised {error_text(self.exception)}"
        return text + (f" ({self.reason})" if self.reason else "")


Outcomes = Sequence[Outcome]
