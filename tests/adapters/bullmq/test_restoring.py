"""The service's own clients lead to the test's Redis while it lasts, and afterwards where they led before."""

from __future__ import annotations

import asyncio

import pytest

bullmq = pytest.importorskip("bullmq")

import redis.asyncio

from pytest_jobqueue import JobQueue

ELSEWHERE = "redis://user:secret@redis.invalid:7000/5"
MODULE_QUEUE = bullmq.Queue("first", {"connection": ELSEWHERE})


async def process(job, token):
    return job.data


def place(client):
    pool = client.connection_pool
    return pool.connection_class, dict(pool.connection_kwargs), client.connection


def test_queues_and_flows_that_are_there_already(jobqueue_server, jobqueue_url):
    queue = bullmq.Queue("first", {"connection": ELSEWHERE, "defaultJobOptions": {"attempts": 7}})
    flow = bullmq.FlowProducer({"connection": ELSEWHERE})
    clients = [queue.client, flow.backend.conn]
    before = [place(client) for client in clients]
    app = {"queue": "first", "processor": process, "producers": [queue, flow]}
    with JobQueue(app, jobqueue_server) as jobqueue:
        jobqueue.run(queue.add("own", 1))
        jobqueue.run(flow.add({"name": "flow", "queueName": "first", "data": 2}))
        job = jobqueue.producer.enqueue("test's", 3)
        assert job.raw.opts["attempts"] == 7  # as the service's own queue has it
        assert jobqueue.worker.drain().results == [1, 2, 3]
    assert [place(client) for client in clients] == before


def test_a_client_that_the_service_shares(jobqueue_server, jobqueue_url):
    client = redis.asyncio.Redis(host="redis.invalid", decode_responses=True)
    queue = bullmq.Queue("first", {"connection": client})
    before = place(client)
    app = {"queue": "first", "processor": process, "options": {"connection": client}}
    with JobQueue(app, jobqueue_server) as jobqueue:
        jobqueue.run(queue.add("own", 1))
        assert jobqueue.worker.drain().results == [1]
    assert place(client) == before


def test_the_application_itself_is_not_touched(jobqueue_server, jobqueue_url):
    options = {"prefix": "mine", "concurrency": 5}
    app = {"queue": "first", "processor": process, "options": options}
    before = {**app, "options": dict(options)}
    with JobQueue(app, jobqueue_server) as jobqueue:
        jobqueue.producer.enqueue("job", 1)
        assert jobqueue.worker.drain().results == [1]
        assert jobqueue.redis.exists("mine:first:meta")
    assert app == before


@pytest.mark.parametrize("number", range(2))
def test_a_queue_in_a_module_works_in_test_after_test(number, jobqueue_server, jobqueue_url):
    app = {"queue": "first", "processor": process, "producers": [MODULE_QUEUE]}
    with JobQueue(app, jobqueue_server) as jobqueue:
        jobqueue.run(MODULE_QUEUE.add("own", number))
        assert jobqueue.worker.drain().results == [number]


@pytest.mark.parametrize("number", range(2))
@pytest.mark.asyncio
async def test_and_in_coroutine_after_coroutine(number, jobqueue_server, jobqueue_url):
    pytest.importorskip("pytest_asyncio")
    app = {"queue": "first", "processor": process, "producers": [MODULE_QUEUE]}
    async with JobQueue(app, jobqueue_server) as jobqueue:
        await MODULE_QUEUE.add("own", number)
        await jobqueue.producer.aenqueue("test's", 5)
        assert (await jobqueue.worker.adrain()).results == [number, 5]


@pytest.fixture
def anyio_backend():
    return "asyncio"


@pytest.mark.anyio
async def test_with_anyio(jobqueue, service):
    await jobqueue.producer.aenqueue("add", 1, 2)
    assert (await jobqueue.worker.adrain()).results == [3]


def test_a_service_that_runs_its_own_loop(jobqueue_server, jobqueue_url):
    app = {"queue": "first", "processor": process, "producers": [MODULE_QUEUE]}
    with JobQueue(app, jobqueue_server) as jobqueue:

        async def serve():
            await MODULE_QUEUE.add("own", 1)
            await jobqueue.release()

        asyncio.run(serve())
        assert jobqueue.worker.drain().results == [1]
