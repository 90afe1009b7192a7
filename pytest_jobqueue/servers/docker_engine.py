"""The Docker engine: whether one answers, whether an image can be had, what a container wrote.

docker's own client is asked here and nowhere else. An engine that cannot be used is always the one error, in
words that say what to do.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import socket
from typing import TYPE_CHECKING, Any

from pytest_jobqueue.errors import ServerUnavailableError

if TYPE_CHECKING:
    from collections.abc import Iterator

PATIENCE = 2  # seconds for a question that must not hold up a run; docker takes whole ones


def docker_available() -> str | None:
    """Why containers cannot be used here, in words; None if they can. Takes about two seconds at most."""
    try:
        with engine(PATIENCE):
            return None
    except ServerUnavailableError as error:
        return str(error)


def image_available(image: str) -> str | None:
    """Why an image is neither here nor to be pulled, in words; None if it is.

    Asks the engine; only where the image is not here does the engine ask the image's registry.

    Raises:
        ServerUnavailableError: As `start_container`, for want of an engine.
    """
    import docker.errors

    with engine(PATIENCE) as client:
        try:
            client.images.get(image)
        except docker.errors.ImageNotFound:
            try:
                client.images.get_registry_data(image)
            except Exception as error:  # noqa: BLE001 (docker's and requests' errors have no common parent)
                return f"image {image} is not here, and no registry offers it: {error}"
    return None


@contextlib.contextmanager
def engine(timeout: int = 60) -> Iterator[Any]:
    """The engine's client. testcontainers sets DOCKER_HOST on the way; it is put back afterwards."""
    missing = [name for name in ("docker", "testcontainers") if importlib.util.find_spec(name) is None]
    if missing:
        raise ServerUnavailableError(
            f"--redis=container needs {' and '.join(missing)}, not installed here: "
            'run `pip install "pytest-jobqueue[container]"`.'
        )
    from testcontainers.core.docker_client import DockerClient, get_docker_host

    before = os.environ.get("DOCKER_HOST")
    client = None
    try:
        try:
            _knock(get_docker_host() or "unix:///var/run/docker.sock", timeout)
            client = DockerClient(timeout=timeout).client
            client.ping()
        except Exception as error:
            raise ServerUnavailableError(
                f"--redis=container needs a Docker engine, and none answers: {error}\n"
                "Start one, or say where it is with DOCKER_HOST, or use --redis=server or --redis=fake."
            ) from error
        yield client
    finally:
        if client is not None:
            client.close()
        if before is None:
            os.environ.pop("DOCKER_HOST", None)
        else:
            os.environ["DOCKER_HOST"] = before


def _knock(host: str, timeout: float) -> None:
    """Try a Unix socket before docker-py does, which leaves its own socket open when nobody is there."""
    if host.startswith("unix://"):
        with socket.socket(socket.AF_UNIX) as probe:
            probe.settimeout(timeout)
            probe.connect(host.removeprefix("unix://"))


def have_image(client: Any, image: str) -> None:
    """Pull an image if it is not here.

    Raises:
        ServerUnavailableError: It cannot be had.
    """
    import docker.errors

    try:
        client.images.get(image)
    except docker.errors.ImageNotFound:
        try:
            client.images.pull(image)
        except Exception as error:
            raise ServerUnavailableError(
                f"Image {image} is not here and cannot be pulled: {error}\n"
                "Name one that is here with --jobqueue-image, or build or load it first."
            ) from error


def log_tail(name: str, lines: int) -> str:
    """The last lines of a container's log; empty where it cannot be read."""
    try:
        with engine(PATIENCE) as client:
            log: bytes = client.containers.get(name).logs(tail=lines)
    except Exception:  # noqa: BLE001 (a log that cannot be read must not hide the error that it was to explain)
        return ""
    return log.decode("utf-8", "backslashreplace").rstrip("\n")
