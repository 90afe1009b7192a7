"""What a test asserts about jobs: on the server now, and run by this test's worker.

An assertion without a condition is an error, since it would pass for any job. A failure says what was asked,
what was there (the nearest first, with the fields that differ), and what to do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn, get_args

from pytest_jobqueue import on_commit
from pytest_jobqueue.errors import UsageError
from pytest_jobqueue.job import Status

if TYPE_CHECKING:
    from pytest_jobqueue.adapters import Binding
    from pytest_jobqueue.job import Job, Outcome
    from pytest_jobqueue.journal import Journal

DUE_WITHIN = 1.0  # seconds by which a job's time may differ from the one that was asked for
_LISTED = 10
_REACHED = "see whether the code under test reached its enqueue, and on which Redis (jobqueue.url)"


@dataclass(frozen=True, slots=True)
class Wanted:
    """A condition on jobs; None, and an absent key, mean any.

    Attributes:
        name: The job's name.
        args: Its arguments; the last may be `...` for any more. A mapping in it matches when it is part of
            the job's.
        kwargs: Keyword arguments that it must have.
        queue: Its queue.
        at: When it is due, in seconds since the epoch, give or take a second.
    """

    name: str | None
    args: tuple[Any, ...] | None
    kwargs: Mapping[str, Any]
    queue: str | None
    at: float | None

    def differences(self, job: Job) -> list[str]:
        """Where `job` is not what is wanted, one phrase a field."""
        found = []
        if self.name is not None and job.name != self.name:
            found.append(f"name is {job.name!r}")
        if self.args is not None and not _args_match(self.args, job.args):
            found.append(f"arguments are {_call(job)}")
        if not _contains(self.kwargs, job.kwargs):
            found.append(f"keyword arguments are {dict(job.kwargs)!r}")
        if self.queue is not None and job.queue != self.queue:
            found.append(f"queue is {job.queue!r}")
        if self.at is not None and (job.due_at is None or abs(job.due_at - self.at) > DUE_WITHIN):
            found.append(
                "it is ready now" if job.due_at is None else f"due {job.due_at - self.at:+.3f} s from that"
            )
        return found

    def __str__(self) -> str:
        parts = [] if self.args is None else ["..." if arg is ... else repr(arg) for arg in self.args]
        parts += [f"{key}={value!r}" for key, value in self.kwargs.items()]
        text = (
            f"{self.name or 'any job'}({', '.join(parts)})"
            if self.args is not None or self.kwargs
            else self.name
        )
        return (
            (text or "any job")
            + (f" on {self.queue!r}" if self.queue is not None else "")
            + (f" due at {self.at:.3f}" if self.at is not None else "")
        )


def _call(job: Job) -> str:
    return f"({', '.join(map(repr, job.args))})"


def _args_match(wanted: tuple[Any, ...], found: Sequence[Any]) -> bool:
    if wanted and wanted[-1] is ...:
        wanted = wanted[:-1]
        found = found[: len(wanted)]
    return len(wanted) == len(found) and all(map(_contains, wanted, found))


def _contains(wanted: Any, found: Any) -> bool:
    """Whether `found` is what is wanted; a mapping may have more keys, `...` stands for anything."""
    if wanted is ...:
        return True
    if isinstance(wanted, Mapping) and isinstance(found, Mapping):
        return all(key in found and _contains(value, found[key]) for key, value in wanted.items())
    if isinstance(wanted, (list, tuple)) and isinstance(found, (list, tuple)):
        return len(wanted) == len(found) and all(map(_contains, wanted, found))
    return bool(wanted == found)


class Assertions:
    """Assertions on one application's jobs; `JobQueue` offers them as its own methods."""

    def __init__(self, binding: Binding, journal: Journal) -> None:
        self._binding = binding
        self._journal = journal

    # On the server, now.

    def assert_enqueued(
        self,
        name: str | None = None,
        /,
        *args: Any,
        queue: str | None = None,
        at: float | None = None,
        count: int | None = None,
        **kwargs: Any,
    ) -> Sequence[Job]:
        """There is such a job on the server, ready or scheduled; with `count`, exactly that many.

        ```python
        jobqueue.assert_enqueued("Add", 2, 3, queue="maths")
        jobqueue.assert_enqueued("Mail", {"to": "ann"}, ...)  # part of the first argument, any others
        ```

        Returns:
            The jobs that match.
        """
        __tracebackhide__ = True
        wanted = _wanted(name, args, kwargs, queue=queue, at=at)
        there = [*self._binding.pending(), *self._binding.scheduled()]
        return _expect(wanted, there, count, "on the server", hint=_REACHED)

    def assert_not_enqueued(
        self,
        name: str | None = None,
        /,
        *args: Any,
        queue: str | None = None,
        at: float | None = None,
        **kwargs: Any,
    ) -> None:
        """There is no such job on the server, neither ready nor scheduled."""
        __tracebackhide__ = True
        wanted = _wanted(name, args, kwargs, queue=queue, at=at)
        there = [*self._binding.pending(), *self._binding.scheduled()]
        _expect(wanted, there, 0, "on the server")

    def assert_scheduled(
        self,
        name: str | None = None,
        /,
        *args: Any,
        queue: str | None = None,
        at: float | None = None,
        count: int | None = None,
        **kwargs: Any,
    ) -> Sequence[Job]:
        """There is such a job that waits for its time (`at`, in seconds since the epoch, ± 1 s)."""
        __tracebackhide__ = True
        wanted = _wanted(name, args, kwargs, queue=queue, at=at)
        return _expect(wanted, self._binding.scheduled(), count, "scheduled", hint=_REACHED)

    def assert_retrying(
        self,
        name: str | None = None,
        /,
        *args: Any,
        queue: str | None = None,
        at: float | None = None,
        count: int | None = None,
        error: str | None = None,
        **kwargs: Any,
    ) -> Sequence[Job]:
        """There is such a job that failed and will run again; `error` is part of its last error message."""
        __tracebackhide__ = True
        wanted = _wanted(name, args, kwargs, queue=queue, at=at, error=error)
        return self._with_error(wanted, self._binding.retrying(), count, error, "retrying")

    def assert_dead(
        self,
        name: str | None = None,
        /,
        *args: Any,
        queue: str | None = None,
        count: int | None = None,
        error: str | None = None,
        **kwargs: Any,
    ) -> Sequence[Job]:
        """There is such a job that failed for good and was kept; `error` is part of its last error message.

        Raises:
            UsageError: The job library keeps no dead jobs; ask `assert_performed(…, status="failed")`.
        """
        __tracebackhide__ = True
        if not self._binding.caps.dead_letters:
            raise UsageError(
                "this queue format keeps no dead jobs, so none can be found on the server; "
                'ask assert_performed(…, status="failed") about what ran'
            )
        wanted = _wanted(name, args, kwargs, queue=queue, error=error)
        return self._with_error(wanted, self._binding.failed(), count, error, "dead")

    def assert_idle(self) -> None:
        """No job is on the server: none ready, scheduled, retrying, in progress or waiting for another."""
        __tracebackhide__ = True
        binding = self._binding
        kinds = {
            "ready": binding.pending(),
            "scheduled": binding.scheduled(),
            "retrying": binding.retrying(),
            "running": binding.running(),
            "waiting": binding.waiting(),
        }
        lines = [f"{kind}: {job}" for kind, jobs in kinds.items() for job in jobs]
        if lines:
            what = _lines(lines)
            _fail(f"asked: no job on the server\nthere: {what}\ndo:    drain the queue, or expect them")

    # Run by this test's worker.

    def assert_performed(
        self,
        name: str | None = None,
        /,
        *args: Any,
        queue: str | None = None,
        count: int | None = None,
        status: Status = "ok",
        **kwargs: Any,
    ) -> Sequence[Outcome]:
        """This test's worker ran such a job, and it ended so (`ok`, `failed`, `retrying`, `dropped`).

        Returns:
            The outcomes that match.
        """
        __tracebackhide__ = True
        if status not in get_args(Status):
            raise UsageError(f"no job ends with status {status!r}; it can be {', '.join(get_args(Status))}")
        wanted = _wanted(name, args, kwargs, queue=queue)
        outcomes = [outcome for outcome in self._journal.outcomes if outcome.status == status]
        others = [str(outcome) for outcome in self._journal.outcomes if outcome.status != status]
        jobs = [outcome.job for outcome in outcomes]
        matches = _expect(wanted, jobs, count, f"performed with status {status!r}", others=others)
        return [outcome for outcome in outcomes if any(outcome.job is job for job in matches)]

    def assert_not_performed(
        self, name: str | None = None, /, *args: Any, queue: str | None = None, **kwargs: Any
    ) -> None:
        """This test's worker took no such job, whatever became of it."""
        __tracebackhide__ = True
        wanted = _wanted(name, args, kwargs, queue=queue)
        _expect(wanted, [outcome.job for outcome in self._journal.outcomes], 0, "performed")

    def _with_error(
        self, wanted: Wanted, there: Sequence[Job], count: int | None, error: str | None, verb: str
    ) -> Sequence[Job]:
        __tracebackhide__ = True
        if error is None:
            return _expect(wanted, there, count, verb)
        fitting = [job for job in there if error in (job.error or "")]
        others = [f"{job}: its error is {job.error!r}" for job in there if error not in (job.error or "")]
        return _expect(wanted, fitting, count, f"{verb} with {error!r} in its error", others=others)


def _expect(
    wanted: Wanted,
    there: Sequence[Job],
    count: int | None,
    verb: str,
    *,
    others: Sequence[str] = (),
    hint: str = "drain the queue, so that jobs run",
) -> Sequence[Job]:
    """The jobs that match, if they are as many as was asked."""
    __tracebackhide__ = True
    judged = [(wanted.differences(job), job) for job in there]
    matches = [job for differences, job in judged if not differences]
    if matches if count is None else len(matches) == count:
        return matches
    asked = "one or more" if count is None else "none" if count == 0 else f"exactly {count}"
    near = sorted((pair for pair in judged if pair[0]), key=lambda pair: len(pair[0]))
    lines = [f"{job}  <- matches" for job in matches]
    lines += [f"{job}: {'; '.join(differences)}" for differences, job in near]
    lines += [f"not counted: {line}" for line in others]
    if count == 0:
        do = "find out where it comes from, or expect it"
    elif matches:
        which = "where the others come from" if len(matches) > (count or 0) else "what became of the others"
        do = f"find out {which}, or ask for count={len(matches)}"
    else:
        do = on_commit.hint() or ("compare the nearest one above with what was asked" if lines else hint)
    return _fail(f"asked: {wanted} {verb}: {asked}\nthere: {_lines(lines) or f'no job {verb}'}\ndo:    {do}")


def _wanted(
    name: str | None,
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
    *,
    queue: str | None,
    at: float | None = None,
    error: str | None = None,
) -> Wanted:
    if name is None and not args and not kwargs and queue is None and at is None and error is None:
        raise UsageError(
            "an assertion with no condition would pass for any job; give a name, arguments or a queue"
        )
    return Wanted(name, args or None, kwargs, queue, at)


def _lines(lines: Sequence[str]) -> str:
    more = [f"… and {len(lines) - _LISTED} more"] if len(lines) > _LISTED else []
    return "\n       ".join([*lines[:_LISTED], *more])


def _fail(message: str) -> NoReturn:
    __tracebackhide__ = True
    raise AssertionError(message)
