"""One Redis in a Docker container for a whole run: published on loopback only, removed however the run ends.

testcontainers makes it, and its reaper, where enabled, guards it; a tethered shell removes it as well, so
nothing depends on the reaper. The address is always the published port on 127.0.0.1, never what
testcontainers calls the host, which may be a bridge that cannot be reached. Each xdist worker attaches with a
database of its own, and a reset flushes that one only.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time
import uuid
from typing import TYPE_CHECKING, Any

import redis

from pytest_jobqueue.errors import ServerUnavailableError, UsageError
from pytest_jobqueue.servers.docker_engine import engine, have_image, log_tail
from pytest_jobqueue.servers.provider import GONE, Facts, Line, facts, place, with_database
from pytest_jobqueue.servers.tether import Tether

if TYPE_CHECKING:
    from testcontainers.core.container import DockerContainer

READY_SECONDS = 30.0
DATABASES = 1024
_LOOK_EVERY = 0.01  # seconds between two attempts to connect
_PORT = "6379/tcp"

# Python is started only when there is something to remove: after an end that nobody had time to tidy up.
_SCRIPT = """
trap : HUP INT TERM
read -r word && [ "$word" = done ] && exit
exec "$@" </dev/null
"""
_REMOVER = """
import json, sys, time
sys.path[:] = json.loads(sys.argv[1])
import docker
client = docker.from_env()
for attempt in range(10):  # the engine may still be making it
    try:
        client.containers.get(sys.argv[2]).remove(force=True, v=True)
        break
    except docker.errors.NotFound:
        time.sleep(0.3)
"""


class ContainerProvider:
    """A database in a running container. Made by `start_container` and `attach_container`.

    Attributes:
        mode: `container`.
        url: Its direct URL, the database included.
        name: The container's name, which every worker may know; "" where it was not passed on.
        database: The number of our database.
    """

    mode = "container"

    def __init__(self, url: str, database: int, name: str, box: _Box | None = None) -> None:
        self.url = with_database(url, database)
        self.name = name
        self.database = database
        self._box = box
        self._owner = os.getpid()
        self._line = Line(self.url)
        self._facts: Facts = facts(self._line)

    @property
    def nearest(self) -> str:
        """The same as `url`."""
        return self.url

    @property
    def version(self) -> str:
        """The Redis version that the server is compatible with."""
        return self._facts.version

    def describe(self) -> str:
        """Product, container, image where it is known, address and database."""
        where = f"{place(self.url).removeprefix('redis://')}, database {self.database}"
        image = f" of image {self._box.image}" if self._box else ""
        return f"{self._facts.product} in container {self.name or '(unnamed)'}{image} on {where}"

    def log_tail(self, lines: int = 50) -> str:
        """The last `lines` of the container's log; empty once it is removed, or without a name."""
        return log_tail(self.name, lines) if self.name else ""

    def reset(self) -> None:
        """Empty our own database, and no other.

        Raises:
            ServerUnavailableError: The container is gone or hangs.
        """
        try:
            try:
                self._line.ask(("FLUSHDB",))
            except GONE:
                # A test may have killed every connection; the database is ours, so coming back is no risk.
                self._line = Line(self.url)
                self._line.ask(("FLUSHDB",))
        except (redis.RedisError, OSError) as error:
            log = self.log_tail() or "(nothing)"
            raise ServerUnavailableError(
                f"{self.describe()} no longer answers: {error}\nIts log ends:\n{log}"
            ) from error

    def close(self) -> None:
        """Hang up, and remove the container if it was started here."""
        if os.getpid() != self._owner:
            return
        self._line.close()
        if self._box is not None:
            self._box.remove()


class _Box:
    """A container, and the tether that removes it when we cannot."""

    def __init__(self, image: str, databases: int) -> None:
        self.image = image
        self.name = f"pytest-jobqueue-{uuid.uuid4().hex[:12]}"
        self._removed = self._started = False
        with engine() as client:
            have_image(client, image)
            self._container = _define(image, self.name, databases)
            remover = (sys.executable, "-c", _REMOVER, json.dumps(sys.path), self.name)
            self._tether = Tether(_SCRIPT, *remover, env=dict(os.environ))
            try:
                self._start()
                self.port = self._published()
            except BaseException:
                self.remove()
                raise

    def _start(self) -> None:
        self._started = True
        try:
            self._container.start()
        except Exception as error:
            raise ServerUnavailableError(
                f"The Docker engine cannot start image {self.image}: {error}\n"
                "The image must have redis-server on its PATH; --jobqueue-image names another one. Where it "
                "is testcontainers' reaper that cannot be started, set TESTCONTAINERS_RYUK_DISABLED=true: "
                "containers are removed without it too."
            ) from error

    def _published(self) -> int:
        wrapped = self._container.get_wrapped_container()
        wrapped.reload()
        bindings = wrapped.ports.get(_PORT)
        if not bindings:
            raise self.unavailable("ended before it was ready")
        return int(bindings[0]["HostPort"])

    def wait_until_ready(self, database: int) -> ContainerProvider:
        """Connect as soon as the server in it answers.

        Raises:
            ServerUnavailableError: It ends, or does not answer in time.
        """
        url = f"redis://127.0.0.1:{self.port}"
        deadline = time.perf_counter() + READY_SECONDS
        while True:
            try:
                return ContainerProvider(url, database, self.name, self)
            except GONE as error:
                wrapped = self._container.get_wrapped_container()
                wrapped.reload()
                if wrapped.status not in {"created", "running"}:
                    raise self.unavailable("ended before it was ready") from error
                if time.perf_counter() > deadline:
                    raise self.unavailable(
                        f"was not ready on {place(url)} after {READY_SECONDS:g} s"
                    ) from error
            time.sleep(_LOOK_EVERY)

    def unavailable(self, what: str) -> ServerUnavailableError:
        """The error for a container that does not serve, with its log."""
        log = log_tail(self.name, 50) or "(nothing)"
        return ServerUnavailableError(
            f"Container {self.name} of image {self.image} {what}. Its log ends:\n{log}"
        )

    def remove(self) -> None:
        """Remove it; where that fails, or where nobody knows whether it was made, the tether does."""
        if self._removed:
            return
        self._removed = True
        import docker.errors
        from testcontainers.core.exceptions import ContainerStartException

        word = b""
        try:
            with contextlib.suppress(docker.errors.NotFound):
                self._container.stop()
            # Where none was started, new releases of testcontainers raise here, and old ones return None.
            if not self._started or self._container.get_wrapped_container() is not None:
                word = b"done\n"
        except ContainerStartException:
            pass
        finally:
            self._tether.let_go(word)


def start_container(*, image: str, databases: int = DATABASES, db: int = 0) -> ContainerProvider:
    """Start a container and take a database in it.

    Args:
        image: What to run; it must have `redis-server` on its PATH.
        databases: How many databases the server is told to have.
        db: The database that the returned provider stands for.

    Raises:
        ServerUnavailableError: testcontainers is not installed, no engine answers, the image cannot be had,
            or its server does not start.
    """
    box = _Box(image, databases)
    try:
        return box.wait_until_ready(db)
    except BaseException as error:
        box.remove()
        if isinstance(error, redis.RedisError):
            raise ServerUnavailableError(f"{image} cannot be used: {error}") from error
        raise


def attach_container(url: str, db: int, *, name: str = "") -> ContainerProvider:
    """Take a database in a container that another process of this run has started and will remove.

    Args:
        url: The direct URL of the starter's provider.
        db: The database that only this process uses.
        name: The starter's `name`, for reading the log.

    Raises:
        UsageError: The server has fewer databases.
        ServerUnavailableError: Nobody answers.
    """
    try:
        return ContainerProvider(url, db, name)
    except redis.ResponseError as error:
        raise UsageError(
            f"{place(url)} has no database {db}: start it with more --databases ({error})"
        ) from error
    except (redis.RedisError, OSError) as error:
        raise ServerUnavailableError(
            f"The run's container on {place(url)} does not answer: {error}"
        ) from error


def _define(image: str, name: str, databases: int) -> DockerContainer:
    from testcontainers.core.container import DockerContainer

    # Protected mode would turn away whoever comes through the published port. That port is on loopback only.
    options = f"--save '' --appendonly no --protected-mode no --databases {databases}"
    container = DockerContainer(image).with_name(name).with_command(f"redis-server {options}")
    ports: dict[str, Any] = container.ports  # testcontainers' own methods cannot say on which address
    ports[_PORT] = ("127.0.0.1", None)
    return container
