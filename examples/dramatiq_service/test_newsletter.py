"""The service's actors, from the call of its own code to what they leave behind."""

from __future__ import annotations

import datetime as dt
import time
import warnings
from typing import TYPE_CHECKING

import pytest

pytest.importorskip("dramatiq")

import time_machine

with warnings.catch_warnings():
    # Dramatiq 1 warns about each optional backend, and this project's own tests take warnings as errors.
    warnings.simplefilter("ignore", ImportWarning)
    import newsletter

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_jobqueue import JobQueue


@pytest.fixture
def clock() -> Iterator[time_machine.Coordinates]:
    with time_machine.travel(dt.datetime.now(dt.timezone.utc)) as clock:
        yield clock


def busy(*_: str) -> None:
    raise newsletter.MailboxBusyError


def test_an_issue_goes_out_at_its_hour_and_is_noted(
    jobqueue: JobQueue, clock: time_machine.Coordinates
) -> None:
    newsletter.announce(7, hours=2)
    jobqueue.worker.drain()
    jobqueue.assert_scheduled("publish", 7)

    clock.shift(2 * 60 * 60 + 1)
    jobqueue.worker.drain()
    assert newsletter.MAILED == [("ada", "issue 7"), ("bob", "issue 7")]
    assert newsletter.LOG == ["issue 7 is out"]


def test_a_busy_mailbox_is_tried_again_and_the_others_are_not_held_up(
    jobqueue: JobQueue, clock: time_machine.Coordinates, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(newsletter, "hand_over", busy)
        newsletter.mail.send("ada", 7)
        jobqueue.worker.drain(on_error="record")
    (retry,) = jobqueue.assert_retrying("mail", "ada", 7, error="MailboxBusyError")

    newsletter.mail.send("bob", 7)
    jobqueue.worker.drain()
    clock.shift(retry.due_at - time.time() + 1)
    jobqueue.worker.drain()
    assert [reader for reader, _ in newsletter.MAILED] == ["bob", "ada"]


def test_a_mailbox_that_stays_busy_ends_among_the_dead_letters(
    jobqueue: JobQueue, clock: time_machine.Coordinates, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(newsletter, "hand_over", busy)
    newsletter.mail.send("ada", 7)
    while jobqueue.worker.drain(on_error="record"):
        clock.shift(60 * 60)
    jobqueue.assert_dead("mail", "ada", 7, error="MailboxBusyError")
    assert len(jobqueue.journal.outcomes) == 4


def test_a_copy_that_is_a_day_late_is_not_mailed(jobqueue: JobQueue, clock: time_machine.Coordinates) -> None:
    newsletter.mail.send("ada", 7)
    clock.shift(24 * 60 * 60)
    (outcome,) = jobqueue.worker.drain()
    assert (outcome.status, newsletter.MAILED) == ("dropped", [])


def test_a_copy_is_mailed_although_the_first_worker_died(
    jobqueue: JobQueue, clock: time_machine.Coordinates
) -> None:
    newsletter.mail.send("ada", 7)
    jobqueue.worker.abandon_next()
    clock.shift(61)
    jobqueue.worker.recover()
    jobqueue.worker.drain()
    assert newsletter.MAILED == [("ada", "issue 7")]
