"""Every name of Celery and kombu that they do not document; no other file of this adapter uses one.

Tried on Celery 5.4.0 with kombu 5.3.7, and on Celery 5.7.0 with kombu 5.7.0. The names are
`Channel._q_for_pri`, `._lookup`; `Celery._local`, `._backend_cache`, `._backend`, `._pool`,
`.use_fast_trace_task`; `AMQP._producer_pool`; `ResultConsumer._pubsub`; `celery._state._tls`;
`Task.__trace__`; what `celery.worker.state` keeps (`Tallies`); and what a `Consumer` and its strategies
expect of the worker around them (`Intake`).
"""

from __future__ import annotations

import contextlib
import threading
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from celery import _state
from celery.worker import state
from celery.worker.consumer import Consumer
from kombu import pools
from kombu.utils.collections import eqhash

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from celery import Celery
    from celery.app.task import Task
    from kombu.transport.redis import Channel


def list_keys(channel: Channel, queue: str) -> list[str]:
    """A queue's lists, one a priority, the most urgent first."""
    return list(dict.fromkeys(channel._q_for_pri(queue, step) for step in channel.priority_steps))  # noqa: SLF001


def queue_of(channel: Channel, exchange: str, routing_key: str) -> str:
    """The queue that a message with this address is on."""
    return next(iter(channel._lookup(exchange, routing_key)), routing_key)  # noqa: SLF001


@contextlib.contextmanager
def current(app: Celery) -> Iterator[None]:
    """Make this the thread's current application, and put back the one before, even if that was none."""
    before = _state._tls.current_app  # noqa: SLF001
    app.set_current()
    try:
        yield
    finally:
        _state._tls.current_app = before  # noqa: SLF001


class Tracers:
    """What Celery builds to run a task, kept as long as nobody patches the task, and not left with it.

    Args:
        app: The application.
    """

    # What a tracer has read from its task when it was built.
    _PARTS = ("run", "__call__", "before_start", "on_success", "after_return", "acks_late")

    def __init__(self, app: Celery) -> None:
        self._app = app
        self._built: dict[str, tuple[list[Any], Any]] = {}

    @contextlib.contextmanager
    def of(self, task: Task | None) -> Iterator[None]:
        """Let Celery use ours in the block, or build one."""
        app = self._app
        own = {} if task is None else vars(task)
        parts = [own.get(name, getattr(type(task), name, None)) for name in self._PARTS]
        before = own.pop("__trace__", None)
        fast, app.use_fast_trace_task = app.use_fast_trace_task, False
        name = "" if task is None else task.name
        known, tracer = self._built.get(name, ([], None))
        if tracer is not None and known == parts:
            own["__trace__"] = tracer
        try:
            yield
        finally:
            app.use_fast_trace_task = fast
            tracer = own.pop("__trace__", None)
            if tracer is not None:
                self._built[name] = parts, tracer
            if before is not None:
                own["__trace__"] = before


class Caches:
    """The connections that an application keeps: none at first, and on `restore` those that it had.

    Args:
        app: The application, which must lead to its new place already.
    """

    def __init__(self, app: Celery) -> None:
        self._app = app
        self._limit = pools.get_limit()
        self._before = app._local, app._backend_cache, app._pool, app.amqp._producer_pool  # noqa: SLF001
        self._backends: list[Any] = []
        self._set(_Local(self._backends), None, None, None)

    def restore(self) -> None:
        """Close what was opened since, and bring back what was there."""
        app = self._app
        for backend in (*self._backends, app._backend_cache):  # noqa: SLF001
            _close_backend(backend)
        place = app.connection_for_write()
        for group in (pools.producers, pools.connections):
            if eqhash(place) in group:
                group[place].force_close_all()
                del group[place]
        self._set(*self._before)
        if pools.get_limit() != self._limit:
            pools.set_limit(self._limit)

    def _set(self, local: Any, backend: Any, pool: Any, producers: Any) -> None:
        app = self._app
        app._local, app._backend_cache, app._pool = local, backend, pool  # noqa: SLF001
        app.amqp._producer_pool = producers  # noqa: SLF001


class _Local(threading.local):
    """What an application keeps for each thread; the result backends are noted for whoever closes them."""

    def __init__(self, backends: list[Any]) -> None:
        self._backends = backends

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, value)
        if name == "backend":
            self._backends.append(value)


def _close_backend(backend: Any) -> None:
    """Close its connections; results that outlive it must not open them again to take their leave.

    They would do so wherever the garbage collector runs, which may be the very thread that is to answer.
    """
    consumer = getattr(backend, "result_consumer", None)
    if consumer is not None and hasattr(consumer, "subscribed_to"):
        consumer.stop()
        consumer.subscribed_to.clear()
        consumer._pubsub = None  # noqa: SLF001
    if "client" in getattr(backend, "__dict__", ()):
        backend.client.connection_pool.disconnect()


class Tallies:
    """What Celery's worker keeps in the globals of its module, until `restore`."""

    def __init__(self) -> None:
        self._sets = [(kept, set(kept)) for kept in (state.revoked, state.successful_requests)]
        self._dicts = [
            (kept, dict(kept)) for kept in (state.requests, state.total_count, state.revoked_stamps)
        ]
        self._count = list(state.all_total_count)

    def restore(self) -> None:
        """Leave them as they were."""
        for kept, before in self._sets:
            for item in set(kept) - before:
                kept.discard(item)
        for mapping, content in self._dicts:
            mapping.clear()
            mapping.update(content)
        state.all_total_count[:] = self._count


class Intake(Consumer):  # type: ignore[misc]
    """Celery's worker between the message and the pool, without connection, timer and remote control.

    A message whose time has come is not handed to a timer, and no rate is limited.

    Args:
        app: The application.
        hostname: What the worker is called.
        pool: Where requests are run.
        on_request: Called with a request that is to be run.
        on_undecodable: Called with the error when a message cannot be read.
    """

    class Blueprint(Consumer.Blueprint):  # type: ignore[misc]
        """No steps: those of Celery and those that the application adds belong to a real worker."""

        default_steps = ()

        def __init__(self, steps: Any = None, **kwargs: Any) -> None:  # noqa: ARG002
            super().__init__(**kwargs)

    def __init__(
        self,
        app: Celery,
        hostname: str,
        pool: Any,
        *,
        on_request: Callable[[Any], Any],
        on_undecodable: Callable[[Exception], Any],
    ) -> None:
        super().__init__(
            on_request,
            app=app,
            hostname=hostname,
            pool=pool,
            timer=SimpleNamespace(call_at=lambda _at, call, args, **_: call(*args)),
            controller=SimpleNamespace(state=state, semaphore=None),
            disable_rate_limits=True,
        )
        self.event_dispatcher = None
        self.qos = SimpleNamespace(increment_eventually=_nothing, decrement_eventually=_nothing)
        self.strategies = _Strategies(app, self)
        self._on_undecodable = on_undecodable
        self.receive = self.create_task_handler()

    def on_decode_error(self, message: Any, exc: Exception) -> None:
        """As Celery does, and tell of it."""
        self._on_undecodable(exc)
        super().on_decode_error(message, exc)


class _Strategies(dict[str, Any]):
    """How each task's messages become requests; looked up when one comes."""

    def __init__(self, app: Celery, intake: Intake) -> None:
        super().__init__()
        self._app = app
        self._intake = intake

    def __missing__(self, name: str) -> Any:
        strategy = self[name] = self._app.tasks[name].start_strategy(self._app, self._intake)
        return strategy


def _nothing(*_: Any) -> None:
    """There is no prefetch count to change."""
