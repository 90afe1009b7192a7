"""What is bound is led back: connections, what was cached of the other server, signals."""

from __future__ import annotations

import signal
import sys

import fakeredis
import pytest

from pytest_jobqueue import JobQueue, UsageError, serve
from pytest_jobqueue.adapters.rq.binding import RQBinding
from pytest_jobqueue.contracts import jobs

redis = pytest.importorskip("redis")
rq = pytest.importorskip("rq")

HERE = "pytest_jobqueue.contracts.jobs"


def state(queue):
    client = queue.connection
    pool = client.connection_pool
    return (
        {key: value for key, value in vars(queue).items() if key != "connection"},
        id(client),
        id(pool),
        pool.connection_class,
        dict(pool.connection_kwargs),
        getattr(client, "__rq_redis_server_version", None),
    )


def use(binding, queue):
    queue.enqueue(jobs.add, 1, 2)
    queue.enqueue(jobs.boom, "no", retry=rq.Retry(max=1, interval=60))
    assert binding.run_next().result == 3
    assert binding.run_next().status == "retrying"
    binding.tick()
    binding.recover()
    binding.retrying()


def test_a_queue_is_as_before(jobqueue_url, queue):
    before = state(queue)
    for _ in range(2):  # and can be bound again
        binding = RQBinding(queue, jobqueue_url)
        use(binding, queue)
        binding.close()
        assert state(queue) == before


def test_the_version_of_the_services_own_server_is_remembered(jobqueue_url, queue):
    queue.redis_server_version = (4, 0, 0)
    setattr(queue.connection, "__rq_redis_server_version", (4, 0, 0))
    before = state(queue)
    binding = RQBinding(queue, jobqueue_url)
    queue.enqueue(jobs.add, 1, 2)
    assert queue.get_redis_server_version() > (6, 0, 0)
    binding.close()
    assert state(queue) == before


def test_everything_that_shares_the_client_moves_along(jobqueue, client):
    other = rq.Queue("default", connection=client)
    job = other.enqueue(jobs.add, 1, 2)
    jobqueue.worker.drain()
    assert rq.job.Job.fetch(job.id, connection=client).return_value() == 3
    assert client.ping()


def test_queues_of_one_client_and_of_several(jobqueue_url):
    one, other = redis.Redis("one.invalid"), redis.Redis("other.invalid", db=7)
    queues = [rq.Queue("a", connection=one), rq.Queue("b", connection=one), rq.Queue("c", connection=other)]
    before = [state(queue) for queue in queues]
    binding = RQBinding(queues, jobqueue_url)
    for queue in queues:
        queue.enqueue(jobs.add, 1, 2)
    assert [job.queue for job in binding.pending()] == ["a", "b", "c"]
    binding.close()
    assert [state(queue) for queue in queues] == before


def test_a_service_on_tls_a_socket_or_sentinel_is_led_by_tcp(jobqueue_url):
    sentinel = redis.Sentinel([("sentinel.invalid", 26379)], socket_timeout=1)
    for client in (
        sentinel.master_for("service", db=4),
        redis.Redis(connection_pool=redis.BlockingConnectionPool(host="redis.invalid")),
        redis.Redis("redis.invalid", ssl=True, username="me", password="secret"),
        redis.Redis(unix_socket_path="/nowhere/redis.sock"),
        redis.Redis.from_url("rediss://redis.invalid/4", socket_timeout=3),
    ):
        queue = rq.Queue(connection=client)
        before = state(queue)
        binding = RQBinding(queue, jobqueue_url)
        use(binding, queue)
        binding.close()
        assert state(queue) == before


def test_a_binding_that_fails_leaves_nothing(jobqueue_url, client):
    queues = [rq.Queue("a", connection=client), rq.Queue("b", connection=fakeredis.FakeRedis())]
    before = [state(queue) for queue in queues]
    with pytest.raises(UsageError):
        RQBinding(queues, jobqueue_url)
    assert [state(queue) for queue in queues] == before


def test_signals_and_the_processs_title_are_left_alone(jobqueue, queue, monkeypatch):
    titles = []
    where = sys.modules[rq.worker.BaseWorker.__module__]
    monkeypatch.setattr(where, "setprocname", titles.append)
    numbers = signal.SIGINT, signal.SIGTERM, signal.SIGALRM
    before = [signal.getsignal(number) for number in numbers]
    use(jobqueue.binding, queue)
    assert [signal.getsignal(number) for number in numbers] == before
    assert titles == []


def test_no_worker_is_registered(jobqueue, queue):
    """It would look to the service as if a worker process were there."""
    use(jobqueue.binding, queue)
    assert rq.Worker.all(connection=queue.connection) == []


def test_outside_of_pytest(queue):
    with serve("fake") as server, JobQueue(queue, server) as jobqueue:
        queue.enqueue(jobs.add, 1, 2)
        assert jobqueue.worker.drain().results == [3]
