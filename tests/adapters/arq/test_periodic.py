"""Periodic jobs: they count from the binding's start, and a heart-beat enqueues them."""

from __future__ import annotations

import datetime as dt

import pytest

pytest.importorskip("arq")

from arq.cron import cron
from support.arq_service import settings

from pytest_jobqueue import JobQueue

RAN = []
UTC = dt.timezone.utc


async def report(ctx):
    RAN.append(dt.datetime.now(UTC).strftime("%H:%M"))


HOURLY = cron(report, name="report", minute=30)


@pytest.fixture
def jobqueue(travel, jobqueue_server, jobqueue_url):
    RAN.clear()
    with JobQueue(settings(cron_jobs=[HOURLY], timezone=UTC), jobqueue_server) as jobqueue:  # at 03:02:41
        yield jobqueue


def test_one_runs_when_its_time_has_come(jobqueue, travel) -> None:
    assert jobqueue.worker.drain() == []
    assert dt.datetime.fromtimestamp(jobqueue.binding.next_due(), UTC).strftime("%H:%M") == "03:30"
    travel(jobqueue.binding.next_due() - dt.datetime.now(UTC).timestamp() + 0.001)

    (outcome,) = jobqueue.worker.drain()

    assert (outcome.job.name, RAN) == ("report", ["03:30"])
    assert jobqueue.worker.drain() == []
    assert dt.datetime.fromtimestamp(jobqueue.binding.next_due(), UTC).strftime("%H:%M") == "04:30"


def test_a_tick_says_how_many_became_ready(jobqueue, travel) -> None:
    assert jobqueue.worker.tick() == 0
    travel(30 * 60)
    assert jobqueue.worker.tick() == 1
    assert jobqueue.worker.tick() == 0
    jobqueue.assert_enqueued("report")


def test_the_ones_that_were_missed_are_made_up_for(jobqueue, travel) -> None:
    """A heart-beat enqueues one of each at a time, as arq's does."""
    travel(3 * 60 * 60)
    jobqueue.worker.drain()
    assert RAN == ["06:02"] * 3


def test_the_services_own_object_keeps_no_time_of_ours(jobqueue, travel) -> None:
    travel(3 * 60 * 60)
    jobqueue.worker.drain()
    assert HOURLY.next_run is None


def test_one_can_run_at_start_up(travel, jobqueue_server, jobqueue_url) -> None:
    RAN.clear()
    app = settings(cron_jobs=[cron(report, name="report", hour=12, run_at_startup=True)])
    with JobQueue(app, jobqueue_server) as jobqueue:
        assert len(jobqueue.worker.drain()) == 1
        assert jobqueue.worker.drain() == []
    assert RAN == ["03:02"]


def test_one_can_be_enqueued_like_any_job(jobqueue) -> None:
    jobqueue.producer.enqueue("report")
    assert len(jobqueue.worker.drain()) == 1
