"""The marker `@pytest.mark.jobqueue(…)`: its arguments are checked by calling a real function with them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from pytest_jobqueue.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pytest_jobqueue.settings import OnError, Settings, WorkerMode

NOT_GIVEN: Any = object()
MARKER_HELP = (
    "jobqueue(*, redis=None, app=…, dialect=None, namespace=None, process_id=None, queues=None, "
    "on_error=None, run_on_commit=None, worker_mode=None, allow=None): what one test needs of the job queue; "
    "redis is 'fake', 'real', 'server', 'container', 'url', or a list of them"
)

_REAL = ("server", "container", "url")


class Narrowing(NamedTuple):
    """What one test asks for.

    Attributes:
        redis: The modes that it can run on; None for any.
        app: Its application object, or `NOT_GIVEN`.
        changes: Settings that differ for it.
        allow: Other addresses of Redis that it may connect to, with commas between them.
    """

    redis: tuple[str, ...] | None
    app: Any
    changes: dict[str, Any]
    allow: str = ""

    def settings(self, settings: Settings) -> Settings:
        """The settings for this test."""
        from dataclasses import replace

        return replace(settings, **self.changes)

    def allows(self, mode: str) -> bool:
        """Whether the test can run on a server of this mode (a URL counts as `url`)."""
        return self.redis is None or kind_of(mode) in self.redis

    def reason(self, *modes: str) -> str:
        """Why a test is skipped in a run that has none but these modes."""
        return (
            f"needs redis={', '.join(self.redis or ())}; this run has --redis={','.join(map(kind_of, modes))}"
        )


def kind_of(mode: str) -> str:
    """`url` for a URL, else the mode itself."""
    return "url" if "://" in mode else mode


def jobqueue(
    *,
    redis: str | Iterable[str] | None = None,
    app: Any = NOT_GIVEN,
    dialect: str | None = None,
    namespace: str | None = None,
    process_id: str | None = None,
    queues: Sequence[str] | None = None,
    on_error: OnError | None = None,
    run_on_commit: bool | None = None,
    worker_mode: WorkerMode | None = None,
    allow: str | Iterable[str] | None = None,
) -> Narrowing:
    """Read the marker's arguments; its signature is the documentation of the marker.

    Raises:
        UsageError: A value cannot be.
    """
    modes = None if redis is None else _modes([redis] if isinstance(redis, str) else list(redis))
    given = {
        "dialect": dialect,
        "namespace": namespace,
        "process_id": process_id,
        "queues": queues if queues is None or isinstance(queues, str) else tuple(queues),
        "on_error": on_error,
        "worker_mode": worker_mode,
        "run_on_commit": run_on_commit,
    }
    changes: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    from pytest_jobqueue.settings import Settings

    try:
        Settings(**changes)
    except UsageError as error:
        raise UsageError(f"the marker jobqueue: {error}") from None
    return Narrowing(modes, app, changes, allow if isinstance(allow, str) else ",".join(allow or ()))


def _modes(names: list[str]) -> tuple[str, ...]:
    if not names:
        raise UsageError("the marker jobqueue(redis=[]) allows no Redis at all; leave redis out for any")
    found: list[str] = []
    for name in names:
        if name == "real":
            found += _REAL
        elif name in ("fake", *_REAL):
            found.append(name)
        else:
            raise UsageError(
                f"the marker jobqueue(redis={name!r}) names no kind of Redis; "
                "it can be 'fake', 'real', 'server', 'container' or 'url'"
            )
    return tuple(found)


def merge(markers: Iterable[Any]) -> Narrowing:
    """The closest marker's arguments win, one by one (`markers` come closest first, as pytest gives them)."""
    kwargs: dict[str, Any] = {}
    for marker in markers:
        if marker.args:
            raise UsageError(
                f"the marker jobqueue takes its arguments by name, not {', '.join(map(repr, marker.args))}; "
                f"{MARKER_HELP}"
            )
        kwargs = {**marker.kwargs, **kwargs}
    try:
        return jobqueue(**kwargs)
    except TypeError as error:
        raise UsageError(f"the marker jobqueue: {error}; {MARKER_HELP}") from None
