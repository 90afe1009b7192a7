"""Messages that are taken and not run, each with the reason; what is no message; what is refused at once."""

from __future__ import annotations

import pytest

from pytest_jobqueue.errors import UsageError

dramatiq = pytest.importorskip("dramatiq")
errors = pytest.importorskip("dramatiq.errors")


@pytest.fixture
def add(actor):
    @actor()
    def add(left, right):
        return left + right

    return add


def test_too_old(add, jobqueue, travel):
    jobqueue.producer.set(max_age=60_000).enqueue("add", 1, 2)
    travel(61)
    (outcome,) = jobqueue.worker.drain()
    assert (outcome.status, outcome.exception) == ("dropped", None)
    assert outcome.reason == "skipped: Message age limit exceeded"
    jobqueue.assert_dead("add", 1, 2)  # that is where Dramatiq puts it


def test_skipped_by_a_middleware(add, broker, jobqueue):
    class Closed(dramatiq.Middleware):
        def before_process_message(self, broker, message):
            raise dramatiq.middleware.SkipMessage("closed today")

    broker.add_middleware(Closed())
    add.send(1, 2)
    (outcome,) = jobqueue.worker.drain()
    assert (outcome.status, outcome.reason) == ("dropped", "skipped: closed today")
    assert list(jobqueue.binding.failed()) == list(jobqueue.binding.running()) == []


def test_an_actor_that_nobody_declares(actor, add, broker, jobqueue):
    @actor()
    def gone(number):
        """Do nothing."""

    gone.send(7)
    del broker.actors["gone"]
    assert [job.name for job in jobqueue.binding.pending()] == ["gone"]
    (outcome,) = jobqueue.worker.drain(on_error="record")
    assert (outcome.status, outcome.reason) == ("failed", "no such actor is declared")
    assert isinstance(outcome.exception, errors.ActorNotFound)
    jobqueue.assert_dead("gone", 7, error="ActorNotFound: gone")


def test_bytes_that_are_no_message(add, broker, jobqueue):
    broker.do_enqueue("default", "an-id", b"{oops")
    add.send(1, 2)
    assert [job.name for job in jobqueue.binding.pending()] == ["(not a message)", "add"]
    drained = jobqueue.worker.drain(on_error="record")
    assert [outcome.status for outcome in drained] == ["dropped", "ok"]
    assert isinstance(drained[0].exception, errors.DecodeError)
    assert drained[0].job.raw == b"{oops"
    assert [job.name for job in jobqueue.binding.running()] == ["(not a message)"]


def test_bytes_that_are_no_message_among_the_delayed(add, broker, jobqueue, travel):
    add.send_with_options(args=(1, 2), delay=1000)
    broker.do_enqueue("default.DQ", "an-id", b"{oops")
    add.send_with_options(args=(3, 4), delay=9000)
    assert [job.name for job in jobqueue.binding.scheduled()] == ["add", "add", "(not a message)"]
    travel(2)
    assert jobqueue.worker.drain().results == [3]
    assert [job.name for job in jobqueue.binding.running()] == ["(not a message)"]
    travel(8)
    assert jobqueue.worker.drain().results == [7]


@pytest.mark.skipif(int(dramatiq.__version__[0]) < 2, reason="Dramatiq 1 itself raises a TypeError for it")
def test_a_delayed_message_without_a_time_is_never_due(add, broker, jobqueue, travel):
    message = add.message(1, 2).copy(queue_name="default.DQ", options={"redis_message_id": "x", "eta": None})
    broker.do_enqueue("default.DQ", "x", message.encode())
    assert jobqueue.binding.next_due() is None
    add.send_with_options(args=(3, 4), delay=1000)
    travel(2)
    assert jobqueue.worker.drain().results == [7]
    assert [job.args for job in jobqueue.binding.scheduled()] == [(1, 2)]


# What is refused before it is sent.


def test_an_unknown_actor(add, jobqueue):
    with pytest.raises(UsageError) as caught:
        jobqueue.producer.enqueue("ad", 1, 2)
    assert str(caught.value) == "the broker has no actor 'ad'; did you mean 'add'? (declared: add)"


def test_an_unknown_option(add, jobqueue):
    with pytest.raises(
        UsageError, match=r"has an option 'max_retry'; did you mean 'max_retries'\? \(there are"
    ):
        jobqueue.producer.set(max_retry=3).enqueue("add", 1, 2)


def test_an_unknown_queue(add, jobqueue):
    with pytest.raises(UsageError, match=r"no actor declares the queue 'defolt'.*; did you mean 'default'\?"):
        jobqueue.producer.enqueue("add", 1, 2, queue="defolt")


def test_an_argument_that_cannot_be_encoded(add, jobqueue):
    with pytest.raises(TypeError, match="set"):
        jobqueue.producer.enqueue_many("add", [(1, 2), (1, {2})])
    assert jobqueue.binding.pending() == []
