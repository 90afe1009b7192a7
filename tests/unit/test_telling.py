"""What a worker process tells arrives as it was, and what cannot travel arrives in words."""

from __future__ import annotations

import contextlib
import os

import pytest

from pytest_jobqueue.adapters.telling import Began, Ended, Listening, RemoteTraceback, Telling
from pytest_jobqueue.errors import WorkerJobError
from pytest_jobqueue.job import Job, Outcome

JOB = Job("7", "Add", (2, "é\n"), {"deep": [1]}, "low", enqueued_at=1.5, attempts=1, error="first")


class StubbornError(Exception):
    def __init__(self, one, two):
        super().__init__(one)

    def __reduce__(self):
        return super().__reduce__()


@pytest.fixture
def both(tmp_path):
    listening = Listening(tmp_path)
    yield listening, Telling(str(tmp_path))
    listening.close()


def failure(error):
    try:
        raise error
    except Exception as raised:  # noqa: BLE001 (of any kind)
        return Outcome(JOB, "failed", exception=raised, reason="no retry", seconds=0.5)


def test_a_job_from_its_beginning_to_its_end(both):
    listening, telling = both
    telling.began("a", JOB)
    telling.ended("a", Outcome(JOB, "ok", {"sum": 4}, seconds=0.25))
    telling.ended("b")
    assert list(listening.heard()) == [
        Began("a", os.getpid(), JOB),
        Ended("a", Outcome(JOB, "ok", {"sum": 4}, seconds=0.25)),
        Ended("b", None),
    ]
    assert list(listening.heard()) == []


def test_an_exception_comes_with_its_traceback_in_words(both):
    listening, telling = both
    telling.ended("a", failure(ValueError("wrong")))
    (ended,) = listening.heard()
    error = ended.outcome.exception
    assert type(error) is ValueError
    assert error.args == ("wrong",)
    assert isinstance(error.__cause__, RemoteTraceback)
    assert "in failure" in str(error.__cause__)


@pytest.mark.parametrize("error", [StubbornError(1, 2), type("Local", (Exception,), {})("it")], ids=repr)
def test_an_exception_that_cannot_travel(both, error):
    listening, telling = both
    telling.ended("a", failure(error))
    (ended,) = listening.heard()
    assert type(ended.outcome.exception) is WorkerJobError
    assert type(error).__name__ in str(ended.outcome.exception)
    assert "in failure" in str(ended.outcome.exception.__cause__)


def test_a_value_that_cannot_travel_arrives_as_its_text(both):
    listening, telling = both
    telling.began("a", Job("7", "Add", (print, lambda: 1)))
    (began,) = listening.heard()
    assert began.job.args[0] is print
    assert "lambda" in began.job.args[1]


def test_half_a_line_waits_for_the_other_half(both, tmp_path):
    listening, telling = both
    telling.began("a", JOB)
    whole = (tmp_path / "told").read_bytes()
    with (tmp_path / "told").open("ab") as told:
        told.write(whole[:20])
    assert len(list(listening.heard())) == 1
    with (tmp_path / "told").open("ab") as told:
        told.write(whole[20:])
    assert len(list(listening.heard())) == 1


def test_nobody_waits_for_a_reader(both):
    listening, telling = both
    with contextlib.suppress(BlockingIOError):
        while True:  # until there are as many wakes as a pipe holds
            os.write(listening.wake, b"!" * 512)
    telling.ended("last")
    assert list(listening.heard())[-1] == Ended("last", None)


def test_without_a_listener_nothing_is_told(tmp_path):
    telling = Telling()
    telling.began("a", JOB)
    telling.ended("a")
    assert list(tmp_path.iterdir()) == []
