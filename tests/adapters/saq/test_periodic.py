"""Periodic jobs: the worker schedules the next run of each, and a tick makes ready what is due."""

from __future__ import annotations

import datetime as dt

import pytest

pytest.importorskip("saq")

from saq import CronJob
from support.saq_service import settings

from pytest_jobqueue import JobQueue

RAN = []
UTC = dt.timezone.utc


async def report(ctx):
    RAN.append(dt.datetime.now(UTC).strftime("%H:%M"))


@pytest.fixture
def jobqueue(travel, jobqueue_server, jobqueue_url):
    RAN.clear()
    app = settings(cron_jobs=[CronJob(report, cron="30 * * * *")])
    with JobQueue(app, jobqueue_server) as jobqueue:  # at 03:02:41
        yield jobqueue


def test_one_runs_when_its_time_has_come(jobqueue, travel) -> None:
    assert jobqueue.worker.drain() == []  # the worker starts, and schedules it
    (scheduled,) = jobqueue.binding.scheduled()
    assert (scheduled.id, scheduled.name) == ("cron:report", "report")
    assert dt.datetime.fromtimestamp(jobqueue.binding.next_due(), UTC).strftime("%H:%M") == "03:30"
    travel(28 * 60)

    (outcome,) = jobqueue.worker.drain()

    assert (outcome.job.name, RAN) == ("report", ["03:30"])
    assert dt.datetime.fromtimestamp(jobqueue.binding.next_due(), UTC).strftime("%H:%M") == "04:30"


def test_a_tick_says_how_many_became_ready(jobqueue, travel) -> None:
    assert jobqueue.worker.tick() == 0
    travel(28 * 60)
    assert jobqueue.worker.tick() == 1
    assert jobqueue.worker.tick() == 0


def test_a_time_that_was_missed_is_not_made_up_for(jobqueue, travel) -> None:
    jobqueue.worker.tick()
    travel(3 * 60 * 60)
    jobqueue.worker.drain()
    assert RAN == ["06:02"]
