"""Which queues are looked at, in which order, and what does not hold up what."""

from __future__ import annotations

import datetime as dt
import time

import pytest

celery = pytest.importorskip("celery")

# Celery's result backend calls what redis-py 8 has deprecated.
pytestmark = pytest.mark.filterwarnings("ignore:Call to deprecated setex:DeprecationWarning")
from kombu import Exchange, Queue


def ran(jobqueue):
    return [outcome.job.args[0] for outcome in jobqueue.worker.drain()]


def test_task_routes_are_obeyed(jobqueue, app):
    app.conf.update(task_routes={"add": {"queue": "maths"}})
    app.tasks["add"].delay(1, 2)
    job = jobqueue.producer.enqueue("add", 3, 4)

    assert job.queue == "maths"
    assert [pending.queue for pending in jobqueue.binding.pending()] == ["maths", "maths"]
    assert jobqueue.worker.drain().results == [3, 7]


def test_the_producers_queue_wins(jobqueue):
    assert jobqueue.producer.enqueue("add", 1, 2, queue="other").queue == "other"
    assert jobqueue.worker.run_next("celery") is None
    assert jobqueue.worker.run_next("other").result == 3


class TestAnExchange:
    @pytest.fixture
    def jobqueue_app(self, make_app):
        reports = Queue("reports", Exchange("documents", type="topic"), routing_key="report.#")
        return make_app(task_queues=[Queue("celery"), reports], task_acks_late=True)

    def test_that_routes_by_topic_leads_to_its_queue(self, jobqueue, app, travel):
        send = jobqueue.producer.set(queue="reports", routing_key="report.tax")
        assert jobqueue.binding.queues() == ["celery", "reports"]
        job = send.enqueue("add", 1, 2)
        (pending,) = jobqueue.binding.pending()
        assert pending.queue == "reports"
        assert pending.id == job.id

        jobqueue.worker.abandon_next()
        assert [running.queue for running in jobqueue.binding.running()] == ["reports"]
        travel(3601)
        assert jobqueue.worker.recover() == 1
        assert [pending.queue for pending in jobqueue.binding.pending()] == ["reports"]
        assert jobqueue.worker.drain().results == [3]


class TestABroadcast:
    """Celery's worker subscribes to it, and never looks at the list on which kombu may leave a message."""

    @pytest.fixture
    def jobqueue_app(self, make_app):
        from kombu.common import Broadcast

        return make_app(
            task_queues=[Queue("celery"), Broadcast("all"), Queue("news", Exchange("news", "fanout"))]
        )

    @pytest.mark.parametrize(
        "route", [{"queue": "all"}, {"queue": "all", "exchange": "all"}, {"queue": "news"}], ids=str
    )
    def test_is_not_looked_at(self, jobqueue, jobqueue_app, route):
        jobqueue_app.conf.task_routes = {"add": route}
        jobqueue_app.tasks["add"].delay(1, 2)
        assert jobqueue.producer.enqueue("add", 3, 4).queue == route["queue"]
        jobqueue.producer.enqueue("boom", "on the queue beside it", queue="celery")

        assert jobqueue.binding.queues() == ["celery"]
        assert [job.name for job in jobqueue.binding.pending()] == ["boom"]
        assert [outcome.job.name for outcome in jobqueue.worker.drain(on_error="record")] == ["boom"]
        jobqueue.assert_idle()


def test_queues_that_another_process_publishes_to_are_found(jobqueue, make_app):
    other = make_app(broker=jobqueue.url, backend=None)
    other.send_task("add", (1, 2), queue="elsewhere")
    other.pool.force_close_all()
    assert "elsewhere" in jobqueue.binding.queues()
    assert jobqueue.worker.drain().results == [3]


def test_nobody_answers_an_inspection(jobqueue, app):
    """The answer would have to come from the thread that waits for it."""
    jobqueue.producer.enqueue("add", 1, 2)
    jobqueue.worker.drain()
    inspect = app.control.inspect(timeout=0.05)
    assert inspect.ping() is None
    assert inspect.active() is None


@pytest.mark.parametrize("what", ["revoke", "inspect"])
def test_queues_of_remote_control_are_not_among_them(jobqueue, app, what):
    app.control.broadcast(what, arguments={"task_id": "none"})
    assert jobqueue.binding.queues() == ["celery"]


@pytest.mark.jobqueue(queues=("b", "a"))
def test_only_the_queues_of_the_settings_are_looked_at(jobqueue):
    for number, queue in enumerate(("celery", "a", "b")):
        jobqueue.producer.enqueue("add", number, 0, queue=queue)
    assert jobqueue.binding.queues() == ["b", "a"]
    assert [pending.queue for pending in jobqueue.binding.pending()] == ["b", "a"]
    assert ran(jobqueue) == [2, 1]


def test_queues_take_turns(jobqueue):
    for number in range(2):
        for queue in "ab":
            jobqueue.producer.enqueue("add", f"{queue}{number}", "", queue=queue)
    order = [pending.args[0] for pending in jobqueue.binding.pending()]
    assert order == ran(jobqueue)
    assert sorted(order[:2]) == ["a0", "b0"]


def test_or_the_first_comes_first_if_the_application_says_so(make_app, jobqueue_server):
    from pytest_jobqueue import JobQueue, Settings

    jobqueue_server.reset()
    app = make_app(broker_transport_options={"queue_order_strategy": "priority"})
    with JobQueue(app, jobqueue_server, Settings(queues=("a", "b"))) as jobqueue:
        for text in ("b0", "a0", "b1", "a1"):
            jobqueue.producer.enqueue("add", text, "", queue=text[0])
        assert [pending.args[0] for pending in jobqueue.binding.pending()] == ["a0", "a1", "b0", "b1"]
        assert ran(jobqueue) == ["a0", "a1", "b0", "b1"]


def test_priorities_overtake_zero_first(jobqueue):
    for priority in (9, 3, 0, 6):
        jobqueue.producer.set(priority=priority).enqueue("add", priority, 0)
    assert [pending.args[0] for pending in jobqueue.binding.pending()] == [0, 3, 6, 9]
    assert ran(jobqueue) == [0, 3, 6, 9]


def test_many_messages_for_later_do_not_hold_up_a_ready_one(jobqueue):
    for number in range(40):
        jobqueue.producer.enqueue_in(3600 - number, "add", number, 0)
    jobqueue.producer.enqueue("add", "now", "")

    assert ran(jobqueue) == ["now"]
    assert [job.args[0] for job in jobqueue.binding.scheduled()] == list(reversed(range(40)))
    assert jobqueue.binding.next_due() == pytest.approx(time.time() + 3561, abs=5)


def test_rate_limits_are_not_kept(jobqueue, app):
    @app.task(name="seldom", rate_limit="1/h")
    def seldom():
        return "now"

    jobqueue.producer.enqueue_many("seldom", [(), ()])
    assert jobqueue.worker.drain().results == ["now", "now"]


def test_a_countdown_of_the_service_is_seen_as_well(jobqueue, app, travel):
    app.tasks["add"].apply_async((1, 2), countdown=90)
    (job,) = jobqueue.assert_scheduled("add", 1, 2, at=time.time() + 90)
    assert job.attempts == 0
    travel(91)
    assert jobqueue.worker.drain().results == [3]


def test_a_time_that_the_service_names_is_kept(jobqueue, app, travel):
    eta = dt.datetime.fromtimestamp(time.time() + 90, dt.timezone(dt.timedelta(hours=-5)))
    app.tasks["add"].apply_async((1, 2), eta=eta)
    jobqueue.assert_scheduled("add", 1, 2, at=eta.timestamp())
    assert jobqueue.worker.drain() == []
    travel(91)
    assert jobqueue.worker.drain().results == [3]


@pytest.mark.parametrize(
    "conf", [{"timezone": "Pacific/Auckland"}, {"enable_utc": False, "timezone": "Asia/Tokyo"}]
)
def test_a_local_time_zone_changes_nothing(jobqueue, app, travel, conf):
    app.conf.update(conf)
    jobqueue.producer.enqueue_in(600, "add", 1, 2)
    jobqueue.assert_scheduled("add", at=time.time() + 600)
    assert jobqueue.worker.drain() == []
    travel(601)
    assert jobqueue.worker.drain().results == [3]


class TestAKeyPrefix:
    @pytest.fixture
    def jobqueue_app(self, make_app):
        app = make_app(
            broker_transport_options={"global_keyprefix": "shop:"},
            task_acks_late=True,
            task_default_queue="main",
        )
        return app

    def test_is_obeyed_in_looking_and_running(self, jobqueue, travel):
        jobqueue.producer.enqueue("add", 1, 2)
        jobqueue.producer.enqueue("add", 3, 4, queue="other")
        assert jobqueue.redis.llen("shop:main") == 1
        assert set(jobqueue.binding.queues()) == {"main", "other"}
        assert len(jobqueue.binding.pending()) == 2

        jobqueue.worker.abandon_next()
        assert len(jobqueue.binding.running()) == 1
        travel(3601)
        assert jobqueue.worker.recover() == 1
        assert sorted(jobqueue.worker.drain().results) == [3, 7]
        assert jobqueue.binding.running() == []
