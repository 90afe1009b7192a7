"""The deadline: interrupts in time, lets a foreign alarm go off in time, and gives back what it borrowed."""

from __future__ import annotations

import signal
import threading
import time

import pytest

from pytest_jobqueue.deadline import Deadline, DeadlineExceeded

LONG = 20.0  # never reached
SHORT = 0.05


def wait_for_a_signal():
    """Wait, interruptibly, for far longer than any deadline here."""
    threading.Event().wait(LONG)
    pytest.fail("nothing interrupted")


@pytest.fixture(autouse=True)
def alarm():
    """SIGALRM and its timer free for the test, and as they were after it."""
    timer = signal.setitimer(signal.ITIMER_REAL, 0)
    handler = signal.signal(signal.SIGALRM, signal.SIG_DFL)
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, handler)
    signal.setitimer(signal.ITIMER_REAL, *timer)


@pytest.fixture
def rings(alarm):
    """A foreign handler, and when it was called."""
    times = []
    signal.signal(signal.SIGALRM, lambda *_: times.append(time.monotonic()))
    return times


class ForeignError(BaseException):
    pass


def foreign_alarm(*_):
    raise ForeignError


def test_a_block_in_time_is_not_interrupted_and_nothing_is_left():
    with Deadline(LONG) as deadline:
        assert signal.getsignal(signal.SIGALRM) is not signal.SIG_DFL
        assert not deadline.expired
    assert signal.getsignal(signal.SIGALRM) is signal.SIG_DFL
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


def test_a_block_that_takes_longer_is_interrupted_and_nothing_is_left():
    deadline, started = Deadline(SHORT), time.monotonic()
    with pytest.raises(DeadlineExceeded) as caught, deadline:
        wait_for_a_signal()
    assert SHORT <= time.monotonic() - started < LONG
    assert caught.value.deadline is deadline
    assert deadline.expired
    assert signal.getsignal(signal.SIGALRM) is signal.SIG_DFL
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


def test_a_job_that_catches_every_exception_does_not_keep_it():
    def job():
        try:
            wait_for_a_signal()
        except Exception as error:  # noqa: BLE001 (the job's)
            return error

    with pytest.raises(DeadlineExceeded), Deadline(SHORT):
        job()


@pytest.mark.parametrize("seconds", [0, -1.0, 1e-9, 1e-5])
def test_no_time_at_all_leaves_nothing_behind_wherever_it_strikes(seconds):
    for _ in range(100):
        with pytest.raises(DeadlineExceeded), Deadline(seconds):
            wait_for_a_signal()
        assert signal.getsignal(signal.SIGALRM) is signal.SIG_DFL
        assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


def test_a_block_that_ends_just_in_time_leaves_nothing_behind():
    interrupted = 0
    for step in range(200):
        try:
            with Deadline(step * 1e-6):
                pass
        except DeadlineExceeded:
            interrupted += 1
        assert signal.getsignal(signal.SIGALRM) is signal.SIG_DFL
        assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
    assert interrupted < 200


def test_an_exception_passes_and_nothing_is_left():
    with pytest.raises(LookupError), Deadline(LONG):
        raise LookupError
    assert signal.getsignal(signal.SIGALRM) is signal.SIG_DFL
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


# A foreign timer


def test_a_foreign_alarm_goes_off_in_time_inside_a_deadline():
    signal.signal(signal.SIGALRM, foreign_alarm)
    signal.setitimer(signal.ITIMER_REAL, SHORT)
    started = time.monotonic()
    with pytest.raises(ForeignError), Deadline(LONG):
        wait_for_a_signal()
    assert SHORT * 0.9 <= time.monotonic() - started < LONG
    assert signal.getsignal(signal.SIGALRM) is foreign_alarm
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


def test_a_foreign_alarm_that_is_later_keeps_its_time(rings):
    handler = signal.getsignal(signal.SIGALRM)
    due = time.monotonic() + 4 * SHORT
    signal.setitimer(signal.ITIMER_REAL, 4 * SHORT)
    with pytest.raises(DeadlineExceeded), Deadline(SHORT):
        wait_for_a_signal()
    assert rings == []
    assert signal.getsignal(signal.SIGALRM) is handler
    assert 0 < signal.getitimer(signal.ITIMER_REAL)[0] < 3.5 * SHORT  # not wound up anew
    while not rings:
        assert time.monotonic() < due + LONG
    assert rings[0] >= due - 0.001


def test_after_a_foreign_alarm_the_deadline_still_holds(rings):
    signal.setitimer(signal.ITIMER_REAL, SHORT)
    started = time.monotonic()
    with pytest.raises(DeadlineExceeded), Deadline(2 * SHORT):
        wait_for_a_signal()
    assert time.monotonic() - started >= 2 * SHORT
    assert len(rings) == 1
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


def test_a_foreign_alarm_that_repeats_goes_on_repeating(rings):
    signal.setitimer(signal.ITIMER_REAL, SHORT / 5, SHORT / 5)
    with Deadline(LONG) as deadline:
        while len(rings) < 3 and not deadline.expired:
            pass
    assert len(rings) >= 3
    left, interval = signal.getitimer(signal.ITIMER_REAL)
    assert 0 < left <= SHORT / 5 + 0.005
    assert interval == pytest.approx(SHORT / 5)


def test_a_foreign_alarm_is_not_lost_when_it_falls_due_at_the_end(rings):
    for _ in range(50):
        before = len(rings)
        signal.setitimer(signal.ITIMER_REAL, 1e-4)
        with Deadline(LONG):
            pass
        until = time.monotonic() + LONG
        while len(rings) == before:  # it rings in the block, or as soon as its time was given back
            assert time.monotonic() < until, "the alarm was lost"
    assert len(rings) == 50


def test_a_handler_that_python_cannot_put_back_is_left_alone(monkeypatch):
    monkeypatch.setattr(signal, "getsignal", lambda _number: None)
    with Deadline(0) as deadline:
        monkeypatch.undo()
        assert signal.getsignal(signal.SIGALRM) is signal.SIG_DFL
        assert deadline.expired


# Several


@pytest.mark.parametrize(("outer", "inner"), [(SHORT, LONG), (LONG, SHORT)])
def test_the_sooner_of_two_nested_deadlines_is_the_one_that_rings(outer, inner):
    first, second = Deadline(outer), Deadline(inner)
    with pytest.raises(DeadlineExceeded) as caught, first, second:
        wait_for_a_signal()
    assert caught.value.deadline is (first if outer < inner else second)
    assert signal.getsignal(signal.SIGALRM) is signal.SIG_DFL
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


def test_an_outer_deadline_holds_after_an_inner_one():
    outer, inner = Deadline(2 * SHORT), Deadline(SHORT)

    def block():
        with pytest.raises(DeadlineExceeded) as caught, inner:
            wait_for_a_signal()
        assert caught.value.deadline is inner
        wait_for_a_signal()

    with pytest.raises(DeadlineExceeded) as caught, outer:
        block()
    assert caught.value.deadline is outer


def test_in_another_thread_it_only_knows_the_time():
    seen = []

    def run():
        with Deadline(0) as deadline:
            seen.append((deadline.expired, signal.getsignal(signal.SIGALRM)))
        with Deadline(LONG) as deadline:
            seen.append((deadline.expired, signal.getsignal(signal.SIGALRM)))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert seen == [(True, signal.SIG_DFL), (False, signal.SIG_DFL)]


def test_a_stopped_deadline_rings_no_more_and_lets_a_foreign_alarm_through(rings):
    signal.setitimer(signal.ITIMER_REAL, 4 * SHORT)
    with Deadline(SHORT) as deadline:
        deadline.stop()
        until = time.monotonic() + LONG
        while not rings:
            assert time.monotonic() < until, "the foreign alarm was lost"
    assert len(rings) == 1


class LimitError(Exception):
    pass


def test_another_error_can_be_raised_in_its_place():
    with pytest.raises(LimitError, match="too slow"), Deadline(SHORT, error=lambda: LimitError("too slow")):
        wait_for_a_signal()
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


def test_what_is_raised_is_made_when_the_time_is_up():
    made = []
    with Deadline(LONG, error=lambda: made.append("made") or LimitError()):
        pass
    assert made == []


def test_whose_deadline_it_is_decides_what_is_raised():
    with pytest.raises(DeadlineExceeded), Deadline(SHORT), Deadline(LONG, error=LimitError):
        wait_for_a_signal()
    with pytest.raises(LimitError), Deadline(LONG), Deadline(SHORT, error=LimitError):
        wait_for_a_signal()


def test_a_deadline_without_end_rings_never_and_lets_a_foreign_alarm_through(rings):
    signal.setitimer(signal.ITIMER_REAL, SHORT)
    with Deadline(float("inf")) as deadline:
        until = time.monotonic() + LONG
        while not rings:
            assert time.monotonic() < until, "the foreign alarm was lost"
        assert not deadline.expired
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


def test_a_job_that_goes_on_all_the_same_does_not_keep_the_others_from_ringing():
    """Inside a job's own limit: the drain's deadline, then the time-out of the whole test."""
    signal.signal(signal.SIGALRM, foreign_alarm)
    signal.setitimer(signal.ITIMER_REAL, 3 * SHORT)
    caught = []

    def job():
        try:
            wait_for_a_signal()
        except BaseException as error:  # noqa: BLE001 (the job's)
            caught.append(error)
        wait_for_a_signal()

    with pytest.raises(ForeignError), Deadline(SHORT) as drain, Deadline(LONG, error=LimitError):
        job()
    assert [error.deadline for error in caught] == [drain]


def test_nor_one_that_goes_on_after_its_own_limit(rings):
    signal.setitimer(signal.ITIMER_REAL, 2 * SHORT)
    with Deadline(SHORT, error=LimitError):
        with pytest.raises(LimitError):
            wait_for_a_signal()
        until = time.monotonic() + LONG
        while not rings:
            assert time.monotonic() < until, "the foreign alarm was lost"
