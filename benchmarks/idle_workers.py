"""What does an idle worker process send: each library's own worker command, on `fake` and on `server`?

Both run at the same time, for the same seconds, once each has started. The front counts what clients send, in
front of either Redis alike. A worker that does nothing must not be busier on the fake: a blocking command
that does not block there would show here first.
"""

from __future__ import annotations

import sys
import time
from collections import Counter
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from benchmarks import needs
from benchmarks.rows import BrokenError, Effort, NotMeasuredError, Row

if TYPE_CHECKING:
    from collections.abc import Iterator

_NOWHERE = "redis://redis.invalid:6379/0"
_WARM = 4.0  # seconds in which a worker comes to rest
_WINDOW = 15.0
_SLACK = 3  # commands; what happens once a second falls into one window or the next


def _arq() -> Any:
    from arq.connections import RedisSettings

    return {"functions": [_nothing], "redis_settings": RedisSettings.from_dsn(_NOWHERE)}


def _bullmq() -> Any:
    import bullmq  # noqa: F401 (is it here?)

    return {"queue": "mail", "processor": _nothing}


def _celery() -> Any:
    from celery import Celery

    return Celery("idle", broker=_NOWHERE, backend=_NOWHERE)


def _dramatiq() -> Any:
    import dramatiq
    from dramatiq.brokers.redis import RedisBroker

    broker = RedisBroker(url=_NOWHERE)
    dramatiq.actor(_nothing, broker=broker)
    return broker


def _huey() -> Any:
    from huey import RedisHuey

    return RedisHuey("idle", url=_NOWHERE)


def _rq() -> Any:
    import redis
    import rq

    return rq.Queue(connection=redis.Redis.from_url(_NOWHERE))


def _saq() -> Any:
    from saq import Queue

    return {"queue": Queue.from_url(_NOWHERE), "functions": [_nothing]}


def _streaq() -> Any:
    from streaq import Worker

    worker: Any = Worker(redis_url=_NOWHERE)
    worker.task(name="nothing")(_nothing)
    return worker


def _taskiq() -> Any:
    from taskiq_redis import ListQueueBroker

    return ListQueueBroker(_NOWHERE)


def _taskiq_stream() -> Any:
    from taskiq_redis import RedisStreamBroker

    return RedisStreamBroker(_NOWHERE)


async def _nothing(*_: object) -> None:
    """The job that nobody enqueues."""


_APPS = {
    "arq": _arq,
    "bullmq": _bullmq,
    "celery": _celery,
    "dramatiq": _dramatiq,
    "handlers": lambda: {"nothing": print},
    "huey": _huey,
    "rq": _rq,
    "saq": _saq,
    "streaq": _streaq,
    "taskiq": _taskiq,
    "taskiq_stream": _taskiq_stream,
}


def __getattr__(name: str) -> Any:
    """The worker process finds each application by its path here; it is made when somebody asks for it."""
    if name not in _APPS:
        raise AttributeError(name)
    app = globals()[name] = _APPS[name]()
    return app


class _Idle:
    """A worker process on one Redis, and a count of what it sends."""

    def __init__(self, name: str, mode: str, stack: ExitStack) -> None:
        from pytest_jobqueue import Settings, serve
        from pytest_jobqueue.processes import WorkerProcess

        server = stack.enter_context(serve(mode))
        self.sent: Counter[str] = Counter()
        stack.callback(server.add_hook(self._count))
        self._process = WorkerProcess(f"benchmarks.idle_workers:{name}", server.url, Settings())
        stack.callback(self._process.stop)

    def _count(self, _connection: object, argv: Any) -> None:
        self.sent[bytes(argv[0]).decode().upper()] += 1

    def check(self) -> None:
        if self._process.code is not None or not self.sent:
            raise BrokenError(f"the worker ended or did not connect:\n{self._process.log_tail()}")


def _counted(name: str, effort: Effort) -> tuple[float, Counter[str], Counter[str]]:
    window = max(3.0, _WINDOW * effort.share)
    with ExitStack() as stack:
        sides = [_Idle(name, mode, stack) for mode in ("fake", "server")]
        ends = time.monotonic() + 30
        while not all(side.sent for side in sides) and time.monotonic() < ends:
            time.sleep(0.05)
        time.sleep(_WARM)
        before = [Counter(side.sent) for side in sides]
        time.sleep(window)
        fake, server = (side.sent - was for side, was in zip(sides, before, strict=True))
        for side in sides:
            side.check()
    return window, fake, server


def _most(sent: Counter[str]) -> str:
    return ", ".join(f"{count} {command}" for command, count in sent.most_common(3)) or "none"


def _rows(effort: Effort) -> Iterator[Row]:
    for name in _APPS:
        try:
            getattr(sys.modules[__name__], name)
        except ImportError as error:
            yield Row(f"an idle worker of {name}", None, compared=f"{error.name} is not installed")
            continue
        window, fake, server = _counted(name, effort)
        bound = server.total() * 1.1 + _SLACK
        yield Row(
            f"an idle worker of {name} on fake, in {window:g} s",
            fake.total(),
            "commands",
            bound=round(bound),
            compared=f"on server {server.total()} ({_most(server)}); on fake {_most(fake)}",
        )


def measure(effort: Effort) -> list[Row]:
    try:
        needs.redis_server()
    except NotMeasuredError as error:
        return [Row("idle workers", None, compared=str(error))]
    return list(_rows(effort))
