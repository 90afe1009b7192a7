"""What a producer may ask for, and what it is told when it may not."""

from __future__ import annotations

import datetime as dt
import time

import pytest

celery = pytest.importorskip("celery")

# Celery's result backend calls what redis-py 8 has deprecated.
pytestmark = pytest.mark.filterwarnings("ignore:Call to deprecated setex:DeprecationWarning")
from pytest_jobqueue import UsageError


def test_the_job_is_as_the_worker_will_see_it(jobqueue):
    job = jobqueue.producer.enqueue("add", (1, 2), [3])
    (pending,) = jobqueue.binding.pending()
    assert job.args == pending.args == ([1, 2], [3])
    assert job.attempts == pending.attempts == 0


def test_several_are_sent_in_order(jobqueue):
    jobs = jobqueue.producer.enqueue_many("add", [(number, 0) for number in range(3)])
    assert [job.id for job in jobs] == [job.id for job in jobqueue.binding.pending()]


def test_the_librarys_own_options(jobqueue, app):
    job = jobqueue.producer.set(task_id="chosen", priority=3, ignore_result=True, shadow="sum").enqueue(
        "add", 1, 2
    )
    assert job.id == "chosen"
    assert jobqueue.redis.llen("celery\x06\x163") == 1
    (outcome,) = jobqueue.worker.drain()
    assert outcome.result == 3
    assert outcome.job.raw.headers["shadow"] == "sum"


def test_a_countdown_is_seen_in_the_job(jobqueue):
    job = jobqueue.producer.set(countdown=60).enqueue("add", 1, 2)
    assert job.due_at == pytest.approx(time.time() + 60, abs=2)
    jobqueue.producer.enqueue_at(dt.datetime(2100, 1, 1, tzinfo=dt.timezone.utc), "add", 1, 2)
    assert len(jobqueue.binding.scheduled()) == 2


def test_stamps_are_options_too(jobqueue):
    jobqueue.producer.set(stamped_headers=["customer"], customer="ann").enqueue("add", 1, 2)
    (pending,) = jobqueue.binding.pending()
    assert pending.raw.headers["stamps"] == {"customer": "ann"}


def test_an_unknown_option(jobqueue):
    with pytest.raises(UsageError, match="apply_async has no option 'priorty'; did you mean 'priority'\\?"):
        jobqueue.producer.set(priorty=3).enqueue("add", 1, 2)
    jobqueue.assert_idle()


def test_an_unknown_task(jobqueue):
    with pytest.raises(UsageError) as caught:
        jobqueue.producer.enqueue("addd", 1, 2)
    assert str(caught.value) == (
        "no task 'addd' is registered with the Celery application 'service'; there are add, boom; did you mean "  # noqa: E501 (one message, whole)
        "'add'? A worker imports the modules in `imports`, `include` and autodiscover_tasks()."
    )


def test_the_last_part_of_a_tasks_name_is_enough_of_a_hint(jobqueue, app):
    @app.task(name="shop.orders.tasks.pay")
    def pay():
        pass

    with pytest.raises(UsageError, match="did you mean 'shop.orders.tasks.pay'"):
        jobqueue.producer.enqueue("pay")


@pytest.mark.parametrize(
    ("args", "kwargs", "message"),
    [
        ((1,), {}, "missing 1 required positional argument: 'right'"),
        ((1, 2, 3), {}, "takes 2 positional arguments but 3 were given"),
        ((1,), {"rihgt": 2}, "unexpected keyword argument 'rihgt'"),
    ],
)
def test_arguments_that_the_task_does_not_take(jobqueue, args, kwargs, message):
    with pytest.raises(TypeError, match=message):
        jobqueue.producer.enqueue("add", *args, **kwargs)
    jobqueue.assert_idle()


def test_an_argument_that_cannot_be_serialised_is_named(jobqueue):
    with pytest.raises(TypeError, match=r"argument 2 of add does not survive the serializer 'json': <object"):
        jobqueue.producer.enqueue("add", 1, object())
    with pytest.raises(TypeError, match=r"argument 'right' of add does not survive"):
        jobqueue.producer.enqueue("add", 1, right=object())
    jobqueue.assert_idle()


def test_nothing_is_sent_if_one_of_several_cannot_be(jobqueue):
    with pytest.raises(TypeError, match="argument 1 of add"):
        jobqueue.producer.enqueue_many("add", [(1, 2), (object(), 2)])
    jobqueue.assert_idle()


class TestPickle:
    @pytest.fixture
    def jobqueue_app(self, make_app):
        app = make_app(accept_content=["json", "pickle"])

        @app.task(name="kind_of", serializer="pickle")
        def kind_of(value):
            return type(value).__name__

        return app

    def test_is_used_where_the_application_accepts_it(self, jobqueue):
        job = jobqueue.producer.enqueue("kind_of", {1, 2})
        assert job.args == ({1, 2},)
        assert jobqueue.binding.pending()[0].args == ({1, 2},)
        assert jobqueue.worker.drain().results == ["set"]
