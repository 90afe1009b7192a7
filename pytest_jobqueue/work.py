"""A worker process: the job library's own worker command, on the application, until it is told to stop.

    python -m pytest_jobqueue.work --app my_service.jobs:handlers --url redis://127.0.0.1:6379/0 [-- options]

The application is imported and led to the Redis at the URL by the same code as in a test's own process. Then
the library's command runs in this process, with the library's own options after `--`. SIGTERM ends it as the
library does. A process that the library spawns anew is led there as well, since it loads this module first.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from typing import TYPE_CHECKING

from pytest_jobqueue import applications, databases, registry
from pytest_jobqueue.adapters import Work
from pytest_jobqueue.adapters.telling import Telling
from pytest_jobqueue.errors import UsageError
from pytest_jobqueue.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


_AGAIN = "PYTEST_JOBQUEUE_WORK"  # what this process was told, for those that it spawns


def prepare(argv: Sequence[str]) -> Callable[[], object]:
    """Lead the application to the Redis; what is returned runs the worker.

    Raises:
        UsageError: The application cannot be imported, or its library has no worker for this.
    """
    parser = argparse.ArgumentParser(prog="python -m pytest_jobqueue.work", description=__doc__)
    parser.add_argument("--app", required=True, help="the application, as module:attribute")
    parser.add_argument("--url", required=True, help="the Redis")
    parser.add_argument("--settings", default="{}", help="fields of pytest_jobqueue.Settings, as JSON")
    parser.add_argument("--tell", default="", help="the folder in which a test listens")
    parser.add_argument("--databases", default="{}", help="names of Django's databases, as JSON")
    parser.add_argument("options", nargs="*", help="options of the library's own worker command")
    given = parser.parse_args(argv)
    settings = json.loads(given.settings)
    for name in ("queues", "worker_options"):
        if settings.get(name) is not None:
            settings[name] = tuple(settings[name])
    work = Work(given.app, given.url, Settings(**settings), Telling(given.tell), tuple(given.options))
    app = applications.load_app(given.app)
    databases.use(json.loads(given.databases))
    run = registry.command(app, work)

    def start() -> None:
        work.telling.ready()
        run()

    return start


def main() -> None:
    """Run the worker; a usage error is one sentence on standard error."""
    os.environ[_AGAIN] = json.dumps(sys.argv[1:])
    try:
        run = prepare(sys.argv[1:])
    except UsageError as error:
        sys.exit(f"jobqueue: {error}")
    run()


if __name__ == "__main__":
    main()
elif __name__ == "__mp_main__":  # in a process that the worker spawned: `multiprocessing` loads this first
    prepare(json.loads(os.environ[_AGAIN]))
