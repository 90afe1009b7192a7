"""Async actors in the thread that asks: what Dramatiq's `AsyncIO` middleware runs in a thread of its own.

`dramatiq.asyncio.set_event_loop_thread` is the public place where such a thread is set. Where a loop runs
already in the asking thread, in an async test for example, a thread is lent for one coroutine. The
middleware's own is left alone, since a Ctrl-C in a coroutine ends it, and tells nobody who waits for it.
"""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

from pytest_jobqueue.adapters.running import is_in_asyncio

if TYPE_CHECKING:
    from collections.abc import Coroutine

_STEP = 0.1  # seconds in which an interrupt is noticed, as by Dramatiq's own
_CLEAN_UP = 1.0  # seconds for a coroutine to end after an interrupt, likewise


class OwnLoop:
    """What `EventLoopThread` offers, without a thread that lasts."""

    def __init__(self) -> None:
        self._idle: list[asyncio.AbstractEventLoop] = []  # an actor that runs another needs one more

    def run_coroutine(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        """Run it, and return or raise what it does."""
        loop = self._idle.pop() if self._idle else asyncio.new_event_loop()
        task = loop.create_task(coroutine)
        try:
            return _in_another_thread(loop, task) if is_in_asyncio() else _run(loop, task)
        finally:
            if not loop.is_running():
                self._idle.append(loop)

    def close(self) -> None:
        """Close the loops."""
        while self._idle:
            loop = self._idle.pop()
            loop.run_until_complete(loop.shutdown_asyncgens())
            loop.close()


def _in_another_thread(loop: asyncio.AbstractEventLoop, task: asyncio.Task[Any]) -> Any:
    found: Future[Any] = Future()
    busy = threading.Lock()  # neither a join nor a condition can be interrupted at any moment
    busy.acquire()

    def work() -> None:
        try:
            found.set_result(_run(loop, task))
        except BaseException as error:  # noqa: BLE001 (whoever waits decides)
            found.set_exception(error)
        finally:
            busy.release()

    threading.Thread(target=work, name="jobqueue-actor", daemon=True).start()
    try:
        while not busy.acquire(timeout=_STEP):
            pass
    except BaseException:
        loop.call_soon_threadsafe(task.cancel)
        busy.acquire(timeout=_CLEAN_UP)
        raise
    return found.result()


def _run(loop: asyncio.AbstractEventLoop, task: asyncio.Task[Any]) -> Any:
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


async def _steps() -> None:
    """Come back to Python every now and then, since an interrupt waits for that."""
    while True:  # noqa: ASYNC110 (what is waited for is no event)
        await asyncio.sleep(_STEP)
