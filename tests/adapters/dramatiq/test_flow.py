"""Messages that wait for messages: pipelines, groups with callbacks, callbacks of success and failure."""

from __future__ import annotations

import pytest

dramatiq = pytest.importorskip("dramatiq")


@pytest.fixture
def add(actor):
    @actor()
    def add(left, right):
        return left + right

    return add


def test_the_rest_of_a_pipeline_waits_and_gets_the_result(add, broker, backend, jobqueue):
    pipe = dramatiq.pipeline([add.message(1, 2), add.message(10), add.message(100)], broker=broker).run()

    assert [job.args for job in jobqueue.binding.waiting()] == [(10,), (100,)]
    assert jobqueue.worker.drain().results == [3, 13, 113]
    assert pipe.messages[-1].get_result(backend=backend) == 113
    assert jobqueue.binding.waiting() == []


def test_a_step_can_leave_the_result_aside(add, broker, jobqueue):
    last = add.message_with_options(args=(5, 5), pipe_ignore=True)
    dramatiq.pipeline([add.message(1, 2), last], broker=broker).run()
    assert jobqueue.worker.drain().results == [3, 10]


def test_a_delayed_pipeline_waits_too(add, broker, jobqueue, travel):
    dramatiq.pipeline([add.message(1, 2), add.message(10)], broker=broker).run(delay=60_000)
    assert [len(jobqueue.binding.scheduled()), len(jobqueue.binding.waiting())] == [1, 1]
    assert jobqueue.worker.drain() == []
    travel(61)
    assert jobqueue.worker.drain().results == [3, 13]


def test_a_failed_step_ends_its_pipeline(actor, add, broker, jobqueue):
    @actor(max_retries=0)
    def fail():
        raise ValueError

    dramatiq.pipeline([fail.message(), add.message(1)], broker=broker).run()
    assert [outcome.status for outcome in jobqueue.worker.drain(on_error="record")] == ["failed"]
    jobqueue.assert_idle()


def test_the_callback_of_a_group_waits_for_all(actor, add, broker, backend, jobqueue):
    @actor()
    def done():
        return "all there"

    group = dramatiq.group([add.message(1, 1), add.message(2, 2)], broker=broker)
    group.add_completion_callback(done.message())
    group.run()

    assert [job.name for job in jobqueue.binding.waiting()] == ["done"]
    assert jobqueue.worker.drain().results == [2, 4, "all there"]
    assert [child.get_result(backend=backend) for child in group.children] == [2, 4]


def test_callbacks_of_success_and_failure(actor, add, jobqueue):
    @actor()
    def succeeded(message, result):
        return message["actor_name"], result

    @actor()
    def failed(message, error):
        return error

    @actor(max_retries=0)
    def fail():
        raise ValueError("out of paper")

    add.send_with_options(args=(1, 2), on_success=succeeded)
    fail.send_with_options(on_failure=failed)
    drained = jobqueue.worker.drain(on_error="record")
    assert drained.results == [3, ("add", 3), {"type": "ValueError", "message": "out of paper"}]
