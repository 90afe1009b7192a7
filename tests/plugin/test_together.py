"""With other plugins: xdist, asyncio, anyio, randomly; and several runs at once."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from contextlib import ExitStack

import pytest
from support.processes import PATIENCE, wait_gone

MANY = """
    import os

    import pytest

    @pytest.mark.parametrize("number", range(12))
    def test_alone(jobqueue, jobqueue_redis, number):
        assert jobqueue_redis.dbsize() == 0
        with open("where", "a") as file:
            print(os.getpid(), jobqueue.server.direct_url, file=file)
        for _ in range(5):
            jobqueue.producer.enqueue("Add", number, 1)
        assert jobqueue.worker.drain().results == [number + 1] * 5
        assert jobqueue_redis.get("stat:processed") == b"5"
        jobqueue.assert_performed("Add", number, 1, count=5)
"""


def addresses(project):
    """Which databases the run's processes had: one each, and none of them two."""
    lines = (project.path / "where").read_text().splitlines()
    found = dict(line.split() for line in lines)
    assert {" ".join(pair) for pair in found.items()} == set(lines)
    assert len(set(found.values())) == len(found)
    return list(found.values())


def test_four_workers_do_not_meet_on_any_redis(project, on):
    project.tests(MANY)
    project.run(*on("fake,server,url"), "-n", "4").assert_outcomes(passed=36)


def test_four_workers_lease_a_database_each(project, on):
    project.tests(MANY)
    project.run(*on("url"), "-n", "4").assert_outcomes(passed=12)
    assert len([url for url in addresses(project) if "?db=" in url]) == 4


def started_and_removed(image):
    events = image.events()
    return [events.count(what) for what in ("create", "start", "destroy")]


def test_four_workers_share_one_container_which_is_gone_afterwards(project, image):
    project.tests(MANY)
    arguments = ["--redis=container", f"--jobqueue-image={image.name}", "-n", "4"]
    project.run(*arguments).assert_outcomes(passed=12)
    assert started_and_removed(image) == [1, 1, 1]
    ports, databases = zip(*(url.rsplit("/", 1) for url in addresses(project)), strict=True)
    assert len(set(ports)) == 1
    assert sorted(databases) == ["0", "1", "2", "3"]


@pytest.fixture
def pipe(project):
    """Makes named pipes of the project that can be read and written without waiting for the other side."""
    with ExitStack() as stack:

        def make(name):
            os.mkfifo(project.path / name)
            descriptor = os.open(project.path / name, os.O_RDWR)
            stack.callback(os.close, descriptor)
            return descriptor

        yield make


def lines_from(descriptor, count):
    """So many lines, as soon as they are there."""
    data = b""
    while data.count(b"\n") < count:
        assert select.select([descriptor], [], [], PATIENCE)[0], data
        data += os.read(descriptor, 4096)
    return data.decode().split()


def test_an_interrupted_run_with_four_workers_removes_its_container(project, image, pipe):
    """Ctrl-C comes when every worker is in a test; each goes on then."""
    project.conftest(
        """
        import signal

        signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores it
        """
    )
    project.tests(
        """
        import os

        import pytest

        @pytest.mark.parametrize("number", range(4))
        def test_long(jobqueue, jobqueue_redis, number):
            jobqueue_redis.ping()
            with open("begun", "w") as begun, open("on", "rb", buffering=0) as on:
                print(os.getpid(), file=begun, flush=True)
                assert on.read(1) == b"."
        """
    )
    begun, on = pipe("begun"), pipe("on")
    command = [sys.executable, "-m", "pytest", "-pjobqueue", "-pxdist", "-n", "4", "--redis=container"]
    with subprocess.Popen(
        [*command, f"--jobqueue-image={image.name}"], cwd=project.path, stdout=subprocess.PIPE, text=True
    ) as run:
        try:
            workers = lines_from(begun, 4)
            assert len(set(workers)) == 4
            assert started_and_removed(image) == [1, 1, 0]
            run.send_signal(signal.SIGINT)
            os.write(on, b"....")
            said, _ = run.communicate(timeout=PATIENCE)
        finally:
            run.kill()
    assert run.returncode == pytest.ExitCode.INTERRUPTED, said
    assert started_and_removed(image) == [1, 1, 1]
    for worker in workers:
        wait_gone(int(worker))


@pytest.mark.parametrize(
    ("randomly", "modes"),
    [
        ("no:randomly", "fake"),
        ("no:randomly", "server,url"),
        ("no:randomly", "container"),
        ("randomly", "fake"),
    ],
)
def test_without_the_usual_plugins_and_with_another_order(project, on, randomly, modes):
    project.tests(MANY)
    result = project.run(*on(modes), "-p", "no:xdist", "-p", randomly)
    result.assert_outcomes(passed=12 * len(modes.split(",")))


ASYNC = """
    import asyncio
    import gc

    import pytest

    {head}
    async def stocked(jobqueue_redis_async):
        await jobqueue_redis_async.set("stock", 1)
        yield jobqueue_redis_async
        await jobqueue_redis_async.get("stock")  # connects anew, after the test closed it

    class TestMethods:
        async def test_method(self, jobqueue_redis_async):
            assert await jobqueue_redis_async.ping()

    async def test_client(jobqueue, jobqueue_redis_async):
        await asyncio.gather(*(jobqueue_redis_async.incr("n") for _ in range(20)))
        assert jobqueue.redis.get("n") == b"20"
        await jobqueue_redis_async.lpush("queue:default", "x")
        assert len(jobqueue.redis.lrange("queue:default", 0, -1)) == 1

    async def test_with_a_fixture(stocked):
        assert await stocked.get("stock") == b"1"

    async def test_fails(jobqueue_redis_async):
        gc.collect()  # what the fixture of the test before left open would be noticed here
        await jobqueue_redis_async.ping()
        raise ValueError("expected")

    @pytest.mark.parametrize("number", [1, 2])
    async def test_drain_in_a_loop(jobqueue, number):
        jobqueue.producer.enqueue("Add", number, 1)
        assert jobqueue.worker.drain().results == [number + 1]

    async def test_last(jobqueue_redis_async):
        assert await jobqueue_redis_async.dbsize() == 0
        gc.collect()
"""


STRICT = """
    pytestmark = pytest.mark.asyncio

    import pytest_asyncio

    @pytest_asyncio.fixture
"""
AUTO = """
    @pytest.fixture
"""
ANYIO = """
    pytestmark = pytest.mark.anyio

    @pytest.fixture
    def anyio_backend():
        return "asyncio"

    @pytest.fixture
"""


@pytest.mark.parametrize(
    ("plugin", "args", "head", "modes"),
    [
        ("asyncio", ["--asyncio-mode=strict"], STRICT, "fake"),
        ("asyncio", ["--asyncio-mode=strict"], STRICT, "container"),
        ("asyncio", ["--asyncio-mode=auto"], AUTO, "server,url"),
        ("anyio", [], ANYIO, "fake"),
        ("anyio", [], ANYIO, "server"),
    ],
    ids=["strict", "strict in a container", "auto", "anyio", "anyio on a server"],
)
def test_the_async_client_lives_in_the_test_s_loop(project, on, plugin, args, head, modes):
    project.ini("asyncio_default_fixture_loop_scope = function\n" if plugin == "asyncio" else "")
    project.tests(ASYNC.replace("{head}", head.strip()))
    result = project.run(*on(modes), *args, plugins=[plugin])
    each = len(modes.split(","))
    result.assert_outcomes(passed=6 * each, failed=each)
    result.stdout.fnmatch_lines(["*ValueError: expected"] * each)


@pytest.mark.parametrize("mode", ["fake", "server", "url"])
def test_two_runs_at_once_do_not_meet(project, on, mode):
    """Neither goes on before both have their Redis."""
    project.tests(MANY)
    project.conftest(
        """
        import sys

        import pytest

        @pytest.fixture(scope="session")
        def jobqueue_server(jobqueue_server):
            print("mine:", jobqueue_server.direct_url, flush=True)
            assert sys.stdin.readline() == "go on\\n"
            return jobqueue_server
        """
    )
    command = [sys.executable, "-m", "pytest", "-pjobqueue", *on(mode), "-q", "-s"]
    pipes = dict.fromkeys(("stdin", "stdout"), subprocess.PIPE)
    runs = [
        subprocess.Popen(command, cwd=project.path, stderr=subprocess.STDOUT, text=True, **pipes)
        for _ in range(2)
    ]
    urls = [next((line for line in run.stdout if line.startswith("mine:")), None) for run in runs]
    said = [run.communicate("go on\n", timeout=120)[0] for run in runs]
    assert [run.returncode for run in runs] == [0, 0], said
    assert all("12 passed" in text for text in said)
    assert len({*urls}) == 2, urls
    assert None not in urls
