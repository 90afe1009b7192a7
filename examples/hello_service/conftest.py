"""How the tests of a service meet its queue: the service's handlers, and its usual way of finding Redis."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from starlette.testclient import TestClient

# A service that is installed, or that has `pythonpath = ["."]` in its pytest settings, needs no such line.
sys.path.insert(0, str(Path(__file__).parent))

from hello_service.app import create_app
from hello_service.jobs import handlers

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_jobqueue import Handlers


@pytest.fixture(autouse=True)
def redis_url(jobqueue_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The service and its jobs find the test's Redis where they find any."""
    monkeypatch.setenv("REDIS_URL", jobqueue_url)


@pytest.fixture
def jobqueue_app() -> Handlers:
    """What the worker runs."""
    return handlers


@pytest.fixture
def client() -> Iterator[TestClient]:
    with TestClient(create_app()) as client:
        yield client
