"""From what a project says to its one application object: the object, `module:attribute`, or a module.

A module's application is an object that an adapter is for by its type or its shape. A plain dict, a string
and a module are none there, since they could be anything. One that is part of another one, as a queue is of
a list of queues, gives way to it; several queues with no list are one, where the adapter takes lists.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from contextlib import contextmanager
from types import ModuleType
from typing import TYPE_CHECKING, Any

from pytest_jobqueue.errors import UsageError
from pytest_jobqueue.handlers import Handlers
from pytest_jobqueue.registry import (
    ADAPTERS,
    Adapter,
    all_adapters,
    fitting,
    fitting_type,
    import_module,
    load,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_OPTION = "jobqueue_app"
_SEVERAL = (list, tuple)
_led: dict[int, tuple[Any, str]] = {}  # what leads to a Redis of ours now, by identity, and to which


def load_app(path: str, what: str = _OPTION) -> Any:
    """Import the application object at `module:attribute`, or the only one of a module.

    Args:
        path: The path.
        what: What said so, for messages.

    Raises:
        UsageError: There is no such module or attribute, the module cannot be imported, or it has no
            application or several.
    """
    if not path or ":" in path:
        return load(path, what)
    module = import_module(path, path, what)
    return module if fitting(all_adapters(), module) else _only_app(module, what)


def one_app(app: Any) -> Any:
    """The application that is meant: a path is loaded, and several that are not one are refused.

    Raises:
        UsageError: As `load_app`; or these are several applications.
    """
    if app is None:
        return {}
    if isinstance(app, str):
        return load_app(app)
    if isinstance(app, _SEVERAL):
        whole = fitting(ADAPTERS, app)
        found = [adapter for one in app if (adapter := fitting(ADAPTERS, one))]
        # A plain dict among others may be a mistake in one of them, of which their adapter knows more.
        names = [adapter.name for adapter in found if not (whole and "builtins.dict" in adapter.app_types)]
        if len(set(names)) > 1 or (names and not whole):
            raise UsageError(
                f"{_OPTION} is a {type(app).__name__} of applications for {', '.join(names)}, and a JobQueue "
                "has one: give it that one, and each other a JobQueue of its own on the same Redis (with "
                "pytest_jobqueue.JobQueue(other, jobqueue.server) as second: …)"
            )
    return app


@contextmanager
def led(app: Any, url: str) -> Iterator[None]:
    """An application leads to one Redis at a time, so it can be in one harness at a time.

    Raises:
        UsageError: It is in another one.
    """
    pieces = {id(piece): piece for piece in _pieces(app)}
    for key, piece in pieces.items():
        if key in _led:
            raise UsageError(
                f"the application ({_kind(piece)}) is in another JobQueue already, which leads it to "
                f"{_led[key][1]}; use that one's producer and worker (in a test, the fixture jobqueue), or "
                "close it first"
            )
    _led.update({key: (piece, url) for key, piece in pieces.items()})
    try:
        yield
    finally:
        for key in pieces:
            del _led[key]


def _pieces(app: Any) -> list[Any]:
    """What an adapter changes; of handlers and plain dicts that is nothing."""
    adapter = None if isinstance(app, ModuleType) else fitting(ADAPTERS, app)
    if adapter is None:
        return [app]
    if adapter.name == "sidekiq":
        return []
    return [one for one in (app, *_parts(app)) if _is_app(one, ADAPTERS)]


def _kind(piece: Any) -> str:
    kind = piece if isinstance(piece, type) else type(piece)
    return f"{kind.__module__}.{kind.__qualname__}"


def _only_app(module: Any, what: str) -> Any:
    adapters = all_adapters()
    name, apps = module.__name__, _apps_of(module, adapters)
    if len(apps) == 1:
        return next(iter(apps.values()))
    if len(apps) > 1:
        together = list(apps.values())
        if _is_one(together, adapters):
            return together
        raise UsageError(
            f"{what} is {name!r}, and that module has {len(apps)} applications; name one of them:"
            + "".join(_lines(name, apps, adapters))
        )
    below = [sys.modules[one] for one in sorted(sys.modules) if one.startswith(f"{name}.")]
    found = [line for one in below if one for line in _lines(one.__name__, _apps_of(one, adapters), adapters)]
    raise UsageError(
        f"{what} is {name!r}, and that module has no application that an adapter is for; "
        + (f"below it there is:{''.join(found)}" if found else "name the object as module:attribute")
    )


def _apps_of(module: Any, adapters: Sequence[Adapter]) -> dict[str, Any]:
    """The module's applications by name, each once, and none that is part of another."""
    found: dict[int, tuple[str, Any]] = {}
    for name, value in list(vars(module).items()):
        if not name.startswith("__") and _is_app(value, adapters):
            found.setdefault(id(value), (name, value))
    inside = {id(part) for _, app in found.values() for part in _parts(app)}
    return {name: app for key, (name, app) in found.items() if key not in inside}


def _is_app(value: Any, adapters: Sequence[Adapter]) -> bool:
    kind = type(value)
    if issubclass(kind, Mapping) or issubclass(kind, (*_SEVERAL, type)):
        adapter = fitting(adapters, value)
    else:  # nothing is asked of the object itself: a proxy, such as a web framework's, may not answer
        adapter = fitting_type(adapters, kind)
    return adapter is not None and (adapter.name != "sidekiq" or issubclass(kind, Handlers))


def _parts(app: Any) -> list[Any]:
    """What belongs to an application: queues of a list or of a worker's settings, a scheduler's broker."""
    kind = type(app)
    if issubclass(kind, _SEVERAL):
        return [part for one in app for part in (one, *_parts(one))]
    if issubclass(kind, Mapping):
        return list(app.values())
    return [vars(app)["broker"]] if "broker" in getattr(app, "__dict__", ()) else []


def _is_one(apps: list[Any], adapters: Sequence[Adapter]) -> bool:
    """Whether several, none of them a list itself, are one application as a list: RQ's queues are."""
    kinds = {adapter.name for one in (*apps, apps) if (adapter := fitting(adapters, one))}
    whole = next((adapter for adapter in adapters if adapter.looks_like(apps)), None)
    return whole is not None and kinds == {whole.name} and not any(isinstance(one, _SEVERAL) for one in apps)


def _lines(module: str, apps: Mapping[str, Any], adapters: Sequence[Adapter]) -> list[str]:
    found = [(name, fitting(adapters, app)) for name, app in apps.items()]
    return [f"\n  {module}:{name} ({adapter.name})" for name, adapter in found if adapter]
