"""One certain message taken out; Dramatiq itself does this with none but the next.

Who removes the message's id from its list or its dead letters has it. The keys are those of `store`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dramatiq import Message
from dramatiq.common import dq_name, q_name, xq_name

from pytest_jobqueue.adapters.dramatiq.messages import decode, followers
from pytest_jobqueue.adapters.gone import held_by_a_worker, not_discarded, not_requeued
from pytest_jobqueue.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dramatiq.brokers.redis import RedisBroker

    from pytest_jobqueue.adapters.dramatiq.store import Store
    from pytest_jobqueue.job import Job


class Hand:
    """Looks after the messages of one broker.

    Args:
        broker: The broker.
        store: What is there.
    """

    def __init__(self, broker: RedisBroker, store: Store) -> None:
        self._broker = broker
        self._store = store

    def requeue(self, job: Job) -> None:
        """Enqueue a message of a delay queue or a dead letter, as Dramatiq does with what is due.

        Raises:
            UsageError: It is neither, or it cannot be read, or a worker holds it.
        """
        if not isinstance(job.raw, Message):
            raise UsageError(f"{job} cannot be requeued, only discarded: Dramatiq cannot read it")
        data = self._taken(job, [dq_name(job.queue), xq_name(job.queue)])
        message = decode(data) if data is not None else None
        if message is None:
            held = map(decode, (data for _, data in self._store.fetched([job.queue])))
            if any(one.message_id == job.id and "eta" in one.options for one in held if one):
                raise held_by_a_worker(job)
            raise not_requeued(job)
        message = message.copy(queue_name=q_name(message.queue_name))
        message.options.pop("eta", None)
        self._broker.enqueue(message)

    def discard(self, job: Job) -> None:
        """Remove a message, wherever it is, if no worker has it.

        Raises:
            UsageError: It is nowhere, or is a part of the message that it waits for.
        """
        places = [job.queue, dq_name(job.queue), xq_name(job.queue)]
        if self._taken(job, places) is None:
            raise self._within_another(job) or not_discarded(job)

    def _taken(self, job: Job, places: Sequence[str]) -> bytes | None:
        client = self._broker.client
        for place in places:
            key, messages = self._store.key(place), self._store.key(f"{place}.msgs")
            key_in_redis = self._id_in_redis(job, messages)
            data: Any = None if key_in_redis is None else client.hget(messages, key_in_redis)
            if data is not None and self._removed(place, key, key_in_redis):
                client.hdel(messages, key_in_redis)
                return bytes(data)
        return None

    def _removed(self, place: str, key: str, member: Any) -> bool:
        client = self._broker.client
        return bool(client.zrem(key, member) if place == xq_name(place) else client.lrem(key, 1, member))

    def _id_in_redis(self, job: Job, messages: str) -> Any:
        """What the message is called in Redis, which changes each time that it is enqueued."""
        if isinstance(job.raw, Message):
            return job.raw.options.get("redis_message_id")
        everything = self._broker.client.hgetall(messages)
        return next((key for key, data in everything.items() if data == job.raw), None)

    def _within_another(self, job: Job) -> UsageError | None:
        queues = sorted(self._broker.get_declared_queues())
        for _, data in (*self._store.ready(queues), *self._store.delayed(queues)):
            message = decode(data)
            if message and any(one.message_id == job.id for one in followers(message)):
                return UsageError(
                    f"{job} cannot be discarded: it is a part of the message {message} that it waits for; "
                    "discard that one"
                )
        return None
