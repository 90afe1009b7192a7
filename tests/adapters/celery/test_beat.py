"""Periodic tasks: beat is a process of its own, and looks when it is told to."""

from __future__ import annotations

import pytest

celery = pytest.importorskip("celery")

# Celery's result backend calls what redis-py 8 has deprecated.
pytestmark = pytest.mark.filterwarnings("ignore:Call to deprecated setex:DeprecationWarning")
from celery.schedules import crontab


@pytest.fixture
def jobqueue_app(make_app):
    return make_app(
        beat_schedule={
            "often": {"task": "add", "schedule": 600.0, "args": (1, 1)},
            "at four": {"task": "add", "schedule": crontab(hour=4, minute=0), "args": (4, 0)},
        }
    )


def test_what_became_due_since_the_binding_was_made(travel, jobqueue):
    assert jobqueue.binding.beat() == 0
    travel(601)
    assert jobqueue.worker.drain() == []  # a worker is no beat
    assert jobqueue.binding.beat() == 1
    assert jobqueue.worker.drain().results == [2]
    assert jobqueue.binding.beat() == 0

    travel(3600)  # it is past four
    assert jobqueue.binding.beat() == 2
    assert sorted(jobqueue.worker.drain().results) == [2, 4]


def test_an_application_without_a_schedule(make_app, jobqueue_server):
    from pytest_jobqueue import JobQueue

    with JobQueue(make_app(), jobqueue_server) as jobqueue:
        assert jobqueue.binding.beat() == 0
