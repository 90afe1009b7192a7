"""Jobs that wait: for their time, or for another attempt."""

from __future__ import annotations

import json

import pytest

from pytest_jobqueue.errors import PoisonJobError
from pytest_jobqueue.job import Call

DIALECTS = ["go-workers2", "sidekiq6", "sidekiq7", "sidekiq8"]
GO_JOB = {"queue": "q1", "class": "Add", "args": [1, 2], "jid": "g", "enqueued_at": 1.5, "at": 2.5}


def put(look, key, score, **fields):
    look.zadd(key, {json.dumps(fields): score})


def fields_of(look, key="queue:q1"):
    return [json.loads(raw) for raw in look.lrange(key, 0, -1)]


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_scheduled_job_runs_when_its_time_has_come(bind, look, clock, dialect):
    binding = bind(dialect=dialect)
    job = binding.enqueue(Call("Add", (1, 2), queue="q1", at=clock.now + 60))
    assert [(one.id, one.queue, one.due_at) for one in binding.scheduled()] == [
        (job.id, "q1", clock.now + 60)
    ]
    assert binding.next_due() == clock.now + 60
    clock.advance(59)
    assert (binding.tick(), binding.run_next()) == (0, None)
    clock.advance(1)
    assert binding.tick() == 1
    assert binding.scheduled() == []
    (pending,) = binding.pending()
    assert pending.enqueued_at == pytest.approx(clock.now)
    assert binding.run_next().result == 3
    assert binding.next_due() is None


@pytest.mark.parametrize(
    ("dialect", "runs"), [("go-workers2", 4), ("sidekiq6", 3), ("sidekiq7", 3), ("sidekiq8", 3)]
)
def test_4_a_job_that_always_fails_lives_through_its_retries(bind, look, clock, dialect, runs):
    binding = bind(dialect=dialect)
    options = {"retry": True, "retry_max": 2} if dialect == "go-workers2" else {"retry": 2}
    binding.enqueue(Call("Boom", ("why",), options=options))
    outcomes = []
    while True:
        if outcome := binding.run_next():
            outcomes.append(outcome)
        elif (due := binding.next_due()) is not None:
            clock.now = due
            binding.tick()
        else:
            break
    assert [outcome.job.attempts for outcome in outcomes] == list(range(runs))
    assert [outcome.status for outcome in outcomes] == ["retrying"] * (runs - 1) + ["failed"]
    assert all(str(outcome.exception) == "why" for outcome in outcomes)
    dead = binding.failed()
    assert [job.error for job in dead] == ([] if dialect == "go-workers2" else ["why"])
    assert binding.caps.dead_letters is (dialect != "go-workers2")
    assert look.zcard("dead") == len(dead)


def test_1_each_side_is_blind_to_the_others_retries(bind, look, clock):
    go, ruby = bind(), bind(dialect="sidekiq7")
    go.enqueue(Call("Boom", options={"retry": True}))
    go.run_next()
    assert (len(go.retrying()), ruby.retrying(), ruby.next_due()) == (1, [], None)
    ruby.enqueue(Call("Boom"))
    ruby.run_next()
    assert (len(go.retrying()), len(ruby.retrying())) == (1, 1)
    assert (look.zcard("goretry"), look.zcard("retry")) == (1, 1)


def test_2_an_integer_retry_by_sidekiq_is_dropped_by_go_workers2(bind):
    bind(dialect="sidekiq7").enqueue(Call("Boom", options={"retry": 5}))
    go = bind()
    outcome = go.run_next()
    assert outcome.status == "failed"
    assert outcome.reason == "not retried, gone: retry is 5, and go-workers2 reads only true and false"
    assert go.retrying() == go.running() == []


def test_3_retry_max_is_ignored_by_sidekiq(bind):
    bind().enqueue(Call("Boom", options={"retry": True, "retry_max": 1}))
    outcome = bind(dialect="sidekiq7").run_next()
    assert outcome.reason.startswith("retry 1 of 25")


def test_6_and_7_and_8_what_go_workers2_writes_of_a_failure(bind, look, clock):
    binding = bind(namespace="prod")
    binding.enqueue(Call("Boom", ("why",), queue="q1", options={"retry": True}))
    binding.run_next()
    ((raw, score),) = look.zrange("prod:goretry", 0, -1, withscores=True)
    fields = json.loads(raw)
    assert list(fields) == sorted(fields)
    assert fields["failed_at"] == "2026-11-24 03:02:41 UTC"
    assert "error_class" not in fields
    assert fields["queue"] == "prod:q1"
    assert clock.now + 15 <= score <= clock.now + 44
    assert binding.retrying()[0].queue == "q1"
    clock.now = score
    assert binding.tick() == 1
    assert fields_of(look, "prod:queue:q1")[0]["queue"] == "prod:q1"
    assert binding.pending()[0].queue == "q1"


def test_the_order_of_go_workers2_is_schedule_then_goretry(bind, look, clock):
    put(look, "goretry", clock.now - 9, **GO_JOB | {"jid": "retry"})
    put(look, "schedule", clock.now - 1, **GO_JOB | {"jid": "second"})
    put(look, "schedule", clock.now - 2, **GO_JOB | {"jid": "first"})
    put(look, "schedule", clock.now + 1, **GO_JOB | {"jid": "later"})
    binding = bind()
    assert binding.tick() == 3
    assert [job.id for job in binding.pending("q1")] == ["first", "second", "retry"]
    assert all(fields["enqueued_at"] == clock.now for fields in fields_of(look))
    assert list(fields_of(look)[0]) == sorted(GO_JOB)
    assert not look.exists("queues")


def test_the_order_of_sidekiq_is_retry_then_schedule_and_the_queue_is_named(bind, look, clock):
    job = {"retry": True, "queue": "q1", "args": [], "class": "Add", "jid": "s", "created_at": 1.5}
    put(look, "schedule", clock.now - 9, **job | {"jid": "scheduled"})
    put(look, "retry", clock.now - 1, **job | {"jid": "retry", "enqueued_at": 1.5})
    binding = bind(dialect="sidekiq7")
    assert binding.tick() == 2
    assert [one.id for one in binding.pending("q1")] == ["retry", "scheduled"]
    assert look.smembers("queues") == {"q1"}


def test_a_pass_of_go_workers2_stops_where_someone_else_was_faster(bind, look, clock, monkeypatch):
    put(look, "schedule", clock.now, **GO_JOB)
    put(look, "schedule", clock.now, **GO_JOB | {"jid": "h"})
    binding = bind()
    send = binding._link.send

    def sending(*commands):
        if commands[0][0] == "ZREM":
            look.zrem("schedule", commands[0][2])
        return send(*commands)

    monkeypatch.setattr(binding._link, "send", sending)
    assert binding.tick() == 0
    assert look.zcard("schedule") == 1


def test_10_and_11_sidekiq_puts_a_scheduled_job_by_go_back_once_more(bind, look, clock, server):
    due = clock.now - 5
    put(look, "schedule", due, **GO_JOB | {"at": due})
    commands = []
    remove = server.add_hook(lambda _, argv: commands.append((argv[0].upper(), *argv[1:])))
    try:
        assert bind(dialect="sidekiq7").tick() == 1
    finally:
        remove()
    assert [command[1:3] for command in commands if command[0] == b"ZADD"] == [
        (b"schedule", repr(due).encode())
    ]
    (fields,) = fields_of(look)
    assert list(fields) == ["retry", "queue", "class", "args", "jid", "created_at", "enqueued_at"]
    assert fields["retry"] is True
    assert fields["created_at"] == fields["enqueued_at"] == clock.now


def test_12_the_schedule_is_shared(bind, look, clock):
    bind(dialect="sidekiq7").enqueue(Call("Boom", queue="q1", at=clock.now + 1, options={"retry": 5}))
    go = bind()
    clock.advance(1)
    assert go.tick() == 1
    (fields,) = fields_of(look)
    assert list(fields) == sorted(fields)
    assert (fields["retry"], fields["enqueued_at"]) == (5, clock.now)
    assert not look.exists("queues")


def test_13_a_whole_number_of_seconds_by_go_is_milliseconds_to_sidekiq_8(bind, clock):
    clock.now = 1795489361.0
    bind().enqueue(Call("Add", (1, 2)))
    assert b'"enqueued_at":1795489361,' in bind().pending()[0].raw
    assert bind(dialect="sidekiq8").pending()[0].enqueued_at == 1795489.361


def test_14_null_arguments_are_none_to_a_handler_but_lost_by_sidekiqs_scheduler(bind, look, clock):
    job = {"class": "Nothing", "args": None, "queue": "q1", "jid": "n"}
    ruby = bind({"Nothing": lambda *args: args}, dialect="sidekiq7")
    look.sadd("queues", "q1")
    look.lpush("queue:q1", json.dumps(job))
    assert ruby.run_next().result == ()
    put(look, "schedule", clock.now, **job)
    with pytest.raises(PoisonJobError, match=r'"jid": "n".*refuses it after taking it.*it is lost'):
        ruby.tick()
    assert not look.exists("schedule", "queue:q1")


@pytest.mark.parametrize("dialect", DIALECTS)
def test_poison_that_is_due_has_left_the_set_and_is_quoted(bind, look, clock, dialect):
    look.zadd("schedule", {"{oops": clock.now})
    put(look, "schedule", clock.now + 1, **{"class": "Add", "args": [1, 2], "queue": "q1"})
    binding = bind(dialect=dialect)
    assert [job.name for job in binding.scheduled()] == ["(not a job)", "Add"]
    with pytest.raises(PoisonJobError) as caught:
        binding.tick()
    assert str(caught.value).startswith(
        "an entry of 'schedule' was due and is not a job: b'{oops' is not JSON"
    )
    assert str(caught.value).endswith(": it is lost")
    clock.advance(1)
    assert binding.tick() == 1


def test_what_sidekiq_pops_gets_what_it_lacks(bind, look, clock):
    put(look, "retry", clock.now, **{"class": "Add", "args": []})
    assert bind(dialect="sidekiq8").tick() == 1
    (fields,) = fields_of(look, "queue:default")
    assert list(fields) == ["retry", "queue", "class", "args", "jid", "created_at", "enqueued_at"]
    assert (len(fields["jid"]), fields["created_at"]) == (24, int(clock.now * 1000))


def test_the_dead_set_is_cut_by_age_and_by_number(bind, look, clock):
    binding = bind(dialect="sidekiq7")
    look.zadd("dead", {"too old": clock.now - 180 * 24 * 60 * 60, "old": clock.now - 179 * 24 * 60 * 60})
    look.zadd("dead", {f"job {number}": clock.now - 1 for number in range(9_999)})
    binding.enqueue(Call("Boom", options={"retry": 0}))
    binding.run_next()
    assert look.zcard("dead") == 9_999
    assert look.zscore("dead", "too old") is look.zscore("dead", "old") is None


def test_5_go_workers2_has_no_dead_set(bind, look):
    binding = bind()
    binding.enqueue(Call("Boom", options={"retry": True, "retry_max": 0}))
    outcome = binding.run_next()
    assert outcome.reason == "retries exhausted (retry_max 0), gone: go-workers2 has no dead set"
    look.zadd("dead", {"{}": 1})
    assert binding.failed() == []
