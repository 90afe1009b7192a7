"""When a message runs again, and when it does not: Dramatiq's back-off, its own exceptions, its options."""

from __future__ import annotations

import time

import pytest

dramatiq = pytest.importorskip("dramatiq")
errors = pytest.importorskip("dramatiq.errors")
MAJOR = int(dramatiq.__version__[0])


def failing(actor, **options):
    @actor(**options)
    def fail():
        raise ValueError("out of paper")

    return fail


def delays(jobqueue, travel):
    """Run all attempts; the milliseconds between them."""
    found = []
    while jobqueue.worker.run_next(on_error="record").status == "retrying":
        (job,) = jobqueue.binding.retrying()
        found.append((job.due_at - time.time()) * 1000)
        travel(job.due_at - time.time() + 0.01)
    return found


def test_the_back_off_is_dramatiqs_jitter_included(actor, jobqueue, travel):
    failing(actor, max_retries=4, min_backoff=10_000, max_backoff=60_000).send()
    found = delays(jobqueue, travel)
    low = (10_000, 20_000, 30_000, 30_000) if MAJOR >= 2 else (5_000, 10_000, 20_000, 30_000)
    assert len(found) == 4
    for delay, least in zip(found, low, strict=True):
        assert least - 100 <= delay <= max(2 * least, 60_000)
    jobqueue.assert_dead("fail", error="out of paper")


def test_a_retry_shows_attempts_and_the_last_error(actor, jobqueue):
    failing(actor).send()
    jobqueue.worker.drain(on_error="record")
    (job,) = jobqueue.assert_retrying("fail", error="out of paper")
    assert (job.attempts, job.queue) == (1, "default")


def test_another_process_reads_them_from_the_message(actor, jobqueue):
    failing(actor).send()
    jobqueue.worker.drain(on_error="record")
    jobqueue.binding._attempts.clear()
    jobqueue.binding._errors.clear()
    (job,) = jobqueue.binding.retrying()
    assert (job.attempts, job.error) == (1, "ValueError: out of paper")


def test_options_of_the_call(actor, jobqueue):
    failing(actor)
    jobqueue.producer.set(max_retries=1, min_backoff=1000, max_backoff=1000).enqueue("fail")
    jobqueue.worker.drain(on_error="record")
    (job,) = jobqueue.binding.retrying()
    assert job.due_at - time.time() <= 1.001


def test_what_is_thrown_on_purpose_is_not_retried(actor, jobqueue):
    failing(actor, throws=ValueError).send()
    (outcome,) = jobqueue.worker.drain(on_error="record")
    assert outcome.status == "failed"
    assert isinstance(outcome.exception, ValueError)
    jobqueue.assert_dead("fail", error="out of paper")


def test_retry_when(actor, jobqueue):
    failing(actor, retry_when=lambda retries, error: False).send()
    assert jobqueue.worker.run_next(on_error="record").status == "failed"


def test_what_asks_for_a_retry_is_no_failure(actor, jobqueue, travel):
    @actor()
    def not_yet():
        raise dramatiq.errors.Retry("the file is not there", delay=300_000)

    not_yet.send()
    (outcome,) = jobqueue.worker.drain()
    assert (outcome.status, outcome.exception) == ("retrying", None)
    assert outcome.reason == "Retry: the file is not there"
    assert jobqueue.binding.next_due() == pytest.approx(time.time() + 300, abs=1)


def test_neither_is_a_rate_limit(actor, broker, jobqueue):
    from dramatiq.middleware import GroupCallbacks
    from dramatiq.rate_limits import ConcurrentRateLimiter

    backend = next(one for one in broker.middleware if isinstance(one, GroupCallbacks)).rate_limiter_backend
    mutex = ConcurrentRateLimiter(backend, "press", limit=1)

    @actor()
    def press():
        with mutex.acquire():
            return "printed"

    with mutex.acquire():
        press.send()
        (outcome,) = jobqueue.worker.drain()
    assert (outcome.status, outcome.exception) == ("retrying", None)
    assert outcome.reason.startswith("RateLimitExceeded")


@pytest.mark.skipif(MAJOR < 2, reason="in Dramatiq 1.18 and newer")
def test_an_actor_for_exhausted_retries(actor, jobqueue):
    @actor()
    def give_up(message, facts):
        return message["actor_name"], facts["retries"]

    failing(actor, max_retries=0, on_retry_exhausted="give_up").send()
    assert jobqueue.worker.drain(on_error="record").results == [("fail", 0)]


def test_without_the_middleware_for_retries_nothing_is_kept(jobqueue_url):
    from dramatiq.brokers.redis import RedisBroker

    from pytest_jobqueue.adapters.dramatiq.binding import DramatiqBinding

    broker = RedisBroker(host="redis.invalid", middleware=[])
    binding = DramatiqBinding(broker, jobqueue_url)
    dramatiq.actor(broker=broker, actor_name="fail")(lambda: 1 / 0).send()
    outcome = binding.run_next()
    assert outcome.status == "failed"
    assert outcome.reason.startswith("acknowledged, since no middleware asked for a retry")
    assert binding.failed() == []
    binding.close()
