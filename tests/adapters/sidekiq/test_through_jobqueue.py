"""What a test sees of this format through `jobqueue`: refused arguments, poison, and a drain that waits."""

from __future__ import annotations

import json
import math
import re

import pytest

from pytest_jobqueue.errors import DrainTimeoutError, PoisonJobError
from pytest_jobqueue.harness import JobQueue
from pytest_jobqueue.settings import Settings

POISON = b'{"class": "Ad'


def add(left, right):
    return left + right


@pytest.fixture(params=["go-workers2", "sidekiq7"])
def dialect(request):
    return request.param


@pytest.fixture
def jobqueue(server, url, dialect):
    with JobQueue({"Add": add}, server, Settings(dialect=dialect)) as jobqueue:
        yield jobqueue


@pytest.fixture
def sent(jobqueue, monkeypatch):
    """The batches of commands that the binding sends from now on."""
    link, batches = jobqueue.binding._link, []
    send = link.send

    def sending(*commands):
        batches.append([command[0] for command in commands])
        return send(*commands)

    monkeypatch.setattr(link, "send", sending)
    return batches


def test_many_jobs_are_one_send(jobqueue, sent):
    jobqueue.producer.enqueue_many("Add", [(number, 1) for number in range(100)])
    assert sent == [["SADD", "LPUSH"] * 100]


class Thing:
    def __repr__(self):
        return "<a thing>"


FAULTS = [
    ((2, 3), 'args[1]["a"][0]: (2, 3) is not a JSON value'),
    ({5}, 'args[1]["a"][0]: {5} is not a JSON value'),
    (Thing(), 'args[1]["a"][0]: <a thing> is not a JSON value'),
    ({7: "seven"}, 'args[1]["a"][0]: the key 7 is not a string'),
    (math.nan, 'args[1]["a"][0]: nan is a number that JSON cannot write'),
]
WAYS = {
    "enqueue": lambda producer, *args: producer.enqueue("Add", *args),
    "enqueue_in": lambda producer, *args: producer.enqueue_in(60, "Add", *args),
    "enqueue_many": lambda producer, *args: producer.enqueue_many("Add", [(1, 2), args]),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("value", "complaint"), FAULTS, ids=["tuple", "set", "object", "key", "nan"])
def test_what_does_not_survive_json_is_refused_with_its_path(jobqueue, sent, way, value, complaint):
    with pytest.raises(TypeError, match=re.escape(f"Add: {complaint}")):
        WAYS[way](jobqueue.producer, 1, {"a": [value]})
    assert sent == []
    jobqueue.assert_idle()


@pytest.fixture
def poisoned(jobqueue):
    """A queue with poison between two jobs."""
    jobqueue.producer.enqueue("Add", 1, 2)
    jobqueue.redis.lpush("queue:default", POISON)
    jobqueue.producer.enqueue("Add", 3, 4)
    return jobqueue


def test_a_drain_raises_at_poison_and_the_next_one_goes_on(poisoned, dialect):
    with pytest.raises(PoisonJobError, match=re.escape(repr(POISON))):
        poisoned.worker.drain()
    assert [outcome.status for outcome in poisoned.journal.outcomes] == ["ok", "dropped"]
    assert poisoned.worker.drain().results == [7]
    binding = poisoned.binding
    left = binding.running() if dialect == "go-workers2" else binding.failed()
    assert [job.raw for job in left] == [POISON]


def test_a_drain_that_records_keeps_poison_among_its_outcomes(poisoned):
    drained = poisoned.worker.drain(on_error="record")
    assert [outcome.status for outcome in drained] == ["ok", "dropped", "ok"]
    assert drained.results == [3, 7]
    (dropped,) = [outcome for outcome in poisoned.journal.outcomes if outcome.status == "dropped"]
    assert isinstance(dropped.exception, PoisonJobError)
    assert repr(POISON) in poisoned.report()


def test_poison_that_was_due_ends_the_drain_and_the_next_one_goes_on(jobqueue):
    job = {"class": "Add", "args": [1, 2], "queue": "default", "jid": "later", "retry": False}
    jobqueue.redis.zadd("schedule", {POISON: 1, json.dumps(job): 2})
    for on_error in ("raise", "record"):
        with pytest.raises(PoisonJobError, match=r"an entry of 'schedule' was due .*: it is lost$"):
            jobqueue.worker.drain(on_error=on_error)
        assert "an entry of 'schedule' was due" in jobqueue.report()
        if on_error == "raise":
            jobqueue.redis.zadd("schedule", {POISON: 1})
    assert jobqueue.worker.drain().results == [3]
    jobqueue.assert_idle()


def test_what_a_drain_waited_for_in_vain_is_named(jobqueue):
    scheduled = jobqueue.producer.enqueue_in(60, "Add", 1, 2, queue="later")
    jobqueue.redis.zadd("schedule", {POISON: 9e9})
    with pytest.raises(DrainTimeoutError) as caught:
        jobqueue.worker.run_until(lambda: jobqueue.redis.exists("greeting"))
    assert str(caught.value).startswith(
        "run_until: after 0 jobs nothing is ready on 'default', 'later' and the predicate is still false. "
        f"On the server: 2 scheduled: Add(1, 2) [{scheduled.id} on later]"
    )
    assert "(not a job)" in str(caught.value)
