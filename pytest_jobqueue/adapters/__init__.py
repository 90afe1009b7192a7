"""The seam to a job library: one narrow protocol, and what a library cannot do as flags.

A binding joins one application object to one Redis URL. It enqueues, lists and runs jobs with the library's
own code. It knows neither servers nor faults nor pytest, keeps no record, and decides nothing about errors:
the worker above it does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_jobqueue.adapters.telling import Telling
    from pytest_jobqueue.job import Call, Job, Outcome
    from pytest_jobqueue.settings import Settings


@dataclass(frozen=True, slots=True)
class Caps:
    """What a job library can do; the contract suite reads these and says what it skips.

    The package of an adapter declares the most that its library can do, as `CAPS`, and as `CAPS_IF` what some
    of it depends on: the application, or the version. It imports no library for that, so that the table in
    docs/adapters can be made of all of them at once. A binding says what its application can do.

    Attributes:
        acks: A job whose worker dies is still on the server.
        dead_letters: Jobs that failed for good are kept where `failed()` finds them.
        delays: A job can be enqueued for later.
        retries: A failed job runs again by itself.
        kwargs: Jobs take keyword arguments.
        results: What a handler returned is kept on the server.
        priorities: Jobs on one queue can overtake each other.
        dependencies: A job can wait for another.
        periodic: Jobs can recur on a schedule.
    """

    acks: bool = False
    dead_letters: bool = False
    delays: bool = False
    retries: bool = False
    kwargs: bool = False
    results: bool = False
    priorities: bool = False
    dependencies: bool = False
    periodic: bool = False


class Binding(Protocol):
    """One application on one server.

    A job that the library only puts back is no outcome: `run_next` goes on to the next. An exception that the
    job raised, `BaseException`s among them, is in the outcome, never raised by the binding. A library that
    interrupts its jobs by exceptions that are no `Exception` names their classes in an attribute
    `interrupts`: these are failures like any other.

    `requeue` and `discard` are for whoever looks after jobs by hand, and a third party's binding may be
    without them: the contract then skips its tests of them, and the page of `jobqueue dev` has no buttons.
    """

    caps: Caps

    def enqueue(self, call: Call) -> Job:
        """Put one job on the server, as the library's own client does.

        Raises:
            TypeError: An argument does not survive the library's serialiser.
            UsageError: The library cannot do what is asked (a delay, an option).
        """

    def enqueue_many(self, calls: Sequence[Call]) -> list[Job]:
        """Put several jobs on the server, in one round trip where the library can."""

    def queues(self) -> Sequence[str]:
        """The queues that a worker of this application listens to, in its order."""

    def pending(self, queue: str | None = None) -> Sequence[Job]:
        """What a worker would take now, in its order, at the current clock."""

    def scheduled(self) -> Sequence[Job]:
        """Jobs that wait for their first run, soonest first."""

    def retrying(self) -> Sequence[Job]:
        """Jobs that failed and wait to run again, soonest first."""

    def running(self) -> Sequence[Job]:
        """Jobs that a worker took and has not finished: with a dead worker, abandoned ones."""

    def waiting(self) -> Sequence[Job]:
        """Jobs that wait for other jobs."""

    def failed(self) -> Sequence[Job]:
        """Jobs that failed for good and were kept."""

    def run_next(self, queue: str | None = None, *, more: bool = False) -> Outcome | None:
        """Take exactly one job and run it here, with the library's own code; None when nothing is ready.

        Args:
            queue: Look at this queue only.
            more: The caller will ask for the next one at once if this one runs well; a library may use that
                to spare a round trip, as long as nobody can tell the difference.
        """

    def tick(self) -> int:
        """One step of the library's scheduler: due and periodic jobs become ready. Returns how many."""

    def next_due(self) -> float | None:
        """When the next job becomes due, in seconds since the epoch; None when none will."""

    def abandon_next(self, queue: str | None = None) -> Job | None:
        """Take one job and leave it there, as a worker does that dies with it in its hands."""

    def recover(self) -> int:
        """The library's own maintenance: abandoned jobs become ready. Returns how many."""

    def requeue(self, job: Job, /) -> None:
        """Make a job ready now that is scheduled, retrying or failed, by the library's own means if any.

        A worker that takes the job at the same moment and this call do not both have it: it runs once.

        Args:
            job: As `scheduled`, `retrying` or `failed` listed it.

        Raises:
            UsageError: It is there no longer, or the library cannot do it.
        """

    def discard(self, job: Job, /) -> None:
        """Delete a job that is pending, scheduled, retrying, waiting or failed.

        Args:
            job: As one of these listed it.

        Raises:
            UsageError: It is there no longer, or the library cannot do it.
        """

    def close(self) -> None:
        """Give back connections, and leave the application and the process as they were."""


class AsyncBinding(Protocol):
    """`Binding` for a library whose own code is asynchronous: what acts is awaited, what looks is not.

    Looking goes over a connection that needs no loop, so that assertions work inside of one and outside.
    `loops.SyncFace` makes a `Binding` of it. What acting holds open belongs to the loop that it was used in:
    `release` closes that there; `restore` touches no loop and leaves application and process as they were.
    """

    caps: Caps

    async def enqueue(self, call: Call) -> Job:
        """As `Binding.enqueue`."""

    async def enqueue_many(self, calls: Sequence[Call]) -> list[Job]:
        """As `Binding.enqueue_many`."""

    def queues(self) -> Sequence[str]:
        """As `Binding.queues`."""

    def pending(self, queue: str | None = None) -> Sequence[Job]:
        """As `Binding.pending`."""

    def scheduled(self) -> Sequence[Job]:
        """As `Binding.scheduled`."""

    def retrying(self) -> Sequence[Job]:
        """As `Binding.retrying`."""

    def running(self) -> Sequence[Job]:
        """As `Binding.running`."""

    def waiting(self) -> Sequence[Job]:
        """As `Binding.waiting`."""

    def failed(self) -> Sequence[Job]:
        """As `Binding.failed`."""

    async def run_next(self, queue: str | None = None, *, more: bool = False) -> Outcome | None:
        """As `Binding.run_next`."""

    async def tick(self) -> int:
        """As `Binding.tick`."""

    def next_due(self) -> float | None:
        """As `Binding.next_due`."""

    async def abandon_next(self, queue: str | None = None) -> Job | None:
        """As `Binding.abandon_next`."""

    async def recover(self) -> int:
        """As `Binding.recover`."""

    async def release(self) -> None:
        """Close, in the running loop, the connections that were made in it; the next use makes new ones."""

    def restore(self) -> None:
        """Leave the application and the process as they were."""


@dataclass(frozen=True, slots=True)
class Work:
    """What a worker process is to do; an adapter's `command` is called with the application and this.

    It leads the application to the Redis and has the library tell what it does, and returns a function that
    runs the library's own worker command in this process, until SIGTERM. Whatever the library forks or spawns
    must be led there too. `telling` hears `began` of each job before the worker fetches another one, and
    `ended` when all that the job's end brings about is on the server.

    Attributes:
        app_path: `module:attribute` of the application.
        url: The Redis.
        settings: Those of the test.
        telling: Who hears of the jobs.
        options: What the library's command is to be called with besides.
    """

    app_path: str
    url: str
    settings: Settings
    telling: Telling
    options: tuple[str, ...] = ()
