"""The producer: what it asks the binding for, what it records, what it refuses."""

from __future__ import annotations

import time
from datetime import datetime, timedelta, timezone

import pytest
from support.stubs import StubBinding

from pytest_jobqueue.errors import UsageError
from pytest_jobqueue.job import Call
from pytest_jobqueue.journal import Journal
from pytest_jobqueue.producer import Producer


@pytest.fixture
def binding():
    return StubBinding()


@pytest.fixture
def journal():
    return Journal()


@pytest.fixture
def producer(binding, journal):
    return Producer(binding, journal)


def test_a_job_is_enqueued_and_recorded(producer, binding, journal):
    job = producer.enqueue("Add", 2, 3, queue="maths", base=10)
    assert binding.calls == [Call("Add", (2, 3), {"base": 10}, "maths", None, {})]
    assert binding.ready == [job]
    assert journal.enqueued == (job,)


def test_a_keyword_argument_may_be_called_name(producer, binding):
    producer.enqueue("Greet", name="Bob")
    producer.enqueue_in(1, "Greet", name="Bob", delay=2)
    producer.enqueue_at(1, "Greet", name="Bob", when=3)
    assert [call.kwargs for call in binding.calls] == [
        {"name": "Bob"},
        {"name": "Bob", "delay": 2},
        {"name": "Bob", "when": 3},
    ]


@pytest.mark.parametrize("delay", [60, 60.0, timedelta(minutes=1)])
def test_a_job_can_be_for_later(producer, binding, delay):
    before = time.time()
    job = producer.enqueue_in(delay, "Add", 2, 3, queue="maths")
    assert before + 60 <= job.due_at <= time.time() + 60
    assert binding.calls[0] == Call("Add", (2, 3), {}, "maths", job.due_at, {})


@pytest.mark.parametrize(
    "when", [1000, 1000.0, datetime(1970, 1, 1, 0, 16, 40, tzinfo=timezone.utc),
             datetime(1970, 1, 1, 2, 16, 40, tzinfo=timezone(timedelta(hours=2)))],
)  # fmt: skip
def test_a_job_can_be_for_a_moment(producer, when):
    assert producer.enqueue_at(when, "Add").due_at == 1000.0


def test_a_moment_without_a_time_zone_is_refused(producer, binding):
    when = datetime(2030, 1, 1)  # noqa: DTZ001 (the mistake)
    with pytest.raises(UsageError) as caught:
        producer.enqueue_at(when, "Add")
    assert str(caught.value) == (
        "datetime.datetime(2030, 1, 1, 0, 0) has no time zone, so it names no moment; use e.g. "
        "datetime.now(timezone.utc)"
    )
    assert binding.calls == []


def test_options_and_a_queue_can_be_set_and_the_first_producer_is_unchanged(producer, binding, journal):
    tuned = producer.set(queue="slow", retry=3).set(backtrace=True).set(retry=1)
    tuned.enqueue("A")
    tuned.enqueue("B", queue="fast")
    tuned.set(queue="other").enqueue("C")
    tuned.enqueue_many("D", [()])
    producer.enqueue("E")
    options = {"retry": 1, "backtrace": True}
    assert binding.calls == [
        Call("A", (), {}, "slow", None, options),
        Call("B", (), {}, "fast", None, options),
        Call("C", (), {}, "other", None, options),
        Call("D", (), {}, "slow", None, options),
        Call("E", (), {}, None, None, {}),
    ]
    assert len(journal.enqueued) == 5


def test_an_empty_queue_s_name_is_not_taken_for_none(producer, binding):
    producer.set(queue="slow").enqueue("A", queue="")
    producer.set(queue="slow").set(queue="").enqueue("A")
    assert [call.queue for call in binding.calls] == ["", ""]


def test_many_jobs_are_enqueued_at_once(producer, binding, journal):
    jobs = producer.enqueue_many("Add", ((number, number) for number in range(3)), queue="q")
    assert [call.args for call in binding.calls] == [(0, 0), (1, 1), (2, 2)]
    assert {call.queue for call in binding.calls} == {"q"}
    assert list(journal.enqueued) == jobs
    assert producer.enqueue_many("Add", []) == []


@pytest.mark.parametrize("group", ["ab", b"ab", 7, None, {"a": 1}])
def test_a_single_value_is_no_group_of_arguments(producer, binding, group):
    with pytest.raises(TypeError) as caught:
        producer.enqueue_many("Add", [(1,), group])
    assert str(caught.value) == (
        f"enqueue_many('Add', …) takes a group of arguments for each job, and {group!r} is a single value; "
        f"write it as ({group!r},)"
    )
    assert binding.calls == []


def test_what_was_not_sent_is_not_recorded(producer, binding, journal, monkeypatch):
    def refuse(_calls):
        raise TypeError("args[0] is a set")

    monkeypatch.setattr(binding, "enqueue", refuse)
    monkeypatch.setattr(binding, "enqueue_many", refuse)
    for enqueue in (lambda: producer.enqueue("A", {1}), lambda: producer.enqueue_many("A", [({1},)])):
        with pytest.raises(TypeError, match=r"args\[0\]"):
            enqueue()
    assert journal.entries == ()
