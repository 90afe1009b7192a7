"""Which applications are arq's and which are SAQ's: told apart without importing either."""

from __future__ import annotations

import pytest

from pytest_jobqueue import registry


def chosen(app):
    adapter = registry.fitting(registry.ADAPTERS, app)
    return adapter and adapter.name


async def add(ctx, left, right):
    return left + right


class WorkerSettings:
    functions = (add,)


class Plain:
    name = "no application"


Queue = type("Queue", (), {"__module__": "saq.queue.base"})
RedisQueue = type("RedisQueue", (Queue,), {"__module__": "saq.queue.redis"})


@pytest.mark.parametrize(
    ("app", "name"),
    [
        (WorkerSettings, "arq"),
        ({"functions": [add]}, "arq"),
        ({"cron_jobs": []}, "arq"),
        ({"queue": RedisQueue(), "functions": [add]}, "saq"),
        ({"queue": RedisQueue()}, "saq"),
        (RedisQueue(), "saq"),
        ({"functions": add}, "sidekiq"),  # a handler of that name
        ({}, "sidekiq"),
        (Plain, None),
        (WorkerSettings(), None),
    ],
)
def test_an_application_goes_to_its_adapter(app, name) -> None:
    assert chosen(app) == name
