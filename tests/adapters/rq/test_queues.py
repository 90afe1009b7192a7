"""Which queues the worker listens to, in which order, and what overtakes what."""

from __future__ import annotations

import pytest

from pytest_jobqueue.contracts import jobs

rq = pytest.importorskip("rq")
suspension = pytest.importorskip("rq.suspension")

HERE = "pytest_jobqueue.contracts.jobs"


@pytest.fixture
def taking(jobqueue):
    """With which commands ids were taken off the queues, each with the lists that it names."""
    sent = []
    remove = jobqueue.server.add_hook(lambda _, argv: sent.append((argv[0].upper(), *argv[1:])))
    yield lambda: [
        (name.decode(), *(word.decode() for word in words if word.startswith(b"rq:queue:")))
        for name, *words in sent
        if name in (b"LMOVE", b"BLMOVE", b"LPOP", b"BLPOP", b"RPOP", b"RPOPLPUSH")
    ]
    remove()


class TestSeveral:
    @pytest.fixture
    def jobqueue_app(self, client):
        return [rq.Queue(name, connection=client) for name in ("high", "low")]

    def test_the_first_queue_is_emptied_first(self, jobqueue, jobqueue_app):
        high, low = jobqueue_app
        low.enqueue(jobs.add, 1, 0)
        high.enqueue(jobs.add, 2, 0)
        low.enqueue(jobs.add, 3, 0)
        high.enqueue(jobs.add, 4, 0)
        assert [job.args[0] for job in jobqueue.binding.pending()] == [2, 4, 1, 3]
        assert jobqueue.worker.drain().results == [2, 4, 1, 3]

    def test_one_queue_alone(self, jobqueue, jobqueue_app):
        high, low = jobqueue_app
        high.enqueue(jobs.add, 1, 0)
        low.enqueue(jobs.add, 2, 0)
        assert [job.args[0] for job in jobqueue.binding.pending("low")] == [2]
        assert jobqueue.worker.drain("low").results == [2]
        assert len(high) == 1

    def test_a_job_without_a_queue_goes_to_the_first(self, jobqueue):
        assert jobqueue.producer.enqueue(f"{HERE}.add", 1, 2).queue == "high"

    def test_delayed_and_waiting_jobs_of_all_queues_are_seen(self, jobqueue, jobqueue_app):
        high, low = jobqueue_app
        jobqueue.producer.enqueue_in(60, f"{HERE}.add", 1, 2, queue="low")
        jobqueue.producer.enqueue_in(30, f"{HERE}.add", 3, 4)
        low.enqueue(jobs.add, 5, 6, depends_on=high.enqueue(jobs.add, 1, 1))
        assert [job.args for job in jobqueue.binding.scheduled()] == [(3, 4), (1, 2)]
        assert [job.queue for job in jobqueue.binding.waiting()] == ["low"]

    def test_a_job_of_several_queues_is_taken_as_rqs_own_worker_does(self, jobqueue, jobqueue_app, taking):
        """RQ protects a job on its way to the worker only when the worker has one queue."""
        high, low = jobqueue_app
        low.enqueue(jobs.add, 1, 2)
        jobqueue.binding.run_next()
        assert taking() == [("LPOP", high.key), ("LPOP", low.key)]


@pytest.mark.jobqueue(queues=("low", "high"))
def test_settings_name_the_queues_exactly(jobqueue, queue):
    jobqueue.producer.enqueue(f"{HERE}.add", 1, 0, queue="high")
    jobqueue.producer.enqueue(f"{HERE}.add", 2, 0, queue="low")
    queue.enqueue(jobs.add, 3, 0)
    assert jobqueue.binding.queues() == ("low", "high")
    assert jobqueue.worker.drain().results == [2, 1]
    assert len(queue) == 1


def test_a_queue_that_the_producer_names_is_listened_to_as_well(jobqueue):
    jobqueue.producer.enqueue(f"{HERE}.add", 1, 0, queue="other")
    assert jobqueue.binding.queues() == ("default", "other")
    assert jobqueue.worker.drain().results == [1]


def test_a_queue_that_only_the_service_names_has_no_worker(jobqueue, client):
    """As in production: nobody listens to it."""
    rq.Queue("forgotten", connection=client).enqueue(jobs.add, 1, 0)
    assert jobqueue.worker.drain() == []
    assert jobqueue.worker.drain("forgotten").results == [1]


def test_a_suspension_and_the_list_of_workers_are_those_of_real_workers(jobqueue):
    suspension.suspend(jobqueue.redis)
    jobqueue.producer.enqueue(f"{HERE}.add", 1, 2)
    assert jobqueue.worker.drain().results == [3]
    assert rq.Worker.all(connection=jobqueue.redis) == []


def test_a_job_may_be_put_in_front(jobqueue):
    jobqueue.producer.enqueue(f"{HERE}.add", 1, 0)
    jobqueue.producer.set(at_front=True).enqueue(f"{HERE}.add", 2, 0)
    assert [job.args[0] for job in jobqueue.binding.pending()] == [2, 1]
    assert jobqueue.worker.drain().results == [2, 1]


def test_the_same_id_twice_runs_twice_as_in_production(jobqueue):
    producer = jobqueue.producer.set(job_id="one")
    producer.enqueue(f"{HERE}.add", 1, 0)
    producer.enqueue(f"{HERE}.add", 2, 0)
    assert jobqueue.worker.drain().results == [2, 2]
    assert producer.enqueue(f"{HERE}.add", 3, 0).attempts == 0
    assert jobqueue.binding.pending()[0].attempts == 0


def test_a_unique_id_is_refused_by_rq(jobqueue):
    from pytest_jobqueue import UsageError
    from pytest_jobqueue.adapters.rq.client import _ONE

    producer = jobqueue.producer.set(job_id="one", unique=True)
    if "unique" not in _ONE:
        with pytest.raises(UsageError, match="has no option 'unique'"):
            producer.enqueue(f"{HERE}.add", 1, 0)
        return
    producer.enqueue(f"{HERE}.add", 1, 0)
    with pytest.raises(rq.exceptions.DuplicateJobError):
        producer.enqueue(f"{HERE}.add", 2, 0)
    assert jobqueue.worker.drain().results == [1]


@pytest.mark.parametrize("more", [False, True])
def test_a_job_is_taken_over_the_intermediate_list_of_a_single_queue(jobqueue, queue, hook, taking, more):
    """It is safe there between the queue and its start, and gone from there once it runs."""
    seen = []
    intermediate = f"{queue.key}:intermediate"
    queue.enqueue(*hook(lambda: seen.append(jobqueue.redis.lrange(intermediate, 0, -1))))
    jobqueue.binding.run_next(more=more)
    assert taking() == [("LMOVE", queue.key, intermediate)]
    assert seen == [[]]
