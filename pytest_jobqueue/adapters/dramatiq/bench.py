"""Dramatiq's own consumer and worker, one message at a time, in the thread that asks.

Without a promise of Dramatiq's: `ConsumerThread` and `WorkerThread` of `dramatiq.worker` (with an underscore
before 2.0), of which the methods `handle_message`, `handle_delayed_messages`, `requeue_messages` and
`process_message` are called and which are never started; the queue item that holds a message (a pair before
2.0); `Worker.consumers`, `.workers` and `.work_queue`. Tried on 1.17.0, 1.18.0, 2.0.0 and 2.2.1.

Hooks about the boot of process, worker and threads run, and those about the worker's shut-down. Those about
the shut-down of a thread do not: the thread is the test's, and so are its database connections.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any
from uuid import uuid4
from weakref import WeakSet

from dramatiq import worker as module
from dramatiq.asyncio import get_event_loop_thread, set_event_loop_thread
from dramatiq.common import current_millis, dq_name, iter_queue
from dramatiq.errors import ActorNotFound, DecodeError

from pytest_jobqueue.adapters.dramatiq.loop import OwnLoop

if TYPE_CHECKING:
    from dramatiq.broker import MessageProxy
    from dramatiq.brokers.redis import RedisBroker

_Consumer: Any = getattr(module, "ConsumerThread", None) or module._ConsumerThread  # noqa: SLF001
_Worker: Any = getattr(module, "WorkerThread", None) or module._WorkerThread  # noqa: SLF001

# A process boots once, however many tests it runs.
_BOOTED: WeakSet[Any] = WeakSet()


class Bench:
    """A worker of one broker that does nothing by itself."""

    def __init__(self, broker: RedisBroker) -> None:
        self._broker = broker
        self._worker = module.Worker(broker, worker_threads=1)
        self._thread: Any = None
        self._own_loop: OwnLoop | None = None
        self._previous_loop: Any = None
        self._their_loop: Any = None

    def fetch(self, queue: str) -> MessageProxy | None:
        """Take one message off a queue, or a delay queue; None when it is empty.

        Raises:
            dramatiq.errors.DecodeError: These bytes are no message; nobody acknowledges them.
        """
        self._boot()
        consumer = self._consumer(queue)
        consumer.consumer = self._broker.consume(queue, prefetch=1, timeout=0)
        message: MessageProxy | None = next(consumer.consumer)
        return message

    def process(self, queue: str, message: MessageProxy) -> ActorNotFound | None:
        """Run a message, and settle it; an unknown actor's goes to the dead letters, and this says why."""
        self._consumer(queue).handle_message(message)
        if message.failed:
            try:
                self._broker.get_actor(message.actor_name)
            except ActorNotFound as error:
                return error
        self._thread.process_message(_message_in(self._worker.work_queue.get_nowait()))
        return None

    def release_due(self, queue: str, count: int) -> None:
        """Take what is on a delay queue, enqueue what is due, and put the rest back.

        Of the rest no middleware hears, which in production hears once of each that it is delayed.
        """
        self._boot()
        name = dq_name(queue)
        thread = self._consumer(name)
        thread.consumer = self._broker.consume(name, prefetch=count, timeout=0)
        rest = []
        for _ in range(count):
            with contextlib.suppress(DecodeError):  # it stays fetched, as on a queue
                message = next(thread.consumer)
                if message is not None and _is_for_later(message):
                    rest.append(message)
                elif message is not None:
                    thread.handle_message(message)
        thread.handle_delayed_messages()
        left = (thread.delay_queue, self._worker.work_queue)  # on the latter, what says no time
        rest += [_message_in(item) for queue in left for item in iter_queue(queue)]
        thread.requeue_messages(rest)

    def abandon(self, queue: str) -> MessageProxy | None:
        """Take one message as another worker, of which nobody will hear again."""
        broker = self._broker
        living, broker.broker_id = broker.broker_id, str(uuid4())
        try:
            return self.fetch(queue)
        finally:
            broker.broker_id = living

    def maintain(self, queue: str) -> None:
        """Let the broker look for abandoned messages of a queue and its delay queue."""
        broker = self._broker
        chance, broker.maintenance_chance = broker.maintenance_chance, 1_000_000
        try:
            for name in (queue, dq_name(queue)):
                broker.do_qsize(name)
        finally:
            broker.maintenance_chance = chance

    def close(self) -> None:
        """Shut the worker down, if it booted."""
        if self._thread is None:
            return
        broker, worker = self._broker, self._worker
        self._thread = None
        broker.emit_before("worker_shutdown", worker)
        if self._own_loop is not None:
            self._own_loop.close()
            set_event_loop_thread(self._their_loop)
        broker.emit_after("worker_shutdown", worker)
        set_event_loop_thread(self._previous_loop)

    def _boot(self) -> None:
        if self._thread is not None:
            return
        broker, worker = self._broker, self._worker
        if broker not in _BOOTED:
            _BOOTED.add(broker)
            broker.emit_after("process_boot")
        self._previous_loop = get_event_loop_thread()
        broker.emit_before("worker_boot", worker)
        loop = get_event_loop_thread()
        if loop is not None and loop is not self._previous_loop:
            self._own_loop, self._their_loop = OwnLoop(), loop
            set_event_loop_thread(self._own_loop)
        self._thread = _Worker(
            broker=broker, consumers=worker.consumers, work_queue=worker.work_queue, worker_timeout=1
        )
        worker.workers.append(self._thread)
        broker.emit_after("worker_boot", worker)
        broker.emit_after("worker_thread_boot", self._thread)

    def _consumer(self, queue: str) -> Any:
        found = self._worker.consumers.get(queue)
        if found is None:
            found = self._worker.consumers[queue] = _Consumer(
                broker=self._broker,
                queue_name=queue,
                prefetch=1,
                work_queue=self._worker.work_queue,
                worker_timeout=1,
            )
            self._broker.emit_after("consumer_thread_boot", found)
        return found


def _is_for_later(message: MessageProxy) -> bool:
    eta = message.options.get("eta")
    return isinstance(eta, (int, float)) and eta > current_millis()


def _message_in(item: Any) -> MessageProxy:
    message: MessageProxy = item[1] if isinstance(item, tuple) else item.message
    return message
