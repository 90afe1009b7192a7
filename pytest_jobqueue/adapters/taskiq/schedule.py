"""One round of Taskiq's scheduler, and what waits in its sources.

What is due is decided by Taskiq's own functions and sent by its scheduler. Its loop asks every second, so it
meets every minute of a cron; a test moves the clock over many at once, and then a periodic task is sent once.
Schedules that stand in code count from the moment of the binding, as if the scheduler had just had its first
round; those that are added later follow Taskiq's rule, by which an interval begins at once.

Names that Taskiq does not document: `cli.scheduler.run.is_cron_task_now`, `is_interval_task_now`,
`is_time_task_now` and `send`; of `ListRedisScheduleSource` `_prefix`, `_serializer` and
`_skip_past_schedules`. The source does not list what is past where the service wants that; a clock that was
moved has passed times that no round has seen.
"""

from __future__ import annotations

import datetime as dt
import time
from typing import TYPE_CHECKING, Any

from taskiq import ScheduledTask, ScheduleSource
from taskiq.cli.scheduler.run import (
    CronValueError,
    is_cron_task_now,
    is_interval_task_now,
    is_time_task_now,
    send,
    to_tz_aware,
)
from taskiq_redis import ListRedisScheduleSource, RedisScheduleSource

from pytest_jobqueue.adapters.taskiq.cron import next_match
from pytest_jobqueue.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Coroutine

    import redis

    from pytest_jobqueue.adapters.taskiq.place import Place


class Schedule:
    """The scheduler's sources, and what was sent from them.

    Args:
        place: The scheduler.
        client: Looks into Redis.
    """

    def __init__(self, place: Place, client: redis.Redis) -> None:
        self._scheduler = place.scheduler
        self._client = client
        self._seen = _now()  # when the last round was
        self._last: dict[str, dt.datetime] = {}  # when a periodic task was sent, or counts from
        self._next: dict[str, tuple[dt.datetime, dt.datetime | None]] = {}  # a cron's next time after that
        self._sent: set[str] = set()  # schedules for one moment, sent
        self._unstarted = [source for source in self.sources if not self._starts_at_once(source)]

    @property
    def sources(self) -> list[ScheduleSource]:
        """The scheduler's."""
        return list(self._scheduler.sources)

    @property
    def keeper(self) -> ScheduleSource | None:
        """The first source that takes schedules, if there is one."""
        return next((source for source in self.sources if takes_schedules(source)), None)

    @staticmethod
    def _starts_at_once(source: ScheduleSource) -> bool:
        return not takes_schedules(source) and _at_once(source.startup()) is not _WAITS

    async def start(self) -> None:
        """Start the sources, as the scheduler's process does."""
        for source in self._unstarted:
            await source.startup()

    async def stop(self) -> None:
        """Shut them down."""
        for source in self._unstarted:
            await source.shutdown()

    async def step(self) -> None:
        """Send what is due."""
        now = _now()
        for source in self.sources:
            for task in await self._schedules(source):
                try:
                    due = self._is_due(source, task, now)
                except CronValueError as error:
                    raise UsageError(
                        f"{task.task_name} is scheduled by the cron {task.cron!r}, which Taskiq's scheduler "
                        f"cannot read and never sends: {error}"
                    ) from error
                if due:
                    await send(self._scheduler, source, task)
        self._seen = now

    @staticmethod
    async def _schedules(source: ScheduleSource) -> list[ScheduledTask]:
        if not isinstance(source, ListRedisScheduleSource):
            return list(await source.get_schedules())
        was = dict(vars(source))
        source._skip_past_schedules = False  # noqa: SLF001 (see the head of this file)
        try:
            return list(await source.get_schedules())
        finally:
            vars(source).update(was)

    def _is_due(self, source: ScheduleSource, task: ScheduledTask, now: dt.datetime) -> bool:
        key = task.schedule_id
        if task.time is not None:
            due = key not in self._sent and is_time_task_now(task.time, now, None)
            if due:
                self._sent.add(key)
            return due
        if task.interval is not None:
            due = is_interval_task_now(task.interval, now, self._counts_from(source, key))
        else:
            next_time = self._next_cron(source, task, now)
            due = next_time is not None and next_time <= now
        if due:
            self._last[key] = now
        return due

    def _counts_from(self, source: ScheduleSource, key: str) -> dt.datetime | None:
        if key not in self._last and not takes_schedules(source):
            self._last[key] = self._seen
        return self._last.get(key)

    def _next_cron(self, source: ScheduleSource, task: ScheduledTask, now: dt.datetime) -> dt.datetime | None:
        cron, key = str(task.cron), task.schedule_id
        is_now = is_cron_task_now(cron, now, task.cron_offset, None)  # Taskiq's own word, and its own error
        last = self._counts_from(source, key)
        if last is None:
            if is_now:
                return now
            last = self._last[key] = self._seen
        known = self._next.get(key)
        if known is None or known[0] != last:
            known = self._next[key] = last, next_match(cron, task.cron_offset, last)
        return known[1]

    # By hand

    def find(self, schedule_id: str) -> tuple[ScheduleSource, ScheduledTask] | None:
        """A schedule for one moment that was not sent yet, and its source."""
        for source, task in self._listed():
            if task.schedule_id == schedule_id and task.time is not None and schedule_id not in self._sent:
                return source, task
        return None

    async def send_now(self, source: ScheduleSource, task: ScheduledTask) -> None:
        """Let the scheduler send it, which then deletes it; unless the source cancels that."""
        await send(self._scheduler, source, task)

    def was_sent(self, task: ScheduledTask) -> None:
        """It is not to be sent again, also by a source that keeps it."""
        self._sent.add(task.schedule_id)

    # Looking

    def waiting(self) -> list[tuple[float, ScheduledTask]]:
        """What is scheduled for one moment, soonest first."""
        found = [
            (to_tz_aware(task.time).timestamp(), task)
            for _, task in self._listed()
            if task.time is not None and task.schedule_id not in self._sent
        ]
        return sorted(found, key=lambda pair: pair[0])

    def next_due(self) -> float | None:
        """When the next task is due, one for a moment or a periodic one."""
        now = _now()
        times = [due_at for due_at, _ in self.waiting()]
        for source, task in self._listed():
            if task.time is None:
                due = self._next_time(source, task, now)
                times += [] if due is None else [due.timestamp()]
        return min(times, default=None)

    def _next_time(self, source: ScheduleSource, task: ScheduledTask, now: dt.datetime) -> dt.datetime | None:
        if task.interval is None:
            try:
                return self._next_cron(source, task, now)
            except CronValueError:
                return None
        last = self._counts_from(source, task.schedule_id)
        interval = task.interval
        seconds = interval.total_seconds() if isinstance(interval, dt.timedelta) else interval
        return now if last is None else last + dt.timedelta(seconds=seconds)

    def _listed(self) -> list[tuple[ScheduleSource, ScheduledTask]]:
        return [(source, task) for source in self.sources for task in self._look(source)]

    def _look(self, source: ScheduleSource) -> list[ScheduledTask]:
        if isinstance(source, ListRedisScheduleSource):
            prefix, serializer = f"{source._prefix}:data", source._serializer  # noqa: SLF001
        elif isinstance(source, RedisScheduleSource):
            prefix, serializer = source.prefix, source.serializer
        else:
            found = _at_once(source.get_schedules())
            return [] if found is _WAITS else list(found)
        keys = list(self._client.scan_iter(match=f"{prefix}:*"))
        values: Any = self._client.mget(keys) if keys else []
        return [ScheduledTask.model_validate(serializer.loadb(value)) for value in values if value]


def _now() -> dt.datetime:
    return dt.datetime.fromtimestamp(time.time(), dt.timezone.utc)


def takes_schedules(source: ScheduleSource) -> bool:
    """Whether schedules can be added to it; else they stand in code."""
    return type(source).add_schedule is not ScheduleSource.add_schedule


_WAITS: Any = object()


def _at_once(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """What it returns, if it gets there without waiting for anything."""
    try:
        coroutine.send(None)
    except StopIteration as stop:
        return stop.value
    except RuntimeError:  # it needs a loop, and there is none
        return _WAITS
    coroutine.close()
    return _WAITS
