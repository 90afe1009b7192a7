"""RQ's scheduler, one step at a time."""

from __future__ import annotations

import logging
import time
from datetime import datetime, timedelta, timezone

import pytest

from pytest_jobqueue.contracts import jobs

rq = pytest.importorskip("rq")

HERE = "pytest_jobqueue.contracts.jobs"


def test_a_tick_makes_ready_what_is_due_and_nothing_else(jobqueue, queue, travel):
    queue.enqueue_in(timedelta(seconds=30), jobs.add, 1, 0)
    queue.enqueue_in(timedelta(seconds=20), jobs.add, 2, 0)
    queue.enqueue_in(timedelta(seconds=90), jobs.add, 3, 0)
    assert jobqueue.worker.tick() == 0

    travel(31)

    assert jobqueue.worker.tick() == 2
    assert [job.args[0] for job in jobqueue.binding.pending()] == [2, 1]
    assert [job.args[0] for job in jobqueue.binding.scheduled()] == [3]


def test_the_next_due_job_is_named_in_whole_seconds_as_rq_keeps_them(jobqueue, queue):
    assert jobqueue.binding.next_due() is None
    when = datetime(2055, 1, 2, 3, 4, 5, 678000, tzinfo=timezone.utc)
    queue.enqueue_at(when, jobs.add, 1, 0)
    assert jobqueue.binding.next_due() == when.replace(microsecond=0).timestamp()
    assert jobqueue.producer.enqueue_at(when, f"{HERE}.add", 1, 2).due_at == jobqueue.binding.next_due()


def test_nothing_becomes_ready_without_a_tick(jobqueue, queue, travel):
    queue.enqueue_in(timedelta(seconds=30), jobs.add, 1, 0)
    travel(60)
    assert jobqueue.binding.run_next() is None
    assert len(jobqueue.binding.scheduled()) == 1
    assert jobqueue.worker.drain().results == [1]


def test_a_job_for_the_front_of_the_queue_gets_there_later(jobqueue, queue, travel):
    queue.enqueue_in(timedelta(seconds=30), jobs.add, 1, 0, at_front=True)
    queue.enqueue(jobs.add, 2, 0)
    travel(60)
    jobqueue.worker.tick()
    assert [job.args[0] for job in jobqueue.binding.pending()] == [1, 2]


def test_a_deleted_job_is_forgotten(jobqueue, queue, travel):
    queue.enqueue_in(timedelta(seconds=30), jobs.add, 1, 0).delete()
    assert jobqueue.binding.scheduled() == []
    travel(60)
    assert jobqueue.worker.drain() == []
    assert jobqueue.binding.next_due() is None


def test_the_scheduler_takes_no_lock_and_leaves_its_logger_alone(jobqueue, queue):
    logger = logging.getLogger("rq.scheduler")
    before = list(logger.handlers), logger.level
    queue.enqueue_at(datetime.now(timezone.utc), jobs.add, 1, 0)
    jobqueue.worker.drain()
    assert jobqueue.redis.keys("rq:scheduler*") == []
    assert (list(logger.handlers), logger.level) == before


def test_rqs_cron_enqueues_over_the_services_client(jobqueue, client, travel):
    cron = pytest.importorskip("rq.cron")
    scheduler = cron.CronScheduler(connection=client, logging_level="WARNING")
    scheduler.register(jobs.add, "default", args=(1, 2), interval=60)

    scheduler.enqueue_jobs()
    assert jobqueue.worker.drain().results == [3]
    scheduler.enqueue_jobs()
    assert jobqueue.worker.drain() == []
    travel(61)
    scheduler.enqueue_jobs()
    assert jobqueue.worker.drain().results == [3]
    assert time.time()
