"""Where the service's worker leads: to our Redis while it lasts, and afterwards as before.

A worker of streaQ has one client, which works in the loop that it was opened in. The service enqueues with
it (`async with worker: await task.enqueue(…)`), and so do jobs. So it gets the client of the running loop's
life; and entering it, which it allows only once, and which coredis allows only in the task that did it
first, opens that life instead.

Not documented by streaQ: `_redis`, `_sentinel`, `_cluster`, `_initialized`, `_running`, `_lib`,
`_supports_max_count` (7.2), `_cancelled_class`; and anyio's `__asynccontextmanager__`, which it documents.
"""

from __future__ import annotations

import re
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from pytest_jobqueue.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from streaq import Worker

_OLDEST = (7, 0)
_OF_A_LIFE = (
    "_redis",
    "_sentinel",
    "_cluster",
    "_initialized",
    "_running",
    "_lib",
    "_supports_max_count",
    "_cancelled_class",
)
_NOTHING = object()


class Place:
    """The service's worker, until `restore` a part of the running loop's life.

    Args:
        worker: The service's.
        enter: Opens the life of the running loop, which then calls `lend`.

    Raises:
        UsageError: streaQ is too old.
    """

    def __init__(self, worker: Worker[Any], enter: Callable[[], Awaitable[object]]) -> None:
        _check_version()
        self._worker = worker
        self._was = {name: getattr(worker, name, _NOTHING) for name in _OF_A_LIFE}
        self._counted = dict(worker.counters)

        @asynccontextmanager
        async def entered() -> AsyncIterator[Worker[Any]]:
            await enter()
            yield worker

        # `async with` asks the worker itself for this one, so that no other worker is concerned.
        worker.__asynccontextmanager__ = _typed(entered)

    def lend(self, at_work: Worker[Any]) -> None:
        """Let the service's worker use what this one, a copy of it, has opened."""
        for name in _OF_A_LIFE:
            if hasattr(at_work, name):
                setattr(self._worker, name, getattr(at_work, name))

    def restore(self) -> None:
        """Lead where it led before."""
        del self._worker.__asynccontextmanager__
        for name, value in self._was.items():
            if value is not _NOTHING:
                setattr(self._worker, name, value)
            elif hasattr(self._worker, name):
                delattr(self._worker, name)
        self._worker.counters.clear()
        self._worker.counters.update(self._counted)


def _typed(entered: Callable[[], AbstractAsyncContextManager[Any]]) -> Any:
    return entered


def _check_version() -> None:
    installed = version("streaq")
    if tuple(int(part) for part in re.findall(r"\d+", installed)[:2]) < _OLDEST:
        raise UsageError(
            f"streaq {installed} is installed, and this adapter is for 7.0 and newer: pip install 'streaq>=7'"
        )
