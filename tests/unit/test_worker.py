"""The worker runner: how many jobs, for how long, and what a failure means to the test."""

from __future__ import annotations

import signal
import threading

import pytest
from support.stubs import StubBinding

from pytest_jobqueue.deadline import Deadline, DeadlineExceeded
from pytest_jobqueue.errors import DrainError, DrainLimitError, DrainTimeoutError, UsageError
from pytest_jobqueue.job import Job, Outcome
from pytest_jobqueue.journal import Journal, Note
from pytest_jobqueue.settings import Settings
from pytest_jobqueue.worker import Drained, Worker


def boom(*_):
    raise ValueError("boom")


def hang(*_):
    threading.Event().wait(20)


@pytest.fixture
def binding():
    return StubBinding({"Add": lambda a, b: a + b, "Boom": boom, "Hang": hang})


@pytest.fixture
def journal():
    return Journal()


@pytest.fixture
def worker(binding, journal):
    return Worker(binding, journal, Settings())


def test_one_job_is_run_and_recorded(worker, binding, journal):
    job = binding.put("Add", 2, 3)
    outcome = worker.run_next()
    assert (outcome.job, outcome.status, outcome.result) == (job, "ok", 5)
    assert worker.run_next() is None
    assert journal.outcomes == (outcome,)


def test_a_drain_runs_what_is_ready_in_order_and_says_what_it_did(worker, binding, journal):
    binding.put("Add", 1, 1)
    binding.put("Boom")
    binding.put("Add", 2, 2)
    drained = worker.drain(on_error="record")
    assert len(drained) == 3
    assert drained.results == [2, 4]
    assert [outcome.job.name for outcome in drained.failed] == ["Boom"]
    assert [outcome.status for outcome in drained[:2]] == ["ok", "failed"]
    assert drained[-1].result == 4
    assert list(journal.outcomes) == drained
    assert repr(drained) == "<3 outcomes: Add ok, Boom failed, Add ok>"
    assert worker.drain() == []


def test_a_drain_is_equal_to_a_sequence_only():
    assert Drained([]) == ()
    assert Drained([]) != 0


def test_attempts_that_will_be_repeated_count_as_failed():
    outcomes = [Outcome(Job("1", "A"), status) for status in ("ok", "failed", "retrying", "dropped")]
    assert [outcome.status for outcome in Drained(outcomes).failed] == ["failed", "retrying"]


def test_one_queue_can_be_drained_alone(worker, binding):
    binding.put("Add", 1, 1, queue="a")
    binding.put("Add", 2, 2, queue="b")
    assert worker.drain("b").results == [4]
    assert worker.run_next("b") is None
    assert worker.run_next("a").result == 2


def test_jobs_that_jobs_enqueue_are_run_too(worker, binding):
    binding.handlers["Parent"] = lambda: binding.put("Add", 1, 1) and None
    binding.put("Parent")
    assert worker.drain().results == [None, 2]


def test_due_jobs_are_made_ready(worker, binding):
    binding.due = [Job("due", "Add", (1, 1))]
    assert worker.drain().results == [2]
    binding.due = [Job("due", "Add", (2, 2))]
    assert worker.tick() == 1
    assert worker.run_next().result == 4


# Failures


def test_a_drain_raises_the_job_s_own_exception_and_stops_there(worker, binding, journal):
    binding.put("Boom")
    binding.put("Add", 1, 1)
    with pytest.raises(ValueError, match=r"^boom$") as caught:
        worker.drain()
    assert [outcome.exception for outcome in journal.outcomes] == [caught.value]
    assert len(binding.pending()) == 1


def test_the_frames_of_the_runner_are_hidden_from_pytest_s_traceback(worker, binding):
    binding.put("Boom")
    for run in (worker.run_next, worker.drain, lambda: worker.run_until(lambda: False)):
        binding.put("Boom")
        with pytest.raises(ValueError, match="boom") as caught:
            run()
        shown = [entry.path.name for entry in caught.traceback.filter(caught)]
        assert "worker.py" not in shown
        assert shown[-1] == "test_worker.py"


@pytest.mark.parametrize("where", ["call", "settings"])
def test_failures_can_be_recorded_only(binding, journal, where):
    settings = Settings(on_error="record" if where == "settings" else "raise")
    worker = Worker(binding, journal, settings)
    argument = {"on_error": "record"} if where == "call" else {}
    for run in (worker.run_next, worker.drain):
        binding.put("Boom")
        run(**argument)
    assert [outcome.status for outcome in journal.outcomes] == ["failed", "failed"]


@pytest.mark.parametrize(
    "error", [KeyboardInterrupt, SystemExit, pytest.fail.Exception, pytest.skip.Exception]
)
def test_what_is_no_exception_is_raised_whatever_was_asked(worker, binding, journal, error):
    def job():
        raise error("from the job")

    binding.handlers["Stop"] = job
    for run in (worker.run_next, worker.drain):
        binding.put("Stop")
        with pytest.raises(error, match="from the job"):
            run(on_error="record")
    assert len(journal.outcomes) == 2


def test_a_policy_that_does_not_exist_is_refused_before_a_job_runs(worker, binding):
    binding.put("Add", 1, 1)
    for run in (worker.run_next, worker.drain):
        with pytest.raises(UsageError, match=r"^on_error is 'ignore'; it can be 'raise' or 'record'$"):
            run(on_error="ignore")
    assert len(binding.pending()) == 1


# Bounds


def test_a_job_that_enqueues_itself_reaches_the_limit(worker, binding):
    binding.handlers["Again"] = lambda: binding.put("Again") and None
    binding.put("Add", 1, 1)
    binding.put("Again")
    with pytest.raises(DrainLimitError) as caught:
        worker.drain(limit=5)
    assert str(caught.value) == (
        "5 jobs ran, as many as the limit allows, and more are ready: Again() [j6 on default]; most often "
        "ran 'Again' (4 times). If no job enqueues itself, give limit=… more."
    )
    assert isinstance(caught.value, (DrainError, AssertionError))


def test_a_job_that_becomes_due_over_and_over_reaches_the_limit(worker, binding):
    binding.handlers["Again"] = lambda: binding.due.append(Job("next", "Again"))
    binding.put("Again")
    with pytest.raises(DrainLimitError, match=r"^2 jobs ran, .* ready: Again\(\) \[next on default\]; most"):
        worker.drain(limit=2)


def test_a_limit_that_is_just_enough_is_no_error(worker, binding):
    binding.put("Add", 1, 1)
    binding.put("Add", 2, 2)
    assert worker.drain(limit=2).results == [2, 4]
    assert worker.drain(limit=0) == []


def test_a_limit_of_none_at_all(worker, binding):
    for number in range(8):
        binding.put("Add", number, 1)
    with pytest.raises(DrainLimitError) as caught:
        worker.drain(limit=0)
    listed = ", ".join(f"Add({number}, 1) [j{number + 1} on default]" for number in range(5))
    assert str(caught.value) == (
        f"0 jobs ran, as many as the limit allows, and more are ready: {listed} and 3 more. If no job "
        "enqueues itself, give limit=… more."
    )


def test_the_settings_bound_a_drain(binding, journal):
    worker = Worker(binding, journal, Settings(drain_limit=1))
    binding.put("Add", 1, 1)
    binding.put("Add", 2, 2)
    with pytest.raises(DrainLimitError, match=r"^1 job ran, .*most often ran 'Add' \(once\)"):
        worker.drain()
    assert worker.drain(limit=1).results == [4]
    worker = Worker(binding, journal, Settings(drain_timeout=0.05))
    binding.put("Hang")
    with pytest.raises(DrainTimeoutError, match=r"\(0\.05 s\)"):
        worker.drain()


def test_a_job_that_hangs_is_interrupted_and_named(worker, binding, journal):
    binding.put("Add", 1, 1)
    binding.put("Hang", "x")
    binding.put("Add", 2, 2)
    with pytest.raises(DrainTimeoutError) as caught:
        worker.drain(timeout=0.05)
    assert str(caught.value) == (
        "the time for this drain (0.05 s) was up while Hang('x') [j2 on default] was running. On the server: "
        "1 ready: Add(2, 2) [j3 on default]. If the jobs really take that long, give timeout=… more."
    )
    assert [outcome.status for outcome in journal.outcomes] == ["ok", "failed"]
    assert signal.getsignal(signal.SIGALRM) is not None


def test_time_that_is_up_between_jobs_is_said_too(worker, binding):
    def slow():
        try:
            threading.Event().wait(20)
        except DeadlineExceeded:  # a job that catches everything
            return "late"

    binding.handlers["Slow"] = slow
    binding.put("Slow")
    with pytest.raises(DrainTimeoutError) as caught:
        worker.drain(timeout=0.05)
    assert str(caught.value) == (
        "the time for this drain (0.05 s) was up after 1 job; the last one was Slow() [j1 on default]. No "
        "job is on the server. If the jobs really take that long, give timeout=… more."
    )


def test_a_drain_inside_a_longer_deadline_of_another_leaves_it_alone(worker, binding):
    outer = Deadline(0.05)
    binding.put("Hang")
    with pytest.raises(DeadlineExceeded) as caught, outer:
        worker.drain(timeout=20)
    assert caught.value.deadline is outer


def test_a_drain_in_another_thread_stops_between_two_jobs(worker, binding):
    binding.handlers["Slow"] = lambda: threading.Event().wait(0.02)
    for _ in range(50):
        binding.put("Slow")
    errors = []

    def run():
        try:
            worker.drain(timeout=0.01)
        except DrainTimeoutError as error:
            errors.append(str(error))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert len(errors) == 1
    assert len(binding.pending()) >= 40


# Until


def test_jobs_run_until_something_is_so(worker, binding):
    done = []
    binding.handlers["Do"] = done.append
    for number in range(5):
        binding.put("Do", number)
    assert len(worker.run_until(lambda: 2 in done)) == 3
    assert done == [0, 1, 2]
    assert worker.run_until(lambda: True) == []


def test_a_predicate_that_stays_false_is_an_error_that_says_how_things_stand(worker, binding):
    binding.put("Add", 1, 1, queue="a")
    binding.later = [Job("l", "Later", due_at=1.0)]
    binding.again = [Job("r", "Retry")]
    binding.taken = [Job("t", "Taken")]
    binding.blocked = [Job("w", "Waiting")]
    with pytest.raises(DrainTimeoutError) as caught:
        worker.run_until(lambda: False, "a")
    assert str(caught.value) == (
        "run_until: after 1 job nothing is ready on 'a' and the predicate is still false. On the server: "
        "1 scheduled: Later() [l on default]; 1 retrying: Retry() [r on default]; 1 running: Taken() [t on "
        "default]; 1 waiting: Waiting() [w on default]."
    )


def test_a_predicate_that_stays_false_on_an_empty_server(worker):
    with pytest.raises(DrainTimeoutError) as caught:
        worker.run_until(lambda: False)
    assert str(caught.value) == (
        "run_until: after 0 jobs nothing is ready on 'default' and the predicate is still false. No job is "
        "on the server."
    )


def test_a_predicate_that_hangs_is_interrupted(worker):
    with pytest.raises(
        DrainTimeoutError, match=r"^the time for this drain \(0\.05 s\) was up after 0 jobs\. No job"
    ):
        worker.run_until(hang, timeout=0.05)


def test_until_has_a_limit(worker, binding):
    binding.handlers["Again"] = lambda: binding.put("Again") and None
    binding.put("Again")
    with pytest.raises(DrainLimitError, match=r"^3 jobs ran"):
        worker.run_until(lambda: False, limit=3)


# A worker that dies


def test_a_job_can_be_abandoned_and_recovered_and_the_journal_says_so(worker, binding, journal):
    assert worker.abandon_next() is None
    job = binding.put("Add", 1, 1)
    assert worker.abandon_next() == job
    assert worker.drain() == []
    assert worker.recover() == 1
    assert worker.drain().results == [2]
    notes = [entry.text for entry in journal.entries if isinstance(entry, Note)]
    assert notes == ["abandoned Add(1, 1) [j1 on default]", "recovered 1 abandoned jobs"]
