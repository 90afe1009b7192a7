"""A job of the service's, run by RQ's own worker code: where, with what, and what is left of it."""

from __future__ import annotations

import asyncio
import gc
import threading
import traceback

import pytest

from pytest_jobqueue.contracts import jobs

rq = pytest.importorskip("rq")

HERE = "pytest_jobqueue.contracts.jobs"


async def later(value):
    return value


class Greeter:
    def __init__(self, greeting):
        self.greeting = greeting

    def greet(self, name):
        return f"{self.greeting}, {name}"


def test_what_the_service_enqueues_is_seen_and_run_like_the_producers(jobqueue, queue):
    ours = jobqueue.producer.enqueue(f"{HERE}.add", 1, 2)
    theirs = queue.enqueue(jobs.add, 3, right=4)

    first, second = jobqueue.binding.pending()
    assert (first.id, first.args, first.kwargs) == (ours.id, (1, 2), {})
    assert (second.id, second.name, second.args) == (theirs.id, f"{HERE}.add", (3,))
    assert second.kwargs == {"right": 4}
    assert second.enqueued_at == pytest.approx(theirs.enqueued_at.timestamp(), abs=0.001)
    assert jobqueue.worker.drain().results == [3, 7]


def test_the_service_reads_the_result_by_its_own_client(jobqueue, queue, client):
    job = queue.enqueue(jobs.add, 2, 3)
    jobqueue.worker.drain()

    assert job.get_status() == "finished"
    assert rq.job.Job.fetch(job.id, connection=client).return_value() == 5
    assert job.id in queue.finished_job_registry


def test_a_result_that_is_not_kept_is_in_the_outcome(jobqueue, queue):
    job = queue.enqueue(jobs.add, 2, 3, result_ttl=0)
    assert jobqueue.worker.run_next().result == 5
    assert not rq.job.Job.exists(job.id, connection=queue.connection)


def test_a_job_knows_itself_and_enqueues_others_as_in_production(jobqueue, queue, hook):
    def work():
        queue.enqueue(jobs.add, 1, 1)
        job = rq.get_current_job()
        job.meta["thread"] = threading.get_ident()
        job.save_meta()
        return job.id

    job = queue.enqueue(*hook(work))

    assert jobqueue.worker.drain().results == [job.id, 2]
    assert rq.get_current_job() is None
    job.refresh()
    assert job.meta == {"thread": threading.get_ident()}


@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")  # RQ 2.0 never closes the loop that it makes
def test_an_async_function_is_awaited_by_rq(jobqueue, queue):
    queue.enqueue(later, 7)
    assert jobqueue.worker.drain().results == [7]
    gc.collect()


@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
@pytest.mark.filterwarnings("ignore:coroutine 'later' was never awaited:RuntimeWarning")
def test_a_coroutine_that_is_drained_in_a_running_loop_fails(jobqueue, queue):
    """RQ runs it in a loop of its own, and a thread has one at a time."""
    queue.enqueue(later, 7)

    async def drain():
        return jobqueue.worker.drain(on_error="record")

    (outcome,) = asyncio.run(drain())
    assert outcome.status == "failed"
    assert "running" in str(outcome.exception)
    assert isinstance(outcome.exception, RuntimeError)
    gc.collect()


def test_a_method_is_named_by_its_class(jobqueue, queue):
    queue.enqueue(Greeter("Hello").greet, "Bob")
    (job,) = jobqueue.binding.pending()
    assert job.call_string == f"{Greeter.__module__}.Greeter.greet('Bob')"
    assert jobqueue.worker.drain().results == ["Hello, Bob"]


def test_the_traceback_has_the_jobs_own_frames_only(jobqueue, queue):
    queue.enqueue(jobs.boom, "out of paper")
    outcome = jobqueue.worker.run_next(on_error="record")
    assert [frame.name for frame in traceback.extract_tb(outcome.exception.__traceback__)] == ["boom"]
    assert outcome.seconds > 0


def test_what_rq_wrote_of_a_failure_is_whole(jobqueue, queue):
    job = queue.enqueue(jobs.boom, "out of paper")
    jobqueue.worker.drain(on_error="record")
    assert "in boom" in job.latest_result().exc_string
    (dead,) = jobqueue.binding.failed()
    assert dead.error == "ValueError: out of paper"
    assert dead.attempts == 1


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit, pytest.skip.Exception])
def test_what_rq_swallows_reaches_the_test(jobqueue, queue, hook, kind):
    def stop():
        raise kind("stop")

    job = queue.enqueue(*hook(stop))
    with pytest.raises(kind):
        jobqueue.worker.drain(on_error="record")
    assert job.get_status() == "failed"


def test_a_result_that_cannot_be_kept_is_lost_as_in_production(jobqueue, queue, hook):
    """RQ calls that a success; the service finds a sentence in the place of the value."""
    job = queue.enqueue(*hook(threading.Lock))
    assert jobqueue.worker.run_next().status == "ok"
    assert job.return_value() == "Unserializable return value"


def test_a_job_may_drain_a_queue_itself(jobqueue, queue, hook):
    queue.enqueue(*hook(lambda: jobqueue.worker.drain().results))
    queue.enqueue(jobs.add, 1, 2)
    outcome = jobqueue.worker.run_next()
    assert (outcome.result, outcome.job.name) == ([3], f"{HERE}.hooked")


def test_several_jobs_at_once_are_all_sent_or_none(jobqueue):
    with pytest.raises(TypeError, match="argument 1 of"):
        jobqueue.producer.enqueue_many(f"{HERE}.add", [(1, 2), (threading.Lock(), 3)])
    assert jobqueue.binding.pending() == []
    sent = jobqueue.producer.set(job_timeout=7).enqueue_many(f"{HERE}.add", [(1, 2), (3, 4)])
    assert [job.raw.timeout for job in sent] == [7, 7]
    assert jobqueue.worker.drain().results == [3, 7]


def test_the_service_may_keep_its_own_classes(jobqueue_url, client):
    """A subclass of Job and of Queue is what jobs are made of, here as in production."""
    from pytest_jobqueue.adapters.rq.binding import RQBinding

    class OwnJob(rq.job.Job):
        redis_job_namespace_prefix = "own:job:"

        def perform(self):
            return ("own", super().perform())

    class OwnQueue(rq.Queue):
        job_class = OwnJob

    queue = OwnQueue(connection=client)
    binding = RQBinding(queue, jobqueue_url)
    queue.enqueue(jobs.add, 1, 2)
    assert binding.run_next().result == ("own", 3)
    binding.close()


def test_a_job_knows_the_servers_version_as_from_any_worker(jobqueue):
    jobs.HOOKS["version"] = lambda: rq.get_current_job().redis_server_version
    jobqueue.producer.enqueue(f"{HERE}.hooked", "version")
    (version,) = jobqueue.worker.drain().results
    assert tuple(version) >= (5, 0, 0)
