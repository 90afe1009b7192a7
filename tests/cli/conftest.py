"""The command as a user has it: a real process in a folder with a small service."""

from __future__ import annotations

import textwrap
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest
from support.dev import Dev

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

JOBS = """
    import os
    import time
    from pathlib import Path

    from pytest_jobqueue import Handlers

    handlers = Handlers()

    @handlers.register("Note")
    def note(name):
        print("noted", name)
        Path("noted").open("a").write(f"{name}\\n")

    @handlers.register("Fail")
    def fail(reason):
        raise RuntimeError(reason)

    @handlers.register("Hang")
    def hang(seconds):
        Path("hangs").write_text(str(os.getpid()))
        print("hangs")
        time.sleep(seconds)
        print("woke up")
"""


@pytest.fixture
def service(tmp_path: Path) -> Path:
    """A folder with the module `jobs` and its `handlers`."""
    (tmp_path / "jobs.py").write_text(textwrap.dedent(JOBS))
    return tmp_path


@pytest.fixture
def dev(service: Path) -> Iterator[Callable[..., Dev]]:
    """Starts `jobqueue dev` in that folder; it is ended with the test."""
    with ExitStack() as stack:
        yield lambda *arguments, **options: stack.enter_context(Dev(service, *arguments, **options))
