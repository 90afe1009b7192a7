"""The memory and a real server, side by side, for the same commands."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from support.tools import need, without
from support.wire import TreeWire

import pytest_jobqueue

if TYPE_CHECKING:
    from collections.abc import Iterator

COMPARED = "7.0."  # the series whose replies these tests hold against the memory


@dataclass(frozen=True)
class Pair:
    """The two servers, and the port of each."""

    fake: pytest_jobqueue.Server
    real: pytest_jobqueue.Server

    @property
    def ports(self) -> tuple[int, int]:
        # The real server is asked directly: its front only passes bytes on, and is tested elsewhere.
        return self.fake.port, int(self.real.direct_url.rpartition(":")[2].partition("/")[0])


@pytest.fixture(scope="session")
def pair() -> Iterator[Pair]:
    need("server")
    with ExitStack() as stack:
        real = stack.enter_context(pytest_jobqueue.serve("server"))
        if not real.version.startswith(COMPARED):
            without("server", f"replies are compared with Redis {COMPARED}x, this is {real.version}")
        yield Pair(stack.enter_context(pytest_jobqueue.serve("fake", version=real.version)), real)


@pytest.fixture
def fresh(pair) -> Iterator[Pair]:
    """Both servers as new."""
    pair.fake.reset()
    for port in pair.ports[1:]:
        wire = TreeWire(port)
        for command in ("FLUSHALL", "SCRIPT FLUSH", "FUNCTION FLUSH", "CONFIG RESETSTAT", "SLOWLOG RESET"):
            assert wire.ask(*command.split()).mark == "+"
        wire.close()
    return pair
