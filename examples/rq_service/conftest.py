"""The service is on the import path, and its queues are the application under test."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

# A service that is installed, or that has `pythonpath = ["."]` in its pytest settings, needs no such line.
sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture
def jobqueue_app():
    """What the worker listens to; on the command line it is --jobqueue-app=invoices:queues."""
    import invoices

    yield invoices.queues
    invoices.OUTBOX.clear()
    invoices.PAID.clear()
