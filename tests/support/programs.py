"""Programs in other languages as tests see them: started, heard event by event, and gone with the test.

A program prints one JSON object a line, with a field `event`. A test waits for events, never for time; every
wait is bounded, and its error says what was waited for and what came instead. A program's standard input is
held open by the test, so that it can end itself when the test process dies without a word.
"""

from __future__ import annotations

import json
import subprocess
import threading
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

PATIENCE = 30.0  # seconds; far above what any event takes, so that reaching it means that it never comes

Event = dict[str, Any]


class Program:
    """One running program; `close` leaves no process and no open file."""

    def __init__(self, command: Sequence[str], *, log: Path, env: Mapping[str, str] | None = None) -> None:
        self.name = " ".join(str(word) for word in command[:2])
        self.events: list[Event] = []
        self._log = log
        self._changed = threading.Condition()
        self._over = False
        with log.open("wb") as errors:
            self._process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, env=env
            )
        self._listener = threading.Thread(target=self._listen, name=f"listen to {self.name}", daemon=True)
        self._listener.start()

    def _listen(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            try:
                event = json.loads(line)
            except ValueError:
                event = {"event": "noise", "line": line.decode(errors="replace")}
            with self._changed:
                self.events.append(event)
                self._changed.notify_all()
        with self._changed:
            self._over = True
            self._changed.notify_all()

    def told(self, event: str, **fields: Any) -> list[Event]:
        """The events so far of that name and with those fields, oldest first."""
        with self._changed:
            return [one for one in self.events if fields.items() <= one.items() and one["event"] == event]

    def wait_for(self, event: str, *, count: int = 1, **fields: Any) -> Event:
        """Wait until the program has told the event `count` times; returns the last of these."""
        deadline = time.monotonic() + PATIENCE
        with self._changed:
            while len(found := self.told(event, **fields)) < count:
                left = deadline - time.monotonic()
                if self._over or left <= 0:
                    why = "the program ended" if self._over else f"{PATIENCE:.0f} s passed"
                    what = f"{event!r} {fields or ''}".rstrip() + (f" {count} times" if count > 1 else "")
                    raise AssertionError(f"waited for {what} of {self.name}, and {why}\n{self.report()}")
                self._changed.wait(left)
            return found[count - 1]

    def wait(self) -> int:
        """Wait until the program has ended by itself, and until all that it told was heard."""
        try:
            code = self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"waited {PATIENCE:.0f} s for {self.name} to end\n{self.report()}") from None
        self._listener.join(PATIENCE)
        return code

    def finish(self) -> None:
        """Wait for a good end."""
        code = self.wait()
        assert code == 0, f"{self.name} ended with {code}\n{self.report()}"

    def stop(self) -> None:
        """Ask it to end (SIGTERM), and wait for a good end."""
        self._process.terminate()
        self.finish()

    def kill(self) -> None:
        """End it as a crash would (SIGKILL)."""
        self._process.kill()
        self.wait()

    def close(self) -> None:
        """Leave nothing behind, whatever state it is in."""
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        self._listener.join(PATIENCE)
        for stream in (self._process.stdin, self._process.stdout):
            assert stream is not None
            stream.close()

    def report(self) -> str:
        """What it told and what it wrote to standard error, for a failure's message."""
        told = "\n".join(json.dumps(event) for event in self.events) or "nothing"
        return f"it told:\n{told}\nand wrote:\n{self._log.read_text(errors='replace')[-2000:]}"
