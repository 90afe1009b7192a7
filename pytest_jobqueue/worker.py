"""The worker runner: runs jobs in the calling thread, one at a time or until none is ready.

The binding takes and runs a job; what is decided here is how many, for how long, and what a failure means to
the test. By default the job's own exception is raised, after the failure was recorded on the server, so that
the test fails where the job did.
"""

from __future__ import annotations

import asyncio
import inspect
import sys
from collections import Counter
from collections.abc import Awaitable, Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, NoReturn, TypeAlias, TypeVar, cast, overload

from pytest_jobqueue import on_commit
from pytest_jobqueue.deadline import Deadline, DeadlineExceeded
from pytest_jobqueue.errors import DrainLimitError, DrainTimeoutError, PoisonJobError, UsageError
from pytest_jobqueue.job import Job, Outcome
from pytest_jobqueue.journal import Journal, Note, Ran

if TYPE_CHECKING:
    from pytest_jobqueue.adapters import Binding
    from pytest_jobqueue.adapters.loops import SyncFace
    from pytest_jobqueue.settings import OnError, Settings

T = TypeVar("T")
# A question to the binding: the method's name, and its arguments.
Question: TypeAlias = tuple[str, tuple[Any, ...], Mapping[str, Any]]
Steps: TypeAlias = Generator[Question, Any, T]

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


@dataclass(frozen=True, slots=True)
class Asked:
    """What a drain is asked for: which jobs, until when, how many and how long at the most."""

    predicate: Callable[[], object] | None
    queue: str | None
    limit: int
    deadline: Deadline
    on_error: OnError | None

    @property
    def is_fulfilled(self) -> bool:
        """Whether there is a predicate, and it is true."""
        __tracebackhide__ = True
        return self.predicate is not None and bool(self.predicate())


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
                (KeyboardInterrupt, `pytest.fail`) is raised whatever `on_error` says, unless the job library
                itself interrupts jobs by it (Dramatiq's `TimeLimitExceeded`).
        """
        __tracebackhide__ = True
        return self._drive(self._one(queue, on_error))

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
        return self._work(self._asked(None, queue, limit, timeout, on_error))

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
        return self._work(self._asked(predicate, queue, limit, timeout, on_error))

    def tick(self) -> int:
        """Let the library's scheduler look once: due jobs become ready. Returns how many."""
        return self._drive(self._tick())

    def abandon_next(self, queue: str | None = None) -> Job | None:
        """Take the next job and die with it: it stays where the library's worker would leave it."""
        return self._drive(self._abandon(queue))

    def recover(self) -> int:
        """Let the library's own maintenance look for abandoned jobs. Returns how many became ready."""
        return self._drive(self._recover())

    def stop(self) -> None:
        """End what runs jobs: nothing here, where the calling thread does. In process mode, the process."""

    def log_tail(self, lines: int = 30) -> str:  # noqa: ARG002
        """The end of the worker process's log; empty here, where jobs run in the calling thread."""
        return ""

    # The same inside a running event loop.

    async def arun_next(self, queue: str | None = None, *, on_error: OnError | None = None) -> Outcome | None:
        """`run_next` inside a running event loop."""
        __tracebackhide__ = True
        return await self._adrive(self._one(queue, on_error))

    async def adrain(
        self,
        queue: str | None = None,
        *,
        limit: int | None = None,
        timeout: float | None = None,
        on_error: OnError | None = None,
    ) -> Drained:
        """`drain` inside a running event loop; jobs of an asynchronous library run in that loop."""
        __tracebackhide__ = True
        return await self._awork(self._asked(None, queue, limit, timeout, on_error))

    async def arun_until(
        self,
        predicate: Callable[[], object],
        queue: str | None = None,
        *,
        limit: int | None = None,
        timeout: float | None = None,
        on_error: OnError | None = None,
    ) -> Drained:
        """`run_until` inside a running event loop; `predicate` is an ordinary function."""
        __tracebackhide__ = True
        return await self._awork(self._asked(predicate, queue, limit, timeout, on_error))

    async def atick(self) -> int:
        """`tick` inside a running event loop."""
        return await self._adrive(self._tick())

    async def aabandon_next(self, queue: str | None = None) -> Job | None:
        """`abandon_next` inside a running event loop."""
        return await self._adrive(self._abandon(queue))

    async def arecover(self) -> int:
        """`recover` inside a running event loop."""
        return await self._adrive(self._recover())

    # What a drain is, with a predicate or without: here and now, or in the running loop.

    def _work(self, asked: Asked) -> Drained:
        __tracebackhide__ = True
        return self._drive_in_time(self._many(asked), asked.deadline)

    async def _awork(self, asked: Asked) -> Drained:
        __tracebackhide__ = True
        return await self._adrive_in_time(self._many(asked), asked.deadline)

    # What is decided, once for both: generators that ask the binding by yielding, and are told the answer.

    def _one(self, queue: str | None, on_error: OnError | None) -> Steps[Outcome | None]:
        __tracebackhide__ = True
        policy = self._policy(on_error)
        outcome = yield from self._take(queue)
        if outcome is not None:
            self._judge(outcome, policy)
        return outcome

    def _abandon(self, queue: str | None) -> Steps[Job | None]:
        self._commit()
        job: Job | None = yield "abandon_next", (queue,), {}
        if job is not None:
            self._journal.append(Note(f"abandoned {job}"))
        return job

    def _recover(self) -> Steps[int]:
        count: int = yield "recover", (), {}
        self._journal.append(Note(f"recovered {count} abandoned jobs"))
        return count

    def _policy(self, on_error: OnError | None) -> OnError:
        policy = on_error or self._settings.on_error
        if policy not in ("raise", "record"):
            raise UsageError(f"on_error is {policy!r}; it can be 'raise' or 'record'")
        return policy

    def _asked(
        self,
        predicate: Callable[[], object] | None,
        queue: str | None,
        limit: int | None,
        timeout: float | None,
        on_error: OnError | None,
    ) -> Asked:
        settings = self._settings
        seconds = settings.drain_timeout if timeout is None else timeout
        most = settings.drain_limit if limit is None else limit
        return Asked(predicate, queue, most, Deadline(seconds, in_loop=self._twin is not None), on_error)

    def _commit(self) -> None:
        if self._settings.run_on_commit:
            on_commit.run_due()

    def _take(self, queue: str | None, *, more: bool = False) -> Steps[Outcome | None]:
        __tracebackhide__ = True
        self._commit()
        outcome: Outcome | None = yield "run_next", (queue,), {"more": more}
        if outcome is None:
            ticked = yield from self._tick()
            if ticked:
                outcome = yield "run_next", (queue,), {}
        if outcome is not None:
            self._journal.append(Ran(outcome))
            self._commit()
        return outcome

    def _tick(self) -> Steps[int]:
        """Have what is due made ready; what is no job there is in no outcome, so the journal has it."""
        __tracebackhide__ = True
        try:
            ticked: int = yield "tick", (), {}
        except PoisonJobError as error:
            self._journal.append(Note(str(error)))
            raise
        return ticked

    def _many(self, asked: Asked) -> Steps[Drained]:
        __tracebackhide__ = True
        policy = self._policy(asked.on_error)
        outcomes: list[Outcome] = []
        queue, limit, deadline = asked.queue, asked.limit, asked.deadline
        try:
            while not asked.is_fulfilled:
                more = asked.predicate is None and len(outcomes) + 1 < limit
                outcome = (yield from self._take(queue, more=more)) if len(outcomes) < limit else None
                if outcome is None:
                    if len(outcomes) >= limit and (yield from _ready(queue)):
                        yield from self._over_limit(queue, outcomes)
                    if asked.predicate is not None:
                        yield from self._nothing_ready(queue, outcomes)
                    break
                outcomes.append(outcome)
                if _is_of(deadline, outcome.exception):
                    yield from self._out_of_time(deadline, outcome.job, outcomes)
                self._judge(outcome, policy)
                if deadline.expired:
                    yield from self._out_of_time(deadline, None, outcomes)
        except DeadlineExceeded as error:
            if not _is_of(deadline, error):
                raise
            yield from self._out_of_time(deadline, None, outcomes)
        return Drained(outcomes)

    def _judge(self, outcome: Outcome, policy: OnError) -> None:
        __tracebackhide__ = True
        error = outcome.exception
        failures = (Exception, asyncio.CancelledError, *getattr(self._binding, "interrupts", ()))
        if error is None or (policy == "record" and isinstance(error, failures)):
            return
        raise error

    def _over_limit(self, queue: str | None, outcomes: Sequence[Outcome]) -> Steps[NoReturn]:
        __tracebackhide__ = True
        ready = yield "pending", (queue,), {}
        names = Counter(outcome.job.name for outcome in outcomes).most_common(1)
        ran = "".join(f"; most often ran {name!r} ({_times(count)})" for name, count in names)
        raise DrainLimitError(
            f"{_jobs(len(outcomes))} ran, as many as the limit allows, and more are ready: {_listed(ready)}"
            f"{ran}. If no job enqueues itself, give limit=… more."
        )

    def _nothing_ready(self, queue: str | None, outcomes: Sequence[Outcome]) -> Steps[NoReturn]:
        __tracebackhide__ = True
        queues = [queue] if queue is not None else (yield "queues", (), {})
        where = ", ".join(map(repr, queues)) or "any queue"
        standing = yield from _standing()
        hint = on_commit.hint()
        raise DrainTimeoutError(
            f"run_until: after {_jobs(len(outcomes))} nothing is ready on {where} and the "
            f"predicate is still false. {standing}{f' {hint}.' if hint else ''}"
        )

    def _out_of_time(
        self, deadline: Deadline, job: Job | None, outcomes: Sequence[Outcome]
    ) -> Steps[NoReturn]:
        __tracebackhide__ = True
        deadline.stop()
        at = f"while {job} was running" if job is not None else f"after {_jobs(len(outcomes))}"
        last = f"; the last one was {outcomes[-1].job}" if outcomes and job is None else ""
        standing = yield from _standing()
        raise DrainTimeoutError(
            f"the time for this drain ({deadline.seconds:g} s) was up {at}{last}. {standing} "
            "If the jobs really take that long, give timeout=… more."
        ) from None

    # Who answers: the binding here and now, or its twin in the running loop.

    @property
    def _twin(self) -> Any:
        """The asynchronous side of the binding, if it has one."""
        return getattr(self._binding, "twin", None)

    def _answer(
        self, name: str, args: tuple[Any, ...], kwargs: Mapping[str, Any], deadline: Deadline | None
    ) -> Any:
        act = getattr(self._twin, name, None)
        if deadline is None or not inspect.iscoroutinefunction(act):
            return getattr(self._binding, name)(*args, **kwargs)
        return cast("SyncFace", self._binding).run(_in_time(partial(act, *args, **kwargs), deadline))

    def _drive(
        self, steps: Steps[T], first: BaseException | None = None, deadline: Deadline | None = None
    ) -> T:
        __tracebackhide__ = True
        try:
            name, args, kwargs = next(steps) if first is None else steps.throw(first)
            while True:
                try:
                    answer = self._answer(name, args, kwargs, deadline)
                except BaseException as error:  # noqa: BLE001, PERF203 - whoever asked decides
                    name, args, kwargs = steps.throw(error)
                else:
                    name, args, kwargs = steps.send(answer)
        except StopIteration as stop:
            result: T = stop.value
            return result

    def _drive_in_time(self, steps: Steps[T], deadline: Deadline) -> T:
        __tracebackhide__ = True
        with deadline:
            try:
                return self._drive(steps, None, deadline)
            except DeadlineExceeded as error:
                if inspect.getgeneratorstate(steps) == inspect.GEN_CLOSED:
                    raise
                # It struck between a question and its answer, outside of the generator that is to know.
                return self._drive(steps, error, deadline)

    async def _adrive(self, steps: Steps[T], deadline: Deadline | None = None) -> T:
        __tracebackhide__ = True
        source = self._twin or self._binding
        enter = getattr(self._binding, "enter", None)
        if enter is not None:
            await enter()
        try:
            name, args, kwargs = next(steps)
            while True:
                try:
                    method = getattr(source, name)
                    if inspect.iscoroutinefunction(method):
                        answer = await _in_time(partial(method, *args, **kwargs), deadline)
                    else:
                        answer = method(*args, **kwargs)
                except BaseException as error:  # noqa: BLE001, PERF203 - whoever asked decides
                    name, args, kwargs = steps.throw(error)
                else:
                    name, args, kwargs = steps.send(answer)
        except StopIteration as stop:
            result: T = stop.value
            return result

    async def _adrive_in_time(self, steps: Steps[T], deadline: Deadline) -> T:
        __tracebackhide__ = True
        if self._twin is None:
            return self._drive_in_time(steps, deadline)
        with deadline.alone():
            return await self._adrive(steps, deadline)


async def _in_time(act: Callable[[], Awaitable[T]], deadline: Deadline | None) -> T:
    """What is awaited, or `DeadlineExceeded` when that takes longer.

    A job that was cancelled for it, and that the library has dealt with, has that as its exception.
    """
    if deadline is None or deadline.stopped:
        return await act()
    try:
        answer = await _within(deadline.left, act)
    except asyncio.TimeoutError:
        if not deadline.expired:
            raise
        raise DeadlineExceeded(deadline) from None
    if deadline.expired and isinstance(answer, Outcome):
        return cast("T", _cut_off(answer, deadline))
    return answer


async def _within(seconds: float, act: Callable[[], Awaitable[T]]) -> T:
    if sys.version_info < (3, 11):
        return await asyncio.wait_for(act(), seconds)
    async with asyncio.timeout(seconds):  # in this task, where `wait_for` of 3.11 makes another
        return await act()


def _cut_off(outcome: Outcome, deadline: Deadline) -> Outcome:
    if not isinstance(outcome.exception, asyncio.CancelledError):
        return outcome
    return replace(outcome, exception=DeadlineExceeded(deadline))


def _ready(queue: str | None) -> Steps[Sequence[Job]]:
    """What a further step would run."""
    ready: Sequence[Job] = yield "pending", (queue,), {}
    if not ready and (yield "tick", (), {}):
        ready = yield "pending", (queue,), {}
    return ready


def _standing() -> Steps[str]:
    """What is on the server, for a message."""
    found = []
    for kind, question in _KINDS:
        jobs = yield question, (), {}
        if jobs:
            found.append(f"{len(jobs)} {kind}: {_listed(jobs)}")
    return f"On the server: {'; '.join(found)}." if found else "No job is on the server."


def standing_of(binding: Binding) -> str:
    """The same, asked at once."""
    steps = _standing()
    try:
        name, args, kwargs = next(steps)
        while True:
            name, args, kwargs = steps.send(getattr(binding, name)(*args, **kwargs))
    except StopIteration as stop:
        return str(stop.value)


_KINDS = (
    ("ready", "pending"),
    ("scheduled", "scheduled"),
    ("retrying", "retrying"),
    ("running", "running"),
    ("waiting", "waiting"),
)


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
