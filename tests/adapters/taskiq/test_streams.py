"""`RedisStreamBroker`: groups, pending entries, what a dead worker had and who takes it over."""

from __future__ import annotations

import pytest

pytest.importorskip("taskiq_redis")

from taskiq_redis import RedisStreamBroker

IDLE = 600.0  # seconds, the broker's default


@pytest.fixture
def broker(streams):
    return streams


@pytest.fixture
def add(broker):
    @broker.task("add")
    async def add(left: int, right: int):
        return left + right

    return add


def test_a_job_in_dead_hands_is_running(jobqueue, add):
    jobqueue.producer.enqueue_many("add", [(1, 1), (2, 2)])
    abandoned = jobqueue.worker.abandon_next()
    assert abandoned.args == (1, 1)
    assert [job.args for job in jobqueue.binding.running()] == [(1, 1)]
    assert jobqueue.worker.drain().results == [4]
    assert [job.args for job in jobqueue.binding.running()] == [(1, 1)]


def test_it_is_taken_over_when_it_has_been_idle_for_long_enough(jobqueue, travel, add):
    if jobqueue.server.mode != "fake":
        pytest.skip("how long a message is idle is counted by the server's clock, which no test moves")
    jobqueue.producer.enqueue("add", 1, 1)
    jobqueue.worker.abandon_next()
    travel(IDLE - 1)
    assert jobqueue.worker.recover() == 0
    travel(2)
    assert jobqueue.worker.recover() == 1
    assert jobqueue.worker.drain().results == [2]
    assert jobqueue.binding.running() == []


def test_on_a_real_server_a_moved_clock_changes_nothing(jobqueue, travel, add):
    if jobqueue.server.mode == "fake":
        pytest.skip("the memory's clock is the test's")
    jobqueue.producer.enqueue("add", 1, 1)
    jobqueue.worker.abandon_next()
    travel(2 * IDLE)
    assert jobqueue.worker.recover() == 0


class TestAtOnce:
    @pytest.fixture
    def broker(self, nowhere):
        return RedisStreamBroker(nowhere, idle_timeout=0, unacknowledged_batch_size=2)

    def test_all_batches_are_taken_over_and_come_first(self, jobqueue, add):
        jobqueue.producer.enqueue_many("add", [(number, 0) for number in range(6)])
        for _ in range(5):
            jobqueue.worker.abandon_next()

        assert jobqueue.worker.recover() == 5
        assert jobqueue.worker.recover() == 0

        assert [job.args[0] for job in jobqueue.binding.pending()] == [0, 1, 2, 3, 4, 5]
        assert jobqueue.binding.running() == []
        assert jobqueue.worker.drain().results == [0, 1, 2, 3, 4, 5]
        assert jobqueue.worker.recover() == 0

    def test_what_was_taken_over_can_be_abandoned_again(self, jobqueue, add):
        jobqueue.producer.enqueue("add", 1, 2)
        for _ in range(3):
            jobqueue.worker.abandon_next()
            assert len(jobqueue.binding.running()) == 1
            assert jobqueue.worker.recover() == 1
        assert jobqueue.worker.drain().results == [3]

    def test_a_message_that_a_middleware_kept_from_running_comes_again(self, jobqueue, broker, add):
        from taskiq import TaskiqMiddleware

        class Once(TaskiqMiddleware):
            done = False

            def pre_execute(self, message):
                if not self.done:
                    self.done = True
                    raise OSError("not yet")
                return message

        broker.add_middlewares(Once())
        jobqueue.producer.enqueue("add", 1, 2)
        (outcome,) = jobqueue.worker.drain(on_error="record")
        assert outcome.status == "retrying"
        assert "unacknowledged" in outcome.reason
        assert jobqueue.worker.recover() == 1
        assert jobqueue.worker.drain().results == [3]


def test_the_enqueue_time_is_the_streams(jobqueue, add):
    import time

    jobqueue.producer.enqueue("add", 1, 1)
    (job,) = jobqueue.binding.pending()
    assert job.enqueued_at == pytest.approx(time.time(), abs=60)


def test_a_worker_leaves_nothing_unacknowledged(jobqueue, add):
    jobqueue.producer.enqueue_many("add", [(1, 1)] * 3)
    jobqueue.worker.drain()
    assert jobqueue.redis.xpending("taskiq", "taskiq")["pending"] == 0
    assert jobqueue.redis.xlen("taskiq") == 3  # a stream keeps what was read; see its maxlen


def test_a_job_is_acknowledged_when_its_result_is_saved_and_not_before(jobqueue, broker):
    @broker.task("look")
    async def look():
        return jobqueue.redis.xpending("taskiq", "taskiq")["pending"]

    jobqueue.producer.enqueue("look")
    assert jobqueue.worker.drain().results == [1]


def test_after_the_service_flushed_its_redis_the_group_is_made_anew(jobqueue, add):
    jobqueue.worker.drain()
    jobqueue.redis.flushdb()
    jobqueue.producer.enqueue("add", 1, 1)
    assert len(jobqueue.binding.pending()) == 1
    assert jobqueue.worker.drain().results == [2]


class TestSeveral:
    @pytest.fixture
    def broker(self, nowhere):
        return RedisStreamBroker(nowhere, queue_name="main", additional_streams={"mail": ">", "bulk": ">"})

    def test_streams_are_read_in_their_order(self, jobqueue, add):
        assert jobqueue.binding.queues() == ["main", "mail", "bulk"]
        for number, queue in enumerate(("bulk", "mail", None)):
            jobqueue.producer.enqueue("add", number, 0, queue=queue)
        assert [job.queue for job in jobqueue.binding.pending()] == ["main", "mail", "bulk"]
        assert jobqueue.worker.drain(queue="mail").results == [1]
        assert jobqueue.worker.drain().results == [2, 0]

    def test_dead_hands_are_looked_for_on_each(self, jobqueue, add):
        for queue in ("bulk", "mail"):
            jobqueue.producer.enqueue("add", 1, 1, queue=queue)
            jobqueue.worker.abandon_next()
        assert [job.queue for job in jobqueue.binding.running()] == ["mail", "bulk"]


class TestNoStreamMade:
    @pytest.fixture
    def broker(self, nowhere):
        return RedisStreamBroker(nowhere, mkstream=False)

    def test_is_an_empty_queue_until_there_is_a_job(self, jobqueue, add):
        assert jobqueue.worker.drain() == []
        assert jobqueue.redis.keys() == []
        jobqueue.producer.enqueue("add", 1, 1)
        assert jobqueue.worker.drain().results == [2]


def test_the_services_own_listener_works_beside_it(jobqueue, broker, add):
    """What the adapter reads one by one is what `listen` would yield, in its group."""

    async def listened():
        await add.kiq(1, 1)
        messages = broker.listen()
        message = await messages.__anext__()
        await message.ack()
        await messages.aclose()
        return broker.formatter.loads(message=message.data)

    assert jobqueue.run(listened()).args == [1, 1]
    assert jobqueue.worker.drain() == []


class TestReadingAhead:
    """A drain takes the next message with an acknowledgement; nobody can tell."""

    @pytest.fixture
    def commands(self, jobqueue, monkeypatch):
        from redis.asyncio.connection import AbstractConnection

        sent = []
        original = AbstractConnection.send_packed_command

        async def noting(self, command, *args, **kwargs):
            sent.append(b"".join(command) if isinstance(command, list) else command)
            return await original(self, command, *args, **kwargs)

        monkeypatch.setattr(AbstractConnection, "send_packed_command", noting)
        return sent

    def test_it_spares_a_round_trip(self, jobqueue, add, commands):
        jobqueue.producer.enqueue_many("add", [(number, 0) for number in range(5)])
        jobqueue.worker.run_next()
        commands.clear()
        assert jobqueue.worker.drain().results == [1, 2, 3, 4]
        assert sum(b"XACK" in one and b"XREADGROUP" in one for one in commands) == 4
        assert sum(b"XREADGROUP" in one for one in commands) == 4 + 2  # the first, and one that finds nothing

    def test_after_a_failure_nothing_is_in_hand(self, jobqueue, broker, add):
        @broker.task("boom")
        async def boom():
            raise ValueError("no")

        for name, args in (("add", (1, 1)), ("boom", ()), ("add", (2, 2))):
            jobqueue.producer.enqueue(name, *args)
        with pytest.raises(ValueError, match="no"):
            jobqueue.worker.drain()
        assert jobqueue.redis.xpending("taskiq", "taskiq")["pending"] == 0
        assert [job.args for job in jobqueue.binding.pending()] == [(2, 2)]

    def test_not_when_it_is_the_last(self, jobqueue, add):
        from pytest_jobqueue.errors import DrainLimitError

        jobqueue.producer.enqueue_many("add", [(number, 0) for number in range(3)])
        with pytest.raises(DrainLimitError):
            jobqueue.worker.drain(limit=2)
        assert jobqueue.redis.xpending("taskiq", "taskiq")["pending"] == 0
        assert jobqueue.worker.drain().results == [2]

    def test_not_from_a_stream_that_another_one_goes_before(self, jobqueue_server, jobqueue_url, nowhere):
        from pytest_jobqueue import JobQueue

        broker = RedisStreamBroker(nowhere, queue_name="main", additional_streams={"bulk": ">"})

        @broker.task("put")
        async def put(more: int):
            if more:
                await put.kiq(0)

        with JobQueue(broker, jobqueue_server) as jobqueue:
            jobqueue.producer.enqueue_many("put", [(1,), (0,)], queue="bulk")
            assert [outcome.job.queue for outcome in jobqueue.worker.drain()] == ["bulk", "main", "bulk"]

    def test_the_service_may_flush_in_a_job(self, jobqueue, broker):
        @broker.task("flush")
        async def flush():
            jobqueue.redis.flushdb()

        jobqueue.producer.enqueue_many("flush", [(), ()])
        assert len(jobqueue.worker.drain()) == 1
