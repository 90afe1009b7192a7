"""A small service: it makes reports in the background, retries a busy database, and cleans up at night."""

from __future__ import annotations

import os
from typing import Any

from saq import CronJob, Queue

queue = Queue.from_url(os.environ.get("REDIS_URL", "redis://redis:6379"))

SHELF: dict[str, str] = {}


class DatabaseBusyError(Exception):
    """Too many others ask."""


def rows(month: str) -> list[str]:
    """Ask the database."""
    return [f"{month}: all is well"]


def render(ctx: dict[str, Any], *, month: str) -> str:  # noqa: ARG001 (SAQ gives it)
    """An ordinary function; SAQ sends it to a thread, and in a test it runs in the test's own."""
    SHELF[month] = "\n".join(rows(month))
    return month


async def announce(ctx: dict[str, Any], *, months: list[str]) -> list[str]:  # noqa: ARG001
    """Have all reports made, each by a job of its own."""
    for month in months:
        await queue.enqueue("render", month=month, retries=3, retry_delay=60)
    return months


async def clean_up(ctx: dict[str, Any]) -> None:  # noqa: ARG001
    """Forget all reports."""
    SHELF.clear()


settings = {
    "queue": queue,
    "functions": [render, announce],
    "cron_jobs": [CronJob(clean_up, cron="30 3 * * *")],
}


async def order(*months: str) -> None:
    """What the web part of the service calls; twice for the same months is once."""
    await queue.enqueue("announce", months=list(months), key=f"announce:{','.join(months)}")
