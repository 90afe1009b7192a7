"""Which outside tools are here, and what a test does without one: it skips at home and fails in CI.

`need("go")` is called first by whatever cannot work without the tool. The environment variable
PYTEST_JOBQUEUE_REQUIRE, a comma-separated list (`go,ruby,docker,server,browser`), names those that must be
there; job libraries too, see `support.libraries`.
Import it as `from support.tools import need`: tests/conftest.py puts the folder `tests` on the import path.
"""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
from importlib.util import find_spec
from typing import TYPE_CHECKING, NoReturn

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

REQUIRE = "PYTEST_JOBQUEUE_REQUIRE"
_PATIENCE = 30.0  # seconds for one question to a tool


def _answers(*command: str) -> bool:
    """Whether the command is here and ends well in time."""
    if shutil.which(command[0]) is None:
        return False
    try:
        ended = subprocess.run(command, capture_output=True, check=False, timeout=_PATIENCE)
    except subprocess.TimeoutExpired:
        return False
    return ended.returncode == 0


def _server() -> bool:
    return any(shutil.which(name) for name in ("redis-server", "valkey-server"))


def browser_path() -> str:
    """Where a Chromium is; "" for none."""
    found = map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))
    return next(filter(None, found), "")


def _browser() -> bool:
    return bool(browser_path()) and find_spec("playwright") is not None


# What it is called · how to ask whether it is here · what would bring it.
_TOOLS: dict[str, tuple[Callable[[], bool], str]] = {
    "go": (lambda: _answers("go", "version"), "install Go (Debian: golang)"),
    "ruby": (lambda: _answers("ruby", "-e", 'require "sidekiq"'), "install Sidekiq (Debian: ruby-sidekiq)"),
    "docker": (
        lambda: _answers("docker", "version"),
        "start a Docker engine (Debian: docker.io, then .ci/docker)",
    ),
    "browser": (_browser, "install Chromium (Debian: chromium) and the Python package playwright"),
    "server": (_server, "install a Redis server (Debian: redis-server)"),
}


@functools.cache
def have(tool: str) -> bool:
    """Whether the tool is here; asked once per process."""
    return _TOOLS[tool][0]()


def required(tool: str) -> bool:
    """Whether this run may not do without the tool."""
    return tool in {name.strip() for name in os.environ.get(REQUIRE, "").split(",")}


def need(*tools: str) -> None:
    """Go on if every tool is here; else fail where the run requires it, and skip where it does not."""
    __tracebackhide__ = True
    for tool in tools:
        if not have(tool):
            without(tool, _TOOLS[tool][1])


def without(tool: str, why: str) -> NoReturn:
    """Fail where the run requires the tool, skip where it does not."""
    __tracebackhide__ = True
    message = f"{tool} is not here: {why}"
    if required(tool):
        pytest.fail(f"{message} ({REQUIRE} lists it)", pytrace=False)
    pytest.skip(message)


def container_image() -> str:
    """The image for containers of tests; skips, or fails in CI, where no container can be started."""
    need("docker")
    pytest.importorskip("testcontainers")
    from pytest_jobqueue.servers.docker_engine import image_available

    name = os.environ.get("PYTEST_JOBQUEUE_IMAGE", "pytest-jobqueue-redis:local")
    if missing := image_available(name):
        (pytest.fail if required("docker") else pytest.skip)(missing)
    return name
