"""Other processes in tests: a program that can be killed, a foreign server, and waiting for an end.

Every wait is on an event (a process's end, a line of output) and is bounded.
"""

from __future__ import annotations

import contextlib
import os
import select
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

PATIENCE = 20.0  # seconds


def wait_gone(pid: int) -> None:
    """Wait until a process has ended; fail if it does not."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        ended, _, _ = select.select([descriptor], [], [], PATIENCE)
    finally:
        os.close(descriptor)
    assert ended, f"process {pid} still runs"


def resident_megabytes() -> float:
    """How much memory this process has."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


@contextlib.contextmanager
def program(source: str, **env: str) -> Iterator[tuple[subprocess.Popen[str], list[str]]]:
    """Run Python source in a process of its own; yields it and the words of the first line that it prints."""
    root = str(Path(__file__).parents[2])
    with subprocess.Popen(
        [sys.executable, "-c", source],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": root, **env},
    ) as process:
        try:
            assert process.stdout is not None
            words = process.stdout.readline().split()
            assert words, "the program ended before it said anything"
            yield process, words
        finally:
            process.kill()


@contextlib.contextmanager
def foreign_server(*options: str) -> Iterator[Path]:
    """A Redis that the code under test did not start; yields its Unix socket's path."""
    with tempfile.TemporaryDirectory(prefix="foreign-") as folder:
        path = Path(folder) / "s"
        command = ["redis-server", "--save", "", "--dir", folder, "--unixsocket", str(path), *options]
        if "--port" not in options:
            command += ["--port", "0"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            try:
                assert process.stdout is not None
                for line in process.stdout:
                    if "ready to accept connections" in line.lower():
                        break
                else:
                    pytest.fail("the foreign server did not start")
                yield path
            finally:
                process.kill()


def descriptors() -> int:
    """How many descriptors this process has open."""
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208 (names, no paths)
