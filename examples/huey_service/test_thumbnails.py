"""The service's tasks, from the call of its own code to what they leave behind."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import pytest

pytest.importorskip("huey")

import thumbnails
import time_machine

if TYPE_CHECKING:
    from pytest_jobqueue import JobQueue


def test_an_upload_is_shrunk_and_then_published(jobqueue: JobQueue) -> None:
    thumbnails.upload("cat.png")
    jobqueue.assert_enqueued("thumbnails.shrink", "cat.png", 200, count=1)

    assert jobqueue.worker.drain().results == ["cat.png@200", "https://pictures.example/cat.png@200"]
    assert thumbnails.STORE["public/cat.png@200"] == "200 pixels of cat.png"


def test_a_store_that_is_down_is_tried_again_after_a_minute(
    jobqueue: JobQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    def save(*_: str) -> None:
        raise thumbnails.StoreDownError

    with time_machine.travel(dt.datetime.now(dt.timezone.utc)) as clock:
        with monkeypatch.context() as patch:
            patch.setattr(thumbnails, "save", save)
            thumbnails.upload("cat.png")
            jobqueue.worker.drain(on_error="record")
        jobqueue.assert_retrying("thumbnails.shrink", "cat.png", 200, error="StoreDownError")

        clock.shift(61)
        assert len(jobqueue.worker.drain().ok) == 2


def test_a_bug_fails_the_test_where_it_is(jobqueue: JobQueue) -> None:
    jobqueue.producer.set(retries=0).enqueue("thumbnails.publish", "nothing")
    with pytest.raises(KeyError, match="nothing"):
        jobqueue.worker.drain()


def test_the_store_is_swept_at_half_past_three(jobqueue: JobQueue) -> None:
    thumbnails.upload("cat.png")
    jobqueue.worker.drain()
    night = dt.datetime.now().astimezone().replace(hour=3, minute=30) + dt.timedelta(days=1)
    # A crontab of Huey is in UTC unless the Huey has utc=False.
    with time_machine.travel(night.replace(tzinfo=dt.timezone.utc)):
        jobqueue.worker.drain()
    assert list(thumbnails.STORE) == ["public/cat.png@200"]
