"""Afterwards application and process are as they were."""

from __future__ import annotations

import logging
import os
import signal
from concurrent.futures import ThreadPoolExecutor

import pytest

celery = pytest.importorskip("celery")

# Celery's result backend calls what redis-py 8 has deprecated.
pytestmark = pytest.mark.filterwarnings("ignore:Call to deprecated setex:DeprecationWarning")
from celery import _state, signals
from celery.worker import state
from kombu import pools

from pytest_jobqueue import JobQueue


@pytest.fixture
def jobqueue_app(make_app):
    return make_app(
        task_always_eager=True,
        broker_transport_options={"visibility_timeout": 77},
        redis_password="theirs",
        broker_use_ssl=False,
    )


def standing(app):
    """All that a binding touches."""
    conf = app.conf
    return {
        "conf": dict(conf.table(with_defaults=True, censored=False)),
        "changes": dict(conf.changes),
        "maps": [id(mapping) for mapping in conf.maps],
        "urls": (conf.broker_url, conf.broker_read_url, conf.broker_write_url, conf.result_backend),
        "environment": {name: value for name, value in os.environ.items() if name != "PYTEST_CURRENT_TEST"},
        "current": (_state._tls.current_app, _state.default_app),
        "backend": (app._backend_cache, app._local, vars(app._local).get("backend")),
        "pools": (app._pool, app.amqp._producer_pool, list(pools.connections), list(pools.producers)),
        "limit": pools.get_limit(),
        "receivers": {name: list(getattr(signals, name).receivers) for name in signals.__all__},
        "trace": {name: vars(task).get("__trace__") for name, task in app.tasks.items()},
        "fast": app.use_fast_trace_task,
        "state": (dict(state.requests), dict(state.total_count), list(state.all_total_count)),
        "revoked": (list(state.revoked), dict(state.revoked_stamps), list(state.successful_requests)),
        "handlers": [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGALRM)],
        "logging": (list(logging.getLogger().handlers), logging.getLogger("celery").level),
        "blocks": _state.task_join_will_block(),
    }


def use(app, server):
    """Everything once: a result, a failure, an expired and a revoked job, a limit, an unknown task."""
    with JobQueue(app, server) as jobqueue:
        jobqueue.producer.enqueue("add", 1, 2)
        jobqueue.producer.enqueue("boom", "text")
        jobqueue.producer.enqueue("add", 1, 2, queue="other")
        jobqueue.producer.set(expires=-5).enqueue("add", 1, 2)
        jobqueue.producer.set(soft_time_limit=9).enqueue("add", 1, 2).raw.revoke()
        app.send_task("nobody")
        assert len(jobqueue.worker.drain(on_error="record")) == 6


def test_an_application_is_as_before(jobqueue_app, jobqueue_server):
    jobqueue_app.finalize()
    celery.current_app.main  # noqa: B018 (Celery makes its default application when it is first asked for)
    before = standing(jobqueue_app)
    use(jobqueue_app, jobqueue_server)
    jobqueue_server.reset()
    assert standing(jobqueue_app) == before


def test_its_own_connections_come_back(jobqueue_app, jobqueue_server):
    app = jobqueue_app
    backend, pool, producers = app.backend, app.pool, app.amqp.producer_pool
    use(app, jobqueue_server)
    jobqueue_server.reset()
    assert (app.backend, app.pool, app.amqp.producer_pool) == (backend, pool, producers)
    assert app.backend.connparams["host"] == "redis.invalid"


def test_it_can_be_bound_again_and_again(jobqueue_app, jobqueue_server):
    for _ in range(3):
        use(jobqueue_app, jobqueue_server)
        jobqueue_server.reset()


def test_no_connection_is_left_open(jobqueue_app, jobqueue_server):
    jobqueue_server.reset()
    use(jobqueue_app, jobqueue_server)
    jobqueue_server.reset()
    assert list(jobqueue_server.clients()) == []


def test_environment_variables_lead_to_our_redis_and_back(jobqueue_app, jobqueue_server, monkeypatch):
    for name in ("CELERY_BROKER_URL", "CELERY_BROKER_READ_URL", "CELERY_RESULT_BACKEND"):
        monkeypatch.setenv(name, "redis://of-the-environment.invalid")
    with JobQueue(jobqueue_app, jobqueue_server) as jobqueue:
        assert os.environ["CELERY_BROKER_URL"] == os.environ["CELERY_RESULT_BACKEND"] == jobqueue.url
        assert "CELERY_BROKER_WRITE_URL" not in os.environ
        result = jobqueue_app.tasks["add"].delay(1, 2)
        jobqueue.worker.drain()
        assert result.get() == 3
    assert os.environ["CELERY_BROKER_URL"] == "redis://of-the-environment.invalid"
    assert os.environ["CELERY_RESULT_BACKEND"] == "redis://of-the-environment.invalid"
    assert "CELERY_BROKER_WRITE_URL" not in os.environ


def test_a_binding_that_fails_leaves_everything_as_well(jobqueue_app, jobqueue_server):
    jobqueue_app.conf.imports = ["no_such_module_of_tasks"]
    before = standing(jobqueue_app)
    with pytest.raises(ModuleNotFoundError, match="no_such_module_of_tasks"):
        JobQueue(jobqueue_app, jobqueue_server)
    assert standing(jobqueue_app) == before


def test_two_applications_at_once_do_not_mix(make_app, jobqueue_server):
    jobqueue_server.reset()
    first, second = make_app(task_default_queue="one"), make_app(task_default_queue="two")
    with JobQueue(first, jobqueue_server) as one, JobQueue(second, jobqueue_server) as two:
        one.producer.enqueue("add", 1, 2)
        two.producer.enqueue("add", 3, 4)
        assert two.worker.run_next("two").result == 7
        assert one.worker.run_next("one").result == 3


def test_a_service_in_another_thread_uses_our_redis_too(jobqueue):
    app = jobqueue.binding.app
    with ThreadPoolExecutor(1) as threads:
        result = threads.submit(app.tasks["add"].delay, 1, 2).result()
        assert jobqueue.worker.drain().results == [3]
        assert threads.submit(result.get).result() == 3
