"""The example of a Django project: its settings are for a process of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("pytest_django")

FOLDER = Path(__file__).parents[3] / "examples" / "django_service"


def test_the_example(jobqueue_server):
    mode = jobqueue_server.mode
    if mode not in {"fake", "server"}:
        pytest.skip(f"the example has a Redis of its own, and --redis={mode} is this run's")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--redis={mode}"]
    done = subprocess.run(command, cwd=FOLDER, capture_output=True, text=True, timeout=120, check=False)
    assert "5 passed" in done.stdout, done.stdout + done.stderr
