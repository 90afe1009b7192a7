"""The worker's life as the service sees it: start-up and shut-down, hooks around jobs, its context."""

from __future__ import annotations

import pytest

pytest.importorskip("arq")

from support.arq_service import settings

from pytest_jobqueue import JobQueue

SEEN = []


async def on_startup(ctx):
    SEEN.append("startup")
    ctx["answer"] = 42


async def on_shutdown(ctx):
    SEEN.append(f"shutdown {ctx['answer']}")


async def on_job_start(ctx):
    SEEN.append(f"start {ctx['job_try']}")


async def on_job_end(ctx):
    SEEN.append("end")


async def after_job_end(ctx):
    SEEN.append("after")


async def answer(ctx):
    return ctx["answer"]


HOOKS = {
    "functions": [answer],
    "on_startup": on_startup,
    "on_shutdown": on_shutdown,
    "on_job_start": on_job_start,
    "on_job_end": on_job_end,
    "after_job_end": after_job_end,
}


@pytest.fixture(autouse=True)
def _unseen():
    SEEN.clear()


def test_they_run_as_in_production(jobqueue_server, jobqueue_url) -> None:
    with JobQueue(settings(**HOOKS), jobqueue_server) as jobqueue:
        jobqueue.producer.enqueue_many("answer", [(), ()])
        assert SEEN == []
        assert jobqueue.worker.drain().results == [42, 42]
        assert jobqueue.worker.drain() == []
    around = ["start 1", "end", "after"]
    assert ["startup", *around, *around, "shutdown 42"] == SEEN


@pytest.mark.asyncio
async def test_all_of_them_in_the_tests_own_loop(jobqueue_server, jobqueue_url) -> None:
    async with JobQueue(settings(**HOOKS), jobqueue_server) as jobqueue:
        await jobqueue.producer.aenqueue("answer")
        assert (await jobqueue.worker.adrain()).results == [42]
    assert SEEN == ["startup", "start 1", "end", "after", "shutdown 42"]


def test_who_only_enqueues_starts_no_worker(jobqueue_server, jobqueue_url) -> None:
    with JobQueue(settings(**HOOKS), jobqueue_server) as jobqueue:
        jobqueue.producer.enqueue("answer")
        jobqueue.assert_enqueued("answer")
    assert SEEN == []


async def fail(ctx):
    raise LookupError("from the hook")


def test_an_error_at_start_up_is_raised(jobqueue_server, jobqueue_url) -> None:
    with JobQueue(
        settings(**{**HOOKS, "on_startup": fail, "on_shutdown": None}), jobqueue_server
    ) as jobqueue:
        jobqueue.producer.enqueue("answer")
        with pytest.raises(LookupError, match="from the hook"):
            jobqueue.worker.drain()
        assert len(jobqueue.binding.pending()) == 1


def test_an_error_at_shut_down_is_raised_and_the_rest_restored(jobqueue_server, jobqueue_url) -> None:
    app = settings(**{**HOOKS, "on_shutdown": fail})
    jobqueue = JobQueue(app, jobqueue_server)
    jobqueue.producer.enqueue("answer")
    jobqueue.worker.drain()
    with pytest.raises(LookupError, match="from the hook"):
        jobqueue.close()
    assert app["redis_settings"].host == "no-such-host.invalid"


def test_an_error_before_a_job_ends_the_worker_as_it_would(jobqueue_server, jobqueue_url) -> None:
    with JobQueue(settings(**{**HOOKS, "on_job_start": fail}), jobqueue_server) as jobqueue:
        jobqueue.producer.enqueue("answer")
        (outcome,) = jobqueue.worker.drain(on_error="record")
        assert (outcome.status, type(outcome.exception)) == ("retrying", LookupError)
        assert "its in-progress key expires" in outcome.reason
        assert len(jobqueue.binding.running()) == 1


def test_a_context_of_the_service_is_used_and_put_back(jobqueue_server, jobqueue_url) -> None:
    context = {"answer": 41}
    app = settings(functions=[answer], ctx=context, on_startup=on_startup)
    with JobQueue(app, jobqueue_server) as jobqueue:
        jobqueue.producer.enqueue("answer")
        assert jobqueue.worker.drain().results == [42]
        assert context["answer"] == 42
    assert context == {"answer": 41}
