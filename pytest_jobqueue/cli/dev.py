"""`jobqueue dev`: starts a desk, a Redis, worker processes and a service, and stops them in the other order.

Whoever of them ends first ends all; the exit code is the service's. What can be wrong is looked for before
the service is started, so that nothing is left half-started.
"""

from __future__ import annotations

import asyncio
import errno
import os
import shlex
import signal
import warnings
from typing import TYPE_CHECKING, Any

from pytest_jobqueue.cli import ports
from pytest_jobqueue.cli.banner import banner, relaxed
from pytest_jobqueue.cli.environment import variables
from pytest_jobqueue.cli.output import Output
from pytest_jobqueue.cli.parts import Part
from pytest_jobqueue.cli.record import record
from pytest_jobqueue.cli.staff import Staff
from pytest_jobqueue.errors import UsageError
from pytest_jobqueue.job import error_text

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from pytest_jobqueue.cli.arguments import Arguments
    from pytest_jobqueue.cli.record import Record
    from pytest_jobqueue.servers import Server

USUAL_PORT = 6379
_QUIET = 0.5  # seconds without a line after which a service counts as started
_PATIENCE = 3.0  # seconds until the banner is printed whatever the service does
_SERVICE_GRACE = 10.0  # seconds
_LAST_LINES = 10  # of the log of a Redis that is gone
_FAILED = 1
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def run(arguments: Arguments) -> int:
    """Run until the service ends, or the user ends it.

    Returns:
        The service's exit code; without one, 0 when the user ended it.

    Raises:
        UsageError: Something cannot be started.
    """
    with record(arguments.json) as kept:
        return asyncio.run(Session(arguments, kept).run())


class Session:
    """One run of `jobqueue dev`."""

    def __init__(self, arguments: Arguments, kept: Record) -> None:
        self._arguments = arguments
        self._record = kept
        self._output = Output(quiet=arguments.quiet)
        self._stopping = asyncio.Event()
        self._interrupts = 0
        self._failed = self._is_up = False
        self._server: Server | None = None
        self._service: Part | None = None
        self._changes: asyncio.Queue[str] = asyncio.Queue()
        self._tasks: list[asyncio.Task[None]] = []
        self._environment: dict[str, str] = {}
        self._staff = Staff(arguments, self._output, self._ended, self._changed)

    async def run(self) -> int:
        """Start everything, wait for the end, stop everything."""
        loop = asyncio.get_running_loop()
        for number in _SIGNALS:
            loop.add_signal_handler(number, self._interrupt)
        try:
            await self._until_stopped(self._start())
            if not self._stopping.is_set():
                self._announce()
                await self._until_stopped(self._reload())
            return await self._stop()
        except BaseException:
            await self._stop()
            raise
        finally:
            for number in _SIGNALS:
                loop.remove_signal_handler(number)

    async def _until_stopped(self, coroutine: Any) -> None:
        """Let it go on until it is done, or all is to stop; what it raises is raised."""
        working = asyncio.ensure_future(coroutine)
        stopped = asyncio.ensure_future(self._stopping.wait())
        try:
            await asyncio.wait({working, stopped}, return_when=asyncio.FIRST_COMPLETED)
            if working.done():
                await working
        finally:
            for task in (working, stopped):
                task.cancel()
            await asyncio.gather(working, stopped, return_exceptions=True)

    # Starting

    async def _start(self) -> None:
        if self._arguments.reload:
            from pytest_jobqueue.cli.reload import changes

            self._tasks.append(asyncio.create_task(self._look_for_changes(changes())))
        await self._staff.hire_desk()  # it imports while we do
        self._server = server = await asyncio.to_thread(self._serve)
        if server.mode != "fake":
            self._tasks.append(asyncio.create_task(self._look_for_the_end(server)))
        self._environment = {
            **os.environ,
            **variables(self._arguments.names, server),
            "PYTHONUNBUFFERED": "1",
        }
        await self._staff.begin(server, self._environment)
        await self._start_service()
        await self._staff.workers_are_ready()

    def _serve(self) -> Server:
        from pytest_jobqueue.servers import serve

        given, mode = self._arguments.port, self._arguments.redis
        if given is not None:
            server = serve(mode, port=given)
        else:
            server = serve_near(mode, USUAL_PORT)
            if server.port != USUAL_PORT:
                self._output.notice("redis", f"port {USUAL_PORT} is taken, so it is {server.port}")
        server.latency = self._arguments.latency / 1e3
        self._output.line("redis", server.describe())
        return server

    async def _start_service(self) -> None:
        if not self._arguments.command:
            return
        self._service = service = await Part.start(
            "service", self._arguments.command, on_line=self._output.line, env=self._environment
        )
        service.ended.add_done_callback(lambda _: self._ended(service))
        loop = asyncio.get_running_loop()
        until = loop.time() + _PATIENCE
        while not service.ended.done() and (now := loop.time()) < until:
            quiet_at = (service.last_line_at or now) + _QUIET
            if now >= quiet_at:
                break
            await asyncio.wait([service.ended], timeout=min(quiet_at, until) - now)

    def _announce(self) -> None:
        server, service, arguments = self._server, self._service, self._arguments
        assert server is not None
        rows = {"redis": f"{server.url}  ({server.describe()})"}
        rows |= self._staff.rows()
        if service is not None:
            command = shlex.join(arguments.command).replace("\n", "\\n")
            rows["service"] = f"{command}  (pid {service.pid})"
        if arguments.json is not None:
            rows["json"] = str(arguments.json)
        self._record.write(self._facts())
        self._is_up = True
        self._output.block(banner(rows, url=server.url, relaxed=relaxed(server.mode)))

    def _facts(self) -> dict[str, Any]:
        server, service = self._server, self._service
        assert server is not None
        if service is not None and service.ended.done():
            service = None
        return {
            "pid": os.getpid(),
            "redis": {
                "url": server.url,
                "host": server.host,
                "port": server.port,
                "mode": server.mode,
                "version": server.version,
            },
            **self._staff.facts(),
            "service": None if service is None else {"pid": service.pid, "command": self._arguments.command},
            "environment": variables(self._arguments.names, server),
        }

    # Going on

    async def _reload(self) -> None:
        """Start everything but the Redis anew whenever a file changes."""
        while True:
            changed = await self._changes.get()
            while not self._changes.empty():  # what changed while things were started anew
                changed = self._changes.get_nowait()
            self._output.line("jobqueue", f"{changed} changed: starting anew")
            await self._stop_service()
            await self._staff.leave(self._grace)
            assert self._server is not None
            try:
                await self._staff.hire_desk()
                await self._staff.begin(self._server, self._environment)
            except UsageError as error:
                self._output.error(f"{error}\n(waiting for the next change)")
            else:
                await self._start_service()
            self._changed()

    async def _look_for_changes(self, changes: AsyncIterator[str]) -> None:
        """Note each change of a file, from before the application is imported on."""
        try:
            async for changed in changes:
                self._changes.put_nowait(changed)
        except Exception as error:  # noqa: BLE001 (nobody awaits this; all goes on as without the option)
            self._output.error(f"--reload: files are no longer looked at: {error_text(error)}")

    async def _look_for_the_end(self, server: Server) -> None:
        """A Redis that is gone ends all, like any other part."""
        from pytest_jobqueue.cli.pulse import until_gone

        await until_gone(server.direct_url)
        for line in server.log_tail(_LAST_LINES).splitlines():
            self._output.notice("redis", line)
        self._output.notice("jobqueue", "the redis is gone: stopping the others")
        self._failed = True
        self._stopping.set()

    def _changed(self) -> None:
        """There are other workers than before."""
        if self._is_up and not self._stopping.is_set():
            try:
                self._record.write(self._facts())
            except UsageError as error:
                self._output.error(str(error))

    def _interrupt(self) -> None:
        self._interrupts += 1
        self._stopping.set()
        if self._interrupts == 1:
            grace = f"; a running job has {self._arguments.grace:g} s" if self._arguments.workers else ""
            self._output.line("jobqueue", f"stopping{grace}; once more to stop at once")
        else:
            self._output.line("jobqueue", "stopping at once")
            self._staff.kill()
            if self._service is not None:
                self._service.kill()

    def _ended(self, part: Part) -> None:
        """A part has ended; unless that was asked for, it ends all."""
        if part.is_stopping or self._stopping.is_set():
            return
        code = part.ended.result()
        waits = self._arguments.reload and (code or part.name != "service")
        if part.name != "service" or code:
            then = "waiting for the next change" if waits else "stopping the others"
            name = "desk" if part.name == "jobqueue" else part.name
            self._output.notice("jobqueue", f"the {name} ended with exit code {code}: {then}")
        if not waits:
            self._failed |= part.name != "service"
            self._stopping.set()

    # Stopping

    @property
    def _grace(self) -> float:
        return 0.0 if self._interrupts > 1 else self._arguments.grace

    async def _stop(self) -> int:
        """Stop the service, the workers, the desk and the Redis, in this order."""
        self._stopping.set()
        for task in self._tasks:
            task.cancel()
        code = await self._stop_service()
        for job in await self._staff.leave(self._grace):
            self._output.notice("worker", f"unfinished: {job}")
        if self._server is not None:
            with warnings.catch_warnings(record=True) as caught:
                await asyncio.to_thread(self._server.close)
            for warning in caught:
                self._output.notice("redis", str(warning.message))
            if self._is_up:
                self._output.line("redis", "gone, with all that was in it")
        return code or (_FAILED if self._failed else 0)

    async def _stop_service(self) -> int:
        service = self._service
        if service is None:
            return 0
        return await service.stop(0.0 if self._interrupts > 1 else _SERVICE_GRACE)


def serve_near(mode: str, first: int) -> Server:
    """A Redis on the first free loopback port from `first` on, also when others look for one just now.

    Raises:
        UsageError: None of so many is free, or the mode cannot be had here.
    """
    from pytest_jobqueue.servers import serve

    while True:
        found = ports.first_free(first)
        if found is None:
            raise UsageError(f"none of the ports from {first} on is free; choose one with --port")
        with found:
            port: int = found.getsockname()[1]
        try:
            return serve(mode, port=port)
        except UsageError as error:
            cause = error.__cause__
            if not (isinstance(cause, OSError) and cause.errno == errno.EADDRINUSE):
                raise
            first = port  # somebody was faster
