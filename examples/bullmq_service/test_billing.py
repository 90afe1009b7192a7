"""The service's jobs, from the call of its own code to what they leave behind."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import pytest

pytest.importorskip("bullmq")

import billing
import time_machine

if TYPE_CHECKING:
    from pytest_jobqueue import JobQueue

AMOUNTS = {"ann": 3, "bob": 4}


def test_the_total_is_sent_after_all_invoices(jobqueue: JobQueue) -> None:
    jobqueue.run(billing.close_month("May", AMOUNTS))
    jobqueue.assert_enqueued("invoice", {"customer": "ann"}, count=1)

    jobqueue.worker.drain()

    jobqueue.assert_performed("invoice", count=2)
    assert billing.SENT == ["May: 7"]


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_the_same_as_a_coroutine(jobqueue: JobQueue) -> None:
    await billing.close_month("May", AMOUNTS)
    await jobqueue.worker.adrain()
    assert billing.SENT == ["May: 7"]


def test_a_printer_that_is_out_is_tried_again(jobqueue: JobQueue, monkeypatch: pytest.MonkeyPatch) -> None:
    def out(customer: str) -> str:
        raise billing.PrinterError(customer)

    with time_machine.travel(dt.datetime.now(dt.timezone.utc)) as clock:
        with monkeypatch.context() as patch:
            patch.setattr(billing, "render", out)
            jobqueue.run(billing.close_month("May", AMOUNTS))
            jobqueue.worker.drain(on_error="record")
        jobqueue.assert_retrying("invoice", {"customer": "bob"}, error="bob")
        assert billing.SENT == []

        clock.shift(61)
        jobqueue.worker.drain()
    assert billing.SENT == ["May: 7"]


def test_a_bug_fails_the_test_where_it_is(jobqueue: JobQueue) -> None:
    jobqueue.producer.enqueue("invoice", {"customer": "ann"})
    with pytest.raises(KeyError, match="amount"):
        jobqueue.worker.drain()
