"""What Huey does around a task: signals, hooks, results, context, priorities."""

from __future__ import annotations

import pytest

huey = pytest.importorskip("huey")

# Huey 3.0 stores an expiring result by a method that newer versions of redis-py call deprecated.
pytestmark = pytest.mark.filterwarnings("ignore:Call to deprecated setex:DeprecationWarning")


@pytest.fixture
def add(app):
    @app.task()
    def add(left, right):
        return left + right

    return add


def test_signals_and_hooks_of_the_application(app, add, jobqueue):
    seen = []
    app.signal("executing", "complete")(lambda signal, *_: seen.append(signal))
    app.pre_execute(name="pre")(lambda _: seen.append("pre"))
    app.post_execute(name="post")(lambda _, value, error: seen.append(("post", value, error)))
    add(1, 2)
    jobqueue.worker.drain()
    assert seen == ["executing", "pre", ("post", 3, None), "complete"]


def test_start_up_hooks_run_before_the_first_task_and_shut_down_hooks_at_the_end(app, add, request):
    seen = []
    app.on_startup()(lambda: seen.append("up"))
    app.on_shutdown(name="down")(lambda: seen.append("down"))
    jobqueue = request.getfixturevalue("jobqueue")
    request.addfinalizer(lambda: seen == ["up", "down"] or pytest.fail(str(seen)))
    assert jobqueue.worker.drain() == []
    assert seen == []
    add(1, 2)
    add(1, 2)
    jobqueue.worker.drain()
    assert seen == ["up"]
    jobqueue.close()
    assert seen == ["up", "down"]


def test_results_are_where_the_service_looks_for_them(add, jobqueue):
    result = add(1, 2)
    assert result() is None
    jobqueue.worker.drain()
    assert result() == 3
    assert jobqueue.binding.caps.results


class TestWithoutResults:
    @pytest.fixture
    def app(self):
        return huey.RedisHuey("service", host="redis.invalid", results=False)

    def test_a_drain_has_them_all_the_same_and_huey_has_none(self, app, add, jobqueue):
        assert add(1, 2) is None
        assert jobqueue.worker.drain().results == [3]
        assert app.all_results() == {}
        assert not jobqueue.binding.caps.results

    def test_a_failure_is_raised_and_retried_as_ever(self, app, jobqueue, travel):
        @app.task(retries=1, retry_delay=60)
        def fail():
            raise ValueError("out of paper")

        fail()
        with pytest.raises(ValueError, match="out of paper"):
            jobqueue.worker.drain()
        jobqueue.assert_retrying(f"{__name__}.fail")
        travel(61)
        assert [one.status for one in jobqueue.worker.drain(on_error="record")] == ["failed"]
        assert app.all_results() == {}


@pytest.mark.parametrize("kind", ["RedisExpireHuey", "PriorityRedisExpireHuey"])
class TestResultsThatExpire:
    @pytest.fixture
    def app(self, kind):
        return getattr(huey, kind)("service", host="redis.invalid", expire_time=77)

    def test_do_so_in_our_redis(self, add, jobqueue):
        result = add(1, 2)
        jobqueue.worker.drain()
        assert result(preserve=True) == 3
        (key,) = (key for key in jobqueue.redis.scan_iter() if result.id.encode() in key)
        assert 0 < jobqueue.redis.ttl(key) <= 77


def test_an_error_is_a_result_too(app, jobqueue):
    @app.task()
    def fail():
        raise ValueError("out of paper")

    result = fail()
    jobqueue.worker.drain(on_error="record")
    with pytest.raises(Exception, match="out of paper"):
        result()


def test_a_task_with_context(app, jobqueue):
    @app.task(context=True)
    def who(task=None):
        return task.id

    job_id = who().id
    assert jobqueue.worker.drain().results == [job_id]


def test_a_task_that_runs_another_sees_itself_running(app, add, jobqueue):
    @app.task()
    def outer():
        add(1, 2)
        return [job.id for job in jobqueue.binding.running()], jobqueue.worker.run_next().result

    job_id = outer().id
    assert jobqueue.worker.drain().results == [([job_id], 3)]
    assert jobqueue.binding.running() == []


@pytest.mark.parametrize("kind", ["PriorityRedisHuey", "PriorityRedisExpireHuey"])
class TestPriorities:
    @pytest.fixture
    def app(self, kind):
        if not hasattr(huey, kind):
            pytest.skip(f"this version has no {kind}")
        return getattr(huey, kind)("service", host="redis.invalid")

    def test_the_highest_first(self, add, jobqueue):
        for priority in (1, 9, None, 5):
            jobqueue.producer.set(priority=priority).enqueue(f"{__name__}.add", priority or 0, 0)
        assert [job.args[0] for job in jobqueue.binding.pending()] == [9, 5, 1, 0]
        assert jobqueue.worker.drain().results == [9, 5, 1, 0]
        assert jobqueue.binding.caps.priorities


def test_an_abandoned_task_is_lost_and_one_for_later_is_not(add, jobqueue, travel):
    jobqueue.producer.enqueue_in(60, f"{__name__}.add", 1, 1)
    job = jobqueue.producer.enqueue(f"{__name__}.add", 2, 2)
    assert jobqueue.worker.abandon_next().id == job.id
    assert jobqueue.worker.abandon_next() is None
    assert jobqueue.worker.recover() == 0
    travel(61)
    assert jobqueue.worker.drain().results == [2]


def test_another_queue_has_nothing(add, jobqueue):
    add(1, 2)
    assert jobqueue.binding.pending("other") == []
    assert jobqueue.worker.run_next("other") is None
    assert jobqueue.worker.run_next("service").result == 3


def test_a_result_that_cannot_be_kept_is_the_tasks_failure(app, jobqueue):
    @app.task()
    def make():
        return lambda: None

    make()
    (outcome,) = jobqueue.worker.drain(on_error="record")
    assert (outcome.status, outcome.reason) == ("failed", "Huey could not finish it after it ran")
    assert "local object" in str(outcome.exception)  # cannot be pickled
