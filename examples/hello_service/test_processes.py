"""The two processes of the service by themselves."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING

from hello_service.worker import work

if TYPE_CHECKING:
    from starlette.testclient import TestClient

WITHOUT_TOOLKIT = "import hello_service.app, sys; sys.exit('pytest_jobqueue' in sys.modules)"


class UntilIdle(Event):
    def wait(self, timeout: float | None = None) -> bool:  # noqa: ARG002
        self.set()
        return True


def test_the_worker_process_works_off_the_queue(client: TestClient) -> None:
    for key in ("Bob", "Alice"):
        client.post(f"/enqueue?key={key}")

    work(UntilIdle())

    assert client.get("/dequeue?key=Bob").status_code == 200
    assert client.get("/dequeue?key=Alice").status_code == 200


def test_the_web_process_does_without_the_toolkit() -> None:
    command = [sys.executable, "-c", WITHOUT_TOOLKIT]
    subprocess.run(command, cwd=Path(__file__).parent, check=True)  # noqa: S603
