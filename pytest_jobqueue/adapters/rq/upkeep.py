"""RQ's scheduler and its maintenance, each one step at a time, and only when a test asks for it.

Not documented by RQ, the same in 2.0.0, 2.6.1 and 3.0.0: `RQScheduler.prepare_registries`,
`.enqueue_scheduled_jobs` and `.connection`, `Worker.clean_registries`, `BaseRegistry.death_penalty_class`.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from rq.registry import BaseRegistry
from rq.scheduler import RQScheduler

from pytest_jobqueue.adapters.rq.alarm import JobAlarm

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_jobqueue.adapters.rq.runner import Runner
    from pytest_jobqueue.adapters.rq.store import Store


class _Scheduler(RQScheduler):  # type: ignore[misc]
    """RQ's scheduler on a connection that it is given, instead of one for a process of its own."""

    def __init__(self, connection: Any, serializer: Any) -> None:
        logger = logging.getLogger(RQScheduler.__module__)
        handlers = list(logger.handlers)
        super().__init__([], connection, logging_level=None, serializer=serializer)
        logger.handlers[:] = handlers  # it gives the logger some, where there are none
        self._ours = connection

    @property
    def connection(self) -> Any:
        return self._ours


class Upkeep:
    """Makes ready what is due or was abandoned.

    Args:
        store: What is there.
        runner: Whose worker does the maintenance.
        serializer: The queues'.
    """

    def __init__(self, store: Store, runner: Runner, serializer: Any) -> None:
        self._store = store
        self._runner = runner
        self._scheduler = _Scheduler(store.connection, serializer)

    def tick(self, names: Sequence[str]) -> int:
        """One step of the scheduler, for these queues; returns how many jobs became ready."""
        before = self._store.count_scheduled(names)
        if not before:
            return 0
        self._scheduler.prepare_registries(names)
        self._scheduler.enqueue_scheduled_jobs()
        return before - self._store.count_scheduled(names)

    def recover(self, names: tuple[str, ...]) -> int:
        """The maintenance that RQ's worker does every ten minutes; returns how many jobs it made ready.

        A job whose lease ran out is retried if it has retries left, else it has failed. One that was taken
        and never started is noted at the first look, and has failed at a look a minute later.
        """
        lost = {job.id for job in self._store.running(names)}
        was = BaseRegistry.death_penalty_class
        BaseRegistry.death_penalty_class = JobAlarm  # failure callbacks run under it
        try:
            self._runner.worker(names).clean_registries()
        finally:
            BaseRegistry.death_penalty_class = was
        if not lost:
            return 0
        ready = {job.id for job in (*self._store.pending(names), *self._store.delayed(names))}
        return len(lost & ready)
