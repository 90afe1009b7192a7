"""One pytest run's state: the modes that were asked for, and what the run's tests did.

It lives on `config.stash`. Under pytest-xdist each process has one; what the processes must share (the mode
that `auto` became, the one container, the report's lines) travels as plain data.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_jobqueue.journal import Journal
    from pytest_jobqueue.servers import Server
    from pytest_jobqueue.servers.container import ContainerProvider
    from pytest_jobqueue.settings import Settings, WorkerMode


class Run:
    """What one process of a run knows.

    Attributes:
        lines: The report so far.
        usage_error: Why the whole run had to end, or "".

    Args:
        modes: Which Redis, one or several.
        app_path: `module:attribute` of the application, or "".
        image: The image for containers.
        report: Where the report goes, or "".
        redirect: Addresses that lead to the test's Redis, as they were given.
        allow: Addresses that the service may connect to, likewise.
        worker_mode: `inline` or `process` where somebody chose it, or "".
        explicit: Whether somebody chose the mode.
        reason: Why `auto` became what it is, or "".
        worker: This process's number, from 0, under pytest-xdist; None in the controller and without.
        container: The name and the URL of the controller's container, or None.
    """

    def __init__(
        self,
        modes: Sequence[str],
        *,
        app_path: str = "",
        image: str = "",
        report: str = "",
        redirect: str = "",
        allow: str = "",
        worker_mode: str = "",
        explicit: bool = False,
        reason: str = "",
        worker: int | None = None,
        container: tuple[str, str] | None = None,
    ) -> None:
        self.modes = tuple(modes)
        self.app_path = app_path
        self.image = image
        self.report = report
        self.redirect = redirect
        self.allow = allow
        self.worker_mode = worker_mode
        self.explicit = explicit
        self.reason = reason
        self.worker = worker
        self.container = container
        self.lines: list[str] = []
        self.usage_error = ""
        self._workers = 0
        self._container: ContainerProvider | None = None

    def start(self, mode: str, settings: Settings) -> Server:
        """Start the Redis of one mode.

        Raises:
            UsageError: It cannot be had here.
        """
        from pytest_jobqueue.servers import attach, serve

        if mode == "container" and self.container:
            name, url = self.container
            from pytest_jobqueue.servers.container import attach_container

            return attach(attach_container(url, self.worker or 0, name=name))
        return serve(mode, version=settings.redis_version, image=self.image)

    def settings(self, settings: Settings) -> Settings:
        """A project's settings, with what the options say instead."""
        if not self.worker_mode:
            return settings
        from dataclasses import replace

        return replace(settings, worker_mode=cast("WorkerMode", self.worker_mode))

    def shared(self) -> dict[str, Any]:
        """What the controller tells its next worker; starts the one container if the run uses containers."""
        if "container" in self.modes and self._container is None:
            from pytest_jobqueue.servers.container import start_container

            self._container = start_container(image=self.image)
        started = self._container
        self._workers += 1
        return {
            "worker": self._workers - 1,
            "modes": list(self.modes),
            "reason": self.reason,
            "container": None if started is None else (started.name, started.url),
        }

    def record(self, test: str, journal: Journal) -> None:
        """Keep a test's journal for the report, if one was asked for."""
        if self.report:
            from pytest_jobqueue.reports import json_lines

            self.lines += json_lines(test, journal)

    def finish(self) -> None:
        """Write the report and remove the container."""
        try:
            if self.report and self.worker is None:
                Path(self.report).write_text("".join(f"{line}\n" for line in self.lines), encoding="utf-8")
        finally:
            if self._container is not None:
                self._container.close()
                self._container = None
