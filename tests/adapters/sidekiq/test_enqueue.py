"""What a producer leaves in Redis, dialect by dialect."""

from __future__ import annotations

import json
import re

import pytest

from pytest_jobqueue.errors import UsageError
from pytest_jobqueue.job import Call

DIALECTS = ["go-workers2", "sidekiq6", "sidekiq7", "sidekiq8"]


def only(raw_jobs):
    (raw,) = raw_jobs
    return json.loads(raw)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_job_is_at_the_head_of_its_queue_and_the_queue_is_known(bind, look, dialect):
    binding = bind(dialect=dialect)
    first = binding.enqueue(Call("Add", (1, 2), queue="q1"))
    second = binding.enqueue(Call("Add", (3, 4), queue="q1"))
    assert look.smembers("queues") == {"q1"}
    assert [json.loads(raw)["jid"] for raw in look.lrange("queue:q1", 0, -1)] == [second.id, first.id]
    assert re.fullmatch("[0-9a-f]{24}", first.id)
    assert [job.id for job in binding.pending()] == [first.id, second.id]


@pytest.mark.parametrize("dialect", DIALECTS)
def test_the_job_that_comes_back_is_the_one_that_is_listed(bind, clock, dialect):
    binding = bind(dialect=dialect)
    arguments = [[1, {"a": None}], "text"]
    job = binding.enqueue(Call("Add", tuple(arguments)))
    arguments[0].append("changed later")
    (listed,) = binding.pending()
    assert listed == job
    assert listed.raw == job.raw
    assert (job.name, job.args, job.queue, job.attempts) == ("Add", ([1, {"a": None}], "text"), "default", 0)
    assert (job.enqueued_at, job.due_at, job.error) == (clock.now, None, None)


def test_go_workers2_keeps_at_and_enqueued_at_of_a_scheduled_job_and_names_no_queue(bind, look, clock):
    job = bind().enqueue(Call("Add", (1, 2), queue="q1", at=clock.now + 60))
    ((raw, score),) = look.zrange("schedule", 0, -1, withscores=True)
    assert score == clock.now + 60
    fields = json.loads(raw)
    assert (fields["at"], fields["enqueued_at"]) == (clock.now + 60, clock.now)
    assert not look.exists("queues", "queue:q1")  # 15: the Sidekiq UI does not list such a queue
    assert (job.due_at, job.enqueued_at) == (clock.now + 60, clock.now)


@pytest.mark.parametrize("dialect", DIALECTS[1:])
def test_sidekiq_strips_at_of_a_scheduled_job(bind, look, clock, dialect):
    job = bind(dialect=dialect).enqueue(Call("Add", (1, 2), queue="q1", at=clock.now + 60))
    ((raw, score),) = look.zrange("schedule", 0, -1, withscores=True)
    assert score == clock.now + 60
    assert list(json.loads(raw)) == ["retry", "queue", "args", "class", "jid", "created_at"]
    assert not look.exists("queues", "queue:q1")
    assert (job.due_at, job.enqueued_at) == (clock.now + 60, None)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_time_that_has_passed_is_now(bind, look, clock, dialect):
    job = bind(dialect=dialect).enqueue(Call("Add", (1, 2), at=clock.now))
    fields = only(look.lrange("queue:default", 0, -1))
    assert job.due_at is None
    assert fields.get("at") == (clock.now if dialect == "go-workers2" else None)


@pytest.mark.parametrize("dialect", ["go-workers2", "sidekiq6"])
def test_a_namespace_is_before_every_key(bind, look, dialect):
    binding = bind(dialect=dialect, namespace="prod")
    binding.enqueue(Call("Add", (1, 2), queue="q1"))
    binding.enqueue(Call("Add", (1, 2), queue="q1", at=9e9))
    assert set(look.keys()) == {"prod:queues", "prod:queue:q1", "prod:schedule"}
    assert look.smembers("prod:queues") == {"q1"}
    assert only(look.lrange("prod:queue:q1", 0, -1))["queue"] == "q1"


def test_many_jobs_are_one_batch(bind, look, clock):
    calls = [Call("Add", (1, 2)), Call("Add", (3, 4), queue="q2"), Call("Add", (5, 6), at=clock.now + 1)]
    binding = bind()
    jobs = binding.enqueue_many(calls)
    assert [job.args for job in jobs] == [(1, 2), (3, 4), (5, 6)]
    assert look.smembers("queues") == {"default", "q2"}
    assert [job.id for job in binding.scheduled()] == [jobs[2].id]
    assert binding.enqueue_many([]) == []


def test_of_many_jobs_none_is_sent_when_one_cannot_be(bind, look):
    with pytest.raises(TypeError, match=re.escape("Add: args[1]: (2, 3) is not a JSON value")):
        bind().enqueue_many([Call("Add", (1, 2)), Call("Add", (1, (2, 3)))])
    assert look.keys() == []


def test_keyword_arguments_are_refused_with_both_remedies(bind):
    with pytest.raises(TypeError) as caught:
        bind().enqueue(Call("Add", (1,), {"b": 2, "retry": 3}))
    assert str(caught.value) == (
        "Add: jobs in the Sidekiq format have no keyword arguments, and there are b, retry; "
        "pass them by position, and options with producer.set(retry=3)"
    )


def test_an_unknown_option_is_refused(bind):
    with pytest.raises(UsageError, match="did you mean 'retry_max'"):
        bind().enqueue(Call("Add", (1,), options={"retrymax": 3}))


@pytest.mark.parametrize("call", [Call("", ()), Call("Add", (), queue="")])
def test_a_job_needs_a_class_and_a_queue(bind, call):
    with pytest.raises(UsageError, match="needs a class and a queue"):
        bind().enqueue(call)


def test_an_identifier_can_be_given(bind, look):
    assert bind().enqueue(Call("Add", (1, 2), options={"jid": "mine"})).id == "mine"
    fields = only(look.lrange("queue:default", 0, -1))
    assert (fields["jid"], "at" in fields) == ("mine", False)  # with options Go's client leaves at out


def test_the_default_queue_is_a_setting(bind, look):
    assert bind(default_queue="main").enqueue(Call("Add", (1, 2))).queue == "main"
    assert look.llen("queue:main") == 1
