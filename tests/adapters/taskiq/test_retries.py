"""Taskiq's retry middlewares, and a task that puts itself back or turns itself down."""

from __future__ import annotations

import time

import pytest

pytest.importorskip("taskiq_redis")

from taskiq import Context, SimpleRetryMiddleware, SmartRetryMiddleware, TaskiqDepends, TaskiqMiddleware
from taskiq.exceptions import NoResultError


def failing(broker, times=99, **labels):
    attempts = []

    @broker.task("charge", retry_on_error=True, **labels)
    async def charge(order: int):
        attempts.append(order)
        if len(attempts) <= times:
            raise ConnectionError(f"attempt {len(attempts)}")
        return "charged"

    return attempts


class TestSimple:
    @pytest.fixture
    def jobqueue_app(self, broker):
        broker.add_middlewares(SimpleRetryMiddleware(default_retry_count=3))
        return broker

    def test_a_task_is_retried_at_once_as_often_as_taskiq_does(self, jobqueue, broker):
        failing(broker)
        job = jobqueue.producer.enqueue("charge", 7)

        drained = jobqueue.worker.drain(on_error="record")

        assert [outcome.status for outcome in drained] == ["retrying", "retrying", "failed"]
        assert [outcome.job.attempts for outcome in drained] == [0, 1, 2]
        assert {outcome.job.id for outcome in drained} == {job.id}
        assert [str(outcome.exception) for outcome in drained] == ["attempt 1", "attempt 2", "attempt 3"]

    def test_between_the_attempts_the_job_says_what_went_wrong(self, jobqueue, broker):
        failing(broker)
        jobqueue.producer.enqueue("charge", 7)
        jobqueue.worker.run_next(on_error="record")
        (job,) = jobqueue.binding.pending()
        assert (job.attempts, job.error) == (1, "ConnectionError: attempt 1")

    def test_labels_of_one_job_count(self, jobqueue, broker):
        failing(broker)
        jobqueue.producer.set(max_retries=1).enqueue("charge", 7)
        jobqueue.producer.set(retry_on_error=False).enqueue("charge", 8)
        drained = jobqueue.worker.drain(on_error="record")
        assert [outcome.status for outcome in drained] == ["failed", "failed"]

    def test_in_the_end_it_runs(self, jobqueue, broker):
        failing(broker, times=2)
        jobqueue.producer.enqueue("charge", 7)
        assert jobqueue.worker.drain(on_error="record").results == ["charged"]


class TestSmart:
    @pytest.fixture
    def middleware(self, source):
        return SmartRetryMiddleware(
            default_retry_count=4,
            default_delay=30,
            use_delay_exponent=True,
            max_delay_exponent=50,
            schedule_source=source,
        )

    @pytest.fixture
    def jobqueue_app(self, broker, middleware):
        broker.add_middlewares(middleware)
        return broker  # the source is found in the middleware

    def test_each_retry_waits_for_the_middlewares_own_delay(self, travel, jobqueue, broker):
        failing(broker)
        job = jobqueue.producer.enqueue("charge", 7)

        delays = []
        for attempt in (1, 2, 3):
            (outcome,) = jobqueue.worker.drain(on_error="record")
            assert outcome.status == "retrying"
            (again,) = jobqueue.binding.retrying()
            assert (again.id, again.attempts, again.error) == (
                job.id,
                attempt,
                f"ConnectionError: attempt {attempt}",
            )
            assert jobqueue.binding.scheduled() == []
            delays.append(again.due_at - time.time())
            assert jobqueue.binding.next_due() == again.due_at
            travel(delays[-1])
        assert delays == pytest.approx([30, 50, 50])
        (last,) = jobqueue.worker.drain(on_error="record")
        assert last.status == "failed"
        assert jobqueue.binding.next_due() is None

    def test_not_a_moment_earlier(self, travel, jobqueue, broker):
        failing(broker)
        jobqueue.producer.enqueue("charge", 7)
        jobqueue.worker.drain(on_error="record")
        travel(29.9)
        assert jobqueue.worker.drain() == []
        travel(0.2)
        assert len(jobqueue.worker.drain(on_error="record")) == 1


class TestSmartWithoutSource:
    @pytest.fixture
    def jobqueue_app(self, broker):
        broker.add_middlewares(SmartRetryMiddleware(default_delay=3600))
        return broker

    def test_redis_brokers_know_no_delay_so_the_retry_comes_at_once(self, travel, jobqueue, broker):
        failing(broker, times=1)
        jobqueue.producer.enqueue("charge", 7)
        drained = jobqueue.worker.drain(on_error="record")
        assert [outcome.status for outcome in drained] == ["retrying", "ok"]


class Own(TaskiqMiddleware):
    """A service's own way of retrying, which leaves the error as the result."""

    async def on_error(self, message, result, exception):
        if not message.labels.get("again"):
            task = self.broker.find_task(message.task_name)
            kicker = task.kicker().with_task_id(message.task_id).with_labels(again=True)
            await kicker.kiq(*message.args, **message.kwargs)


class TestOwn:
    @pytest.fixture
    def jobqueue_app(self, broker):
        broker.add_middlewares(Own())
        return broker

    def test_a_job_that_is_sent_again_is_retried(self, jobqueue, broker):
        failing(broker)
        jobqueue.producer.enqueue("charge", 7)
        drained = jobqueue.worker.drain(on_error="record")
        assert [outcome.status for outcome in drained] == ["retrying", "failed"]


def test_without_a_middleware_nothing_is_retried(jobqueue, broker):
    failing(broker)
    jobqueue.producer.enqueue("charge", 7)
    (outcome,) = jobqueue.worker.drain(on_error="record")
    assert outcome.status == "failed"
    assert not jobqueue.binding.caps.retries


def test_a_task_puts_itself_back(jobqueue, broker):
    @broker.task("wait")
    async def wait(context: Context = TaskiqDepends()):
        if context.message.labels.get("X-Taskiq-requeue") != "2":
            await context.requeue()
        return "ready"

    job = jobqueue.producer.enqueue("wait")
    drained = jobqueue.worker.drain()
    assert [outcome.status for outcome in drained] == ["retrying", "retrying", "ok"]
    assert [outcome.job.attempts for outcome in drained] == [0, 1, 2]
    assert drained[0].reason == "it put itself back on its queue"
    assert {outcome.job.id for outcome in drained} == {job.id}


def test_a_task_rejects_itself(jobqueue, broker):
    @broker.task("refuse")
    async def refuse(context: Context = TaskiqDepends()):
        context.reject()

    jobqueue.producer.enqueue("refuse")
    (outcome,) = jobqueue.worker.drain()
    assert (outcome.status, outcome.exception) == ("dropped", None)
    assert outcome.reason == "it rejected itself (TaskRejectedError)"


def test_a_task_wants_no_result_kept(jobqueue, broker):
    @broker.task("silent")
    async def silent():
        raise NoResultError

    task = jobqueue.run(silent.kiq())
    (outcome,) = jobqueue.worker.drain()
    assert (outcome.status, outcome.result) == ("ok", None)
    assert not jobqueue.run(task.is_ready())
