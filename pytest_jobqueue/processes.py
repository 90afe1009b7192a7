"""A worker as a child process: gone with the run however it ends, and with it whatever it has forked.

Its parent is a tethered shell in a session of its own. On the day this process lets go, be that `stop`, a
crash or SIGKILL, the shell kills every process of that session, whatever group it has moved to, and removes
the folder.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import shutil
import signal
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from pytest_jobqueue import databases
from pytest_jobqueue.adapters.telling import Listening
from pytest_jobqueue.errors import UsageError
from pytest_jobqueue.servers.tether import KILL_SESSION, Tether

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_jobqueue.adapters.telling import Began, Ended
    from pytest_jobqueue.settings import Settings

GRACE = 3.0  # seconds that a worker gets to end by itself

# The subshell reaps the worker and says how it ended. Where there is no /proc, only the worker is killed.
_SCRIPT = rf"""
log=$2 home=$3
cd "$1" || {{ command -p rm -rf "$home"; exit; }}
shift 3
trap : HUP INT TERM
(
  "$@" </dev/null >>"$log" 2>&1 &
  echo "$!" >"$home/pid"
  echo "$!"
  wait "$!"
  echo "ended $?"
) &
exec >/dev/null
read -r _
[ -e /proc/self/stat ] || kill -9 "$(cat "$home/pid")"
{KILL_SESSION}
wait
command -p rm -rf "$home"
"""


class WorkerProcess:
    """One worker process, from its start to its end.

    Args:
        app_path: `module:attribute` of the application.
        url: The Redis.
        settings: Those of the test.

    Attributes:
        pid: The process id of the worker command.
    """

    def __init__(self, app_path: str, url: str, settings: Settings) -> None:
        self._home = Path(tempfile.mkdtemp(prefix="pytest-jobqueue-"))
        self._log = self._home / "worker.log"
        self._last_log: list[str] = []
        self._code: int | None = None
        self._listening = Listening(self._home)
        self._said, theirs = os.pipe()
        try:
            self._tether = Tether(
                _SCRIPT,
                str(Path.cwd()),
                str(self._log),
                str(self._home),
                *_command(app_path, url, settings, self._home),
                stdout=theirs,
                env=_environment(),
            )
        except BaseException:
            os.close(self._said)
            self._listening.close()
            shutil.rmtree(self._home)
            raise
        finally:
            os.close(theirs)
        self._words = b""
        while b"\n" not in self._words:
            self._words += os.read(self._said, 64) or b"0\n"
        pid, _, self._words = self._words.partition(b"\n")
        self.pid = int(pid)  # 0 when the shell could not even start it, which `code` says
        self.is_stopped = False

    @property
    def code(self) -> int | None:
        """How the command ended, by the shell's number; None as long as it runs."""
        if self._code is None and not self.is_stopped and select.select([self._said], [], [], 0)[0]:
            piece = os.read(self._said, 64)
            self._words += piece
            if b"\n" in self._words or not piece:
                self._code = int(self._words.split()[1]) if self._words else -1
        return self._code

    def wait(self, seconds: float) -> None:
        """Wait until something is told or the command ends, for so long at the most."""
        ended = [] if self._code is not None else [self._said]
        select.select([self._listening.wake, *ended], [], [], max(seconds, 0))

    def heard(self) -> Iterator[Began | Ended]:
        """What the worker told since the last time."""
        if not self.is_stopped:
            yield from self._listening.heard()

    @property
    def wake(self) -> int:
        """A descriptor that is readable when something was told."""
        return self._listening.wake

    def log_tail(self, lines: int = 30) -> str:
        """The last lines of what it wrote to standard output and error, also after its end."""
        rows = self._last_log
        if not self.is_stopped:
            with contextlib.suppress(FileNotFoundError):
                rows = self._log.read_text("utf-8", "backslashreplace").splitlines()
        return "\n".join(rows[-lines:])

    def stop(self, grace: float = GRACE) -> None:
        """End it: SIGTERM, so many seconds, then SIGKILL for all that is left. Harmless a second time."""
        if self.is_stopped:
            return
        if grace > 0 and self.code is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGTERM)
            until = time.monotonic() + grace
            while self.code is None and (left := until - time.monotonic()) > 0:
                select.select([self._said], [], [], left)
        self._last_log = self.log_tail(1000).splitlines()
        self.is_stopped = True
        self._tether.let_go()
        self._listening.close()
        os.close(self._said)


def _command(app_path: str, url: str, settings: Settings, home: Path) -> list[str]:
    chosen = json.dumps(asdict(settings))
    options = {"--app": app_path, "--url": url, "--settings": chosen, "--tell": str(home)}
    if named := databases.names():
        options["--databases"] = json.dumps(named)
    words = [word for option in options.items() for word in option]
    return [sys.executable, "-m", "pytest_jobqueue.work", *words, "--", *settings.worker_options]


def _environment() -> dict[str, str]:
    """Ours, and the import path as it is now: pytest has added to it."""
    path = os.pathsep.join(dict.fromkeys(entry or str(Path.cwd()) for entry in sys.path))
    return {**os.environ, "PYTHONPATH": path, "PYTHONUNBUFFERED": "1"}


def import_path(app: Any) -> str:
    """`module:attribute` from which another process can import the application.

    Raises:
        UsageError: It is in no module's globals.
    """
    if isinstance(app, str):
        return app
    if isinstance(app, ModuleType):
        return app.__name__
    found = [
        (_rank(module, app), f"{module.__name__}:{name}")
        for module in list(sys.modules.values())
        if isinstance(module, ModuleType) and _is_importable(module)
        for name, value in list(vars(module).items())
        if value is app
    ]
    if not found:
        raise UsageError(
            f"a worker process imports the application, and {type(app).__qualname__} {_short(app)} is in no "
            "module that it could import: assign it to a name in a module of the service, or use "
            "jobqueue_worker_mode = inline"
        )
    return min(found)[1]


def _rank(module: ModuleType, app: Any) -> int:
    """The service's own module comes before one of its tests, and that before the job library's."""
    root, name = module.__name__.partition(".")[0], module.__name__.rpartition(".")[2]
    if root in {kind.__module__.partition(".")[0] for kind in type(app).__mro__ if kind is not object}:
        return 2
    return int(name == "conftest" or name.startswith("test_"))


def _is_importable(module: ModuleType) -> bool:
    """Whether somebody else who imports that name gets that file."""
    name, file = module.__name__, getattr(module, "__file__", None)
    if not file or name == "__main__" or sys.modules.get(name) is not module:
        return False
    head = name.rpartition(".")[0]
    path = getattr(sys.modules.get(head), "__path__", None) if head else None
    if head and path is None:
        return False
    for finder in sys.meta_path:
        find = getattr(finder, "find_spec", None)
        try:
            spec = find(name, path) if find else None
        except Exception:  # noqa: BLE001 (another's finder; it finds nothing)
            spec = None
        if spec is not None:
            return bool(spec.origin == file)
    return False


def _short(app: Any) -> str:
    text = repr(app)
    return text if len(text) < 80 else f"{text[:79]}…"
