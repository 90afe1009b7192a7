"""What is on the server: the lists of kombu's queues, and what workers have not acknowledged.

Looking takes nothing. A queue is one list a priority; a worker asks for all lists of the most urgent priority
first, the queues in turn, and takes from the right. A message for later lies among the others, and it alone
says so (`eta`).
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import redis
from celery.utils.time import maybe_iso8601, maybe_make_aware
from kombu.transport import virtual
from kombu.utils.encoding import bytes_to_str
from kombu.utils.json import loads
from kombu.utils.scheduling import cycle_by_name

from pytest_jobqueue.adapters.celery.innards import list_keys, queue_of
from pytest_jobqueue.job import Job

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from celery import Celery
    from kombu.transport.redis import Channel


class Message(virtual.Message):  # type: ignore[misc]
    """Kombu's message, which remembers whether it was put back."""

    put_back = False

    def reject(self, requeue: bool = False) -> None:
        """As kombu does."""
        super().reject(requeue=requeue)
        self.put_back = requeue


@dataclass(frozen=True, slots=True)
class Found:
    """One message on a list.

    Attributes:
        queue: The queue's name.
        key: The list's, with its prefix.
        raw: The bytes on it.
        message: What they are, or None when they are no message.
        fields: What the message says of its task: its headers, or in the old protocol its body.
        due: When it is due, in seconds since the epoch, or None.
    """

    queue: str
    key: str
    raw: bytes
    message: Message | None
    fields: Mapping[str, Any]
    due: float | None

    @property
    def ready(self) -> bool:
        """Whether a worker would run it now."""
        return self.due is None or self.due <= time.time()


class Store:
    """The queues of one application, in the order in which a worker looks at them.

    Attributes:
        client: For the lists, by their full names.

    Args:
        app: The application.
        channel: A channel that nobody consumes from.
        names: The queues; None is: those that the application consumes from, those that it or another process
            has published to, none of them for broadcasts.
    """

    def __init__(self, app: Celery, channel: Channel, names: Sequence[str] | None) -> None:
        self._app = app
        self._channel = channel
        self.client: Any = redis.Redis(connection_pool=channel.pool, single_connection_client=True)
        self._prefix: str = channel.global_keyprefix
        self._known: dict[str, list[tuple[str, str]]] = {}
        self._fixed = None if names is None else tuple(names)
        self._cycle = cycle_by_name(channel.queue_order_strategy)(list(names or ()))
        self._accept = app.amqp.TaskConsumer(channel).accept

    # Queues

    def queues(self) -> list[str]:
        """Those that a worker listens to, in the order of its next look."""
        items: list[str] = self._cycle.items
        heard = self._heard() if self._fixed is None else self._fixed
        items[:] = [name for name in items if name in heard] + [name for name in heard if name not in items]
        return list(self._cycle.consume(len(items)))

    def known(self) -> list[str]:
        """Those of the last time that somebody asked for all, without asking the server."""
        return list(self._cycle.consume(len(self._cycle.items))) or self.queues()

    def turn(self, queue: str) -> None:
        """A message was taken from this queue: the others are next."""
        self._cycle.rotate(queue)

    def _heard(self) -> list[str]:
        conf, queues = self._app.conf, self._app.amqp.queues
        mailbox = f"{conf.control_exchange}.pidbox"
        broadcast = broadcasts(self._app)
        others = {mailbox, f"reply.{mailbox}", conf.event_exchange, *broadcast.values()}
        pattern = self._prefix + self._channel.keyprefix_queue % ""
        bound = []
        for key in self.client.scan_iter(match=f"{pattern}*", count=1000):
            exchange = bytes_to_str(key)[len(pattern) :]
            if exchange not in others:
                bound += [queue for _, _, queue in self._channel.get_table(exchange)]
        heard = dict.fromkeys([*queues.consume_from, *queues, *sorted(bound)])
        return [name for name in heard if name not in broadcast]

    # Messages

    def ready(self, queues: Sequence[str]) -> list[Found]:
        """What a worker would run now, in its order."""
        lists = {
            (queue, number): [found for found in self._all(queue, key) if found.ready]
            for number, step in enumerate(self.steps(queues))
            for queue, key in step
        }
        cycle = cycle_by_name(self._channel.queue_order_strategy)(list(queues))
        steps = range(len(self.steps(queues)))
        order: list[Found] = []
        while True:
            turn = cycle.consume(len(queues))
            next_one = next(((q, number) for number in steps for q in turn if lists[q, number]), None)
            if next_one is None:
                return order
            order.append(lists[next_one].pop(0))
            cycle.rotate(next_one[0])

    def later(self, queues: Sequence[str]) -> list[Found]:
        """What waits for its time, soonest first."""
        found = [
            one
            for step in self.steps(queues)
            for queue, key in step
            for one in self._all(queue, key)
            if not one.ready
        ]
        return sorted(found, key=lambda one: one.due or 0)

    def unacknowledged(self) -> list[Found]:
        """What workers took and have not acknowledged, oldest first."""
        channel = self._channel
        tags = self.client.zrange(self._prefix + channel.unacked_index_key, 0, -1)
        kept = self.client.hmget(self._prefix + channel.unacked_key, tags) if tags else []
        found = []
        for raw in filter(None, kept):
            payload, exchange, routing_key = loads(bytes_to_str(raw))
            queue = queue_of(channel, exchange, routing_key)
            found.append(self._parsed(queue, "", raw, payload))
        return found

    def abandoned(self) -> int:
        """How many of those are so old that a worker would give them back."""
        until = time.time() - self._channel.visibility_timeout
        return int(self.client.zcount(self._prefix + self._channel.unacked_index_key, 0, until))

    def steps(self, queues: Sequence[str]) -> list[list[tuple[str, str]]]:
        """The lists of these queues, priority by priority: queue and list's name."""
        return [list(step) for step in zip(*(self._lists(queue) for queue in queues), strict=True)]

    def _lists(self, queue: str) -> list[tuple[str, str]]:
        if queue not in self._known:
            names = list_keys(self._channel, queue)
            self._known[queue] = [(queue, self._prefix + name) for name in names]
        return self._known[queue]

    def _all(self, queue: str, key: str) -> Iterator[Found]:
        return (self.read(queue, key, raw) for raw in reversed(self.client.lrange(key, 0, -1)))

    def read(self, queue: str, key: str, raw: bytes) -> Found:
        """What these bytes of a list are."""
        try:
            return self._parsed(queue, key, raw, loads(bytes_to_str(raw)))
        except Exception:  # noqa: BLE001 (bytes of anybody; whoever takes them says what they are)
            return Found(queue, key, raw, None, {}, None)

    def _parsed(self, queue: str, key: str, raw: bytes, payload: Any) -> Found:
        message = Message(payload, channel=self._channel, accept=self._accept)
        headers = message.headers or {}
        fields = headers if "task" in headers else _body(message)
        return Found(queue, key, raw, message, fields, due_time(self._app, fields))


def broadcasts(app: Celery) -> dict[str, str]:
    """The queues that every worker has a copy of and hears by subscription, each with its exchange."""
    exchanges = {name: queue.exchange for name, queue in app.amqp.queues.items() if queue.exchange}
    return {name: exchange.name for name, exchange in exchanges.items() if exchange.type == "fanout"}


def due_time(app: Celery, fields: Mapping[str, Any]) -> float | None:
    """A task's `eta`, in seconds since the epoch, as a worker reads it; None where there is none to read."""
    eta = fields.get("eta")
    if eta is None:
        return None
    try:
        aware = maybe_make_aware(maybe_iso8601(eta), app.conf.timezone)
        return float(aware.timestamp())
    except Exception:  # noqa: BLE001 (the worker rejects such a message when it is its turn)
        return None


def _body(message: Message) -> Mapping[str, Any]:
    try:
        body = message.payload
    except Exception:  # noqa: BLE001 (the worker says what is wrong with it when it is its turn)
        return {}
    return body if isinstance(body, dict) else {}


def job_of(found: Found) -> Job:
    """A message as a `Job`; what is no message is named by its bytes."""
    message = found.message
    if message is None:
        return Job("", repr(found.raw[:60]), queue=found.queue, raw=found.raw)
    args, kwargs = _arguments(message, found.fields)
    return Job(
        str(found.fields.get("id") or ""),
        str(found.fields.get("task") or ""),
        args,
        kwargs,
        found.queue,
        due_at=None if found.ready else found.due,
        attempts=int(found.fields.get("retries") or 0),
        raw=message,
    )


def _arguments(message: Message, fields: Mapping[str, Any]) -> tuple[tuple[Any, ...], Mapping[str, Any]]:
    if "args" in fields:  # protocol 1
        return tuple(fields["args"]), fields.get("kwargs") or {}
    try:
        args, kwargs, _ = message.payload
    except Exception:  # noqa: BLE001 (a worker that may not read it either says so when it is its turn)
        return (), {}
    return tuple(args), kwargs
