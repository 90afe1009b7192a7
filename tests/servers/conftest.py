"""A server of each kind that is at hand, and raw connections to it."""

from __future__ import annotations

import subprocess
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest
from support.tools import need
from support.wire import Wire

import pytest_jobqueue

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module", params=["fake", "server"])
def any_server(request) -> Iterator[pytest_jobqueue.Server]:
    if request.param == "server":
        need("server")
    with pytest_jobqueue.serve(request.param) as server:
        yield server


@pytest.fixture(scope="module")
def fake_server() -> Iterator[pytest_jobqueue.Server]:
    with pytest_jobqueue.serve("fake") as server:
        yield server


@pytest.fixture
def server(any_server) -> pytest_jobqueue.Server:
    any_server.reset()
    return any_server


@pytest.fixture
def fake(fake_server) -> pytest_jobqueue.Server:
    fake_server.reset()
    return fake_server


@pytest.fixture
def connect(request) -> Iterator:
    """Make raw connections; they are closed with the test."""
    with ExitStack() as stack:

        def connect(server, *, direct: bool = False) -> Wire:
            port = int(server.direct_url.rpartition(":")[2].partition("/")[0]) if direct else server.port
            wire = Wire(port)
            stack.callback(wire.close)
            return wire

        yield connect


@pytest.fixture(scope="session")
def certificate(tmp_path_factory) -> tuple[str, str]:
    """A certificate for localhost that signs itself, and its key."""
    folder = tmp_path_factory.mktemp("tls")
    command = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -addext"
    files = ["-keyout", "key.pem", "-out", "cert.pem"]
    subprocess.run(
        [*command.split(), "subjectAltName=DNS:localhost,IP:127.0.0.1", *files],
        cwd=folder,
        check=True,
        capture_output=True,
    )
    return str(folder / "cert.pem"), str(folder / "key.pem")
