"""When a cron line matches next, by pycron, which is what Taskiq asks.

pycron only says whether a moment matches. Days are tried first, then the hours of one that matches, then the
minutes, on the wall clock of the line's offset.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pycron

if TYPE_CHECKING:
    from collections.abc import Iterator

_DAYS = 8 * 366  # the longest time from one 29th of February to the next


def next_match(cron: str, offset: str | dt.timedelta | None, after: dt.datetime) -> dt.datetime | None:
    """The first whole minute after `after` that matches; None when there is none in years."""
    wall = after
    if isinstance(offset, dt.timedelta):
        wall = after + offset
    elif offset:
        wall = after.astimezone(ZoneInfo(offset))
    start = wall.replace(tzinfo=None, second=0, microsecond=0) + dt.timedelta(minutes=1)
    for found in _matches(cron, start):
        moment = _back(found, offset)
        if moment > after:  # not the second time that a clock shows it
            return moment
    return None


def _back(wall: dt.datetime, offset: str | dt.timedelta | None) -> dt.datetime:
    if isinstance(offset, dt.timedelta):
        return wall.replace(tzinfo=dt.timezone.utc) - offset
    zone = ZoneInfo(offset) if offset else dt.timezone.utc
    return wall.replace(tzinfo=zone).astimezone(dt.timezone.utc)


def _matches(cron: str, start: dt.datetime) -> Iterator[dt.datetime]:
    minute, hour, *days = cron.split(" ")
    midnight = start.replace(hour=0, minute=0)
    for number in range(_DAYS):
        day = midnight + dt.timedelta(days=number)
        if not pycron.is_now(" ".join(["*", "*", *days]), day):
            continue
        for at in (day.replace(hour=number) for number in range(24)):
            if at + dt.timedelta(hours=1) <= start or not pycron.is_now(f"* {hour} * * *", at):
                continue
            for moment in (at.replace(minute=number) for number in range(60)):
                if moment >= start and pycron.is_now(f"{minute} * * * *", moment):
                    yield moment
