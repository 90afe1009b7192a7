"""Each step of a job's life is one line, in whatever order it is told and seen."""

from __future__ import annotations

import pytest

from pytest_jobqueue.adapters.telling import Began, Ended
from pytest_jobqueue.cli.ledger import Ledger, Standing
from pytest_jobqueue.job import Job, Outcome

JOB = Job("1", "Add", (2, 3), queue="default")
ENQUEUED, STARTS = "Add(2, 3) [1 on default] is enqueued", "Add(2, 3) [1 on default] starts"


@pytest.fixture
def lines():
    return []


@pytest.fixture
def ledger(lines):
    return Ledger(lambda _, text: lines.append(text))


def test_what_was_seen_on_a_queue_is_not_enqueued_when_it_starts(ledger, lines):
    ledger.saw(Standing(pending=[JOB]))
    ledger.saw(Standing(pending=[JOB]))
    ledger.heard([Began("1", 7, JOB)])
    ledger.saw(Standing(running=[JOB]))
    assert lines == [ENQUEUED, STARTS]


def test_what_is_first_seen_in_a_workers_hands_is_enqueued_all_the_same(ledger, lines):
    ledger.saw(Standing(running=[JOB]))
    ledger.heard([Began("1", 7, JOB)])
    assert lines == [ENQUEUED, STARTS]


def test_what_was_only_fetched_does_not_start(ledger, lines):
    ledger.heard([Began("1", 7, Job("1", "?"), runs=False)])
    assert lines == []
    ledger.heard([Began("1", 8, JOB), Ended("1", Outcome(JOB, "ok", 5)), Ended("1", None)])
    assert lines == [ENQUEUED, STARTS, "Add(2, 3) [1 on default] is done in 0 ms"]


def test_what_is_refused_was_enqueued_and_did_not_start(ledger, lines):
    ledger.heard([Began("1", 7, JOB, runs=False), Ended("1", Outcome(JOB, "dropped", reason="revoked"))])
    assert lines == [ENQUEUED, "Add(2, 3) [1 on default] was dropped (revoked)"]


def test_a_retry_starts_again_and_is_not_enqueued_again(ledger, lines):
    for status in ("retrying", "ok"):
        ledger.heard([Began("1", 7, JOB)])
        ledger.heard([Ended("1", Outcome(JOB, status))])
        ledger.saw(Standing(pending=[JOB]))
    assert [line.split("] ")[1].split()[0] for line in lines] == ["is", "starts", "failed", "starts", "is"]
