"""What does an upstream front without a hook add to a round trip of redis-py?

Twice: with the front in the client's own process, where both share the interpreter's lock, as a test has it;
and in another process, as a service has it that the test started. Beside them a pump in C, socat, where it is
installed: what no pump gets far below, since on every round trip it is woken twice.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import time
from contextlib import AbstractContextManager, ExitStack
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import redis

import pytest_jobqueue
from benchmarks import needs
from benchmarks.front import LOOPS, front_process
from benchmarks.remote import Remote
from benchmarks.rows import Effort, NotMeasuredError, Row
from benchmarks.turns import in_turn, ratio, series

if TYPE_CHECKING:
    from collections.abc import Callable

_PEER = "socat"
_TURNS = 30  # within one round, through the front and round it


class Trips(AbstractContextManager):
    """Round trips through a front and round it.

    Args:
        urls: Both URLs of a front that runs elsewhere; without, one is started here.
    """

    def __init__(self, urls: list[str] | None = None) -> None:
        self._stack = ExitStack()
        if urls is None:
            server = self._stack.enter_context(pytest_jobqueue.serve("server"))
            urls = [server.url, server.direct_url]
        self._clients = [self._stack.enter_context(redis.Redis.from_url(url)) for url in urls]

    def round(self, count: int) -> dict[str, float]:
        """Microseconds for one round trip, each way, in the best of some turns."""
        each = max(1, count // _TURNS)
        spent: tuple[list[float], list[float]] = ([], [])
        for turn in range(_TURNS):
            for way in (0, 1) if turn % 2 else (1, 0):
                spent[way].append(self._go(self._clients[way], each))
        through, direct = (min(seconds) / each * 1e6 for seconds in spent)
        return {"through": through, "direct": direct}

    @staticmethod
    def _go(client: redis.Redis, count: int) -> float:
        started = time.perf_counter()
        for _ in range(count):
            client.get("key")
        return time.perf_counter() - started

    def __exit__(self, *_: object) -> None:
        self._stack.close()


class Socat(AbstractContextManager["Socat"]):
    """A running socat.

    Attributes:
        url: What leads through it.
    """

    def __init__(self, url: str) -> None:
        binary = shutil.which("socat")
        if binary is None:
            raise NotMeasuredError("socat is not installed")
        ends = "TCP-LISTEN:0,bind=127.0.0.1,fork,nodelay", f"TCP:{urlsplit(url).netloc},nodelay"
        self._process = subprocess.Popen([binary, "-d", "-d", *ends], stderr=subprocess.PIPE, text=True)
        assert self._process.stderr is not None
        for line in self._process.stderr:
            if listening := re.search(r"listening on .*:(\d+)$", line):
                self.url = f"redis://127.0.0.1:{listening[1]}/0"
                return
        raise NotMeasuredError("socat does not listen")

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()


def measure(effort: Effort) -> list[Row]:
    what = "a round trip through an upstream front"
    try:
        needs.redis_server()
    except NotMeasuredError as error:
        return [Row(what, None, compared=str(error))]
    count = effort.of(3000, least=_TURNS)
    with ExitStack() as stack:

        def side(trips: Remote) -> Callable[[], Any]:
            return lambda: trips.ask("round", count=count)

        sides = {}
        for loop, without in LOOPS.items():
            sides[f"same process, {loop}"] = side(
                stack.enter_context(Remote("round_trip:Trips", without=without))
            )
            urls = stack.enter_context(front_process("server", loop)).ask("urls")
            sides[f"another process, {loop}"] = side(
                stack.enter_context(Remote("round_trip:Trips", urls=urls))
            )
        peer = "not measured"
        try:
            direct = stack.enter_context(pytest_jobqueue.serve("server")).direct_url
            pump = stack.enter_context(Socat(direct))
            sides[_PEER] = side(stack.enter_context(Remote("round_trip:Trips", urls=[pump.url, direct])))
        except NotMeasuredError as error:
            peer = str(error)
        results = in_turn(effort.rounds, sides)
    if _PEER in results:
        found = results.pop(_PEER)
        peer = f"{ratio(series(found, 'through'), series(found, 'direct'))[0]:.2f} times"
    rows = []
    for name, found in results.items():
        through, direct = series(found, "through"), series(found, "direct")
        best, middle = ratio(through, direct)
        text = f"{through.best:.0f} us; direct {direct.best:.0f} us; socat, a pump in C: {peer}"
        rows.append(Row(f"{what}, {name}", best, "times direct", middle, bound=1.6, compared=text))
    return rows
