"""When Redis fails under the adapter."""

from __future__ import annotations

import contextlib

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError

from pytest_jobqueue import JobQueue

celery = pytest.importorskip("celery")

# Celery's result backend calls what redis-py 8 has deprecated.
pytestmark = pytest.mark.filterwarnings("ignore:Call to deprecated setex:DeprecationWarning")


def test_a_cut_connection_is_made_anew(jobqueue, jobqueue_server):
    job = jobqueue.producer.enqueue("add", 1, 2)
    (raw,) = jobqueue.redis.lrange("celery", 0, -1)
    jobqueue_server.reset()  # cuts every connection, and forgets the job
    jobqueue.redis.lpush("celery", raw)

    outcome = None
    for _ in range(5):
        with contextlib.suppress(
            RedisConnectionError
        ):  # as the library has it, when the cut is seen in a read
            outcome = outcome or jobqueue.worker.run_next()
    assert (outcome.job.id, outcome.result) == (job.id, 3)
    job = jobqueue.producer.enqueue("add", 3, 4)
    job.raw.revoke()
    assert jobqueue.worker.drain()[0].reason == "revoked"


def test_a_server_that_is_not_there_is_an_error_and_no_hang(make_app):
    from types import SimpleNamespace

    with pytest.raises(Exception, match="refused"):
        JobQueue(make_app(), SimpleNamespace(url="redis://127.0.0.1:9/0", direct_url="redis://127.0.0.1:9/0"))
