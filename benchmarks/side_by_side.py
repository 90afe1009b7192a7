"""How much faster are two pytest-xdist workers than none, and how many containers does a run start?

Each test has one job that takes 20 ms. The job waits instead of computing, so that the figure is about this
plugin and not about who else uses the processors; and no other plugin is loaded. The bound is on the time
from the first test to the last. The start of two workers takes a good part of a run this short, so the whole
run stands in a row of its own, beside tests that only wait, without this plugin: what pytest-xdist allows.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks import needs
from benchmarks.rows import BrokenError, Effort, NotMeasuredError, Row
from benchmarks.turns import in_turn, ratio, series

if TYPE_CHECKING:
    from collections.abc import Callable

_CONFTEST = """
import pathlib
import time
import pytest

@pytest.fixture(scope="session")
def jobqueue_app():
    return {"Work": lambda: time.sleep(0.02)}

TIMES = []

def pytest_runtest_logreport(report):
    TIMES.extend([report.start, report.stop])

def pytest_sessionfinish(session):
    if not hasattr(session.config, "workerinput"):
        pathlib.Path("measured").write_text(str(max(TIMES) - min(TIMES)))
"""
_TESTS = """
import pytest

@pytest.mark.parametrize("number", range({tests}))
def test_work(jobqueue, number):
    jobqueue.producer.enqueue("Work")
    jobqueue.worker.drain()
    jobqueue.assert_performed("Work")
"""
_WAITING = """
import time
import pytest

@pytest.mark.parametrize("number", range({tests}))
def test_work(number):
    time.sleep(0.02)
"""
_NO_PLUGIN = "without this plugin"


def _run(mode: str, tests: int, workers: int, *, image: str = "") -> dict[str, float]:
    """Seconds of one pytest run: from its start to its end, and from the first test to the last."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder)
        (path / "pytest.ini").write_text("[pytest]\n")
        ours = mode != _NO_PLUGIN
        (path / "conftest.py").write_text(_CONFTEST)
        (path / "test_generated.py").write_text((_TESTS if ours else _WAITING).format(tests=tests))
        options = ["-p", "jobqueue", f"--redis={mode}"] if ours else []
        options += [f"--jobqueue-image={image}"] if image else []
        started = time.perf_counter()
        run = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-p", "xdist", *options, "-n", str(workers)],
            cwd=path,
            capture_output=True,
            text=True,
            check=False,
            env=os.environ | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "TESTCONTAINERS_RYUK_DISABLED": "true"},
        )
        seconds = time.perf_counter() - started
        found = path / "measured"
        tests_alone = float(found.read_text()) if found.exists() else 0.0
    if run.returncode or f"{tests} passed" not in run.stdout:
        raise BrokenError(
            f"{tests} tests with {workers} workers did not pass:\n{run.stdout[-2000:]}{run.stderr[-500:]}"
        )
    return {"run": seconds, "tests": tests_alone}


def _rows(mode: str, rounds: int, tests: int) -> list[Row]:
    def side(mode: str, workers: int) -> Callable[[], Any]:
        return lambda: _run(mode, tests, workers)

    sides = {
        f"{which} -n {workers}": side(which, workers) for which in (mode, _NO_PLUGIN) for workers in (0, 2)
    }
    alone, two, waiting, two_waiting = in_turn(rounds, sides).values()

    def times(one: list[Any], other: list[Any], key: str) -> tuple[float, float]:
        return ratio(series(one, key), series(other, key))

    def row(key: str, what: str, bound: float | None) -> Row:
        best, middle = times(alone, two, key)
        text = (
            f"{series(alone, key).best:.2f} and {series(two, key).best:.2f} s; "
            f"{_NO_PLUGIN} {times(waiting, two_waiting, key)[0]:.2f} times"
        )
        return Row(what, best, "times faster", middle, bound=bound, least=True, compared=text)

    what = f"{tests} tests of 20 ms, -n 2 against -n 0, {mode}"
    return [row("tests", what, 1.7), row("run", "the same with the start and the end of the run", None)]


def _containers(engine: Any, tests: int) -> Row:
    """Count them by a name of the image that nobody else uses."""
    image = engine.images.get(os.environ["PYTEST_JOBQUEUE_IMAGE"])
    name = f"pytest-jobqueue-bench:{os.getpid()}"
    image.tag(name)
    try:
        since = int(time.time())
        _run("container", tests, 2, image=name)
        until, filters = int(time.time()) + 1, {"type": "container", "image": name}
        events = list(engine.events(since=since, until=until, filters=filters, decode=True))
    finally:
        engine.images.remove(name)
    started, removed = (sum(event["Action"] == what for event in events) for what in ("start", "destroy"))
    if not 0 < started == removed:
        raise BrokenError(f"of {started} containers {removed} were removed")
    return Row("containers that a run with -n 2 starts", started, bound=1, compared="none left afterwards")


def measure(effort: Effort) -> list[Row]:
    needs.module("xdist")
    tests, rounds = effort.of(200, least=20), max(1, effort.rounds // 2)
    rows = _rows("fake", rounds, tests)
    try:
        needs.redis_server()
        rows += _rows("server", rounds, tests)
    except NotMeasuredError as error:
        rows.append(Row("the same, server", None, compared=str(error)))
    try:
        engine = needs.container_engine()
        rows += [*_rows("container", max(1, rounds // 2), tests), _containers(engine, tests)]
    except NotMeasuredError as error:
        rows.append(Row("the same, container", None, compared=str(error)))
    return rows
