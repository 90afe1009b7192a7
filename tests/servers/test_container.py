"""Redis in a container: loopback only, a database per worker, and removed however the run ends."""

from __future__ import annotations

import importlib.util
import io
import json
import os
import signal
import subprocess
import tarfile
import uuid

import pytest
import redis
from support.processes import descriptors, program, wait_gone
from support.tools import container_image

from pytest_jobqueue.errors import ServerUnavailableError, UsageError
from pytest_jobqueue.servers import container as module
from pytest_jobqueue.servers.container import attach_container, start_container
from pytest_jobqueue.servers.docker_engine import docker_available, image_available

NO_REAPER = {"TESTCONTAINERS_RYUK_DISABLED": "true"}  # so that it is us who remove


def docker(*words):
    return subprocess.run(["docker", *words], check=True, capture_output=True, text=True).stdout


def exists(name):
    return bool(docker("ps", "--all", "--quiet", "--filter", f"name={name}"))


@pytest.fixture(scope="module")
def image():
    return container_image()


@pytest.fixture(scope="module", autouse=True)
def without_reaper():
    with pytest.MonkeyPatch.context() as patch:
        for name, value in NO_REAPER.items():
            patch.setenv(name, value)
        yield


@pytest.fixture(scope="module")
def started(image):
    provider = start_container(image=image)
    yield provider
    provider.close()


@pytest.fixture
def attached(started):
    """Two workers of one run."""
    both = [attach_container(started.url, number, name=started.name) for number in (5, 1023)]
    yield both
    for provider in both:
        provider.close()


def test_it_is_published_on_loopback_only(started):
    (details,) = json.loads(docker("inspect", started.name))
    ((binding,),) = filter(None, details["NetworkSettings"]["Ports"].values())
    assert binding["HostIp"] == "127.0.0.1"
    assert started.url == f"redis://127.0.0.1:{binding['HostPort']}/0"


def test_it_says_what_it_is(started, image):
    with redis.Redis.from_url(started.url) as client:
        version = client.info("server")["redis_version"]
        assert client.config_get("save") == {"save": ""}
    where = started.url.removeprefix("redis://").removesuffix("/0")
    assert started.mode == "container"
    assert started.version == version
    assert started.describe() == (
        f"Redis {version} in container {started.name} of image {image} on {where}, database 0"
    )
    assert "Ready to accept connections" in started.log_tail()


def test_each_worker_has_a_database_and_resets_that_one(started, attached):
    one, two = attached
    assert one.url == started.url.removesuffix("0") + "5"
    with redis.Redis.from_url(one.url) as first, redis.Redis.from_url(two.url) as second:
        first.set("a", 1)
        second.set("b", 1)
        one.reset()
        assert (first.dbsize(), second.dbsize()) == (0, 1)
        two.reset()
        assert second.dbsize() == 0


def test_a_worker_reads_the_container_s_log(attached):
    assert "Ready to accept connections" in attached[0].log_tail()
    assert len(attached[0].log_tail(2).splitlines()) == 2


def test_without_the_name_there_is_no_log(started):
    provider = attach_container(started.url, 3)
    assert provider.log_tail() == ""
    assert " in container (unnamed) on 127.0.0.1:" in provider.describe()
    provider.close()


def test_reset_outlives_a_test_that_killed_every_connection(attached):
    with redis.Redis.from_url(attached[0].url) as client:
        client.set("a", 1)
        client.client_kill_filter(_type="normal", skipme=True)
        attached[0].reset()
        assert client.dbsize() == 0


def test_a_worker_s_close_leaves_the_container(started):
    attach_container(started.url, 7, name=started.name).close()
    assert exists(started.name)


def test_there_are_only_so_many_databases(started):
    with pytest.raises(
        UsageError, match=r"^redis://127\.0\.0\.1:\d+ has no database 1024: start it with more"
    ):
        attach_container(started.url, 1024)


def test_close_leaves_nothing(image):
    environment, opened = dict(os.environ), descriptors()
    provider = start_container(image=image, databases=2, db=1)
    assert provider.url.endswith("/1")
    assert exists(provider.name)
    provider.close()
    provider.close()
    assert not exists(provider.name)
    assert descriptors() == opened
    assert dict(os.environ) == environment
    assert provider.log_tail() == ""
    with pytest.raises(ServerUnavailableError, match=r"no longer answers"):
        provider.reset()
    with pytest.raises(
        ServerUnavailableError, match=r"^The run's container on redis://127\.0\.0\.1:\d+ does not"
    ):
        attach_container(provider.url, 1)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_run_that_is_killed_takes_the_container_with_it(image, how):
    source = f"""
import signal
from pytest_jobqueue.servers.container import start_container
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores it
provider = start_container(image={image!r})
print(provider.name, provider._box._tether.process.pid, flush=True)
input()
"""
    with program(source, **NO_REAPER) as (run, (name, shell)):
        assert exists(name)
        run.send_signal(how)
        wait_gone(int(shell))
        assert not exists(name)


def test_an_interrupt_while_it_starts_leaves_nothing(image, monkeypatch):
    names = []

    def interrupt(box):
        names.append(box.name)
        raise KeyboardInterrupt

    monkeypatch.setattr(module._Box, "_published", interrupt)
    opened = descriptors()
    with pytest.raises(KeyboardInterrupt):
        start_container(image=image)
    assert not exists(names[0])
    assert descriptors() == opened


def test_an_interrupt_while_the_engine_makes_it_leaves_nothing(image, monkeypatch):
    """Nobody knows then whether there is a container, so the shell looks."""
    from testcontainers.core.docker_client import DockerClient

    names = []
    verb = "create" if hasattr(DockerClient, "create") else "run"  # older releases create and start in one
    create = getattr(DockerClient, verb)

    def interrupt(client, *arguments, **options):
        create(client, *arguments, **options)
        names.append(options["name"])
        raise KeyboardInterrupt

    monkeypatch.setattr(DockerClient, verb, interrupt)
    with pytest.raises(KeyboardInterrupt):
        start_container(image=image)
    assert not exists(names[0])


def test_a_server_that_ends_at_once_shows_its_log(image):
    with pytest.raises(
        ServerUnavailableError, match=r"(?s)ended before it was ready\. Its log ends:\n.*databases"
    ):
        start_container(image=image, databases=0)


def test_a_server_that_never_gets_ready_is_given_up(image, monkeypatch):
    monkeypatch.setattr(module, "READY_SECONDS", 0.0)
    monkeypatch.setattr(module, "ContainerProvider", lambda *_: socketless())
    with pytest.raises(
        ServerUnavailableError, match=r"was not ready on redis://127\.0\.0\.1:\d+ after 0 s\. Its log"
    ):
        start_container(image=image)


def socketless():
    raise redis.ConnectionError("nobody")


def test_an_image_that_cannot_be_had_names_the_option(image):
    with pytest.raises(
        ServerUnavailableError, match=r"^Image x\.invalid/none:0 is not here and cannot be pulled: "
    ):
        start_container(image="x.invalid/none:0")
    assert image_available("x.invalid/none:0").startswith(
        "image x.invalid/none:0 is not here, and no registry"
    )


def test_an_image_without_redis_is_refused(image):
    tag = f"pytest-jobqueue-empty:{uuid.uuid4().hex[:12]}"
    empty = io.BytesIO()
    with tarfile.open(fileobj=empty, mode="w") as tar:
        tar.addfile(tarfile.TarInfo("nothing"))
    subprocess.run(["docker", "import", "-", tag], input=empty.getvalue(), check=True, capture_output=True)
    try:
        with pytest.raises(
            ServerUnavailableError, match=r"must have redis-server on its PATH; --jobqueue-image"
        ):
            start_container(image=tag)
    finally:
        docker("rmi", tag)


def test_an_engine_that_answers_is_available(image):
    assert docker_available() is None


def test_no_engine_is_said_at_once(monkeypatch):
    pytest.importorskip("testcontainers")
    monkeypatch.setenv("DOCKER_HOST", "unix:///no/such/socket")
    reason = docker_available()
    assert reason is not None
    assert reason.startswith("--redis=container needs a Docker engine, and none answers: ")
    assert reason.endswith(
        "\nStart one, or say where it is with DOCKER_HOST, or use --redis=server or --redis=fake."
    )
    with pytest.raises(ServerUnavailableError, match=r"none answers"):
        start_container(image="redis")
    assert os.environ["DOCKER_HOST"] == "unix:///no/such/socket"


def test_no_library_names_the_extra(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", {"docker": "here"}.get)
    with pytest.raises(ServerUnavailableError) as caught:
        start_container(image="redis")
    assert str(caught.value) == (
        "--redis=container needs testcontainers, not installed here: "
        'run `pip install "pytest-jobqueue[container]"`.'
    )
    assert docker_available() == str(caught.value)
