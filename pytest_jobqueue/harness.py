"""The harness: what the `jobqueue` fixture yields, and what a script makes for itself.

It joins one application to one server and holds the parts together; each part does its work elsewhere.
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, TypeVar, cast

from pytest_jobqueue import applications, on_commit, registry, reports
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
    from typing_extensions import Self

    from pytest_jobqueue.adapters.loops import SyncFace
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
        app: The service's application object, its path (`module:attribute`, or a module that has one), or a
            dict of name to callable.
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
        given, app = app, applications.one_app(app)
        with ExitStack() as until_closed:
            until_closed.enter_context(applications.led(app, server.url))
            self.binding = registry.bind(app, server.url, self.settings)
            until_closed.callback(self.binding.close)
            self._until_closed = until_closed.pop_all()
        self.producer = Producer(self.binding, self.journal)
        self._redis: redis.Redis | None = None
        self.worker = self._made_worker(given if isinstance(given, str) else app)
        super().__init__(self.binding, self.journal)

    def _made_worker(self, app: Any) -> Worker:
        if self.settings.worker_mode == "inline":
            return Worker(self.binding, self.journal, self.settings)
        from pytest_jobqueue.remote import ProcessWorker

        try:
            return ProcessWorker(
                self.binding,
                self.journal,
                self.settings,
                app=app,
                url=self.server.url,
                client=lambda: self.redis,
            )
        except BaseException:
            self.close()
            raise

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
        return reports.failure_section(self.journal, self.binding, self.server, self.worker.log_tail())

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run one of the service's coroutines from a test that is none, in the loop in which its jobs run.

        A service that keeps its connections between calls cannot use `asyncio.run` for each of them.

        Raises:
            UsageError: A loop is running already, so that the coroutine can be awaited; or the job library
                is not an asynchronous one, so that there is no loop of its jobs.
        """
        if getattr(self.binding, "twin", None) is None:
            coroutine.close()
            raise UsageError(
                "jobqueue.run runs a coroutine in the loop of an asynchronous job library, and this one has "
                "none; use asyncio.run(…)"
            )
        return cast("SyncFace", self.binding).run(coroutine)

    @staticmethod
    def run_on_commit() -> int:
        """Run Django's on-commit callbacks that wait in the test's transaction, which is never committed.

        They run as after a commit, on every database, and then those that they leave. With
        `Settings(run_on_commit=True)` the worker does that by itself.

        Returns:
            How many ran; none in a test whose transactions are real ones.

        Raises:
            UsageError: No Django is set up, or the test is inside of an `atomic()` block.
            Exception: A callback's own, unless it is a robust one; those after it are dropped.
        """
        return on_commit.run()

    async def release(self) -> None:
        """Close what is open in the running loop, the binding's and the service's; the next use opens anew.

        The end of a coroutine test does this by itself.
        """
        release = getattr(self.binding, "release", None)
        if release is not None:
            await release()

    def close(self) -> None:
        """Give back connections and leave the application as it was; the server stays. Once is enough."""
        try:
            with self._until_closed:
                if hasattr(self, "worker"):
                    self.worker.stop()
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
