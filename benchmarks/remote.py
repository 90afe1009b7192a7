"""A part of a benchmark in a process of its own, asked over a pipe, one question at a time.

So that nothing shares an interpreter by accident, and a part can run as if a library were not installed: a
name in `without` cannot be imported there. The process ends when this one closes the pipe, or dies.
"""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from benchmarks.rows import BrokenError

ROOT = Path(__file__).parent.parent


class Remote(AbstractContextManager["Remote"]):
    """An object in another process.

    Args:
        factory: `module:callable` within this package; what it returns is a context manager.
        without: Modules that are not to be had there.
        **arguments: What the factory is called with.
    """

    def __init__(self, factory: str, *, without: tuple[str, ...] = (), **arguments: Any) -> None:
        told = json.dumps({"factory": factory, "without": without, "arguments": arguments})
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.remote", told],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.pid = self._process.pid
        self._read()

    def ask(self, method: str, **arguments: Any) -> Any:
        """Call a method of the object there; what it returns comes as JSON."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps([method, arguments]) + "\n")
        self._process.stdin.flush()
        return self._read()

    def _read(self) -> Any:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise BrokenError(
                f"a part of the benchmark ended with status {self._process.wait()}: {self._process.args}"
            )
        answer = json.loads(line)
        if "broken" in answer:
            raise BrokenError(answer["broken"])
        return answer["result"]

    def close(self) -> None:
        """Let the process end, and wait for that."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(60)
        self._process.stdout.close()

    def __exit__(self, *_: object) -> None:
        self.close()


def _main(told: dict[str, Any]) -> None:
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what anybody prints must not look like an answer

    def answer(**what: Any) -> None:
        answers.write(json.dumps(what) + "\n")
        answers.flush()

    for name in told["without"]:
        sys.modules[name] = None  # type: ignore[assignment]
    module, _, attribute = told["factory"].partition(":")
    with getattr(importlib.import_module(f"benchmarks.{module}"), attribute)(**told["arguments"]) as thing:
        answer(result=None)
        for line in sys.stdin:
            method, arguments = json.loads(line)
            try:
                result = getattr(thing, method)(**arguments)
            except BrokenError as error:
                answer(broken=str(error))
            else:
                answer(result=result)


if __name__ == "__main__":
    _main(json.loads(sys.argv[1]))
