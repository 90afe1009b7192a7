"""The service is on the import path, and its scheduler is the application under test."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

# A service that is installed, or that has `pythonpath = ["."]` in its pytest settings, needs no such line.
sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture
def jobqueue_app():
    """The scheduler has the broker; on the command line it is --jobqueue-app=payments:scheduler."""
    import payments

    yield payments.scheduler
    payments.PAID.clear()
    payments.MAILS.clear()
