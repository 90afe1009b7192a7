"""Taking one job, running it here, and writing down what became of it.

Two round trips for a job that runs well: one takes it, one counts and acknowledges it, and can take the next
job too. A failure takes one more, because a retry that Redis refuses must leave the job unacknowledged.
"""

from __future__ import annotations

import json
import time
from collections import deque
from typing import TYPE_CHECKING, Any

from redis.exceptions import RedisError

from pytest_jobqueue.adapters.sidekiq.runner import at_the_job
from pytest_jobqueue.adapters.sidekiq.store import names_of
from pytest_jobqueue.errors import PoisonJobError
from pytest_jobqueue.job import Job, Outcome
from pytest_jobqueue.wire.retries import DEAD_JOBS, DEAD_SECONDS, Failure, Verdict, after_failure
from pytest_jobqueue.wire.sidekiq import Payload, decode, poison_job, to_job

if TYPE_CHECKING:
    from collections.abc import Sequence
    from random import Random

    from pytest_jobqueue.adapters.sidekiq.lanes import Lane, Lanes
    from pytest_jobqueue.adapters.sidekiq.link import Command, Link
    from pytest_jobqueue.adapters.sidekiq.runner import Runner
    from pytest_jobqueue.adapters.sidekiq.scheduler import Scheduler
    from pytest_jobqueue.wire.dialects import Dialect, Keys

_DAY = 24 * 60 * 60
_MOMENT = 0.01  # seconds in which nobody but the caller of two calls in a row comes in between
NOTHING: Any = object()  # in place of a queue's name or None: fetch nothing ahead


class Taken:
    """A job in a worker's hands.

    Attributes:
        lane: The queue that it was taken from.
        raw: Its bytes.
        since: When it was taken, in seconds since the epoch.
    """

    __slots__ = ("lane", "raw", "since")

    def __init__(self, lane: Lane, raw: bytes) -> None:
        self.lane = lane
        self.raw = raw
        self.since = time.time()

    @property
    def work(self) -> bytes:
        """What Sidekiq's heartbeat says of it."""
        fields = {"queue": self.lane.name, "payload": self.raw.decode(), "run_at": int(self.since)}
        return json.dumps(fields, separators=(",", ":"), ensure_ascii=False).encode()


class Worker:
    """The consumer's half of a binding.

    Attributes:
        in_hand: What is being run at this moment.
        recovered: Jobs of a worker that died, which are run before any queue.
    """

    def __init__(
        self,
        link: Link,
        keys: Keys,
        dialect: Dialect,
        *,
        lanes: Lanes,
        runner: Runner,
        scheduler: Scheduler,
        random: Random,
    ) -> None:
        self._link = link
        self._keys = keys
        self._dialect = dialect
        self._lanes = lanes
        self._runner = runner
        self._scheduler = scheduler
        self._random = random
        self._day = (-1, "")
        self.in_hand: list[Taken] = []
        self.recovered: deque[Taken] = deque()
        self._latest: Lane | None = None  # the queue of the last job
        self._ahead: Taken | None = None  # fetched with the last acknowledgement
        self._found_none = False  # or: the fetch that went with it found nothing
        self._none_due_at: float | None = None  # when it was seen that nothing is due

    @property
    def set_aside(self) -> list[Taken]:
        """What was taken off its queue and waits to be run here, next one first."""
        ahead = [] if self._ahead is None else [self._ahead]
        return [*ahead, *self.recovered]

    # Taking

    def take(self, queue: str | None) -> Taken | None:
        """The next job, moved to the list of jobs in progress where the dialect has one."""
        for taken in self.set_aside:
            if queue is None or taken.lane.name == queue:
                self._no_longer_aside(taken)
                return taken
        found_none, self._found_none = self._found_none, False
        if queue is not None:
            return self._fetch([self._lanes.named(queue)])
        if found_none:
            return self._last_look()
        found = self._fetch(self._lanes.listening)
        if found is None and self._lanes.discover():
            found = self._fetch(self._lanes.listening)
        return found

    def wait(self, seconds: float) -> Taken | None:
        """The next job, waited for in Redis as the dialect does.

        go-workers2 waits at one queue at a time; here that is the one which had the last job.
        """
        self._lanes.discover()
        lanes = {lane.key: lane for lane in self._lanes.listening}
        if not self._dialect.acks:
            found = self._link.call("BRPOP", *lanes, str(seconds))
            return None if found is None else Taken(lanes[found[0].decode()], found[1])
        lane = self._latest or self._lanes.listening[0]
        raw = self._link.call("BRPOPLPUSH", lane.key, lane.in_progress, str(seconds))
        return None if raw is None else Taken(lane, raw)

    def _last_look(self) -> Taken | None:
        """Most likely a drain is at its end: ask in one go all that is asked there."""
        lanes = list(self._lanes.listening)
        looks = self._scheduler.looks()
        *fetched, members, one, other = self._link.send(
            *_fetching(lanes), ("SMEMBERS", self._keys.queues), *looks
        )
        found = self._fetched(lanes, fetched)
        if found is None and self._lanes.take_in(names_of(members)):
            found = self._fetch(self._lanes.listening)
        self._none_due_at = None if one or other else time.time()
        return found

    def saw_none_due(self) -> bool:
        """Whether it was seen a moment ago that nothing is due; the answer serves once."""
        seen, self._none_due_at = self._none_due_at, None
        return seen is not None and 0 <= time.time() - seen < _MOMENT

    def _no_longer_aside(self, taken: Taken) -> None:
        if taken is self._ahead:
            self._ahead = None
        else:
            self.recovered.remove(taken)

    def _fetch(self, lanes: Sequence[Lane]) -> Taken | None:
        return self._fetched(lanes, self._link.send(*_fetching(lanes))) if lanes else None

    def _fetched(self, lanes: Sequence[Lane], replies: Sequence[Any]) -> Taken | None:
        first, *others = lanes
        raw, *there = replies
        if raw is not None:
            return Taken(first, raw)
        for lane, exists in zip(others, there, strict=True):
            if exists and (raw := self._link.call(*lane.pop)) is not None:
                return Taken(lane, raw)
        return None

    def recover(self) -> int:
        """Make the jobs in progress of this process ID the next to be run; returns how many there are."""
        self.recovered.clear()
        if not self._dialect.acks:
            return 0
        self._lanes.discover()
        self._lanes.discover_in_progress()
        lanes = self._lanes.listening
        lists = self._link.send(*[("LRANGE", lane.in_progress, 0, -1) for lane in lanes]) if lanes else []
        busy = {(taken.lane.name, taken.raw) for taken in self.in_hand}
        self.recovered.extend(
            Taken(lane, raw)
            for lane, found in zip(lanes, lists, strict=True)
            for raw in found
            if (lane.name, raw) not in busy
        )
        return len(self.recovered)

    def forget(self, queue: str, raw: bytes) -> bool:
        """Drop a job that was set aside to be run here; False when it is not."""
        for taken in self.set_aside:
            if (taken.lane.name, taken.raw) == (queue, raw):
                self._no_longer_aside(taken)
                for command in self._acknowledged(taken):
                    self._link.send(command)
                return True
        return False

    def put_back(self) -> None:
        """Return a job that was fetched ahead to the end of its queue that is taken from."""
        taken, self._ahead = self._ahead, None
        if taken is not None:
            self._link.send(("RPUSH", taken.lane.key, taken.raw), *self._acknowledged(taken))

    # Running

    def run(self, taken: Taken, *, then: str | None = NOTHING) -> Outcome:
        """Run it and record the outcome in Redis; what the handler raises is in the outcome.

        Args:
            taken: The job.
            then: The queue, or None for all of them, from which to fetch ahead when it ran well.
        """
        try:
            payload = decode(taken.raw)
        except PoisonJobError as error:
            return self._drop(taken, error)
        job = to_job(payload, self._dialect, taken.lane.name)
        self.in_hand.append(taken)
        self._latest = taken.lane
        started = time.perf_counter()
        try:
            result = self._runner.run(job)
        except BaseException as error:  # noqa: BLE001 - whoever asked decides, after it was recorded
            seconds = time.perf_counter() - started
            return self._record(taken, payload, job, at_the_job(error), seconds)
        else:
            seconds = time.perf_counter() - started
            self._finish(taken, then)
            return Outcome(job, "ok", result, None, None, seconds)
        finally:
            self.in_hand.remove(taken)

    def _finish(self, taken: Taken, then: str | None) -> None:
        done = (*self._counted("processed"), *self._acknowledged(taken))
        lanes = self._lanes.listening if then is None else [self._lanes.named(then)]
        if then is NOTHING or self.recovered or not lanes:
            self._link.send(*done)
            return
        replies = self._link.send(*done, *_fetching(lanes))
        self._ahead = self._fetched(lanes, replies[len(done) :])
        self._found_none = then is None and self._ahead is None

    def _record(
        self, taken: Taken, payload: Payload, job: Job, error: BaseException, seconds: float
    ) -> Outcome:
        queue = f"{self._keys.prefix}{taken.lane.name}" if self._dialect.is_go else taken.lane.name
        failure = Failure(payload, error, queue, time.time())
        verdict = after_failure(failure, self._dialect, self._random)
        try:
            self._link.send(*self._failure_counted(), *self._kept(verdict))
            for command in self._acknowledged(taken):
                self._link.send(command)
        except RedisError as redis_failed:
            raise redis_failed from error
        return Outcome(job, verdict.status, None, error, verdict.reason, seconds)

    def _drop(self, taken: Taken, error: PoisonJobError) -> Outcome:
        if self._dialect.acks:
            where = f"left in {taken.lane.in_progress!r}"
        else:
            self._link.send(*self._buried(taken.raw, time.time()))
            where = f"moved to {self._keys.dead!r}"
        job = poison_job(taken.raw, taken.lane.name)
        return Outcome(job, "dropped", exception=error, reason=f"{error}; {where}")

    # What is written

    def _acknowledged(self, taken: Taken) -> tuple[Command, ...]:
        return (("LREM", taken.lane.in_progress, -1, taken.raw),) if self._dialect.acks else ()

    def _counted(self, metric: str) -> tuple[Command, ...]:
        # Sidekiq gathers these in memory and writes them with its heartbeat; here a test sees them at once.
        daily = self._keys.stat(metric, self._today())
        count: tuple[Command, ...] = (("INCR", self._keys.stat(metric)), ("INCR", daily))
        ttl = self._dialect.daily_ttl
        return count if ttl is None else (*count, ("EXPIRE", daily, ttl))

    def _failure_counted(self) -> tuple[Command, ...]:
        if self._dialect.failure_counts_as_processed:
            return self._counted("processed") + self._counted("failed")
        return self._counted("failed")

    def _today(self) -> str:
        now = time.time()
        day = int(now // _DAY)
        if day != self._day[0]:
            self._day = (day, time.strftime("%Y-%m-%d", time.gmtime(now)))
        return self._day[1]

    def _kept(self, verdict: Verdict) -> tuple[Command, ...]:
        if verdict.into == "retry":
            return (("ZADD", self._keys.retry, repr(verdict.score), verdict.body),)
        return self._buried(verdict.body, verdict.score) if verdict.into == "dead" else ()

    def _buried(self, body: bytes, now: float) -> tuple[Command, ...]:
        dead = self._keys.dead
        return (
            ("MULTI",),
            ("ZADD", dead, repr(now), body),
            ("ZREMRANGEBYSCORE", dead, "-inf", repr(now - DEAD_SECONDS)),
            ("ZREMRANGEBYRANK", dead, 0, -DEAD_JOBS),
            ("EXEC",),
        )


def _fetching(lanes: Sequence[Lane]) -> list[Command]:
    # The first queue is popped and the others are looked at in one go; popping each would take too many.
    first, *others = lanes
    return [first.pop, *[("EXISTS", lane.key) for lane in others]]
