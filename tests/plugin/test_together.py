"""With other plugins: xdist, asyncio, anyio, randomly; and several runs at once."""

from __future__ import annotations

import subprocess
import sys

import pytest
from support.tools import need

MANY = """
    import pytest

    @pytest.mark.parametrize("number", range(12))
    def test_alone(jobqueue, jobqueue_redis, number):
        assert jobqueue_redis.dbsize() == 0
        for _ in range(5):
            jobqueue.producer.enqueue("Add", number, 1)
        assert jobqueue.worker.drain().results == [number + 1] * 5
        assert jobqueue_redis.get("stat:processed") == b"5"
        jobqueue.assert_performed("Add", number, 1, count=5)
"""


def test_four_workers_do_not_meet_on_any_redis(project):
    need("server")
    project.tests(MANY)
    project.run("--redis=fake,server", "-n", "4").assert_outcomes(passed=24)


def test_without_the_usual_plugins_and_with_another_order(project):
    project.tests(MANY)
    project.run("-p", "no:xdist", "-p", "no:randomly").assert_outcomes(passed=12)
    project.run("-p", "randomly", "-p", "no:xdist").assert_outcomes(passed=12)


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
    ("plugin", "args", "head"),
    [
        ("asyncio", ["--asyncio-mode=strict"], STRICT),
        ("asyncio", ["--asyncio-mode=auto"], AUTO),
        ("anyio", [], ANYIO),
    ],
    ids=["strict", "auto", "anyio"],
)
def test_the_async_client_lives_in_the_test_s_loop(project, plugin, args, head):
    project.ini("asyncio_default_fixture_loop_scope = function\n" if plugin == "asyncio" else "")
    project.tests(ASYNC.replace("{head}", head.strip()))
    result = project.run(*args, plugins=[plugin])
    result.assert_outcomes(passed=6, failed=1)
    result.stdout.fnmatch_lines(["*ValueError: expected"])


def test_two_runs_at_once_do_not_meet(project):
    need("server")
    project.tests(MANY)
    command = [sys.executable, "-m", "pytest", "-pjobqueue", "--redis=server,fake", "-q"]
    runs = [
        subprocess.Popen(command, cwd=project.path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        for _ in range(2)
    ]
    said = [run.communicate(timeout=120)[0].decode() for run in runs]
    assert [run.returncode for run in runs] == [0, 0], said
    assert all("24 passed" in text for text in said)
