"""A worker that leads nowhere by itself, as `jobqueue_app`, and a clock that can be moved."""

from __future__ import annotations

import datetime as dt

import pytest


@pytest.fixture
def worker():
    streaq = pytest.importorskip("streaq")
    return streaq.Worker("redis://redis.invalid:7000/5")


@pytest.fixture
def jobqueue_app(worker):
    return worker


@pytest.fixture
def add(worker):
    async def add(left, right):
        return left + right

    return worker.task(add)


@pytest.fixture
def travel():
    time_machine = pytest.importorskip("time_machine")
    with time_machine.travel(dt.datetime(2026, 11, 24, 3, 2, 41, tzinfo=dt.timezone.utc), tick=True) as clock:
        yield clock.shift
