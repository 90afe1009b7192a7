"""Which event loop is running. An asynchronous library is run on asyncio here, also one that knows trio.

What another loop makes of it would be an error of that loop's own, which names neither cause nor remedy.
"""

from __future__ import annotations

import asyncio
import sys
from typing import Any

from pytest_jobqueue.errors import UsageError


def asyncio_loop() -> asyncio.AbstractEventLoop:
    """The running loop.

    Raises:
        UsageError: It is not one of asyncio's.
    """
    loop = asyncio_loop_if_any()
    if loop is None:
        raise _only_asyncio("one that is not asyncio's")
    return loop


def asyncio_loop_if_any() -> asyncio.AbstractEventLoop | None:
    """The running loop, None where none is.

    Raises:
        UsageError: It is trio's.
    """
    if is_in_trio():
        raise _only_asyncio("trio's")
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def is_in_asyncio() -> bool:
    """Whether a loop of asyncio's is running, be it around one of trio's."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def is_in_trio() -> bool:
    """Whether a task of trio calls; asyncio may have a loop around that one."""
    trio: Any = sys.modules.get("trio")
    if trio is None:
        return False
    try:
        trio.lowlevel.current_task()
    except RuntimeError:
        return False
    return True


def _only_asyncio(whose: str) -> UsageError:
    return UsageError(
        f"this job library is run on asyncio here, and the running event loop is {whose}: let the test run "
        "on asyncio; with anyio that is a fixture anyio_backend that returns 'asyncio'"
    )
