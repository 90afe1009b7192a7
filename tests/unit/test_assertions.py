"""The assertions: what passes, what fails and with which whole message, what asks for nothing."""

from __future__ import annotations

import pytest
from support.stubs import StubBinding

from pytest_jobqueue.adapters import Caps
from pytest_jobqueue.assertions import Assertions
from pytest_jobqueue.errors import UsageError
from pytest_jobqueue.job import Job, Outcome
from pytest_jobqueue.journal import Enqueued, Journal, Note, Ran

REACHED = "see whether the code under test reached its enqueue, and on which Redis (jobqueue.url)"


@pytest.fixture
def binding():
    return StubBinding()


@pytest.fixture
def journal():
    return Journal()


@pytest.fixture
def jobqueue(binding, journal):
    return Assertions(binding, journal)


def message(function, *args, **kwargs):
    with pytest.raises(AssertionError) as caught:
        function(*args, **kwargs)
    assert "assertions.py" not in {entry.path.name for entry in caught.traceback.filter(caught)}
    return str(caught.value)


def lines(*rows):
    return "\n".join(rows)


# What matches


@pytest.mark.parametrize(
    ("args", "kwargs"),
    [
        (("Mail",), {}),
        (("Mail", {"to": "ann", "body": "hi"}, [1, 2]), {}),
        (("Mail", {"to": "ann"}, [1, 2]), {}),
        (("Mail", {}, ...), {}),
        (("Mail", {"to": "ann"}, ...), {}),
        (("Mail", ..., [1, 2]), {}),
        (("Mail", ..., (1, ...)), {}),
        (("Mail", ...), {}),
        (("Mail",), {"queue": "slow"}),
        (("Mail",), {"urgent": True}),
        (("Mail",), {"opts": {"a": 1}}),
        (("Mail",), {"at": 1000.0}),
        ((None,), {"at": 1000.9}),
        ((None,), {"queue": "slow"}),
        ((None,), {"urgent": True}),
    ],
)
def test_a_condition_that_holds(jobqueue, binding, args, kwargs):
    job = Job(
        "j1", "Mail", ({"to": "ann", "body": "hi"}, [1, 2]), {"urgent": True, "opts": {"a": 1, "b": 2}},
        "slow",
        due_at=1000.0,
    )  # fmt: skip
    binding.later = [job]
    assert jobqueue.assert_enqueued(*args, **kwargs) == [job]
    assert jobqueue.assert_scheduled(*args, **kwargs, count=1) == [job]
    with pytest.raises(AssertionError):
        jobqueue.assert_not_enqueued(*args, **kwargs)


@pytest.mark.parametrize(
    ("args", "kwargs", "difference"),
    [
        (("Male",), {}, "name is 'Mail'"),
        (("Mail", 1), {}, "arguments are (1, {'a': 2})"),
        (("Mail", 1, {"a": 3}), {}, "arguments are (1, {'a': 2})"),
        (("Mail", 1, {"b": 2}), {}, "arguments are (1, {'a': 2})"),
        (("Mail", 1, {"a": 2}, 3), {}, "arguments are (1, {'a': 2})"),
        (("Mail", 2, ...), {}, "arguments are (1, {'a': 2})"),
        (("Mail",), {"k": 1}, "keyword arguments are {'k': 0}"),
        (("Mail",), {"queue": "fast"}, "queue is 'slow'"),
        (("Mail",), {"at": 998.5}, "due +1.500 s from that"),
        (("Mail",), {"at": 1002.0}, "due -2.000 s from that"),
    ],
)
def test_a_condition_that_does_not_hold_says_the_difference(jobqueue, binding, args, kwargs, difference):
    binding.later = [Job("j1", "Mail", (1, {"a": 2}), {"k": 0}, "slow", due_at=1000.0)]
    there, do = message(jobqueue.assert_enqueued, *args, **kwargs).splitlines()[1:]
    assert there == f"there: Mail(1, {{'a': 2}}, k=0) [j1 on slow]: {difference}"
    assert do == "do:    compare the nearest one above with what was asked"
    jobqueue.assert_not_enqueued(*args, **kwargs)


# Whole messages


def test_nothing_is_there(jobqueue):
    assert message(jobqueue.assert_enqueued, "Add", 2, 3) == lines(
        "asked: Add(2, 3) on the server: one or more", "there: no job on the server", f"do:    {REACHED}"
    )
    assert message(jobqueue.assert_scheduled, "Add", at=5.0) == lines(
        "asked: Add due at 5.000 scheduled: one or more", "there: no job scheduled", f"do:    {REACHED}"
    )
    do = "do:    drain the queue, so that jobs run"
    assert message(jobqueue.assert_retrying, "Add") == lines(
        "asked: Add retrying: one or more", "there: no job retrying", do
    )
    assert message(jobqueue.assert_dead, "Add", count=2) == lines(
        "asked: Add dead: exactly 2", "there: no job dead", do
    )
    assert message(jobqueue.assert_performed, "Add", a=1) == lines(
        "asked: Add(a=1) performed with status 'ok': one or more",
        "there: no job performed with status 'ok'",
        do,
    )


def test_the_nearest_comes_first(jobqueue, binding):
    binding.put("Mul", 1, queue="slow")
    binding.put("Add", 2, 3)
    binding.later = [Job("l", "Add", (2, 4), due_at=9.0)]
    assert message(jobqueue.assert_enqueued, "Add", 2, ..., queue="maths", at=9.5) == lines(
        "asked: Add(2, ...) on 'maths' due at 9.500 on the server: one or more",
        "there: Add(2, 4) [l on default]: queue is 'default'",
        "       Add(2, 3) [j2 on default]: queue is 'default'; it is ready now",
        "       Mul(1) [j1 on slow]: name is 'Mul'; arguments are (1); queue is 'slow'; it is ready now",
        "do:    compare the nearest one above with what was asked",
    )


def test_a_long_list_is_cut(jobqueue, binding):
    for number in range(13):
        binding.put("Add", number)
    there = message(jobqueue.assert_enqueued, "Mul").splitlines()
    assert len(there) == 13
    assert there[10] == "       Add(9) [j10 on default]: name is 'Add'"
    assert there[11] == "       … and 3 more"


def test_there_are_more_than_asked(jobqueue, binding):
    binding.put("Add", 1)
    binding.put("Add", 2)
    assert message(jobqueue.assert_enqueued, "Add", count=1) == lines(
        "asked: Add on the server: exactly 1",
        "there: Add(1) [j1 on default]  <- matches",
        "       Add(2) [j2 on default]  <- matches",
        "do:    find out where the others come from, or ask for count=2",
    )
    assert len(jobqueue.assert_enqueued("Add", count=2)) == 2


def test_there_are_fewer_than_asked(jobqueue, binding):
    binding.put("Add", 1)
    binding.put("Mul", 2)
    assert message(jobqueue.assert_enqueued, "Add", count=2) == lines(
        "asked: Add on the server: exactly 2",
        "there: Add(1) [j1 on default]  <- matches",
        "       Mul(2) [j2 on default]: name is 'Mul'",
        "do:    find out what became of the others, or ask for count=1",
    )


def test_there_is_one_where_none_was_asked_for(jobqueue, binding):
    binding.put("Add", 1)
    wanted = lines(
        "asked: Add on the server: none",
        "there: Add(1) [j1 on default]  <- matches",
        "do:    find out where it comes from, or expect it",
    )
    assert message(jobqueue.assert_not_enqueued, "Add") == wanted
    assert message(jobqueue.assert_enqueued, "Add", count=0) == wanted
    assert jobqueue.assert_enqueued("Mul", count=0) == []


def test_an_error_can_be_asked_for(jobqueue, binding):
    binding.again = [Job("r", "Add", error="ZeroDivisionError: by zero"), Job("s", "Add")]
    binding.dead = [Job("d", "Mul", error="boom")]
    assert [job.id for job in jobqueue.assert_retrying("Add", error="by zero")] == ["r"]
    assert [job.id for job in jobqueue.assert_retrying(error="by zero")] == ["r"]
    assert [job.id for job in jobqueue.assert_dead(error="boom")] == ["d"]
    assert len(jobqueue.assert_retrying("Add")) == 2
    assert message(jobqueue.assert_retrying, "Add", error="timeout") == lines(
        "asked: Add retrying with 'timeout' in its error: one or more",
        "there: not counted: Add() [r on default]: its error is 'ZeroDivisionError: by zero'",
        "       not counted: Add() [s on default]: its error is None",
        "do:    compare the nearest one above with what was asked",
    )


def test_where_no_dead_jobs_are_kept_it_is_said(journal):
    jobqueue = Assertions(StubBinding(caps=Caps()), journal)
    with pytest.raises(UsageError) as caught:
        jobqueue.assert_dead("Add")
    assert str(caught.value) == (
        "this queue format keeps no dead jobs, so none can be found on the server; "
        'ask assert_performed(…, status="failed") about what ran'
    )


def test_idle_is_no_job_anywhere(jobqueue, binding):
    jobqueue.assert_idle()
    binding.dead = [Job("d", "Dead")]
    jobqueue.assert_idle()
    binding.ready, binding.later, binding.again = [Job("a", "A")], [Job("b", "B")], [Job("c", "C")]
    binding.taken, binding.blocked = [Job("d", "D")], [Job("e", "E")]
    assert message(jobqueue.assert_idle) == lines(
        "asked: no job on the server",
        "there: ready: A() [a on default]",
        "       scheduled: B() [b on default]",
        "       retrying: C() [c on default]",
        "       running: D() [d on default]",
        "       waiting: E() [e on default]",
        "do:    drain the queue, or expect them",
    )


# What ran


def test_what_ran_is_read_from_the_journal(jobqueue, journal):
    add = Outcome(Job("1", "Add", (1, 2)), "ok", 3)
    again = Outcome(Job("1", "Add", (1, 2)), "ok", 3)
    bad = Outcome(Job("2", "Add", (0,)), "failed", exception=ValueError("no"), reason="no retry")
    for entry in (Enqueued(add.job), Note("a note"), Ran(add), Ran(bad), Ran(again)):
        journal.append(entry)
    found = jobqueue.assert_performed("Add", 1, ...)
    assert found == [add, again]
    assert found[0] is add
    assert jobqueue.assert_performed("Add", count=2) == found
    assert jobqueue.assert_performed("Add", status="failed") == [bad]
    jobqueue.assert_not_performed("Mul")
    assert message(jobqueue.assert_performed, "Add", 0) == lines(
        "asked: Add(0) performed with status 'ok': one or more",
        "there: Add(1, 2) [1 on default]: arguments are (1, 2)",
        "       Add(1, 2) [1 on default]: arguments are (1, 2)",
        "       not counted: failed: Add(0) [2 on default] raised ValueError: no (no retry)",
        "do:    compare the nearest one above with what was asked",
    )
    assert message(jobqueue.assert_not_performed, "Add", 0) == lines(
        "asked: Add(0) performed: none",
        "there: Add(0) [2 on default]  <- matches",
        "       Add(1, 2) [1 on default]: arguments are (1, 2)",
        "       Add(1, 2) [1 on default]: arguments are (1, 2)",
        "do:    find out where it comes from, or expect it",
    )


def test_a_status_that_does_not_exist_is_refused(jobqueue):
    with pytest.raises(UsageError) as caught:
        jobqueue.assert_performed("Add", status="done", count=0)
    assert str(caught.value) == "no job ends with status 'done'; it can be ok, failed, retrying, dropped"


@pytest.mark.parametrize(
    "name",
    ["enqueued", "not_enqueued", "scheduled", "retrying", "dead", "performed", "not_performed"],
)
def test_an_assertion_without_a_condition_is_an_error(jobqueue, name):
    with pytest.raises(UsageError) as caught:
        getattr(jobqueue, f"assert_{name}")()
    assert str(caught.value) == (
        "an assertion with no condition would pass for any job; give a name, arguments or a queue"
    )
