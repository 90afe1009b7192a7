"""From an application object to the adapter that drives it.

One literal table, then the entry points of the group `pytest_jobqueue.adapters`. An adapter's module is
imported when an application of its type turns up, never before; what that module says in `NEEDS` has to be
installed.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields
from difflib import get_close_matches
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from pytest_jobqueue.adapters import needs
from pytest_jobqueue.errors import AdapterError, UsageError
from pytest_jobqueue.frames import users_frames
from pytest_jobqueue.settings import Settings

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

    from pytest_jobqueue.adapters import Binding, Work

GROUP = "pytest_jobqueue.adapters"


@dataclass(frozen=True, slots=True)
class Adapter:
    """Where an adapter is, and what it is for.

    Attributes:
        name: What it is called in messages and in the documentation.
        app_types: The application's classes, as `module.Class`, looked for in its type's bases.
        factory: `module:callable`, called with the application, the URL and the settings.
        looks_like: Whether an application that is no instance of these, a dict or a class, is meant for it.
        command: `module:callable` for process mode, called with the application and a `Work`; "" for none.
    """

    name: str
    app_types: tuple[str, ...]
    factory: str
    looks_like: Callable[[Any], bool] = lambda _app: False
    command: str = ""


def _is_rq_queues(app: Any) -> bool:
    """Several queues of RQ, or django-rq: its name, or the module."""
    if isinstance(app, (list, tuple)):
        kinds = [kind for one in app for kind in type(one).__mro__]
        return any((kind.__module__, kind.__qualname__) == ("rq.queue", "Queue") for kind in kinds)
    name = app if isinstance(app, str) else str(getattr(app, "__name__", ""))
    return name.partition(".")[0] == "django_rq"


def _is_arq_settings(app: Any) -> bool:
    """Whether it is a `WorkerSettings` class of arq, or the same as a mapping."""
    found = app if isinstance(app, Mapping) else vars(app) if isinstance(app, type) else {}
    lists = any(isinstance(found.get(name), (list, tuple)) for name in ("functions", "cron_jobs"))
    return lists and not _is_saq_settings(found)


def _is_saq_settings(app: Any) -> bool:
    """Whether it is the settings of a SAQ worker, which name its queue."""
    queue = app.get("queue") if isinstance(app, Mapping) else None
    return any(kind.__module__.startswith("saq.queue") for kind in type(queue).__mro__)


def _is_bullmq_worker(app: Any) -> bool:
    """Whether it says what BullMQ has no object for: a queue and its processor; or several of these."""
    if isinstance(app, (list, tuple)):
        return any(map(_is_bullmq_worker, app))
    found = app if isinstance(app, Mapping) else {}
    return isinstance(found.get("queue"), str) and callable(found.get("processor"))


ADAPTERS = (
    Adapter(
        "dramatiq",
        ("dramatiq.broker.Broker",),
        "pytest_jobqueue.adapters.dramatiq:bind",
        command="pytest_jobqueue.adapters.dramatiq.command:command",
    ),
    Adapter(
        "huey",
        ("huey.api.Huey",),
        "pytest_jobqueue.adapters.huey:bind",
        command="pytest_jobqueue.adapters.huey.command:command",
    ),
    Adapter(
        "rq",
        ("rq.queue.Queue",),
        "pytest_jobqueue.adapters.rq:bind",
        _is_rq_queues,
        command="pytest_jobqueue.adapters.rq.command:command",
    ),
    Adapter(
        "celery",
        ("celery.app.base.Celery",),
        "pytest_jobqueue.adapters.celery:bind",
        command="pytest_jobqueue.adapters.celery.command:command",
    ),
    Adapter(
        "arq",
        (),
        "pytest_jobqueue.adapters.arq:bind",
        _is_arq_settings,
        command="pytest_jobqueue.adapters.arq.command:command",
    ),
    Adapter(
        "saq",
        ("saq.queue.base.Queue",),
        "pytest_jobqueue.adapters.saq:bind",
        _is_saq_settings,
        command="pytest_jobqueue.adapters.saq.command:command",
    ),
    Adapter(
        "bullmq",
        (),
        "pytest_jobqueue.adapters.bullmq:bind",
        _is_bullmq_worker,
        command="pytest_jobqueue.adapters.bullmq.command:command",
    ),
    Adapter(
        "taskiq",
        ("taskiq.abc.broker.AsyncBroker", "taskiq.scheduler.scheduler.TaskiqScheduler"),
        "pytest_jobqueue.adapters.taskiq:bind",
        command="pytest_jobqueue.adapters.taskiq.command:command",
    ),
    Adapter(
        "streaq",
        ("streaq.worker.Worker",),
        "pytest_jobqueue.adapters.streaq:bind",
        command="pytest_jobqueue.adapters.streaq.command:command",
    ),
    Adapter(
        "sidekiq",
        ("pytest_jobqueue.handlers.Handlers", "builtins.dict"),
        "pytest_jobqueue.adapters.sidekiq:bind",
        command="pytest_jobqueue.adapters.sidekiq.command:command",
    ),
)

# What stands beside an application, by its class as in `app_types`, or else by its library.
MEANT = {
    "celery.app.task.Task": "a Celery task: did you mean its application, `task.app`?",
    "celery.local.PromiseProxy": "a Celery task: did you mean its application, `task.app`?",
    "celery.canvas.Signature": "a signature of Celery: did you mean its application, `signature.app`?",
    "celery.app.utils.Settings": "the configuration of a Celery application: did you mean the application?",
    "rq.worker.BaseWorker": "a worker of RQ: did you mean its queues, `worker.queues`?",
    "rq.worker.base.BaseWorker": "a worker of RQ: did you mean its queues, `worker.queues`?",
    "dramatiq.actor.Actor": "an actor of Dramatiq: did you mean its broker, `actor.broker`?",
    "huey.api.TaskWrapper": "a task of Huey: did you mean its application, `task.huey`?",
    "huey.consumer.Consumer": "a consumer of Huey: did you mean its application, `consumer.huey`?",
    "saq.worker.Worker": "a worker of SAQ: did you mean its settings, or its queue, `worker.queue`?",
    "taskiq.decor.AsyncTaskiqDecoratedTask": "a task of Taskiq: did you mean its broker, `task.broker`?",
    "streaq.task.RegisteredTask": "a task of streaQ: did you mean its worker, `task.worker`?",
    "celery": "something of Celery: give a Celery(…), the application that has the tasks",
    "rq": "something of RQ: give a Queue, or a list of them in the worker's order",
    "dramatiq": "something of Dramatiq: give the broker that has the actors",
    "huey": "something of Huey: give the Huey(…) that has the tasks",
    "arq": "something of arq: give the WorkerSettings class",
    "saq": "something of SAQ: give the worker's settings, or its queue",
    "bullmq": "something of BullMQ: give a dict of the queue's name and the processor, "
    '{"queue": "mail", "processor": process}',
    "taskiq": "something of Taskiq: give the broker that has the tasks, or its scheduler",
    "streaq": "something of streaQ: give the Worker(…) that has the tasks",
}


def bind(app: Any, url: str, settings: Settings) -> Binding:
    """Join an application to the Redis at `url`.

    Raises:
        AdapterError: No adapter is for an application of this type.
    """
    app = {} if app is None else app
    adapter = fitting(ADAPTERS, app) or fitting(_installed(), app)
    # Some things of libraries are dicts, and no handlers.
    meant = _meant(app) if adapter is None or "builtins.dict" in adapter.app_types else None
    if meant is not None:
        raise AdapterError(f"no adapter is for an application of type {_name(type(app))}; that is {meant}")
    if adapter is not None:
        binding: Binding = _factory(adapter)(app, url, settings)
        return binding
    known = ", ".join(adapter.name for adapter in all_adapters())
    raise AdapterError(
        f"no adapter is for an application of type {_name(type(app))}: {app!r}. There are adapters for "
        f"{known}; give an application of one of these as jobqueue_app, or install an adapter that announces "
        f"itself in the entry points {GROUP!r}."
    )


def _meant(app: Any) -> str | None:
    """What an object is that no adapter is for, and what to give instead; None for nothing of a library."""
    if isinstance(app, type):
        if fitting_type(ADAPTERS, app):
            return f"the class {app.__qualname__}: did you mean an instance of it?"
        kinds = app.__mro__
    else:
        kinds = type(app).__mro__
        if any(adapter.looks_like(type(app)) for adapter in ADAPTERS):
            return f"an instance: did you mean the class itself, {type(app).__qualname__}?"
    names = [_name(kind) for kind in kinds]
    if isinstance(app, ModuleType):
        names.append(app.__name__)
    roots = [name.partition(".")[0] for name in names]
    return next((MEANT[name] for name in (*names, *roots) if name in MEANT), None)


def _name(kind: type) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"


def command(app: Any, work: Work) -> Callable[[], object]:
    """Make a worker process of this one; what is returned runs the library's own worker.

    Raises:
        AdapterError: No adapter is for an application of this type, or it has no worker command.
    """
    adapter = fitting(all_adapters(), app)
    if adapter is None or not adapter.command:
        raise AdapterError(
            f"there is no worker command for an application of type {type(app).__qualname__}: {app!r}; use "
            "jobqueue_worker_mode = inline"
        )
    ready: Callable[[Any, Work], Callable[[], object]] = load(
        adapter.command, f"the adapter {adapter.name!r}"
    )
    return ready(app, work)


def _factory(adapter: Adapter) -> Callable[..., Binding]:
    try:
        factory: Callable[..., Binding] = load(adapter.factory, f"the adapter {adapter.name!r}")
    except UsageError as error:
        cause = error.__cause__
        if isinstance(cause, ModuleNotFoundError) and not f"{cause.name}.".startswith("pytest_jobqueue."):
            raise AdapterError(
                f"the adapter {adapter.name!r} needs {cause.name}, which is not installed: "
                f'pip install "pytest-jobqueue[{adapter.name}]"'
            ) from None
        raise
    needs.check(adapter.name, getattr(sys.modules.get(factory.__module__), "NEEDS", ()))
    return factory


def all_adapters() -> tuple[Adapter, ...]:
    """Those of the table, then those that are announced.

    Raises:
        AdapterError: One that is announced cannot be loaded.
    """
    return (*ADAPTERS, *_installed())


def fitting(adapters: Iterable[Adapter], app: Any) -> Adapter | None:
    """The adapter that is for this application, by its shape or else by its type."""
    adapters = list(adapters)
    found = next((adapter for adapter in adapters if adapter.looks_like(app)), None)
    as_dict = dict if isinstance(app, Mapping) else object
    return found or fitting_type(adapters, type(app)) or fitting_type(adapters, as_dict)


def fitting_type(adapters: Iterable[Adapter], kind: type) -> Adapter | None:
    """The adapter that is for applications of this type."""
    names = {_name(base) for base in kind.__mro__}
    return next((adapter for adapter in adapters if names & set(adapter.app_types)), None)


def _installed() -> list[Adapter]:
    from importlib.metadata import entry_points

    return [_announced(entry) for entry in entry_points(group=GROUP)]


def _announced(entry: EntryPoint) -> Adapter:
    try:
        adapter = entry.load()
    except Exception as error:
        raise AdapterError(
            f"the adapter {entry.name!r} ({entry.value}) cannot be loaded: {type(error).__name__}: {error}"
        ) from error
    if not isinstance(adapter, Adapter):
        raise AdapterError(
            f"the adapter {entry.name!r} ({entry.value}) is {adapter!r}; it must be a {__name__}.Adapter"
        )
    return adapter


def load(path: str, what: str) -> Any:
    """Import the object at `module:attribute`.

    Args:
        path: Where it is.
        what: What it is for, as an error's message says.

    Raises:
        UsageError: There is no such module or attribute, or the module cannot be imported.
    """
    module_name, colon, attribute = path.partition(":")
    if not colon or not module_name or not attribute:
        raise UsageError(f"{what} is {path!r}; write it as module:attribute, e.g. my_service.jobs:handlers")
    found = import_module(module_name, path, what)
    place, separator = module_name, ":"
    for name in attribute.split("."):
        if not hasattr(found, name):
            close = get_close_matches(name, dir(found), 1)
            did_you_mean = f"; did you mean {place}{separator}{close[0]}?" if close else ""
            raise UsageError(f"{what} is {path!r}, but {place} has no {name!r}{did_you_mean}")
        found = getattr(found, name)
        place, separator = f"{place}{separator}{name}", "."
    return found


def import_module(name: str, path: str, what: str) -> Any:
    """Import a module that is named in `path`.

    Raises:
        UsageError: It cannot be imported.
    """
    try:
        return importlib.import_module(name)
    except (Exception, SystemExit) as error:  # settings checks end the process
        missing = isinstance(error, ModuleNotFoundError) and f"{name}.".startswith(f"{error.name}.")
        hint = "; is its folder on the import path (pythonpath = …)?" if missing else ""
        parent, dot, attribute = name.rpartition(".")
        if dot and hasattr(sys.modules.get(parent), attribute):
            hint = f"; did you mean {parent}:{attribute}?"
        raise UsageError(
            f"{what} is {path!r}, but {name} cannot be imported: {type(error).__name__}: {error}"
            f"{_where(error)}{hint}"
        ) from error


def _where(error: BaseException) -> str:
    """The last of the service's own lines that led to an error; "" where none did, or the error says it."""
    own = [] if isinstance(error, SyntaxError) else users_frames(error)
    return f" ({Path(own[-1].filename).name}:{own[-1].lineno})" if own else ""


def check_settings(value: object) -> Settings:
    """What a project's `jobqueue_settings` gave, or an error that says what it must be."""
    if isinstance(value, Settings):
        return value
    names = ", ".join(field.name for field in fields(Settings))
    raise UsageError(
        f"the fixture jobqueue_settings returned {value!r}; return pytest_jobqueue.Settings(…), with as much "
        f"as needed of {names}"
    )
