"""Celery through the door that is open to every adapter."""

from __future__ import annotations

import pytest

from pytest_jobqueue.contracts import jobs
from pytest_jobqueue.contracts.adapter import AdapterContract, Names

celery = pytest.importorskip("celery")

# Celery's result backend calls what redis-py 8 has deprecated.
pytestmark = pytest.mark.filterwarnings("ignore:Call to deprecated setex:DeprecationWarning")


class TestCelery(AdapterContract):
    names = Names("add", "keywords", "boom", "flaky", "hooked", queue="celery")
    url = "redis://redis.invalid/3"

    @pytest.fixture
    def jobqueue_app(self):
        app = celery.Celery("service", broker=self.url, backend=self.url, set_as_current=False)
        app.conf.task_acks_late = True
        for function in (jobs.add, jobs.keywords, jobs.boom, jobs.hooked):
            app.task(name=function.__name__, shared=False)(function)
        app.task(name="flaky", shared=False, autoretry_for=(ValueError,), default_retry_delay=60)(jobs.flaky)
        return app
