"""The adapter itself: what a binding promises, each promise kept by the part that it belongs to.

Every write is the dialect's own, in its order, so that Go and Ruby processes can be on the other side; what a
dialect gets wrong is kept. This file joins the parts and does no work of its own.
"""

from __future__ import annotations

import contextlib
from dataclasses import replace
from random import Random
from typing import TYPE_CHECKING, Any

from redis.exceptions import RedisError

from pytest_jobqueue.adapters import Caps
from pytest_jobqueue.adapters.gone import not_discarded, not_requeued
from pytest_jobqueue.adapters.sidekiq.client import Client
from pytest_jobqueue.adapters.sidekiq.lanes import Lanes
from pytest_jobqueue.adapters.sidekiq.link import Link
from pytest_jobqueue.adapters.sidekiq.process import Presence
from pytest_jobqueue.adapters.sidekiq.runner import Runner
from pytest_jobqueue.adapters.sidekiq.scheduler import Scheduler
from pytest_jobqueue.adapters.sidekiq.store import Store
from pytest_jobqueue.adapters.sidekiq.worker import NOTHING, Worker
from pytest_jobqueue.errors import PoisonJobError, UsageError
from pytest_jobqueue.wire.dialects import Dialect, Keys, dialect_named
from pytest_jobqueue.wire.sidekiq import decode

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import redis

    from pytest_jobqueue.adapters.sidekiq.worker import Taken
    from pytest_jobqueue.handlers import Handler, Handlers, Middleware
    from pytest_jobqueue.job import Call, Job, Outcome

CAPS = Caps(acks=True, dead_letters=True, delays=True, retries=True)
CAPS_IF = {"acks": "go-workers2", "dead_letters": "Sidekiq"}


WORKER = "pytest-jobqueue-worker"  # what the connection of a worker process is called


class SidekiqBinding:
    """Handlers on one server, in one dialect.

    Args:
        handlers: A registry, or a plain dict of class name to function, which is read at each job.
        url: The server, or a client of redis-py, whose settings then make the one connection that is used.
        dialect: `go-workers2`, `sidekiq6`, `sidekiq7` or `sidekiq8`.
        namespace: What comes before every key, without the colon (go-workers2 and sidekiq6).
        process_id: go-workers2's `ProcessID`. Two workers with one ProcessID share their lists of jobs in
            progress, so the second runs at start-up what the first has in its hands.
        queues: What to listen to, in this order. None is: the default queue, the queues that have a handler,
            those that this binding enqueued or scheduled to, and, when those are empty, the set `queues`.
        middleware: Functions around each job, outermost first: each is called with the job and with what runs
            it, and returns the result.
        random: Where the jitter of retries comes from.
        default_queue: Where a job goes whose call names no queue.

    Raises:
        UsageError: There is no such dialect, or it has no namespaces, or a handler cannot be called.
    """

    def __init__(
        self,
        handlers: Handlers | Mapping[str, Handler],
        url: str | redis.Redis,
        *,
        dialect: str | Dialect = "go-workers2",
        namespace: str = "",
        process_id: str = "1",
        queues: Sequence[str] | None = None,
        middleware: Sequence[Middleware] = (),
        random: Random | None = None,
        default_queue: str = "default",
    ) -> None:
        self.dialect = dialect_named(dialect)
        self.keys = Keys(self.dialect, namespace)
        self.process_id = process_id
        self.caps = replace(CAPS, acks=self.dialect.acks, dead_letters=self.dialect.dead_set)
        runner = Runner(handlers, middleware)
        self._link = Link(url)
        common = self._link, self.keys, self.dialect
        self._store = Store(*common)
        self._lanes = Lanes(
            self._store,
            *common[1:],
            process_id,
            names=(default_queue, *runner.queues) if queues is None else queues,
            grows=queues is None,
        )
        self._client = Client(*common, self._lanes, default_queue)
        # Jitter spreads retries and keeps no secret.
        self._scheduler = Scheduler(*common)
        self._worker = Worker(
            *common,
            lanes=self._lanes,
            runner=runner,
            scheduler=self._scheduler,
            random=random or Random(),  # noqa: S311
        )
        self._presence = Presence(*common, process_id)

    # Enqueuing

    def enqueue(self, call: Call) -> Job:
        """Put one job on its queue, or into `schedule` when `call.at` is to come.

        Options are the payload's own fields: `retry`, `jid`, in go-workers2 `retry_max`, in Sidekiq
        `backtrace`, `dead`, `tags`, `retry_queue`, `retry_for` and others. As with go-workers2's client, a
        call without `retry` is not retried there; Sidekiq retries by default.

        Raises:
            TypeError: An argument does not survive JSON, with its path; or there are keyword arguments.
            UsageError: The dialect has no such option, or cannot use its value.
        """
        return self._client.push((call,))[0]

    def enqueue_many(self, calls: Sequence[Call]) -> list[Job]:
        """Put several jobs there in one round trip; nothing is sent unless all of them can be.

        Raises:
            TypeError: As in `enqueue`.
            UsageError: As in `enqueue`.
        """
        return self._client.push(calls)

    # Looking

    def queues(self) -> list[str]:
        """The queues that this worker listens to, in its order."""
        self._lanes.discover()
        return [lane.name for lane in self._lanes.listening]

    def pending(self, queue: str | None = None) -> list[Job]:
        """What the next calls of `run_next` would take: recovered jobs first, then queue by queue."""
        set_aside = [
            self._store.job(taken.raw, taken.lane.name)
            for taken in self._worker.set_aside
            if queue is None or taken.lane.name == queue
        ]
        return set_aside + self._store.ready(self.queues() if queue is None else [queue])

    def scheduled(self) -> list[Job]:
        """The set `schedule`, soonest first. The programs of all dialects share it."""
        return self._store.sorted_set(self.keys.schedule)

    def retrying(self) -> list[Job]:
        """The set of retries, soonest first: `goretry` in go-workers2, `retry` in Sidekiq."""
        return self._store.sorted_set(self.keys.retry)

    def failed(self) -> list[Job]:
        """Sidekiq's set `dead`, oldest first; go-workers2 keeps none."""
        return self._store.sorted_set(self.keys.dead) if self.dialect.dead_set else []

    def waiting(self) -> list[Job]:
        """None: no job of this format waits for another."""
        return []

    def running(self) -> list[Job]:
        """Jobs in progress: in go-workers2 those of every process, else those in this binding's hands.

        A job that is in such a list and waits to be run here (recovered, or fetched ahead) counts as pending.
        """
        if not self.dialect.acks:
            return [self._store.job(taken.raw, taken.lane.name) for taken in self._worker.in_hand]
        found = self._store.in_progress()
        for taken in self._worker.set_aside:
            with contextlib.suppress(ValueError):
                found.remove((taken.lane.name, taken.raw))
        return [self._store.job(raw, name) for name, raw in found]

    def next_due(self) -> float | None:
        """The lowest score of the two sorted sets, in seconds since the epoch; None when they are empty."""
        sets = self.keys.schedule, self.keys.retry
        return min((score for key in sets for _, score in self._store.scored(key, 0)), default=None)

    # Running

    def run_next(self, queue: str | None = None, *, more: bool = False) -> Outcome | None:
        """Take one job and run it here; None when nothing is ready.

        Recovered jobs come first, then the queues in their order (go-workers2 has no order among queues, and
        Sidekiq this one when it is strict). What a handler raises is recorded in Redis by the dialect's rules
        before this returns. Bytes that are no job are an outcome too, `dropped`: go-workers2 leaves them in
        the list of jobs in progress for ever, Sidekiq puts them into `dead`.

        With `more`, the next job is fetched in the same round trip in which this one is acknowledged, as the
        fetchers of both programs do; it waits here and still counts as pending.

        Raises:
            redis.exceptions.RedisError: Redis failed. When that was after the job ran and failed, the job's
                own exception is its cause.
        """
        taken = self._worker.take(queue)
        return None if taken is None else self._worker.run(taken, then=queue if more else NOTHING)

    # The two halves of it, for a process that does nothing else

    def take(self, *, wait: float) -> Taken | None:
        """Take the next job, and wait for it in Redis for so many seconds."""
        found = self._worker.take(None) if self.dialect.acks else None
        return found or self._worker.wait(wait)

    def client_id(self) -> int:
        """The number of the connection, for whoever wants it to wait no longer (CLIENT UNBLOCK)."""
        self._link.call("CLIENT", "SETNAME", WORKER)
        return int(self._link.call("CLIENT", "ID"))

    def wake(self) -> None:
        """Have worker processes that wait at a queue look at all of them."""
        for line in self._link.call("CLIENT", "LIST").decode().splitlines():
            facts = dict(word.partition("=")[::2] for word in line.split())
            if facts.get("name") == WORKER and "b" in facts.get("flags", ""):
                self._link.call("CLIENT", "UNBLOCK", facts["id"])

    def run_taken(self, taken: Taken) -> Outcome:
        """Run a job that was taken."""
        return self._worker.run(taken)

    def job(self, taken: Taken) -> Job:
        """The job that was taken."""
        return self._store.job(taken.raw, taken.lane.name)

    def tick(self) -> int:
        """One pass of the dialect's scheduler by `time.time()`; returns how many jobs became ready.

        go-workers2 empties `schedule` first, then `goretry`; Sidekiq `retry` first, then `schedule`, where a
        job that still carries `at` goes round once more.

        Raises:
            PoisonJobError: A due entry is no job; it has left its set, as it would have in the real program.
        """
        if self._worker.saw_none_due():
            return 0
        try:
            return self._scheduler.tick()
        finally:
            for name in self._scheduler.moved_to:
                self._lanes.heard_of(name)

    def abandon_next(self, queue: str | None = None) -> Job | None:
        """Take one job and forget it, as a worker that is killed.

        In go-workers2 it stays in the list of jobs in progress, where `recover` finds it; in Sidekiq it is
        lost.
        """
        taken = self._worker.take(queue)
        return None if taken is None else self._store.job(taken.raw, taken.lane.name)

    def recover(self) -> int:
        """What go-workers2 does when it starts: jobs in progress of its own ProcessID are run again.

        They stay in their lists, and `run_next` serves them before any queue, newest first; each leaves its
        list when it was run. Jobs that this binding has in its hands are passed over. Returns how many there
        are, poison included. Sidekiq has nothing to recover: 0.
        """
        return self._worker.recover()

    # Looking after jobs by hand

    def requeue(self, job: Job) -> None:
        """Move a job from its sorted set to its queue, as Sidekiq's web page does.

        Raises:
            UsageError: It is in none of them, or is no job.
        """
        sets = self.keys.schedule, self.keys.retry, self.keys.dead
        try:
            moved = any(self._scheduler.move_now(key, job.raw) for key in sets)
        except PoisonJobError as error:
            raise UsageError(f"{error}; it cannot be requeued, only discarded") from None
        if not moved:
            raise not_requeued(job)
        for name in self._scheduler.moved_to:
            self._lanes.heard_of(name)

    def discard(self, job: Job) -> None:
        """Remove a job's very bytes from its queue or its sorted set.

        Raises:
            UsageError: They are in none of them.
        """
        if self._worker.forget(job.queue, job.raw):
            return
        places = (
            ("LREM", self.keys.queue(job.queue), -1, job.raw),
            *(("ZREM", key, job.raw) for key in (self.keys.schedule, self.keys.retry, self.keys.dead)),
        )
        if not any(self._link.call(*command) for command in places):
            raise not_discarded(job)

    # As other processes see it

    @property
    def identity(self) -> str:
        """`host:pid:nonce`: the member of `processes` once `beat` was called."""
        return self._presence.identity

    def beat(self) -> str | None:
        """Write one heartbeat, with the fields of the dialect; nothing beats by itself.

        Returns:
            A signal that was sent to a Sidekiq process through Redis (`TSTP`, `TERM`, `TTIN`), or None.
            Nothing is done about it.
        """
        running = {str(number): taken.work for number, taken in enumerate(self._worker.in_hand)}
        return self._presence.beat([lane.name for lane in self._lanes.listening], running)

    def stats(self, name: str = "") -> list[dict[str, Any]]:
        """What go-workers2 answers to `GET /stats`: one entry, since there is one manager here.

        Args:
            name: The manager's display name.
        """
        names = self.queues()
        processed, failed, retries, enqueued = self._store.totals(names)
        jobs: dict[str, list[dict[str, Any]] | None] = {f"{self.keys.prefix}{queue}": None for queue in names}
        for taken in list(self._worker.in_hand):
            key = f"{self.keys.prefix}{taken.lane.name}"
            entry = {"message": decode(taken.raw).fields, "started_at": int(taken.since)}
            jobs[key] = [*(jobs.get(key) or []), entry]
        return [
            {
                "manager_name": name,
                "processed": processed,
                "failed": failed,
                "jobs": jobs,
                "enqueued": enqueued,
                "retry_count": retries,
            }
        ]

    def retries(self, page: int = 0, page_size: int = 10, query: str = "") -> list[dict[str, Any]]:  # noqa: ARG002
        """What go-workers2 answers to `GET /retries`: every retry, whatever the page; it ignores these too.

        Raises:
            PoisonJobError: An entry is no job; go-workers2 then leaves the manager out of its answer.
        """
        found = [decode(raw).fields for raw, _ in self._store.scored(self.keys.retry)]
        return [{"total_retry_count": len(found), "retry_jobs": found or None}]

    def close(self) -> None:
        """Leave as the dialect does (go-workers2 leaves its heartbeat behind), and close the connection."""
        with contextlib.suppress(RedisError):
            self._worker.put_back()
            self._presence.leave()
        self._link.close()
