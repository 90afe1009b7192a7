"""The fixtures: each builds something, yields it and puts things back; what it yields is defined elsewhere.

Heavy modules are imported inside the fixtures, so that a run that uses none of them pays nothing.
"""

from __future__ import annotations

import contextlib
import warnings
from typing import TYPE_CHECKING, Any, TypeVar

import pytest

from pytest_jobqueue.errors import JobQueueWarning, UsageError
from pytest_jobqueue.marker import NOT_GIVEN, Narrowing, merge

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import redis
    import redis.asyncio

    from pytest_jobqueue.guard import Guard
    from pytest_jobqueue.harness import JobQueue
    from pytest_jobqueue.producer import Producer
    from pytest_jobqueue.run import Run
    from pytest_jobqueue.servers import Server
    from pytest_jobqueue.settings import Settings
    from pytest_jobqueue.worker import Worker

T = TypeVar("T")
RUN: pytest.StashKey[Run] = pytest.StashKey()
HARNESS: pytest.StashKey[JobQueue] = pytest.StashKey()
_CAPTURE = "django_capture_on_commit_callbacks"


@pytest.fixture(scope="session")
def jobqueue_settings() -> Settings:
    """How the harness behaves; override it to return `pytest_jobqueue.Settings(…)`."""
    from pytest_jobqueue.settings import Settings

    return Settings()


@pytest.fixture(scope="session")
def jobqueue_app(request: pytest.FixtureRequest) -> Any:
    """The service's own application object; override it, in any scope, or set `jobqueue_app`.

    Without either, jobs can be enqueued and looked at, and none has a handler.
    """
    from pytest_jobqueue.applications import load_app

    path = request.config.stash[RUN].app_path
    return _or_end_run(request, lambda: load_app(path)) if path else {}


@pytest.fixture(scope="session")
def jobqueue_server(request: pytest.FixtureRequest, jobqueue_settings: Settings) -> Iterator[Server]:
    """The running Redis, for session-scoped set-up of the service: `.url`, `.host`, `.port`, `.mode`, …."""
    from pytest_jobqueue.registry import check_settings

    run = request.config.stash[RUN]
    mode = getattr(request, "param", None) or run.modes[0]
    server = _or_end_run(request, lambda: run.start(mode, check_settings(jobqueue_settings)))
    yield server
    server.close()


@pytest.fixture
def _jobqueue_isolated(request: pytest.FixtureRequest, jobqueue_server: Server) -> Iterator[Server]:
    """The server, empty before the test; afterwards what the test left connected is closed and named."""
    with _one_sentence():
        wanted = narrowing(request.node)
        if not wanted.allows(jobqueue_server.mode):  # only a fixture that is asked for at run time comes here
            pytest.skip(wanted.reason(jobqueue_server.mode))
        guard = _guard(request.config.stash[RUN], jobqueue_server, wanted.allow)
        jobqueue_server.reset()
    with guard:
        yield jobqueue_server
    blocked = [str(client) for client in jobqueue_server.reset() if client.blocked_on]
    if blocked:
        warnings.warn(
            f"the test ended while clients still waited for jobs; they were cut off: {'; '.join(blocked)}. "
            "A worker that the test started is still running: stop it in the test.",
            JobQueueWarning,
            stacklevel=1,
        )
    swallowed = guard.swallowed(request.node)
    if swallowed is not None:
        pytest.fail(f"jobqueue: {swallowed} (Somebody caught this, so the test went on.)", pytrace=False)


@pytest.fixture
def jobqueue_url(_jobqueue_isolated: Server) -> str:
    """The URL for the service under test."""
    return _jobqueue_isolated.url


@pytest.fixture
def jobqueue(
    request: pytest.FixtureRequest, _jobqueue_isolated: Server, jobqueue_app: Any, jobqueue_settings: Settings
) -> Iterator[JobQueue]:
    """The job queue under test: `.producer`, `.worker`, `.redis`, `.url`, `.journal`, `assert_…`."""
    from dataclasses import replace

    from pytest_jobqueue.asynchronous import at_end_of
    from pytest_jobqueue.harness import JobQueue

    with _one_sentence():
        wanted = narrowing(request.node)
        app = jobqueue_app if wanted.app is NOT_GIVEN else wanted.app
        settings = wanted.settings(request.config.stash[RUN].settings(jobqueue_settings))
        if _CAPTURE in request.fixturenames:  # it leaves what it ran, which must not run again
            settings = replace(settings, run_on_commit=False)
        harness = JobQueue(app, _jobqueue_isolated, settings)
    with harness, at_end_of(request.node, harness.release):
        request.node.stash[HARNESS] = harness
        yield harness
        request.config.stash[RUN].record(request.node.nodeid, harness.journal)


@pytest.fixture
def jobqueue_producer(jobqueue: JobQueue) -> Producer:
    """The harness's producer."""
    return jobqueue.producer


@pytest.fixture
def jobqueue_worker(jobqueue: JobQueue) -> Worker:
    """The harness's worker."""
    return jobqueue.worker


@pytest.fixture
def jobqueue_redis(_jobqueue_isolated: Server) -> Iterator[redis.Redis]:
    """A `redis.Redis` for looking and arranging; it goes round the front's hooks."""
    import redis

    client = redis.Redis.from_url(_jobqueue_isolated.direct_url)
    yield client
    client.close()


@pytest.fixture
def jobqueue_redis_async(
    request: pytest.FixtureRequest, _jobqueue_isolated: Server
) -> Iterator[redis.asyncio.Redis]:
    """A `redis.asyncio.Redis`, in the test's own loop, whichever plugin runs it (pytest-asyncio, anyio)."""
    from pytest_jobqueue.asynchronous import client_of_test

    yield from client_of_test(request.node, _jobqueue_isolated.direct_url)


def _guard(run: Run, server: Server, allow: str) -> Guard:
    from pytest_jobqueue.guard import Guard, parse_addresses

    allowed = parse_addresses(run.allow, "jobqueue_allow")
    if allow:
        allowed += parse_addresses(allow, "the marker jobqueue(allow=…)")
    return Guard(server, parse_addresses(run.redirect, "jobqueue_redirect"), allowed)


def narrowing(node: Any) -> Narrowing:
    """What the node's markers ask for."""
    return merge(node.iter_markers("jobqueue"))


@contextlib.contextmanager
def _one_sentence() -> Iterator[None]:
    """A usage error fails this test with its message alone."""
    try:
        yield
    except UsageError as error:
        raise pytest.fail.Exception(f"jobqueue: {error}", pytrace=False) from None


def _or_end_run(request: pytest.FixtureRequest, function: Callable[[], T]) -> T:
    """Call it; a usage error ends the whole run with one message, as every other test would fail likewise."""
    try:
        return function()
    except UsageError as error:
        message = f"jobqueue: {error}"
    run = request.config.stash[RUN]
    run.usage_error = message
    if run.worker is not None:  # pytest-xdist's controller stops the others, and says why
        request.session.shouldstop = message
    pytest.exit(message, returncode=pytest.ExitCode.USAGE_ERROR)
