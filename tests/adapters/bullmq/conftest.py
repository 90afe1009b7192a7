"""A service of two queues as `jobqueue_app`, and a clock that can be moved."""

from __future__ import annotations

import datetime as dt

import pytest


class Service:
    """What its processors do, by the job's name, and what they did."""

    def __init__(self):
        self.calls = []
        self.handlers = {"add": self.add, "boom": self.boom}
        self.events = []

    async def process(self, job, token):
        self.calls.append((job.name, job.data))
        return await self.handlers[job.name](job, token)

    async def add(self, job, token):
        return sum(job.data)

    async def boom(self, job, token):
        raise ValueError(job.data)


@pytest.fixture
def service():
    return Service()


@pytest.fixture
def jobqueue_app(service):
    pytest.importorskip("bullmq")
    return [{"queue": name, "processor": service.process} for name in ("first", "second")]


@pytest.fixture
def travel():
    time_machine = pytest.importorskip("time_machine")
    with time_machine.travel(dt.datetime(2026, 11, 24, 3, 2, 41, tzinfo=dt.timezone.utc), tick=True) as clock:
        yield clock.shift


@pytest.fixture
def queue(jobqueue):
    """The service's own queue, made after the test's Redis is known."""
    bullmq = pytest.importorskip("bullmq")

    async def make():
        return bullmq.Queue("first", {"connection": jobqueue.url})

    made = jobqueue.run(make())
    yield made
    jobqueue.run(made.close())
