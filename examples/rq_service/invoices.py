"""A small service: it sends invoices in the background, tries a slow mail server again, and reminds later."""

from __future__ import annotations

import os
from datetime import timedelta

import redis
import rq

connection = redis.Redis.from_url(os.environ.get("REDIS_URL", "redis://redis:6379"))
urgent = rq.Queue("urgent", connection=connection)
default = rq.Queue("default", connection=connection)
queues = [urgent, default]  # rq worker urgent default

OUTBOX: list[str] = []
PAID: set[int] = set()


class MailServerDownError(Exception):
    """The mail server does not answer."""


def mail(text: str) -> None:
    """Send a mail."""
    OUTBOX.append(text)


def render(number: int) -> str:
    """Make the invoice."""
    return f"invoice {number}"


def send(number: int) -> None:
    """Send the invoice that `render` made."""
    job = rq.get_current_job()
    assert job is not None
    assert job.dependency is not None
    mail(f"{job.dependency.return_value()}, with kind regards")
    default.enqueue_in(timedelta(days=14), remind, number)


def remind(number: int) -> None:
    """Ask for the money, unless it has come."""
    if number not in PAID:
        mail(f"invoice {number} has not been paid")


def order(number: int, *, express: bool = False) -> None:
    """What the web part of the service calls."""
    queue = urgent if express else default
    rendered = queue.enqueue(render, number)
    queue.enqueue(send, number, depends_on=rendered, retry=rq.Retry(max=2, interval=60))
