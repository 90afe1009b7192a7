"""Sidekiq 6 and Python on one queue: its client, its worker process and its API, each way.

The worker process is the `sidekiq` command itself; what Python wrote is read through Sidekiq's own API, never
through ours alone.
"""

from __future__ import annotations

import json
import os
import time

import pytest

from pytest_jobqueue.job import Call

pytestmark = pytest.mark.timeout(180)


def add(*numbers):
    return sum(numbers)


def fail(*_):
    raise LookupError("boom from Python")


@pytest.fixture
def python(binding):
    return lambda handlers, **options: binding(handlers, dialect="sidekiq6", **options)


def test_ruby_enqueues_and_python_runs(ruby, python):
    args = ("snö & <b>", None, True, 1.5, {"a": [1, {"b": []}]}, 2**53 + 1)
    before = time.time()
    jid = ruby.push("Add", *args)
    outcome = python({"Add": lambda *given: given}).run_next()
    assert (outcome.status, outcome.result, outcome.job.id) == ("ok", args, jid)
    assert before - 1 <= outcome.job.enqueued_at <= time.time()


def test_python_enqueues_and_ruby_runs(ruby, python):
    binding = python({})
    args = ("snö & <b>", None, True, 1.5, {"a": [1, {"b": []}]}, 2**53 + 1)
    fine = binding.enqueue(Call("Add", (2, 3), queue="q"))
    odd = binding.enqueue(Call("Boom", args, queue="q"))
    worker = ruby.work(jobs=2)
    worker.finish()
    assert worker.told("done") == [
        {"event": "done", "jid": fine.id, "class": "Add", "args": [2, 3], "queue": "q"}
    ]
    assert worker.told("started", jid=odd.id)[0]["args"] == list(args)
    assert list(binding.pending()) == []


def test_sidekiqs_queue_shows_a_job_of_python(ruby, python):
    binding = python({})
    before = time.time()
    first, second = binding.enqueue_many([Call("Add", (number,), queue="q") for number in (1, 2)])
    (newer, older) = ruby.look()["queues"]["q"]
    assert [(one["jid"], one["class"], one["args"], one["queue"]) for one in (older, newer)] == [
        (first.id, "Add", [1], "q"),
        (second.id, "Add", [2], "q"),
    ]
    assert before <= older["created_at"] <= older["enqueued_at"] <= time.time()


def test_a_job_is_written_field_by_field_as_ruby_writes_it(ruby, python):
    python({}).enqueue(Call("Add", (2, 3), queue="q"))
    ruby.push("Add", 2, 3)
    theirs, ours = (one["item"] for one in ruby.look()["queues"]["q"])
    own = {"jid", "created_at", "enqueued_at"}
    assert {key: type(value) for key, value in ours.items()} == {
        key: type(value) for key, value in theirs.items()
    }
    assert {k: v for k, v in ours.items() if k not in own} == {
        k: v for k, v in theirs.items() if k not in own
    }


def test_a_job_scheduled_by_ruby_runs_in_python(ruby, python, make_due):
    at = round(time.time()) + 3600.5
    jid = ruby.push("Add", 2, 3, at=at)
    binding = python({"Add": add})
    (job,) = binding.scheduled()
    assert (job.id, job.due_at, binding.next_due()) == (jid, at, at)
    assert binding.tick() == 0
    make_due("schedule")
    assert binding.tick() == 1
    assert binding.run_next().result == 5


def test_a_job_scheduled_by_python_runs_in_ruby(ruby, python, make_due):
    binding = python({})
    at = round(time.time()) + 3600.5
    job = binding.enqueue(Call("Add", (2, 3), queue="q", at=at))
    (seen,) = ruby.look()["scheduled"]
    assert (seen["jid"], seen["at"], seen["args"]) == (job.id, at, [2, 3])
    make_due("schedule")
    worker = ruby.work(jobs=1)
    worker.finish()
    assert worker.told("done", jid=job.id)


def test_a_failure_in_ruby_is_retried_by_python(ruby, python, make_due):
    binding = python({"Boom": add})
    jid = ruby.push("Boom", 2, 3, retry=3)
    before = time.time()
    ruby.work(jobs=1).finish()
    (job,) = binding.retrying()
    assert (job.id, job.queue, job.args, job.error) == (jid, "q", (2, 3), "boom from Ruby")
    assert job.attempts == 1
    assert before + 15 <= job.due_at <= time.time() + 24
    make_due("retry")
    assert binding.tick() == 1
    assert binding.run_next().result == 5
    assert ruby.look()["retries"] == []


def test_a_failure_in_python_is_seen_and_retried_by_ruby(ruby, python):
    binding = python({"Add": fail})
    job = binding.enqueue(Call("Add", (2, 3), queue="q", options={"retry": 3}))
    before = time.time()
    assert binding.run_next().status == "retrying"
    (seen,) = ruby.look()["retries"]
    assert (seen["jid"], seen["class"], seen["args"], seen["error"]) == (job.id, "Add", [2, 3], True)
    item = seen["item"]
    assert (item["error_class"], item["error_message"]) == ("LookupError", "boom from Python")
    assert (item["retry_count"], item["queue"]) == (0, "q")
    assert before <= item["failed_at"] <= time.time()
    assert before + 15 <= seen["at"] <= time.time() + 24
    ruby.act("retries", job.id, "retry")
    worker = ruby.work(jobs=1)
    worker.finish()
    assert worker.told("done", jid=job.id)
    assert list(binding.retrying()) == []


def test_a_due_retry_of_python_is_found_by_sidekiqs_scheduler(ruby, python, make_due):
    binding = python({"Add": fail})
    job = binding.enqueue(Call("Add", (2, 3), queue="q"))
    binding.run_next()
    make_due("retry")
    worker = ruby.work(jobs=1)
    worker.finish()
    assert worker.told("done", jid=job.id)


def test_the_retries_of_both_are_counted_together(ruby, python, make_due):
    binding = python({"Boom": fail})
    jid = ruby.push("Boom", retry=2)
    ruby.work(jobs=1).finish()
    make_due("retry")
    binding.tick()
    assert binding.run_next().status == "retrying"
    make_due("retry")
    ruby.work(jobs=1).finish()
    assert [job.id for job in binding.failed()] == [jid]
    (dead,) = ruby.look()["dead"]
    assert (dead["jid"], dead["item"]["retry_count"], dead["item"]["error_message"]) == (
        jid,
        2,
        "boom from Ruby",
    )


def test_a_job_that_died_in_ruby_is_known_to_python(ruby, python):
    binding = python({"Boom": add})
    jid = ruby.push("Boom", 2, 3, retry=0)
    ruby.work(jobs=1).finish()
    (job,) = binding.failed()
    assert (job.id, job.error) == (jid, "boom from Ruby")
    ruby.act("dead", jid, "retry")
    assert list(binding.failed()) == []
    assert binding.run_next().result == 5


def test_a_job_that_died_in_python_is_in_sidekiqs_dead_set(ruby, python):
    binding = python({"Add": fail})
    job = binding.enqueue(Call("Add", (2, 3), queue="q", options={"retry": 0}))
    before = time.time()
    assert binding.run_next().status == "failed"
    (dead,) = ruby.look()["dead"]
    assert (dead["jid"], dead["error"], dead["item"]["error_class"]) == (job.id, True, "LookupError")
    assert before <= dead["at"] <= time.time()
    ruby.act("dead", job.id, "retry")
    worker = ruby.work(jobs=1)
    worker.finish()
    assert worker.told("done", jid=job.id)


def test_a_retry_killed_in_the_web_page_is_failed_in_python(ruby, python):
    binding = python({"Add": fail})
    job = binding.enqueue(Call("Add", (2, 3), queue="q"))
    binding.run_next()
    ruby.act("retries", job.id, "kill")
    assert list(binding.retrying()) == []
    assert [dead.id for dead in binding.failed()] == [job.id]


def test_both_count_into_the_same_statistics(ruby, python, truth):
    binding = python({"Add": add, "Boom": fail})
    for name in ("Add", "Boom"):
        binding.enqueue(Call(name, (1,), queue="q"))
        assert binding.run_next() is not None
    ruby.push("Add", 1)
    ruby.push("Boom", 1)
    ruby.work(jobs=2).finish()
    binding.enqueue(Call("Add", (1,), queue="q"))
    binding.enqueue(Call("Add", (1,), queue="q", at=time.time() + 3600))
    seen = ruby.look()
    stats = {key: seen["stats"][key] for key in ("processed", "failed", "enqueued", "scheduled", "retries")}
    assert stats == {"processed": 4, "failed": 2, "enqueued": 1, "scheduled": 1, "retries": 2}
    assert list(seen["history"]["processed"].values()) == [4]
    assert list(seen["history"]["failed"].values()) == [2]
    assert seen["stats"]["queues"] == {"q": 1}


def test_sidekiqs_process_set_shows_pythons_heartbeat(ruby, python):
    binding = python({}, queues=["q", "mail"])
    before = time.time()
    binding.beat()
    (process,) = ruby.look()["processes"]
    assert (process["identity"], process["pid"]) == (binding.identity, os.getpid())
    assert (process["queues"], process["concurrency"], process["busy"]) == (["q", "mail"], 1, 0)
    assert (process["quiet"], process["stopping"]) == ("false", False)
    assert before <= process["beat"] <= time.time()
    binding.close()
    assert ruby.look()["processes"] == []


def test_sidekiq_counts_a_running_job_of_python_as_busy(ruby, python, truth):
    # What the job is stands in `<identity>:work` from Sidekiq 6.5 on; Debian's 6.4 still looks in `:workers`.
    seen = []

    def look():
        binding.beat()
        seen.append((ruby.look(), truth.hvals(f"{binding.identity}:work")))

    binding = python({"Look": look}, queues=["q"])
    job = binding.enqueue(Call("Look", queue="q"))
    assert binding.run_next().status == "ok"
    ((shown, (work,)),) = seen
    assert (shown["stats"]["busy"], shown["processes"][0]["busy"]) == (1, 1)
    entry = json.loads(work)
    assert (entry["queue"], json.loads(entry["payload"])["jid"]) == ("q", job.id)


def test_a_signal_from_the_web_page_reaches_python(ruby, python, truth):
    binding = python({}, queues=["q"])
    assert binding.beat() is None
    truth.lpush(f"{binding.identity}-signals", "TSTP")
    assert binding.beat() == "TSTP"


def test_a_job_of_a_killed_ruby_worker_is_lost(ruby, python):
    binding = python({"Hang": add})
    jid = ruby.push("Hang")
    worker = ruby.work()
    worker.wait_for("started", jid=jid)
    worker.kill()
    assert binding.recover() == 0
    assert list(binding.pending()) == []
    assert binding.run_next() is None


def test_a_job_of_a_stopped_ruby_worker_is_next_in_python(ruby, python):
    binding = python({"Hang": lambda: "ran", "Add": add})
    jid = ruby.push("Hang")
    worker = ruby.work("-t", 1)
    worker.wait_for("started", jid=jid)
    later = binding.enqueue(Call("Add", (1,), queue="q"))
    worker.stop()
    assert [binding.run_next().job.id for _ in range(2)] == [jid, later.id]


def test_a_waiting_ruby_worker_wakes_for_a_job_of_python(ruby, python):
    worker = ruby.work(jobs=1)
    job = python({}).enqueue(Call("Add", (2, 3), queue="q"))
    worker.finish()
    assert worker.told("done", jid=job.id)


def test_poison_goes_to_the_dead_set_in_both(ruby, python, truth):
    truth.lpush("queue:q", "{no job")
    worker = ruby.work()
    job = python({}).enqueue(Call("Add", (1,), queue="q"))
    worker.wait_for("done", jid=job.id)
    worker.stop()
    assert truth.zrange("dead", 0, -1) == ["{no job"]
    truth.delete("dead")
    truth.lpush("queue:q", "{no job")
    assert python({}).run_next().status == "dropped"
    assert truth.zrange("dead", 0, -1) == ["{no job"]
