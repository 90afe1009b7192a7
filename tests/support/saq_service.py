"""A service with SAQ as its authors would write it: one queue in a module, functions, a worker's settings."""

from __future__ import annotations

import asyncio

from saq import Queue

QUEUE = Queue.from_url("redis://:secret@no-such-host.invalid:7000/5")
CALLS = []


async def add(ctx, *, left, right):
    CALLS.append((left, right))
    return left + right


def multiply(ctx, *, left, right):
    """An ordinary function, which SAQ would send to a thread."""
    CALLS.append((left, right))
    return left * right


async def boom(ctx, *, message="boom"):
    raise ValueError(message)


async def twice(ctx, *, number):
    """Enqueue more, with the queue of the module and with that of the worker."""
    await QUEUE.enqueue("add", left=number, right=0)
    await ctx["worker"].queue.enqueue("add", left=number, right=1)


async def flaky(ctx, *, times):
    if ctx["job"].attempts <= times:
        raise ConnectionError("busy")
    return ctx["job"].attempts


async def sleep(ctx, *, seconds):
    await asyncio.sleep(seconds)


FUNCTIONS = [add, multiply, boom, twice, flaky, sleep]


def settings(**more):
    return {"queue": QUEUE, "functions": FUNCTIONS, **more}
