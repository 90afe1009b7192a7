"""The registry's way in: an application object and settings become a `SidekiqBinding`."""

from __future__ import annotations

from collections.abc import Mapping
from random import Random

from pytest_jobqueue.adapters.sidekiq import SidekiqBinding
from pytest_jobqueue.handlers import Handler, Handlers
from pytest_jobqueue.settings import Settings


def bind(app: Handlers | Mapping[str, Handler], url: str, settings: Settings) -> SidekiqBinding:
    """Join handlers to the Redis at `url`, in the dialect that the settings name."""
    handlers = app if isinstance(app, Handlers) else Handlers(app)
    return SidekiqBinding(
        handlers,
        url,
        dialect=settings.dialect,
        namespace=settings.namespace,
        process_id=settings.process_id,
        queues=settings.queues,
        middleware=handlers.middleware,
        random=Random(settings.seed),  # noqa: S311 (spreads retries, keeps no secret)
        default_queue=settings.default_queue,
    )
