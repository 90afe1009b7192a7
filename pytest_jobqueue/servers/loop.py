"""The front's thread: one event loop on one daemon thread, and calls into it from others.

Whatever serves a socket lives in that loop and is touched there only. The loop never reads the moved clock:
asyncio and uvloop count monotonic time.
"""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

T = TypeVar("T")

_CALL_TIMEOUT = 30.0  # seconds; nothing that is called in the loop waits for a peer


def _new_loop() -> asyncio.AbstractEventLoop:
    try:
        import uvloop
    except ImportError:
        return asyncio.SelectorEventLoop()
    loop: asyncio.AbstractEventLoop = uvloop.new_event_loop()
    return loop


class LoopThread:
    """An event loop on a daemon thread.

    Args:
        name: The thread's name.
    """

    def __init__(self, name: str = "pytest-jobqueue-front") -> None:
        self._loop = _new_loop()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_forever()
        finally:
            self._loop.run_until_complete(self._loop.shutdown_asyncgens())
            self._loop.close()

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The loop, for what runs inside it."""
        return self._loop

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine in the loop and wait for what it returns; exceptions come here."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(_CALL_TIMEOUT)

    def call(self, function: Callable[[], T]) -> T:
        """Call a function in the loop's thread and wait for what it returns; exceptions come here."""
        if threading.current_thread() is self._thread:
            return function()
        done = _Call(function)
        self._loop.call_soon_threadsafe(done.run)
        result: T = done.wait()
        return result

    def close(self) -> None:
        """Stop the loop and end the thread; harmless a second time."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(_CALL_TIMEOUT)


class _Call:
    """One call that crosses threads; a lock is all it takes, and costs a fraction of a future."""

    def __init__(self, function: Callable[[], Any]) -> None:
        self._function = function
        self._done = threading.Lock()
        self._done.acquire()
        self._result: Any = None
        self._error: BaseException | None = None

    def run(self) -> None:
        try:
            self._result = self._function()
        except BaseException as error:  # noqa: BLE001 - it is raised where the call was made
            self._error = error
        finally:
            self._done.release()

    def wait(self) -> Any:
        if not self._done.acquire(timeout=_CALL_TIMEOUT):
            raise TimeoutError(f"the front's thread did not answer within {_CALL_TIMEOUT:g} s")
        if self._error is not None:
            raise self._error
        return self._result
