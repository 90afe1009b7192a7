"""The service's worker leads to our Redis while it lasts, in whichever loop it is used; afterwards as before.

The service enqueues with its worker, within `async with worker`, and so do jobs, in theirs. A worker of
streaQ can be entered once, and has one client, which works in one loop; here the service and the worker
process are one process, with a loop or several. So entering it starts what works in the running loop, and
its client is the one of that loop: for whoever has entered it there, and for jobs.

Not documented by streaQ: `_redis`, `_lib`, `_initialized`, `_running`; anyio documents
`__asynccontextmanager__`.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from streaq import StreaqError

from pytest_jobqueue.adapters.running import asyncio_loop, asyncio_loop_if_any

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

    from streaq import Worker

_OURS = ("_redis", "_lib", "_initialized", "_running")
_NOTHING = object()
_INSIDE: ContextVar[bool] = ContextVar("_INSIDE", default=False)


@contextmanager
def inside() -> Iterator[None]:
    """What is done, and what tasks are started, in this block needs not have entered the worker."""
    token = _INSIDE.set(True)
    try:
        yield
    finally:
        _INSIDE.reset(token)


class Place:
    """The service's worker, until `restore` one that works in the running loop.

    Args:
        worker: The service's.
        enter: Starts what works in the running loop, unless it has been, and gives that.
    """

    def __init__(self, worker: Worker[Any], enter: Callable[[], Awaitable[Worker[Any]]]) -> None:
        self._worker: Any = worker
        self._was = {name: getattr(worker, name, _NOTHING) for name in _OURS}
        self._counted = Counter(worker.counters)
        self._at_work: WeakKeyDictionary[asyncio.AbstractEventLoop, Worker[Any]] = WeakKeyDictionary()
        self._entered: WeakKeyDictionary[asyncio.AbstractEventLoop, int] = WeakKeyDictionary()

        @asynccontextmanager
        async def entered() -> AsyncIterator[Worker[Any]]:
            loop = asyncio_loop()
            await enter()
            self._entered[loop] = self._entered.get(loop, 0) + 1
            try:
                yield worker
            finally:
                self._entered[loop] -= 1

        # `async with` asks the worker itself for these, so that no other worker is concerned.
        self._worker.__asynccontextmanager__ = entered
        self._worker._redis = _Here(lambda: self._here()._redis)  # noqa: SLF001 (see the head)
        self._worker._lib = _Here(lambda: self._here()._lib)  # noqa: SLF001
        self._worker._initialized = self._worker._running = True  # noqa: SLF001

    def lend(self, at_work: Worker[Any]) -> None:
        """In the running loop, this copy of the worker is at work."""
        self._at_work[asyncio.get_running_loop()] = at_work

    def _here(self) -> Any:
        loop = asyncio_loop_if_any()
        if loop is None or loop not in self._at_work or not (_INSIDE.get() or self._entered.get(loop)):
            # As streaQ has it, of a worker that was never entered.
            raise StreaqError("Worker not initialized, use the async context manager!")
        return self._at_work[loop]

    def restore(self) -> None:
        """Lead where it led before."""
        del self._worker.__asynccontextmanager__
        for name, value in self._was.items():
            if value is _NOTHING:
                delattr(self._worker, name)
            else:
                setattr(self._worker, name, value)
        self._worker.counters.clear()
        self._worker.counters.update(self._counted)


class _Here:
    """What stands for something of which each loop has its own."""

    def __init__(self, find: Callable[[], Any]) -> None:
        self._find = find

    def __getattr__(self, name: str) -> Any:
        return getattr(self._find(), name)
