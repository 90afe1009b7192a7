"""The service's jobs, from the call of its own code to what they leave behind."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import pytest

pytest.importorskip("saq")

import reports
import time_machine

if TYPE_CHECKING:
    from pytest_jobqueue import JobQueue


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.mark.anyio
async def test_reports_are_made_one_by_one(jobqueue: JobQueue) -> None:
    await reports.order("May", "June")
    await reports.order("May", "June")
    jobqueue.assert_enqueued("announce", months=["May", "June"], count=1)

    assert (await jobqueue.worker.adrain()).results == [["May", "June"], "May", "June"]
    assert reports.SHELF["June"] == "June: all is well"


def test_the_same_in_a_test_that_is_no_coroutine(jobqueue: JobQueue) -> None:
    jobqueue.run(reports.order("May"))
    jobqueue.worker.drain()
    assert list(reports.SHELF) == ["May"]


@pytest.mark.anyio
async def test_a_busy_database_is_asked_again(jobqueue: JobQueue, monkeypatch: pytest.MonkeyPatch) -> None:
    def busy(month: str) -> list[str]:
        raise reports.DatabaseBusyError(month)

    with time_machine.travel(dt.datetime.now(dt.timezone.utc), tick=False) as clock:
        with monkeypatch.context() as patch:
            patch.setattr(reports, "rows", busy)
            await reports.order("May")
            await jobqueue.worker.adrain(on_error="record")
        jobqueue.assert_retrying("render", month="May", error="DatabaseBusyError")

        clock.shift(60)
        assert (await jobqueue.worker.adrain()).results == ["May"]


@pytest.mark.anyio
async def test_a_bug_fails_the_test_where_it_is(jobqueue: JobQueue) -> None:
    await jobqueue.producer.aenqueue("render", year="2026")
    with pytest.raises(TypeError, match="year"):
        await jobqueue.worker.adrain()


@pytest.mark.anyio
async def test_reports_are_gone_in_the_morning(jobqueue: JobQueue) -> None:
    await reports.order("May")
    await jobqueue.worker.adrain()  # the worker has started, and knows when the night comes
    half_past_three = jobqueue.binding.next_due()
    with time_machine.travel(half_past_three):
        await jobqueue.worker.adrain()
    assert reports.SHELF == {}
