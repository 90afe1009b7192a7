"""After a test the process is as it was, and pytest-timeout's alarm still goes off."""

from __future__ import annotations

import pytest

CONFTEST = """
    import asyncio
    import gc
    import logging
    import os
    import signal
    import sys
    import threading
    import time
    import warnings

    import pytest
    import pytest_jobqueue

    def link(number):
        try:
            return os.readlink(f"/proc/self/fd/{number}")
        except FileNotFoundError:
            return "the listing itself"

    def snapshot():
        gc.collect()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            policy = asyncio.get_event_loop_policy()
        return {
            "signals": {number: signal.getsignal(number) for number in signal.valid_signals()},
            "timer": signal.getitimer(signal.ITIMER_REAL)[0] > 0,
            "threads": {thread.name for thread in threading.enumerate()},
            "descriptors": sorted(map(link, os.listdir("/proc/self/fd"))),
            "loop": (getattr(policy, "_local", None) and policy._local._loop, type(policy)),
            "environment": {key: value for key, value in os.environ.items() if not key.startswith("PYTEST_")},
            "logging": (logging.root.level, list(logging.root.handlers), logging.raiseExceptions),
            "hooks": [
                # pytest's own hooks are made anew for each phase of a test before its version 8.4
                getattr(hook, "__func__", hook)
                for hook in (sys.excepthook, threading.excepthook, sys.unraisablehook)
            ],
            "directory": os.getcwd(),
            "time": (time.time, time.monotonic),
        }

    def pytest_sessionstart(session):
        pytest_jobqueue.serve("fake").close()  # uvloop keeps one pipe for the process from its first loop on
        session.config.before = snapshot()

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(session):
        after, before = snapshot(), session.config.before
        assert {key: (before[key], after[key]) for key in before if before[key] != after[key]} == {}
        print("left as found")
"""


@pytest.mark.parametrize("mode", ["fake", "server", "container", "url"])
def test_a_run_leaves_its_process_as_it_found_it(project, on, mode):
    project.conftest(CONFTEST)
    project.tests(
        """
        import signal
        import pytest
        import redis
        import redis.asyncio
        from conftest import snapshot
        from pytest_jobqueue import JobQueue

        @pytest.fixture(autouse=True)
        def each_test_too(jobqueue_server):
            with JobQueue({}, jobqueue_server) as first:
                first.redis.ping(), first.binding.pending()  # a connection that is kept until the server goes
            before = snapshot()
            yield
            for _ in range(2):  # two turns of the front's loop, in which it closes what was cut off
                jobqueue_server.clients()
            after = snapshot()
            assert {key: (before[key], after[key]) for key in before if before[key] != after[key]} == {}

        @pytest.mark.parametrize("round", [1, 2])
        def test_everything(jobqueue, jobqueue_redis, round):
            for name in ("Add", "Add", "Boom"):
                jobqueue.producer.enqueue(name, *([1, 2] if name == "Add" else []))
            assert signal.getitimer(signal.ITIMER_REAL)[0] > 0
            assert len(jobqueue.worker.drain(on_error="record")) == 3
            assert 0 < signal.getitimer(signal.ITIMER_REAL)[0] <= 30
            jobqueue.redis.ping(), jobqueue_redis.ping()
            with pytest.raises(ValueError):
                jobqueue.producer.enqueue("Boom")
                jobqueue.worker.drain()
        """
    )
    result = project.run(*on(mode), "--timeout=30", "-s", plugins=["timeout"])
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(["*left as found"])


def test_a_timeout_of_the_test_holds_during_and_after_a_drain(project):
    project.tests(
        """
        import threading
        import pytest

        hang = {"Hang": lambda: threading.Event().wait(60)}

        @pytest.mark.timeout(0.5, func_only=True)
        def test_after(jobqueue):
            jobqueue.producer.enqueue("Add", 1, 2)
            jobqueue.worker.drain()
            threading.Event().wait(60)

        @pytest.mark.timeout(0.5, func_only=True)
        @pytest.mark.jobqueue(app=hang)
        def test_during(jobqueue):
            jobqueue.producer.enqueue("Hang")
            jobqueue.worker.drain(timeout=50, on_error="record")

        @pytest.mark.timeout(50, func_only=True)
        @pytest.mark.jobqueue(app=hang)
        def test_the_drain_is_first(jobqueue):
            jobqueue.producer.enqueue("Hang")
            with pytest.raises(AssertionError, match="while Hang"):
                jobqueue.worker.drain(timeout=0.1)
        """
    )
    result = project.run("-rf", plugins=["timeout"])
    result.assert_outcomes(passed=1, failed=2)
    result.stdout.fnmatch_lines_random(["FAILED *::test_after*", "FAILED *::test_during*"])
    assert result.stdout.str().count("Failed: Timeout (>0.5s) from pytest-timeout.") >= 2
