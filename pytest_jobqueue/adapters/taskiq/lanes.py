"""How a message is taken off a list or a stream: by the calls that the broker's own listener makes, for one.

The listener waits for messages, and fetches a stream's by the hundred; here one is taken, or none is there.
Taking is asynchronous and goes through the broker's pool, looking is not and has a connection of its own.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from redis.asyncio import Redis
from redis.exceptions import ResponseError
from taskiq import AckableMessage
from taskiq_redis import RedisStreamBroker

from pytest_jobqueue.adapters.streams import REMOVE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    import redis

_MANY = 10_000  # more messages in dead workers' hands than a test makes


@dataclass(frozen=True, slots=True)
class Taken:
    """A message, in a worker's hands or still in the queue.

    Attributes:
        queue: Where it is from.
        data: What the broker's formatter reads.
        message: What the receiver is given.
        id: Its id in the stream.
        at: When it came into the stream.
    """

    queue: str
    data: bytes
    message: Any = None
    id: bytes | None = None
    at: float | None = None


class Lane(Protocol):
    """One kind of queue.

    Attributes:
        acks: Whether a message stays on the server until its task has run.
        queues: What the broker listens to.
        reads_ahead: Whether the next message may be taken in one go with an acknowledgement on this queue.
    """

    acks: bool
    queues: list[str]
    reads_ahead: Callable[[str], bool]

    def prepare(self, queues: Iterable[str]) -> None:
        """Make what a worker makes when it starts."""

    async def take(self, queue: str) -> Taken | None:
        """Take the next message."""

    def ready(self, queue: str) -> Sequence[Taken]:
        """The messages that would be taken, in that order."""

    def running(self) -> Sequence[Taken]:
        """The messages in some worker's hands."""

    async def recover(self) -> int:
        """Take over the messages of dead workers."""

    async def remove(self, taken: Taken) -> bool:
        """Delete a message that is ready; False when it is so no more."""


def lane_for(broker: Any, client: redis.Redis) -> Lane:
    """The lane of a broker."""
    return StreamLane(broker, client) if isinstance(broker, RedisStreamBroker) else ListLane(broker, client)


class ListLane:
    """`ListQueueBroker`: pushed on the left, taken from the right; what is taken is on the server no more."""

    acks = False

    def __init__(self, broker: Any, client: redis.Redis) -> None:
        self._client = client
        self._redis = Redis(connection_pool=broker.connection_pool)
        self.queues: list[str] = [broker.queue_name]
        self.reads_ahead: Callable[[str], bool] = _never

    def prepare(self, queues: Iterable[str]) -> None:
        """Nothing: a list is there with its first message."""

    async def take(self, queue: str) -> Taken | None:
        """Pop it."""
        data: Any = await self._redis.rpop(queue)
        return None if data is None else Taken(queue, data, data)

    def ready(self, queue: str) -> list[Taken]:
        """The list, from the right."""
        found: Any = self._client.lrange(queue, 0, -1)
        return [Taken(queue, data) for data in reversed(found)]

    def running(self) -> list[Taken]:
        """None: a list knows nothing of it."""
        return []

    async def recover(self) -> int:
        """None: what a dead worker had is lost."""
        return 0

    async def remove(self, taken: Taken) -> bool:
        """By its very bytes."""
        data: Any = taken.data  # redis-py means any bytes
        return bool(await self._redis.lrem(taken.queue, -1, data))


class StreamLane:
    """`RedisStreamBroker`: a consumer group per stream; what is taken is pending until it is acknowledged.

    What is pending in our own hands runs first: messages of dead workers that were taken over, and one that
    was read ahead, which spares a round trip.
    """

    acks = True

    def __init__(self, broker: Any, client: redis.Redis) -> None:
        self._broker = broker
        self._client = client
        self._redis = Redis(connection_pool=broker.connection_pool)
        self._group: str = broker.consumer_group_name
        self._in_hand: deque[Taken] = deque()
        self.queues: list[str] = [broker.queue_name, *broker.additional_streams]
        self.reads_ahead: Callable[[str], bool] = _never

    def prepare(self, queues: Iterable[str]) -> None:
        """Make the group on each stream: a message from before there was one is nobody's."""
        for queue in queues:
            self._make_group(queue, self._broker.consumer_id)

    def _make_group(self, queue: str, start: str) -> bool:
        try:
            self._client.xgroup_create(queue, self._group, id=start, mkstream=self._broker.mkstream)
        except ResponseError:  # it is there already; or there is no stream, and the service wants none made
            return False
        return True

    async def take(self, queue: str) -> Taken | None:
        """Read it as the group's next, unless one is in hand."""
        for held in self._in_hand:
            if held.queue == queue:
                self._in_hand.remove(held)
                return held
        try:
            return await self._read(queue)
        except ResponseError as error:
            if "NOGROUP" not in str(error):
                raise
        if not self._make_group(queue, "0"):  # no stream, and the service wants none made
            return None
        return await self._read(queue)

    async def _read(self, queue: str) -> Taken | None:
        return self._first(queue, await self._ask(self._redis, queue))

    def _ask(self, client: Any, queue: str) -> Any:
        start = self._broker.additional_streams.get(queue, ">")
        return client.xreadgroup(
            self._group, self._broker.consumer_name, {queue: start}, count=1, noack=False
        )

    def _first(self, queue: str, found: Any) -> Taken | None:
        for _, messages in found.items() if isinstance(found, dict) else found or ():
            for message in messages:
                return self._taken(queue, *message)
        return None

    def _taken(self, queue: str, message_id: bytes, fields: dict[bytes, bytes]) -> Taken:
        async def ack() -> None:
            if self._in_hand or not self.reads_ahead(queue):
                await self._redis.xack(queue, self._group, message_id)
                return
            async with self._redis.pipeline(transaction=False) as pipe:
                pipe.xack(queue, self._group, message_id)
                self._ask(pipe, queue)
                acked, found = await pipe.execute(raise_on_error=False)
            if isinstance(acked, Exception):
                raise acked
            ahead = None if isinstance(found, Exception) else self._first(queue, found)
            self._in_hand.extend([ahead] if ahead is not None else [])

        data = fields[b"data"]
        return Taken(queue, data, AckableMessage(data=data, ack=ack), message_id, _moment(message_id))

    def ready(self, queue: str) -> list[Taken]:
        """What is in hand, then what comes after the last message that the group has seen."""
        found: Any = self._client.xrange(queue, min=self._after(queue))
        fresh = [Taken(queue, fields[b"data"], None, number, _moment(number)) for number, fields in found]
        return [*(held for held in self._in_hand if held.queue == queue), *fresh]

    def _after(self, queue: str) -> str:
        try:
            groups: Any = self._client.xinfo_groups(queue)
        except ResponseError:  # no such stream
            return "-"
        for group in groups:
            if group["name"] == self._group.encode():
                return f"({group['last-delivered-id'].decode()}"
        return "-"

    def running(self) -> list[Taken]:
        """What was delivered and not acknowledged, apart from what is in hand and waits for its turn."""
        held = {taken.id for taken in self._in_hand}
        return [taken for queue in self.queues for taken in self._pending(queue) if taken.id not in held]

    def _pending(self, queue: str) -> list[Taken]:
        try:
            found: Any = self._client.xpending_range(queue, self._group, "-", "+", _MANY)
        except ResponseError:  # no such stream or group
            return []
        pending = []
        for entry in found:
            number = entry["message_id"]
            messages: Any = self._client.xrange(queue, number, number)
            pending += [
                Taken(queue, fields[b"data"], None, number, _moment(number)) for _, fields in messages
            ]
        return pending

    async def recover(self) -> int:
        """Claim what has been pending for longer than the broker's `idle_timeout`, by the server's clock."""
        count = 0
        for queue in self.queues:
            start: Any = b"0-0"
            while True:
                found: Any = await self._redis.xautoclaim(
                    queue,
                    self._group,
                    self._broker.consumer_name,
                    min_idle_time=self._broker.idle_timeout,
                    start_id=start,
                    count=self._broker.unacknowledged_batch_size,
                )
                start, messages = found[0], found[1]
                known = {taken.id for taken in self._in_hand}
                fresh = [self._taken(queue, *message) for message in messages if message[0] not in known]
                self._in_hand.extend(fresh)
                count += len(fresh)
                if start in (b"0-0", "0-0"):
                    break
        return count

    async def remove(self, taken: Taken) -> bool:
        """By its id; of what is in hand, acknowledged too."""
        number: Any = taken.id
        if taken in self._in_hand:
            self._in_hand.remove(taken)
            await self._redis.xack(taken.queue, self._group, number)
            return bool(await self._redis.xdel(taken.queue, number))
        return bool(await self._redis.eval(REMOVE, 1, taken.queue, self._group, number, ""))


def _never(_queue: str) -> bool:
    return False


def _moment(message_id: bytes) -> float:
    """A stream's id begins with the server's time."""
    return int(message_id.partition(b"-")[0]) / 1000
