"""The service is on the import path, its worker is the application under test, its Redis is the test's."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

# A service that is installed, or that has `pythonpath = ["."]` in its pytest settings, needs no such line.
sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture
def jobqueue_app(jobqueue_url, monkeypatch):
    """What the worker runs; on the command line it is --jobqueue-app=billing:WORKER."""
    import billing

    monkeypatch.setenv("REDIS_URL", jobqueue_url)
    yield billing.WORKER
    billing.SENT.clear()
