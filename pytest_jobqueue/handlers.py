"""A registry of handlers: which function runs a job of which name, or every job of a queue.

It holds functions and looks them up. It knows no server and no format; a plain dict of name to callable is as
good wherever a registry is asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, TypeVar, overload

from pytest_jobqueue.errors import UsageError
from pytest_jobqueue.job import Job

Handler = Callable[..., Any]
Middleware = Callable[[Job, Callable[[], Any]], Any]
H = TypeVar("H", bound=Handler)
M = TypeVar("M", bound=Middleware)


class Handlers:
    """Functions by job name, and functions that take every job of one queue.

    ```python
    handlers = Handlers()


    @handlers.register("Add")
    def add(a, b):
        return a + b


    @handlers.queue("mail")  # whatever the class is
    def mail(job): ...
    ```

    A handler registered by name is called with the job's arguments, with `bind=True` after the `Job` itself;
    one registered for a queue is called with the `Job`, since it needs the class to tell what it got. A name
    wins over a queue.
    """

    def __init__(self, by_name: Mapping[str, Handler] | None = None) -> None:
        self._by_name: dict[str, Handler] = {}
        self._by_queue: dict[str, Handler] = {}
        self._bound: set[str] = set()
        self._middleware: list[Middleware] = []
        for name, handler in (by_name or {}).items():
            self._add(self._by_name, "name", name, handler)

    @overload
    def register(self, name: H) -> H: ...
    @overload
    def register(self, name: str | None = None, *, bind: bool = False) -> Callable[[H], H]: ...
    def register(self, name: H | str | None = None, *, bind: bool = False) -> H | Callable[[H], H]:
        """Register the decorated function for jobs of `name` (its own name by default).

        Args:
            name: The job's name; for Sidekiq and go-workers2 its class.
            bind: Call it with the `Job` before the arguments, for its id and what else there is.

        Raises:
            UsageError: The name is taken by another function, or what is decorated cannot be called.
        """

        def decorate(handler: H) -> H:
            own = getattr(handler, "__name__", None)
            key = name if isinstance(name, str) else own
            if not key:
                raise UsageError(f"{handler!r} has no name of its own; give it one: register('Name')(…)")
            self._add(self._by_name, "name", key, handler)
            if bind:
                self._bound.add(key)
            return handler

        return decorate if name is None or isinstance(name, str) else decorate(name)

    def queue(self, queue: str) -> Callable[[H], H]:
        """Register the decorated function for every job on `queue` whose name has no handler.

        Raises:
            UsageError: The queue is taken by another function, or what is decorated cannot be called.
        """
        if not isinstance(queue, str):
            raise UsageError(f"a queue's name is text, not {queue!r}; write @handlers.queue('mail')")

        def decorate(handler: H) -> H:
            self._add(self._by_queue, "queue", queue, handler)
            return handler

        return decorate

    def use(self, middleware: M) -> M:
        """Put a function around every job: called with the job and with what runs the rest of the chain.

        The first one that is put is the outermost. What it returns is the job's result, and an exception that
        it raises is the job's.

        ```python
        @handlers.use
        def timed(job, run):
            started = time.perf_counter()
            try:
                return run()
            finally:
                print(job.name, time.perf_counter() - started)
        ```
        """
        if not callable(middleware):
            raise UsageError(f"the middleware {middleware!r} cannot be called")
        self._middleware.append(middleware)
        return middleware

    @property
    def middleware(self) -> tuple[Middleware, ...]:
        """The functions around every job, outermost first."""
        return tuple(self._middleware)

    @staticmethod
    def _add(table: dict[str, Handler], kind: str, key: str, handler: Handler) -> None:
        if not callable(handler):
            raise UsageError(f"the handler for {kind} {key!r} is {handler!r}, which cannot be called")
        if table.get(key, handler) != handler:
            raise UsageError(
                f"{kind} {key!r} has a handler already ({getattr(table[key], '__qualname__', table[key])}); "
                "give the second one another name, or use a registry of its own"
            )
        table[key] = handler

    def for_name(self, name: str) -> Handler | None:
        """The function registered for jobs called `name`."""
        return self._by_name.get(name)

    def for_queue(self, queue: str) -> Handler | None:
        """The function that takes every job on `queue`."""
        return self._by_queue.get(queue)

    def call(self, job: Job) -> Callable[[], Any] | None:
        """What runs `job`, ready to be called; None when there is no handler for it."""
        handler = self._by_name.get(job.name)
        if handler is not None:
            return (
                partial(handler, job, *job.args) if job.name in self._bound else partial(handler, *job.args)
            )
        handler = self._by_queue.get(job.queue)
        return None if handler is None else partial(handler, job)

    @property
    def names(self) -> tuple[str, ...]:
        """The names that have a handler, sorted."""
        return tuple(sorted(self._by_name))

    @property
    def queues(self) -> tuple[str, ...]:
        """The queues that have a handler of their own, sorted."""
        return tuple(sorted(self._by_queue))
