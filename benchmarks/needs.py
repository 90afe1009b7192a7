"""What a question needs and may not find: Go, a Redis server, a container engine."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
from typing import TYPE_CHECKING, Any

from benchmarks.rows import NotMeasuredError

if TYPE_CHECKING:
    from pathlib import Path

_LONG = 600  # seconds; a first build downloads


def redis_server() -> str:
    """The binary that `--redis=server` starts."""
    from pytest_jobqueue.servers.process import find_binary

    found = find_binary()
    if found is None:
        raise NotMeasuredError("no redis-server here")
    return found


def has_module(name: str) -> bool:
    """Whether a Python package is installed."""
    return importlib.util.find_spec(name) is not None


def module(name: str) -> None:
    """A Python package."""
    if not has_module(name):
        raise NotMeasuredError(f"{name} is not installed")


def go_program(folder: Path, into: Path) -> Path:
    """Build the Go program in `folder`."""
    if shutil.which("go") is None:
        raise NotMeasuredError("no Go here")
    program = into / folder.name
    built = subprocess.run(
        ["go", "build", "-o", str(program), "."],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=_LONG,
        check=False,
    )
    if built.returncode:
        raise NotMeasuredError(f"{folder.name} does not build: {built.stderr.strip().splitlines()[-1]}")
    return program


def container_engine() -> Any:
    """A client of the engine that `--redis=container` would use, and an image for it."""
    module("docker")
    if not os.environ.get("PYTEST_JOBQUEUE_IMAGE"):
        raise NotMeasuredError("PYTEST_JOBQUEUE_IMAGE names no image")
    import docker

    try:
        client = docker.from_env()
        client.ping()
    except (docker.errors.DockerException, OSError) as error:
        raise NotMeasuredError(f"no container engine answers ({type(error).__name__})") from None
    return client
