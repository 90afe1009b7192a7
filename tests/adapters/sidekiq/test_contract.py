"""The built-in adapter through the door that is open to everybody's."""

from __future__ import annotations

import pytest

from pytest_jobqueue import Handlers
from pytest_jobqueue.contracts import jobs
from pytest_jobqueue.contracts.adapter import AdapterContract, Names


class TestSidekiq(AdapterContract):
    names = Names("add", "keywords", "boom", "flaky", "hooked", retry_options={"retry": True})

    @pytest.fixture
    def jobqueue_app(self):
        handlers = Handlers()
        for function in (jobs.add, jobs.keywords, jobs.boom, jobs.flaky, jobs.hooked):
            handlers.register(function)
        return handlers


@pytest.mark.jobqueue(dialect="sidekiq7")
class TestSidekiq7(TestSidekiq):
    names = Names(
        "add", "keywords", "boom", "flaky", "hooked", retry_options={"retry": 3}, once_options={"retry": 0}
    )
