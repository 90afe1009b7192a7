"""The worker's life as the service sees it: start-up and shut-down, hooks around jobs, its context."""

from __future__ import annotations

import threading

import pytest

pytest.importorskip("saq")

from support.saq_service import settings

from pytest_jobqueue import JobQueue

SEEN = []


async def startup(ctx):
    SEEN.append("startup")
    ctx["answer"] = 42


def shutdown(ctx):
    SEEN.append(f"shutdown {ctx['answer']} {threading.current_thread().name}")


def before(ctx):
    SEEN.append(f"before {ctx['job'].attempts}")


async def after(ctx):
    SEEN.append(f"after {ctx['job'].status.value} {ctx.get('exception')!r}")


async def answer(ctx):
    return ctx["answer"]


async def boom(ctx):
    raise ValueError


HOOKS = {
    "functions": [answer, boom],
    "startup": [startup],
    "shutdown": shutdown,
    "before_process": before,
    "after_process": [after],
}


@pytest.fixture(autouse=True)
def _unseen():
    SEEN.clear()


def test_they_run_as_in_production_and_here(jobqueue_server, jobqueue_url) -> None:
    with JobQueue(settings(**HOOKS), jobqueue_server) as jobqueue:
        jobqueue.producer.enqueue("answer")
        jobqueue.producer.enqueue("boom")
        assert SEEN == []
        assert jobqueue.worker.drain(on_error="record").results == [42]
        assert jobqueue.worker.drain() == []
    assert [
        "startup",
        *["before 1", "after complete None"],
        *["before 1", "after failed ValueError()"],
        "shutdown 42 MainThread",
    ] == SEEN


@pytest.mark.asyncio
async def test_all_of_them_in_the_tests_own_loop(jobqueue_server, jobqueue_url) -> None:
    async with JobQueue(settings(**HOOKS), jobqueue_server) as jobqueue:
        await jobqueue.producer.aenqueue("answer")
        assert (await jobqueue.worker.adrain()).results == [42]
    assert SEEN == ["startup", "before 1", "after complete None", "shutdown 42 MainThread"]


def test_who_only_enqueues_starts_no_worker(jobqueue_server, jobqueue_url) -> None:
    with JobQueue(settings(**HOOKS), jobqueue_server) as jobqueue:
        jobqueue.producer.enqueue("answer")
        jobqueue.assert_enqueued("answer")
    assert SEEN == []


async def fail(ctx):
    raise LookupError("from the hook")


def test_an_error_at_start_up_is_raised(jobqueue_server, jobqueue_url) -> None:
    app = settings(**{**HOOKS, "startup": fail, "shutdown": None})
    with JobQueue(app, jobqueue_server) as jobqueue:
        jobqueue.producer.enqueue("answer")
        with pytest.raises(LookupError, match="from the hook"):
            jobqueue.worker.drain()
        assert len(jobqueue.binding.pending()) == 1


def test_an_error_at_shut_down_is_raised_and_the_rest_restored(jobqueue_server, jobqueue_url) -> None:
    app = settings(**{**HOOKS, "shutdown": fail})
    jobqueue = JobQueue(app, jobqueue_server)
    jobqueue.producer.enqueue("answer")
    jobqueue.worker.drain()
    with pytest.raises(LookupError, match="from the hook"):
        jobqueue.close()
    assert app["queue"].redis.connection_pool.connection_kwargs["host"] == "no-such-host.invalid"


def test_an_error_before_a_job_is_the_jobs_failure(jobqueue_server, jobqueue_url) -> None:
    with JobQueue(settings(**{**HOOKS, "before_process": fail}), jobqueue_server) as jobqueue:
        jobqueue.producer.enqueue("answer")
        with pytest.raises(LookupError, match="from the hook"):
            jobqueue.worker.drain()


def test_an_error_after_a_job_is_in_the_log_only(jobqueue_server, jobqueue_url, caplog) -> None:
    with JobQueue(settings(**{**HOOKS, "after_process": fail}), jobqueue_server) as jobqueue:
        jobqueue.producer.enqueue("answer")
        assert jobqueue.worker.drain().results == [42]
    assert "Failed to run after process hook" in caplog.text
