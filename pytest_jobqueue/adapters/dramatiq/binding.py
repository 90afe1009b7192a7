"""The adapter itself: what a binding promises, each promise kept by the part that it belongs to.

A message for later lies on its delay queue until `tick` finds it due, as a worker's consumer does; what was
fetched and not acknowledged is found by the broker's maintenance once its worker is silent for a minute.
"""

from __future__ import annotations

import math
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from dramatiq.common import current_millis, q_name
from dramatiq.errors import DecodeError
from dramatiq.middleware import Interrupt
from dramatiq.results import Results

from pytest_jobqueue.adapters.dramatiq import CAPS
from pytest_jobqueue.adapters.dramatiq.bench import Bench
from pytest_jobqueue.adapters.dramatiq.hand import Hand
from pytest_jobqueue.adapters.dramatiq.messages import decode, followers, job_for, message_for, stand_in
from pytest_jobqueue.adapters.dramatiq.place import Place
from pytest_jobqueue.adapters.dramatiq.recorder import Recorder
from pytest_jobqueue.adapters.dramatiq.store import Store, eta
from pytest_jobqueue.job import Outcome, error_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any

    from dramatiq.broker import Broker, MessageProxy

    from pytest_jobqueue.job import Call, Job


class DramatiqBinding:
    """A broker on one server.

    Args:
        broker: The application.
        url: The server.
        queues: What the worker listens to, in its order; None is every queue that an actor declares, by
            name.

    Raises:
        UsageError: It is no `RedisBroker`.
    """

    interrupts = (Interrupt,)  # of a time limit, say; the worker retries what it ends, or keeps it as dead

    def __init__(self, broker: Broker, url: str, *, queues: Sequence[str] | None = None) -> None:
        self._recorder = Recorder()
        self._place = Place(broker, url, self._recorder)
        self._broker = broker
        self._queues = queues
        self._store = Store(broker)
        self._bench = Bench(broker)
        self._hand = Hand(broker, self._store)
        self._attempts: dict[str, int] = {}
        self._errors: dict[str, str] = {}
        self.caps = replace(CAPS, results=any(isinstance(one, Results) for one in broker.middleware))

    # Enqueuing

    def enqueue(self, call: Call) -> Job:
        """Send one message.

        Options are those of `actor.send_with_options(…)` that some middleware of the broker knows:
        `max_retries`, `max_age`, `time_limit`, `on_failure`, `pipe_ignore` and others.

        Raises:
            UsageError: There is no such actor, queue or option.
            TypeError: The encoder refuses an argument.
        """
        return self.enqueue_many((call,))[0]

    def enqueue_many(self, calls: Sequence[Call]) -> list[Job]:
        """Send several messages, one by one, as Dramatiq does; none if one of them cannot be."""
        jobs = []
        for call, message in [(call, message_for(self._broker, call)) for call in calls]:
            delay = None if call.at is None else round((call.at - time.time()) * 1000)
            sent = self._broker.enqueue(message, delay=delay if delay is not None and delay > 0 else None)
            jobs.append(job_for(sent))
        return jobs

    # Looking

    def queues(self) -> list[str]:
        """What the worker listens to, in its order."""
        return sorted(self._broker.get_declared_queues()) if self._queues is None else list(self._queues)

    def pending(self, queue: str | None = None) -> list[Job]:
        """What is on the queues; what Dramatiq cannot read is among it."""
        return self._jobs(self._store.ready(self._listening(queue)))

    def scheduled(self) -> list[Job]:
        """What is on the delay queues and has not run, soonest first."""
        return [job for job in self._delayed() if not job.attempts]

    def retrying(self) -> list[Job]:
        """What is on the delay queues and failed before, soonest first."""
        return [job for job in self._delayed() if job.attempts]

    def running(self) -> list[Job]:
        """What some worker fetched and has not acknowledged, this one or a dead one."""
        return self._jobs(self._store.fetched(self.queues()))

    def waiting(self) -> list[Job]:
        """The rest of each pipeline, and the callbacks of groups, which are in the message before them."""
        queues, store = self.queues(), self._store
        everything = (*store.ready(queues), *store.fetched(queues), *store.delayed(queues))
        there = [decode(data) for _, data in everything]
        found = {after.message_id: after for one in there if one for after in followers(one)}
        return [self._job(message) for message in found.values()]

    def failed(self) -> list[Job]:
        """The dead letters, which Dramatiq keeps for a week; expired messages are among them."""
        return self._jobs(self._store.dead(self.queues()))

    def next_due(self) -> float | None:
        """When the soonest message of the delay queues is due."""
        first = min((eta(data) for _, data in self._store.delayed(self.queues())), default=math.inf)
        return None if math.isinf(first) else first / 1000

    def _delayed(self) -> list[Job]:
        return self._jobs(sorted(self._store.delayed(self.queues()), key=lambda found: eta(found[1])))

    def _listening(self, queue: str | None) -> list[str]:
        return self.queues() if queue is None else [queue]

    def _jobs(self, found: Iterable[tuple[str, bytes]]) -> list[Job]:
        read = [(name, data, decode(data)) for name, data in found]
        return [
            self._job(message) if message else stand_in(data, q_name(name)) for name, data, message in read
        ]

    def _job(self, message: Any) -> Job:
        key = message.message_id
        return job_for(message, self._attempts.get(key, 0), self._errors.get(key))

    # Running

    def run_next(self, queue: str | None = None, *, more: bool = False) -> Outcome | None:  # noqa: ARG002
        """Take one message and run it here, queue by queue.

        Bytes that are no message are an outcome, `dropped`, with Dramatiq's own exception; they stay where a
        worker leaves them, fetched and not acknowledged.
        """
        for name in self._listening(queue):
            try:
                message = self._bench.fetch(name)
            except DecodeError as error:
                reason = "Dramatiq cannot read it, and does not acknowledge it"
                return Outcome(stand_in(error.data, name), "dropped", exception=error, reason=reason)
            if message is not None:
                return self._run(name, message)
        return None

    def _run(self, queue: str, message: MessageProxy) -> Outcome:
        job = self._job(message)
        run = self._recorder.begin(message)
        try:
            unknown = self._bench.process(queue, message)
        finally:
            self._recorder.end(run)
        if unknown is not None:
            self._errors[job.id] = error_text(unknown)
            return Outcome(job, "failed", exception=unknown, reason="no such actor is declared")
        if run.skipped is None:
            self._attempts[job.id] = (job.attempts or 0) + 1
        if run.exception is not None:
            self._errors[job.id] = error_text(run.exception)
        return run.outcome(job)

    def tick(self) -> int:
        """What a worker's consumer of the delay queue does: due messages go to their queue."""
        released = 0
        for queue in self.queues():
            delayed = self._store.delayed([queue])
            due = sum(eta(data) <= current_millis() for _, data in delayed)
            if due:
                self._bench.release_due(queue, len(delayed))
                released += due
        return released

    def abandon_next(self, queue: str | None = None) -> Job | None:
        """Take one message as a worker that dies: it stays fetched until `recover` finds it."""
        for name in self._listening(queue):
            message = self._bench.abandon(name)
            if message is not None:
                return self._job(message)
        return None

    def recover(self) -> int:
        """The broker's maintenance: what workers fetched that were silent for its `heartbeat_timeout`."""
        queues = self.queues()
        before = self._store.sizes(queues)
        for queue in queues:
            self._bench.maintain(queue)
        return self._store.sizes(queues) - before

    # Looking after jobs by hand

    def requeue(self, job: Job) -> None:
        """Put a message of a delay queue, or a dead letter, onto its queue.

        A dead letter keeps its count of retries and its age, so that one which used up its retries or is too
        old has failed for good at once if it fails again.

        Raises:
            UsageError: It is neither, or a worker process holds it until its time.
        """
        self._hand.requeue(job)

    def discard(self, job: Job) -> None:
        """Remove a message from its queue, its delay queue or its dead letters.

        Raises:
            UsageError: It is in none of them, or is a part of the message that it waits for.
        """
        self._hand.discard(job)

    def close(self) -> None:
        """Shut the worker down, and leave broker, middleware and backends as they were."""
        try:
            self._bench.close()
        finally:
            self._place.restore()
