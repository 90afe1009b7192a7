"""What a job's function did, seen from right around it, for libraries that run coroutine functions.

The library sees the function's own result and exception. Two things are otherwise: a synchronous function is
called here and now instead of in a thread, and a KeyboardInterrupt or SystemExit goes its way as `Escaped`,
since asyncio would let it end the event loop, and everybody in it, on the spot.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pytest_jobqueue.deadline import Deadline, DeadlineExceeded

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


class Escaped(BaseException):
    """In place of what would end the event loop; its cause is the original."""


@dataclass
class Seen:
    """One call of a job's function.

    Attributes:
        result: What it returned.
        exception: What it raised.
        seconds: How long it took.
    """

    result: Any = None
    exception: BaseException | None = None
    seconds: float = 0.0


class Witness:
    """Sees the calls of the functions that it stands around.

    Args:
        key: Which job it is, from what the library gives the function first.
        limit: How many seconds a synchronous function may take, likewise; None for no limit.
    """

    def __init__(
        self, key: Callable[[Any], str], limit: Callable[[Any], float | None] = lambda _context: None
    ) -> None:
        self._key = key
        self._limit = limit
        self._seen: dict[str, Seen] = {}

    def take(self, key: str) -> Seen | None:
        """What was seen of this job since the last call; None when its function was not called."""
        return self._seen.pop(key, None)

    def struck(self, key: str) -> DeadlineExceeded | None:
        """The alarm that ended this job's function, if one did."""
        seen = self._seen.get(key)
        return seen.exception if seen and isinstance(seen.exception, DeadlineExceeded) else None

    def around(self, function: Callable[..., Any]) -> Callable[..., Awaitable[Any]]:
        """A coroutine function that calls this one."""
        call = function if inspect.iscoroutinefunction(function) else self._here(function)

        @functools.wraps(function)
        async def witnessed(context: Any, /, *args: Any, **kwargs: Any) -> Any:
            seen = self._seen[self._key(context)] = Seen()
            started = time.perf_counter()
            try:
                seen.result = await call(context, *args, **kwargs)
            except BaseException as error:
                seen.exception = error
                if isinstance(error, (KeyboardInterrupt, SystemExit)):
                    raise Escaped from error
                raise
            finally:
                seen.seconds = time.perf_counter() - started
            return seen.result

        return witnessed

    def _here(self, function: Callable[..., Any]) -> Callable[..., Awaitable[Any]]:
        async def called(context: Any, /, *args: Any, **kwargs: Any) -> Any:
            seconds = self._limit(context)
            if not seconds:
                return function(context, *args, **kwargs)
            with Deadline(seconds) as deadline:
                try:
                    return function(context, *args, **kwargs)
                except DeadlineExceeded as error:
                    if error.deadline is not deadline:
                        raise
                    raise asyncio.TimeoutError from None

        return called
