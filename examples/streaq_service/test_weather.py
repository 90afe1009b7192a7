"""The service's tasks, from the call of its own code to what they leave behind."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import pytest

pytest.importorskip("streaq")

import time_machine
import weather

if TYPE_CHECKING:
    from pytest_jobqueue import JobQueue


def test_a_report_is_fetched_and_then_published(jobqueue: JobQueue) -> None:
    jobqueue.run(weather.report("Oslo"))
    jobqueue.assert_enqueued("fetch", "Oslo", count=1)

    jobqueue.worker.drain()

    assert weather.STATION.published == {"Oslo": "4 °C"}


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_the_same_as_a_coroutine(jobqueue: JobQueue) -> None:
    await weather.report("Oslo")
    await jobqueue.worker.adrain()
    assert weather.STATION.published == {"Oslo": "4 °C"}


def test_a_station_that_is_busy_is_asked_again_after_a_minute(
    jobqueue: JobQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def measure(city: str) -> int:
        raise ConnectionError(city)

    with time_machine.travel(dt.datetime.now(dt.timezone.utc)) as clock:
        with monkeypatch.context() as patch:
            patch.setattr(weather.STATION, "measure", measure)
            jobqueue.run(weather.report("Oslo"))
            jobqueue.worker.drain(on_error="record")
        jobqueue.assert_retrying("fetch", "Oslo", error="ConnectionError")

        clock.shift(61)
        assert len(jobqueue.worker.drain().ok) == 2


def test_a_bug_fails_the_test_where_it_is(jobqueue: JobQueue) -> None:
    jobqueue.producer.enqueue("fetch", None)
    with pytest.raises(TypeError, match="NoneType"):
        jobqueue.worker.drain()


def test_reports_are_forgotten_at_half_past_three(jobqueue: JobQueue) -> None:
    jobqueue.run(weather.report("Oslo"))
    jobqueue.worker.drain()
    # A crontab of streaQ is in UTC unless the worker has another tz.
    with time_machine.travel(dt.datetime.fromtimestamp(jobqueue.binding.next_due() or 0, dt.timezone.utc)):
        jobqueue.worker.drain()
    assert weather.STATION.published == {}
