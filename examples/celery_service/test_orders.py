"""The service's tasks, from the call of its own code to what they leave behind."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import pytest

pytest.importorskip("celery")

import orders
import time_machine

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_jobqueue import JobQueue

# Celery's result backend calls what redis-py 8 has deprecated.
pytestmark = pytest.mark.filterwarnings("ignore:Call to deprecated setex:DeprecationWarning")


@pytest.fixture
def clock() -> Iterator[time_machine.Coordinates]:
    with time_machine.travel(dt.datetime(2026, 11, 24, tzinfo=dt.timezone.utc)) as clock:
        yield clock


def test_an_order_is_paid_packed_and_announced(jobqueue: JobQueue) -> None:
    orders.check_out(7, ["tea", "pot"], orders.place(7))
    jobqueue.assert_enqueued("orders.pay", 7, count=1)

    jobqueue.worker.drain()

    jobqueue.assert_performed("orders.pack", "pot")
    assert orders.BOOK == {7: "paid"}
    assert orders.OUTBOX == ["order 7: parcel with tea, parcel with pot"]


def test_announcements_go_by_a_queue_of_their_own(jobqueue: JobQueue) -> None:
    orders.announce.delay(["parcel"], 7)
    jobqueue.assert_enqueued("orders.announce", ["parcel"], 7, queue="mail")


def test_an_order_that_nobody_pays_for_is_cancelled_after_a_day(
    clock: time_machine.Coordinates, jobqueue: JobQueue
) -> None:
    orders.place(7)
    assert jobqueue.worker.drain() == []

    clock.shift(orders.PAYMENT_WITHIN + 1)
    jobqueue.worker.drain()
    assert orders.BOOK == {7: "cancelled"}


def test_one_that_was_paid_is_not(clock: time_machine.Coordinates, jobqueue: JobQueue) -> None:
    orders.check_out(7, ["tea"], orders.place(7))
    jobqueue.worker.drain()

    clock.shift(orders.PAYMENT_WITHIN + 1)
    (outcome,) = jobqueue.worker.drain()
    assert (outcome.job.name, outcome.status, outcome.reason) == ("orders.cancel", "dropped", "revoked")
    assert orders.BOOK == {7: "paid"}


def test_a_bank_that_does_not_answer_is_asked_again(
    clock: time_machine.Coordinates, jobqueue: JobQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    def charge(_: int) -> None:
        raise orders.BankError

    with monkeypatch.context() as patch:
        patch.setattr(orders, "charge", charge)
        orders.pay.delay(7)
        jobqueue.worker.drain(on_error="record")
    jobqueue.assert_retrying("orders.pay", 7, error="BankError")

    clock.shift(61)
    assert jobqueue.worker.drain().results == [7]
    assert orders.BOOK == {7: "paid"}


def test_a_worker_that_dies_loses_no_order(clock: time_machine.Coordinates, jobqueue: JobQueue) -> None:
    orders.pay.delay(7)
    jobqueue.worker.abandon_next()

    clock.shift(3601)  # the visibility timeout of Celery's Redis transport is an hour
    assert jobqueue.worker.recover() == 1
    assert jobqueue.worker.drain().results == [7]
