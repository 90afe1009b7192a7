"""Applications that cannot be bound, and those that look as if they could not."""

from __future__ import annotations

import pytest

celery = pytest.importorskip("celery")

# Celery's result backend calls what redis-py 8 has deprecated.
pytestmark = pytest.mark.filterwarnings("ignore:Call to deprecated setex:DeprecationWarning")
from pytest_jobqueue import JobQueue, Settings, UsageError
from pytest_jobqueue.adapters.celery import bind


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("amqp://ann:secret@rabbit.invalid//", "amqp://ann:**@rabbit.invalid//"),
        ("pyamqp://rabbit.invalid", "pyamqp://rabbit.invalid"),
        ("sqs://", "sqs://"),
        ("sqla+postgresql://db.invalid/jobs", "sqla+postgresql://db.invalid/jobs"),
        ("redis://redis.invalid;amqp://rabbit.invalid", "amqp://rabbit.invalid"),
        (["redis://redis.invalid", "amqp://rabbit.invalid"], "amqp://rabbit.invalid"),
    ],
)
def test_a_broker_that_is_not_redis(make_app, url, shown):
    with pytest.raises(UsageError) as caught:
        bind(make_app(broker=url), "redis://127.0.0.1:1", Settings())
    assert str(caught.value) == (
        f"the Celery application 'service' has broker_url={shown!r}, and this adapter is for Redis: give it a "  # noqa: E501 (one message, whole)
        "redis:// URL for these tests (jobqueue_app), or test it on its own broker"
    )


def test_a_broker_for_reading_that_is_not_redis(make_app):
    app = make_app(broker_read_url="amqp://rabbit.invalid")
    with pytest.raises(UsageError, match="broker_read_url='amqp://rabbit.invalid'"):
        bind(app, "redis://127.0.0.1:1", Settings())


def test_a_broker_that_the_environment_names(make_app, monkeypatch):
    monkeypatch.setenv("CELERY_BROKER_URL", "amqp://rabbit.invalid")
    with pytest.raises(UsageError, match="broker_url='amqp://rabbit.invalid'"):
        bind(make_app(), "redis://127.0.0.1:1", Settings())


@pytest.mark.parametrize(
    "conf",
    [
        {"broker": None},
        {"broker": "memory://", "backend": "redis"},
        {"broker": "rediss://redis.invalid?ssl_cert_reqs=none", "broker_use_ssl": {"ssl_cert_reqs": None}},
        {"broker": "sentinel://one.invalid;sentinel://two.invalid", "backend": "sentinel://one.invalid"},
        {"broker": "redis+socket:///no/such/socket", "backend": "redis+socket:///no/such/socket"},
        {"broker": "redis://a.invalid;redis://b.invalid", "broker_user": "ann", "broker_password": "secret"},
        {"broker": "redis", "broker_transport": "redis"},
        {"backend": "celery.backends.redis:RedisBackend+redis://redis.invalid"},
        {"redis_backend_use_ssl": {"ssl_cert_reqs": "required"}, "redis_username": "ann"},
        {"broker_pool_limit": None},
        {"result_backend_thread_safe": True},
    ],
    ids=str,
)
def test_applications_that_lead_to_ours_all_the_same(make_app, jobqueue_server, conf):
    jobqueue_server.reset()
    app = make_app(**conf)
    with JobQueue(app, jobqueue_server) as jobqueue:
        job = jobqueue.producer.enqueue("add", 1, 2)
        assert jobqueue.worker.drain().results == [3]
        assert jobqueue.binding.caps.results
        assert job.raw.get() == 3


def test_the_command_line_names_an_application(pytester):
    pytester.makepyfile(
        service="""
        import celery

        app = celery.Celery("service", broker="redis://redis.invalid", include=["service_tasks"])
        """,
        service_tasks="""
        from celery import shared_task


        @shared_task
        def double(number):
            return 2 * number
        """,
        test_service="""
        def test_it(jobqueue):
            from service_tasks import double

            double.delay(4)
            jobqueue.producer.enqueue("service_tasks.double", 5)
            assert jobqueue.worker.drain().results == [8, 10]
        """,
    )
    options = ("-p", "no:cacheprovider", "--redis=fake", "-o", "pythonpath=.")
    result = pytester.runpytest_subprocess(*options, "--jobqueue-app=service:app")
    result.assert_outcomes(passed=1)


def test_a_module_of_tasks_that_cannot_be_imported(make_app):
    with pytest.raises(ModuleNotFoundError, match="no_such_tasks"):
        bind(make_app(include=["no_such_tasks"]), "redis://127.0.0.1:1", Settings())
