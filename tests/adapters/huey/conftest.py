"""A Huey that leads nowhere by itself, as `jobqueue_app`, and a clock that can be moved."""

from __future__ import annotations

import datetime as dt

import pytest


@pytest.fixture
def app():
    huey = pytest.importorskip("huey")
    return huey.RedisHuey("service", host="redis.invalid")


@pytest.fixture
def jobqueue_app(app):
    return app


@pytest.fixture
def travel():
    time_machine = pytest.importorskip("time_machine")
    with time_machine.travel(dt.datetime(2026, 11, 24, 3, 2, 41, tzinfo=dt.timezone.utc), tick=True) as clock:
        yield clock.shift
