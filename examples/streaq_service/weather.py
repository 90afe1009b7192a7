"""A small service: it fetches weather reports in the background, publishes them, forgets them at night."""

from __future__ import annotations

import os
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from streaq import StreaqRetry, Worker

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


class Station:
    """What the life span gives to the tasks."""

    def __init__(self) -> None:
        self.published: dict[str, str] = {}

    async def measure(self, city: str) -> int:
        """The temperature of a city."""
        return len(city)


STATION = Station()


@asynccontextmanager
async def lifespan() -> AsyncIterator[Station]:
    yield STATION
    STATION.published.clear()


worker = Worker(os.environ.get("REDIS_URL", "redis://redis:6379"), lifespan=lifespan)


@worker.task(name="fetch", timeout=10)
async def fetch(city: str) -> tuple[str, int]:
    """Ask a station; a busy one is asked again, after longer each time."""
    try:
        return city, await worker.context.measure(city)
    except ConnectionError as error:
        raise StreaqRetry(delay=60 * fetch.context.tries) from error


@worker.task(name="publish")
async def publish(city: str, degrees: int) -> None:
    """Publish what was fetched."""
    worker.context.published[city] = f"{degrees} °C"


@worker.cron("30 3 * * *", name="forget")
async def forget() -> None:
    """Forget all reports."""
    worker.context.published.clear()


async def report(city: str) -> None:
    """What the web part of the service calls."""
    async with worker:
        await (fetch.enqueue(city) | publish)
