"""Between names and tasks, and between tasks and jobs: values only, nothing here is sent or run.

A task is made from its name by Huey's own deserialiser out of Huey's own message, so what comes of it is what
a consumer would get, and an argument that the serialiser refuses is refused at once.
"""

from __future__ import annotations

import datetime as dt
import uuid
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from huey.registry import Message
from huey.utils import normalize_time

from pytest_jobqueue.adapters.arguments import name_refused
from pytest_jobqueue.adapters.huey.place import registered_names
from pytest_jobqueue.errors import UsageError
from pytest_jobqueue.job import Job

if TYPE_CHECKING:
    from collections.abc import Iterator

    from huey.api import Huey, Task

    from pytest_jobqueue.job import Call

# What a caller of `task.schedule(…)` can say besides the arguments and the time; a version knows some of it.
_OPTIONS = ("id", "priority", "retries", "retry_delay", "retry_backoff", "expires", "timeout")


def task_for(huey: Huey, call: Call) -> Task:
    """The task that a call asks for.

    Raises:
        UsageError: There is no such task, queue or option.
        TypeError: The serialiser refuses an argument.
    """
    name = _registered(huey, call.name)
    if call.queue not in (None, huey.name):
        raise UsageError(
            f"{call.name}: a Huey has one queue, here {huey.name!r}, and there is no {call.queue!r}; "
            "leave the queue out, or give the Huey of that name as jobqueue_app"
        )
    known = [option for option in _OPTIONS if option in Message._fields]
    for option in call.options:
        if option not in known:
            raise UsageError(
                f"{call.name}: Huey has no option {option!r}{_did_you_mean(option, known)} "
                f"(there are {', '.join(known)})"
            )
    eta = None
    if call.at is not None:
        eta = normalize_time(eta=dt.datetime.fromtimestamp(call.at, dt.timezone.utc), utc=huey.utc)
    fields = {"id": str(uuid.uuid4()), "eta": eta, **call.options}
    message = Message(name=name, args=call.args, kwargs=dict(call.kwargs), **fields)
    try:
        return huey.deserialize_task(huey.serializer.serialize(message))
    except Exception as error:
        name_refused(call, error, f"Huey's {type(huey.serializer).__name__}", huey.serializer.serialize)
        raise


def _registered(huey: Huey, name: str) -> str:
    names = registered_names(huey)
    if name in names:
        return name
    same = [known for known in names if known.rpartition(".")[2] == name]
    hint = f"; did you mean {same[0]!r}?" if same else _did_you_mean(name, names)
    registered = ", ".join(names) or "none; import the module that has them"
    raise UsageError(f"the Huey {huey.name!r} has no task {name!r}{hint} (registered: {registered})")


def _did_you_mean(word: str, known: list[str]) -> str:
    close = get_close_matches(word, known, 1)
    return f"; did you mean {close[0]!r}?" if close else ""


def name_of(task: Task) -> str:
    """What Huey's registry calls a task: its module and its name."""
    return f"{type(task).__module__}.{type(task).__name__}"


def due(huey: Huey, task: Task) -> float | None:
    """When a task that is not ready becomes so, in seconds since the epoch; None for one that is."""
    if huey.ready_to_run(task):
        return None
    eta: dt.datetime = task.eta.replace(tzinfo=dt.timezone.utc) if huey.utc else task.eta
    return eta.timestamp()


def job_for(huey: Huey, task: Task, attempts: int = 0, error: str | None = None) -> Job:
    """A task as a job."""
    spent = int(task.default_retries or 0) - int(task.retries or 0)
    return Job(
        id=task.id,
        name=name_of(task),
        args=tuple(task.args),
        kwargs=dict(task.kwargs),
        queue=huey.name,
        due_at=due(huey, task),
        attempts=max(attempts, spent, 0),
        error=error,
        raw=task,
    )


def stand_in(huey: Huey, data: bytes) -> Job:
    """What Huey cannot make a task of, as far as it can be read."""
    try:
        message = huey.serializer.deserialize(data)
        return Job(message.id, message.name, tuple(message.args), dict(message.kwargs), huey.name, raw=data)
    except Exception:  # noqa: BLE001 (whatever a serialiser makes of strange bytes)
        return Job("", "(not a task)", queue=huey.name, raw=data)


def followers(task: Task) -> Iterator[Task]:
    """The tasks that wait for this one: the rest of its pipeline, and its chord's callback."""
    config = getattr(task, "chord_config", None)
    for follower in (task.on_complete, config.callback if config else None):
        if follower is not None:
            yield follower
            yield from followers(follower)


def text_of(error: BaseException) -> str:
    """What an exception says, or what it is."""
    found: Any = str(error) or type(error).__name__
    return str(found)
