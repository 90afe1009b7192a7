"""Test Redis-backed job queues end to end, with a fake or a real Redis.

Importing this package imports nothing else: pytest does so in every run of every project that has the plugin
installed. Public names resolve on first use (PEP 562).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pytest_jobqueue.errors import DrainError as DrainError
    from pytest_jobqueue.errors import DrainLimitError as DrainLimitError
    from pytest_jobqueue.errors import DrainTimeoutError as DrainTimeoutError
    from pytest_jobqueue.errors import JobQueueError as JobQueueError
    from pytest_jobqueue.errors import JobQueueWarning as JobQueueWarning
    from pytest_jobqueue.errors import UsageError as UsageError
    from pytest_jobqueue.errors import WorkerEndedError as WorkerEndedError
    from pytest_jobqueue.handlers import Handlers as Handlers
    from pytest_jobqueue.harness import JobQueue as JobQueue
    from pytest_jobqueue.job import Job as Job
    from pytest_jobqueue.job import Outcome as Outcome
    from pytest_jobqueue.servers import Server as Server
    from pytest_jobqueue.servers import serve as serve
    from pytest_jobqueue.settings import Settings as Settings

_HOMES = {
    "DrainError": "errors",
    "DrainLimitError": "errors",
    "DrainTimeoutError": "errors",
    "Handlers": "handlers",
    "Job": "job",
    "JobQueue": "harness",
    "JobQueueError": "errors",
    "JobQueueWarning": "errors",
    "Outcome": "job",
    "Server": "servers",
    "Settings": "settings",
    "UsageError": "errors",
    "WorkerEndedError": "errors",
    "serve": "servers",
}

__all__ = sorted(_HOMES)  # noqa: PLE0605 (a list, made of the one table)


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(f"{__name__}.{home}"), name)


def __dir__() -> list[str]:
    return list(__all__)
