"""The options of the command line, declared once: flag, ini key and environment variable from one table.

An option is looked up flag first, then environment, then ini, then default. pytest reads this file in every
run of every project that has the plugin installed, so it imports next to nothing.
"""

from __future__ import annotations

from typing import NamedTuple

DEFAULT_IMAGE = "redis:7"


class Option(NamedTuple):
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
        "MODULE[:ATTR]",
        "",
        "where the service's own application object is (a Celery app, an RQ queue, a registry of handlers, "
        "...); a module alone is enough if it has just one",
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
        "redirect",
        "--jobqueue-redirect",
        "jobqueue_redirect",
        "",
        "ADDRESS[,ADDRESS...]",
        "",
        "addresses of Redis that the service connects to by itself, and that lead to the test's Redis during "
        "a test: host:port, a URL, or * for all",
    ),
    Option(
        "allow",
        "--jobqueue-allow",
        "jobqueue_allow",
        "",
        "ADDRESS[,ADDRESS...]",
        "",
        "addresses of other Redis that the service may connect to during a test, which is refused otherwise: "
        "host:port, a URL, or * for all",
    ),
    Option(
        "worker_mode",
        "--jobqueue-worker-mode",
        "jobqueue_worker_mode",
        "",
        "MODE",
        "inline",
        "who runs the jobs: inline (the test's own thread) or process (a process of the job library's own "
        "worker command)",
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
