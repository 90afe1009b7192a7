"""The same decisions inside a running event loop, with a binding that has a twin and one that has none."""

from __future__ import annotations

import asyncio

import pytest
from support.stubs import StubBinding

from pytest_jobqueue.errors import DrainLimitError, DrainTimeoutError
from pytest_jobqueue.journal import Journal
from pytest_jobqueue.settings import Settings
from pytest_jobqueue.worker import Worker


class Twin:
    """A stub whose methods are awaited; a job that is a coroutine function runs in the loop."""

    def __init__(self, binding) -> None:
        self._binding = binding

    def __getattr__(self, name):
        async def method(*args, **kwargs):
            await asyncio.sleep(0)
            answer = getattr(self._binding, name)(*args, **kwargs)
            if name == "run_next" and answer is not None and asyncio.iscoroutine(answer.result):
                await answer.result
            return answer

        return method


def boom() -> None:
    raise ValueError("boom")


async def hang() -> None:
    await asyncio.Event().wait()


@pytest.fixture(params=["twin", "plain"])
def binding(request):
    binding = StubBinding({"Add": lambda a, b: a + b, "Boom": boom, "Hang": hang})
    if request.param == "twin":
        binding.twin = Twin(binding)
    return binding


@pytest.fixture
def worker(binding):
    return Worker(binding, Journal(), Settings())


def test_jobs_are_run(worker, binding) -> None:
    async def test():
        binding.put("Add", 1, 2)
        binding.put("Add", 3, 4)
        assert (await worker.arun_next()).result == 3
        assert (await worker.adrain()).results == [7]
        assert await worker.arun_next() is None

    asyncio.run(test())


def test_a_failure_is_raised_or_recorded(worker, binding) -> None:
    async def test():
        binding.put("Boom")
        with pytest.raises(ValueError, match="boom"):
            await worker.adrain()
        binding.put("Boom")
        (outcome,) = (await worker.adrain(on_error="record")).failed
        assert str(outcome.exception) == "boom"

    asyncio.run(test())


def test_bounds_hold(worker, binding) -> None:
    async def test():
        for number in range(3):
            binding.put("Add", number, 0)
        with pytest.raises(DrainLimitError, match="2 jobs ran, as many as the limit allows"):
            await worker.adrain(limit=2)
        await worker.adrain()
        with pytest.raises(DrainTimeoutError, match="the predicate is still false"):
            await worker.arun_until(lambda: False)

    asyncio.run(test())


def test_a_job_that_hangs_in_the_loop_is_cancelled_in_time() -> None:
    binding = StubBinding({"Hang": hang})
    binding.twin = Twin(binding)
    worker = Worker(binding, Journal(), Settings())

    async def test():
        binding.put("Hang")
        with pytest.raises(DrainTimeoutError, match=r"the time for this drain \(0\.05 s\) was up"):
            await worker.adrain(timeout=0.05)

    asyncio.run(test())
