"""What became of jobs, in the order in which it was noticed: each step of a job's life is said once.

Two sources are put together. What a worker tells is exact; what it cannot tell, that a job was enqueued, is
seen by looking at the queues, and a job that was taken before anybody looked is said to be enqueued then.
"""

from __future__ import annotations

import time
import traceback
from collections import OrderedDict, deque
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING

from pytest_jobqueue.adapters.telling import Began, Ended, RemoteTraceback
from pytest_jobqueue.job import error_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from pytest_jobqueue.adapters import Binding
    from pytest_jobqueue.job import Job, Outcome

_REMEMBERED = 100_000  # jobs that are known by their ids
_KEPT = 1_000  # finished jobs that are kept whole


@dataclass(frozen=True, slots=True)
class Finished:
    """A run of a job that is over.

    Attributes:
        job: The job.
        status: As in `Outcome`.
        at: When it ended, in seconds since the epoch.
        seconds: How long it ran.
        error: The exception's last line, or "".
        traceback: The exception's traceback, or "".
    """

    job: Job
    status: str
    at: float
    seconds: float
    error: str = ""
    traceback: str = ""


@dataclass
class Standing:
    """The jobs on the server, by state, as they were at one moment: what a binding answers of that name."""

    queues: Sequence[str] = ()
    pending: Sequence[Job] = ()
    scheduled: Sequence[Job] = ()
    retrying: Sequence[Job] = ()
    running: Sequence[Job] = ()
    waiting: Sequence[Job] = ()
    failed: Sequence[Job] = ()

    @classmethod
    def of(cls, binding: Binding) -> Standing:
        """Look."""
        return cls(*(list(getattr(binding, state.name)()) for state in fields(cls)))


@dataclass
class Ledger:
    """The steps of jobs' lives.

    Args:
        say: Called with the part that a line is from, and the line.

    Attributes:
        finished: The last runs that are over, newest first.
        in_hand: What workers have in their hands, by the key of the run, and since when.
    """

    say: Callable[[str, str], None]
    finished: deque[Finished] = field(default_factory=lambda: deque(maxlen=_KEPT))
    in_hand: dict[str, tuple[Job, float]] = field(default_factory=dict)
    _known: OrderedDict[str, None] = field(default_factory=OrderedDict)

    def saw(self, standing: Standing) -> None:
        """Take note of what is there, but for what workers have: they will tell, if they have not yet."""
        for job in (*standing.pending, *standing.scheduled, *standing.waiting):
            self._enqueued(job)
        for job in (*standing.retrying, *standing.failed):
            self._remember(job)

    def heard(self, told: Iterable[Began | Ended]) -> int:
        """Take note of what workers told; returns how much that was."""
        number = 0
        for one in told:
            number += 1
            if isinstance(one, Began):
                self.began(one)
            else:
                self.ended(one.key, one.outcome)
        return number

    def began(self, told: Began) -> None:
        """A worker took it."""
        self.in_hand[told.key] = (told.job, time.time())
        if told.runs:
            self._enqueued(told.job)
            self.say("worker", f"{told.job} starts")

    def ended(self, key: str, outcome: Outcome | None) -> None:
        """It is done with it, or has only put it back."""
        self.in_hand.pop(key, None)
        if outcome is None:
            return
        self._enqueued(outcome.job)
        self.say("worker", f"{outcome.job} {_ending(outcome)}")
        error = outcome.exception
        self.finished.appendleft(
            Finished(
                outcome.job,
                outcome.status,
                time.time(),
                outcome.seconds,
                "" if error is None else error_text(error),
                "" if error is None else _traceback(error),
            )
        )

    def _enqueued(self, job: Job) -> None:
        if self._remember(job):
            due = "" if job.due_at is None else f", due in {max(job.due_at - time.time(), 0):.0f} s"
            self.say("redis", f"{job} is enqueued{due}")

    def _remember(self, job: Job) -> bool:
        """Whether it was not known."""
        new = job.id not in self._known
        self._known[job.id] = None
        self._known.move_to_end(job.id)
        if len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)
        return new


def _ending(outcome: Outcome) -> str:
    took = _duration(outcome.seconds)
    error = "" if outcome.exception is None else f": {error_text(outcome.exception)}"
    reason = f" ({outcome.reason})" if outcome.reason else ""
    words = {
        "ok": f"is done in {took}",
        "failed": f"failed after {took}{error}{reason}",
        "retrying": f"failed after {took} and will run again{error}{reason}",
        "dropped": f"was dropped{error or reason}",
    }
    return words[outcome.status]


def _duration(seconds: float) -> str:
    return f"{seconds * 1e3:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"


def _traceback(error: BaseException) -> str:
    if isinstance(error.__cause__, RemoteTraceback):
        return error.__cause__.text
    return "".join(traceback.format_exception(error))
