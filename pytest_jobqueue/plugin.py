"""The pytest plugin: its options, its hooks, and nothing that costs a run that does not use it.

Only pytest and this package's smallest modules are imported here; a Redis, real or not, is started when the
first test asks for it.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest

from pytest_jobqueue.errors import UsageError
from pytest_jobqueue.fixtures import (  # noqa: F401 (found here by pytest)
    HARNESS,
    RUN,
    _jobqueue_isolated,
    jobqueue,
    jobqueue_app,
    jobqueue_producer,
    jobqueue_redis,
    jobqueue_redis_async,
    jobqueue_server,
    jobqueue_settings,
    jobqueue_url,
    jobqueue_worker,
    narrowing,
)
from pytest_jobqueue.marker import MARKER_HELP, kind_of
from pytest_jobqueue.options import OPTIONS, Option
from pytest_jobqueue.run import Run

if TYPE_CHECKING:
    from collections.abc import Generator

_KNOWN = frozenset({"fake", "server", "container"})


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the options, from the one table."""
    group = parser.getgroup("jobqueue", "Redis-backed job queues")
    for option in OPTIONS:
        env = f" [env: {option.env}]" if option.env else ""
        name = f"jobqueue_{option.name}"
        group.addoption(option.flag, dest=name, metavar=option.metavar, default=None, help=option.help + env)
        if option.ini:
            parser.addini(option.ini, option.help, default="")


def pytest_configure(config: pytest.Config) -> None:
    """Read the options once, and be ready for pytest-xdist."""
    config.addinivalue_line("markers", MARKER_HELP)
    values = {option.name: _value(config, option) for option in OPTIONS}
    told = getattr(config, "workerinput", {}).get("jobqueue")
    redis, whence = values["redis"]
    image, _ = values["image"]
    try:
        modes, reason = (told["modes"], told["reason"]) if told else _modes(redis, image)
    except UsageError as error:
        raise pytest.UsageError(f"jobqueue: {error}{whence}") from None
    config.stash[RUN] = Run(
        modes,
        app_path=values["app"][0],
        image=image,
        report=_report_path(config, values["report"][0]),
        redirect=_addresses("jobqueue_redirect", *values["redirect"]),
        allow=_addresses("jobqueue_allow", *values["allow"]),
        worker_mode=_worker_mode(*values["worker_mode"]),
        explicit=whence is not None,
        reason=reason,
        worker=told["worker"] if told else None,
        container=told["container"] if told else None,
    )
    # Whether pytest-xdist is there, and under which name it was loaded, is no concern of ours.
    config.pluginmanager.register(_WithXdist(config), "jobqueue-xdist")


def _value(config: pytest.Config, option: Option) -> tuple[str, str | None]:
    """An option's value and, for an error's message, where else than in the flag it stands; None: nowhere."""
    given = config.getoption(f"jobqueue_{option.name}")
    if given is not None:
        return str(given), ""
    if option.env and (found := os.environ.get(option.env)):
        return found, f" (This is the value of the environment variable {option.env}.)"
    if option.ini and (found := str(config.getini(option.ini))):
        return found, f" (This is the value of {option.ini} in {config.inipath}.)"
    return option.default, None


def _report_path(config: pytest.Config, text: str) -> str:
    """Where the report goes; a path that cannot be is an error before the run, not after it."""
    if not text:
        return ""
    path = config.invocation_params.dir / text
    if path.is_dir() or not path.parent.is_dir():
        what = "it is a directory" if path.is_dir() else f"there is no directory {path.parent}; make it first"
        raise pytest.UsageError(f"jobqueue: --jobqueue-report={text} cannot be written: {what}")
    return str(path)


def _worker_mode(text: str, whence: str | None) -> str:
    """The mode, if anybody chose one."""
    if text not in ("inline", "process"):
        raise pytest.UsageError(f"jobqueue: the worker mode {text!r} can be inline or process{whence}")
    return "" if whence is None else text


def _addresses(key: str, text: str, whence: str | None) -> str:
    """The addresses as they are given; one that is none is an error before the run."""
    if text:
        from pytest_jobqueue.guard import parse_addresses

        try:
            parse_addresses(text, key)
        except UsageError as error:
            raise pytest.UsageError(f"jobqueue: {error}{whence}") from None
    return text


def _modes(text: str, image: str) -> tuple[tuple[str, ...], str]:
    """The modes, and why `auto` became what it did."""
    if text in _KNOWN:
        return (text,), ""
    from pytest_jobqueue.servers.choose import choose_auto, parse_modes

    modes, reason = parse_modes(text), ""
    if "auto" in modes:
        chosen, reason = choose_auto(image=image)
        modes = tuple(dict.fromkeys(chosen if mode == "auto" else mode for mode in modes))
    return modes, reason


def pytest_report_header(config: pytest.Config) -> str | None:
    """Say which Redis was chosen, if anybody chose."""
    run = config.stash[RUN]
    if not run.explicit:
        return None
    return f"jobqueue: redis={','.join(map(_shown, run.modes))}" + (
        f" (auto: {run.reason})" if run.reason else ""
    )


def _shown(mode: str) -> str:
    """The mode; of a URL, what is no secret."""
    if "://" not in mode:
        return mode
    from pytest_jobqueue.servers.provider import place

    return place(mode)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test once per mode, leave out the modes that it cannot use, skip it when none is left."""
    if "jobqueue_server" not in metafunc.fixturenames:
        return
    modes = metafunc.config.stash[RUN].modes
    try:
        wanted = narrowing(metafunc.definition)
    except UsageError as error:
        raise pytest.fail.Exception(f"{metafunc.definition.nodeid}: {error}", pytrace=False) from None
    fitting = [mode for mode in modes if wanted.allows(mode)]
    if not fitting:
        skip = pytest.mark.skip(reason=wanted.reason(*modes))
        metafunc.parametrize("jobqueue_server", [pytest.param(None, marks=skip)], ids=["none"], indirect=True)
    elif len(modes) > 1:
        metafunc.parametrize(
            "jobqueue_server",
            fitting,
            ids=[kind_of(mode) for mode in fitting],
            indirect=True,
            scope="session",
        )


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add what became of the jobs to a failed test's report."""
    report = yield
    harness = item.stash.get(HARNESS, None)
    if harness is not None and call.when != "teardown" and report.failed:
        report.sections.append(("jobqueue", harness.report()))
    return report


def pytest_unconfigure(config: pytest.Config) -> None:
    """Write the report; remove what the run started."""
    run = config.stash.get(RUN, None)
    if run is not None:
        run.finish()


class _WithXdist:
    """What travels between the controller and the workers of pytest-xdist; without it, hooks never called."""

    def __init__(self, config: pytest.Config) -> None:
        self._run = config.stash[RUN]

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        """Tell a worker what the controller decided, before it starts."""
        try:
            node.workerinput["jobqueue"] = self._run.shared()
        except UsageError as error:
            raise pytest.UsageError(f"jobqueue: {error}") from None

    @pytest.hookimpl
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Hand the controller what this worker knows; in the controller, end as a worker had to."""
        output = getattr(session.config, "workeroutput", None)
        if output is not None:
            output["jobqueue"] = {"lines": self._run.lines, "usage_error": self._run.usage_error}
        elif self._run.usage_error:
            session.exitstatus = pytest.ExitCode.USAGE_ERROR

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """In the controller: take what a worker hands over."""
        told = getattr(node, "workeroutput", {}).get("jobqueue")
        if told:
            self._run.lines += told["lines"]
            self._run.usage_error = self._run.usage_error or told["usage_error"]
