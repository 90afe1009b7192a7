"""The worker runner: runs jobs in the calling thread, one at a time or until none is ready.

The binding takes and runs a job; what is decided here is how many, for how long, and what a failure means to
the test. By default the job's own exception is raised, after the failure was recorded on the server, so that
the test fails where the job did.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NoReturn, overload

from pytest_jobqueue.deadline import Deadline, DeadlineExceeded
from pytest_jobqueue.errors import DrainLimitError, DrainTimeoutError, UsageError
from pytest_jobqueue.job import Job, Outcome
from pytest_jobqueue.journal import Journal, Note, Ran

if TYPE_CHECKING:
    from pytest_jobqueue.adapters import Binding
    from pytest_jobqueue.settings import OnError, Settings

_LISTED = 5  # jobs named in a message


class Drained(Sequence[Outcome]):
    """What a drain did: the outcomes in order, and those of each kind."""

    def __init__(self, outcomes: Sequence[Outcome]) -> None:
        self._outcomes = tuple(outcomes)

    @overload
    def __getitem__(self, index: int) -> Outcome: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Outcome]: ...
    def __getitem__(self, index: int | slice) -> Outcome | Sequence[Outcome]:
        return self._outcomes[index]

    def __len__(self) -> int:
        return len(self._outcomes)

    def __iter__(self) -> Iterator[Outcome]:
        return iter(self._outcomes)

    def __eq__(self, other: object) -> bool:
        return list(self) == list(other) if isinstance(other, Sequence) else NotImplemented

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"<{len(self)} outcomes: {', '.join(f'{o.job.name} {o.status}' for o in self)}>"

    @property
    def ok(self) -> Sequence[Outcome]:
        """The jobs that ran well."""
        return [outcome for outcome in self if outcome.status == "ok"]

    @property
    def failed(self) -> Sequence[Outcome]:
        """The attempts that failed, whether or not another follows."""
        return [outcome for outcome in self if outcome.status in ("failed", "retrying")]

    @property
    def results(self) -> list[Any]:
        """What the handlers returned, of the jobs that ran well."""
        return [outcome.result for outcome in self.ok]


class Worker:
    """Runs jobs in the calling thread.

    ```python
    worker.run_next()  # one job: its Outcome, or None
    worker.drain()  # until nothing is ready
    worker.drain(on_error="record")  # look at failures instead of raising them
    worker.run_until(lambda: order.is_paid())
    ```
    """

    def __init__(self, binding: Binding, journal: Journal, settings: Settings) -> None:
        self._binding = binding
        self._journal = journal
        self._settings = settings

    def run_next(self, queue: str | None = None, *, on_error: OnError | None = None) -> Outcome | None:
        """Take the next job and run it; None when none is ready.

        Args:
            queue: Look at this queue only.
            on_error: `raise` the job's exception (the default) or `record` it in the outcome only.

        Raises:
            Exception: The job's own, with `on_error="raise"`. A `BaseException` that is no `Exception`
                (KeyboardInterrupt, `pytest.fail`) is raised whatever `on_error` says.
        """
        __tracebackhide__ = True
        policy = self._policy(on_error)
        outcome = self._take(queue)
        if outcome is not None:
            self._judge(outcome, policy)
        return outcome

    def drain(
        self,
        queue: str | None = None,
        *,
        limit: int | None = None,
        timeout: float | None = None,
        on_error: OnError | None = None,
    ) -> Drained:
        """Run jobs, and the jobs that they enqueue, until none is ready at the current time.

        Args:
            queue: Look at this queue only.
            limit: How many jobs may run; more is an error, since most often a job enqueues itself.
            timeout: How long it may take, in real seconds; a job that runs longer is interrupted.
            on_error: As in `run_next`; with `raise` it stops at the first failure.

        Raises:
            DrainLimitError: More than `limit` jobs were ready.
            DrainTimeoutError: The time was up; the message names the job that was running.
        """
        __tracebackhide__ = True
        return self._run(None, queue, limit, timeout, on_error)

    def run_until(
        self,
        predicate: Callable[[], object],
        queue: str | None = None,
        *,
        limit: int | None = None,
        timeout: float | None = None,
        on_error: OnError | None = None,
    ) -> Drained:
        """Run jobs until `predicate()` is true; it is asked before each job.

        Raises:
            DrainTimeoutError: Nothing is ready and it is still not true, or the time was up.
            DrainLimitError: It was not true after `limit` jobs, and more are ready.
        """
        __tracebackhide__ = True
        return self._run(predicate, queue, limit, timeout, on_error)

    def tick(self) -> int:
        """Let the library's scheduler look once: due jobs become ready. Returns how many."""
        return self._binding.tick()

    def abandon_next(self, queue: str | None = None) -> Job | None:
        """Take the next job and die with it: it stays where the library's worker would leave it."""
        job = self._binding.abandon_next(queue)
        if job is not None:
            self._journal.append(Note(f"abandoned {job}"))
        return job

    def recover(self) -> int:
        """Let the library's own maintenance look for abandoned jobs. Returns how many became ready."""
        count = self._binding.recover()
        self._journal.append(Note(f"recovered {count} abandoned jobs"))
        return count

    def _policy(self, on_error: OnError | None) -> OnError:
        policy = on_error or self._settings.on_error
        if policy not in ("raise", "record"):
            raise UsageError(f"on_error is {policy!r}; it can be 'raise' or 'record'")
        return policy

    def _take(self, queue: str | None, *, more: bool = False) -> Outcome | None:
        outcome = self._binding.run_next(queue, more=more)
        if outcome is None and self._binding.tick():
            outcome = self._binding.run_next(queue)
        if outcome is not None:
            self._journal.append(Ran(outcome))
        return outcome

    def _run(
        self,
        predicate: Callable[[], object] | None,
        queue: str | None,
        limit: int | None,
        timeout: float | None,
        on_error: OnError | None,
    ) -> Drained:
        __tracebackhide__ = True
        policy = self._policy(on_error)
        limit = self._settings.drain_limit if limit is None else limit
        seconds = self._settings.drain_timeout if timeout is None else timeout
        outcomes: list[Outcome] = []
        deadline = Deadline(seconds)
        try:
            with deadline:
                while not (predicate is not None and predicate()):
                    more = predicate is None and len(outcomes) + 1 < limit
                    outcome = self._take(queue, more=more) if len(outcomes) < limit else None
                    if outcome is None:
                        if len(outcomes) >= limit and self._ready(queue):
                            self._over_limit(queue, outcomes)
                        if predicate is not None:
                            self._nothing_ready(queue, outcomes)
                        break
                    outcomes.append(outcome)
                    if _is_of(deadline, outcome.exception):
                        self._out_of_time(seconds, outcome.job, outcomes)
                    self._judge(outcome, policy)
                    if deadline.expired:
                        self._out_of_time(seconds, None, outcomes)
        except DeadlineExceeded as error:
            if not _is_of(deadline, error):
                raise
            self._out_of_time(seconds, None, outcomes)
        return Drained(outcomes)

    def _ready(self, queue: str | None) -> Sequence[Job]:
        """What a further step would run."""
        pending = self._binding.pending
        return pending(queue) or (pending(queue) if self._binding.tick() else ())

    def _judge(self, outcome: Outcome, policy: OnError) -> None:
        __tracebackhide__ = True
        error = outcome.exception
        if error is None or (policy == "record" and isinstance(error, Exception)):
            return
        if sys.version_info >= (3, 11):
            where = f"in job {outcome.job}, attempt {(outcome.job.attempts or 0) + 1}: {outcome.status}"
            error.add_note(where + (f", {outcome.reason}" if outcome.reason else ""))
        raise error

    def _over_limit(self, queue: str | None, outcomes: Sequence[Outcome]) -> NoReturn:
        __tracebackhide__ = True
        ready = self._binding.pending(queue)
        names = Counter(outcome.job.name for outcome in outcomes).most_common(1)
        ran = "".join(f"; most often ran {name!r} ({_times(count)})" for name, count in names)
        raise DrainLimitError(
            f"{_jobs(len(outcomes))} ran, as many as the limit allows, and more are ready: {_listed(ready)}"
            f"{ran}. If no job enqueues itself, give limit=… more."
        )

    def _nothing_ready(self, queue: str | None, outcomes: Sequence[Outcome]) -> NoReturn:
        __tracebackhide__ = True
        raise DrainTimeoutError(
            f"run_until: after {_jobs(len(outcomes))} nothing is ready on {self._where(queue)} and the "
            f"predicate is still false. {self._standing()}"
        )

    def _out_of_time(self, seconds: float, job: Job | None, outcomes: Sequence[Outcome]) -> NoReturn:
        __tracebackhide__ = True
        at = f"while {job} was running" if job is not None else f"after {_jobs(len(outcomes))}"
        last = f"; the last one was {outcomes[-1].job}" if outcomes and job is None else ""
        raise DrainTimeoutError(
            f"the time for this drain ({seconds:g} s) was up {at}{last}. {self._standing()} "
            "If the jobs really take that long, give timeout=… more."
        ) from None

    def _where(self, queue: str | None) -> str:
        names = [queue] if queue is not None else list(self._binding.queues())
        return ", ".join(map(repr, names)) or "any queue"

    def _standing(self) -> str:
        """What is on the server, for a message."""
        binding = self._binding
        kinds = (
            ("ready", binding.pending()),
            ("scheduled", binding.scheduled()),
            ("retrying", binding.retrying()),
            ("running", binding.running()),
            ("waiting", binding.waiting()),
        )
        found = [f"{len(jobs)} {kind}: {_listed(jobs)}" for kind, jobs in kinds if jobs]
        return f"On the server: {'; '.join(found)}." if found else "No job is on the server."


def _is_of(deadline: Deadline, error: BaseException | None) -> bool:
    return isinstance(error, DeadlineExceeded) and error.deadline is deadline


def _jobs(count: int) -> str:
    return f"{count} job{'' if count == 1 else 's'}"


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


def _listed(jobs: Sequence[Job]) -> str:
    if not jobs:
        return "none"
    more = f" and {len(jobs) - _LISTED} more" if len(jobs) > _LISTED else ""
    return ", ".join(map(str, jobs[:_LISTED])) + more
