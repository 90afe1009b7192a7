"""The service is on the import path, its worker is the application under test, its Redis is the test's."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

pytest.importorskip("bullmq")

# A service that is installed, or that has `pythonpath = ["."]` in its pytest settings, needs no such line.
sys.path.insert(0, str(Path(__file__).parent))

import invoices


@pytest.fixture
def jobqueue_app(jobqueue_url, monkeypatch):
    """What the worker runs; on the command line it is --jobqueue-app=invoices:WORKER."""
    monkeypatch.setenv("REDIS_URL", jobqueue_url)
    yield invoices.WORKER
    invoices.SENT.clear()
