"""Services in modules of their own, since another process imports them, on both kinds of Redis."""

from __future__ import annotations

import importlib

import pytest
from support.services import FOLDER

from pytest_jobqueue import JobQueue, Settings, serve


@pytest.fixture(params=["fake", "server"], scope="session")
def server(request):
    with serve(request.param) as server:
        yield server


@pytest.fixture(autouse=True)
def notes(monkeypatch, tmp_path):
    """What the jobs leave behind, as lines."""
    path = tmp_path / "notes"
    monkeypatch.setenv("NOTES", str(path))
    monkeypatch.syspath_prepend(str(FOLDER))
    return lambda: path.read_text().splitlines() if path.exists() else []


@pytest.fixture
def service(notes):
    """One service, by its library's name."""
    return lambda name: importlib.import_module(f"on_{name}")


@pytest.fixture
def harness(server):
    """Make a harness in process mode; each is closed at the end."""
    made = []

    def make(app, **settings):
        server.reset()
        made.append(JobQueue(app, server, Settings(worker_mode="process", **settings)))
        return made[-1]

    yield make
    for one in made:
        one.close()
