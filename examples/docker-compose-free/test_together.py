"""Two services, each with a Redis and a worker of its own, started by one command each, as on a laptop."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import urllib.request
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

pytest.importorskip("uvicorn")

HERE = Path(__file__).parent


class Standalone:
    """A service under `jobqueue dev`; its output is read as far as somebody waits for something in it."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process

    def line(self, *parts: str) -> str:
        assert self.process.stdout is not None
        seen = []
        for line in self.process.stdout:
            seen.append(line)
            if all(part in line for part in parts):
                return line.rstrip()
        raise AssertionError(f"it ended and never said {parts}:\n{''.join(seen)}")


@contextmanager
def standalone(name: str, **env: str) -> Iterator[Standalone]:
    dev = [sys.executable, "-m", "pytest_jobqueue", "dev", "--port", "0", "--no-page"]
    serve = [sys.executable, "-m", "uvicorn", f"{name}:app", "--port", "0"]
    with subprocess.Popen(  # noqa: S603 (nobody but this file says what is run)
        [*dev, "--app", f"{name}:handlers", "--", *serve],
        cwd=HERE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, **env},
    ) as process:
        try:
            yield Standalone(process)
        finally:
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=30)


def request(url: str, body: object = None) -> tuple[int, str]:
    data = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(urllib.request.Request(url, data), timeout=10) as response:  # noqa: S310
        return response.status, response.read().decode()


def test_an_order_has_a_label_printed_by_the_other_service() -> None:
    with standalone("labels") as labels:
        labels_url = labels.line("Uvicorn running on").split()[-5]
        with standalone("orders", LABELS_URL=labels_url) as orders:
            orders_url = orders.line("Uvicorn running on").split()[-5]

            assert request(f"{orders_url}/orders", {"order": "A1", "address": "Bob"})[0] == 202

            orders.line("Ship('A1', 'Bob')", "is done")
            labels.line("PrintLabel('A1', 'Bob')", "is done")
            assert request(f"{labels_url}/labels/A1") == (200, '{"label":"A1 for Bob"}')
