"""A small service: it charges orders in the background, asks a slow bank again, and sends reminders."""

from __future__ import annotations

import datetime as dt
import os
from typing import Annotated

from taskiq import SmartRetryMiddleware, TaskiqDepends, TaskiqScheduler
from taskiq.schedule_sources import LabelScheduleSource
from taskiq_redis import ListRedisScheduleSource, RedisAsyncResultBackend, RedisStreamBroker

REDIS_URL = os.environ.get("REDIS_URL", "redis://redis:6379")

schedules = ListRedisScheduleSource(REDIS_URL)
broker = (
    RedisStreamBroker(REDIS_URL)
    .with_result_backend(RedisAsyncResultBackend(REDIS_URL, result_ex_time=3600))
    .with_middlewares(SmartRetryMiddleware(default_delay=60, schedule_source=schedules))
)
scheduler = TaskiqScheduler(broker, [schedules, LabelScheduleSource(broker)])

PAID: dict[str, int] = {}
MAILS: list[str] = []


class BankDownError(Exception):
    """The bank does not answer."""


class Bank:
    """Where the money is."""

    async def take(self, order: str, cents: int) -> None:
        """Take some of it."""
        PAID[order] = cents


@broker.task("charge", retry_on_error=True, max_retries=3)
async def charge(order: str, cents: int, bank: Annotated[Bank, TaskiqDepends(Bank)]) -> int:
    """Charge an order."""
    await bank.take(order, cents)
    return cents


@broker.task("remind")
async def remind(order: str) -> None:
    """Remind of an order that is not paid after a week."""
    if order not in PAID:
        MAILS.append(order)


@broker.task("close_books", schedule=[{"cron": "0 0 * * *", "cron_offset": "Europe/Berlin"}])
async def close_books() -> int:
    """Add up the day."""
    return sum(PAID.values())


async def place(order: str, cents: int) -> str:
    """What the web part of the service calls; returns the id of the payment."""
    payment = await charge.kiq(order, cents)
    await remind.schedule_by_time(schedules, dt.datetime.now(dt.timezone.utc) + dt.timedelta(days=7), order)
    return payment.task_id
