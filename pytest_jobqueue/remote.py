"""The worker runner for process mode: jobs run in a process of the library's own worker command.

It runs nothing itself. It starts the process when there is something to do, hears from it what was taken and
what became of it, and looks on the server for the rest. All is done when, in this order, the server has
nothing ready, due or in progress, nobody is between a fetch and what is told of it, and whatever was taken
has ended. A worker tells of a job before it fetches the next one, so nothing is missed.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections import Counter
from typing import TYPE_CHECKING, Any, NoReturn

from pytest_jobqueue.adapters.running import is_in_trio
from pytest_jobqueue.adapters.telling import Began
from pytest_jobqueue.errors import (
    DrainLimitError,
    DrainTimeoutError,
    UsageError,
    WorkerEndedError,
    WorkerJobError,
)
from pytest_jobqueue.job import Outcome
from pytest_jobqueue.journal import Note, Ran
from pytest_jobqueue.processes import GRACE, WorkerProcess, import_path
from pytest_jobqueue.worker import Drained, Worker, standing_of

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

    import redis

    from pytest_jobqueue.adapters import Binding
    from pytest_jobqueue.deadline import Deadline
    from pytest_jobqueue.job import Job
    from pytest_jobqueue.journal import Journal
    from pytest_jobqueue.settings import OnError, Settings
    from pytest_jobqueue.worker import Asked

# Seconds between two looks when nothing is told: what changes on the server alone is not told.
_SOON, _LATE = 0.001, 0.05
_FETCHES = (
    "blmove",
    "blmpop",
    "blpop",
    "brpop",
    "brpoplpush",
    "bzmpop",
    "bzpopmax",
    "bzpopmin",
    "xreadgroup",
)
_IN_TRANSIT = 0.5  # seconds; a client that stays out of its fetch for longer does not fetch any more


class ProcessWorker(Worker):
    """Has jobs run by a worker process, which is started when it is first needed.

    A drain waits until the process has run all that is ready, and the jobs that these enqueue; `run_until`
    asks its predicate whenever a job has ended. The time that they may take includes the start of the
    process, and they take no queue, since a worker process takes from all its queues. Besides what a worker
    in this process raises, both raise `WorkerEndedError`, with its log, when the process ends by itself.

    ```python
    worker.drain()  # until the process has nothing left to do
    worker.run_until(lambda: order.is_paid())
    worker.kill()  # as a crash would; the next drain starts another process
    ```
    """

    def __init__(
        self,
        binding: Binding,
        journal: Journal,
        settings: Settings,
        *,
        app: Any,
        url: str,
        client: Callable[[], redis.Redis],
    ) -> None:
        super().__init__(binding, journal, settings)
        self._app_path = import_path(app)
        self._url = url
        self._client = client
        self._process: WorkerProcess | None = None
        self._taken: dict[str, Began] = {}
        self._out: dict[str, float] = {}

    # The process

    def start(self) -> WorkerProcess:
        """Start the process, unless it runs already; drains do this by themselves."""
        if self._process is None or self._process.is_stopped:
            self._process = WorkerProcess(self._app_path, self._url, self._settings)
            self._taken.clear()
            self._journal.append(Note(f"started a worker process (pid {self._process.pid})"))
        return self._process

    def stop(self, grace: float = GRACE) -> None:
        """Ask the process to end, as a deployment does, and kill it if it has not after `grace` seconds."""
        if self._process is not None and not self._process.is_stopped:
            self._process.stop(grace)
            self._journal.append(Note(f"stopped the worker process (pid {self._process.pid})"))

    def kill(self) -> None:
        """End the process and what it has forked at once, with jobs in their hands."""
        self.stop(0)

    def log_tail(self, lines: int = 30) -> str:
        """The end of what the process wrote to standard output and error."""
        return "" if self._process is None else self._process.log_tail(lines)

    # Running

    def _work(self, asked: Asked) -> Drained:
        __tracebackhide__ = True
        return self._waited(self._until(asked))

    async def _awork(self, asked: Asked) -> Drained:
        __tracebackhide__ = True
        return await self._awaited(self._until(asked))

    def _one(self, queue: str | None, on_error: OnError | None) -> NoReturn:  # noqa: ARG002
        raise UsageError(
            "a worker process cannot be made to run exactly one job: use drain() or run_until(…), or "
            "jobqueue_worker_mode = inline for this test"
        )

    def _abandon(self, queue: str | None) -> NoReturn:  # noqa: ARG002
        raise UsageError(
            "a worker process takes jobs by itself: wait until one runs (run_until) and kill() the process, "
            "or use jobqueue_worker_mode = inline for this test"
        )

    # Waiting: a generator says for how long at the most, and is asked again then, or when something was told.

    def _waited(self, steps: Generator[float, None, Drained]) -> Drained:
        __tracebackhide__ = True
        try:
            while True:
                seconds = next(steps)
                self.start().wait(seconds)
        except StopIteration as stop:
            drained: Drained = stop.value
            return drained

    async def _awaited(self, steps: Generator[float, None, Drained]) -> Drained:
        __tracebackhide__ = True
        try:
            while True:
                await _readable(self.start().wake, next(steps))
        except StopIteration as stop:
            drained: Drained = stop.value
            return drained

    def _until(self, asked: Asked) -> Generator[float, None, Drained]:
        __tracebackhide__ = True
        if asked.queue is not None:
            raise UsageError("a worker process takes from all of its queues; leave the queue out")
        policy = self._policy(asked.on_error)
        deadline = asked.deadline
        deadline.start()
        self._commit()
        failed_before = _ids(self._binding.failed())
        outcomes: list[Outcome] = []
        pause = _SOON
        while not asked.is_fulfilled:
            code = None if self._process is None else self._process.code
            idle, ended = self._look(failed_before, outcomes)
            outcomes += ended
            self._note(ended, policy)
            if len(outcomes) > asked.limit:
                self._too_many(outcomes)
            if idle:
                if asked.predicate is None:
                    break
                if not asked.is_fulfilled:
                    self._nothing_left(outcomes)
            if code is not None and not ended:
                self._died(code)
            if deadline.expired:
                self._late(deadline, outcomes)
            pause = _SOON if ended else min(pause * 2, _LATE)
            yield 0 if ended else min(pause, max(deadline.left, 0))
        return Drained(outcomes)

    def _look(self, failed_before: set[str], outcomes: Sequence[Outcome]) -> tuple[bool, list[Outcome]]:
        """Whether all is done, and what ended since the last time: the server first, then what was told."""
        idle = self._server_is_idle()
        ended = self._hear()
        if ended or not idle or self._taken:
            return False, ended
        ended = self._unheard(failed_before, outcomes)
        return not ended, ended

    def _note(self, ended: Sequence[Outcome], policy: OnError) -> None:
        __tracebackhide__ = True
        for outcome in ended:
            self._journal.append(Ran(outcome))
        for outcome in ended:
            self._judge(outcome, policy)

    def _hear(self) -> list[Outcome]:
        """The jobs that ended since the last time."""
        found = []
        for event in self._process.heard() if self._process is not None else ():
            if isinstance(event, Began):
                self._taken[event.key] = event
            elif self._taken.pop(event.key, None) is not None and event.outcome is not None:
                found.append(event.outcome)
        for key, began in list(self._taken.items()):
            if not _is_alive(began.pid):  # it was killed with the job; the server says what became of that
                del self._taken[key]
        return found

    def _unheard(self, failed_before: set[str], outcomes: Sequence[Outcome]) -> list[Outcome]:
        """Failures that are on the server and that nobody told of: of a process that died, for example."""
        known = failed_before | {outcome.job.id for outcome in outcomes}
        return [
            Outcome(job, "failed", exception=WorkerJobError(f"{job}: {job.error or 'it failed'}"))
            for job in self._binding.failed()
            if job.id not in known
        ]

    # Looking

    def _server_is_idle(self) -> bool:
        binding, now = self._binding, time.time()
        if binding.pending():
            return False
        if any(job.due_at is None or job.due_at <= now for job in binding.running()):
            return False
        if getattr(self._twin or binding, "moves_due", True):
            later = (*binding.scheduled(), *binding.retrying())
            if any(job.due_at is not None and job.due_at <= now for job in later):
                return False
        return self._process is None or not self._somebody_fetches()

    def _somebody_fetches(self) -> bool:
        """Whether a client has just got the answer to its fetch, and not told of it yet."""
        now = time.monotonic()
        out = {
            client["id"]
            for client in self._client().client_list()
            if client.get("cmd", "").partition("|")[0] in _FETCHES and "b" not in client.get("flags", "")
        }
        self._out = {client: self._out.get(client, now) for client in out}
        return any(now - since < _IN_TRANSIT for since in self._out.values())

    # Ends that are none

    def _nothing_left(self, outcomes: Sequence[Outcome]) -> NoReturn:
        __tracebackhide__ = True
        raise DrainTimeoutError(
            f"run_until: after {len(outcomes)} jobs the worker process has nothing left to run and the "
            f"predicate is still false. {standing_of(self._binding)}"
        )

    def _died(self, code: int) -> NoReturn:
        __tracebackhide__ = True
        self.stop(0)
        raise WorkerEndedError(
            f"the worker process ended by itself, with {_exit(code)}. {standing_of(self._binding)}\n"
            f"{self._log()}"
        )

    def _late(self, deadline: Deadline, outcomes: Sequence[Outcome]) -> NoReturn:
        __tracebackhide__ = True
        running = ", ".join(str(began.job) for began in self._taken.values())
        at = f"while {running} was running" if running else f"after {len(outcomes)} jobs"
        raise DrainTimeoutError(
            f"the time for this drain ({deadline.seconds:g} s) was up {at} in the worker process. "
            f"{standing_of(self._binding)} If it really takes that long, give timeout=… more.\n{self._log()}"
        )

    def _too_many(self, outcomes: Sequence[Outcome]) -> NoReturn:
        __tracebackhide__ = True
        ((most, _),) = Counter(outcome.job.name for outcome in outcomes).most_common(1)
        raise DrainLimitError(
            f"{len(outcomes)} jobs ran, more than the limit allows; most often ran {most!r}. If no job "
            "enqueues itself, give limit=… more."
        )

    def _log(self) -> str:
        return f"The worker's log ends:\n{self.log_tail() or '(nothing)'}"


def _ids(jobs: Sequence[Job]) -> set[str]:
    return {job.id for job in jobs}


def _exit(code: int) -> str:
    return f"signal {code - 128}" if code > 128 else f"code {code}"


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


async def _readable(descriptor: int, seconds: float) -> None:
    """Wait until it can be read, for so long at the most; in trio's loop too, since nothing runs in it."""
    if is_in_trio():
        trio: Any = sys.modules["trio"]
        with trio.move_on_after(seconds):
            await trio.lowlevel.wait_readable(descriptor)
        return
    loop = asyncio.get_running_loop()
    told = asyncio.Event()
    loop.add_reader(descriptor, told.set)
    try:
        await asyncio.wait_for(told.wait(), seconds)
    except asyncio.TimeoutError:
        pass
    finally:
        loop.remove_reader(descriptor)
