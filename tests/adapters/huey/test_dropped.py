"""Tasks that are taken and not run, each with the reason; and what is no task."""

from __future__ import annotations

import pytest

from pytest_jobqueue.errors import UsageError

huey = pytest.importorskip("huey")
exceptions = pytest.importorskip("huey.exceptions")


@pytest.fixture
def add(app):
    @app.task()
    def add(left, right):
        return left + right

    return add


def test_revoked(add, jobqueue):
    add(1, 2).revoke()
    (outcome,) = jobqueue.worker.drain()
    assert (outcome.status, outcome.reason, outcome.exception) == ("dropped", "revoked", None)


def test_expired(add, jobqueue, travel):
    jobqueue.producer.set(expires=60).enqueue(f"{__name__}.add", 1, 2)
    travel(61)
    (outcome,) = jobqueue.worker.drain()
    assert (outcome.status, outcome.reason) == ("dropped", "expired")


def test_canceled_by_a_hook(app, add, jobqueue):
    @app.pre_execute()
    def refuse(task):
        raise huey.CancelExecution

    add(1, 2)
    (outcome,) = jobqueue.worker.drain()
    assert (outcome.status, outcome.reason) == ("dropped", "canceled by a pre-execute hook")


def test_canceled_by_itself(app, jobqueue):
    @app.task()
    def give_up():
        raise huey.CancelExecution(retry=False)

    give_up()
    (outcome,) = jobqueue.worker.drain()
    assert outcome.status == "dropped"
    assert outcome.reason.startswith("CancelExecution")
    assert outcome.exception is None


def test_locked_out(app, jobqueue):
    @app.task()
    @app.lock_task("report")
    def report():
        return "written"

    with app.lock_task("report"):
        report()
        (outcome,) = jobqueue.worker.drain()
    assert outcome.status == "dropped"
    assert outcome.reason == "TaskLockedException: unable to acquire lock report"
    report()
    assert jobqueue.worker.drain().results == ["written"]


def test_locked_out_with_a_retry(app, jobqueue, travel):
    @app.task(retries=1, retry_delay=30)
    @app.lock_task("report")
    def report():
        return "written"

    with app.lock_task("report"):
        report()
        (outcome,) = jobqueue.worker.drain()
    assert (outcome.status, outcome.exception) == ("retrying", None)
    travel(31)
    assert jobqueue.worker.drain().results == ["written"]


@pytest.mark.skipif(not hasattr(huey.Huey, "rate_limit"), reason="in newer Huey 3")
def test_above_its_rate(app, jobqueue, travel):
    @app.task()
    @app.rate_limit("mail", 1, per=60)
    def mail():
        return "sent"

    mail()
    mail()
    drained = jobqueue.worker.drain()
    assert [outcome.status for outcome in drained] == ["ok", "retrying"]
    assert drained[1].reason.startswith("RateLimitExceeded")
    travel(61)
    assert jobqueue.worker.drain().results == ["sent"]


def test_a_task_that_nobody_registered_is_told_by_name(app, add, jobqueue):
    @app.task()
    def gone(number):
        """Do nothing."""

    gone(7)
    gone.unregister()
    (pending,) = jobqueue.binding.pending()
    assert (pending.name, pending.args) == (f"{__name__}.gone", (7,))

    (outcome,) = jobqueue.worker.drain(on_error="record")
    assert (outcome.status, outcome.reason) == ("dropped", "Huey cannot read it")
    assert isinstance(outcome.exception, exceptions.HueyException)
    assert outcome.job.name == f"{__name__}.gone"


def test_bytes_that_are_no_task(app, add, jobqueue):
    app.storage.enqueue(b"{oops")
    add(1, 2)
    assert [job.name for job in jobqueue.binding.pending()] == ["(not a task)", f"{__name__}.add"]
    drained = jobqueue.worker.drain(on_error="record")
    assert [outcome.status for outcome in drained] == ["dropped", "ok"]


# What is refused before it is sent.


def test_an_unknown_task(add, jobqueue):
    with pytest.raises(UsageError) as caught:
        jobqueue.producer.enqueue("add", 1, 2)
    assert str(caught.value) == (
        f"the Huey 'service' has no task 'add'; did you mean '{__name__}.add'? (registered: {__name__}.add)"
    )


def test_an_unknown_option_and_queue(add, jobqueue):
    with pytest.raises(
        UsageError, match=r"Huey has no option 'retry'; did you mean 'retries'\? \(there are id"
    ):
        jobqueue.producer.set(retry=3).enqueue(f"{__name__}.add", 1, 2)
    with pytest.raises(UsageError, match=r"a Huey has one queue, here 'service', and there is no 'slow'"):
        jobqueue.producer.enqueue(f"{__name__}.add", 1, 2, queue="slow")


def test_an_argument_that_cannot_be_pickled(add, jobqueue):
    with pytest.raises(Exception, match=r"pickle|local object"):
        jobqueue.producer.enqueue_many(f"{__name__}.add", [(1, 2), (1, lambda: 2)])
    assert jobqueue.binding.pending() == []


def test_a_priority_where_there_is_none(add, jobqueue):
    assert not jobqueue.binding.caps.priorities
    with pytest.raises(NotImplementedError, match="priorities are not supported"):
        jobqueue.producer.set(priority=3).enqueue(f"{__name__}.add", 1, 2)
