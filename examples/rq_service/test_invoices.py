"""The service's jobs, from the call of its own code to what they leave behind."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import pytest

pytest.importorskip("rq")

import invoices
import time_machine

if TYPE_CHECKING:
    from pytest_jobqueue import JobQueue


def test_an_invoice_is_sent_once_it_is_made(jobqueue: JobQueue) -> None:
    invoices.order(7)
    assert [job.name for job in jobqueue.binding.waiting()] == ["invoices.send"]

    jobqueue.worker.drain()

    assert invoices.OUTBOX == ["invoice 7, with kind regards"]
    jobqueue.assert_scheduled("invoices.remind", 7)


def test_an_express_order_overtakes_the_others(jobqueue: JobQueue) -> None:
    invoices.order(1)
    invoices.order(2, express=True)
    jobqueue.worker.drain()
    assert [text[:9] for text in invoices.OUTBOX] == ["invoice 2", "invoice 1"]


def test_a_mail_server_that_is_down_is_tried_again_after_a_minute(
    jobqueue: JobQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    def mail(_: str) -> None:
        raise invoices.MailServerDownError

    with time_machine.travel(dt.datetime.now(dt.timezone.utc)) as clock:
        with monkeypatch.context() as patch:
            patch.setattr(invoices, "mail", mail)
            invoices.order(7)
            jobqueue.worker.drain(on_error="record")
        jobqueue.assert_retrying("invoices.send", 7, error="MailServerDownError")

        clock.shift(61)
        jobqueue.worker.drain()
    assert invoices.OUTBOX == ["invoice 7, with kind regards"]


@pytest.mark.parametrize(("paid", "mails"), [(True, 1), (False, 2)])
def test_who_has_not_paid_is_reminded_after_two_weeks(jobqueue: JobQueue, paid: bool, mails: int) -> None:
    invoices.order(7)
    jobqueue.worker.drain()
    if paid:
        invoices.PAID.add(7)
    with time_machine.travel(dt.datetime.now(dt.timezone.utc) + dt.timedelta(days=14, seconds=1)):
        jobqueue.worker.drain()
    assert len(invoices.OUTBOX) == mails


def test_a_bug_fails_the_test_where_it_is(jobqueue: JobQueue) -> None:
    jobqueue.producer.enqueue("invoices.send", "nothing")
    with pytest.raises(AssertionError):
        jobqueue.worker.drain()
