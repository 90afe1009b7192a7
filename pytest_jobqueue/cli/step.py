"""A worker that runs one job whenever it is told to, for whoever wants to see them one by one.

python -m pytest_jobqueue.cli.step --app my_service.jobs:handlers --url … --tell … --link 5

It has no event loop, and jobs run in the main thread: asynchronous libraries bring a loop of their own, and
some libraries' time limits are signals.
"""

from __future__ import annotations

import argparse
import signal
import socket
import sys
import uuid
from typing import TYPE_CHECKING, Any

from pytest_jobqueue import applications, registry
from pytest_jobqueue.adapters.telling import Telling
from pytest_jobqueue.settings import Settings

if TYPE_CHECKING:
    from pytest_jobqueue.adapters import Binding


class Stepper:
    """Runs jobs, one at a time, until SIGTERM or the parent's end; a job that runs is finished first."""

    def __init__(self, binding: Binding, telling: Telling) -> None:
        self._binding = binding
        self._telling = telling
        self._is_busy = self._is_stopping = False

    def stop(self, *_: Any) -> None:
        """Handle SIGTERM."""
        self._is_stopping = True
        if not self._is_busy:
            sys.exit(0)

    def serve(self, link: socket.socket) -> None:
        """Run a job for each line."""
        with link, link.makefile("rb") as lines:
            for _ in lines:
                self._is_busy = True
                self.step()
                self._is_busy = False
                if self._is_stopping:
                    return

    def step(self) -> None:
        """Run the next job that is ready, and tell of it."""
        self._binding.tick()
        ready = self._binding.pending()
        if not ready:
            print("no job is ready")
            return
        key = uuid.uuid4().hex
        self._telling.began(key, ready[0])
        outcome = None
        try:
            outcome = self._binding.run_next()
        finally:
            self._telling.ended(key, outcome)


def main() -> None:
    """Run the worker."""
    parser = argparse.ArgumentParser(prog="python -m pytest_jobqueue.cli.step")
    for name in ("--app", "--url", "--tell"):
        parser.add_argument(name, required=True)
    parser.add_argument("--link", type=int, required=True)
    given = parser.parse_args()
    binding = registry.bind(applications.load_app(given.app), given.url, Settings())
    stepper = Stepper(binding, Telling(given.tell))
    signal.signal(signal.SIGTERM, stepper.stop)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides
    try:
        stepper.serve(socket.socket(fileno=given.link))
    finally:
        binding.close()


if __name__ == "__main__":
    main()
