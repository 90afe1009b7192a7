"""A front in a process of its own, as a service or a Go worker sees it."""

from __future__ import annotations

import gc
from contextlib import AbstractContextManager

import redis

import pytest_jobqueue
from benchmarks.remote import Remote


class Front(AbstractContextManager):
    """The object in that process.

    Args:
        mode: `fake` or `server`.
    """

    def __init__(self, mode: str) -> None:
        self._server = pytest_jobqueue.serve(mode)

    def urls(self) -> list[str]:
        """The URL that goes through the front, and the one that goes round it."""
        return [self._server.url, self._server.direct_url]

    def flush(self) -> None:
        """Empty it, whoever is connected."""
        with redis.Redis.from_url(self._server.direct_url) as client:
            client.flushall()

    def clients(self) -> int:
        """How many are connected."""
        return len(self._server.clients())

    def settle(self) -> None:
        """Let go of what nobody uses any more."""
        gc.collect()

    def __exit__(self, *_: object) -> None:
        self._server.close()


LOOPS: dict[str, tuple[str, ...]] = {"uvloop": (), "asyncio": ("uvloop",)}
"""The two event loops that a front can run on, and what must be out of reach for each."""


def front_process(mode: str, loop: str) -> Remote:
    """Start one."""
    return Remote("front:Front", without=LOOPS[loop], mode=mode)
