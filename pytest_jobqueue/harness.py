"""The harness: what the `jobqueue` fixture yields, and what a script makes for itself.

It joins one application to one server and holds the parts together; each part does its work elsewhere.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from typing_extensions import Self

from pytest_jobqueue import registry, reports
from pytest_jobqueue.assertions import Assertions
from pytest_jobqueue.errors import UsageError
from pytest_jobqueue.journal import Journal
from pytest_jobqueue.producer import Producer
from pytest_jobqueue.settings import Settings
from pytest_jobqueue.worker import Worker

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from types import TracebackType

    import redis

    from pytest_jobqueue.servers import Server

T = TypeVar("T")


class JobQueue(Assertions):
    """A job queue under test.

    ```python
    with pytest_jobqueue.serve() as server, JobQueue({"Add": add}, server) as jobqueue:
        jobqueue.producer.enqueue("Add", 2, 3)
        jobqueue.worker.drain()
        jobqueue.assert_performed("Add", 2, 3)
    ```

    Args:
        app: The service's application object, or a dict of name to callable.
        server: The Redis.
        settings: How the worker behaves.

    Attributes:
        server: The Redis.
        producer: Enqueues jobs.
        worker: Runs them.
        journal: What was enqueued and what became of it.
        binding: The adapter's side: `pending()`, `scheduled()`, `retrying()`, `failed()`, ….
        settings: As given.
    """

    def __init__(self, app: Any, server: Server, settings: Settings | None = None) -> None:
        self.server = server
        self.settings = settings or Settings()
        self.journal = Journal()
        self.binding = registry.bind(app, server.url, self.settings)
        self.producer = Producer(self.binding, self.journal)
        self.worker = Worker(self.binding, self.journal, self.settings)
        self._redis: redis.Redis | None = None
        super().__init__(self.binding, self.journal)

    @property
    def url(self) -> str:
        """The URL for the service under test."""
        return self.server.url

    @property
    def redis(self) -> redis.Redis:
        """A client for looking and arranging; it goes round the front's hooks."""
        if self._redis is None:
            import redis

            self._redis = redis.Redis.from_url(self.server.direct_url)
        return self._redis

    def report(self) -> str:
        """What happened and how things stand, for a reader."""
        return reports.failure_section(self.journal, self.binding, self.server)

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run one of the service's coroutines from a test that is none, in the loop in which its jobs run.

        A service that keeps its connections between calls cannot use `asyncio.run` for each of them.

        Raises:
            UsageError: A loop is running already, so that the coroutine can be awaited; or the job library
                is not an asynchronous one, so that there is no loop of its jobs.
        """
        face = getattr(self.binding, "run", None)
        if face is None:
            coroutine.close()
            raise UsageError(
                "jobqueue.run runs a coroutine in the loop of an asynchronous job library, and this one has "
                "none; use asyncio.run(…)"
            )
        result: T = face(coroutine)
        return result

    async def release(self) -> None:
        """Close what is open in the running loop, the binding's and the service's; the next use opens anew.

        The end of a coroutine test does this by itself.
        """
        release = getattr(self.binding, "release", None)
        if release is not None:
            await release()

    def close(self) -> None:
        """Give back connections and leave the application as it was; the server stays."""
        try:
            self.binding.close()
        finally:
            if self._redis is not None:
                self._redis.close()
                self._redis = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            await self.release()
        finally:
            self.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()
