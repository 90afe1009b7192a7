"""Mistakes: one sentence each, with what was there and what to do."""

from __future__ import annotations

import threading

import fakeredis
import pytest

from pytest_jobqueue import Settings, UsageError
from pytest_jobqueue.contracts import jobs
from pytest_jobqueue.registry import bind

redis = pytest.importorskip("redis")
rq = pytest.importorskip("rq")

HERE = "pytest_jobqueue.contracts.jobs"
NOWHERE = "redis://127.0.0.1:1"


def refused(app):
    with pytest.raises(UsageError) as caught:
        bind(app, NOWHERE, Settings())
    return str(caught.value)


def test_a_queue_in_another_memory():
    assert refused(rq.Queue(connection=fakeredis.FakeRedis())).startswith(
        "the queue 'default' is on a fakeredis."
    )


def test_a_queue_on_a_cluster():
    cluster = object.__new__(redis.RedisCluster)
    message = refused(rq.Queue(connection=cluster))
    assert "is on a redis.cluster.RedisCluster, and only a redis.Redis can be led" in message


def test_a_queue_among_other_things(queue):
    assert "'low' is among the queues, and is a str; give rq.Queue objects" in refused([queue, "low"])


def test_queues_of_two_serializers(client):
    json = "rq.serializers.JSONSerializer"
    queues = [rq.Queue("a", connection=client), rq.Queue("b", connection=client, serializer=json)]
    assert refused(queues).startswith("the queues 'a' and 'b' have different serializers")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (f"{HERE}.ad", f"the functions of {HERE} are add, boom, flaky, hooked, keywords; "),
        (f"{HERE}.ad", f"; did you mean '{HERE}.add'?"),
        ("no_such_module.job", "no_such_module cannot be imported (No module named 'no_such_module')"),
        ("add", "RQ's jobs are functions, named by their import path, such as 'my_service.jobs.send'"),
    ],
)  # fmt: skip
def test_a_job_that_is_not_there(jobqueue, name, message):
    with pytest.raises(UsageError) as caught:
        jobqueue.producer.enqueue(name)
    assert str(caught.value).startswith(f"there is no job {name!r}: ")
    assert message in str(caught.value)


def test_a_job_that_only_the_service_names_fails_in_the_worker(jobqueue, queue):
    queue.enqueue("no_such_module.job")
    outcome = jobqueue.worker.run_next(on_error="record")
    assert outcome.status == "failed"
    assert "no_such_module.job" in str(outcome.exception)


def test_an_option_that_rq_would_drop_in_silence(jobqueue):
    with pytest.raises(UsageError, match=r"has no option 'retires'; did you mean 'retry'\?"):
        jobqueue.producer.set(retires=3).enqueue(f"{HERE}.add", 1, 2)
    with pytest.raises(UsageError, match=r"has no option 'zzz'; it has at_front, .*job_timeout, .*ttl"):
        jobqueue.producer.set(zzz=3).enqueue_in(60, f"{HERE}.add", 1, 2)


def test_an_option_for_one_job_only(jobqueue):
    if not hasattr(rq, "RateLimit"):
        pytest.skip("this RQ has no such option")
    with pytest.raises(UsageError, match="has no option 'unique' for many jobs at once"):
        jobqueue.producer.set(unique=True).enqueue_many(f"{HERE}.add", [(1, 2)])


def test_an_argument_that_the_serializer_refuses(jobqueue):
    with pytest.raises(TypeError, match=r"argument 2 of .*add does not survive DefaultSerializer: <unlocked"):
        jobqueue.producer.enqueue(f"{HERE}.add", 1, threading.Lock())
    with pytest.raises(TypeError, match=r"argument 'lock' of .*keywords does not survive"):
        jobqueue.producer.enqueue_in(60, f"{HERE}.keywords", lock=threading.Lock())
    assert jobqueue.redis.keys("rq:job:*") == []


def test_another_mistake_is_rqs_to_report(jobqueue):
    with pytest.raises(ValueError, match="0 timeout is not allowed"):
        jobqueue.producer.set(job_timeout=0).enqueue(f"{HERE}.add", 1, 2)


def test_redis_that_is_gone_is_an_error_at_once(queue):
    """RQ's worker would wait and try again, for ever."""
    binding = bind(queue, NOWHERE, Settings())
    with pytest.raises(redis.ConnectionError):
        binding.run_next()
    binding.close()


def test_a_function_itself_may_be_named(jobqueue):
    jobqueue.producer.enqueue(jobs.add, 1, 2)
    assert jobqueue.worker.drain().results == [3]
