"""One job: its data, its order, what becomes of it."""

from __future__ import annotations

import asyncio
import signal

import pytest

bullmq = pytest.importorskip("bullmq")

from pytest_jobqueue.errors import DrainTimeoutError


@pytest.mark.parametrize(
    ("args", "data"),
    [
        ((), {}),
        ((5,), 5),
        (("a", 1), ["a", 1]),
        (({"to": "ann"},), {"to": "ann"}),
        ((None, None), [None, None]),
    ],
)
def test_arguments_are_the_jobs_data(args, data, jobqueue, service):
    async def note(job, token):
        return job.data

    service.handlers["note"] = note
    jobqueue.producer.enqueue("note", *args)
    (pending,) = jobqueue.binding.pending()
    assert pending.args == args
    assert jobqueue.worker.drain().results == [data]


def test_a_job_of_the_services_own_queue(jobqueue, queue):
    jobqueue.run(queue.add("add", [2, 3], {"priority": 4}))
    (job,) = jobqueue.assert_enqueued("add", 2, 3, queue="first")
    assert isinstance(job.raw, bullmq.Job)
    assert job.raw.priority == 4
    assert jobqueue.worker.drain().results == [5]


def test_a_result_is_kept(jobqueue, queue):
    job = jobqueue.producer.enqueue("add", 2, 3)
    jobqueue.worker.drain()
    assert jobqueue.run(bullmq.Job.fromId(queue, job.id)).returnvalue == 5
    assert jobqueue.run(queue.getJobState(job.id)) == "completed"


def test_jobs_without_a_priority_come_first_and_then_the_lowest_number(jobqueue):
    for priority in (7, 0, 3, 7):
        jobqueue.producer.set(priority=priority).enqueue("add", priority, len(jobqueue.binding.pending()))
    expected = [(0, 1), (3, 2), (7, 0), (7, 3)]
    assert [job.args for job in jobqueue.binding.pending()] == expected
    drained = jobqueue.worker.drain()
    assert [outcome.job.args for outcome in drained] == expected


def test_the_queues_are_looked_at_in_their_order(jobqueue):
    jobqueue.producer.enqueue("add", 1, 1, queue="second")
    jobqueue.producer.enqueue("add", 2, 2)
    assert jobqueue.binding.queues() == ["first", "second"]
    assert [job.queue for job in jobqueue.binding.pending()] == ["first", "second"]
    assert jobqueue.worker.run_next("second").result == 2
    assert jobqueue.worker.run_next("second") is None
    assert jobqueue.worker.drain().results == [4]


def test_a_queue_without_a_processor_gets_jobs_all_the_same(jobqueue):
    jobqueue.producer.enqueue("anything", 1, queue="elsewhere")
    assert jobqueue.worker.drain() == []
    assert jobqueue.redis.llen("bull:elsewhere:wait") == 1


def test_many_on_several_queues_in_their_order(jobqueue):
    jobs = jobqueue.producer.enqueue_many("add", [(number, 0) for number in range(5)], queue="second")
    assert [job.args for job in jobs] == [(number, 0) for number in range(5)]
    assert jobqueue.worker.drain().results == list(range(5))


def test_an_id_that_is_taken_is_the_job_that_is_there(jobqueue):
    for number in (1, 2):
        job = jobqueue.producer.set(jobId="once").enqueue("add", number, 0)
        assert (job.id, job.args) == ("once", (1, 0))
    assert jobqueue.worker.drain().results == [1]


def test_deduplication(jobqueue):
    producer = jobqueue.producer.set(deduplication={"id": "same"})
    assert producer.enqueue("add", 1, 0).id == producer.enqueue("add", 2, 0).id
    assert jobqueue.worker.drain().results == [1]


def test_a_paused_queue_waits(jobqueue, queue):
    jobqueue.producer.enqueue("add", 1, 1)
    jobqueue.run(queue.pause())
    assert jobqueue.binding.pending() == []
    assert [job.args for job in jobqueue.binding.waiting()] == [(1, 1)]
    assert jobqueue.worker.drain() == []
    jobqueue.run(queue.resume())
    assert jobqueue.worker.drain().results == [2]


def test_the_services_listeners_hear_of_the_jobs(jobqueue_server, jobqueue_url, service):
    from pytest_jobqueue import JobQueue

    def listen(worker):
        for name in ("active", "completed", "failed"):
            worker.on(name, lambda job, _result, name=name: service.events.append((name, job.name)))

    app = {"queue": "first", "processor": service.process, "setup": listen}
    with JobQueue(app, jobqueue_server) as jobqueue:
        jobqueue.producer.enqueue("add", 1, 1)
        jobqueue.producer.enqueue("boom", "no")
        jobqueue.worker.drain(on_error="record")
    assert service.events == [("active", "add"), ("completed", "add"), ("active", "boom"), ("failed", "boom")]


def test_a_processor_with_a_signal(jobqueue_server, jobqueue_url):
    from pytest_jobqueue import JobQueue

    async def process(job, token, abort):
        return [bool(token), abort.aborted]

    with JobQueue({"queue": "first", "processor": process}, jobqueue_server) as jobqueue:
        jobqueue.producer.enqueue("any")
        assert jobqueue.worker.drain().results == [[True, False]]


def test_a_processor_that_is_no_coroutine_function_fails_as_in_production(jobqueue_server, jobqueue_url):
    from pytest_jobqueue import JobQueue

    def process(job, token):
        return 5

    with JobQueue({"queue": "first", "processor": process}, jobqueue_server) as jobqueue:
        jobqueue.producer.enqueue("any")
        with pytest.raises(TypeError, match=r"int.*await"):
            jobqueue.worker.drain()


def test_a_result_that_is_no_json_fails_the_job(jobqueue, service):
    async def opaque(job, token):
        return object()

    service.handlers["opaque"] = opaque
    jobqueue.producer.enqueue("opaque")
    (outcome,) = jobqueue.worker.drain(on_error="record")
    assert outcome.status == "failed"
    assert isinstance(outcome.exception, TypeError)


def test_a_lock_that_is_lost_is_said(jobqueue, service):
    async def lose(job, token):
        jobqueue.redis.delete(f"bull:first:{job.id}:lock")

    service.handlers["lose"] = lose
    jobqueue.producer.enqueue("lose")
    (outcome,) = jobqueue.worker.drain(on_error="record")
    assert outcome.status == "retrying"
    assert "Missing lock" in outcome.reason


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, asyncio.CancelledError])
def test_what_ends_a_worker_reaches_the_test(error, jobqueue, service):
    async def end(job, token):
        raise error

    service.handlers["end"] = end
    jobqueue.producer.enqueue("end")
    with pytest.raises(error):
        jobqueue.worker.drain()
    (outcome,) = jobqueue.journal.outcomes
    assert outcome.status == "retrying"
    assert "lock" in outcome.reason
    assert [job.name for job in jobqueue.binding.running()] == ["end"]


def test_a_job_that_hangs_is_named_and_the_next_drain_works(jobqueue, service):
    async def hang(job, token):
        await asyncio.Event().wait()

    service.handlers["hang"] = hang
    jobqueue.producer.enqueue("hang", 7)
    with pytest.raises(DrainTimeoutError, match=r"while hang\(7\)"):
        jobqueue.worker.drain(timeout=0.5)
    jobqueue.producer.enqueue("add", 1, 1)
    assert jobqueue.worker.drain().results == [2]


def test_a_job_that_keeps_the_loop_busy_is_named(jobqueue, service):
    async def spin(job, token):
        while True:
            pass

    service.handlers["spin"] = spin
    jobqueue.producer.enqueue("spin", 7)
    with pytest.raises(DrainTimeoutError, match=r"spin\(7\)"):
        jobqueue.worker.drain(timeout=0.5)


def test_a_job_that_enqueues_by_awaiting(jobqueue, queue, service):
    async def more(job, token):
        await queue.add("add", [job.data, 1])

    service.handlers["more"] = more
    jobqueue.producer.enqueue("more", 4)
    assert jobqueue.worker.drain().results == [None, 5]


def test_the_lock_is_renewed_while_a_job_runs(jobqueue_server, jobqueue_url):
    from pytest_jobqueue import JobQueue

    renewed = asyncio.Event

    async def process(job, token):
        await heard.wait()
        return "done"

    def listen(worker):
        worker.on("locksRenewed", lambda _: heard.set())

    heard = renewed()
    options = {"lockDuration": 5000, "lockRenewTime": 20}
    app = {"queue": "first", "processor": process, "options": options, "setup": listen}
    with JobQueue(app, jobqueue_server) as jobqueue:
        jobqueue.producer.enqueue("long")
        assert jobqueue.worker.drain(timeout=10).results == ["done"]


def test_a_lock_that_ended_with_its_job_is_no_error(jobqueue_server):
    from pytest_jobqueue import JobQueue

    def listen(worker):
        fetch = worker.getNextJob

        async def late(token):
            worker.emit("error", Exception("could not renew lock for job 1"))
            return await fetch(token)

        worker.getNextJob = late

    async def process(job, token):
        return "done"

    app = {"queue": "first", "processor": process, "setup": listen}
    with JobQueue(app, jobqueue_server) as jobqueue:
        jobqueue.producer.enqueue("short")
        assert jobqueue.worker.drain().results == ["done"]


def test_the_alarm_of_another_is_given_back(jobqueue):
    left, _ = signal.setitimer(signal.ITIMER_REAL, 1000)
    jobqueue.producer.enqueue("add", 1, 1)
    jobqueue.worker.drain()
    assert signal.setitimer(signal.ITIMER_REAL, left)[0] > 900


def test_a_rate_limit_is_kept_to(jobqueue_server, jobqueue_url, service):
    from pytest_jobqueue import JobQueue

    options = {"limiter": {"max": 2, "duration": 3_600_000}}
    with JobQueue(
        {"queue": "first", "processor": service.process, "options": options}, jobqueue_server
    ) as jobqueue:
        jobqueue.producer.enqueue_many("add", [(number, 0) for number in range(3)])
        assert jobqueue.worker.drain().results == [0, 1]
        assert [job.args for job in jobqueue.binding.pending()] == [(2, 0)]
