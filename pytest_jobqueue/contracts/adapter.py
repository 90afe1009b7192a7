"""The contract of an adapter: subclass `AdapterContract` with an application and the names of its jobs.

```python
from pytest_jobqueue.contracts.adapter import AdapterContract, Names


class TestMyLibrary(AdapterContract):
    names = Names(add="add", keywords="keywords", boom="boom", flaky="flaky", hooked="hooked")

    @pytest.fixture
    def jobqueue_app(self):
        return make_my_application()  # registers pytest_jobqueue.contracts.jobs under these names
```

What a library cannot do is read from its `Caps`, and the tests about it are skipped with that reason; so
are those of `requeue` and `discard` where a binding has no such method. The tests run on whatever `--redis`
names; time is moved with time-machine.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import signal
import sys
import threading
import time
import traceback
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, Literal

import pytest

from pytest_jobqueue.adapters import Caps
from pytest_jobqueue.contracts import jobs
from pytest_jobqueue.errors import StrayConnectionError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from pytest_jobqueue.harness import JobQueue
    from pytest_jobqueue.job import Job
    from pytest_jobqueue.producer import Producer

DAY = 24 * 60 * 60.0


@dataclass(frozen=True)
class Names:
    """What the application calls the contract's jobs.

    Attributes:
        add: `jobs.add`.
        keywords: `jobs.keywords`.
        boom: `jobs.boom`, not retried; by default, or with the options `once_options`.
        flaky: `jobs.flaky`, retried at least once; by default, or with the options `retry_options`.
        hooked: `jobs.hooked`, not retried, likewise.
        retry_options: What to give to `producer.set(…)` so that `flaky` is retried.
        once_options: What to give to it so that a job is not.
        queue: The queue that a job is on when nobody names one.
    """

    add: str
    keywords: str
    boom: str
    flaky: str
    hooked: str
    retry_options: Mapping[str, Any] = field(default_factory=dict)
    once_options: Mapping[str, Any] = field(default_factory=dict)
    queue: str = "default"


class AdapterContract:
    """What every adapter does; see the module's docstring."""

    names: Names

    @pytest.fixture(autouse=True)
    def _empty(self) -> Iterator[None]:
        """Each test finds no calls and no hooks."""
        jobs.CALLS.clear()
        jobs.HOOKS.clear()
        yield
        jobs.CALLS.clear()
        jobs.HOOKS.clear()

    @pytest.fixture
    def travel(self) -> Iterator[Callable[[float], None]]:
        """Move `time.time()` forward by some seconds, once or more."""
        time_machine = pytest.importorskip("time_machine", reason="the contract moves time with time-machine")
        with time_machine.travel(dt.datetime.now(dt.timezone.utc), tick=True) as traveller:
            yield traveller.shift

    def needs(self, jobqueue: JobQueue, cap: str) -> None:
        """Skip where the library cannot do it."""
        if not getattr(jobqueue.binding.caps, cap):
            pytest.skip(f"this library has no {cap.replace('_', ' ')} (Caps.{cap})")

    def once(self, jobqueue: JobQueue) -> Producer:
        """A producer of jobs that are not retried."""
        return jobqueue.producer.set(**self.names.once_options)

    # Declare.

    def test_it_can_do_what_its_adapter_declares(self, jobqueue: JobQueue) -> None:
        """`CAPS` of the adapter's package; less where `CAPS_IF` says what it depends on."""
        binding: Any = getattr(jobqueue.binding, "twin", jobqueue.binding)
        package: Any = sys.modules[type(binding).__module__.rpartition(".")[0] or type(binding).__module__]
        if not hasattr(package, "CAPS"):
            pytest.skip(f"{package.__name__} declares no CAPS")
        for cap in fields(Caps):
            can, declared = getattr(binding.caps, cap.name), getattr(package.CAPS, cap.name)
            depends = cap.name in getattr(package, "CAPS_IF", {})
            assert can == declared or (depends and not can), cap.name

    # Enqueue and look.

    def test_an_enqueued_job_is_pending_as_it_was_asked_for(self, jobqueue: JobQueue) -> None:
        """Name, arguments and queue survive the round trip through Redis."""
        job = jobqueue.producer.enqueue(self.names.add, 2, 3)

        (pending,) = jobqueue.binding.pending()
        assert (pending.id, pending.name, pending.args) == (job.id, self.names.add, (2, 3))
        assert pending.queue == job.queue == self.names.queue
        assert pending.due_at is None
        assert jobs.CALLS == []

    def test_several_jobs_are_pending_in_the_order_in_which_they_will_run(self, jobqueue: JobQueue) -> None:
        """First in, first out, in `pending` as in the runs."""
        jobqueue.producer.enqueue_many(self.names.add, [(number, 0) for number in range(4)])

        assert [job.args[0] for job in jobqueue.binding.pending()] == [0, 1, 2, 3]
        jobqueue.worker.drain()
        assert [args[0] for _, args, _ in jobs.CALLS] == [0, 1, 2, 3]

    def test_an_empty_server_has_nothing_to_show_or_run(self, jobqueue: JobQueue) -> None:
        """Looking at nothing, and running nothing, is no error."""
        binding = jobqueue.binding
        looks = binding.pending, binding.scheduled, binding.retrying, binding.running, binding.waiting
        assert [list(look()) for look in looks] == [[], [], [], [], []]
        assert binding.next_due() is None
        assert jobqueue.worker.run_next() is None
        assert jobqueue.worker.drain() == []
        assert binding.recover() == 0

    # Run.

    def test_one_job_is_run_and_gone(self, jobqueue: JobQueue) -> None:
        """`run_next` takes exactly one job, runs it here, and acknowledges it."""
        first = jobqueue.producer.enqueue(self.names.add, 2, 3)
        jobqueue.producer.enqueue(self.names.add, 4, 5)

        outcome = jobqueue.worker.run_next()

        assert outcome is not None
        assert (outcome.job.id, outcome.status, outcome.exception) == (first.id, "ok", None)
        assert outcome.result == 5
        assert jobs.CALLS == [("add", (2, 3), {})]
        assert [job.args for job in jobqueue.binding.pending()] == [(4, 5)]
        assert list(jobqueue.binding.running()) == []

    def test_it_runs_in_the_tests_own_thread(self, jobqueue: JobQueue) -> None:
        """So mocks, coverage and database transactions of the test apply."""
        jobs.HOOKS["thread"] = threading.get_ident
        self.once(jobqueue).enqueue(self.names.hooked, "thread")
        assert jobqueue.worker.drain().results == [threading.get_ident()]

    def test_keyword_arguments(self, jobqueue: JobQueue) -> None:
        """They arrive by name."""
        self.needs(jobqueue, "kwargs")
        jobqueue.producer.enqueue(self.names.keywords, colour="red", size=2)
        assert jobqueue.worker.drain().results == [["colour", "size"]]
        assert jobs.CALLS == [("keywords", (), {"colour": "red", "size": 2})]

    def test_a_job_that_a_job_enqueues_is_run_by_the_same_drain(self, jobqueue: JobQueue) -> None:
        """A drain goes on until nothing is ready."""
        if getattr(jobqueue.binding, "twin", None) is not None:
            pytest.skip("a job of an asynchronous library enqueues by awaiting; see the adapter's own tests")
        jobs.HOOKS["more"] = lambda: jobqueue.producer.enqueue(self.names.add, 1, 1).id
        self.once(jobqueue).enqueue(self.names.hooked, "more")
        assert len(jobqueue.worker.drain()) == 2
        assert [name for name, _, _ in jobs.CALLS] == ["hooked", "add"]

    # Fail.

    def test_the_jobs_own_exception_is_raised_with_its_traceback(self, jobqueue: JobQueue) -> None:
        """The very type and message, pointing at the job's line."""
        self.once(jobqueue).enqueue(self.names.boom, "out of paper")

        with pytest.raises(ValueError, match="out of paper") as caught:
            jobqueue.worker.drain()

        assert traceback.extract_tb(caught.value.__traceback__)[-1].name == "boom"
        assert jobqueue.journal.outcomes[0].status == "failed"
        assert list(jobqueue.binding.pending()) == []

    def test_or_it_is_recorded(self, jobqueue: JobQueue) -> None:
        """A failure leaves the following jobs alone."""
        self.once(jobqueue).enqueue(self.names.boom, "out of paper")
        jobqueue.producer.enqueue(self.names.add, 1, 1)

        drained = jobqueue.worker.drain(on_error="record")

        assert [outcome.status for outcome in drained] == ["failed", "ok"]
        assert isinstance(drained[0].exception, ValueError)

    def test_a_job_that_failed_for_good_is_kept(self, jobqueue: JobQueue) -> None:
        """With its error, where the library keeps dead jobs."""
        self.needs(jobqueue, "dead_letters")
        job = self.once(jobqueue).enqueue(self.names.boom, "out of paper")
        jobqueue.worker.drain(on_error="record")

        (dead,) = jobqueue.assert_dead(self.names.boom, "out of paper", error="out of paper")
        assert dead.id == job.id

    def test_what_is_no_exception_reaches_the_test(self, jobqueue: JobQueue) -> None:
        """`pytest.fail` in a job fails the test, whatever the library does with it."""
        jobs.HOOKS["fail"] = lambda: pytest.fail("seen in the job")
        self.once(jobqueue).enqueue(self.names.hooked, "fail")
        with pytest.raises(pytest.fail.Exception, match="seen in the job"):
            jobqueue.worker.drain(on_error="record")

    @pytest.mark.parametrize("error", [pytest.fail.Exception, KeyboardInterrupt], ids=["fail", "interrupt"])
    def test_it_does_so_in_a_running_loop_as_well(
        self, jobqueue: JobQueue, error: type[BaseException]
    ) -> None:
        """And the loop goes on, though asyncio ends one at once for a KeyboardInterrupt in a task."""

        def end() -> None:
            raise error("seen in the job")

        async def test() -> None:
            await self.once(jobqueue).aenqueue(self.names.hooked, "end")
            with pytest.raises(error, match="seen in the job"):
                await jobqueue.worker.adrain(on_error="record")
            jobs.HOOKS["end"] = lambda: "mended"
            await jobqueue.producer.aenqueue(self.names.add, 2, 3)
            assert 5 in (await jobqueue.worker.adrain()).results
            await jobqueue.release()

        jobs.HOOKS["end"] = end
        asyncio.run(test())

    def test_a_job_that_connects_to_another_redis_ends_the_test(self, jobqueue: JobQueue) -> None:
        """At once and by name, whatever the library makes of it: the client was not given the test's URL."""
        import redis

        def connect() -> None:
            with redis.Redis("another.invalid") as client:
                client.ping()

        jobs.HOOKS["connect"] = connect
        self.once(jobqueue).enqueue(self.names.hooked, "connect")
        with pytest.raises(StrayConnectionError, match=r"redis://another\.invalid:6379/0"):
            jobqueue.worker.drain(on_error="record")

    # Time.

    def test_a_job_for_later_waits_for_its_time(
        self, jobqueue: JobQueue, travel: Callable[[float], None]
    ) -> None:
        """Scheduled, then ready, then run; by the current time, without waiting."""
        self.needs(jobqueue, "delays")
        due = time.time() + DAY
        job = jobqueue.producer.enqueue_in(DAY, self.names.add, 1, 2)

        (scheduled,) = jobqueue.binding.scheduled()
        assert (scheduled.id, scheduled.args) == (job.id, (1, 2))
        assert scheduled.due_at == pytest.approx(due, abs=2)
        assert jobqueue.binding.next_due() == pytest.approx(due, abs=2)
        assert list(jobqueue.binding.pending()) == []
        assert jobqueue.worker.drain() == []

        travel(DAY + 2)
        assert jobqueue.worker.drain().results == [3]
        assert list(jobqueue.binding.scheduled()) == []

    def test_a_job_for_later_does_not_hold_up_the_ones_that_are_ready(self, jobqueue: JobQueue) -> None:
        """Whatever came first."""
        self.needs(jobqueue, "delays")
        jobqueue.producer.enqueue_in(DAY, self.names.add, 1, 1)
        jobqueue.producer.enqueue(self.names.add, 2, 2)
        assert jobqueue.worker.drain().results == [4]
        assert len(jobqueue.binding.scheduled()) == 1

    def test_a_retry_waits_for_the_librarys_own_back_off(
        self, jobqueue: JobQueue, travel: Callable[[float], None]
    ) -> None:
        """Failed once, retrying, run again when it is due."""
        self.needs(jobqueue, "retries")
        job = jobqueue.producer.set(**self.names.retry_options).enqueue(self.names.flaky, 1)

        outcome = jobqueue.worker.run_next(on_error="record")
        assert outcome is not None
        assert outcome.status == "retrying"
        assert isinstance(outcome.exception, ValueError)

        again = self._waiting_retry(jobqueue)
        assert again.id == job.id
        if again.due_at is not None:
            travel(again.due_at - time.time() + 2)
        assert jobqueue.worker.drain().results == ["at last"]
        assert [name for name, _, _ in jobs.CALLS] == ["flaky", "flaky"]

    @staticmethod
    def _waiting_retry(jobqueue: JobQueue) -> Job:
        """The retry, whether it waits for its time or is ready at once."""
        (job,) = [*jobqueue.binding.retrying(), *jobqueue.binding.pending()]
        return job

    # Look after by hand.

    def by_hand(self, jobqueue: JobQueue, action: Literal["requeue", "discard"]) -> Callable[[Job], None]:
        """A method that a binding may be without; skips where it is."""
        found: Callable[[Job], None] | None = getattr(jobqueue.binding, action, None)
        return found or pytest.skip(f"this adapter's binding has no {action}()")

    def test_a_scheduled_job_is_run_now(self, jobqueue: JobQueue) -> None:
        """Requeued it is ready, and runs once; a second time it is not scheduled any more."""
        self.needs(jobqueue, "delays")
        requeue = self.by_hand(jobqueue, "requeue")
        job = self._scheduled(jobqueue)

        requeue(job)

        assert self._listed(jobqueue) == {"pending": [job.id]}
        assert jobqueue.binding.next_due() is None
        with pytest.raises(UsageError, match="cannot be requeued"):
            requeue(job)
        assert jobqueue.worker.drain().results == [3]
        assert jobs.CALLS == [("add", (1, 2), {})]
        assert self._listed(jobqueue) == {}

    def test_a_retry_is_run_now(self, jobqueue: JobQueue) -> None:
        """Without its back-off, and once."""
        self.needs(jobqueue, "retries")
        requeue = self.by_hand(jobqueue, "requeue")
        job = self._retrying(jobqueue)

        requeue(job)

        assert self._listed(jobqueue) == {"pending": [job.id]}
        assert jobqueue.worker.drain().results == ["at last"]
        assert [name for name, _, _ in jobs.CALLS] == ["flaky", "flaky"]
        assert self._listed(jobqueue) == {}

    def test_a_dead_job_is_run_again(self, jobqueue: JobQueue) -> None:
        """With its arguments, once, and it is dead no longer."""
        self.needs(jobqueue, "dead_letters")
        requeue = self.by_hand(jobqueue, "requeue")
        job = self._failed(jobqueue)
        jobs.HOOKS["broken"] = lambda: "mended"

        requeue(job)

        assert self._listed(jobqueue) == {"pending": [job.id]}
        assert jobqueue.worker.drain().results == ["mended"]
        assert len(jobs.CALLS) == 2
        assert self._listed(jobqueue) == {}

    @pytest.mark.parametrize("state", ["pending", "scheduled", "retrying", "failed"])
    def test_a_discarded_job_is_gone(
        self, jobqueue: JobQueue, travel: Callable[[float], None], state: str
    ) -> None:
        """It never runs and is listed nowhere; what was beside it stays."""
        discard = self.by_hand(jobqueue, "discard")
        cap = {"scheduled": "delays", "retrying": "retries", "failed": "dead_letters"}.get(state)
        if cap is not None:
            self.needs(jobqueue, cap)
        make: Callable[[JobQueue], Job] = getattr(self, f"_{state}")
        job = make(jobqueue)
        other = jobqueue.producer.enqueue(self.names.add, 4, 5)
        jobs.CALLS.clear()

        discard(job)

        assert self._listed(jobqueue) == {"pending": [other.id]}
        with pytest.raises(UsageError, match="cannot be discarded"):
            discard(job)
        travel(2 * DAY)
        assert jobqueue.worker.drain().results == [9]
        assert jobs.CALLS == [("add", (4, 5), {})]

    def test_a_job_that_a_worker_has_is_the_workers(self, jobqueue: JobQueue) -> None:
        """Neither method does anything to it, and both say so."""
        self.needs(jobqueue, "acks")
        requeue, discard = self.by_hand(jobqueue, "requeue"), self.by_hand(jobqueue, "discard")
        jobqueue.producer.enqueue(self.names.add, 1, 2)
        job = jobqueue.worker.abandon_next()
        assert job is not None

        with pytest.raises(UsageError, match="cannot be requeued"):
            requeue(job)
        with pytest.raises(UsageError, match="cannot be discarded"):
            discard(job)

        assert [running.id for running in jobqueue.binding.running()] == [job.id]

    def test_a_job_that_has_run_is_out_of_reach(self, jobqueue: JobQueue) -> None:
        """Neither method does anything to it, and both say so."""
        job = self._pending(jobqueue)
        jobqueue.worker.drain()

        with pytest.raises(UsageError, match="cannot be requeued"):
            self.by_hand(jobqueue, "requeue")(job)
        with pytest.raises(UsageError, match="cannot be discarded"):
            self.by_hand(jobqueue, "discard")(job)

        assert self._listed(jobqueue) == {}
        assert jobqueue.worker.drain() == []

    @staticmethod
    def _listed(jobqueue: JobQueue) -> dict[str, list[str]]:
        """Which jobs are where."""
        states = ("pending", "scheduled", "retrying", "running", "waiting", "failed")
        found = {state: [job.id for job in getattr(jobqueue.binding, state)()] for state in states}
        return {state: ids for state, ids in found.items() if ids}

    def _pending(self, jobqueue: JobQueue) -> Job:
        jobqueue.producer.enqueue(self.names.add, 1, 2)
        (job,) = jobqueue.binding.pending()
        return job

    def _scheduled(self, jobqueue: JobQueue) -> Job:
        jobqueue.producer.enqueue_in(DAY, self.names.add, 1, 2)
        (job,) = jobqueue.binding.scheduled()
        return job

    def _retrying(self, jobqueue: JobQueue) -> Job:
        jobqueue.producer.set(**self.names.retry_options).enqueue(self.names.flaky, 1)
        jobqueue.worker.run_next(on_error="record")
        found = list(jobqueue.binding.retrying())
        return found[0] if found else pytest.skip("a retry is ready at once here")

    def _failed(self, jobqueue: JobQueue) -> Job:
        jobs.HOOKS["broken"] = lambda: jobs.boom("out of paper")
        self.once(jobqueue).enqueue(self.names.hooked, "broken")
        jobqueue.worker.drain(on_error="record")
        jobs.CALLS[:] = jobs.CALLS[:1]
        (job,) = jobqueue.binding.failed()
        return job

    # Crash.

    def test_a_job_whose_worker_died_is_recovered(
        self, jobqueue: JobQueue, travel: Callable[[float], None]
    ) -> None:
        """It is in progress, then the library's own maintenance finds it, then it runs or is kept as dead."""
        self.needs(jobqueue, "acks")
        job = jobqueue.producer.enqueue(self.names.add, 2, 3)

        abandoned = jobqueue.worker.abandon_next()
        assert abandoned is not None
        assert abandoned.id == job.id
        assert list(jobqueue.binding.pending()) == []
        assert jobs.CALLS == []

        for _ in range(3):  # some look twice, or mark first and act later
            jobqueue.worker.recover()
            if jobqueue.binding.pending() or jobqueue.binding.failed():
                break
            travel(DAY)
        if not jobqueue.binding.failed():
            assert jobqueue.worker.drain().results == [5]

    # Refuse.

    def test_an_argument_that_cannot_be_sent_is_named(self, jobqueue: JobQueue) -> None:
        """With the job and its value; and nothing is sent."""
        argument = threading.Lock()
        with pytest.raises(TypeError) as caught:
            self.once(jobqueue).enqueue(self.names.add, 1, argument)
        assert self.names.add in str(caught.value)
        assert repr(argument) in str(caught.value)
        assert list(jobqueue.binding.pending()) == []

    # Leave.

    def test_signal_handlers_and_timers_stay_as_they_were(self, jobqueue: JobQueue) -> None:
        """A test's own time-out keeps working."""
        signals = [signal.SIGINT, signal.SIGTERM, signal.SIGALRM]
        before = [signal.getsignal(number) for number in signals]
        left, _ = signal.setitimer(signal.ITIMER_REAL, 3600)
        try:
            jobqueue.producer.enqueue(self.names.add, 1, 1)
            jobqueue.worker.drain()
            assert 3000 < signal.getitimer(signal.ITIMER_REAL)[0] <= 3600
        finally:
            signal.setitimer(signal.ITIMER_REAL, left)
        assert [signal.getsignal(number) for number in signals] == before

    def test_closing_it_twice_is_harmless(self, jobqueue: JobQueue) -> None:
        """The end of the test closes it a third time."""
        jobqueue.producer.enqueue(self.names.add, 1, 1)
        jobqueue.worker.drain()
        jobqueue.close()
        jobqueue.close()

    def test_an_unknown_job_is_a_failure_that_names_it(self, jobqueue: JobQueue) -> None:
        """Refused when it is enqueued, or reported when it is run; never lost in silence."""
        try:
            jobqueue.producer.enqueue("no_such_module.no_such_job", 1)
        except UsageError as error:
            assert "no_such_job" in str(error)  # noqa: PT017 (either here or below)
            return
        (outcome,) = jobqueue.worker.drain(on_error="record")
        assert outcome.status in ("failed", "dropped", "retrying")
        assert "no_such_job" in f"{outcome.exception} {outcome.reason} {outcome.job.name}"
