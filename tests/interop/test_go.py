"""A Go program and Python on one queue, in the format of go-workers2, each part of a job's life crossed.

The program is a stand-in on go-redis that was written from the wire facts (see goworker/standin): what these
tests prove is that a second language, a second client and a second implementation agree with ours.
"""

from __future__ import annotations

import time

import pytest

from pytest_jobqueue.job import Call

pytestmark = pytest.mark.timeout(120)

ARGUMENTS = [
    (2, 3),
    (),
    ("snö & <b>", None, True, 1.5),
    ({"a": [1, {"b": []}]}, [[]]),
    (2**53 + 1, -1, "\u0000 "),
]


def fail(*_):
    raise LookupError("boom from Python")


@pytest.mark.parametrize("args", ARGUMENTS)
def test_go_enqueues_and_python_runs(go, binding, args):
    jid = go.enqueue(*args, queue="q")
    ran = []
    outcome = binding({"Add": lambda *given: ran.append(given) or "ran"}).run_next()
    assert (outcome.status, outcome.result, outcome.job.id, outcome.job.queue) == ("ok", "ran", jid, "q")
    assert ran == [args]


def test_arguments_of_null_are_none_at_all(go, binding):
    go.enqueue(args="null", queue="q")
    assert binding({"Add": lambda *given: given}).run_next().result == ()


@pytest.mark.parametrize("protocol", [2, 3])
@pytest.mark.parametrize("args", ARGUMENTS)
def test_python_enqueues_and_go_runs(go, binding, truth, args, protocol):
    python = binding({})
    job = python.enqueue(Call("Add", args, queue="q"))
    worker = go.work(queue="q", exit_after=1, protocol=protocol)
    worker.finish()
    (done,) = worker.told("done")
    assert (done["jid"], done["class"], done["args"]) == (job.id, "Add", list(args))
    assert list(python.pending()) == list(python.running()) == []
    assert truth.get("stat:processed") == "1"


def test_a_namespace_is_shared(go, binding, truth):
    python = binding({"Add": lambda a, b: a + b}, namespace="prod")
    go.enqueue(2, 3, queue="q", namespace="prod")
    assert python.run_next().result == 5
    python.enqueue(Call("Add", (4, 5), queue="q"))
    go.work(queue="q", namespace="prod", exit_after=1).finish()
    assert truth.get("prod:stat:processed") == "2"
    assert all(key.startswith("prod:") for key in truth.keys())  # noqa: SIM118 (a client, no dict)


def test_two_languages_share_a_queue_and_each_job_runs_once(go, binding):
    ran = []
    python = binding({"Add": ran.append}, process_id="python")
    jobs = python.enqueue_many([Call("Add", (number,), queue="q") for number in range(60)])
    worker = go.work(queue="q", process_id="go", concurrency=4)
    while python.run_next():
        pass
    theirs = len(jobs) - len(ran)
    if theirs:
        worker.wait_for("done", count=theirs)
    worker.stop()
    assert sorted(ran + [event["args"][0] for event in worker.told("done")]) == list(range(60))
    assert list(python.running()) == []


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


def test_a_job_of_a_killed_python_worker_is_taken_over(go, binding):
    python = binding({}, process_id="7")
    job = python.enqueue(Call("Add", (2, 3), queue="q"))
    assert python.abandon_next() == job
    stranger = go.work(queue="q", process_id="8")
    stranger.stop()
    assert stranger.told("started") == []
    heir = go.work(queue="q", process_id="7", exit_after=1)
    heir.finish()
    assert heir.told("done")[0]["jid"] == job.id
    assert list(python.running()) == []


@pytest.mark.parametrize("namespace", ["", "prod"])
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
    make_due(f"{namespace}:goretry" if namespace else "goretry")
    assert python.tick() == 1
    assert python.run_next().result == 5
    assert list(python.retrying()) == []


@pytest.mark.parametrize("namespace", ["", "prod"])
def test_a_failure_in_python_is_retried_by_go(go, binding, make_due, namespace):
    python = binding({"Add": fail}, namespace=namespace)
    job = python.enqueue(Call("Add", (2, 3), queue="q", options={"retry": True}))
    assert python.run_next().status == "retrying"
    make_due(f"{namespace}:goretry" if namespace else "goretry")
    worker = go.work(queue="q", namespace=namespace, poll_interval=0.05, exit_after=1)
    worker.finish()
    assert worker.told("done", jid=job.id)
    assert list(python.retrying()) == list(python.pending()) == list(python.running()) == []


def test_the_retries_of_both_are_counted_together(go, binding, make_due):
    python = binding({"Add": fail})
    go.enqueue(1, queue="q", retry=True, retry_max=1)
    go.work(queue="q", fail="Add", exit_after=1).finish()
    make_due("goretry")
    python.tick()
    assert python.run_next().status == "retrying"
    make_due("goretry")
    last = go.work(queue="q", fail="Add", poll_interval=0.05, exit_after=1)
    last.finish()
    assert last.told("failed")[0]["again"] is False
    assert list(python.retrying()) == []


def test_a_job_scheduled_by_go_runs_in_python(go, binding, make_due):
    at = round(time.time()) + 3600.5
    jid = go.enqueue(2, 3, queue="q", at=at)
    python = binding({"Add": lambda a, b: a + b})
    (job,) = python.scheduled()
    assert (job.id, job.due_at, python.next_due()) == (jid, at, at)
    assert python.tick() == 0
    make_due("schedule")
    assert python.tick() == 1
    assert python.run_next().result == 5


def test_a_job_scheduled_by_python_runs_in_go(go, binding, make_due):
    python = binding({})
    job = python.enqueue(Call("Add", (2, 3), queue="q", at=time.time() + 3600))
    make_due("schedule")
    worker = go.work(queue="q", poll_interval=0.05, exit_after=1)
    worker.finish()
    assert worker.told("done", jid=job.id)
    assert list(python.scheduled()) == []


def test_a_waiting_go_worker_wakes_for_a_job_of_python(go, binding):
    worker = go.work(queue="q", exit_after=1)
    job = binding({}).enqueue(Call("Add", (2, 3), queue="q"))
    worker.finish()
    assert worker.told("done", jid=job.id)


def test_poison_stays_in_progress_in_both(go, binding, truth):
    truth.lpush("queue:q", "{no job")
    worker = go.work(queue="q", process_id="go", exit_after=1)
    worker.finish()
    assert worker.told("poison") == [{"event": "poison", "raw": "{no job"}]
    truth.lpush("queue:q", "{no job")
    assert binding({}, queues=["q"], process_id="python").run_next().status == "dropped"
    for process in ("go", "python"):
        assert truth.lrange(f"queue:q:{process}:inprogress", 0, -1) == ["{no job"]
