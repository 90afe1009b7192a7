"""What a middleware hears of a message: from our worker the same as from Dramatiq's own, with its threads."""

from __future__ import annotations

import threading
from collections import defaultdict
from functools import partial

import pytest

dramatiq = pytest.importorskip("dramatiq")
redis_broker = pytest.importorskip("dramatiq.brokers.redis")
middleware = pytest.importorskip("dramatiq.middleware")

_PATIENCE = 10  # seconds


class Notes(dramatiq.Middleware):
    """Notes each hook about a message, for each of its queues, and those about enqueuing apart.

    Only so is their order settled in production, where whoever enqueues a message, delays it or runs it is
    a thread of its own.
    """

    def __init__(self):
        self.seen = defaultdict(list)
        self._settled = 0
        self._changed = threading.Condition()

    def note(self, hook, message, *words):
        with self._changed:
            about = "enqueuing" if hook.endswith("enqueue") else "running"
            key = (message.actor_name, message.args, message.queue_name, about)
            self.seen[key].append((hook, *words))
            self._settled += hook in ("after_ack", "after_nack")
            self._changed.notify_all()

    def wait_for(self, settled):
        with self._changed:
            assert self._changed.wait_for(lambda: self._settled >= settled, _PATIENCE), self.seen

    def taken(self):
        seen, self.seen = self.seen, defaultdict(list)
        return seen

    def before_process_message(self, broker, message):
        self.note("before_process_message", message)
        if message.actor_name == "skipped":
            raise middleware.SkipMessage("not today")

    def after_process_message(self, broker, message, *, result=None, exception=None):
        self.note("after_process_message", message, result, repr(exception))


def _hook_about_enqueuing(name):
    return lambda self, _, message, delay: self.note(name, message, delay is not None)


def _hook(name):
    return lambda self, _, message: self.note(name, message)


for _name in ("before_enqueue", "after_enqueue"):
    setattr(Notes, _name, _hook_about_enqueuing(_name))
for _name in ("delay_message", "ack", "nack", "skip_message"):
    for _when in ("before", "after"):
        setattr(Notes, f"{_when}_{_name}", _hook(f"{_when}_{_name}"))


def succeeds(broker, actor):
    actor(actor_name="succeeds")(lambda: "done").send()
    return 1


def fails_for_good(broker, actor):
    @actor(max_retries=0)
    def fails():
        raise ValueError("out of paper")

    fails.send()
    return 1


def fails_as_expected(broker, actor):
    @actor(throws=KeyError)
    def fails():
        raise KeyError("out of paper")

    fails.send()
    return 1


def fails_and_is_retried(broker, actor):
    @actor(max_retries=1, min_backoff=1, max_backoff=2)
    def fails():
        raise ValueError("out of paper")

    fails.send()
    return 3  # two runs, and between them it is on the delay queue


def is_interrupted(broker, actor):
    @actor(max_retries=0)
    def slow():
        raise middleware.TimeLimitExceeded

    slow.send()
    return 1


def is_skipped(broker, actor):
    actor(actor_name="skipped")(lambda: None).send()
    return 1


def is_too_old(broker, actor):
    old = actor(actor_name="old", max_age=1000)(lambda: None)
    broker.enqueue(old.message().copy(message_timestamp=0))
    return 1


def is_delayed(broker, actor):
    actor(actor_name="later")(lambda: None).send_with_options(delay=20)
    return 2


def are_delayed_by_turns(broker, actor):
    later = actor(actor_name="later")(lambda _: None)
    for delay in (40, 10, 25):
        later.send_with_options(args=(delay,), delay=delay)
    return 6


def are_a_pipeline(broker, actor):
    first = actor(actor_name="first")(lambda: 1)
    second = actor(actor_name="second")(lambda number: number + 1)
    dramatiq.pipeline([first.message(), second.message()], broker=broker).run()
    return 2


def is_asynchronous(broker, actor):
    @actor()
    async def asynchronous():
        return "done"

    asynchronous.send()
    return 1


def is_unknown(broker, actor):
    actor(actor_name="known")(lambda: None)
    broker.enqueue(dramatiq.Message("default", "unknown", (), {}, {}))
    return 1


SENDERS = (
    succeeds,
    fails_for_good,
    fails_as_expected,
    fails_and_is_retried,
    is_interrupted,
    is_skipped,
    is_too_old,
    is_delayed,
    are_delayed_by_turns,
    are_a_pipeline,
    is_asynchronous,
    is_unknown,
)


@pytest.fixture
def notes(broker):
    notes = Notes()
    broker.add_middleware(notes)
    return notes


@pytest.fixture
def in_production(notes, jobqueue_url):
    """What the same middleware hears from Dramatiq's own worker, of what a function sends."""

    def hear(send):
        broker = redis_broker.RedisBroker(url=jobqueue_url, namespace="production", maintenance_chance=0)
        broker.add_middleware(middleware.AsyncIO())
        broker.add_middleware(notes)
        settled = send(broker, partial(dramatiq.actor, broker=broker))
        worker = dramatiq.Worker(broker, worker_threads=1, worker_timeout=10)
        worker.start()
        try:
            notes.wait_for(settled)
        finally:
            worker.stop()
            broker.client.connection_pool.disconnect()
        return notes.taken()

    return hear


@pytest.mark.parametrize("send", SENDERS)
def test_a_middleware_hears_the_same(in_production, broker, actor, notes, jobqueue, travel, send):
    expected = in_production(send)
    send(broker, actor)
    for _ in range(10):
        jobqueue.worker.drain(on_error="record")
        travel(0.01)
    assert notes.taken() == expected
