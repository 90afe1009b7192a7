"""The service's tasks, from the call of its own code to what they leave behind."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import pytest

pytest.importorskip("taskiq_redis")

import payments
import time_machine

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_jobqueue import JobQueue


@pytest.fixture
def clock() -> Iterator[time_machine.Coordinates]:
    """A morning that a test can move on from."""
    with time_machine.travel(dt.datetime(2026, 11, 24, 9, tzinfo=dt.timezone.utc)) as clock:
        yield clock


def test_an_order_is_charged(jobqueue: JobQueue) -> None:
    jobqueue.run(payments.place("A-1", 1200))
    jobqueue.assert_enqueued("charge", "A-1", 1200, count=1)

    assert jobqueue.worker.drain().results == [1200]
    assert payments.PAID == {"A-1": 1200}


def test_a_bank_that_is_down_is_asked_again_after_a_minute(
    clock: time_machine.Coordinates, jobqueue: JobQueue
) -> None:
    class Down:
        async def take(self, *_: object) -> None:
            raise payments.BankDownError

    payments.broker.dependency_overrides[payments.Bank] = Down
    try:
        jobqueue.run(payments.place("A-1", 1200))
        jobqueue.worker.drain(on_error="record")
        jobqueue.assert_retrying("charge", "A-1", 1200, error="BankDownError")
    finally:
        payments.broker.dependency_overrides.clear()

    clock.shift(61)
    assert jobqueue.worker.drain().results == [1200]


def test_who_has_not_paid_is_reminded_after_a_week(
    clock: time_machine.Coordinates, jobqueue: JobQueue
) -> None:
    jobqueue.run(payments.place("A-1", 1200))
    jobqueue.run(payments.place("A-2", 900))
    jobqueue.worker.drain()
    del payments.PAID["A-2"]

    clock.shift(dt.timedelta(days=7))
    jobqueue.worker.drain()
    assert payments.MAILS == ["A-2"]


def test_the_books_are_closed_at_midnight_in_berlin(
    clock: time_machine.Coordinates, jobqueue: JobQueue
) -> None:
    midnight = dt.datetime(2026, 11, 24, 23, tzinfo=dt.timezone.utc)
    assert jobqueue.binding.next_due() == midnight.timestamp()
    clock.move_to(midnight)
    assert jobqueue.worker.drain().results == [0]


def test_a_bug_fails_the_test_where_it_is(jobqueue: JobQueue) -> None:
    jobqueue.producer.set(retry_on_error=False).enqueue("charge", "A-1", [])
    jobqueue.worker.drain()
    jobqueue.producer.enqueue("close_books")
    with pytest.raises(TypeError, match="unsupported operand"):
        jobqueue.worker.drain()


@pytest.mark.asyncio
async def test_the_web_part_is_awaited_in_the_tests_own_loop(jobqueue: JobQueue) -> None:
    pytest.importorskip("pytest_asyncio")
    await payments.place("A-1", 1200)
    assert (await jobqueue.worker.adrain()).results == [1200]
