"""What does a run pay that has the plugin installed and does not use it?

The import is timed after pytest's own, in a fresh interpreter each time. Which modules of others come with it
is looked at over a whole run, hooks included, by comparing it with a run without the plugin.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks import workers
from benchmarks.remote import ROOT
from benchmarks.rows import BrokenError, Effort, NotMeasuredError, Row
from benchmarks.turns import in_turn, ratio, series

_IMPORT = """
import importlib, sys, time
import pytest
wall, cpu = time.perf_counter(), time.process_time()
importlib.import_module(sys.argv[1])
print((time.perf_counter() - wall) * 1e3, (time.process_time() - cpu) * 1e3)
"""
_RUN = """
import json, sys, sysconfig
import pytest
status = pytest.main(["-q", "-p", "no:cacheprovider", *sys.argv[1:]], plugins=[])
standard = sysconfig.get_path("stdlib")
paths = {name: getattr(module, "__file__", None) or standard for name, module in sys.modules.items()}
others = [name for name, path in paths.items() if "site-packages" in path or not path.startswith(standard)]
print(json.dumps([int(status), others]))
"""


def _python(code: str, *arguments: str, folder: Path = ROOT) -> str:
    run = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
    )
    if run.returncode:
        raise NotMeasuredError(run.stderr.strip().splitlines()[-1])
    return run.stdout.splitlines()[-1]


def _import(module: str) -> dict[str, float]:
    wall, cpu = map(float, _python(_IMPORT, module).split())
    return {"wall": wall, "cpu": cpu}


def _modules(*arguments: str) -> set[str]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder)
        (path / "test_one.py").write_text("def test_one(): pass\n")
        status, found = json.loads(_python(_RUN, *arguments, "test_one.py", folder=path))
    if status:
        raise BrokenError(f"a run of one empty test ended with status {status}")
    return set(found)


def measure(effort: Effort) -> list[Row]:
    sides = {
        "pytest_jobqueue": lambda: _import("pytest_jobqueue.plugin"),
        "pytest_redis": lambda: _import("pytest_redis.plugin"),
    }
    try:
        sides["pytest_redis"]()
    except NotMeasuredError:
        del sides["pytest_redis"]
    results = in_turn(effort.rounds * 2, sides)
    ours, cpu = (series(results["pytest_jobqueue"], key) for key in ("wall", "cpu"))
    beside = ", ".join(dict.fromkeys(name.partition(",")[0] for name in workers.installed())) or "none"
    compared = f"processor {cpu.best:.1f} ms; job libraries installed: {beside}; pytest-redis: not installed"
    if "pytest_redis" in results:
        peer = series(results["pytest_redis"], "wall")
        times = ratio(peer, ours)[0]
        compared = compared.removesuffix("not installed") + f"{peer.best:.0f} ms, {times:.0f} times as much"
    with_plugin, without = _modules("-p", "pytest_jobqueue.plugin"), _modules()
    others = sorted(name for name in with_plugin - without if name.partition(".")[0] != "pytest_jobqueue")
    return [
        Row("loading the plugin, unused", ours.best, "ms", ours.median, bound=3, compared=compared),
        Row(
            "third-party modules that it loads",
            len(others),
            bound=0,
            compared=", ".join(others[:8]) or "none",
        ),
    ]
