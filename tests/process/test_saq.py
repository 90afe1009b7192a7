"""SAQ's worker sweeps when it starts, and a job that it has just fetched looks like one that was lost."""

from __future__ import annotations

import pytest

pytest.importorskip("saq")


def test_the_first_sweep_does_not_take_what_the_worker_has_just_fetched(harness, service, notes):
    jobqueue = harness(service("saq_unready").app)
    jobqueue.producer.enqueue("add", a=1, b=2)

    assert jobqueue.worker.drain().results == [3]

    assert notes() == ["1 + 2"]
    jobqueue.assert_idle()
