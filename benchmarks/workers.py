"""Each job library with its own worker, in this process and one job at a time, on a queue of trivial jobs.

The job itself looks at the clocks. So what a worker costs is what passes between its first job and its last,
by the same ruler for all of them, and what it needs to start and to stop is in no figure. A worker that polls
does so without a pause, and what a service may do in several tasks or threads at once is set to one.
"""

from __future__ import annotations

import asyncio
import logging
import time
from typing import Any

from benchmarks import needs

STAMPS: list[tuple[float, float]] = []
"""The clock and the processor's, at each job since it was cleared."""

_PATIENCE = 120.0  # seconds for one round


def add(left: int, right: int) -> int:
    """The job."""
    STAMPS.append((time.perf_counter(), time.process_time()))
    return left + right


async def add_later(left: int, right: int) -> int:
    """The job of an asynchronous library."""
    return add(left, right)


async def add_with_context(_context: Any, left: int, right: int) -> int:
    """The job of one that gives its functions a context."""
    return add(left, right)


def _wait_for(count: int) -> None:
    ends = time.monotonic() + _PATIENCE
    while len(STAMPS) < count and time.monotonic() < ends:
        time.sleep(0.01)


class Library:
    """One of them.

    Args:
        url: The Redis.

    Attributes:
        module: What must be installed.
        app: The service's application object, or what stands for it.
        job: What the producer calls the job.
        words: Whether the job has keyword arguments.
    """

    module = ""
    app: Any
    job = "add"
    words = False

    def __init__(self, url: str) -> None:
        self.url = url
        logging.getLogger(self.module).setLevel(logging.CRITICAL)

    def work(self, count: int) -> None:
        """Enqueue as many jobs with the library's own client, and let its own worker run them."""
        raise NotImplementedError

    def close(self) -> None:
        """Close what is open."""


class Rq(Library):
    """`SimpleWorker`, in a burst."""

    module = "rq"
    job = "benchmarks.workers.add"

    def __init__(self, url: str) -> None:
        super().__init__(url)
        import redis
        import rq

        self._connection = redis.Redis.from_url(url)
        self.app = rq.Queue("bench", connection=self._connection)

    def work(self, count: int) -> None:
        import rq

        for _ in range(count):
            self.app.enqueue(add, 2, 3)
        worker = rq.SimpleWorker([self.app], connection=self._connection)
        worker.work(burst=True, logging_level=logging.CRITICAL)

    def close(self) -> None:
        self._connection.close()


class Celery(Library):
    """A worker with the solo pool; the last job lets it stop."""

    module = "celery"

    def __init__(self, url: str) -> None:
        super().__init__(url)
        import celery

        self.app = celery.Celery("bench", broker=url, backend=url)
        self.app.conf.update(broker_connection_retry_on_startup=True, worker_redirect_stdouts=False)
        self._last = 0

        @self.app.task(name="add")
        def add_and_stop(left: int, right: int) -> int:
            from celery.worker import state

            done = add(left, right)
            if len(STAMPS) == self._last:
                state.should_stop = 0  # the exit code
            return done

    def work(self, count: int) -> None:
        from celery.worker import state

        self._last = count
        for _ in range(count):
            self.app.tasks["add"].delay(2, 3)
        worker = self.app.Worker(pool="solo", concurrency=1, loglevel="CRITICAL", quiet=True)
        try:
            worker.start()
        finally:
            state.should_stop, self._last = None, 0

    def close(self) -> None:
        self.app.close()


class Dramatiq(Library):
    """`Worker`, with one thread."""

    module = "dramatiq"

    def __init__(self, url: str) -> None:
        super().__init__(url)
        import dramatiq
        from dramatiq.brokers.redis import RedisBroker

        self.app = RedisBroker(url=url)
        self._actor = dramatiq.actor(add, broker=self.app)

    def work(self, count: int) -> None:
        import dramatiq

        for _ in range(count):
            self._actor.send(2, 3)
        worker = dramatiq.Worker(self.app, worker_threads=1)
        worker.start()
        _wait_for(count)
        self.app.join("default")
        worker.stop()

    def close(self) -> None:
        self.app.close()


class Huey(Library):
    """The consumer, with one thread."""

    module = "huey"
    job = "benchmarks.workers.add"

    def __init__(self, url: str) -> None:
        super().__init__(url)
        import huey

        self.app = huey.RedisHuey("bench", url=url)
        self._task = self.app.task()(add)

    def work(self, count: int) -> None:
        for _ in range(count):
            self._task(2, 3)
        consumer = self.app.create_consumer(workers=1, check_worker_health=False)
        consumer.start()
        _wait_for(count)
        consumer.stop(graceful=True)

    def close(self) -> None:
        self.app.storage.conn.close()


class Arq(Library):
    """`Worker`, in a burst."""

    module = "arq"

    def __init__(self, url: str) -> None:
        super().__init__(url)
        from arq.connections import RedisSettings
        from arq.worker import func

        self._functions = [func(add_with_context, name="add")]
        self._place = RedisSettings.from_dsn(url)
        self.app = {"functions": self._functions, "redis_settings": self._place}

    def work(self, count: int) -> None:
        asyncio.run(self._work(count))

    async def _work(self, count: int) -> None:
        import arq

        pool = await arq.create_pool(self._place)
        for _ in range(count):
            await pool.enqueue_job("add", 2, 3)
        worker = arq.Worker(
            self._functions,
            redis_pool=pool,
            burst=True,
            max_jobs=1,
            poll_delay=0,
            queue_read_limit=count,
            handle_signals=False,
        )
        await worker.main()
        await worker.close()


class Saq(Library):
    """`Worker`, in a burst."""

    module = "saq"
    words = True

    def __init__(self, url: str) -> None:
        super().__init__(url)
        import saq

        self._functions = [("add", add_with_context)]
        self.app = {"queue": saq.Queue.from_url(url, name="bench"), "functions": self._functions}

    def work(self, count: int) -> None:
        asyncio.run(self._work(count))

    async def _work(self, count: int) -> None:
        import saq

        queue = saq.Queue.from_url(self.url, name="bench")
        await queue.connect()
        for _ in range(count):
            await queue.enqueue("add", left=2, right=3)
        worker = saq.Worker(queue, self._functions, concurrency=1, burst=True, dequeue_timeout=0.01)
        await worker.start()
        await queue.disconnect()


class Taskiq(Library):
    """`Receiver.listen` on a list; the last job lets it finish."""

    module = "taskiq_redis"
    broker = "ListQueueBroker"

    def __init__(self, url: str) -> None:
        super().__init__(url)
        logging.getLogger("taskiq").setLevel(logging.CRITICAL)
        self.app = self._broker()

    def _broker(self) -> Any:
        import taskiq_redis

        broker = getattr(taskiq_redis, self.broker)(self.url)
        broker = broker.with_result_backend(taskiq_redis.RedisAsyncResultBackend(self.url))
        broker.register_task(add_later, task_name="add")
        return broker

    def work(self, count: int) -> None:
        asyncio.run(self._work(count))

    async def _work(self, count: int) -> None:
        from taskiq.receiver import Receiver

        broker, finish = self._broker(), asyncio.Event()
        await broker.startup()
        for _ in range(count):
            await broker.find_task("add").kiq(2, 3)
        receiver = Receiver(broker, max_async_tasks=1, run_startup=False, max_tasks_to_execute=count)
        await receiver.listen(finish)
        await broker.shutdown()


class TaskiqStream(Taskiq):
    """The same on a stream."""

    broker = "RedisStreamBroker"


class BullMQ(Library):
    """`Worker.run`, until the queue is drained."""

    module = "bullmq"

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.app = {"queue": "bench", "processor": self._process}
        self._done: asyncio.Event | None = None
        self._last = 0

    async def _process(self, job: Any, _token: str) -> int:
        result = add(*job.data)
        if len(STAMPS) == self._last and self._done is not None:
            self._done.set()
        return result

    def work(self, count: int) -> None:
        self._last = count
        asyncio.run(self._work(count))
        self._done = None

    async def _work(self, count: int) -> None:
        import bullmq

        queue = bullmq.Queue("bench", {"connection": self.url})
        for _ in range(count):
            await queue.add("add", [2, 3])
        self._done = asyncio.Event()
        worker = bullmq.Worker("bench", self._process, {"connection": self.url, "autorun": False})
        run = asyncio.create_task(worker.run())
        await self._done.wait()
        await worker.close()
        await run
        await queue.close()


class StreaQ(Library):
    """`Worker.run_async`, in a burst."""

    module = "streaq"

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.app, _ = self._worker()

    def _worker(self) -> tuple[Any, Any]:
        import streaq

        worker = streaq.Worker(self.url, concurrency=1)
        return worker, worker.task(add_later, name="add")

    def work(self, count: int) -> None:
        asyncio.run(self._work(count))

    async def _work(self, count: int) -> None:
        worker, task = self._worker()
        worker.burst = True
        async with worker:
            for _ in range(count):
                await task.enqueue(2, 3)
        await worker.run_async()


LIBRARIES: dict[str, type[Library]] = {
    "RQ": Rq,
    "Celery": Celery,
    "Dramatiq": Dramatiq,
    "Huey": Huey,
    "arq": Arq,
    "SAQ": Saq,
    "Taskiq, list": Taskiq,
    "Taskiq, stream": TaskiqStream,
    "BullMQ": BullMQ,
    "streaQ": StreaQ,
}
"""All of them, whether installed or not."""


def installed() -> dict[str, type[Library]]:
    """Those that can be imported here."""
    return {name: library for name, library in LIBRARIES.items() if needs.has_module(library.module)}
