"""What can be set, declared once: flag, ini key and environment variable come from one table.

A setting is looked up flag first, then environment, then ini, then default. `Settings` is what the rest of
the package sees: one frozen value.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from pytest_jobqueue.errors import UsageError

OnError = Literal["raise", "record"]

DEFAULT_IMAGE = "redis:7"


@dataclass(frozen=True, slots=True)
class Option:
    """One option of the command line.

    Attributes:
        name: Its name in Python and, as `--name`, on the command line.
        flag: The flag.
        ini: The key in pytest's configuration file, or "" where there is none.
        env: The environment variable, or "".
        metavar: What stands for its value in the help.
        default: Its value when nobody says anything.
        help: What it means.
    """

    name: str
    flag: str
    ini: str
    env: str
    metavar: str
    default: str
    help: str


OPTIONS = (
    Option(
        "redis",
        "--redis",
        "jobqueue_redis",
        "PYTEST_JOBQUEUE_REDIS",
        "MODE[,MODE...]",
        "fake",
        "the Redis that tests use: fake (in memory, the default), server (a redis-server of our own), "
        "container (Docker), auto (the best there is), or a redis://, rediss:// or unix:// URL of one that "
        "runs; with a list, each test that uses it runs once per mode",
    ),
    Option(
        "app",
        "--jobqueue-app",
        "jobqueue_app",
        "",
        "MODULE:ATTR",
        "",
        "where the service's own application object is: a registry of handlers, or a dict of name to "
        "callable",
    ),
    Option(
        "image",
        "--jobqueue-image",
        "jobqueue_image",
        "PYTEST_JOBQUEUE_IMAGE",
        "NAME",
        DEFAULT_IMAGE,
        "the image for --redis=container",
    ),
    Option(
        "report",
        "--jobqueue-report",
        "",
        "",
        "FILE",
        "",
        "write every job that the run's tests enqueued or ran to FILE, as JSON lines",
    ),
)


@dataclass(frozen=True, slots=True)
class Settings:
    """How the harness behaves; a project overrides the `jobqueue_settings` fixture to change it.

    Attributes:
        redis_version: The version that the in-memory Redis imitates.
        dialect: Whose wire format the Sidekiq adapter speaks: `go-workers2`, `sidekiq6`, `sidekiq7`,
            `sidekiq8`.
        namespace: A prefix of every key, for the dialects that have one.
        process_id: Whose in-progress list the worker uses (go-workers2's `ProcessID`).
        queues: The queues that the worker listens to, in its order; None for all that it hears of.
        default_queue: Where a job goes that names no queue.
        on_error: What a drain does with a job's exception: raise it in the test, or record it.
        drain_limit: How many jobs one drain may run.
        drain_timeout: How long one drain may take, in real seconds.
        seed: The seed of the retry schedule's jitter, so that a run can be repeated.
    """

    redis_version: str = "7.4.0"
    dialect: str = "go-workers2"
    namespace: str = ""
    process_id: str = "1"
    queues: tuple[str, ...] | None = None
    default_queue: str = "default"
    on_error: OnError = "raise"
    drain_limit: int = 10_000
    drain_timeout: float = 30.0
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse at once what would only be noticed as jobs that nobody runs.

        Raises:
            UsageError: A value cannot be.
        """
        if isinstance(self.queues, str):
            raise UsageError(
                f"queues is {self.queues!r}; it is a sequence of names, such as ({self.queues!r},)"
            )
        if self.queues is not None and not self.queues:
            raise UsageError("queues is empty, so no job would ever run; leave it out for all queues")
        if self.on_error not in get_args(OnError):
            raise UsageError(f"on_error is {self.on_error!r}; it can be 'raise' or 'record'")
