"""Putting jobs on queues, as each dialect's own client does.

Everything is checked and encoded before the first byte is sent.
"""

from __future__ import annotations

import secrets
import time
from typing import TYPE_CHECKING, Any

from pytest_jobqueue.errors import UsageError
from pytest_jobqueue.job import Job
from pytest_jobqueue.wire.jsonsafe import check_arguments
from pytest_jobqueue.wire.sidekiq import Draft, check_options, decode, encode, seconds_of, timestamp

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_jobqueue.adapters.sidekiq.lanes import Lanes
    from pytest_jobqueue.adapters.sidekiq.link import Command, Link
    from pytest_jobqueue.job import Call
    from pytest_jobqueue.wire.dialects import Dialect, Keys

_CONTAINERS = (list, dict)


class Client:
    """The producer's half of a binding."""

    def __init__(self, link: Link, keys: Keys, dialect: Dialect, lanes: Lanes, default_queue: str) -> None:
        self._link = link
        self._keys = keys
        self._dialect = dialect
        self._lanes = lanes
        self._default_queue = default_queue

    def push(self, calls: Sequence[Call]) -> list[Job]:
        """Put the jobs on their queues, or into `schedule`, in one round trip."""
        now = time.time()
        prepared = [self._prepared(call, now) for call in calls]
        if prepared:
            self._link.send(*[command for _, commands in prepared for command in commands])
        return [job for job, _ in prepared]

    def _prepared(self, call: Call, now: float) -> tuple[Job, tuple[Command, ...]]:
        queue = self._default_queue if call.queue is None else call.queue
        self._check(call, queue)
        later = call.at is not None and call.at > now
        at = call.at if later or self._dialect.is_go else None
        jid = call.options.get("jid") or secrets.token_hex(12)
        body = encode(Draft(call.name, call.args, queue, jid, now, at, call.options), self._dialect)
        enqueued_at = None if later and not self._dialect.is_go else self._as_read(now)
        due_at = at if later else None
        job = Job(
            jid, call.name, _as_it_arrives(call.args, body), {}, queue, enqueued_at, due_at, 0, None, body
        )
        lane = self._lanes.heard_of(queue)
        if later:
            return job, (("ZADD", self._keys.schedule, repr(at), body),)
        return job, (("SADD", self._keys.queues, queue), ("LPUSH", lane.key, body))

    def _as_read(self, now: float) -> float | None:
        return seconds_of(timestamp(now, self._dialect), self._dialect) if self._dialect.milliseconds else now

    def _check(self, call: Call, queue: str) -> None:
        if call.kwargs:
            raise TypeError(
                f"{call.name}: jobs in the Sidekiq format have no keyword arguments, and there are "
                f"{', '.join(call.kwargs)}; pass them by position, and options with producer.set(retry=3)"
            )
        if not queue or not call.name:
            raise UsageError(f"a job needs a class and a queue, and there are {call.name!r} and {queue!r}")
        try:
            check_arguments(call.args)
        except TypeError as error:
            raise TypeError(f"{call.name}: {error}") from None
        if call.options:
            check_options(call.options, self._dialect)


def _as_it_arrives(args: tuple[Any, ...], body: bytes) -> tuple[Any, ...]:
    # Lists and dicts are the caller's own and may change later; the handler gets what was written.
    return decode(body).args if any(type(value) in _CONTAINERS for value in args) else args
