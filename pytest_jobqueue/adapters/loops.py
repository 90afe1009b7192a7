"""The synchronous face of an asynchronous adapter: one event loop of its own, as long as the binding lives.

A test that is no coroutine uses the face; a test that runs in a loop awaits the twin itself, through the `a…`
methods of producer and worker. A call of the face inside a running loop is refused, since it could only
block that loop. Whatever was opened in a loop, by the twin or by the service, is closed in that loop: by
`release` at the end of a coroutine test, at the end of a loop in which somebody acted, and by `close` in each
loop that still has something open.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, TypeVar, cast

from pytest_jobqueue.adapters.connections import Opened
from pytest_jobqueue.adapters.running import asyncio_loop, asyncio_loop_if_any
from pytest_jobqueue.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Coroutine, Sequence

    from pytest_jobqueue.adapters import AsyncBinding
    from pytest_jobqueue.job import Call, Job, Outcome

T = TypeVar("T")


class SyncFace:
    """A `Binding` that runs each method of its twin in a loop of its own.

    Args:
        twin: The asynchronous binding.
        url: The Redis that it is bound to; a pool that the service made in another test is led there too.

    Attributes:
        twin: As given.
        caps: The twin's.
    """

    def __init__(self, twin: AsyncBinding, url: str = "") -> None:
        self.twin = twin
        self.caps = twin.caps
        self._loop: asyncio.AbstractEventLoop | None = None
        self._opened = Opened(url)
        self._entered: dict[asyncio.AbstractEventLoop, AsyncGenerator[None, None]] = {}

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine in the face's loop, the library's own client for example, from a test without one.

        Raises:
            UsageError: A loop is running already.
        """
        try:
            running = asyncio_loop_if_any()
        except UsageError:
            coroutine.close()
            raise
        if running is None:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
            return self._loop.run_until_complete(coroutine)
        coroutine.close()
        raise UsageError(
            "this job library is asynchronous and a loop is running: await the method of the same name with "
            "an 'a' before it, e.g. await jobqueue.worker.adrain() or await jobqueue.producer.aenqueue(…)"
        )

    def enqueue(self, call: Call) -> Job:
        """As `AsyncBinding.enqueue`."""
        return self.run(self.twin.enqueue(call))

    def enqueue_many(self, calls: Sequence[Call]) -> list[Job]:
        """As `AsyncBinding.enqueue_many`."""
        return self.run(self.twin.enqueue_many(calls))

    def queues(self) -> Sequence[str]:
        """As `AsyncBinding.queues`."""
        return self.twin.queues()

    def pending(self, queue: str | None = None) -> Sequence[Job]:
        """As `AsyncBinding.pending`."""
        return self.twin.pending(queue)

    def scheduled(self) -> Sequence[Job]:
        """As `AsyncBinding.scheduled`."""
        return self.twin.scheduled()

    def retrying(self) -> Sequence[Job]:
        """As `AsyncBinding.retrying`."""
        return self.twin.retrying()

    def running(self) -> Sequence[Job]:
        """As `AsyncBinding.running`."""
        return self.twin.running()

    def waiting(self) -> Sequence[Job]:
        """As `AsyncBinding.waiting`."""
        return self.twin.waiting()

    def failed(self) -> Sequence[Job]:
        """As `AsyncBinding.failed`."""
        return self.twin.failed()

    def run_next(self, queue: str | None = None, *, more: bool = False) -> Outcome | None:
        """As `AsyncBinding.run_next`."""
        return self.run(self.twin.run_next(queue, more=more))

    def tick(self) -> int:
        """As `AsyncBinding.tick`."""
        return self.run(self.twin.tick())

    def next_due(self) -> float | None:
        """As `AsyncBinding.next_due`."""
        return self.twin.next_due()

    def abandon_next(self, queue: str | None = None) -> Job | None:
        """As `AsyncBinding.abandon_next`."""
        return self.run(self.twin.abandon_next(queue))

    def recover(self) -> int:
        """As `AsyncBinding.recover`."""
        return self.run(self.twin.recover())

    @property
    def requeue(self) -> Callable[[Job], None]:
        """As `Binding.requeue`, which the twin may have as a coroutine; else there is no such attribute."""
        requeue = cast("Any", self.twin).requeue
        return lambda job: self.run(requeue(job))

    @property
    def discard(self) -> Callable[[Job], None]:
        """As `Binding.discard`, likewise."""
        discard = cast("Any", self.twin).discard
        return lambda job: self.run(discard(job))

    async def enter(self) -> None:
        """Somebody acts in the running loop: what is open there is closed when it ends, whoever ends it.

        A fixture can act after its test was released. A loop closes its asynchronous generators before it is
        closed itself, so one of them waits for that.

        Raises:
            UsageError: The running loop is not one of asyncio's.
        """
        loop = asyncio_loop()
        if loop not in self._entered:
            self._entered[loop] = self._until_the_end()
            await self._entered[loop].__anext__()

    async def _until_the_end(self) -> AsyncGenerator[None, None]:
        try:
            yield
        finally:
            await self._close_here()

    async def release(self) -> None:
        """Close what is open in the running loop, the twin's and the service's; the next use opens anew."""
        await self.enter()
        await self._close_here()

    async def _close_here(self) -> None:
        try:
            await self.twin.release()
        finally:
            await self._opened.disconnect()

    def close(self) -> None:
        """Close what is open in every loop that can still run, then the face's own loop.

        Raises:
            UsageError: It is called inside a running loop, and something is open that only a loop can close.
        """
        own, self._loop = self._loop, None
        entered, self._entered = self._entered, {}
        loops = [*self._opened.loops, *([own] if own else [])]
        try:
            if loops and asyncio_loop_if_any() is not None:
                raise UsageError(
                    "the job queue is closed inside a running event loop while something is open in one: "
                    "write 'async with JobQueue(…)', or await jobqueue.release() before"
                )
            for loop in dict.fromkeys([*loops, *entered]):
                if not loop.is_closed() and asyncio_loop_if_any() is None:
                    end = entered.get(loop)
                    loop.run_until_complete(self._close_here() if end is None else end.aclose())
            if own is not None:
                own.run_until_complete(self._opened.forget())
                _end(own)
        finally:
            if own is not None:
                own.close()
            self._opened.stop()
            self.twin.restore()


def _end(loop: asyncio.AbstractEventLoop) -> None:
    """Cancel what still runs in it, as `asyncio.run` does in the end."""
    tasks = asyncio.all_tasks(loop)
    for task in tasks:
        task.cancel()
    if tasks:
        loop.run_until_complete(asyncio.wait(tasks))
    loop.run_until_complete(loop.shutdown_asyncgens())
