"""A small service: an order is paid, packed, announced, and cancelled if nobody pays in time."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from celery import Celery, chain, chord

if TYPE_CHECKING:
    from celery.result import AsyncResult

REDIS = os.environ.get("REDIS_URL", "redis://redis:6379")
app = Celery("orders", broker=REDIS, backend=REDIS)
app.conf.task_acks_late = True
app.conf.task_routes = {"orders.announce": {"queue": "mail"}}

BOOK: dict[int, str] = {}
OUTBOX: list[str] = []
PAYMENT_WITHIN = 24 * 60 * 60.0


class BankError(Exception):
    """The bank does not answer."""


def charge(order: int) -> None:
    """Ask the bank."""
    BOOK[order] = "paid"


@app.task(autoretry_for=(BankError,), retry_backoff=60, retry_jitter=False, max_retries=2)
def pay(order: int) -> int:
    """Take the money."""
    charge(order)
    return order


@app.task
def pack(item: str) -> str:
    """Put one thing into a parcel."""
    return f"parcel with {item}"


@app.task
def announce(parcels: list[str], order: int) -> None:
    """Tell the customer."""
    OUTBOX.append(f"order {order}: {', '.join(parcels)}")


@app.task
def cancel(order: int) -> None:
    """Give up an order that nobody has paid for."""
    BOOK[order] = "cancelled"


def place(order: int) -> AsyncResult[Any]:
    """What the web part calls when somebody orders; the answer can be revoked."""
    BOOK[order] = "placed"
    return cancel.apply_async((order,), countdown=PAYMENT_WITHIN)


def check_out(order: int, items: list[str], cancellation: AsyncResult[Any]) -> None:
    """What the web part calls when somebody pays."""
    cancellation.revoke()
    chain(pay.si(order), chord([pack.si(item) for item in items], announce.s(order))).apply_async()
