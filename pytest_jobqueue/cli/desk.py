"""The desk: a child of `jobqueue dev` that has the application, says what becomes of jobs, serves the page.

    python -m pytest_jobqueue.cli.desk --app my_service.jobs:handlers --tell … --link 5

It is thrown away and started anew when the application changes. All that touches the binding is done in one
thread, one thing after another, while the event loop goes on.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import secrets
import signal
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from pytest_jobqueue import applications, registry
from pytest_jobqueue.adapters.telling import Listening
from pytest_jobqueue.cli.blame import users_part
from pytest_jobqueue.cli.ledger import Ledger, Standing
from pytest_jobqueue.cli.links import TOKEN, Link
from pytest_jobqueue.cli.page.door import Door
from pytest_jobqueue.cli.seed import read_seed
from pytest_jobqueue.errors import UsageError
from pytest_jobqueue.job import error_text
from pytest_jobqueue.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_jobqueue.adapters import Binding
    from pytest_jobqueue.job import Call

T = TypeVar("T")

_SOONEST = 0.02  # seconds between two looks at the queues
_SHARE = 5  # and at least so many times what a look takes


class Desk:
    """What the page and the lines are made from.

    Attributes:
        binding: The application's; call it through `do` only.
        standing: The jobs on the server as they were last seen.
        ledger: What became of jobs.
        is_paused: Whether no worker process takes jobs.
        is_changing: Whether that is about to change.
    """

    def __init__(
        self, binding: Binding, link: Link, listening: Listening, thread: ThreadPoolExecutor
    ) -> None:
        self.binding = binding
        self.standing = Standing()
        self.ledger = Ledger(lambda part, text: link.say("line", part=part, text=text))
        self.is_paused = self.is_changing = False
        self._link = link
        self._listening = listening
        self._thread = thread
        self._changed = asyncio.Condition()
        self._version = 0
        self._touched = asyncio.Event()
        self._ready: set[int] = set()  # workers

    async def do(self, function: Callable[..., T], *arguments: Any) -> T:
        """Call something that uses the binding, in its thread."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, function, *arguments)

    def control(self, what: str) -> None:
        """Ask for something that only the parent can do: `pause`, `resume` or `step` of the workers."""
        self.is_changing = what != "step"
        self._link.say("control", what=what)

    def say(self, text: str) -> None:
        """Print a line."""
        self._link.say("line", part="jobqueue", text=text)

    def touch(self) -> None:
        """Something may have changed on the server: look soon."""
        self._touched.set()

    async def changed(self, since: int) -> int:
        """Wait until there is something newer than `since`; returns how new it is."""
        async with self._changed:
            await self._changed.wait_for(lambda: self._version > since)
            return self._version

    async def notify(self) -> None:
        """Tell whoever waits for it that something is new."""
        async with self._changed:
            self._version += 1
            self._changed.notify_all()

    async def watch(self) -> None:
        """Look whenever something was touched, but not all the time."""
        asyncio.get_running_loop().add_reader(self._listening.wake, self._hear)
        self.touch()
        while True:
            await self._touched.wait()
            self._touched.clear()
            began = time.perf_counter()
            try:
                await self.look()
            except Exception as error:  # noqa: BLE001 (a look that fails must not end the watch)
                self.say(f"the queues cannot be looked at: {error}")
            await asyncio.sleep(max(_SOONEST, _SHARE * (time.perf_counter() - began)))

    async def look(self) -> None:
        """See what is on the server now."""
        standing = await self.do(Standing.of, self.binding)
        wake = getattr(self.binding, "wake", None)
        if standing.pending and wake is not None:  # jobs may be on a queue at which no worker waits
            await self.do(wake)
        self._hear()
        self.ledger.saw(standing)
        self.standing = standing
        await self.notify()

    def _hear(self) -> None:
        if self.ledger.heard(self._listening.heard()):
            self.touch()
        for pid in self._listening.ready - self._ready:
            self._ready.add(pid)
            self._link.say("worker", pid=pid)

    def close(self) -> None:
        """Give everything back."""
        self._thread.submit(self.binding.close).result()
        self._thread.shutdown()
        self._listening.close()


def prepare(app: str, url: str, seed: str) -> Binding:
    """Import the application, join it to the Redis, and enqueue the jobs to begin with.

    Raises:
        UsageError: It cannot be imported or joined, or a job cannot be enqueued.
    """
    calls = read_seed(Path(seed)) if seed else []
    loaded = applications.load_app(app, "--app") if app else {}
    try:
        binding = registry.bind(loaded, url, Settings())
    except UsageError:
        raise
    except Exception as error:
        raise UsageError(f"--app {app}: it cannot be joined to {url}: {error_text(error)}") from error
    for number, call in calls:
        _enqueue(binding, call, f"--seed: {seed}, line {number}")
    return binding


def _enqueue(binding: Binding, call: Call, where: str) -> None:
    try:
        binding.enqueue(call)
    except Exception as error:
        kept = "nothing is kept of the lines before it"
        raise UsageError(f"{where}: {call.name} cannot be enqueued: {error}; {kept}") from error


async def serve(given: argparse.Namespace) -> int:
    """Say whether the application is there, then watch until the parent is gone or says so."""
    link = await Link.inherited(given.link)
    loop = asyncio.get_running_loop()
    token = os.environ.pop(TOKEN, "") or secrets.token_urlsafe()  # not for what the application starts
    begin = await anext(link.messages(), None)
    if begin is None:
        return 0
    # One thread for the binding from its birth on: some libraries' clients belong to a thread.
    thread = ThreadPoolExecutor(1, "jobqueue-desk")
    try:
        binding = await loop.run_in_executor(thread, prepare, given.app, begin["url"], given.seed)
    except UsageError as error:
        link.say("failed", text=f"{error}{users_part(error)}")
        await link.close()
        return 2
    desk = Desk(binding, link, Listening(Path(given.tell)), thread)
    desk.is_paused = begin["is_paused"]
    door = Door(begin["page_port"]) if given.page else None
    watching = asyncio.create_task(desk.watch())
    stopping = asyncio.create_task(_listen(desk, link))
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.cancel)
    link.say("ready", page=door.url if door else "", excuse=door.excuse if door else "")
    if door is not None:
        door.open(desk, redis=begin["shown"], app=given.app, workers=begin["workers"], token=token)
    try:
        await asyncio.wait([stopping])
    finally:
        if door is not None:
            await door.close()
        watching.cancel()
        desk.close()
        await link.close()
    return 0


async def _listen(desk: Desk, link: Link) -> None:
    async for message in link.messages():
        if message["kind"] == "touched":
            desk.touch()
        elif message["kind"] == "paused":
            desk.is_paused, desk.is_changing = message["is_paused"], False
            await desk.notify()
        elif message["kind"] == "unfinished":
            desk._hear()  # noqa: SLF001
            link.say("unfinished", jobs=[str(job) for job, _ in desk.ledger.in_hand.values()])


def main() -> int:
    """Run the desk."""
    parser = argparse.ArgumentParser(prog="python -m pytest_jobqueue.cli.desk")
    parser.add_argument("--app", default="", help="the application, as module:attribute")
    parser.add_argument("--tell", required=True, help="the folder in which workers tell what they do")
    parser.add_argument("--seed", default="", help="a file of jobs to begin with")
    parser.add_argument("--page", action="store_true", help="serve the page")
    parser.add_argument("--link", type=int, required=True, help="the descriptor for messages")
    return asyncio.run(serve(parser.parse_args()))


if __name__ == "__main__":
    sys.exit(main())
