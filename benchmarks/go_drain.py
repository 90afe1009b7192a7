"""How fast does a Go worker drain a queue over the front's memory, against miniredis and a real server?

Worker and servers are processes of their own. The time is the Go program's, from the start of the worker to
the end of the last job.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import redis

from benchmarks import needs
from benchmarks.front import LOOPS, front_process
from benchmarks.rows import BrokenError, Effort, NotMeasuredError, Row
from benchmarks.turns import Series, in_turn, ratio

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_SOURCE = Path(__file__).parent / "miniredis"
_LONG = 300  # seconds for one load


@contextmanager
def _miniredis(program: Path) -> Iterator[str]:
    with subprocess.Popen(
        [program, "serve"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield json.loads(process.stdout.readline())["address"]
        finally:
            process.stdin.close()


def _load(program: Path, address: str, jobs: int) -> float:
    host, _, port = address.rpartition(":")
    with redis.Redis(host=host, port=int(port)) as client:
        client.flushall()
    run = subprocess.run(
        [program, "load", "-redis", address, "-jobs", str(jobs)],
        capture_output=True,
        text=True,
        timeout=_LONG,
        check=False,
    )
    if run.returncode:
        raise BrokenError(f"the Go worker on {address}: {run.stderr.strip()[-500:]}")
    measured = [json.loads(line) for line in run.stdout.splitlines() if '"measured"' in line]
    return float(measured[-1]["drain_seconds"])


def measure(effort: Effort) -> list[Row]:
    jobs = effort.of(5000)
    what = f"go-workers2 drains {jobs:,} jobs over the memory"
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        try:
            program = needs.go_program(_SOURCE, folder)
        except NotMeasuredError as error:
            return [Row(what, None, compared=str(error))]
        places = {"miniredis": stack.enter_context(_miniredis(program))}
        for loop in LOOPS:
            front = stack.enter_context(front_process("fake", loop))
            places[loop] = urlsplit(front.ask("urls")[0]).netloc
        try:
            needs.redis_server()
            real = stack.enter_context(front_process("server", "asyncio"))
            places["redis-server"] = urlsplit(real.ask("urls")[1]).netloc
        except NotMeasuredError:
            pass

        def side(address: str) -> Callable[[], float]:
            return lambda: _load(program, address, jobs)

        found = in_turn(effort.rounds, {name: side(address) for name, address in places.items()})
    results = {name: Series(seconds) for name, seconds in found.items()}
    rows = []
    for loop in LOOPS:
        best, middle = ratio(results[loop], results["miniredis"])
        each = {name: f"{name} {of.best * 1e3:,.0f} ms" for name, of in results.items() if name not in LOOPS}
        text = f"{results[loop].best * 1e3:,.0f} ms; {'; '.join(each.values())}"
        rows.append(Row(f"{what}, {loop}", best, "times miniredis", middle, bound=3, compared=text))
    return rows
