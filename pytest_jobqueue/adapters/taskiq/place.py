"""Where a service's Taskiq leads: to our Redis while it lasts, and afterwards as before.

Broker, result backend, schedule sources and middlewares keep redis-py pools of their own; each is moved, not
replaced, so whoever shares it moves along. What a worker's life leaves in the broker (its state, its
dependency context, our middleware) is taken out again.
"""

from __future__ import annotations

import contextlib
import re
from typing import TYPE_CHECKING, Any

from redis.asyncio import ConnectionPool
from taskiq import ScheduleSource, TaskiqScheduler
from taskiq.schedule_sources import LabelScheduleSource
from taskiq_redis import ListQueueBroker, RedisStreamBroker

from pytest_jobqueue.adapters.pools import Repointed
from pytest_jobqueue.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Place:
    """A broker that leads to another Redis, until `restore`.

    Args:
        app: The broker, or a scheduler.
        url: Where it is to lead.

    Attributes:
        broker: The broker.
        scheduler: The service's scheduler, or one that is made of what its middlewares schedule with.
        sent: Called with whatever is put on the broker or into a schedule source.
        unsaved: Called with the error when a result cannot be saved.

    Raises:
        UsageError: The broker cannot be led there.
    """

    def __init__(self, app: Any, url: str) -> None:
        self.broker: Any = app.broker if isinstance(app, TaskiqScheduler) else app
        _check_broker(self.broker)
        self.scheduler = self._scheduler(app)
        self.sent: Callable[[Any], None] = lambda _message: None
        self.unsaved: Callable[[Exception], None] = lambda _error: None
        self._undo: list[Callable[[], None]] = []
        try:
            self._move(url)
            self._remember()
            self._watch_results()
            self._watch(self.broker, "kick")
            for source in self.scheduler.sources:
                self._watch(source, "add_schedule")
        except BaseException:
            self.restore()
            raise

    def _scheduler(self, app: Any) -> TaskiqScheduler:
        own = list(app.sources) if isinstance(app, TaskiqScheduler) else []
        found = [value for middleware in self.broker.middlewares for value in vars(middleware).values()]
        more = [value for value in found if isinstance(value, ScheduleSource) and value not in own]
        if isinstance(app, TaskiqScheduler) and not more:
            return app
        return TaskiqScheduler(self.broker, [*own, *dict.fromkeys(more)])

    def _move(self, url: str) -> None:
        holders = [self.broker, self.broker.result_backend, *self.scheduler.sources, *self.broker.middlewares]
        for holder in holders:
            _check_single(holder)
        values = [value for holder in holders for value in vars(holder).values()]
        pools = [getattr(value, "connection_pool", value) for value in values]
        for pool in dict.fromkeys(pool for pool in pools if isinstance(pool, ConnectionPool)):
            self._undo.append(Repointed(pool, url).restore)

    def _remember(self) -> None:
        broker = self.broker
        labels = [source for source in self.scheduler.sources if isinstance(source, LabelScheduleSource)]
        for kept in (
            broker.state.data,
            broker.custom_dependency_context,
            *(source.schedules for source in labels),
        ):
            self._undo.append(_putting_back(kept))
        was = broker.is_worker_process, list(broker.middlewares)

        def put_back() -> None:
            broker.is_worker_process, broker.middlewares[:] = was

        self._undo.append(put_back)

    def _watch(self, holder: Any, name: str) -> None:
        """Hear of what is given to a method, once the method has done its work."""
        original = getattr(holder, name)

        async def watched(message: Any) -> Any:
            answer = await original(message)
            self.sent(message)
            return answer

        self._set(holder, name, watched)

    def _watch_results(self) -> None:
        """Hear of a result that cannot be saved, of which the receiver writes a line to the log."""
        original = self.broker.result_backend.set_result

        async def set_result(*args: Any, **kwargs: Any) -> None:
            try:
                await original(*args, **kwargs)
            except Exception as error:
                self.unsaved(error)
                raise

        self._set(self.broker.result_backend, "set_result", set_result)

    def _set(self, holder: Any, name: str, value: Any) -> None:
        own = vars(holder).get(name)
        self._undo.append(lambda: setattr(holder, name, own) if own is not None else delattr(holder, name))
        setattr(holder, name, value)

    @contextlib.contextmanager
    def as_worker(self) -> Iterator[None]:
        """The broker as its worker process has it."""
        was = self.broker.is_worker_process
        self.broker.is_worker_process = True
        try:
            yield
        finally:
            self.broker.is_worker_process = was

    def restore(self) -> None:
        """Lead where it led before."""
        while self._undo:
            self._undo.pop()()


def _putting_back(values: dict[Any, Any]) -> Callable[[], None]:
    was = dict(values)

    def put_back() -> None:
        values.clear()
        values.update(was)

    return put_back


def _check_broker(broker: Any) -> None:
    if isinstance(broker, (ListQueueBroker, RedisStreamBroker)):
        return
    name, module = type(broker).__name__, type(broker).__module__
    why = "its messages are not in a Redis"
    if module.startswith("taskiq_redis"):
        why = "its messages are in several Redis servers, and a test has one"
        if "PubSub" in name:
            why = "it stores nothing: what no worker hears at that moment is gone"
    elif name == "InMemoryBroker":
        why = "it runs a task inside of kiq(), without Redis"
    elif name == "AsyncSharedBroker":
        why = "it is a place for tasks, and has no queue"
    raise UsageError(
        f"jobqueue_app is a {module}.{name}, and this adapter cannot drive that: {why}. Give the "
        "ListQueueBroker or RedisStreamBroker of taskiq_redis that production uses (it is led to the test's "
        "Redis by itself), or the TaskiqScheduler of one"
    )


def _check_single(holder: Any) -> None:
    kind = type(holder)
    if kind.__module__.startswith("taskiq_redis") and (
        "Cluster" in kind.__name__ or "Sentinel" in kind.__name__
    ):
        raise UsageError(
            f"{kind.__module__}.{kind.__name__} is for several Redis servers, and a test has one; use "
            f"{re.sub('Cluster|Sentinel', '', kind.__name__)} in tests"
        )
