"""The next time of a cron, against asking pycron for minute after minute."""

from __future__ import annotations

import datetime as dt
import random

import pytest

pycron = pytest.importorskip("pycron")
pytest.importorskip("taskiq_redis")

from pytest_jobqueue.adapters.taskiq.cron import next_match

UTC = dt.timezone.utc
START = dt.datetime(2026, 11, 24, 3, 2, 41, tzinfo=UTC)


def by_asking(cron, after):
    moment = after.replace(second=0, microsecond=0)
    while True:
        moment += dt.timedelta(minutes=1)
        if pycron.is_now(cron, moment):
            return moment


@pytest.mark.parametrize(
    "cron",
    [
        "* * * * *",
        "*/7 * * * *",
        "0 0 * * *",
        "59 23 * * 0",
        "5,35 2-4 * * mon-fri",
        "0 6 1 * *",
        "30 3 13 * 5",
    ],
)
def test_as_pycron_says(cron):
    chance = random.Random(cron)
    for _ in range(5):
        after = START + dt.timedelta(seconds=chance.randrange(20 * 86400))
        assert next_match(cron, None, after) == by_asking(cron, after)


def test_the_minute_itself_has_been():
    noon = dt.datetime(2026, 11, 24, 12, tzinfo=UTC)
    assert next_match("0 12 * * *", None, noon - dt.timedelta(seconds=1)) == noon
    assert next_match("0 12 * * *", None, noon) == noon + dt.timedelta(days=1)


def test_leap_days_and_days_that_are_none():
    assert next_match("0 0 29 2 *", None, START) == dt.datetime(2028, 2, 29, tzinfo=UTC)
    assert next_match("0 0 31 2 *", None, START) is None


@pytest.mark.parametrize(
    ("after", "due"),
    [
        ("2026-03-28T02:00", "2026-03-29T01:30"),  # 02:30 is no time in Berlin on that day: the hour after
        ("2026-10-25T00:00", "2026-10-25T00:30"),  # 02:30 is twice on that day: the first one
        ("2026-10-25T00:30", "2026-10-26T01:30"),
    ],
)
def test_when_a_clock_is_changed(after, due):
    found = next_match("30 2 * * *", "Europe/Berlin", dt.datetime.fromisoformat(after).replace(tzinfo=UTC))
    assert found == dt.datetime.fromisoformat(due).replace(tzinfo=UTC)
