"""Periodic tasks: the minute that the clock is moved to, once, and none by accident."""

from __future__ import annotations

import pytest

huey = pytest.importorskip("huey")


@pytest.fixture
def hours(app):
    @app.periodic_task(huey.crontab(minute="0", hour="4"))
    def nightly():
        return "swept"

    @app.periodic_task(huey.crontab(minute="*"))
    def minutely():
        return "looked"


def test_none_runs_until_the_clock_is_moved(hours, travel, jobqueue):
    assert jobqueue.worker.tick() == 0
    assert jobqueue.worker.drain() == []


def test_each_runs_in_its_minute_and_once(hours, travel, jobqueue):
    travel(60)
    assert jobqueue.worker.drain().results == ["looked"]
    assert jobqueue.worker.drain() == []
    travel(56 * 60 + 19 + 10)  # 04:00:10
    assert sorted(jobqueue.worker.drain().results) == ["looked", "swept"]
    travel(30)
    assert jobqueue.worker.drain() == []


def test_minutes_that_were_jumped_over_are_left_out_as_after_a_stall(hours, travel, jobqueue):
    travel(24 * 60 * 60)
    assert jobqueue.worker.tick() == 1


def test_a_revoked_one_is_dropped(app, hours, travel, jobqueue):
    @app.periodic_task(huey.crontab(minute="*"))
    def other():
        """Do nothing."""

    other.revoke()
    travel(60)
    drained = jobqueue.worker.drain()
    assert sorted(outcome.status for outcome in drained) == ["dropped", "ok"]
