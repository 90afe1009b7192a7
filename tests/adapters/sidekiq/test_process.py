"""The worker as others see it: heartbeat, statistics, the answers for a service's own pages."""

from __future__ import annotations

import json
import os
import socket

import pytest

from pytest_jobqueue.errors import PoisonJobError
from pytest_jobqueue.job import Call


def test_nothing_beats_by_itself(bind, look):
    binding = bind()
    binding.enqueue(Call("Add", (1, 2)))
    binding.run_next()
    assert not look.exists("processes")


def test_16_go_workers2_leaves_its_heartbeat_behind(bind, look):
    binding = bind(namespace="prod")
    assert binding.beat() is None
    assert look.smembers("prod:processes") == {binding.identity}
    key = f"prod:{binding.identity}"
    found = look.hgetall(key)
    info = json.loads(found["info"])
    assert (info["Pid"], info["tag"], info["hostname"]) == (os.getpid(), "prod", socket.gethostname())
    assert "pid" not in info
    assert (found["quiet"], found["busy"], found["rss"]) == ("0", "0", "0")
    assert int(found["beat"]) == pytest.approx(look.time()[0], abs=5)
    assert look.ttl(key) == -1
    binding.close()
    assert look.smembers("prod:processes") == {binding.identity}
    assert look.exists(key)


@pytest.mark.parametrize("dialect", ["sidekiq6", "sidekiq7", "sidekiq8"])
def test_sidekiq_expires_and_takes_itself_off_the_list(bind, look, dialect):
    busy = []
    binding = bind(
        {"Beat": lambda: (binding.beat(), busy.append(look.hgetall(f"{binding.identity}:work")))},
        dialect=dialect,
    )
    job = binding.enqueue(Call("Beat", queue="q1"))
    binding.run_next()
    key = binding.identity
    found = look.hgetall(key)
    assert (found["quiet"], found["busy"]) == ("false", "1")
    ((entry),) = busy[0].values()
    work = json.loads(entry)
    assert (work["queue"], work["payload"]) == ("q1", job.raw.decode())
    assert 0 < look.ttl(key) <= 60
    assert look.smembers("processes") == {key}
    look.lpush(f"{key}-signals", "TSTP")
    assert (binding.beat(), binding.beat()) == ("TSTP", None)
    binding.close()
    assert not look.exists("processes", f"{key}:work")


def test_closing_without_a_beat_says_nothing_to_anyone(bind, look):
    bind(dialect="sidekiq7").close()
    assert look.keys() == []


def test_stats_in_the_shape_of_go_workers2(bind, look, clock):
    running = []
    binding = bind(
        {"Look": lambda *_: running.append(binding.stats()), "Boom": lambda: 1 / 0}, namespace="prod"
    )
    job = binding.enqueue(Call("Look", (1,)))
    binding.enqueue_many([Call("Boom", options={"retry": True}), Call("Look"), Call("Look", queue="q2")])
    binding.run_next()
    binding.run_next()
    assert binding.stats("my manager") == [
        {
            "manager_name": "my manager",
            "processed": 1,
            "failed": 1,
            "jobs": {"prod:default": None, "prod:q2": None},
            "enqueued": {"prod:default": 1, "prod:q2": 1},
            "retry_count": 1,
        }
    ]
    (during,) = running[0]
    message = json.loads(job.raw)
    assert during["jobs"] == {
        "prod:default": [{"message": message, "started_at": int(clock.now)}],
        "prod:q2": None,
    }


def test_retries_in_the_shape_of_go_workers2(bind):
    binding = bind()
    assert binding.retries() == [{"total_retry_count": 0, "retry_jobs": None}]
    job = binding.enqueue(Call("Boom", ("why",), options={"retry": True}))
    binding.run_next()
    (found,) = binding.retries(3, 1, "no such job")
    assert found["total_retry_count"] == 1
    (entry,) = found["retry_jobs"]
    assert (entry["jid"], entry["error_message"], entry["retry_count"]) == (job.id, "why", 0)


def test_retries_with_poison_among_them(bind, look):
    look.zadd("goretry", {"{oops": 1})
    with pytest.raises(PoisonJobError):
        bind().retries()
