"""Which queues are listened to, in which order."""

from __future__ import annotations

import json

from pytest_jobqueue.handlers import Handlers
from pytest_jobqueue.job import Call


def ids(outcomes):
    return [outcome.job.queue for outcome in outcomes]


def drain(binding):
    return list(iter(binding.run_next, None))


def test_given_queues_are_strict_and_in_order(bind):
    other = bind()
    for queue in ("low", "high", "third", "high", "low"):
        other.enqueue(Call("Add", (1, 2), queue=queue))
    for dialect in ("go-workers2", "sidekiq7"):
        binding = bind(dialect=dialect, queues=["high", "low"])
        assert binding.queues() == ["high", "low"]
        assert [job.queue for job in binding.pending()] == ["high", "high", "low", "low"]
    assert ids(drain(binding)) == ["high", "high", "low", "low"]
    assert [job.queue for job in other.pending()] == ["third"]


def test_without_a_list_the_default_then_the_handlers_then_what_was_enqueued_to(bind):
    handlers = Handlers({"Add": lambda *_: None})
    handlers.queue("mail")(lambda _: None)
    binding = bind(handlers)
    for queue in ("z", "mail", "a", "default"):
        binding.enqueue(Call("Add", (), queue=queue))
    assert binding.queues() == ["default", "mail", "z", "a"]
    assert ids(drain(binding)) == ["default", "mail", "z", "a"]


def test_a_queue_that_another_process_adds_is_found_when_all_known_are_empty(bind, look):
    binding = bind()
    binding.enqueue(Call("Add", (1, 2)))
    bind().enqueue(Call("Add", (3, 4), queue="elsewhere"))
    assert ids(drain(binding)) == ["default", "elsewhere"]
    bind().enqueue(Call("Add", (5, 6), queue="later"))
    assert [job.queue for job in binding.pending()] == ["later"]
    assert ids(drain(binding)) == ["later"]


def test_one_queue_can_be_asked_for(bind):
    binding = bind(queues=["a"])
    for queue in ("a", "b"):
        binding.enqueue(Call("Add", (1, 2), queue=queue))
    assert binding.pending("b")[0].queue == binding.run_next("b").job.queue == "b"
    assert binding.run_next("b") is None
    assert binding.queues() == ["a"]


def test_no_queues_no_jobs(bind):
    binding = bind(queues=[])
    binding.enqueue(Call("Add", (1, 2)))
    assert (binding.run_next(), binding.pending(), binding.recover()) == (None, [], 0)
    assert binding.stats()[0]["enqueued"] == {}


def test_the_set_of_queues_is_not_read_for_each_job(bind, server):
    binding = bind()
    binding.enqueue_many([Call("Add", (1, 2))] * 3)
    commands = []
    remove = server.add_hook(lambda _, argv: commands.append(argv[0].upper()))
    try:
        for _ in range(3):
            binding.run_next()
    finally:
        remove()
    assert commands.count(b"RPOPLPUSH") == 3
    assert b"SMEMBERS" not in commands


def test_15_a_queue_that_only_the_scheduler_filled_is_served(bind, look, clock):
    look.zadd("schedule", {json.dumps({"class": "Add", "args": [1, 2], "queue": "slow"}): clock.now})
    binding = bind()
    assert binding.tick() == 1
    assert not look.exists("queues")
    assert ids(drain(binding)) == ["slow"]
