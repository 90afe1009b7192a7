"""A service with arq as its authors would write it: settings, functions, a pool that it keeps for ever."""

from __future__ import annotations

import asyncio

from arq import Retry, create_pool
from arq.connections import RedisSettings
from arq.worker import func

SETTINGS = RedisSettings(host="no-such-host.invalid", port=7000, database=5, password="secret")


class Service:
    """What it did, and its pool; in a module, where every test finds the same."""

    def __init__(self):
        self.calls = []
        self.pool = None

    async def enqueue(self, name, *args, **kwargs):
        if self.pool is None:
            self.pool = await create_pool(SETTINGS)
        return await self.pool.enqueue_job(name, *args, **kwargs)


SERVICE = Service()


async def add(ctx, left, right):
    SERVICE.calls.append(("add", left, right))
    return left + right


async def boom(ctx, message="boom"):
    raise ValueError(message)


async def twice(ctx, number):
    """Enqueue more, with the worker's pool and with the service's own."""
    await ctx["redis"].enqueue_job("add", number, 0)
    await SERVICE.enqueue("add", number, 1)


async def flaky(ctx, times):
    """Ask to be run again, later each time, because of an error."""
    if ctx["job_try"] <= times:
        raise Retry(defer=ctx["job_try"] * 5) from ConnectionError("busy")
    return ctx["job_try"]


async def not_yet(ctx):
    """Ask to be run again for no error."""
    if ctx["job_try"] == 1:
        raise Retry(defer=30)
    return "now"


async def sleep(ctx, seconds):
    await asyncio.sleep(seconds)


FUNCTIONS = [add, boom, twice, flaky, not_yet, func(sleep, timeout=0.05)]


def settings(**more):
    return {"functions": FUNCTIONS, "redis_settings": SETTINGS, **more}
