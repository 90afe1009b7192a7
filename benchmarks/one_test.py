"""What does a test pay that takes `jobqueue`, enqueues, drains and asserts one job?

Real pytest runs of a generated file, in which empty tests and tests that use the fixture take turns; each is
timed around its whole protocol, so that set-up, clean-up and reporting are in it, and what the first one pays
for the session is not.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks import needs
from benchmarks.rows import BrokenError, Effort, NotMeasuredError, Row
from benchmarks.turns import in_turn, series

if TYPE_CHECKING:
    from collections.abc import Mapping

_CONFTEST = """
import json, pathlib, time, pytest

WALL, CPU = {"empty": [], "full": []}, {"empty": [], "full": []}

@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item):
    wall, cpu = time.perf_counter(), time.process_time()
    result = yield
    kind = item.name.split("_")[1].partition("[")[0]
    WALL[kind].append(time.perf_counter() - wall)
    CPU[kind].append(time.process_time() - cpu)
    return result

def pytest_sessionfinish(session):
    pathlib.Path("measured.json").write_text(json.dumps([WALL, CPU]))
"""

_OURS = """
import pytest

@pytest.fixture(scope="session")
def jobqueue_app():
    return {"Add": lambda a, b: a + b}
"""

_BODIES = {
    "jobqueue": (
        "def test_full_{n}(jobqueue):\n"
        "    jobqueue.producer.enqueue('Add', 2, {n})\n"
        "    jobqueue.worker.drain()\n"
        "    jobqueue.assert_performed('Add', 2, {n})\n"
    ),
    "pytest-redis": (
        "def test_full_{n}(redisdb):\n"
        "    redisdb.set('key', '{n}')\n"
        "    assert redisdb.get('key') == b'{n}'\n"
    ),
    "nothing": "def test_full_{n}():\n    pass\n",
}


def run_of(kind: str, tests: int, arguments: list[str]) -> dict[str, float]:
    """One pytest run; milliseconds that a test costs over an empty one, by the clock and by the processor."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder)
        (path / "pytest.ini").write_text("[pytest]\n")
        (path / "conftest.py").write_text(_CONFTEST + (_OURS if kind == "jobqueue" else ""))
        body = "".join(f"def test_empty_{n}():\n    pass\n" + _BODIES[kind].format(n=n) for n in range(tests))
        (path / "test_generated.py").write_text(body)
        off = [
            "-p",
            "no:randomly",
            "-p",
            "no:xdist",
            "-p",
            "no:jobqueue" if kind != "jobqueue" else "no:cacheprovider",
        ]
        if kind == "jobqueue":
            off += ["-p", "no:pytest_redis"]
        run = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", *off, *arguments],
            cwd=path,
            capture_output=True,
            text=True,
            check=False,
            env={name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")},
        )
        if run.returncode:
            raise BrokenError(
                f"the tests with {kind} did not pass:\n{run.stdout[-2000:]}{run.stderr[-2000:]}"
            )
        wall, cpu = json.loads((path / "measured.json").read_text())
    return {
        "wall": _difference(wall),
        "cpu": _difference(cpu),
        "first": (wall["full"][0] - wall["full"][1]) * 1e3,
    }


def _difference(times: Mapping[str, list[float]]) -> float:
    full, empty = (statistics.fmean(times[kind][1:]) for kind in ("full", "empty"))
    return (full - empty) * 1e3


def measure(effort: Effort) -> list[Row]:
    tests = effort.of(300, least=20)
    sides = {
        "fake": lambda: run_of("jobqueue", tests, []),
    }
    missing = ""
    try:
        binary = needs.redis_server()
        sides["server"] = lambda: run_of("jobqueue", tests, ["--redis=server"])
        needs.module("pytest_redis")
        sides["pytest-redis"] = lambda: run_of("pytest-redis", tests, ["--redis-exec", binary])
    except NotMeasuredError as error:
        missing = str(error)
    results = in_turn(effort.rounds, sides)
    peer = f"pytest-redis not measured: {missing}"
    if "pytest-redis" in results:
        found = series(results["pytest-redis"], "wall")
        peer = f"pytest-redis on a redis-server, one set and get: {found.best:.2f} ms"
    rows = []
    for mode in ("fake", "server"):
        if mode not in results:
            rows.append(Row(f"a test with one job, {mode}", None, compared=missing))
            continue
        wall, cpu, first = (series(results[mode], key) for key in ("wall", "cpu", "first"))
        compared = f"{peer}; processor {cpu.best:.2f} ms; the first test {first.best:.0f} ms more"
        bound = 1.5 if mode == "fake" else None
        rows.append(
            Row(f"a test with one job, {mode}", wall.best, "ms", wall.median, bound, compared=compared)
        )
    return rows
