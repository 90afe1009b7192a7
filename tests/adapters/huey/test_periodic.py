"""Periodic tasks: the minute that the clock is moved to, once, and none by accident."""

from __future__ import annotations

import datetime as dt
import inspect
import threading
import time
from zoneinfo import ZoneInfo

import pytest

huey = pytest.importorskip("huey")
consumer = pytest.importorskip("huey.consumer")


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


@pytest.fixture
def tokyo(monkeypatch):
    """A machine in Tokyo: nine hours ahead of UTC, all year."""
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


class TestTheHour:
    @pytest.fixture(params=[True, False], ids=["utc", "local"])
    def app(self, request):
        return huey.RedisHuey("service", host="redis.invalid", utc=request.param)

    @pytest.fixture
    def nightly(self, app):
        app.periodic_task(huey.crontab(minute="0", hour="4"), name="nightly")(lambda: "swept")

    @pytest.fixture
    def scheduler(self, app):
        """Huey's own, of a consumer."""
        options = {"interval": 1, "periodic": True}
        if "stop_flag" in inspect.signature(consumer.Scheduler).parameters:  # Huey 3
            options["stop_flag"] = threading.Event()
        return consumer.Scheduler(app, **options)

    def test_is_that_of_hueys_own_scheduler(self, app, nightly, scheduler, tokyo, jobqueue):
        time_machine = pytest.importorskip("time_machine")
        midnight = dt.datetime(2026, 11, 24, tzinfo=dt.timezone.utc).timestamp()
        here, there = [], []
        with time_machine.travel(midnight, tick=True) as clock:  # a number leaves the time zone alone
            for hour in range(24):
                clock.move_to(midnight + hour * 3600)
                here += [hour for _ in jobqueue.worker.drain()]
                scheduler.enqueue_periodic_tasks(None)
                there += [hour for _ in app.pending()]
                app.storage.flush_queue()
        assert here == there == [4 if app.utc else 19]

    def test_in_local_time_is_that_of_the_place_that_time_machine_travels_to(self, app, nightly, jobqueue):
        time_machine = pytest.importorskip("time_machine")
        found = []
        for place in ("UTC", "Asia/Tokyo"):
            with time_machine.travel(dt.datetime(2026, 11, 24, 4, 0, 5, tzinfo=ZoneInfo(place))):
                found += [place for _ in jobqueue.worker.drain()]
        assert found == (["UTC"] if app.utc else ["UTC", "Asia/Tokyo"])
