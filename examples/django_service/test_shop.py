"""The project from a request to the mail: the test's transaction is never committed, so it says when."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from django.core import mail
from shop.models import Order

if TYPE_CHECKING:
    from django.test import Client

    from pytest_jobqueue import JobQueue

pytestmark = pytest.mark.django_db


def test_an_order_is_confirmed(jobqueue: JobQueue, client: Client) -> None:
    number = int(client.post("/orders", {"customer": "ann@example.org"}).content)
    jobqueue.assert_idle()

    assert jobqueue.run_on_commit() == 1
    jobqueue.assert_enqueued("shop.tasks.confirm", number)
    jobqueue.worker.drain()

    assert Order.objects.get(pk=number).confirmed
    assert [message.to for message in mail.outbox] == [["ann@example.org"]]


@pytest.mark.jobqueue(run_on_commit=True)
def test_the_worker_can_see_to_it(jobqueue: JobQueue, client: Client) -> None:
    client.post("/orders", {"customer": "ann@example.org"})
    jobqueue.worker.drain()
    assert len(mail.outbox) == 1


def test_an_order_that_is_rolled_back_is_never_confirmed(jobqueue: JobQueue, client: Client) -> None:
    assert client.post("/orders", {"customer": "nobody"}).status_code == 400
    assert jobqueue.run_on_commit() == 0


def test_a_mail_server_that_is_down(
    jobqueue: JobQueue, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def down(*_: object) -> None:
        raise ConnectionError("no answer")

    monkeypatch.setattr("shop.tasks.send_mail", down)
    client.post("/orders", {"customer": "ann@example.org"})
    jobqueue.run_on_commit()
    jobqueue.worker.drain(on_error="record")
    jobqueue.assert_retrying("shop.tasks.confirm", error="no answer")


@pytest.mark.django_db(transaction=True)
def test_with_real_transactions_there_is_nothing_to_say(jobqueue: JobQueue, client: Client) -> None:
    client.post("/orders", {"customer": "ann@example.org"})
    jobqueue.worker.drain()
    assert len(mail.outbox) == 1
