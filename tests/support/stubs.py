"""A binding without a Redis: lists of jobs, and functions that run them, for what stands above the seam."""

from __future__ import annotations

import itertools
import time

from pytest_jobqueue.adapters import Caps
from pytest_jobqueue.job import Job, Outcome


class StubBinding:
    """Jobs in lists; `handlers` says what becomes of each name.

    A handler is called with the job's arguments; what it raises becomes a `failed` outcome.
    """

    def __init__(self, handlers=None, *, caps=None):
        self.caps = caps or Caps(acks=True, dead_letters=True, delays=True, retries=True, kwargs=True)
        self.handlers = handlers or {}
        self.ready = []
        self.later = []
        self.again = []
        self.taken = []
        self.blocked = []
        self.dead = []
        self.due = []  # what the next tick makes ready
        self.calls = []
        self.closed = 0
        self._ids = itertools.count(1)

    def put(self, name, *args, queue="default", **fields):
        job = Job(f"j{next(self._ids)}", name, args, queue=queue, **fields)
        self.ready.append(job)
        return job

    def enqueue(self, call):
        self.calls.append(call)
        job = Job(
            f"j{next(self._ids)}", call.name, call.args, call.kwargs, call.queue or "default", due_at=call.at
        )
        (self.ready if call.at is None else self.later).append(job)
        return job

    def enqueue_many(self, calls):
        return [self.enqueue(call) for call in calls]

    def queues(self):
        return list(dict.fromkeys(job.queue for job in self.ready)) or ["default"]

    def pending(self, queue=None):
        return [job for job in self.ready if queue in (None, job.queue)]

    def scheduled(self):
        return list(self.later)

    def retrying(self):
        return list(self.again)

    def running(self):
        return list(self.taken)

    def waiting(self):
        return list(self.blocked)

    def failed(self):
        return list(self.dead)

    def run_next(self, queue=None, *, more=False):
        for job in self.pending(queue)[:1]:
            self.ready.remove(job)
            started = time.perf_counter()
            try:
                result = self.handlers[job.name](*job.args)
            except BaseException as error:  # noqa: BLE001 (the seam hands it over in the outcome)
                self.dead.append(job)
                return Outcome(
                    job, "failed", exception=error, reason="no retry", seconds=time.perf_counter() - started
                )
            return Outcome(job, "ok", result, seconds=time.perf_counter() - started)
        return None

    def tick(self):
        found, self.due = self.due, []
        self.ready += found
        return len(found)

    def next_due(self):
        return min((job.due_at for job in self.later), default=None)

    def abandon_next(self, queue=None):
        for job in self.pending(queue)[:1]:
            self.ready.remove(job)
            self.taken.append(job)
            return job
        return None

    def recover(self):
        found, self.taken = self.taken, []
        self.ready += found
        return len(found)

    def close(self):
        self.closed += 1
