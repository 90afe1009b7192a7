"""What a worker process tells the test: which job it took and what became of it, one line a time.

Lines are appended to a file, so that processes that the worker forked tell too and nobody ever waits for a
reader; a byte in a named pipe then wakes whoever listens. Values travel as pickles, each for itself, and one
that cannot travel is told in words.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import pickle
import traceback
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from pytest_jobqueue.errors import WorkerJobError
from pytest_jobqueue.job import Job, Outcome, error_text

if TYPE_CHECKING:
    from collections.abc import Iterator

TOLD, WAKE = "told", "wake"  # names in the folder that the two sides share

_TRAVELS = tuple(field.name for field in fields(Job) if field.name != "raw")


class RemoteTraceback(Exception):  # noqa: N818 (it is printed as the cause of a job's exception)
    """The traceback of a job's exception, as the worker process printed it."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text

    def __str__(self) -> str:
        return f"\n{self.text}"


@dataclass(frozen=True, slots=True)
class Began:
    """A worker took a job.

    Attributes:
        key: The run of it; the end has the same.
        pid: The process that has it.
        job: What can be said of it at that moment.
        runs: Whether it runs now; else it was only fetched, and will be told of again when it does.
    """

    key: str
    pid: int
    job: Job
    runs: bool = True


@dataclass(frozen=True, slots=True)
class Ended:
    """It is done with it; `outcome` is None when it only put it back."""

    key: str
    outcome: Outcome | None


class Telling:
    """The worker's side. Without a folder nobody listens, and nothing is told.

    Args:
        folder: What the two sides share, or "".
    """

    def __init__(self, folder: str = "") -> None:
        self._told = -1
        if folder:
            self._told = os.open(Path(folder) / TOLD, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            self._wake = os.open(Path(folder) / WAKE, os.O_WRONLY | os.O_NONBLOCK)

    @property
    def is_heard(self) -> bool:
        """Whether somebody listens."""
        return self._told >= 0

    def ready(self) -> None:
        """The application is there; from now on jobs are taken."""
        if self.is_heard:
            self._say({"ready": os.getpid()})

    def began(self, key: str, job: Job, *, runs: bool = True) -> None:
        """A job was taken; said before anything could be missed of it, and before another one is fetched."""
        if self.is_heard:
            self._say({"began": key, "pid": os.getpid(), "job": _job_out(job), "runs": runs})

    def ended(self, key: str, outcome: Outcome | None = None) -> None:
        """This became of it; None: it was only put back, or passed on."""
        if self.is_heard:
            self._say({"ended": key, "outcome": None if outcome is None else _outcome_out(outcome)})

    def _say(self, fields: dict[str, Any]) -> None:
        os.write(self._told, json.dumps(fields).encode() + b"\n")
        with contextlib.suppress(BlockingIOError):  # full of wakes already
            os.write(self._wake, b"!")


class Listening:
    """The test's side.

    Args:
        folder: What the two sides share.

    Attributes:
        ready: The process ids of workers that were heard to be ready.
    """

    def __init__(self, folder: Path) -> None:
        os.mkfifo(folder / WAKE, 0o600)
        (folder / TOLD).touch(0o600)
        # Open for writing as well, so that it has no end when a worker closes its side.
        self.wake = os.open(folder / WAKE, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        self._told = (folder / TOLD).open("rb")
        self._rest = b""
        self.ready: set[int] = set()

    def heard(self) -> Iterator[Began | Ended]:
        """What was told since the last time."""
        with contextlib.suppress(BlockingIOError):
            while os.read(self.wake, 4096):
                pass
        *lines, self._rest = (self._rest + self._told.read()).split(b"\n")
        for line in lines:
            said = json.loads(line)
            if "ready" in said:
                self.ready.add(said["ready"])
            else:
                yield _read(said)

    def close(self) -> None:
        """Stop listening."""
        os.close(self.wake)
        self._told.close()


def _read(said: dict[str, Any]) -> Began | Ended:
    if "began" in said:
        return Began(said["began"], said["pid"], _job_in(said["job"]), said["runs"])
    told = said["outcome"]
    return Ended(said["ended"], None if told is None else _outcome_in(told))


def _out(value: Any) -> str:
    try:
        data = pickle.dumps(value)
    except Exception:  # noqa: BLE001 (anything may happen in a service's own class)
        data = pickle.dumps(repr(value))
    return base64.b64encode(data).decode()


def _in(data: str) -> Any:
    try:
        return pickle.loads(base64.b64decode(data))  # noqa: S301 (written by our own child)
    except Exception as error:  # noqa: BLE001 (likewise)
        return f"<it cannot be read here: {error_text(error)}>"


def _job_out(job: Job) -> dict[str, str]:
    return {
        **{name: _out(getattr(job, name)) for name in _TRAVELS},
        "args": [_out(value) for value in job.args],  # type: ignore[dict-item]
        "kwargs": {name: _out(value) for name, value in job.kwargs.items()},  # type: ignore[dict-item]
    }


def _job_in(said: dict[str, Any]) -> Job:
    args, kwargs = said.pop("args"), said.pop("kwargs")
    return Job(
        **{name: _in(value) for name, value in said.items()},
        args=tuple(map(_in, args)),
        kwargs={name: _in(value) for name, value in kwargs.items()},
    )


def _outcome_out(outcome: Outcome) -> dict[str, Any]:
    error = outcome.exception
    return {
        "job": _job_out(outcome.job),
        "status": outcome.status,
        "result": _out(outcome.result),
        "reason": outcome.reason,
        "seconds": outcome.seconds,
        "error": None if error is None else _error_out(error),
    }


def _error_out(error: BaseException) -> dict[str, str]:
    return {
        "text": error_text(error),
        "traceback": "".join(traceback.format_exception(error)),
        "itself": _out(error),
    }


def _outcome_in(said: dict[str, Any]) -> Outcome:
    outcome = Outcome(
        _job_in(said["job"]),
        said["status"],
        _in(said["result"]),
        reason=said["reason"],
        seconds=said["seconds"],
    )
    return outcome if said["error"] is None else replace(outcome, exception=_error_in(said["error"]))


def _error_in(said: dict[str, str]) -> BaseException:
    """The job's own exception where it can travel, else one that says what it was; its traceback is text."""
    error = _in(said["itself"])
    if not isinstance(error, BaseException):
        error = WorkerJobError(said["text"])
    error.__cause__ = RemoteTraceback(said["traceback"])
    return cast("BaseException", error)
