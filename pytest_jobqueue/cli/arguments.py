"""What `jobqueue dev` can be told, and what is wrong with it before anything is started."""

from __future__ import annotations

import argparse
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_jobqueue.cli import ports
from pytest_jobqueue.cli.environment import Name, read_names
from pytest_jobqueue.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence


_DESCRIPTION = """\
Start a Redis, and what needs one, on this machine: no Redis to install, no Docker, no compose file.

  jobqueue dev                                         an in-memory Redis on 127.0.0.1:6379
  jobqueue dev -- uvicorn my_service:app               and a service, which finds it in REDIS_URL
  jobqueue dev --app my_service.jobs:handlers -- …     and a worker for the service's jobs

Nothing is kept, and none of it is for production.
"""


@dataclass(frozen=True, slots=True)
class Arguments:
    """A command line that was understood.

    Attributes:
        redis: Which Redis: `fake`, `server`, `container`, `auto`, or a URL.
        port: The port of the Redis; None for 6379 or the next free one, 0 for any.
        app: The application, as `module:attribute` or a module; "" for none.
        workers: How many worker processes.
        names: Environment variables for the service, besides the usual ones.
        json: Where addresses and process ids are written for programs, or None.
        seed: Jobs to begin with, or None.
        latency: Milliseconds that each command takes longer.
        reload: Whether a changed Python file starts everything anew but the Redis.
        page: Whether there is a page for a browser.
        quiet: Whether nothing is said but what the service says, and errors.
        grace: Seconds that a running job gets at the end.
        command: The service; empty for none.
    """

    redis: str
    port: int | None
    app: str
    workers: int
    names: tuple[Name, ...]
    json: Path | None
    seed: Path | None
    latency: float
    reload: bool
    page: bool
    quiet: bool
    grace: float
    command: tuple[str, ...]


def parse(argv: Sequence[str]) -> Arguments:
    """Read a command line; `--help` prints and exits, and so does what argparse does not understand.

    Raises:
        UsageError: It is understood, but cannot be done: no such command, no such file.
    """
    ours, command = _split(argv)
    given = _parser().parse_args(ours)
    if given.workers is not None and not given.app:
        raise UsageError("--workers needs --app: a worker runs the jobs of an application")
    if command and shutil.which(command[0]) is None:
        raise UsageError(f"there is no command {command[0]!r} here (it was to be started after --)")
    if given.seed is not None and not given.seed.is_file():
        raise UsageError(f"--seed: there is no file {given.seed}")
    return Arguments(
        redis=given.redis,
        port=given.port,
        app=given.app,
        workers=(1 if given.app else 0) if given.workers is None else given.workers,
        names=read_names(given.env_names),
        json=given.json,
        seed=given.seed,
        latency=given.latency,
        reload=given.reload,
        page=given.page,
        quiet=given.quiet,
        grace=given.grace,
        command=tuple(command),
    )


def _split(argv: Sequence[str]) -> tuple[list[str], list[str]]:
    """What is ours, and what comes after `--`."""
    words = list(argv)
    if "--" not in words:
        return words, []
    at = words.index("--")
    if not words[at + 1 :]:
        raise UsageError("after -- there must be a command, such as: jobqueue dev -- uvicorn my_service:app")
    return words[:at], words[at + 1 :]


def _parser() -> argparse.ArgumentParser:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(
        prog="jobqueue", description="Redis-backed job queues, for development and tests."
    )
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    dev = commands.add_parser(
        "dev",
        help="start a Redis, a service and its worker",
        description=_DESCRIPTION,
        formatter_class=raw,
        usage="jobqueue dev [options] [-- COMMAND …]",
    )
    dev.add_argument(
        "--redis",
        default="fake",
        metavar="MODE",
        help="fake (in memory, the default), server, container, auto, or the URL of one that runs",
    )
    dev.add_argument(
        "--port",
        type=_port,
        help="the port of the Redis; 0 for any free one (default: 6379, or the next free one)",
    )
    dev.add_argument(
        "--app",
        default="",
        metavar="MODULE:ATTR",
        help="the service's job application: a worker is started for it",
    )
    dev.add_argument(
        "--workers", type=_count, metavar="N", help="how many worker processes (default: 1 with --app)"
    )
    dev.add_argument(
        "--env-names",
        default="",
        metavar="NAME[=TEXT],…",
        help="environment variables that the service wants, besides REDIS_URL, REDIS_HOST, REDIS_PORT and "
        "REDIS_DB; in TEXT, {url}, {host}, {port} and {db} are filled in (default text: {url})",
    )
    dev.add_argument(
        "--json",
        type=Path,
        metavar="FILE",
        help="write addresses and process ids there once all is up; removed at the end",
    )
    dev.add_argument("--seed", type=Path, metavar="FILE", help="enqueue these jobs first: JSON lines")
    dev.add_argument(
        "--latency",
        type=_milliseconds,
        default=0.0,
        metavar="MS",
        help="make each answer of the Redis so much slower, as a network would",
    )
    dev.add_argument(
        "--reload",
        action="store_true",
        help="start worker and command anew when a Python file below this folder changes",
    )
    dev.add_argument(
        "--no-page", dest="page", action="store_false", help="no page for a browser at the port after Redis'"
    )
    dev.add_argument(
        "--grace",
        type=_seconds,
        default=10.0,
        metavar="SECONDS",
        help="how long a running job may take to finish at the end (default: 10)",
    )
    dev.add_argument("--quiet", action="store_true", help="print what the service prints, and errors")
    return parser


def _port(text: str) -> int:
    try:
        port = int(text)
    except ValueError:
        port = -1
    if not 0 <= port <= ports.HIGHEST:
        raise argparse.ArgumentTypeError(f"{text!r} is no port (0 to {ports.HIGHEST})")
    return port


def _count(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is no number of processes")
    return int(text)


def _seconds(text: str) -> float:
    return _positive(text, "seconds")


def _milliseconds(text: str) -> float:
    return _positive(text, "milliseconds")


def _positive(text: str, unit: str) -> float:
    try:
        found = float(text)
    except ValueError:
        found = -1.0
    if not 0 <= found < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is no number of {unit}")
    return found
