"""Running a job: handlers, middleware, outcomes, and what is in Redis before, while and after."""

from __future__ import annotations

import json
import traceback

import pytest
import redis

from pytest_jobqueue.errors import PoisonJobError, UnknownJobError, UsageError
from pytest_jobqueue.handlers import Handlers
from pytest_jobqueue.job import Call

DIALECTS = ["go-workers2", "sidekiq6", "sidekiq7", "sidekiq8"]
IN_PROGRESS = "queue:default:1:inprogress"


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_job_runs_and_is_gone(bind, look, dialect):
    binding = bind(dialect=dialect)
    job = binding.enqueue(Call("Add", (2, 3)))
    outcome = binding.run_next()
    assert (outcome.job, outcome.status, outcome.result, outcome.exception) == (job, "ok", 5, None)
    assert outcome.seconds >= 0
    assert binding.run_next() is None
    assert not look.exists("queue:default", IN_PROGRESS, "retry", "goretry", "dead")


def test_go_workers2_has_the_job_in_progress_while_it_runs(bind, look):
    seen = []
    binding = bind({"Look": lambda: seen.extend(look.lrange(IN_PROGRESS, 0, -1)) or binding.running()})
    job = binding.enqueue(Call("Look"))
    assert binding.run_next().result == [job]
    assert seen == [job.raw.decode()]
    assert binding.running() == []


def test_sidekiq_has_it_in_memory_only(bind, look):
    binding = bind({"Look": lambda: (look.keys(), binding.running())}, dialect="sidekiq7")
    job = binding.enqueue(Call("Look"))
    assert binding.run_next().result == (["queues"], [job])
    assert binding.running() == []


def test_an_acknowledgement_removes_exactly_the_bytes_that_were_taken(bind, look):
    odd = '{"class": "Add",  "args":[1.50, 2e0], "jid":"odd", "extra":"Zo\\u00eb"}'
    twin = json.dumps(json.loads(odd))
    look.lpush(IN_PROGRESS, twin)
    look.lpush("queue:default", odd)
    binding = bind()
    assert binding.run_next().result == 3.5
    assert look.lrange(IN_PROGRESS, 0, -1) == [twin]


@pytest.mark.parametrize(
    ("dialect", "processed", "ttl"),
    [("go-workers2", "1", -1), ("sidekiq6", "3", 157_680_000), ("sidekiq8", "3", 157_680_000)],
)
def test_counters(bind, look, clock, dialect, processed, ttl):
    binding = bind(dialect=dialect)
    for name in ("Add", "Boom", "Boom"):
        binding.enqueue(Call(name, (1, 2)))
        binding.run_next()
    day = "2026-11-24"
    assert look.mget("stat:processed", f"stat:processed:{day}") == [processed, processed]
    assert look.mget("stat:failed", f"stat:failed:{day}") == ["2", "2"]
    assert look.ttl("stat:processed") == -1
    assert look.ttl(f"stat:failed:{day}") == pytest.approx(ttl, abs=60)
    clock.advance(24 * 60 * 60)
    binding.enqueue(Call("Add", (1, 2)))
    binding.run_next()
    assert look.get("stat:processed:2026-11-25") == "1"


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize(
    "error", [ValueError("bad"), KeyboardInterrupt(), SystemExit(3), pytest.fail.Exception("no")]
)
def test_whatever_a_job_raises_is_in_the_outcome_after_it_was_recorded(bind, look, dialect, error):
    def fail():
        raise error

    binding = bind({"Fail": fail}, dialect=dialect)
    binding.enqueue(Call("Fail", options={"retry": True}))
    outcome = binding.run_next()
    assert (outcome.status, outcome.exception, outcome.result) == ("retrying", error, None)
    (waiting,) = binding.retrying()
    assert (waiting.id, waiting.error, waiting.attempts) == (
        outcome.job.id,
        str(error) or type(error).__name__,
        1,
    )
    assert not look.exists(IN_PROGRESS)


def test_the_traceback_begins_at_the_job(bind):
    def fail():
        raise ValueError

    binding = bind({"Fail": fail}, middleware=[lambda _, run: run()])
    binding.enqueue(Call("Fail"))
    frames = traceback.extract_tb(binding.run_next().exception.__traceback__)
    assert [frame.name for frame in frames][-1] == "fail"
    assert (
        "pytest_jobqueue"
        not in frames[0].filename.replace("\\", "/").rpartition("/tests/")[0].rpartition("/")[2]
    )
    assert frames[0].filename == __file__


def test_wrong_arguments_are_the_jobs_failure(bind):
    binding = bind()
    binding.enqueue(Call("Add", (1,)))
    outcome = binding.run_next()
    assert outcome.status == "failed"
    assert isinstance(outcome.exception, TypeError)


def test_a_plain_dict_is_read_at_each_job(bind):
    handlers = {"Add": lambda: "old"}
    binding = bind(handlers)
    binding.enqueue_many([Call("Add"), Call("Add")])
    assert binding.run_next().result == "old"
    handlers["Add"] = lambda: "new"
    assert binding.run_next().result == "new"


def test_what_cannot_be_called_is_refused_at_once(bind):
    with pytest.raises(UsageError, match=r"the handler for 'Add' is 3, which cannot be called"):
        bind({"Add": 3})


def test_a_handler_for_a_queue_takes_every_class_and_a_name_wins(bind):
    handlers = Handlers({"Add": lambda *args: sum(args)})
    handlers.queue("mail")(lambda job: (job.name, job.args))
    binding = bind(handlers)
    binding.enqueue_many([Call("Welcome", (1,), queue="mail"), Call("Add", (1, 2), queue="mail")])
    assert [binding.run_next().result, binding.run_next().result] == [("Welcome", (1,)), 3]


@pytest.mark.parametrize("make", [dict, Handlers])
def test_a_missing_handler_is_a_failure_that_says_what_there_is(bind, make):
    binding = bind(make({"Add": print, "Subtract": print}))
    job = binding.enqueue(Call("Ad", queue="q1", options={"retry": True}))
    outcome = binding.run_next()
    assert outcome.status == "retrying"
    assert isinstance(outcome.exception, UnknownJobError)
    assert str(outcome.exception) == (
        f"there is no handler for class 'Ad' (job {job.id} on queue 'q1'); registered: Add, Subtract; "
        "did you mean 'Add'?"
    )


def test_a_missing_handler_where_there_is_none(bind):
    binding = bind({})
    binding.enqueue(Call("Add"))
    assert str(binding.run_next().exception).endswith(
        "none is registered: override the fixture jobqueue_app, or set the option jobqueue_app"
    )


def test_an_async_handler_is_refused_and_leaves_no_warning(bind):
    async def nap():
        """Do nothing."""

    binding = bind({"Nap": nap})
    binding.enqueue(Call("Nap"))
    outcome = binding.run_next()
    assert isinstance(outcome.exception, UsageError)
    assert "is an async function" in str(outcome.exception)


def test_middleware_is_around_the_handler_outermost_first(bind):
    seen = []

    def named(name):
        def middleware(job, run):
            seen.append(f"{name} before {job.name}")
            result = run()
            seen.append(f"{name} after")
            return result * 2

        return middleware

    binding = bind(middleware=[named("outer"), named("inner")])
    binding.enqueue(Call("Add", (1, 2)))
    assert binding.run_next().result == 12
    assert seen == ["outer before Add", "inner before Add", "inner after", "outer after"]


def test_an_exception_of_a_middleware_is_the_jobs(bind):
    def refuse(job, run):
        raise PermissionError(job.name)

    binding = bind(middleware=[refuse])
    binding.enqueue(Call("Add", (1, 2), options={"retry": True}))
    assert binding.run_next().status == "retrying"
    assert binding.retrying()[0].error == "Add"


def test_a_job_can_enqueue_and_run_others(bind):
    binding = bind(
        {"Outer": lambda: (binding.enqueue(Call("Inner")), binding.run_next().result), "Inner": lambda: 7}
    )
    binding.enqueue(Call("Outer"))
    assert binding.run_next().result[1] == 7
    assert binding.run_next() is None


def test_poison_stays_in_progress_in_go_workers2(bind, look):
    look.lpush("queue:default", "{oops")
    binding = bind()
    outcome = binding.run_next()
    assert outcome.status == "dropped"
    assert isinstance(outcome.exception, PoisonJobError)
    assert outcome.reason == f"{outcome.exception}; left in '{IN_PROGRESS}'"
    assert "b'{oops'" in outcome.reason
    assert (outcome.job.name, outcome.job.raw, outcome.job.queue) == ("(not a job)", b"{oops", "default")
    assert look.lrange(IN_PROGRESS, 0, -1) == ["{oops"]
    assert [job.raw for job in binding.running()] == [b"{oops"]
    assert not look.exists("stat:failed", "stat:processed")
    assert binding.run_next() is None


@pytest.mark.parametrize("dialect", DIALECTS[1:])
def test_poison_is_dead_at_once_in_sidekiq(bind, look, clock, dialect):
    look.lpush("queue:default", "{oops")
    binding = bind(dialect=dialect)
    outcome = binding.run_next()
    assert (outcome.status, outcome.reason) == ("dropped", f"{outcome.exception}; moved to 'dead'")
    assert look.zrange("dead", 0, -1, withscores=True) == [("{oops", clock.now)]
    assert [job.raw for job in binding.failed()] == [b"{oops"]
    assert not look.exists("stat:failed", "stat:processed")


def test_poison_on_a_queue_is_shown_among_the_pending(bind, look):
    binding = bind()
    look.lpush("queue:default", "{oops")
    binding.enqueue(Call("Add", (1, 2)))
    assert [job.name for job in binding.pending()] == ["(not a job)", "Add"]


def test_when_redis_refuses_the_retry_the_job_is_not_acknowledged(bind, look):
    binding = bind()
    look.set("goretry", "in the way")
    job = binding.enqueue(Call("Boom", ("why",), options={"retry": True}))
    with pytest.raises(redis.ResponseError, match="WRONGTYPE") as caught:
        binding.run_next()
    assert str(caught.value.__cause__) == "why"
    assert look.lrange(IN_PROGRESS, 0, -1) == [job.raw.decode()]


def test_an_empty_server_gives_nothing(bind):
    for dialect in DIALECTS:
        binding = bind(dialect=dialect)
        assert binding.run_next() is None
        assert binding.run_next("q9") is None
        assert binding.abandon_next() is None
        assert binding.next_due() is None
        assert binding.tick() == binding.recover() == 0
        for empty in (binding.pending, binding.scheduled, binding.retrying, binding.running, binding.failed):
            assert empty() == []
        assert binding.waiting() == []
