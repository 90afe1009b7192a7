"""A Redis of each kind, emptied for each test, and bindings on it in any dialect."""

from __future__ import annotations

import time
from random import Random

import pytest
import redis
from support.tools import container_image, need

from pytest_jobqueue.adapters.sidekiq import SidekiqBinding
from pytest_jobqueue.servers import serve


@pytest.fixture(scope="session", params=["fake", "server", "container"])
def server(request):
    if request.param == "server":
        need("server")
    with pytest.MonkeyPatch.context() as patch:
        options = {}
        if request.param == "container":
            patch.setenv("TESTCONTAINERS_RYUK_DISABLED", "true")
            options["image"] = container_image()
        with serve(request.param, **options) as server:
            yield server


@pytest.fixture
def url(server):
    yield server.url
    server.reset()


@pytest.fixture
def look(url):
    """A client for arranging and looking, apart from the binding's own connection."""
    with redis.Redis.from_url(url, protocol=2, decode_responses=True) as client:
        yield client


class Clock:
    """What `time.time()` says; it moves only when told."""

    def __init__(self):
        self.now = 1795489361.25  # 2026-11-24 03:02:41 UTC

    def advance(self, seconds):
        self.now += seconds


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(time, "time", lambda: clock.now)
    return clock


def add(left, right):
    return left + right


def boom(*args):
    raise ValueError(*args)


@pytest.fixture
def bind(url):
    """Make bindings that are closed after the test; the chance is always the same."""
    made = []

    def make(handlers=None, **settings):
        handlers = {"Add": add, "Boom": boom} if handlers is None else handlers
        made.append(SidekiqBinding(handlers, url, **{"random": Random(1)} | settings))
        return made[-1]

    yield make
    for binding in made:
        binding.close()
