"""What a test holds open in its event loop, closed in that loop: a client of ours, a binding's connections.

A coroutine test runs in a loop of the plugin that runs it, and that loop may be gone when a fixture is torn
down. So the closing happens at the end of the test function itself, inside its loop. What a fixture opens
with the client after that is closed when its loop is: a loop closes its asynchronous generators first, and
one of ours waits for that.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import inspect
from typing import TYPE_CHECKING, Any

from pytest_jobqueue.adapters.running import is_in_asyncio

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator

    import redis.asyncio


def client_of_test(node: Any, url: str) -> Iterator[redis.asyncio.Redis]:
    """Yield a client for the test `node`, and close it in its loop."""
    import redis.asyncio

    loops: dict[asyncio.AbstractEventLoop, AsyncGenerator[None, None]] = {}
    client = redis.asyncio.Redis.from_url(url)
    pool = client.connection_pool
    pool.connection_class = _recording(pool.connection_class, loops, client.aclose)
    with at_end_of(node, client.aclose):
        yield client
    for loop in loops:
        if not loop.is_closed() and not loop.is_running():
            loop.run_until_complete(client.aclose())


def _recording(
    kind: type[Any],
    loops: dict[asyncio.AbstractEventLoop, AsyncGenerator[None, None]],
    close: Callable[[], Awaitable[None]],
) -> type[Any]:
    """A connection class that has `close()` awaited at the end of each loop in which it connects."""

    class Recording(kind):  # type: ignore[misc]
        async def connect(self) -> None:
            loop = asyncio.get_running_loop()
            if loop not in loops:
                loops[loop] = _at_the_end(close)
                await anext(loops[loop])
            await super().connect()

    return Recording


async def _at_the_end(close: Callable[[], Awaitable[None]]) -> AsyncGenerator[None, None]:
    try:
        yield
    finally:
        await close()


@contextlib.contextmanager
def at_end_of(node: Any, close: Callable[[], Awaitable[None]]) -> Iterator[None]:
    """While this lasts, a coroutine test `node` awaits `close()` as the last thing that it does.

    Not in another loop than asyncio's, where nothing of ours can be open.
    """
    function = node.obj
    if inspect.iscoroutinefunction(function):

        @functools.wraps(function)
        async def test(*args: Any, **kwargs: Any) -> Any:
            __tracebackhide__ = True
            try:
                return await function(*args, **kwargs)
            finally:
                if is_in_asyncio():
                    await close()

        node.obj = test
    try:
        yield
    finally:
        node.obj = function
