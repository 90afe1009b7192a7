"""The service of `support.saq_service` as `jobqueue_app`, and a clock that moves when it is told."""

from __future__ import annotations

import datetime as dt

import pytest


@pytest.fixture
def service():
    saq_service = pytest.importorskip("support.saq_service", exc_type=ImportError)
    saq_service.CALLS.clear()
    return saq_service


@pytest.fixture
def jobqueue_app(service):
    return service.settings()


@pytest.fixture
def travel():
    """Move the clock forward by some seconds; it stands still otherwise."""
    time_machine = pytest.importorskip("time_machine")
    start = dt.datetime(2026, 11, 24, 3, 2, 41, tzinfo=dt.timezone.utc)
    with time_machine.travel(start, tick=False) as clock:
        yield clock.shift
