"""What a reader of a failed test needs to see: the jobs, where they stand, the clients, the server's log.

It reads the journal and the server; it changes neither, and what cannot be read is said instead of raised.
"""

from __future__ import annotations

import json
import traceback
from typing import TYPE_CHECKING, Any

from pytest_jobqueue import on_commit
from pytest_jobqueue.job import Job, Outcome, error_text
from pytest_jobqueue.journal import Enqueued, Entry, Journal, Ran

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from pytest_jobqueue.adapters import Binding
    from pytest_jobqueue.servers import Server

_MOST = 30  # lines of one kind
_LOG_LINES = 30


def failure_section(journal: Journal, binding: Binding, server: Server, worker_log: str = "") -> str:
    """The section that a failed test's report gets."""
    parts = [f"redis: {''.join(_read(lambda: [server.describe()]))}"]
    parts += _part("what happened", [_entry(entry) for entry in journal.entries])
    for title, read in _standing(binding):
        parts += _part(title, _read(read))
    parts += _part("on-commit callbacks that wait (see jobqueue.run_on_commit)", _read(on_commit.waiting))
    parts += _part("connected clients", _read(server.clients))
    parts += _part("the worker's log", worker_log.splitlines())
    parts += _part("the server's log", _read(lambda: server.log_tail(_LOG_LINES).splitlines()))
    return "\n".join(parts)


def _standing(binding: Binding) -> list[tuple[str, Callable[[], Sequence[Job]]]]:
    return [
        ("ready", binding.pending),
        ("scheduled", binding.scheduled),
        ("retrying", binding.retrying),
        ("in progress", binding.running),
        ("waiting for others", binding.waiting),
        ("dead", binding.failed),
    ]


def _read(read: Callable[[], Sequence[Any]]) -> list[str]:
    try:
        return [_with_error(item) for item in read()]
    except Exception as error:  # noqa: BLE001 (a report must not hide the failure that it is about)
        return [f"could not be read: {error_text(error)}"]


def _with_error(item: Any) -> str:
    return f"{item}: {item.error}" if isinstance(item, Job) and item.error else str(item)


def _part(title: str, lines: Sequence[str]) -> list[str]:
    if not lines:
        return []
    shown = [f"  {line}" for line in lines[-_MOST:]]
    left_out = [f"  … {len(lines) - _MOST} before these"] if len(lines) > _MOST else []
    return [f"{title}:", *left_out, *shown]


def _entry(entry: Entry) -> str:
    if isinstance(entry, Enqueued):
        return f"enqueued {entry.job}"
    if isinstance(entry, Ran):
        return f"ran      {entry.outcome}{_where(entry.outcome)}"
    return entry.text


def _where(outcome: Outcome) -> str:
    frames = traceback.extract_tb(outcome.exception.__traceback__) if outcome.exception is not None else []
    return f" at {frames[-1].filename}:{frames[-1].lineno}" if frames else ""


def json_lines(test: str, journal: Journal) -> list[str]:
    """The journal of one test for `--jobqueue-report`, a JSON object a line."""
    return [_line({"test": test, **_plain(entry)}) for entry in journal.entries]


def _line(fields: Mapping[str, Any]) -> str:
    try:
        return json.dumps(fields, default=repr)
    except (TypeError, ValueError):  # a key that is no text, a circle: a library with a serialiser of its own
        plain = {
            name: repr(value) if isinstance(value, (list, dict)) else value for name, value in fields.items()
        }
        return json.dumps(plain, default=repr)


def _plain(entry: Entry) -> dict[str, Any]:
    if isinstance(entry, Enqueued):
        return {"event": "enqueued", **_job(entry.job)}
    if isinstance(entry, Ran):
        outcome = entry.outcome
        error = outcome.exception
        return {
            "event": "ran",
            **_job(outcome.job),
            "status": outcome.status,
            "seconds": round(outcome.seconds, 6),
            "error": None if error is None else error_text(error),
            "traceback": None if error is None else "".join(traceback.format_exception(error)),
        }
    return {"event": "note", "text": entry.text}


def _job(job: Job) -> dict[str, Any]:
    return {
        "id": job.id,
        "name": job.name,
        "args": list(job.args),
        "kwargs": dict(job.kwargs),
        "queue": job.queue,
        "due_at": job.due_at,
        "attempts": job.attempts,
    }
