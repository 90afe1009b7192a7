"""What a producer asks for, put on a queue by RQ's own calls.

Nothing is added to RQ but answers to mistakes: a job that cannot be imported, an option that RQ does not
have (it would drop it in silence), an argument that cannot be serialised.
"""

from __future__ import annotations

from datetime import datetime, timezone
from difflib import get_close_matches
from importlib import import_module
from inspect import isroutine, signature
from typing import TYPE_CHECKING, Any

from rq import Queue
from rq.utils import import_attribute
from rq.version import VERSION

from pytest_jobqueue.adapters.arguments import name_refused
from pytest_jobqueue.adapters.rq.place import django_queue
from pytest_jobqueue.errors import UsageError
from pytest_jobqueue.job import Job

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pytest_jobqueue.adapters.rq.place import Place
    from pytest_jobqueue.job import Call

_OURS = frozenset({"self", "func", "args", "kwargs", "pipeline"})


def _options_of(method: Any) -> frozenset[str]:
    names = set(signature(method).parameters) - _OURS
    return frozenset("job_timeout" if name == "timeout" else name for name in names)


_ONE = _options_of(Queue.enqueue_call)
_MANY = _options_of(Queue.prepare_data)


class Client:
    """Enqueues on the application's own queues.

    Args:
        place: The queues.
        default_queue: Where a job goes that names no queue, if the application has it; else its first queue.
    """

    def __init__(self, place: Place, default_queue: str) -> None:
        self._place = place
        self.queues = {queue.name: queue for queue in place.queues}
        self.default = default_queue if default_queue in self.queues else place.queues[0].name

    def queue(self, name: str | None) -> Any:
        """The queue of this name, of the same kind as the application's where that has none."""
        name = self.default if name is None else name
        if name not in self.queues:
            self.queues[name] = self._made(name)
        return self.queues[name]

    def _made(self, name: str) -> Any:
        queue = django_queue(name) if self._place.django else None
        if queue is not None:
            return queue
        like = self._place.queues[0]
        return type(like)(
            name, connection=like.connection, job_class=like.job_class, serializer=like.serializer
        )

    def enqueue(self, call: Call) -> Any:
        """Put one job on its queue, or among the scheduled ones; returns RQ's job."""
        options = _checked(call, _ONE)
        queue = self.queue(call.queue)
        try:
            if call.at is not None:
                when = datetime.fromtimestamp(call.at, tz=timezone.utc)
                return queue.enqueue_at(when, call.name, args=call.args, kwargs=dict(call.kwargs), **options)
            # django-rq's queues would hold the job back until the transaction commits.
            enqueue = getattr(queue, "original_enqueue_call", queue.enqueue_call)
            return enqueue(call.name, args=call.args, kwargs=dict(call.kwargs), **_for_call(options))
        except Exception as error:
            _name_argument(queue, call, error)
            raise

    def enqueue_many(self, calls: Sequence[Call]) -> list[Any]:
        """Put several jobs on one queue in one round trip."""
        queue = self.queue(calls[0].queue)
        prepared = [
            queue.prepare_data(
                call.name, args=call.args, kwargs=dict(call.kwargs), **_for_call(_checked(call, _MANY))
            )
            for call in calls
        ]
        try:
            found: list[Any] = queue.enqueue_many(prepared)
        except Exception as error:
            for call in calls:
                _name_argument(queue, call, error)
            raise
        return found


def _for_call(options: Mapping[str, Any]) -> dict[str, Any]:
    return {"timeout" if name == "job_timeout" else name: value for name, value in options.items()}


def _checked(call: Call, known: frozenset[str]) -> dict[str, Any]:
    options = dict(call.options)
    for name in options:
        if name not in known:
            close = get_close_matches(name, known, 1)
            which = f"did you mean {close[0]!r}?" if close else f"it has {', '.join(sorted(known))}"
            where = " for many jobs at once" if name in _ONE else ""
            raise UsageError(f"RQ {VERSION} has no option {name!r}{where}; {which}")
    if "depends_on" in options:
        options["depends_on"] = _ids(options["depends_on"])
    _check_name(call.name)
    return options


def _ids(dependency: Any) -> Any:
    """Our jobs are named by their ids; everything else is left to RQ."""
    if isinstance(dependency, (list, tuple)):
        return [_ids(one) for one in dependency]
    return dependency.id if isinstance(dependency, Job) else dependency


def _check_name(name: Any) -> None:
    """Refuse what the worker could not import either."""
    if not isinstance(name, str):
        return  # a function itself, which RQ takes
    try:
        import_attribute(name)
    except ValueError:
        pass
    else:
        return
    module_name, _, attribute = name.rpartition(".")
    try:
        module = import_module(module_name) if module_name else None
    except ImportError as error:
        raise UsageError(
            f"there is no job {name!r}: {module_name} cannot be imported ({error}). RQ's jobs are functions, "
            "named by their import path, such as 'my_service.jobs.send'"
        ) from error
    if module is None:
        raise UsageError(
            f"there is no job {name!r}: RQ's jobs are functions, named by their import path, such as "
            "'my_service.jobs.send'"
        )
    functions = [key for key, value in vars(module).items() if isroutine(value) and not key.startswith("_")]
    close = get_close_matches(attribute, functions, 1)
    which = f"; did you mean '{module_name}.{close[0]}'?" if close else ""
    raise UsageError(
        f"there is no job {name!r}: the functions of {module_name} are "
        f"{', '.join(sorted(functions)) or 'none'}{which}"
    )


def _name_argument(queue: Any, call: Call, error: Exception) -> None:
    name_refused(call, error, _title(queue.serializer), queue.serializer.dumps)


def _title(serializer: Any) -> str:
    return getattr(serializer, "__qualname__", type(serializer).__qualname__)
