"""Async actors in the thread that asks: what Dramatiq's `AsyncIO` middleware runs in a thread of its own.

`dramatiq.asyncio.set_event_loop_thread` is the public place where such a thread is set. Where a loop runs
already in the asking thread, in an async test for example, the middleware's own thread does it after all.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from dramatiq.asyncio import EventLoopThread

_STEP = 0.1  # seconds in which an interrupt is noticed, as by Dramatiq's own
_CLEAN_UP = 1.0  # seconds for a coroutine to end after an interrupt, likewise


class OwnLoop:
    """What `EventLoopThread` offers, without a thread.

    Args:
        theirs: The middleware's own.
    """

    def __init__(self, theirs: EventLoopThread) -> None:
        self.theirs = theirs
        self._loop: asyncio.AbstractEventLoop | None = None

    def run_coroutine(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        """Run it here, and return or raise what it does."""
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return self._run_here(coroutine)
        return self.theirs.run_coroutine(coroutine)

    def _run_here(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        if self._loop is None:
            self._loop = asyncio.new_event_loop()
        loop = self._loop
        task = loop.create_task(coroutine)
        steps = loop.create_task(_steps())
        try:
            loop.run_until_complete(asyncio.wait({task, steps}, return_when=asyncio.FIRST_COMPLETED))
            if not task.done():
                steps.result()  # the interrupt struck between two steps of the coroutine
            return task.result()
        finally:
            for left in (steps, task):
                if not left.done():
                    left.cancel()
            loop.run_until_complete(asyncio.wait({task, steps}, timeout=_CLEAN_UP))
            for ended in (steps, task):
                if ended.done() and not ended.cancelled():
                    ended.exception()  # it is told elsewhere; asyncio need not complain

    def close(self) -> None:
        """Close the loop."""
        if self._loop is not None:
            self._loop.run_until_complete(self._loop.shutdown_asyncgens())
            self._loop.close()
            self._loop = None


async def _steps() -> None:
    """Come back to Python every now and then, since an interrupt waits for that."""
    while True:  # noqa: ASYNC110 (what is waited for is no event)
        await asyncio.sleep(_STEP)
