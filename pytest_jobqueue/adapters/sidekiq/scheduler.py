"""One step of the scheduler: jobs that are due move from the sorted sets to their queues, one by one.

Each dialect keeps its own order, its own rewriting of the payload and its own window in which a crash loses
the job. A payload that it cannot read has left the set already, as in the real programs; the error quotes it.
"""

from __future__ import annotations

import secrets
import time
from typing import TYPE_CHECKING, Any

from pytest_jobqueue.errors import PoisonJobError
from pytest_jobqueue.wire.sidekiq import decode, dump, quoted, timestamp

if TYPE_CHECKING:
    from pytest_jobqueue.adapters.sidekiq.link import Command, Link
    from pytest_jobqueue.wire.dialects import Dialect, Keys
    from pytest_jobqueue.wire.sidekiq import Payload

_POP_DUE = (
    "local due = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', ARGV[1], 'LIMIT', 0, 1) "
    "if due[1] then redis.call('ZREM', KEYS[1], due[1]) return due[1] end "
    "return false"
)
_MOVE = (
    "if redis.call('ZREM', KEYS[1], ARGV[1]) == 0 then return 0 end "
    "if ARGV[3] then redis.call('SADD', KEYS[3], ARGV[3]) end "
    "return redis.call('LPUSH', KEYS[2], ARGV[2])"
)


class Scheduler:
    """Moves due jobs of one application; `moved_to` gathers the queues that they went to."""

    def __init__(self, link: Link, keys: Keys, dialect: Dialect) -> None:
        self._link = link
        self._keys = keys
        self._dialect = dialect
        self.moved_to: dict[str, None] = {}

    def tick(self) -> int:
        """Move what is due by `time.time()`; returns how many jobs became ready.

        Raises:
            PoisonJobError: A due entry is no job, or one that the dialect's client refuses. It is in no set
                any more; the message has its bytes.
        """
        return self._go_tick() if self._dialect.is_go else self._sidekiq_tick()

    def move_now(self, key: str, raw: bytes) -> bool:
        """Move one job to its queue before its time; False when it is not in the set.

        It leaves the set and comes to the queue in one step. Sidekiq's web page counts the next attempt of a
        job that failed as the last one, again; go-workers2 has no such page, and here its scheduler's
        rewriting is used.

        Raises:
            PoisonJobError: It is no job; it stays where it is.
        """
        payload = decode(raw)
        if self._dialect.is_go:
            fields = dict(payload.fields)
        else:
            fields = self._completed(payload)
            if key != self._keys.schedule and payload.retry_count is not None:
                fields["retry_count"] = payload.retry_count - 1
            fields.pop("at", None)
        fields["enqueued_at"] = timestamp(time.time(), self._dialect)
        queue = self._keys.bare_queue(str(fields.get("queue", "")))
        body = dump(fields, self._dialect, rewritten=True)
        names = () if self._dialect.is_go else (queue,)
        lists = self._keys.queue(queue), self._keys.queues
        if not self._link.call("EVAL", _MOVE, 3, key, *lists, raw, body, *names):
            return False
        self.moved_to[queue] = None
        return True

    def looks(self) -> list[Command]:
        """The questions whether anything is due, for whoever can send them along with others."""
        now = repr(time.time())
        keys = self._keys.schedule, self._keys.retry
        return [("ZRANGEBYSCORE", key, "-inf", now, "LIMIT", 0, 1) for key in keys]

    def _any_due(self) -> bool:
        # Most passes find nothing: one look at both sets spares the rest.
        return any(self._link.send(*self.looks()))

    def _go_tick(self) -> int:
        now = repr(time.time())
        keys = self._keys.schedule, self._keys.retry
        return sum(self._go_move_all(key, now) for key in keys) if self._any_due() else 0

    def _go_move_all(self, key: str, now: str) -> int:
        moved = 0
        while found := self._link.call("ZRANGEBYSCORE", key, "-inf", now, "LIMIT", 0, 1):
            raw = found[0]
            if not self._link.call("ZREM", key, raw):
                break  # someone else was faster: go-workers2 leaves the rest to the next pass
            payload = self._decode(raw, key, "go-workers2 removes it and then panics")
            queue = self._keys.bare_queue(payload.queue)
            fields = dict(payload.fields) | {"enqueued_at": timestamp(time.time(), self._dialect)}
            self._link.call("LPUSH", self._keys.queue(queue), dump(fields, self._dialect, rewritten=True))
            self.moved_to[queue] = None
            moved += 1
        return moved

    def _sidekiq_tick(self) -> int:
        keys = self._keys.retry, self._keys.schedule
        if not self._any_due():
            return 0
        moved = 0
        for key in keys:
            while raw := self._link.call("EVAL", _POP_DUE, 1, key, repr(time.time())):
                payload = self._decode(raw, key, "Sidekiq removes it and then raises")
                moved += self._push(self._normalised(payload, key))
        return moved

    def _normalised(self, payload: Payload, key: str) -> dict[str, Any]:
        fields = self._completed(payload)
        if not isinstance(fields.get("args"), list) or not fields.get("class"):
            raise PoisonJobError(
                f"{quoted(payload.raw)} was due in {key!r}, and {self._dialect.source} refuses it after "
                "taking it from there, since a job must have a class and an array of args: it is lost"
            )
        return fields

    def _completed(self, payload: Payload) -> dict[str, Any]:
        # Sidekiq pushes what it popped through its own client, which merges it into the default options.
        fields: dict[str, Any] = {"retry": True, "queue": "default"} | dict(payload.fields)
        if fields.get("jid") is None:
            fields["jid"] = secrets.token_hex(12)
        if fields.get("created_at") is None:
            fields["created_at"] = timestamp(time.time(), self._dialect)
        return fields

    def _push(self, fields: dict[str, Any]) -> int:
        if "at" in fields:  # a job by go-workers2: it goes round once more
            at = fields.pop("at")
            if self._dialect.strips_enqueued_at:
                fields.pop("enqueued_at", None)
            self._link.call("ZADD", self._keys.schedule, repr(at), dump(fields, self._dialect))
            return 0
        queue = fields["queue"]
        fields["enqueued_at"] = timestamp(time.time(), self._dialect)
        self._link.send(
            ("SADD", self._keys.queues, queue),
            ("LPUSH", self._keys.queue(queue), dump(fields, self._dialect)),
        )
        self.moved_to[queue] = None
        return 1

    @staticmethod
    def _decode(raw: bytes, key: str, effect: str) -> Payload:
        try:
            return decode(raw)
        except PoisonJobError as error:
            raise PoisonJobError(
                f"an entry of {key!r} was due and is {error}; {effect}: it is lost"
            ) from None
