"""One job that is moved or removed by hand, in each dialect."""

from __future__ import annotations

import json

import pytest

from pytest_jobqueue.errors import UsageError
from pytest_jobqueue.job import Call

DIALECTS = ["go-workers2", "sidekiq6", "sidekiq7", "sidekiq8"]


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_scheduled_job_comes_to_its_queue_as_by_the_scheduler(bind, look, clock, dialect):
    binding = bind(dialect=dialect)
    for _ in range(2):
        binding.enqueue(Call("Add", (1, 2), queue="q1", at=clock.now + 60))
    by_hand, by_itself = binding.scheduled()
    clock.advance(60)
    binding.requeue(by_hand)
    assert binding.tick() == 1
    itself, hand = (json.loads(raw) for raw in look.lrange("queue:q1", 0, -1))
    assert (hand.pop("jid"), itself.pop("jid")) == (by_hand.id, by_itself.id)
    assert hand == itself
    assert look.smembers("queues") == ({"q1"} if dialect != "go-workers2" else set())


@pytest.mark.parametrize(("dialect", "count"), [("go-workers2", 0), *((one, -1) for one in DIALECTS[1:])])
def test_sidekiqs_attempt_by_hand_is_none_of_the_retries(bind, look, dialect, count):
    binding = bind(dialect=dialect)
    binding.enqueue(Call("Boom", ("why",), options={"retry": True}))
    binding.run_next()
    binding.requeue(binding.retrying()[0])
    (raw,) = look.lrange("queue:default", 0, -1)
    assert json.loads(raw)["retry_count"] == count


def test_a_job_by_go_workers2_that_still_says_when_is_ready_all_the_same(bind, look, clock):
    bind().enqueue(Call("Add", (1, 2), queue="q1", at=clock.now + 60))
    ruby = bind(dialect="sidekiq7")
    ruby.requeue(ruby.scheduled()[0])
    assert [job.args for job in ruby.pending()] == [(1, 2)]
    assert ruby.run_next().result == 3


@pytest.mark.parametrize("dialect", DIALECTS)
def test_what_is_no_job_can_only_be_discarded(bind, look, dialect):
    look.zadd("schedule", {"{": 1})
    binding = bind(dialect=dialect)
    (poison,) = binding.scheduled()
    with pytest.raises(UsageError, match="not a job: .*only discarded"):
        binding.requeue(poison)
    assert look.zcard("schedule") == 1
    binding.discard(poison)
    assert look.keys("*") == []


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_job_that_was_fetched_ahead_can_be_discarded(bind, look, dialect):
    binding = bind(dialect=dialect)
    binding.enqueue_many([Call("Add", (number, 0)) for number in range(3)])
    binding.run_next(more=True)
    ahead, last = binding.pending()
    binding.discard(ahead)
    assert [job.id for job in binding.pending()] == [last.id]
    assert binding.running() == []
    assert (binding.run_next().result, binding.run_next()) == (2, None)


def test_a_recovered_job_can_be_discarded(bind, look):
    binding = bind()
    binding.enqueue(Call("Add", (1, 2)))
    binding.abandon_next()
    assert binding.recover() == 1
    binding.discard(binding.pending()[0])
    assert look.keys("*inprogress") == []
    assert binding.run_next() is None


def test_a_job_that_a_worker_has_is_the_workers(bind):
    binding = bind()
    job = binding.enqueue(Call("Add", (1, 2)))
    binding.abandon_next()
    with pytest.raises(UsageError, match="cannot be discarded.*the worker's to end"):
        binding.discard(job)
    assert [running.id for running in binding.running()] == [job.id]


@pytest.mark.parametrize("dialect", ["go-workers2", "sidekiq6"])
def test_namespaces(bind, look, clock, dialect):
    binding = bind(dialect=dialect, namespace="app")
    retry = {"retry": True}
    for _ in range(2):
        binding.enqueue(Call("Boom", queue="q1", options=retry))
        binding.run_next()
    again, gone = binding.retrying()
    binding.requeue(again)
    binding.discard(gone)
    assert [(job.id, job.queue) for job in binding.pending()] == [(again.id, "q1")]
    assert binding.retrying() == []
