"""go-workers2 and Python on one queue, each part of a job's life crossed.

The Go side is the library itself, v0.10.4, behind a small program (see goworker/main.go). That version has no
heartbeats and no active and passive managers; of these nothing is shown here.
"""

from __future__ import annotations

import json
import re
import time

import pytest
from support.processes import program

from pytest_jobqueue.job import Call

pytestmark = pytest.mark.timeout(120)

ARGUMENTS = [
    (2, 3),
    (),
    ("snö & <b>", None, True, 1.5),
    ({"a": [1, {"b": []}]}, [[]]),
    (2**53 + 1, -1, "\u0000 "),
]
NAMESPACES = pytest.mark.parametrize("namespace", ["", "prod"])


def fail(*_):
    raise LookupError("boom from Python")


def prefixed(namespace, key):
    return f"{namespace}:{key}" if namespace else key


# One enqueues, the other runs


@pytest.mark.parametrize("args", ARGUMENTS)
def test_go_enqueues_and_python_runs(go, binding, args):
    jid = go.enqueue(*args, queue="q")
    ran = []
    outcome = binding({"Add": lambda *given: ran.append(given) or "ran"}).run_next()
    assert (outcome.status, outcome.result, outcome.job.id, outcome.job.queue) == ("ok", "ran", jid, "q")
    assert ran == [args]


@pytest.mark.parametrize("args", ARGUMENTS)
def test_python_enqueues_and_go_runs(go, binding, truth, args):
    python = binding({})
    job = python.enqueue(Call("Add", args, queue="q"))
    worker = go.work(queue="q", exit_after=1)
    worker.finish()
    (done,) = worker.told("done")
    assert (done["jid"], done["class"], done["args"]) == (job.id, "Add", list(args))
    assert list(python.pending()) == list(python.running()) == []
    assert truth.get("stat:processed") == "1"


def test_arguments_of_null_are_none_at_all(go, binding, truth):
    go.enqueue(args="null", queue="q")
    (raw,) = truth.lrange("queue:q", 0, -1)
    assert json.loads(raw)["args"] is None
    assert binding({"Add": lambda *given: given}).run_next().result == ()
    truth.lpush("queue:q", raw)
    worker = go.work(queue="q", exit_after=1)
    worker.finish()
    assert worker.told("done")[0]["args"] is None


@NAMESPACES
@pytest.mark.parametrize("options", [{}, {"retry": True}, {"retry": True, "retry_max": 3}], ids=len)
@pytest.mark.parametrize("later", [False, True], ids=["now", "later"])
def test_both_producers_write_the_same(go, binding, truth, namespace, later, options):
    at = round(time.time()) + 3600.5 if later else None
    go.enqueue(2, 3, queue="q", namespace=namespace, **options, **({"at": at} if later else {}))
    binding({}, namespace=namespace).enqueue(Call("Add", (2, 3), queue="q", at=at, options=options))
    key = prefixed(namespace, "schedule" if later else "queue:q")
    read = truth.zrange if later else truth.lrange
    theirs, ours = (json.loads(raw) for raw in read(key, 0, -1))
    assert [(name, type(value)) for name, value in theirs.items()] == [
        (name, type(value)) for name, value in ours.items()
    ]
    for name in {"jid", "enqueued_at"} if later else {"jid", "enqueued_at", "at"} & theirs.keys():
        del theirs[name], ours[name]
    assert theirs == ours
    assert truth.smembers(prefixed(namespace, "queues")) == (set() if later else {"q"})


def test_a_namespace_is_shared(go, binding, truth):
    python = binding({"Add": lambda a, b: a + b}, namespace="prod")
    go.enqueue(2, 3, queue="q", namespace="prod")
    assert python.run_next().result == 5
    python.enqueue(Call("Add", (4, 5), queue="q"))
    go.work(queue="q", namespace="prod", exit_after=1).finish()
    assert truth.get("prod:stat:processed") == "2"
    assert all(key.startswith("prod:") for key in truth.keys())  # noqa: SIM118 (a client, no dict)


def test_a_waiting_go_worker_wakes_for_a_job_of_python(go, binding):
    worker = go.work(queue="q", exit_after=1)
    job = binding({}).enqueue(Call("Add", (2, 3), queue="q"))
    worker.finish()
    assert worker.told("done", jid=job.id)


def test_two_languages_share_a_queue_and_each_job_runs_once(go, binding):
    ran, workers = [], []

    def run(number):
        if not ran:  # with one job in Python's hands, Go starts on the others
            workers.append(go.work(queue="q", process_id="go", concurrency=4))
            workers[0].wait_for("done")
        ran.append(number)

    python = binding({"Add": run}, process_id="python")
    jobs = python.enqueue_many([Call("Add", (number,), queue="q") for number in range(200)])
    while python.run_next():
        pass
    (worker,) = workers
    worker.wait_for("done", count=len(jobs) - len(ran))
    worker.stop()
    assert sorted(ran + [event["args"][0] for event in worker.told("done")]) == list(range(200))
    assert list(python.running()) == []


# Later


@pytest.mark.parametrize("flags", [{}, {"retry": True}])
def test_a_job_scheduled_by_go_runs_in_python(go, binding, make_due, flags):
    at = round(time.time()) + 3600.5
    jid = go.enqueue(2, 3, queue="q", at=at, **flags)
    python = binding({"Add": lambda a, b: a + b})
    (job,) = python.scheduled()
    assert (job.id, job.due_at, python.next_due()) == (jid, at, at)
    assert python.tick() == 0
    make_due("schedule")
    assert python.tick() == 1
    assert python.run_next().result == 5


def test_a_job_that_go_puts_off_is_due_when_go_says(go, binding):
    before = time.time()
    go.enqueue(queue="q", **{"in": 600})
    (job,) = binding({}).scheduled()
    assert before + 600 <= job.due_at <= time.time() + 600


@NAMESPACES
def test_a_job_scheduled_by_python_runs_in_go(go, binding, make_due, namespace):
    python = binding({}, namespace=namespace)
    job = python.enqueue(Call("Add", (2, 3), queue="q", at=time.time() + 3600))
    make_due(prefixed(namespace, "schedule"))
    worker = go.work(queue="q", namespace=namespace, exit_after=1)
    worker.finish()
    assert worker.told("done", jid=job.id)
    assert list(python.scheduled()) == []


# Killed


def test_a_job_of_a_killed_go_worker_is_taken_over(go, binding):
    jid = go.enqueue(1, queue="q", **{"class": "Hang"})
    worker = go.work(queue="q", process_id="7", hang_on="Hang")
    worker.wait_for("started", jid=jid)
    worker.kill()
    stranger = binding({"Hang": lambda n: n}, process_id="8")
    assert [job.id for job in stranger.running()] == [jid]
    assert stranger.recover() == 0
    assert stranger.run_next() is None
    heir = binding({"Hang": lambda n: n}, process_id="7")
    assert heir.recover() == 1
    outcome = heir.run_next()
    assert (outcome.job.id, outcome.result) == (jid, 1)
    assert list(heir.running()) == []


def test_a_job_that_python_abandons_is_taken_over(go, binding):
    python = binding({}, process_id="7")
    job = python.enqueue(Call("Add", (2, 3), queue="q"))
    assert python.abandon_next() == job
    stranger = go.work(queue="q", process_id="8")
    stranger.stop()
    assert stranger.told("started") == []
    heir = go.work(queue="q", process_id="7")
    heir.stop()
    assert [done["jid"] for done in heir.told("done")] == [job.id]
    assert list(python.running()) == []


HANGING = """
import os, sys
from pytest_jobqueue.adapters.sidekiq import SidekiqBinding

def hang(n):
    print("started", flush=True)
    sys.stdin.read()

SidekiqBinding({"Hang": hang}, os.environ["SERVER"], process_id="7", queues=["q"]).run_next()
"""


def test_a_job_of_a_killed_python_process_is_taken_over(go, server, binding):
    jid = go.enqueue(1, queue="q", **{"class": "Hang"})
    with program(HANGING, SERVER=server.url) as (process, words):
        assert words == ["started"]
        process.kill()
    heir = go.work(queue="q", process_id="7")
    heir.stop()
    assert [done["jid"] for done in heir.told("done")] == [jid]
    assert list(binding({}).running()) == []


# Failures


@NAMESPACES
def test_a_failure_in_go_is_retried_by_python(go, binding, make_due, namespace):
    python = binding({"Add": lambda a, b: a + b}, namespace=namespace)
    jid = go.enqueue(2, 3, queue="q", namespace=namespace, retry=True)
    before = time.time()
    go.work(queue="q", namespace=namespace, fail="Add", exit_after=1).finish()
    (job,) = python.retrying()
    assert (job.id, job.queue, job.args, job.error) == (jid, "q", (2, 3), "boom from Go")
    assert job.attempts == 1
    assert before + 15 <= job.due_at <= time.time() + 44
    assert python.tick() == 0
    make_due(prefixed(namespace, "goretry"))
    assert python.tick() == 1
    assert python.run_next().result == 5
    assert list(python.retrying()) == []


@NAMESPACES
def test_a_failure_in_python_is_retried_by_go(go, binding, make_due, namespace):
    python = binding({"Add": fail}, namespace=namespace)
    job = python.enqueue(Call("Add", (2, 3), queue="q", options={"retry": True}))
    assert python.run_next().status == "retrying"
    make_due(prefixed(namespace, "goretry"))
    worker = go.work(queue="q", namespace=namespace, exit_after=1)
    worker.finish()
    assert worker.told("done", jid=job.id)
    assert list(python.retrying()) == list(python.pending()) == list(python.running()) == []


@NAMESPACES
def test_both_write_the_same_about_a_failure(go, binding, truth, make_due, namespace):
    goretry = prefixed(namespace, "goretry")
    python = binding({"Add": fail}, namespace=namespace)
    written = []

    def written_now():
        (raw,) = truth.zrange(goretry, 0, -1)
        fields = json.loads(raw)
        assert fields["error_message"].startswith("boom from ")
        assert fields["queue"] == prefixed(namespace, "q")
        for name in {"failed_at", "retried_at"} & fields.keys():
            assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC", fields[name])
        return list(fields), fields["retry_count"]

    def go_runs():
        go.work(queue="q", namespace=namespace, fail="Add", exit_after=1).finish()

    def python_runs():
        python.tick()
        assert python.run_next().status == "retrying"

    for run in (go_runs, python_runs):
        truth.delete(goretry)
        go.enqueue(2, 3, queue="q", namespace=namespace, retry=True)
        for _ in range(3):
            run()
            written.append(written_now())
            make_due(goretry)
    assert written[:3] == written[3:]
    assert [count for _, count in written[:3]] == [0, 1, 2]


def test_the_retries_of_both_are_counted_together(go, binding, make_due):
    python = binding({"Add": fail})
    go.enqueue(1, queue="q", retry=True, retry_max=1)
    go.work(queue="q", fail="Add", exit_after=1).finish()
    make_due("goretry")
    python.tick()
    assert python.run_next().status == "retrying"
    make_due("goretry")
    last = go.work(queue="q", fail="Add", exit_after=1)
    last.finish()
    assert last.told("failed")[0]["again"] is False
    assert len(last.told("exhausted")) == 1
    assert list(python.retrying()) == []


# A limit of N allows N + 1 retries, and none when it is 0. go-workers2's own producer cannot say 0: it leaves
# the field out, which means 25.
@pytest.mark.parametrize(("limit", "executions"), [(0, 1), (1, 3), (2, 4)])
def test_both_run_a_job_that_always_fails_equally_often(go, binding, make_due, limit, executions):
    python = binding({"Add": fail})
    call = Call("Add", (2, 3), queue="q", options={"retry": True, "retry_max": limit})
    python.enqueue(call)
    in_python = 1
    while python.run_next().status == "retrying":
        make_due("goretry")
        assert python.tick() == 1
        in_python += 1
    worker = go.work(queue="q", fail="Add")
    python.enqueue(call)
    in_go = 1
    while worker.wait_for("failed", count=in_go)["again"]:
        make_due("goretry")
        in_go += 1
    worker.stop()
    assert (in_python, in_go, len(worker.told("exhausted"))) == (executions, executions, 1)
    assert list(python.retrying()) == list(python.pending()) == list(python.running()) == []


def test_a_number_of_retries_is_none_to_both(go, binding, truth):
    payload = json.dumps({"queue": "q", "class": "Add", "args": [], "jid": "j", "retry": 5})
    python = binding({"Add": fail}, queues=["q"])
    truth.lpush("queue:q", payload)
    assert python.run_next().status == "failed"
    truth.lpush("queue:q", payload)
    worker = go.work(queue="q", fail="Add", exit_after=1)
    worker.finish()
    assert worker.told("failed")[0]["again"] is False
    assert list(python.retrying()) == list(python.running()) == []


# What is no job


@pytest.mark.parametrize("poison", ["{no job", "", '{"class":"Add","args":[NaN]}', "\ufeff{}"])
def test_poison_stays_in_progress_in_both(go, binding, truth, poison):
    truth.lpush("queue:q", poison)
    worker = go.work(queue="q", process_id="go")
    assert f"Couldn't create message from {poison}" in worker.wait_for("error")["text"]
    worker.stop()
    assert worker.told("started") == []
    truth.lpush("queue:q", poison)
    assert binding({}, queues=["q"], process_id="python").run_next().status == "dropped"
    for process in ("go", "python"):
        assert truth.lrange(f"queue:q:{process}:inprogress", 0, -1) == [poison]


# go-workers2 runs any JSON value, overlooks what comes after it, and mends what is not UTF-8. Python reports
# all of them, and leaves them where a worker leaves poison.
@pytest.mark.parametrize(
    ("raw", "seen"),
    [
        ("5", ("", [])),
        ("[1]", ("", [])),
        ('{"class":"Add","args":[1]} more', ("Add", [1])),
        (b'{"class":"Add","args":["\xff"]}', ("Add", ["\ufffd"])),
    ],
)
def test_go_takes_for_a_job_what_python_reports(go, binding, truth, raw, seen):
    truth.lpush("queue:q", raw)
    worker = go.work(queue="q", process_id="go", exit_after=1)
    worker.finish()
    (done,) = worker.told("done")
    assert (done["class"], done["args"]) == seen
    truth.lpush("queue:q", raw)
    outcome = binding({"Add": fail}, queues=["q"], process_id="python").run_next()
    assert (outcome.status, outcome.job.raw) == ("dropped", raw if isinstance(raw, bytes) else raw.encode())
    assert (truth.llen("queue:q:go:inprogress"), truth.llen("queue:q:python:inprogress")) == (0, 1)


@pytest.mark.parametrize("key", ["schedule", "goretry"])
def test_poison_that_is_due_ends_a_go_process(go, truth, key):
    worker = go.work(queue="q")
    truth.zadd(key, {"{no job": 1})
    assert worker.wait() == 2
    assert "nil pointer dereference" in worker.report()
    assert not truth.exists(key)


# What both count, and what go-workers2's API tells of it


@NAMESPACES
def test_both_count_what_they_run(go, binding, truth, namespace):
    python = binding({"Add": lambda: None, "Boom": fail}, namespace=namespace)
    both = [Call("Add", (), queue="q"), Call("Boom", (), queue="q")]
    python.enqueue_many(both)
    go.work(queue="q", namespace=namespace, fail="Boom", exit_after=2).finish()
    python.enqueue_many(both)
    assert [python.run_next().status, python.run_next().status] == ["ok", "failed"]
    for metric in ("processed", "failed"):
        total = prefixed(namespace, f"stat:{metric}")
        days = truth.keys(f"{total}:*")
        assert all(re.fullmatch(re.escape(total) + r":\d{4}-\d\d-\d\d", day) for day in days)
        counted = [int(truth.get(day)) for day in days]
        assert (int(truth.get(total)), sum(counted)) == (2, 2)
        assert len(counted) == 1 or time.gmtime().tm_hour == 0  # the test ran over midnight
        assert {truth.ttl(key) for key in [total, *days]} == {-1}


@NAMESPACES
def test_the_statistics_of_go_are_ours(go, binding, namespace):
    told = []

    def look(*_):
        told.extend((go.ask(worker, "/stats"), python.stats()))

    python = binding({"Add": lambda: 1, "Boom": fail, "Look": look}, namespace=namespace, queues=["q"])
    worker = go.work(queue="q", namespace=namespace, hang_on="Hang", api=True)
    assert go.ask(worker, "/stats") == python.stats()
    hanging = python.enqueue(Call("Hang", (1,), queue="q"))
    worker.wait_for("started")
    python.enqueue(Call("Boom", (), queue="q", options={"retry": True}))
    python.enqueue_many([Call("Add", (), queue="q"), Call("Look", (), queue="q"), Call("Add", (), queue="q")])
    assert [python.run_next().status for _ in range(3)] == ["retrying", "ok", "ok"]
    ([theirs], [ours]) = told
    ((queue, (at_work,)),) = theirs.pop("jobs").items()
    ((our_queue, (at_work_here,)),) = ours.pop("jobs").items()
    assert theirs == ours
    assert ours == {
        "manager_name": "",
        "processed": 1,
        "failed": 1,
        "enqueued": {prefixed(namespace, "q"): 1},
        "retry_count": 1,
    }
    assert queue == our_queue == prefixed(namespace, "q")
    assert list(at_work) == list(at_work_here) == ["message", "started_at"]
    assert at_work["message"] == json.loads(hanging.raw)
    assert at_work_here["message"]["class"] == "Look"
    assert type(at_work["started_at"]) is type(at_work_here["started_at"]) is int
    worker.kill()


@NAMESPACES
def test_the_retries_that_go_tells_of_are_ours(go, binding, namespace):
    python = binding({"Add": fail}, namespace=namespace)
    worker = go.work(queue="q", namespace=namespace, fail="Add", api=True)
    assert go.ask(worker, "/retries") == python.retries() == [{"total_retry_count": 0, "retry_jobs": None}]
    go.enqueue("snö", 2**60, namespace=namespace, queue="q", retry=True)
    worker.wait_for("failed")
    python.enqueue(Call("Add", (1.5, None), queue="other", options={"retry": True, "retry_max": 3}))
    assert python.run_next("other").status == "retrying"
    for query in ("", "?q=nothing&page=9&page_size=1"):  # all three are ignored
        assert go.ask(worker, f"/retries{query}") == python.retries()
    (told,) = python.retries()
    assert told["total_retry_count"] == len(told["retry_jobs"]) == 2
    worker.stop()
