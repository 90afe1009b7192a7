"""A real `jobqueue dev` in tests: started in a folder, read line by line, ended by a signal."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
PATIENCE = 30.0  # seconds
UP = "Ctrl-C stops it."


def wait_for(path: Path) -> None:
    """Wait until a file is there."""
    until = time.monotonic() + PATIENCE
    while not path.exists():
        if time.monotonic() > until:
            pytest.fail(f"there is no {path}")
        time.sleep(0.01)


class Dev(AbstractContextManager["Dev"]):
    """The command, on any free port, until the end of the block.

    Args:
        folder: Where it runs; its addresses are written to `addresses.json` there.
        arguments: What comes after `dev`.
        port: The Redis' port; None for whatever is usual.
        env: What is added to the environment.
    """

    def __init__(
        self, folder: Path, *arguments: str, port: int | None = 0, env: dict[str, str] | None = None
    ) -> None:
        self.folder = folder
        self.file = folder / "addresses.json"
        options = [] if port is None or "--port" in arguments else ["--port", str(port)]
        if "--json" in arguments:
            self.file = folder / arguments[arguments.index("--json") + 1]
        else:
            options += ["--json", str(self.file)]
        path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
        self._process = subprocess.Popen(
            [sys.executable, "-m", "pytest_jobqueue", "dev", *options, *arguments],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, "PYTHONPATH": path, **(env or {})},
        )
        self.pid = self._process.pid
        self.lines: list[str] = []
        self._news = threading.Condition()
        self._is_over = False
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            with self._news:
                self.lines.append(line.rstrip("\n"))
                self._news.notify_all()
        with self._news:
            self._is_over = True
            self._news.notify_all()

    @property
    def text(self) -> str:
        """All that it has printed."""
        return "\n".join(self.lines)

    def line(self, *parts: str) -> str:
        """Wait for a line that has all these parts, and return it."""

        def found() -> str | None:
            return next((line for line in self.lines if all(part in line for part in parts)), None)

        with self._news:
            self._news.wait_for(lambda: found() is not None or self._is_over, PATIENCE)
            line = found()
        if line is None:
            pytest.fail(f"it never said {' … '.join(parts)}; it said:\n{self.text}")
        return line

    def up(self, *, banner: bool = True) -> dict[str, Any]:
        """Wait for the banner, or for the file alone; returns the addresses."""
        if banner:
            self.line(UP)
        else:
            wait_for(self.file)
        found: dict[str, Any] = json.loads(self.file.read_text())
        return found

    def anew(self, what: str, old: Any) -> dict[str, Any]:
        """Wait until something is another one than before; returns the addresses."""
        until = time.monotonic() + PATIENCE
        while (found := self.up())[what] == old and time.monotonic() < until:
            time.sleep(0.01)
        return found

    def send(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self._process.send_signal(number)

    def end(self, number: signal.Signals | None = None) -> int:
        """Wait for its end, after a signal if one is given; returns the exit code."""
        if number is not None:
            self.send(number)
        code = self._process.wait(PATIENCE)
        self._reader.join(PATIENCE)
        return code

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                self._process.kill()
        self._reader.join(PATIENCE)
        assert self._process.stdout is not None
        self._process.stdout.close()
