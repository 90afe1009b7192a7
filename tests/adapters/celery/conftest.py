"""A service's Celery application that leads nowhere by itself, as `jobqueue_app`, and a clock to move."""

from __future__ import annotations

import datetime as dt

import pytest

NOWHERE = "redis://redis.invalid"


def add(left, right):
    return left + right


def boom(text):
    raise ValueError(text)


@pytest.fixture
def make_app(monkeypatch):
    """Make an application with two tasks, configured by keyword.

    Its tasks are its own: Celery by default shares tasks among all applications of a process.
    """
    celery = pytest.importorskip("celery")
    shared, builtins = pytest.importorskip("celery._state"), pytest.importorskip("celery.app.builtins")
    own = {share for share in shared._on_app_finalizers if share.__module__ == builtins.__name__}
    monkeypatch.setattr(shared, "_on_app_finalizers", own)

    class Service(celery.Celery):
        def task(self, *args, **options):
            return super().task(*args, **{"shared": False, **options})

    def make(*, broker=f"{NOWHERE}/0", backend=f"{NOWHERE}/1", **conf):
        app = Service("service", broker=broker, backend=backend, set_as_current=False)
        app.conf.update(conf)
        app.task(name="add")(add)
        app.task(name="boom")(boom)
        return app

    return make


@pytest.fixture
def app(make_app):
    return make_app()


@pytest.fixture
def jobqueue_app(app):
    return app


@pytest.fixture
def travel():
    """Move the time forward by some seconds; in between it stands."""
    time_machine = pytest.importorskip("time_machine")
    now = dt.datetime(2026, 11, 24, 3, 2, 41, tzinfo=dt.timezone.utc)
    with time_machine.travel(now, tick=False) as clock:
        yield clock.shift
