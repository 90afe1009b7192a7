"""What `immediate=True` hides and this catches: the claims of docs/adapters/huey.md, one test each."""

from __future__ import annotations

import pytest

huey = pytest.importorskip("huey")


@pytest.fixture
def eager():
    """The same application in eager mode, as tests of a service often have it."""
    return huey.RedisHuey("service", host="redis.invalid", immediate=True)


def test_an_eager_application_is_taken_as_it_is_in_production(eager, request):
    @eager.task()
    def add(left, right):
        return left + right

    assert add(1, 2)() == 3
    request.applymarker(pytest.mark.jobqueue(app=eager))
    jobqueue = request.getfixturevalue("jobqueue")
    result = add(1, 2)
    assert result() is None
    jobqueue.worker.drain()
    assert result() == 3
    jobqueue.close()
    assert eager.immediate


def test_an_exception_is_raised_instead_of_logged(eager, app, jobqueue):
    def fail():
        raise ValueError("out of paper")

    eager.task()(fail)()  # nothing to see
    app.task()(fail)()
    with pytest.raises(ValueError, match="out of paper"):
        jobqueue.worker.drain()


def test_arguments_must_survive_the_serialiser(eager, app, jobqueue):
    def call(function):
        return function()

    assert eager.task()(call)(lambda: 3)() == 3
    with pytest.raises(Exception, match=r"pickle|local object"):
        app.task()(call)(lambda: 3)


def test_a_task_gets_a_copy_and_not_the_callers_own_list(eager, app, jobqueue):
    def grow(items):
        items.append("more")

    items = []
    eager.task()(grow)(items)
    assert items == ["more"]
    app.task()(grow)(items)
    jobqueue.worker.drain()
    assert items == ["more"]


def test_a_task_for_later_runs_at_its_time(eager, app, jobqueue, travel):
    def remind():
        return "reminded"

    result = eager.task()(remind).schedule(delay=3600)
    travel(3601)
    assert result() is None  # and never will be

    app.task()(remind).schedule(delay=3600)
    travel(3601)
    assert jobqueue.worker.drain().results == ["reminded"]


def test_a_retry_after_a_delay_runs(eager, app, jobqueue, travel):
    seen = []

    def flaky():
        seen.append("run")
        if len(seen) == 1:
            raise ValueError("not yet")

    eager.task(retries=1, retry_delay=60)(flaky)()
    travel(61)
    assert seen == ["run"]

    seen.clear()
    app.task(retries=1, retry_delay=60)(flaky)()
    jobqueue.worker.drain(on_error="record")
    travel(61)
    jobqueue.worker.drain()
    assert seen == ["run", "run"]


def test_a_periodic_task_runs_in_its_minute(eager, app, jobqueue, travel):
    seen = []

    def sweep():
        seen.append("swept")

    every_ten_minutes = huey.crontab(minute="*/10")
    eager.periodic_task(every_ten_minutes)(sweep)
    app.periodic_task(every_ten_minutes)(sweep)
    travel(8 * 60)
    assert [task.name for task in eager.read_periodic(None)] == ["sweep"]  # it would be its turn
    assert eager.task()(lambda: "other")()() == "other"
    assert seen == []  # and never will be

    jobqueue.worker.drain()
    assert seen == ["swept"]


def test_the_caller_goes_on_before_the_task_runs(eager, app, jobqueue):
    order = []

    def work():
        order.append("task")

    for task in (eager.task()(work), app.task()(work)):
        task()
        order.append("caller")
    jobqueue.worker.drain()
    assert order == ["task", "caller", "caller", "task"]
