"""How the harness behaves: one frozen value, which the fixture `jobqueue_settings` gives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from pytest_jobqueue.errors import UsageError

OnError = Literal["raise", "record"]
WorkerMode = Literal["inline", "process"]


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
        worker_mode: Who runs jobs: the test's own thread (`inline`), or a process of the library's own worker
            command (`process`).
        worker_options: Options of that command, such as `("--concurrency", "4")`.
        on_error: What a drain does with a job's exception: raise it in the test, or record it.
        run_on_commit: Whether the worker runs Django's on-commit callbacks that wait in the test's
            transaction, before it takes a job and after it ran one.
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
    worker_mode: WorkerMode = "inline"
    worker_options: tuple[str, ...] = ()
    on_error: OnError = "raise"
    run_on_commit: bool = False
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
        if self.worker_mode not in get_args(WorkerMode):
            raise UsageError(f"worker_mode is {self.worker_mode!r}; it can be 'inline' or 'process'")
        if isinstance(self.worker_options, str):
            raise UsageError(
                f"worker_options is {self.worker_options!r}; it is a sequence of words, such as "
                f"{tuple(self.worker_options.split())!r}"
            )
