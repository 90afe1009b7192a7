"""A child shell that cleans up when this process lets go of it, however this process ends.

The shell waits on a pipe whose other end only this process holds: not its forked children, not what it
executes. The kernel closes that end even after SIGKILL, and the shell then runs its last words. It stands in
a session of its own, so that Ctrl-C in a terminal does not reach what the tests still need.
"""

from __future__ import annotations

import contextlib
import functools
import os
import subprocess
import weakref
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

# For the end of a script: kills whatever runs in the shell's own session, in whatever process group it is by
# then. A stat file's fourth field after the name is the session. The shell's arguments are gone after that;
# where there is no /proc, nothing happens.
KILL_SESSION = r"""
again=1
while [ "$again" ]; do
  again=
  for stat in /proc/[0-9]*/stat; do
    { read -r line <"$stat"; } 2>/dev/null || continue
    pid=${line%% *}
    set -- ${line##*) }
    if [ "$4" = "$$" ] && [ "$pid" != "$$" ] && [ "$1" != Z ]; then kill -9 "$pid"; again=1; fi
  done
done
"""

_tethers: weakref.WeakSet[Tether] = weakref.WeakSet()


@functools.cache
def _let_go_after_fork() -> None:
    """Have forked children close their copies of the pipes; once per process tree, it cannot be undone."""
    os.register_at_fork(after_in_child=_forget_all)


def _forget_all() -> None:
    for tether in list(_tethers):
        tether.forget()


class Tether:
    """One waiting shell.

    Attributes:
        process: The shell.
    """

    def __init__(
        self,
        script: str,
        *arguments: str,
        stdout: int | IO[bytes] = subprocess.DEVNULL,
        stderr: int | IO[bytes] = subprocess.DEVNULL,
        env: Mapping[str, str] | None = None,
        cwd: str = "/",
        pass_fds: Sequence[int] = (),
    ) -> None:
        """Start the shell.

        Args:
            script: POSIX shell text; it reads standard input, and goes on when that ends.
            arguments: What the script sees as `$1`, `$2`, ….
            stdout: Where the script's output goes.
            stderr: Where its errors go.
            env: Its environment; None for this process's own.
            cwd: Its working directory.
            pass_fds: Descriptors that it and what it starts inherit.

        Raises:
            OSError: No shell, or no process or descriptor left.
        """
        _let_go_after_fork()
        theirs, self._ours = os.pipe()
        self._owner = os.getpid()
        _tethers.add(self)
        try:
            self.process = subprocess.Popen(  # noqa: S603 (the script is a constant of this package)
                ["/bin/sh", "-c", script, "pytest-jobqueue", *arguments],
                stdin=theirs,
                stdout=stdout,
                stderr=stderr,
                env=env,
                cwd=cwd,
                pass_fds=pass_fds,
                start_new_session=True,
            )
        except BaseException:
            self.forget()
            raise
        finally:
            os.close(theirs)

    def let_go(self, word: bytes = b"", *, timeout: float = 30.0) -> None:
        """Have the script run to its end, and wait for it.

        Args:
            word: A line that the script reads before its input ends.
            timeout: Seconds until a script that hangs is left to itself.
        """
        if self._ours < 0 or os.getpid() != self._owner:
            return
        if word:
            with contextlib.suppress(BrokenPipeError):
                os.write(self._ours, word)
        self.forget()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(timeout)

    def forget(self) -> None:
        """Close this process's end of the pipe."""
        ours, self._ours = self._ours, -1
        _tethers.discard(self)
        if ours >= 0:
            os.close(ours)
