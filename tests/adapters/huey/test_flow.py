"""Tasks that wait for tasks: pipelines, error handlers, groups and chords."""

from __future__ import annotations

import pytest

huey = pytest.importorskip("huey")


@pytest.fixture
def add(app):
    @app.task()
    def add(left, right):
        return left + right

    return add


def test_the_rest_of_a_pipeline_waits_and_gets_the_result(app, add, jobqueue):
    last = add.s(1, 2).then(add, 10).then(add, 100)
    results = app.enqueue(last)

    assert [job.args for job in jobqueue.binding.waiting()] == [(10,), (100,)]
    assert jobqueue.worker.drain().results == [3, 13, 113]
    assert results.get() == [3, 13, 113]
    assert jobqueue.binding.waiting() == []


def test_a_pipeline_for_later_waits_too(app, add, jobqueue, travel):
    app.enqueue(add.s(1, 2, delay=60).then(add, 10))
    assert [len(jobqueue.binding.scheduled()), len(jobqueue.binding.waiting())] == [1, 1]
    assert jobqueue.worker.run_next() is None  # it goes from the queue into the schedule
    assert [len(jobqueue.binding.scheduled()), len(jobqueue.binding.waiting())] == [1, 1]
    travel(61)
    assert jobqueue.worker.drain().results == [3, 13]


def test_an_error_handler_gets_the_exception(app, jobqueue):
    @app.task()
    def note(error):
        return str(error)

    @app.task()
    def fail():
        raise ValueError("out of paper")

    app.enqueue(fail.s().error(note))
    drained = jobqueue.worker.drain(on_error="record")
    assert [outcome.status for outcome in drained] == ["failed", "ok"]
    assert drained.results == ["out of paper"]


def test_a_failed_task_ends_its_pipeline(app, add, jobqueue):
    @app.task()
    def fail():
        raise ValueError

    app.enqueue(fail.s().then(add, 1))
    assert [outcome.status for outcome in jobqueue.worker.drain(on_error="record")] == ["failed"]
    jobqueue.assert_idle()


@pytest.mark.skipif(not hasattr(huey, "chord"), reason="groups and chords are in Huey 3")
class TestChord:
    def test_the_callback_waits_for_all_and_gets_their_results(self, app, add, jobqueue):
        @app.task()
        def total(numbers):
            return sum(numbers)

        result = app.enqueue(huey.group([add.s(1, 1), add.s(2, 2)]).then(total))

        assert [job.name.rpartition(".")[2] for job in jobqueue.binding.waiting()] == ["total"]
        assert jobqueue.worker.drain().results == [2, 4, 6]
        assert result.get() == 6

    @pytest.mark.skipif(not hasattr(huey, "SKIPPED"), reason="this Huey leaves the chord waiting")
    def test_a_dropped_member_is_told_to_the_callback(self, app, add, jobqueue):
        @app.task()
        def total(numbers):
            return numbers

        first, second = add.s(1, 1), add.s(2, 2)
        app.enqueue(huey.group([first, second]).then(total))
        app.revoke_by_id(first.id)
        drained = jobqueue.worker.drain()
        assert [outcome.status for outcome in drained] == ["dropped", "ok", "ok"]
        assert drained[-1].result == [huey.SKIPPED, 4]
