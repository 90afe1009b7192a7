"""Fetching ahead: a drain takes the next job with the acknowledgement of the last, and nobody can tell."""

from __future__ import annotations

import pytest

from pytest_jobqueue.harness import JobQueue
from pytest_jobqueue.job import Call
from pytest_jobqueue.settings import Settings

DIALECTS = ["go-workers2", "sidekiq6", "sidekiq7", "sidekiq8"]


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_job_that_was_fetched_ahead_counts_as_pending_and_runs_next(bind, dialect) -> None:
    binding = bind(dialect=dialect)
    for number in range(3):
        binding.enqueue(Call("Add", (number, 0)))

    assert binding.run_next(more=True).result == 0
    assert [job.args for job in binding.pending()] == [(1, 0), (2, 0)]
    assert binding.running() == []
    assert [binding.run_next().result for _ in range(2)] == [1, 2]
    assert binding.run_next() is None


@pytest.mark.parametrize("dialect", DIALECTS)
def test_closing_puts_it_back_where_it_is_taken_first(bind, look, dialect) -> None:
    binding = bind(dialect=dialect)
    for number in range(3):
        binding.enqueue(Call("Add", (number, 0)))
    before = look.lrange("queue:default", 0, -1)

    binding.run_next(more=True)
    binding.close()

    assert look.lrange("queue:default", 0, -1) == before[:-1]
    assert look.exists("queue:default:1:inprogress") == 0


def test_a_failure_fetches_nothing_ahead(bind, look) -> None:
    binding = bind()
    binding.enqueue(Call("Boom", ("no",)))
    binding.enqueue(Call("Add", (1, 1)))

    assert binding.run_next(more=True).status == "failed"
    assert look.llen("queue:default") == 1


def test_a_job_of_another_queue_does_not_come_out_of_this_one(bind) -> None:
    binding = bind(queues=["a", "b"])
    for queue in ("a", "a", "b"):
        binding.enqueue(Call("Add", (1, 1), queue=queue))

    assert binding.run_next(more=True).job.queue == "a"
    assert binding.run_next("b").job.queue == "b"
    assert binding.run_next("b") is None
    assert binding.run_next("a").job.queue == "a"


def test_a_drain_fetches_no_more_than_its_limit_lets_it_run(server, look) -> None:
    seen = []
    with JobQueue({"Note": seen.append}, server, Settings()) as jobqueue:
        jobqueue.producer.enqueue_many("Note", [[1], [2], [3]])
        jobqueue.worker.run_next()
        sent = []
        remove = server.add_hook(lambda _connection, argv: sent.append(argv[0].upper()))
        jobqueue.worker.drain(limit=2)
        remove()

        assert seen == [1, 2, 3]
        assert sent.count(b"RPOPLPUSH") == 2
        assert sent.count(b"LREM") == 2
        jobqueue.assert_idle()
