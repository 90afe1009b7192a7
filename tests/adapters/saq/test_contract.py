"""SAQ through the door that is open to everybody's adapter."""

from __future__ import annotations

import pytest

pytest.importorskip("saq")

from saq import Queue

from pytest_jobqueue.contracts import jobs
from pytest_jobqueue.contracts.adapter import AdapterContract, Names


async def add(ctx, *, left, right):
    return jobs.add(left, right)


async def keywords(ctx, **kwargs):
    return jobs.keywords(**kwargs)


async def boom(ctx, *, message):
    jobs.boom(message)


def flaky(ctx, *, times):  # SAQ takes ordinary functions as well
    return jobs.flaky(times)


def hooked(ctx, *, name):
    return jobs.hooked(name)


class TestSaq(AdapterContract):
    names = Names("add", "keywords", "boom", "flaky", "hooked", retry_options={"retries": 2})

    @pytest.fixture
    def jobqueue_app(self):
        return {
            "queue": Queue.from_url("redis://no-such-host.invalid"),
            "functions": [add, keywords, boom, flaky, hooked],
        }


class TestSaqWithADelay(TestSaq):
    names = Names(
        "add", "keywords", "boom", "flaky", "hooked", retry_options={"retries": 2, "retry_delay": 60}
    )
