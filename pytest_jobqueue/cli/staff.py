"""The children that have the application: the desk, which looks, and worker processes, which run jobs.

Workers can be sent away while the desk stays (a pause), and one job can then be run at a time (a step). All
of them leave and come anew when the application has changed.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import secrets
import sys
import tempfile
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from pytest_jobqueue.cli.links import TOKEN
from pytest_jobqueue.cli.parts import Part
from pytest_jobqueue.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_jobqueue.cli.arguments import Arguments
    from pytest_jobqueue.cli.output import Output
    from pytest_jobqueue.servers import Server

_DESK_GRACE = 5.0  # seconds
_WORKERS_PATIENCE = 10.0  # seconds until all counts as up whether a worker says so or not
_OFTEN = 0.01  # seconds between two messages that something was touched


class Staff:
    """The desk and the workers.

    Args:
        arguments: What was asked for.
        output: Where lines go.
        ended: Called with a part that has ended.
        changed: Called when workers have come or gone.
    """

    def __init__(
        self,
        arguments: Arguments,
        output: Output,
        ended: Callable[[Part], None],
        changed: Callable[[], None],
    ) -> None:
        self._arguments = arguments
        self._output = output
        self._ended = ended
        self._changed = changed
        self._token = secrets.token_urlsafe(24)
        self._seed = str(arguments.seed or "")
        self._desk: Part | None = None
        self._listening: asyncio.Task[None] | None = None
        self._ready: asyncio.Future[dict[str, Any]] | None = None
        self._unfinished: asyncio.Future[list[str]] | None = None
        self._workers: list[Part] = []
        self._stepper: Part | None = None
        self._is_paused = bool(arguments.app) and not arguments.workers
        self._controlling = asyncio.Lock()  # one change of the workers at a time
        self._is_leaving = False
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._server: Server | None = None
        self._environment: dict[str, str] = {}
        self._page = self._excuse = ""
        self._is_ready: dict[int, asyncio.Event] = {}  # workers, by process id
        self._was_touched = self._passes_on = False
        self._unhook: Callable[[], None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    # Coming

    async def hire_desk(self) -> None:
        """Start the desk; it imports what it needs until it is told where the Redis is."""
        self._folder = tempfile.TemporaryDirectory(prefix="pytest-jobqueue-")
        words = ["--app", self._arguments.app, "--tell", self._folder.name, "--seed", self._seed]
        words += ["--page"] if self._arguments.page else []
        self._ready = asyncio.get_running_loop().create_future()
        self._desk = desk = await Part.start(
            "jobqueue",
            [sys.executable, "-m", "pytest_jobqueue.cli.desk", *words],
            on_line=self._output.line,
            env={**os.environ, TOKEN: self._token, "PYTHONUNBUFFERED": "1"},
            linked=True,
        )
        desk.ended.add_done_callback(lambda _: self._ended(desk))
        self._listening = asyncio.create_task(self._listen(desk))

    async def begin(self, server: Server, environment: dict[str, str]) -> None:
        """Have the desk look at this Redis, and start the workers.

        Raises:
            UsageError: The application cannot be used.
        """
        self._server, self._environment = server, environment
        self._is_leaving = False
        desk, ready = self._desk, self._ready
        assert desk is not None
        assert desk.link is not None
        assert ready is not None
        desk.link.say(
            "begin",
            url=server.direct_url,
            shown=server.url,
            page_port=urlsplit(self._page).port or server.port + 1,  # the same one again
            is_paused=self._is_paused,
            workers=self._arguments.workers,
        )
        await _either(ready, desk.ended)
        if not ready.done():
            raise UsageError(f"the desk ended with exit code {desk.ended.result()} before it was ready")
        said = ready.result()
        if said["kind"] == "failed":
            desk.is_stopping = True
            raise UsageError(said["text"])
        self._seed = ""  # once is enough
        self._page = said["page"]
        expected = self._arguments.port != 0 or not self._page  # who takes any port expects no other
        if said["excuse"] != self._excuse and expected:
            self._excuse = said["excuse"]
            self._output.line("jobqueue", self._excuse)
        loop = asyncio.get_running_loop()
        self._unhook = server.add_hook(lambda *_: self._touched(loop))
        async with self._controlling:  # the page is there already
            if not self._is_paused:
                await self._start_workers()

    async def workers_are_ready(self) -> None:
        """Wait until each worker has its application, or has ended."""
        for worker in list(self._workers):
            ready = self._is_ready.setdefault(worker.pid, asyncio.Event())
            waiting = asyncio.ensure_future(ready.wait())
            await _either(waiting, worker.ended, timeout=_WORKERS_PATIENCE)
            waiting.cancel()

    async def _start_workers(self) -> None:
        for number in range(1, self._arguments.workers + 1):
            # go-workers2's workers share the jobs in progress of one process id, so each has its own.
            settings = json.dumps({"process_id": str(number)})
            worker = await self._start_worker("pytest_jobqueue.work", "--settings", settings)
            self._workers.append(worker)
        self._changed()

    async def _start_worker(self, module: str, *more: str, linked: bool = False) -> Part:
        assert self._server is not None
        assert self._folder is not None
        words = ["--app", self._arguments.app, "--url", self._server.direct_url, "--tell", self._folder.name]
        worker = await Part.start(
            "worker",
            [sys.executable, "-m", module, *words, *more],
            on_line=self._output.line,
            env=self._environment,
            linked=linked,
        )
        worker.ended.add_done_callback(lambda _: self._ended(worker))
        return worker

    # Going on

    async def _listen(self, desk: Part) -> None:
        assert desk.link is not None
        async for message in desk.link.messages():
            kind = message["kind"]
            if kind == "line":
                self._output.line(message["part"], message["text"])
            elif kind in ("ready", "failed") and self._ready is not None and not self._ready.done():
                self._ready.set_result(message)
            elif kind == "worker":
                self._is_ready.setdefault(message["pid"], asyncio.Event()).set()
            elif kind == "unfinished" and self._unfinished is not None:
                self._unfinished.set_result(message["jobs"])
            elif kind == "control":
                task = asyncio.create_task(self._control(message["what"]))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)

    def _touched(self, loop: asyncio.AbstractEventLoop) -> None:
        """Somebody sent a command; called in the front's thread."""
        self._was_touched = True
        if not self._passes_on:
            self._passes_on = True
            with contextlib.suppress(RuntimeError):  # the loop has ended
                loop.call_soon_threadsafe(self._pass_on)

    def _pass_on(self) -> None:
        """Tell the desk, at once but not all the time."""
        self._passes_on = False  # before it is looked, so that no touch is missed
        if self._was_touched:
            self._passes_on, self._was_touched = True, False
            if self._desk is not None and self._desk.link is not None:
                self._desk.link.say("touched")
            asyncio.get_running_loop().call_later(_OFTEN, self._pass_on)

    async def _control(self, what: str) -> None:
        """Do what was asked for on the page, after what was asked for before."""
        async with self._controlling:
            if not self._is_leaving:
                await self._change(what)
            if self._desk is not None and self._desk.link is not None:
                self._desk.link.say("paused", is_paused=self._is_paused)

    async def _change(self, what: str) -> None:
        if what == "pause" and not self._is_paused:
            self._is_paused = True
            await self._stop_workers(self._arguments.grace)
            self._output.line("worker", "paused")
        elif what == "resume" and self._is_paused and self._arguments.workers:
            self._is_paused = False
            await self._stop_workers(self._arguments.grace)
            await self._start_workers()
            self._output.line("worker", "goes on")
        elif what == "step" and self._is_paused and self._arguments.app:
            if self._stepper is None:
                self._stepper = await self._start_worker("pytest_jobqueue.cli.step", linked=True)
                self._workers.append(self._stepper)
                self._changed()
            assert self._stepper.link is not None
            self._stepper.link.say("step")

    # Saying

    def rows(self) -> dict[str, str]:
        """What the banner says of them."""
        rows = {"page": self._page} if self._page else {}
        if self._arguments.app:
            pids = ", ".join(str(worker.pid) for worker in self._workers)
            rows["worker"] = f"{self._arguments.app}  (pid {pids})" if pids else "none"
        return rows

    def facts(self) -> dict[str, Any]:
        """What programs want to know of them."""
        return {
            "page": {"url": self._page} if self._page else None,
            "workers": [{"pid": worker.pid} for worker in self._workers],
        }

    # Leaving

    async def leave(self, grace: float) -> list[str]:
        """Stop the workers, then the desk.

        Args:
            grace: Seconds that a running job gets.

        Returns:
            The jobs that were not finished.
        """
        if self._unhook is not None:
            self._unhook()
            self._unhook = None
        self._is_leaving = True
        async with self._controlling:
            await self._stop_workers(grace)
        jobs = await self._ask_unfinished()
        if self._desk is not None:
            await self._desk.stop(_DESK_GRACE)
            self._desk = None
        if self._listening is not None:
            await self._listening
        if self._folder is not None:
            self._folder.cleanup()
            self._folder = None
        return jobs

    async def _stop_workers(self, grace: float) -> None:
        await asyncio.gather(*(worker.stop(grace) for worker in self._workers))
        self._workers.clear()
        self._stepper = None
        self._changed()

    async def _ask_unfinished(self) -> list[str]:
        desk, ready = self._desk, self._ready
        if desk is None or desk.link is None or ready is None or not ready.done() or desk.ended.done():
            return []
        self._unfinished = asyncio.get_running_loop().create_future()
        desk.link.say("unfinished")
        await _either(self._unfinished, desk.ended, timeout=1)
        return self._unfinished.result() if self._unfinished.done() else []

    def kill(self) -> None:
        """End all that runs jobs at once."""
        for worker in self._workers:
            worker.kill()


async def _either(*futures: asyncio.Future[Any], timeout: float | None = None) -> None:
    await asyncio.wait(futures, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
