"""Applications that lead nowhere, and a clock that moves when it is told."""

from __future__ import annotations

import datetime as dt

import pytest

NOWHERE = "redis://nowhere.invalid:6399/5"


@pytest.fixture
def travel():
    """Move the clock forward by some seconds; it stands still otherwise."""
    time_machine = pytest.importorskip("time_machine")
    with time_machine.travel(dt.datetime(2026, 11, 24, 3, 2, 41, tzinfo=dt.timezone.utc), tick=False) as clock:
        yield clock.shift
